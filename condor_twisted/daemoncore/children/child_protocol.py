"""What passes between us and one child process, on Twisted's side.

1.  `reactor.spawnProcess` starts `child_start`, so there is a process id at once.
2.  The order is written to it. It reports, and becomes the program; the report's end
    without an error says so.
3.  Output that is piped is kept up to a limit, or handed on.
4.  When the process has exited, what is left in the pipes is read. A descendant that
    holds them open is not waited for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from condor_twisted.daemoncore.children.child_start import READY, decode_report
from condor_twisted.errors import SpawnFailed

__all__ = ["ChildProtocol"]

_log = Logger()

#: How long what an exited process left in its pipes is waited for.
DRAIN_SECONDS: Final = 1.0
_MAX_REPORT_BYTES: Final = 256
_NAMES: Final = {1: "standard output", 2: "standard error"}


class ChildProtocol(ProcessProtocol):
    """One child process.

    Args:
        reactor: Tells time.
        program: What is to be executed, for errors.
        order_descriptor: Where the child reads its order.
        report_descriptor: Where it reports.
        capture_bytes: How much piped output is kept, of each stream.
        output_received: Gets piped output instead.
        may_stop: Whether the child stops before the execution.
        exited: Called once with the wait status, when the output is complete.

    Attributes:
        started: Fires when the program is executed; fails with `SpawnFailed`.
        output: What was captured, by descriptor.
    """

    def __init__(
        self,
        reactor: Any,
        program: str,
        order_descriptor: int,
        report_descriptor: int,
        capture_bytes: int,
        output_received: Callable[[int, bytes], object] | None,
        may_stop: bool,
        exited: Callable[[int], object],
    ) -> None:
        self.started: Deferred[None] = Deferred()
        self.output: dict[int, bytearray] = {}
        self._reactor = reactor
        self._program = program
        self._order_descriptor = order_descriptor
        self._report_descriptor = report_descriptor
        self._capture_bytes = capture_bytes
        self._output_received = output_received
        self._may_stop = may_stop
        self._exited: Callable[[int], object] | None = exited
        self._report = b""
        self._open: set[int] = set()
        self._wait_status = 0
        self._drain: IDelayedCall | None = None

    # What the daemon does.

    def give_order(self, order: bytes, piped: set[int]) -> None:
        """Tell the child what to do.

        Args:
            order: See `child_start.encode_order`.
            piped: Its outputs that lead to us.
        """
        self._open = set(piped)
        for descriptor in piped:
            self.output[descriptor] = bytearray()
        transport: Any = self.transport
        transport.writeToChild(self._order_descriptor, order)
        transport.closeChildFD(self._order_descriptor)

    def take_back(self) -> None:
        """Have the child end before it becomes anything."""
        transport: Any = self.transport
        transport.closeChildFD(self._order_descriptor)
        self.send_signal(9)

    def write(self, data: bytes) -> None:
        """Write to its standard input."""
        transport: Any = self.transport
        transport.writeToChild(0, data)

    def close_input(self) -> None:
        """End its standard input, behind what was written."""
        transport: Any = self.transport
        transport.closeChildFD(0)

    def send_signal(self, number: int) -> bool:
        """Send a signal of the system; whether the process was there to get it.

        Raises:
            PermissionError: It belongs to somebody else by now.
        """
        transport: Any = self.transport
        try:
            transport.signalProcess(number)
        except ProcessExitedAlready:
            return False
        return True

    # What Twisted tells.

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """A piece of the report, or of piped output."""
        if childFD == self._report_descriptor:
            self._report = (self._report + data)[:_MAX_REPORT_BYTES]
            if self._may_stop and self._report == READY:
                self._has_started(None)
        elif self._output_received is not None:
            try:
                self._output_received(childFD, data)
            except Exception:
                _log.failure(
                    "what takes the output of {program} failed", program=self._program
                )
        else:
            self._capture(childFD, data)

    def childConnectionLost(self, childFD: int) -> None:
        """The end of the report, or of a stream."""
        if childFD == self._report_descriptor:
            self._report_ended()
        self._open.discard(childFD)
        self._tell_if_complete()

    def processExited(self, reason: Failure) -> None:
        """The process is gone; its pipes may still hold something."""
        self._wait_status = _wait_status(reason)
        self._drain = self._reactor.callLater(DRAIN_SECONDS, self._stop_draining)
        self._tell_if_complete()

    def processEnded(self, reason: Failure) -> None:
        """The process is gone and its pipes are closed."""
        self._report_ended()
        self._open.clear()
        self._tell_if_complete()

    def _capture(self, descriptor: int, data: bytes) -> None:
        kept = self.output.get(descriptor)
        if kept is None or descriptor not in self._open:
            return
        kept += data[: self._capture_bytes - len(kept)]
        if len(kept) < self._capture_bytes:
            return
        self._open.discard(descriptor)
        _log.warn(
            "{program} has written more than {limit} bytes to its {stream}; nothing "
            "further is read, and the pipe is closed",
            program=self._program,
            limit=self._capture_bytes,
            stream=_NAMES.get(descriptor, f"descriptor {descriptor}"),
        )
        transport: Any = self.transport
        transport.closeChildFD(descriptor)

    def _report_ended(self) -> None:
        ready, error_number, operation = decode_report(self._report)
        if operation:
            reason = os.strerror(error_number)
            self._has_started(
                SpawnFailed.of(self._program, error_number, operation, reason)
            )
        elif ready:
            self._has_started(None)
        else:
            self._has_started(
                SpawnFailed(
                    self._program, 0, "the new process ended before it was prepared"
                )
            )

    def _has_started(self, error: SpawnFailed | None) -> None:
        if self.started.called:
            return
        if error is None:
            self.started.callback(None)
        else:
            self.started.errback(error)

    def _stop_draining(self) -> None:
        transport: Any = self.transport
        for descriptor in list(self._open):
            transport.closeChildFD(descriptor)
        self._report_ended()
        self._open.clear()
        self._tell_if_complete()

    def _tell_if_complete(self) -> None:
        if self._drain is None or self._open or not self.started.called:
            return
        if self._drain.active():
            self._drain.cancel()
        exited, self._exited = self._exited, None
        if exited is not None:
            exited(self._wait_status)


def _wait_status(reason: Failure) -> int:
    """The raw wait status behind what Twisted says of it."""
    error = reason.value
    if isinstance(error, (ProcessDone, ProcessTerminated)):
        if isinstance(error.status, int):
            return error.status
        if error.signal is not None:
            return int(error.signal)
        return (error.exitCode or 0) << 8
    return os.EX_SOFTWARE << 8 if hasattr(os, "EX_SOFTWARE") else 70 << 8
