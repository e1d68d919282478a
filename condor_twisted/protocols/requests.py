"""What a handler gets, and what is registered for a command number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from twisted.internet.defer import Deferred, fail

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import LocalProtocolError, MalformedMessage
from condor_twisted.protocols.files import FileSender, SendingChannel
from condor_twisted.security.commands import CommandRule, CommandRules
from condor_twisted.security.peer import Peer
from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.messages import MessageReader, MessageWriter

__all__ = [
    "CommandRequest",
    "Handler",
    "Registration",
    "ReplyChannel",
    "WhatIsServed",
    "command_number",
]

#: The longest payload that a command takes, unless its registration says less.
MAX_PAYLOAD_BYTES: Final = 64 * 1_048_576
#: How long a payload may take, unless its registration says otherwise.
PAYLOAD_SECONDS: Final = 20.0


def command_number(payload: bytes) -> int:
    """The command that a message begins with, as its whole 64 bit number.

    Raises:
        MalformedMessage: The message is too short for one.
    """
    if len(payload) < 8:
        raise MalformedMessage("a message is too short for a command")
    return int.from_bytes(payload[:8], "big", signed=True)


class ReplyChannel(Protocol):
    """Where answers go: a connection, or nothing at all for a datagram."""

    encrypted: bool
    secrets: CfbCipher | None

    @property
    def is_open(self) -> bool:
        """Whether the peer may still get something."""

    def send_message(self, payload: bytes) -> None:
        """Queue one message."""

    def send_parts(self, parts: Iterable[bytes]) -> Deferred[None]:
        """Send one message piece by piece."""


class CommandRequest:
    """One command of one peer, admitted already.

    Args:
        command: Its number.
        payload: The message it came in, in clear.
        offset: Where in ``payload`` the command's own data begin.
        encrypted: Whether it was encrypted, so that its strings carry lengths.
        peer: Who sent it, and what its channel has proved.
        channel: Where answers go; ``None`` for a datagram.
        secrets: Decrypts single secrets of a message that is clear otherwise.
        holds: Whether a peer also holds a level.
    """

    __slots__ = (
        "_holds",
        "channel",
        "command",
        "encrypted",
        "keeps_open",
        "offset",
        "payload",
        "peer",
        "secrets",
    )

    def __init__(
        self,
        command: int,
        payload: bytes,
        offset: int,
        encrypted: bool,
        peer: Peer,
        channel: ReplyChannel | None,
        secrets: CfbCipher | None,
        holds: Callable[[Permission, Peer], bool],
    ) -> None:
        self.command = command
        self.payload = payload
        self.offset = offset
        self.encrypted = encrypted
        self.peer = peer
        self.channel = channel
        self.secrets = secrets
        #: Whether the connection stays for further commands after this one.
        self.keeps_open = False
        self._holds = holds

    @property
    def transport(self) -> str:
        """What the command came by: ``tcp`` or ``udp``."""
        return "udp" if self.channel is None else "tcp"

    def reader(self) -> MessageReader:
        """Reads the command's data; call ``end_of_message`` behind the last item."""
        return MessageReader(
            self.payload,
            self.offset,
            encrypted=self.encrypted,
            secrets=_for_message(self.secrets),
        )

    def writer(self) -> MessageWriter:
        """Writes an answer in the form that the channel has now."""
        channel = self.channel
        if channel is None:
            raise LocalProtocolError("a datagram is never answered")
        return MessageWriter(channel.encrypted, _for_message(channel.secrets))

    def reply(self, payload: bytes) -> None:
        """Send one message back; without effect once the peer has gone.

        Raises:
            LocalProtocolError: The command came by UDP, where nothing is answered.
        """
        if self.channel is None:
            raise LocalProtocolError("a datagram is never answered")
        self.channel.send_message(payload)

    def reply_parts(self, parts: Iterable[bytes]) -> Deferred[None]:
        """Send one message back that is made piece by piece.

        Args:
            parts: Pieces of 64 to 256 kB; see `ReliSockProtocol.send_parts`.

        Returns:
            A `Deferred` that fires when the last piece has left our hands; it fails
            if the peer goes away before, or if ``parts`` raises.
        """
        if self.channel is None:
            return fail(LocalProtocolError("a datagram is never answered"))
        return self.channel.send_parts(parts)

    def file_sender(self) -> FileSender:
        """Sends files, and items around them, as the answer.

        Raises:
            LocalProtocolError: The command came by UDP, where nothing is answered.
        """
        if self.channel is None:
            raise LocalProtocolError("a datagram is never answered")
        if not isinstance(self.channel, SendingChannel):
            raise LocalProtocolError("no files can be sent on this channel")
        return FileSender(self.channel, self.writer)

    def keep_open(self) -> None:
        """Serve further commands on this connection (update sockets)."""
        self.keeps_open = True

    def holds(self, permission: Permission) -> bool:
        """Whether the peer also holds a level, besides the command's own."""
        return self._holds(permission, self.peer)


def _for_message(secrets: CfbCipher | None) -> CfbCipher | None:
    return None if secrets is None else secrets.for_message()


#: A handler: it answers at once, with a `Deferred`, or is a coroutine function.
Handler = Callable[[CommandRequest], object]


@dataclass(frozen=True, slots=True)
class Registration:
    """Everything about one command: who may, how it comes, who serves it.

    Args:
        rule: The command's number, level and transports.
        handler: Serves it.
        keeps_stream: The connection stays for further commands.
        answers: The peer waits for something.
        max_payload_bytes: Longer payloads are refused.
        payload_seconds: How long the payload may take behind a negotiation.
        also_asks: Further levels that the handler asks about
            (`CommandRequest.holds`): if host names decide on one of them, they are
            looked up before the handler runs.
    """

    rule: CommandRule
    handler: Handler
    keeps_stream: bool = False
    answers: bool = False
    max_payload_bytes: int = MAX_PAYLOAD_BYTES
    payload_seconds: float = PAYLOAD_SECONDS
    also_asks: tuple[Permission, ...] = ()


class WhatIsServed(Protocol):
    """A command table, as the server side of a connection sees it."""

    @property
    def rules(self) -> CommandRules:
        """What the commands demand."""

    def find(self, number: int) -> Registration | None:
        """What is registered for a number, compared as a whole."""
