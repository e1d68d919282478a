"""The client side of one command: a channel for its messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from condor_twisted.errors import HandshakeTimedOut, LocalProtocolError, PeerClosed
from condor_twisted.protocols.command_ports import set_connection_options
from condor_twisted.protocols.deadlines import NEVER
from condor_twisted.protocols.handshake_driver import HandshakeDriver, HostSteps
from condor_twisted.protocols.reli_sock import ReliSockProtocol
from condor_twisted.security.context import HandshakeContext
from condor_twisted.security.facts import ChannelEnds
from condor_twisted.security.negotiation import CommandStart, Established, connect
from condor_twisted.security.peer import Peer, Transport, raw_peer
from condor_twisted.security.sessions.session import SecuritySession
from condor_twisted.security.steps import LimitTime
from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.messages import MessageReader, MessageWriter
from condor_twisted.wire.sinful import SinfulAddress
from condor_twisted.wire.stream_frames import StreamFramer

if TYPE_CHECKING:
    from condor_twisted.protocols.commands import CommandOpener

__all__ = ["ClientChannel"]

#: How long an answer may take, unless the caller says otherwise.
ANSWER_SECONDS: Final = 60.0


class ClientChannel:
    """One command at one daemon; made by `CommandOpener.open`.

    Attributes:
        command: The command's number.
        address: Who was dialled.
        peer: Who answered, and what the channel has proved.
        session: The session; ``None`` for a raw command.
        resumed: The session is an old one.
    """

    def __init__(
        self, opener: CommandOpener, address: SinfulAddress, command: int
    ) -> None:
        self.command = command
        self.address = address
        self.peer: Peer | None = None
        self.session: SecuritySession | None = None
        self.resumed = False
        self._framer = StreamFramer(opener.limits)
        self.channel = ReliSockProtocol(self._framer, opener.sweep, opener.reactor)
        self.channel.owner = self
        self._opener = opener
        self._prefix = b""
        self._waiting: Deferred[MessageReader] | None = None
        self._driver: HandshakeDriver[Established] | None = None
        self._late: tuple[str, float] = ("", 0.0)
        self._end: Failure | None = None
        self._closings: list[Deferred[None]] = []

    # Talking.

    @property
    def is_open(self) -> bool:
        """Whether something can still be sent."""
        return self.channel.is_open

    @property
    def encrypted(self) -> bool:
        """Whether messages are encrypted, and so carry string lengths."""
        return self.channel.encrypted

    def writer(self) -> MessageWriter:
        """Writes a message in the form that the channel has."""
        secrets = self.channel.secrets
        return MessageWriter(
            self.channel.encrypted, None if secrets is None else secrets.for_message()
        )

    def send_message(self, payload: bytes) -> None:
        """Send one message.

        Raises:
            PeerClosed: The connection has ended.
        """
        self._check_open()
        prefix, self._prefix = self._prefix, b""
        self.channel.send_message(prefix + payload)

    def send_parts(self, parts: Iterable[bytes]) -> Deferred[None]:
        """Send one message that is made piece by piece.

        Returns:
            A `Deferred` that fires when the last piece is on its way.
        """
        prefix, self._prefix = self._prefix, b""
        if prefix:
            parts = _with_prefix(prefix, parts)
        return self.channel.send_parts(parts)

    def send_no_payload(self) -> None:
        """Send the command of a raw channel, where it has no data of its own.

        On a negotiated channel the server knows the command already, and nothing is
        sent.

        Raises:
            PeerClosed: The connection has ended before.
        """
        prefix, self._prefix = self._prefix, b""
        if prefix:
            self._check_open()
            self.channel.send_message(prefix)

    def receive_message(
        self, timeout_seconds: float = ANSWER_SECONDS
    ) -> Deferred[MessageReader]:
        """Wait for the next message.

        Args:
            timeout_seconds: How long it may take until it is whole.

        Returns:
            A `Deferred` of a reader at the message's begin. It fails with
            `PeerClosed`, `HandshakeTimedOut`, or what the bytes are: a
            `RemoteProtocolError`. Cancelling it closes the connection.
        """
        return self._wait_for(self.channel.receive_one, timeout_seconds)

    def receive_raw(
        self, count_bytes: int, timeout_seconds: float = ANSWER_SECONDS
    ) -> Deferred[bytes]:
        """Wait for bytes outside of messages, as the data of files are.

        Args:
            count_bytes: The most to take.
            timeout_seconds: How long the first of them may take.

        Returns:
            A `Deferred` of at least one byte, as it is on the stream; it fails as
            `receive_message` does.
        """

        def take(receiver: Callable[[bytes], object]) -> bytes | None:
            return self.channel.receive_raw(count_bytes, receiver)

        return self._wait_for(take, timeout_seconds).addCallback(
            lambda reader: reader.get_bytes(reader.remaining)
        )

    @property
    def allows_raw(self) -> bool:
        """Whether the data of files stand outside of messages."""
        return self.channel.allows_raw

    def raw_cipher(self) -> CfbCipher | None:
        """What encrypts the data of one file that stand outside of messages."""
        return self.channel.raw_cipher()

    def _wait_for(
        self,
        take: Callable[[Callable[[bytes], object]], bytes | None],
        timeout_seconds: float,
    ) -> Deferred[MessageReader]:
        if self._waiting is not None or self._driver is not None:
            return fail(LocalProtocolError("somebody waits for a message already"))
        outcome: Deferred[MessageReader] = Deferred(self._receive_cancelled)
        self._waiting = outcome
        try:
            message = take(self._received)
        except Exception:
            self._waiting = None
            self.channel.abort()
            return fail(Failure())
        if message is not None:
            self._received(message)
        elif self._end is not None:
            self._waiting = None
            return fail(self._end)
        else:
            self._expect("an answer", timeout_seconds)
        return outcome

    def receive_part(
        self, timeout_seconds: float = ANSWER_SECONDS
    ) -> Deferred[tuple[bytes, bool]]:
        """Wait for the next piece of a message, however long the whole one is.

        Where a piece was asked for, everything after it comes in pieces too. Not for
        a stream whose single secrets are encrypted (`streams` tells).

        Args:
            timeout_seconds: How long it may take.

        Returns:
            A `Deferred` of bytes, and whether the message ends with them; it fails
            as `receive_message` does.
        """
        self._framer.deliver_pieces()

        def piece(reader: MessageReader) -> tuple[bytes, bool]:
            return reader.get_bytes(reader.remaining), self._framer.message_ended

        return self.receive_message(timeout_seconds).addCallback(piece)

    @property
    def streams(self) -> bool:
        """Whether a message can be received in pieces."""
        return self.channel.secrets is None or self.channel.encrypted

    def close(self) -> None:
        """Close when everything is sent."""
        self.channel.lose()

    def abort(self) -> None:
        """Close at once."""
        self.channel.abort()

    def when_closed(self) -> Deferred[None]:
        """Wait for the connection's end: behind `close`, everything is sent then.

        Returns:
            A `Deferred` that fires when there is no connection (any more); it does
            not fail.
        """
        closed: Deferred[None] = Deferred()
        if self.channel.transport is None:
            closed.callback(None)
        else:
            self._closings.append(closed)
        return closed

    # Opening; the opener calls these.

    def start_raw(self, ends: ChannelEnds) -> None:
        """Begin without a handshake."""
        self._prefix = self.command.to_bytes(8, "big")
        self.peer = raw_peer(ends.peer_address, ends.peer_port, Transport.TCP)
        self.channel.forget_transcript()
        self.channel.raise_limits()

    def negotiate(
        self,
        ends: ChannelEnds,
        start: CommandStart,
        host: HostSteps,
        timeout_seconds: float,
    ) -> Deferred[ClientChannel]:
        """Negotiate or resume a session.

        Args:
            ends: The two ends of the connection.
            start: What is wanted.
            host: Performs what blocks.
            timeout_seconds: How long it may take.

        Returns:
            A `Deferred` of this channel, ready; it fails as
            `condor_twisted.security.negotiation.connect` does.
        """
        context = HandshakeContext(self._opener.security, ends)
        end = self._opener.sweep.seconds() + timeout_seconds

        def limit(step: LimitTime) -> None:
            left = end - self._opener.sweep.seconds()
            if step.seconds is None or step.seconds >= left:
                self._late = ("the handshake", timeout_seconds)
                self.channel.set_deadline(end)
            else:
                self._expect(step.what, step.seconds)

        driver = HandshakeDriver(connect(context, start), self.channel, host, limit)
        self._driver = driver
        self._expect("the handshake", timeout_seconds)

        def ended(outcome: Any) -> Any:
            self._driver = None
            self.channel.set_deadline(NEVER)
            return outcome

        def ready(established: Established) -> ClientChannel:
            self.peer = established.peer
            self.session = established.session
            self.resumed = established.resumed
            self.channel.forget_transcript()
            self.channel.raise_limits()
            return self

        def failed(failure: Failure) -> Failure:
            self.channel.abort()
            return failure

        return driver.start().addBoth(ended).addCallbacks(ready, failed)

    # What the channel calls.

    def connected(self) -> None:
        """The connection stands."""
        transport: Any = self.channel.transport
        handle = getattr(transport, "getHandle", None)
        if handle is not None:
            set_connection_options(handle(), self._opener.dialling.keep_alive_seconds)

    def channel_failed(self, failure: Failure) -> None:
        """What the peer sent is no CEDAR."""
        self._ended(failure)

    def channel_late(self) -> None:
        """A deadline passed."""
        what, seconds = self._late
        self.channel.abort()
        self._ended(Failure(HandshakeTimedOut(what, seconds)))

    def channel_closed(self, reason: Failure) -> None:
        """The connection has ended."""
        closed = PeerClosed("the connection was closed")
        if self._end is None and self._driver is not None:
            self._end = Failure(closed)
            self._driver.peer_closed(closed)
        else:
            self._ended(Failure(closed))
        closings, self._closings = self._closings, []
        for each in closings:
            if not each.called:
                each.callback(None)

    def _ended(self, failure: Failure) -> None:
        if self._end is None:
            self._end = failure
        if self._driver is not None:
            error = failure.value
            self._driver.fail(
                error if isinstance(error, Exception) else PeerClosed(str(error))
            )
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.channel.stop_receiving()
            waiting.errback(failure)

    def _received(self, message: bytes) -> None:
        waiting, self._waiting = self._waiting, None
        self.channel.set_deadline(NEVER)
        if waiting is not None:
            secrets = self.channel.secrets
            waiting.callback(
                MessageReader(
                    message,
                    encrypted=self.channel.encrypted,
                    secrets=None if secrets is None else secrets.for_message(),
                )
            )

    def _receive_cancelled(self, outcome: Deferred[MessageReader]) -> None:
        self._waiting = None
        self.channel.abort()

    def _expect(self, what: str, seconds: float) -> None:
        self._late = (what, seconds)
        self.channel.set_deadline(self._opener.sweep.seconds() + seconds)

    def _check_open(self) -> None:
        if not self.is_open:
            raise PeerClosed("the connection has ended")


def _with_prefix(prefix: bytes, parts: Iterable[bytes]) -> Iterable[bytes]:
    yield prefix
    yield from parts
