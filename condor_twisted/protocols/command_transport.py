"""Accepted connections that take fewer turns of the reactor.

Most connections of a daemon live for one message and its answer. Twisted gives each
step of that its own turn: accept, read, write, close. Here what can be done is done:

- A new connection is read at once: mostly its command has come with it.
- Short answers that are written during a read are sent as one when it is over. What
  the operating system does not take, and long ones, go Twisted's way, with its
  buffers and its producers.
- A long answer, which comes in large pieces, is handed to the operating system as it
  is, without a copy; after each piece the others get their turn.
- A connection that is to be closed during a read, and has nothing left to write, is
  closed when that read is over.

What a protocol sees is what it sees from any transport of Twisted.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from twisted.internet import main, tcp
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

__all__ = [
    "CommandPortReader",
    "CommandTransport",
    "Door",
    "WatchedTransport",
    "read_at_once",
]

_log = Logger()

#: Longer writes go through Twisted's buffers, so that others get their turn.
_SHORT_BYTES: Final = 65_536
#: So many turns in which somebody waited and nobody got in mean that nobody can.
_FAILURES_BEFORE_REST: Final = 5
#: How long to wait for more of a beginning that a door cannot judge yet.
_LOOK_AGAIN_SECONDS: Final = 0.05


class CommandTransport(tcp.Server):
    """One accepted connection.

    Args:
        args: As for ``tcp.Server``; the fourth is the port, whose ``accepted`` list
            the new transport is put into.
    """

    def __init__(self, *args: Any) -> None:
        self._reading = False
        # What was written during this read, while Twisted's buffers are empty.
        self._answer: list[bytes] | None = None
        self._answer_bytes = 0
        self._queued = False
        self._close_after_read = False
        super().__init__(*args)
        args[3].accepted.append(self)

    def doRead(self) -> Any:
        """Read once, send what was answered, and close if that was wished.

        Returns:
            ``None``, or why the reactor has to drop the connection.
        """
        self._reading = True
        try:
            why = super().doRead()
        finally:
            self._reading = False
        answer, self._answer = self._answer, None
        if answer is not None:
            self._send(answer[0] if len(answer) == 1 else b"".join(answer))
        if self._close_after_read and why is None:
            self._close_after_read = False
            if not self._queued:
                return main.CONNECTION_DONE
            super().loseConnection()  # type: ignore[no-untyped-call]
        return why

    def write(self, data: bytes) -> None:
        """Write: at the end of this read, if it is short and nothing waits."""
        if self._close_after_read:
            return
        size = self._answer_bytes + len(data) if self._answer else len(data)
        if not self._reading or self._queued or self.TLS or size > _SHORT_BYTES:
            self._queued = True
            self._pass_on()
            super().write(data)  # type: ignore[no-untyped-call]
        elif self._answer:
            self._answer.append(data)
            self._answer_bytes = size
        else:
            self._answer = [data]
            self._answer_bytes = size

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Write several pieces: at once, if they are long and nothing waits."""
        pieces = list(data)
        size = sum(map(len, pieces))
        if (
            size <= _SHORT_BYTES
            or self._reading
            or self._queued
            or self.TLS
            or self.disconnecting
            or not self.connected
            or not hasattr(self.socket, "sendmsg")
        ):
            self.write(b"".join(pieces))
            return
        try:
            sent = self.socket.sendmsg(pieces)
        except OSError:  # full, or broken: Twisted finds out which
            sent = 0
        self._queued = True
        if sent < size:
            for piece in pieces:
                if sent < len(piece):
                    super().write(piece[sent:])  # type: ignore[no-untyped-call]
                sent = max(0, sent - len(piece))
            return
        if self.producer is not None and self.streamingProducer:
            self.producerPaused = True
            self.producer.pauseProducing()  # type: ignore[attr-defined]
        # In its turn to write there is nothing left, and the producer goes on.
        self.startWriting()  # type: ignore[no-untyped-call]

    def stopWriting(self) -> None:  # noqa: N802
        """Everything is written, or nothing more will be."""
        self._queued = False
        self._answer = None
        super().stopWriting()  # type: ignore[no-untyped-call]

    def loseConnection(self) -> None:
        """Close when everything is written: at the end of this read, if it is."""
        if self._reading and not self._queued and not self.TLS:
            self._close_after_read = True
            self.stopReading()  # type: ignore[no-untyped-call]
        else:
            self._pass_on()
            super().loseConnection()  # type: ignore[no-untyped-call]

    def _pass_on(self) -> None:
        """Give Twisted what waits for the end of this read."""
        answer, self._answer = self._answer, None
        if answer is not None:
            super().write(b"".join(answer))  # type: ignore[no-untyped-call]

    def _send(self, data: bytes) -> None:
        if not self.connected:
            return
        try:
            sent = self.socket.send(data)
        except OSError:  # full, or broken: Twisted finds out which
            sent = 0
        if sent < len(data):
            self._queued = True
            super().write(data[sent:])  # type: ignore[no-untyped-call]


class Door(Protocol):
    """Looks at what a connection begins with, before anybody reads it."""

    @property
    def peek_bytes(self) -> int:
        """How many bytes it looks at."""

    def look(self, transport: WatchedTransport, data: bytes) -> bool | None:
        """Say what becomes of a connection.

        Args:
            transport: The connection.
            data: What has come; nothing of it was read.

        Returns:
            ``None`` until more has come; true if it is to be served here; false if
            it is over for us, be it that somebody else has it now.
        """


class WatchedTransport(CommandTransport):
    """An accepted connection at which a `Door` looks first.

    Args:
        args: As for `CommandTransport`; the port's factory has the door.
    """

    def __init__(self, *args: Any) -> None:
        self._door: Door | None = args[3].factory.door
        self._again: IDelayedCall | None = None
        super().__init__(*args)

    def doRead(self) -> Any:
        """Have the door look, until it has decided; then read."""
        door = self._door
        if door is None:
            return super().doRead()
        try:
            data = self.socket.recv(door.peek_bytes, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not data:
            return main.CONNECTION_DONE
        verdict = door.look(self, data)
        if verdict is None:
            # What has come stays there, so the reactor would call us without end.
            self.stopReading()  # type: ignore[no-untyped-call]
            clock: Any = self.reactor
            self._again = clock.callLater(_LOOK_AGAIN_SECONDS, self._look_again)
            return None
        self._door = None
        if verdict:
            return super().doRead() if self.connected else None
        # Somebody else may have the same connection: close it, do not shut it down.
        self._shouldShutdown = False
        return main.CONNECTION_DONE

    def connectionLost(self, reason: Failure) -> None:
        """It has ended."""
        again, self._again = self._again, None
        if again is not None and again.active():
            again.cancel()
        super().connectionLost(reason)

    def _look_again(self) -> None:
        self._again = None
        if self.connected:
            self.startReading()  # type: ignore[no-untyped-call]


class CommandPortReader:
    """Accepts some connections, and reads what came with them.

    Args:
        port: A listening ``tcp.Port``; its accepted connections become
            `CommandTransport`.
        accepts_per_turn: At most so many in one turn; 0 for what Twisted takes.
        first: Called before somebody is accepted.
    """

    def __init__(
        self,
        port: Any,
        accepts_per_turn: int,
        first: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._port = port
        self._first = tuple(first)
        self._accepts_per_turn = accepts_per_turn
        self._accept: Callable[[], None] = port.doRead
        self._failures_count = 0
        door = getattr(port.factory, "door", None)
        port.transport = CommandTransport if door is None else WatchedTransport
        port.accepted = []

    def __call__(self) -> None:
        """What the reactor calls when somebody waits to be accepted."""
        for call in self._first:
            call()
        port = self._port
        # Twisted lets the number grow with the load.
        if 0 < self._accepts_per_turn < port.numberAccepts:
            port.numberAccepts = self._accepts_per_turn
        turned_away = self._turned_away_count()
        self._accept()
        accepted, port.accepted = port.accepted, []
        self._look_for_failures(
            bool(accepted) or self._turned_away_count() != turned_away
        )
        for transport in accepted:
            if transport.connected:
                read_at_once(transport)

    def _turned_away_count(self) -> int:
        counters = getattr(self._port.factory, "counters", None)
        return int(getattr(counters, "connections_refused", 0))

    def _look_for_failures(self, succeeded: bool) -> None:
        """Rest when the system lets nobody in: Twisted would try without end."""
        self._failures_count = 0 if succeeded else self._failures_count + 1
        if self._failures_count == _FAILURES_BEFORE_REST:
            self._failures_count = 0
            rest = getattr(self._port.factory, "descriptors_short", None)
            if rest is not None:
                rest()


def read_at_once(transport: CommandTransport) -> None:
    """Read what has come with a new connection, and drop it if it has ended."""
    try:
        why = transport.doRead()
    except Exception:
        _log.failure("a new connection could not be read")
        why = main.CONNECTION_LOST
    if why is not None:
        transport.connectionLost(Failure(why))
