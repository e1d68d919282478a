"""Two sides of a conversation, and somebody in between who damages what one hears.

Everything that a side may end with is written down here: a value, or an error that its
function documents. A damaged conversation may even succeed, but never as somebody else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from condor_twisted.errors import (
    AuthenticationFailed,
    CondorTwistedError,
    HandshakeTimedOut,
    PeerClosed,
    RemoteProtocolError,
    SecurityError,
)
from fuzz.house import Broken
from fuzz.mutations import mutate
from tests.security.kit import Side

__all__ = [
    "BOTH",
    "CLIENT",
    "METHOD_ERRORS",
    "NEGOTIATION_ERRORS",
    "SERVER",
    "Damage",
    "Outcome",
    "carry",
]

#: The sides, by who hears what is damaged.
CLIENT: Final = "client"
SERVER: Final = "server"
BOTH: Final = (CLIENT, SERVER)

#: What a method may end with, and what a negotiation may.
METHOD_ERRORS: Final = (AuthenticationFailed, RemoteProtocolError, HandshakeTimedOut)
NEGOTIATION_ERRORS: Final = (SecurityError, RemoteProtocolError, HandshakeTimedOut)

#: How many messages a side may send that hears nonsense.
_MAX_MESSAGES: Final = 2000


@dataclass(frozen=True)
class Outcome:
    """What came of a conversation.

    Args:
        heard: How many messages the victim heard.
        refused: Whether one of the sides gave up.
    """

    heard: int
    refused: bool


class Damage:
    """What happens to the messages that one side hears.

    Args:
        chance: What decides.
        messages_count: How many there are in an undamaged conversation.
    """

    def __init__(self, chance: random.Random, messages_count: int) -> None:
        self.chance = chance
        self.at = chance.randrange(max(1, messages_count))
        #: What went wrong, for whoever has to find it again.
        self.done: list[bytes] = []
        self._heard: list[bytes] = []

    def apply(self, index: int, payload: bytes) -> list[bytes] | None:
        """What arrives instead of a message; ``None`` where the peer hangs up."""
        self._heard.append(payload)
        again = index > self.at and self.chance.random() < 0.1
        if index != self.at and not again:
            return [payload]
        kind = self.chance.random()
        changed = mutate(self.chance, payload, self._heard)
        if kind < 0.80:
            arrives: list[bytes] | None = [changed]
        elif kind < 0.84:
            arrives = []
        elif kind < 0.88:
            arrives = [payload, payload]
        elif kind < 0.92:
            arrives = [self.chance.choice(self._heard), payload]
        elif kind < 0.96:
            arrives = [payload, changed]
        else:
            arrives = None
        self.done.extend(arrives or [b""])
        return arrives


def _end(side: Side[Any], error: CondorTwistedError) -> None:
    """Throw in what ends a conversation in which nothing comes any more."""
    try:
        side.handshake.throw(error)
    except CondorTwistedError as raised:
        side.done, side.error = True, raised
    except StopIteration as end:
        side.done, side.value = True, end.value
    else:
        raise Broken("a handshake goes on after its end")


def carry(
    client: Side[Any],
    begin: Callable[[bytes], Side[Any]],
    victim: str,
    damage: Damage | None,
    allowed: Sequence[type[CondorTwistedError]],
) -> tuple[Side[Any], Outcome]:
    """Run a conversation to its end.

    Args:
        client: The client, which may have spoken.
        begin: Makes the server, out of the client's first message if it needs one.
        victim: Who hears damaged messages.
        damage: What happens to them; ``None`` for an undamaged conversation.
        allowed: What either side may end with.

    Returns:
        The server, and what came of the conversation.

    Raises:
        Broken: A side ended with something else, or not at all.
    """
    heard = {CLIENT: 0, SERVER: 0}
    server: Side[Any] | None = None
    hangs_up = False

    def arrive(whom: str, payload: bytes) -> list[bytes]:
        nonlocal hangs_up
        index = heard[whom]
        heard[whom] += 1
        if heard[whom] > _MAX_MESSAGES:
            raise Broken("a conversation without end")
        if damage is None or whom != victim or hangs_up:
            return [payload]
        arrives = damage.apply(index, payload)
        hangs_up = arrives is None
        return arrives or []

    carried = {CLIENT: 0, SERVER: 0}
    if client.sent:
        carried[CLIENT] = 1
        first, *others = arrive(SERVER, client.sent[0]) or [b""]
        server = begin(first)
        for each in others:
            server.message_received(each)
    else:
        server = begin(b"")
    moved = True
    while moved and not hangs_up:
        moved = False
        for whom, here, there in ((CLIENT, client, server), (SERVER, server, client)):
            while carried[whom] < len(here.sent) and not hangs_up:
                payload = here.sent[carried[whom]]
                carried[whom] += 1
                moved = True
                for each in arrive(SERVER if whom == CLIENT else CLIENT, payload):
                    there.message_received(each)
    late = damage is not None and damage.chance.random() < 0.2
    for side in (client, server):
        if not side.done:
            late_error = HandshakeTimedOut("the negotiation", 20)
            _end(side, late_error if late else PeerClosed("the peer went away"))
        if side.error is not None and not isinstance(side.error, tuple(allowed)):
            raise Broken(f"{type(side.error).__name__}: {side.error}") from side.error
    refused = client.error is not None or server.error is not None
    return server, Outcome(heard[victim], refused)
