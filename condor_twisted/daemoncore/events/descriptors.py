"""Handlers for sockets and pipes: called when something can be read or written.

A handler stays until it is cancelled, by itself or by others. While it waits (a
`Deferred`, a coroutine) its descriptor is left alone. One that raises is cancelled,
since it would be called for the same bytes for ever.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::Register_Socket,
Register_Pipe, Create_Pipe, Read_Pipe, Write_Pipe``.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from enum import Flag, auto
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from condor_twisted.daemoncore.events.handlers import (
    HandlerKind,
    HandlerRunner,
    describe_handler,
)
from condor_twisted.daemoncore.events.timers import Timer, Timers
from condor_twisted.errors import LocalProtocolError

__all__ = ["Descriptors", "Events", "PipeEnd", "Registered"]

_log = Logger()

#: The most that `PipeEnd.read` takes at once by default.
READ_BYTES: Final = 65_536


class Events(Flag):
    """What a handler waits for."""

    READ = auto()
    WRITE = auto()
    READ_WRITE = READ | WRITE


class PipeEnd:
    """One end of a pipe, which never blocks.

    Args:
        descriptor: Its file descriptor; it is ours until `close`.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        """The descriptor; -1 once it is closed."""
        return self._descriptor

    def read(self, max_bytes: int = READ_BYTES) -> bytes | None:
        """What is there: ``b""`` at the end, ``None`` if nothing is there yet.

        Raises:
            OSError: It cannot be read.
        """
        try:
            return os.read(self._descriptor, max_bytes)
        except BlockingIOError:
            return None

    def write(self, data: bytes) -> int:
        """Write what there is room for; how many bytes that were.

        Raises:
            BrokenPipeError: Nobody reads the other end.
            OSError: It cannot be written.
        """
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Close it; again is harmless."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __repr__(self) -> str:
        return f"<PipeEnd {self._descriptor}>"


@implementer(IReadWriteDescriptor)
class Registered:
    """A registered socket or pipe end.

    Attributes:
        name: What log lines call it.
    """

    def __init__(
        self,
        owner: Descriptors,
        stream: Any,
        handler: Callable[[Any], object],
        events: Events,
        name: str,
    ) -> None:
        self.name = name
        self._owner = owner
        self._stream = stream
        self._handler = handler
        self._events = events
        self._number: int = stream.fileno()
        self._deadline: Timer | None = None
        self._deadline_passed = False
        self._waiting = False
        self._active = True

    @property
    def is_active(self) -> bool:
        """Whether the handler may be called again."""
        return self._active

    @property
    def deadline_passed(self) -> bool:
        """Whether the handler is called because nothing came in time."""
        return self._deadline_passed

    def set_deadline(self, seconds: float | None) -> None:
        """Call the handler after so many seconds even if nothing happens.

        Args:
            seconds: From now; ``None`` for no deadline.
        """
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._deadline_passed = False
        if seconds is not None and self._active:
            self._deadline = self._owner.timers.call_later(seconds, self._late)

    def cancel(self) -> None:
        """Call the handler no more; the stream stays open."""
        if not self._active:
            return
        self._active = False
        self.set_deadline(None)
        self._owner.forget(self._number, self)
        self._stop()

    # What the reactor calls.

    def fileno(self) -> int:
        """The descriptor."""
        return self._number

    def doRead(self) -> None:
        """Something can be read."""
        self._call()

    def doWrite(self) -> None:
        """Something can be written."""
        self._call()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor found the descriptor closed, or stops."""
        if self._active:
            self._call()
        self.cancel()

    def logPrefix(self) -> str:
        """What log lines call it."""
        return self.name

    # Inside.

    def start(self) -> None:
        """Wait for events."""
        reactor = self._owner.reactor
        if Events.READ in self._events:
            reactor.addReader(self)
        if Events.WRITE in self._events:
            reactor.addWriter(self)

    def _stop(self) -> None:
        reactor = self._owner.reactor
        reactor.removeReader(self)
        reactor.removeWriter(self)

    def _late(self) -> None:
        self._deadline = None
        self._deadline_passed = True
        self._call()

    def _call(self) -> None:
        if self._waiting or not self._active:
            return
        succeeded = False

        def handle() -> object:
            nonlocal succeeded
            result = self._handler(self._stream)
            succeeded = True
            return result

        is_pipe = isinstance(self._stream, PipeEnd)
        kind = HandlerKind.PIPE if is_pipe else HandlerKind.SOCKET
        name = describe_handler(self._handler)
        done = self._owner.runner.run_as(kind, name, self.name, handle)
        if not succeeded:
            self._give_up()
        elif isinstance(done, Deferred):
            self._waiting = True
            self._stop()
            done.addCallback(self._handled)

    def _handled(self, succeeded: bool) -> None:
        self._waiting = False
        if not succeeded:
            self._give_up()
        elif self._active:
            self.start()

    def _give_up(self) -> None:
        if self._active:
            _log.error("{name} is cancelled, since it failed", name=self.name)
            self.cancel()


class Descriptors:
    """The socket and pipe handlers of one daemon.

    Args:
        reactor: Watches descriptors (``IReactorFDSet``).
        timers: For deadlines.
        runner: Runs handlers.
    """

    def __init__(self, reactor: Any, timers: Timers, runner: HandlerRunner) -> None:
        self.reactor = reactor
        self.timers = timers
        self.runner = runner
        self._registered: dict[int, Registered] = {}

    def __len__(self) -> int:
        return len(self._registered)

    def register_socket(
        self,
        stream: socket.socket,
        handler: Callable[[socket.socket], object],
        events: Events = Events.READ,
        *,
        deadline_seconds: float | None = None,
        name: str | None = None,
    ) -> Registered:
        """Call a handler with a socket whenever something can be done with it.

        Args:
            stream: The socket, which is made non-blocking and stays the caller's.
            handler: The handler; it may return a `Deferred` or be a coroutine
                function.
            events: What it waits for. A socket that is connecting can be written
                when it is connected.
            deadline_seconds: It is called after so long even if nothing happens
                (`Registered.deadline_passed` tells).
            name: What log lines call it; the handler's own name by default.

        Raises:
            LocalProtocolError: The socket is closed, or has a handler already.
        """
        if stream.fileno() >= 0:
            stream.setblocking(False)
        what = name or f"socket handler {describe_handler(handler)}"
        return self._register(stream, handler, events, deadline_seconds, what)

    def register_pipe(
        self,
        end: PipeEnd,
        handler: Callable[[PipeEnd], object],
        events: Events = Events.READ,
        *,
        deadline_seconds: float | None = None,
        name: str | None = None,
    ) -> Registered:
        """Call a handler with a pipe's end; as `register_socket`.

        Raises:
            LocalProtocolError: The end is closed, or has a handler already.
        """
        what = name or f"pipe handler {describe_handler(handler)}"
        return self._register(end, handler, events, deadline_seconds, what)

    def create_pipe(self) -> tuple[PipeEnd, PipeEnd]:
        """A pipe: the end that is read, and the end that is written.

        A child gets an end by its number (`SpawnOptions.descriptors`).

        Raises:
            OSError: There are no descriptors left.
        """
        read_end, write_end = os.pipe()
        for each in (read_end, write_end):
            os.set_blocking(each, False)
        return PipeEnd(read_end), PipeEnd(write_end)

    def close(self) -> None:
        """Cancel every handler."""
        for each in list(self._registered.values()):
            each.cancel()

    def forget(self, number: int, registered: Registered) -> None:
        """A handler is cancelled."""
        if self._registered.get(number) is registered:
            del self._registered[number]

    def _register(
        self,
        stream: Any,
        handler: Callable[[Any], object],
        events: Events,
        deadline_seconds: float | None,
        name: str,
    ) -> Registered:
        number = stream.fileno()
        if number < 0:
            raise LocalProtocolError(f"{name}: the descriptor is closed")
        if number in self._registered:
            raise LocalProtocolError(
                f"{name}: descriptor {number} has a handler already"
            )
        registered = Registered(self, stream, handler, events, name)
        self._registered[number] = registered
        registered.start()
        registered.set_deadline(deadline_seconds)
        return registered
