"""Conversations of whole negotiations: new sessions, old ones, questions, datagrams."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Final

from condor_twisted.errors import (
    RemoteProtocolError,
    SecurityError,
)
from condor_twisted.security.commands import DC_SEC_QUERY
from condor_twisted.security.context import HandshakeContext, SecurityState
from condor_twisted.security.explanation import explain_client, read_explanation
from condor_twisted.security.facts import ChannelEnds
from condor_twisted.security.handshake.connecting import find_session
from condor_twisted.security.handshake.datagrams import OutgoingDatagram, admit_datagram
from condor_twisted.security.negotiation import (
    CommandStart,
    NegotiationRecord,
    connect,
    read_query_reply,
    serve,
)
from condor_twisted.security.steps import Handshake, receive_message
from condor_twisted.wire.datagrams import MessageId, Reassembler, split_message
from condor_twisted.wire.messages import MessageReader
from fuzz.carrying import (
    BOTH,
    NEGOTIATION_ERRORS,
    SERVER,
    Damage,
    Outcome,
    carry,
)
from fuzz.house import Broken
from fuzz.mutations import mutate
from tests.security.kit import (
    CLIENT_ENDS,
    FakeHost,
    Side,
    client_context,
    make_state,
    server_context,
)

__all__ = ["DATAGRAMS", "NEGOTIATIONS", "Datagrams", "Negotiation"]

_CLAIM: Final = {
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE",
    "SEC_DEFAULT_AUTHENTICATION": "REQUIRED",
    "SEC_DEFAULT_ENCRYPTION": "OPTIONAL",
    "SEC_DEFAULT_INTEGRITY": "OPTIONAL",
}
_DIALLED: Final = "<127.0.0.1:9618>"
_UPDATE: Final = 58


def _ask(context: HandshakeContext, start: CommandStart) -> Handshake[object]:
    """Ask whether a command would be allowed, and read the answer."""
    established = yield from connect(context, start)
    reader = MessageReader(
        (yield from receive_message()), encrypted=established.encrypted
    )
    return read_query_reply(reader)


@dataclass
class Negotiation:
    """Conversations of one kind of negotiation.

    Args:
        name: What it is called.
        knobs: The configuration of both sides.
        resumes: Whether a session of before is used.
        forgotten: Whether the server has forgotten it.
        asks: Whether the command is DC_SEC_QUERY.
    """

    name: str
    knobs: Mapping[str, str]
    resumes: bool = False
    forgotten: bool = False
    asks: bool = False

    sides: ClassVar[tuple[str, ...]] = BOTH

    def states(self) -> tuple[SecurityState, SecurityState]:
        """The two sides' security."""
        return make_state(self.knobs, subsystem="TOOL"), make_state(self.knobs)

    def start(self, record: NegotiationRecord | None = None) -> CommandStart:
        """What the client starts."""
        if self.asks:
            return CommandStart(DC_SEC_QUERY, 5, explain=True, record=record)
        return CommandStart(5, record=record)

    def run(self, chance: random.Random, victim: str, damage: Damage | None) -> Outcome:
        """One conversation, and what came of it.

        Raises:
            Broken: It ended as it must not.
        """
        ours, theirs = _states_of(self.name)
        if not self.resumes:
            ours.outgoing.remove_where(lambda session: True)
        elif find_session(ours, self.start(), _DIALLED) is None:
            self._converse(ours, theirs, SERVER, None, None)
        if self.forgotten:
            theirs.incoming.remove_where(lambda session: True)
        record = NegotiationRecord()
        outcome = self._converse(ours, theirs, victim, damage, record)
        if not self.resumes:
            explain_client(ours, record)
            if record.verdict is not None:
                read_explanation(record.verdict)
        return outcome

    def _converse(
        self,
        ours: SecurityState,
        theirs: SecurityState,
        victim: str,
        damage: Damage | None,
        record: NegotiationRecord | None,
    ) -> Outcome:
        hosts = FakeHost(), FakeHost()
        hosts[1].directories = hosts[0].directories
        start = self.start(record)
        context = client_context(ours)
        handshake: Handshake[Any] = (
            _ask(context, start) if self.asks else connect(context, start)
        )
        client: Side[Any] = Side(handshake, hosts[0])

        def begin(first: bytes) -> Side[Any]:
            def serving() -> Handshake[Any]:
                # As `condor_twisted.protocols` does: the command number comes first.
                if MessageReader(first).get_int() != 60010:
                    raise SecurityError("another command")
                return (yield from serve(server_context(theirs), first))

            return Side(serving(), hosts[1])

        server, outcome = carry(client, begin, victim, damage, NEGOTIATION_ERRORS)
        if damage is None and not self.forgotten:
            client.outcome(), server.outcome()
        return outcome


@cache
def _states_of(name: str) -> tuple[SecurityState, SecurityState]:
    return next(each for each in NEGOTIATIONS if each.name == name).states()


def _with_cipher(cipher: str, **knobs: str) -> dict[str, str]:
    return {
        **_CLAIM,
        "SEC_DEFAULT_CRYPTO_METHODS": cipher,
        "SEC_CLIENT_ENCRYPTION": "REQUIRED",
        "SEC_CLIENT_INTEGRITY": "REQUIRED",
        **knobs,
    }


NEGOTIATIONS: Final = (
    Negotiation("new session, AES", _with_cipher("AES")),
    Negotiation("new session, Blowfish", _with_cipher("BLOWFISH")),
    Negotiation("new session, 3DES", _with_cipher("3DES")),
    Negotiation(
        "several methods",
        {**_CLAIM, "SEC_DEFAULT_AUTHENTICATION_METHODS": "MUNGE, FS, CLAIMTOBE"},
    ),
    Negotiation(
        "no authentication",
        {**_CLAIM, "SEC_DEFAULT_AUTHENTICATION": "NEVER"},
    ),
    Negotiation("resumption", _with_cipher("AES"), resumes=True),
    Negotiation("resumption, Blowfish", _with_cipher("BLOWFISH"), resumes=True),
    Negotiation("unknown session", _with_cipher("AES"), resumes=True, forgotten=True),
    Negotiation("DC_SEC_QUERY", _with_cipher("AES"), asks=True),
)


@dataclass
class Datagrams:
    """Datagrams of one kind, to a daemon that has the session or not.

    Args:
        name: What they are called.
        knobs: The configuration of both sides.
        known: Whether the daemon has the session.
        signed: Whether the datagrams have a MAC, so that only what was sent counts.
    """

    name: str
    knobs: Mapping[str, str]
    known: bool = True
    signed: bool = False

    #: Nobody answers a datagram.
    sides: ClassVar[tuple[str, ...]] = (SERVER,)

    def run(self, chance: random.Random, victim: str, damage: Damage | None) -> Outcome:
        """One message in datagrams, and what came of it.

        Raises:
            Broken: It ended as it must not.
        """
        ours, theirs = _session_of(self.name)
        start = CommandStart(_UPDATE)
        session = find_session(ours, start, _DIALLED)
        assert session is not None, "the session was made"
        ends = ChannelEnds("127.0.0.1", 40000, "127.0.0.1", 9618, dialled=_DIALLED)
        outgoing = OutgoingDatagram(HandshakeContext(ours, ends), start, session)
        outgoing.writer.put_string("x" * chance.choice((0, 10, 3000)))
        message = outgoing.finish()
        parts = split_message(
            message.payload, 1000, MessageId.random(chance.randbytes), message.header
        )
        reassembler, admitted = Reassembler(), []
        for number, part in enumerate(parts):
            hit = damage is not None and number == damage.at % len(parts)
            for data in self._arriving(chance, part, parts) if hit else [part]:
                try:
                    whole = reassembler.receive(data, 1.0)
                    if whole is not None:
                        admitted.append(
                            admit_datagram(theirs, whole, "127.0.0.1", 40000)
                        )
                except (RemoteProtocolError, SecurityError) as error:
                    if damage is None and self.known:
                        raise Broken("an undamaged datagram") from error
        reassembler.expire(1e9)
        if reassembler.unfinished_count:
            raise Broken("fragments are kept")
        allowed = [each for each in admitted if each.decision.allowed]
        self._judge(allowed, message)
        return Outcome(len(parts), refused=not allowed)

    def _arriving(
        self, chance: random.Random, part: bytes, parts: list[bytes]
    ) -> list[bytes]:
        changed = mutate(chance, part, parts)
        return chance.choice(
            ([changed], [changed], [changed], [changed, part], [part, part], [])
        )

    def _judge(self, allowed: list[Any], message: Any) -> None:
        proved = [each for each in allowed if each.peer.user is not None]
        if proved and not self.known:
            raise Broken("a datagram of no session was somebody's")
        if len(proved) > len({each.payload for each in proved}):
            raise Broken("a datagram counted twice")
        if self.signed and any(each.payload != message.payload for each in proved):
            raise Broken("a damaged datagram with a MAC was taken")


@cache
def _session_of(name: str) -> tuple[SecurityState, SecurityState]:
    """Two sides that have a session for datagrams."""
    kind = next(each for each in DATAGRAMS if each.name == name)
    ours = make_state(kind.knobs, subsystem="TOOL")
    theirs = make_state(kind.knobs)
    context = HandshakeContext(ours, CLIENT_ENDS)
    client: Side[Any] = Side(connect(context, CommandStart(60010, _UPDATE)))
    server, _ = carry(
        client,
        lambda first: Side(serve(server_context(theirs), first)),
        SERVER,
        None,
        (),
    )
    client.outcome(), server.outcome()
    if not kind.known:
        theirs.incoming.remove_where(lambda session: True)
    return ours, theirs


DATAGRAMS: Final = (
    Datagrams("datagrams, encrypted", _with_cipher("AES, BLOWFISH")),
    Datagrams("datagrams, 3DES", _with_cipher("3DES")),
    Datagrams(
        "datagrams with a MAC",
        {**_with_cipher("BLOWFISH"), "SEC_CLIENT_ENCRYPTION": "NEVER"},
        signed=True,
    ),
    Datagrams("datagrams, unknown session", _with_cipher("BLOWFISH"), known=False),
)
