"""CEDAR over TCP: frames to messages, messages to frames, with back-pressure.

`ReliSockProtocol` is a *message channel*; what the messages mean is its owner's
business (`server_connection.ServerConnection`, `client_channel.ClientChannel`).

Reading
    Bytes go into a `StreamFramer`. Whole messages are taken out one at a time, and
    only while somebody wants one: ``receiver`` is the function that gets the next
    message, and an owner that is busy sets it to ``None``. What a peer pipelines
    stays in the framer as it was sent, undecoded (protection may be switched on in
    between), up to 1 MiB; then reading stops.

Writing
    ``send_message`` for what fits into memory, ``send_parts`` for one message that is
    made piece by piece. Both respect the transport: while more than 64 kB wait in it
    no part is asked for, no message is handled, and a peer that takes nothing for
    60 s is dropped.

Ending
    ``lose`` closes when everything is out, ``abort`` at once. Whatever peer input
    raises is caught in one place, told to the owner, and ends the connection. The
    owner hears of the end exactly once.

This module is long because reading, writing and ending share one connection's state.

Source: ``src/condor_io/reli_sock.cpp``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import (
    IDelayedCall,
    IProtocol,
    IPushProducer,
    IReactorTime,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from condor_twisted.errors import LocalProtocolError, PeerClosed
from condor_twisted.protocols.deadlines import NEVER, DeadlineSweep
from condor_twisted.protocols.message_parts import PART_BYTES, OutgoingParts
from condor_twisted.protocols.protections import protection_for
from condor_twisted.security.steps import EnableProtection
from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.stream_frames import StreamFramer

__all__ = ["ChannelOwner", "ReliSockProtocol"]

#: How much may wait unread in a connection whose owner is busy (1 MiB and a header).
UNREAD_LIMIT_BYTES: Final = 1_048_576 + 5
#: A peer that takes nothing for so long is dropped.
WRITE_PROGRESS_SECONDS: Final = 60.0
#: So many messages of one connection are handled before others get their turn.
MESSAGES_PER_TURN: Final = 500
#: So much may be written before the transport is asked to say when it is full.
_UNWATCHED_BYTES: Final = 65_536


class ChannelOwner(Protocol):
    """Who uses a `ReliSockProtocol`."""

    def connected(self) -> None:
        """The connection stands."""

    def channel_failed(self, failure: Failure) -> None:
        """Peer input raised this; the channel is aborted already."""

    def channel_late(self) -> None:
        """The deadline that the owner set has passed."""

    def channel_closed(self, reason: Failure) -> None:
        """The connection has ended; called exactly once, and last."""


@implementer(IProtocol, IPushProducer)
class ReliSockProtocol:
    """One CEDAR stream.

    Args:
        framer: Cuts the stream into messages; its limits are this channel's.
        sweep: Watches our deadlines.
        clock: The reactor, for turns of long messages.
    """

    __slots__ = (
        "_closing",
        "_delivering",
        "_framer",
        "_parts",
        "_producing",
        "_raw_wanted",
        "_reading_paused",
        "_receiver_once",
        "_sweep",
        "_turn",
        "_unwatched_bytes",
        "_write_blocked",
        "_write_deadline",
        "clock",
        "deadline",
        "encrypted",
        "owner",
        "owner_deadline",
        "partial_seconds",
        "receiver",
        "secrets",
        "transport",
    )

    def __init__(
        self, framer: StreamFramer, sweep: DeadlineSweep, clock: IReactorTime
    ) -> None:
        self.transport: ITransport | None = None
        self.owner: ChannelOwner | None = None
        #: Gets the next message; ``None`` while nobody wants one.
        self.receiver: Callable[[bytes], object] | None = None
        #: Whether messages are encrypted now, and their strings carry lengths.
        self.encrypted = False
        #: Encrypts single secrets in a stream that is clear otherwise; each message
        #: needs its own, ``secrets.for_message()``.
        self.secrets: CfbCipher | None = None
        #: How long a message may take from its first byte, once `partial_seconds`
        #: is set (an idle connection that is kept).
        self.partial_seconds = 0.0
        self.deadline = NEVER
        self.owner_deadline = NEVER
        self.clock = clock
        self._framer = framer
        self._sweep = sweep
        self._receiver_once: Callable[[bytes], object] | None = None
        self._delivering = False
        self._reading_paused = False
        self._write_blocked = False
        self._write_deadline = NEVER
        self._unwatched_bytes = 0
        self._producing = False
        self._raw_wanted = 0
        self._closing = False
        self._parts: deque[OutgoingParts] = deque()
        self._turn: IDelayedCall | None = None

    # What Twisted calls.

    def makeConnection(self, transport: ITransport) -> None:
        """The connection stands."""
        self.transport = transport
        if self.owner is not None:
            self.owner.connected()

    def connectionMade(self) -> None:
        """Part of ``IProtocol``; `makeConnection` does it all."""

    def dataReceived(self, data: bytes) -> None:
        """Take what the peer sent."""
        if self._closing:
            return
        framer = self._framer
        try:
            framer.receive_data(data)
        except Exception:
            self._failed(Failure())
            return
        if (
            self.receiver is None
            or self._delivering
            or self._write_blocked
            or self._turn is not None
        ):
            if framer.buffered_bytes > UNREAD_LIMIT_BYTES and not self._reading_paused:
                self._pause_reading()
            return
        self._deliver()

    def connectionLost(self, reason: Failure) -> None:
        """The connection has ended."""
        self.transport = None
        self._closing = True
        self._sweep.forget(self)
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        parts, self._parts = self._parts, deque()
        for each in parts:
            each.end(Failure(PeerClosed("the peer closed before it had everything")))
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.channel_closed(reason)

    def pauseProducing(self) -> None:
        """The transport is full: hold parts and messages back."""
        self._write_blocked = True
        self._expect_progress()

    def resumeProducing(self) -> None:
        """The transport has room again."""
        self._write_blocked = False
        self._write_deadline = NEVER
        self._set_deadline()
        if self._parts and self._turn is None:
            self._write_parts()
        if not self._write_blocked and not self._closing:
            self.resume()

    def stopProducing(self) -> None:
        """The transport is gone; ``connectionLost`` follows."""
        self._producing = False

    # Reading.

    def resume(self) -> None:
        """Deliver what has come, after ``receiver`` was set again."""
        if (
            self._delivering
            or self._write_blocked
            or self.receiver is None
            or self._turn is not None
        ):
            return
        if self._framer.buffered_bytes:
            self._deliver()
        if self._reading_paused and self.receiver is not None:
            self._resume_reading()

    def receive_one(self, receiver: Callable[[bytes], object]) -> bytes | None:
        """The next message, or ``None``: then ``receiver`` gets it when it comes.

        Raises:
            RemoteProtocolError: If what has come is no message.
        """
        message = self._next()
        if message is None:
            self._receiver_once = receiver
            self.receiver = self._give_one
            if self._reading_paused:
                self._resume_reading()
        return message

    def receive_raw(
        self, count_bytes: int, receiver: Callable[[bytes], object]
    ) -> bytes | None:
        """Bytes that stand outside of messages, as the data of files do.

        Args:
            count_bytes: The most to take, at least 1.
            receiver: Gets them when they come, if there are none now.

        Returns:
            Some of them as they are on the stream, or ``None``.

        Raises:
            LocalProtocolError: If no such bytes exist on this stream.
        """
        data = self._framer.take_raw(count_bytes)
        if data:
            return data
        self._raw_wanted = count_bytes
        return self.receive_one(receiver)

    @property
    def allows_raw(self) -> bool:
        """Whether the data of files stand outside of messages."""
        protection = self._framer.protection
        return protection is None or protection.allows_raw

    def raw_cipher(self) -> CfbCipher | None:
        """What encrypts the data of one file that stand outside of messages."""
        protection = self._framer.protection
        return None if protection is None else protection.raw_cipher()

    def stop_receiving(self) -> None:
        """Nobody wants a message for now."""
        self.receiver = None
        self._receiver_once = None
        self._raw_wanted = 0

    def raise_limits(self, message_bytes: int | None = None) -> None:
        """Allow the peer, now authorized, messages of full size, or of this one."""
        self._framer.raise_limits(message_bytes)

    def take_before(self, data: bytes) -> None:
        """Count a message that was read before us as the stream's first.

        Args:
            data: One whole message, which nobody gets any more.

        Raises:
            RemoteProtocolError: It is none.
        """
        self._framer.receive_data(data)
        self._framer.next_message()

    def restart_transcript(self) -> None:
        """Begin the handshake's transcript anew; see `StreamFramer`."""
        self._framer.restart_transcript()

    def forget_transcript(self) -> None:
        """No handshake will follow: stop hashing clear frames for one."""
        self._framer.forget_transcript()

    def enable_protection(self, step: EnableProtection) -> None:
        """Protect every later frame, both ways."""
        protection, self.secrets = protection_for(step)
        self.encrypted = step.encrypts
        if protection is not None:
            self._framer.enable_protection(protection)

    def _next(self) -> bytes | None:
        """The next message, or the raw bytes that are wanted instead."""
        if not self._raw_wanted:
            return self._framer.next_message()
        data = self._framer.take_raw(self._raw_wanted)
        if not data:
            return None
        self._raw_wanted = 0
        return data

    def _give_one(self, message: bytes) -> None:
        receiver, self._receiver_once = self._receiver_once, None
        self.receiver = None
        assert receiver is not None
        receiver(message)

    def _deliver(self) -> None:
        framer = self._framer
        self._delivering = True
        delivered = 0
        try:
            while (receiver := self.receiver) is not None:
                if delivered == MESSAGES_PER_TURN:
                    self._take_turn_later()
                    return
                message = self._next()
                if message is None:
                    break
                delivered += 1
                receiver(message)
                if self._write_blocked:
                    break
        except Exception:
            self._failed(Failure())
            return
        finally:
            self._delivering = False
        if self.partial_seconds and self.receiver is not None:
            if framer.receiving:
                if delivered or self.owner_deadline == NEVER:
                    self.set_deadline(self._sweep.seconds() + self.partial_seconds)
            elif self.owner_deadline != NEVER:
                self.set_deadline(NEVER)

    def _pause_reading(self) -> None:
        self._reading_paused = True
        if self.transport is not None:
            self.transport.pauseProducing()  # type: ignore[attr-defined]

    def _resume_reading(self) -> None:
        self._reading_paused = False
        if self.transport is not None and not self._closing:
            self.transport.resumeProducing()  # type: ignore[attr-defined]

    def _failed(self, failure: Failure) -> None:
        owner = self.owner
        self.abort()
        if owner is not None:
            owner.channel_failed(failure)

    # Writing.

    @property
    def is_open(self) -> bool:
        """Whether the peer may still get something."""
        return self.transport is not None and not self._closing

    def send_message(self, payload: bytes) -> None:
        """Queue one message; nothing happens on a connection that has ended.

        Raises:
            LocalProtocolError: If the message is empty, which CEDAR cannot send.
        """
        if not self.is_open:
            return
        if self._parts or len(payload) > PART_BYTES:
            self.send_parts((payload,)).addErrback(_ignore_closed)
            return
        self._write(self._framer.frame_message(payload))

    def send_parts(self, parts: Iterable[bytes]) -> Deferred[None]:
        """Send one message that is made piece by piece.

        Args:
            parts: Pieces of the payload, best 64 to 256 kB each. The next one is
                asked for when the transport has room. An empty piece means "not yet":
                the reactor gets a turn, then the next is asked for.

        Returns:
            A `Deferred` that fires when the last piece is in the transport's hands;
            it fails with `PeerClosed` if the connection ends before, or with what
            ``parts`` raised (then the connection is aborted: the peer must not take
            half a message for a whole one).
        """
        return self._queue(OutgoingParts(parts))

    def _queue(self, queued: OutgoingParts) -> Deferred[None]:
        if not self.is_open:
            return fail(PeerClosed("the connection has ended"))
        self._parts.append(queued)
        if len(self._parts) == 1:
            self._write_parts()
        return queued.done

    def send_raw(self, parts: Iterable[bytes]) -> Deferred[None]:
        """Send bytes outside of any message, as the data of one file are sent.

        Args:
            parts: Pieces, as for `send_parts`.

        Returns:
            A `Deferred`, as that of `send_parts`.

        Raises:
            LocalProtocolError: If no such bytes exist on this stream.
        """
        if not self.allows_raw:
            raise LocalProtocolError("no raw bytes exist on an AES-GCM stream")
        cipher = self.raw_cipher()
        return self._queue(
            OutgoingParts(parts, bytes if cipher is None else cipher.encrypt)
        )

    def lose(self) -> None:
        """Close when everything queued is out; a peer that does not read is dropped."""
        if self._closing:
            return
        self._closing = True
        self.stop_receiving()
        if not self._parts:
            self._close()

    def abort(self) -> None:
        """Close at once; what is queued is lost."""
        self._closing = True
        self.stop_receiving()
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]

    def _close(self) -> None:
        transport = self.transport
        if transport is None:
            return
        if self._producing:
            self._producing = False
            transport.unregisterProducer()  # type: ignore[attr-defined]
        transport.loseConnection()
        self._expect_progress()

    def _write(self, *pieces: bytes) -> None:
        transport = self.transport
        if transport is None:
            return
        if not self._producing:
            self._unwatched_bytes += sum(map(len, pieces))
            if self._unwatched_bytes > _UNWATCHED_BYTES:
                self._producing = True
                transport.registerProducer(self, True)  # type: ignore[attr-defined]
        if len(pieces) == 1:
            transport.write(pieces[0])
        else:
            transport.writeSequence(pieces)

    def _write_parts(self) -> None:
        while self._parts and not self._write_blocked:
            queued = self._parts[0]
            try:
                part = queued.next_part()
                if part is None:
                    pieces = self._pieces(queued, queued.last_part(), last=True)
                elif part:
                    pieces = self._pieces(queued, part, last=False)
                else:
                    if queued.waits:
                        self._take_turn_later()
                        return
                    continue
            except Exception:
                failure = Failure()
                self.abort()
                queued.end(failure)
                return
            self._write(*pieces)
            if part is None:
                self._parts.popleft()
                queued.end(None)
        if self._closing and not self._parts:
            self._close()

    def _pieces(
        self, queued: OutgoingParts, part: bytes, *, last: bool
    ) -> tuple[bytes, ...]:
        if queued.encode is not None:
            return (queued.encode(part),)
        return self._framer.frame_pieces(part, last)

    def _take_turn_later(self) -> None:
        """Let the reactor serve others first."""
        if self._turn is None:
            self._turn = self.clock.callLater(0, self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        if self._parts:
            self._write_parts()
        self.resume()

    def _expect_progress(self) -> None:
        self._write_deadline = self._sweep.seconds() + WRITE_PROGRESS_SECONDS
        self._set_deadline()

    # Deadlines.

    def set_deadline(self, deadline: float) -> None:
        """Call the owner's ``channel_late`` at this monotonic time; or `NEVER`."""
        self.owner_deadline = deadline
        self._set_deadline()

    def _set_deadline(self) -> None:
        deadline = min(self.owner_deadline, self._write_deadline)
        self.deadline = deadline
        if deadline != NEVER:
            self._sweep.watch(self)

    def deadline_passed(self) -> None:
        """Drop a peer that takes nothing; else tell the owner."""
        if self._write_deadline <= self._sweep.seconds() or self.owner is None:
            self.abort()
            return
        self.set_deadline(NEVER)
        self.owner.channel_late()


def _ignore_closed(failure: Failure) -> None:
    failure.trap(PeerClosed)
