"""Children that promised to send heartbeats, and do not.

A DaemonCore child sends DC_CHILDALIVE and says within how many seconds the next one
will come. From the first one on, silence for longer than that ends it, hard. A child
that never sent one is left alone, unless its parent has said otherwise.

Source: ``src/condor_daemon_core.V6/daemon_keep_alive.cpp``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from condor_twisted.daemoncore.children.child import Child
from condor_twisted.daemoncore.children.processes import Processes
from condor_twisted.daemoncore.events.timers import Timer, Timers
from condor_twisted.daemoncore.events.timeslices import Timeslice
from condor_twisted.errors import MalformedMessage
from condor_twisted.protocols.requests import CommandRequest

if TYPE_CHECKING:
    from condor_twisted.daemoncore.runtime import Runtime

__all__ = ["ChildCommands", "HungChildren"]

_log = Logger()

#: How often children are looked at; less often only if there are very many.
SCAN_SECONDS: Final = 60.0
_SCAN: Final = {
    "fraction": 0.01,
    "default_seconds": SCAN_SECONDS,
    "min_seconds": 1.0,
    "max_seconds": 600.0,
}
#: How long a child may take to write its core file.
CORE_SECONDS: Final = 600.0
_MAX_PROMISE_SECONDS: Final = 2**31 - 1
#: From this share of its time on, waiting for a lock is worth a line in the log.
_LONG_LOCK_DELAY: Final = 0.01


class HungChildren:
    """Watches the heartbeats of children.

    Args:
        processes: The children.
        timers: Scan them, and tell time.
        want_core: Whether a hung child is to leave a core file
            (NOT_RESPONDING_WANT_CORE).
    """

    def __init__(
        self,
        processes: Processes,
        timers: Timers,
        want_core: Callable[[], bool],
    ) -> None:
        self._processes = processes
        self._timers = timers
        self._want_core = want_core
        self._scan: Timer | None = None

    def expect(self, child: Child, seconds: float) -> None:
        """Expect a heartbeat within so many seconds."""
        child.responding_until = self._timers.seconds() + seconds
        if self._scan is None:
            self._scan = self._timers.call_in_timeslices(
                Timeslice(**_SCAN), self.scan, name="hung children scan"
            )

    def heartbeat(self, process_id: int, seconds: int, lock_delay: float) -> bool:
        """A child is alive.

        Args:
            process_id: Which one.
            seconds: Within how long its next heartbeat will come.
            lock_delay: The share of its time in which it waited for its log.

        Returns:
            Whether it is a child of ours.
        """
        child = self._processes.find(process_id)
        if child is None or not child.is_running:
            _log.debug(
                "Received child alive command from unknown pid {pid}",
                category="D_DAEMONCORE",
                pid=process_id,
            )
            return False
        child.was_not_responding = False
        child.heartbeats_count += 1
        self.expect(child, seconds)
        _log.debug(
            "received childalive, pid={pid}, secs={seconds}, "
            "dprintf_lock_delay={delay}",
            category="D_DAEMONCORE",
            pid=process_id,
            seconds=seconds,
            delay=lock_delay,
        )
        if lock_delay > _LONG_LOCK_DELAY:
            _log.warn(
                "WARNING: child process {pid} reports that it has spent {percent:.1f}% "
                "of its time waiting for a lock to its log file",
                pid=process_id,
                percent=lock_delay * 100,
            )
        return True

    def scan(self) -> None:
        """End the children whose heartbeats are missing."""
        now = self._timers.seconds()
        for child in self._processes:
            until = child.responding_until
            if until is not None and now > until and child.is_running:
                self._end(child, now)

    def _end(self, child: Child, now: float) -> None:
        again, child.was_not_responding = child.was_not_responding, True
        _log.error(
            "ERROR: Child pid {pid} appears hung! Killing it hard.",
            pid=child.pid,
        )
        want_core = self._want_core() and not again
        if want_core:
            _log.info("Sending SIGABRT to child to generate a core file.")
            child.responding_until = now + CORE_SECONDS
        child.shut_down_fast(want_core=want_core)


class ChildCommands:
    """The command that children send.

    Args:
        runtime: Whose children.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def child_alive(self, request: CommandRequest) -> None:
        """Take a heartbeat: process id, seconds to the next, share of lock waits."""
        reader = request.reader()
        process_id, seconds = reader.get_int(), reader.get_int()
        lock_delay = 0.0 if reader.at_end() else reader.get_double()
        reader.end_of_message()
        if not 0 <= seconds <= _MAX_PROMISE_SECONDS:
            raise MalformedMessage("a heartbeat whose next one comes at no time")
        child = self._runtime.processes.find(process_id)
        if child is not None and not self._runtime.may_be_from(child, request.peer):
            _log.debug(
                "A heartbeat of pid {pid} does not come from it, but from {peer}",
                category="D_DAEMONCORE",
                pid=process_id,
                peer=str(request.peer),
            )
            return
        self._runtime.hung_children.heartbeat(process_id, seconds, lock_delay)
