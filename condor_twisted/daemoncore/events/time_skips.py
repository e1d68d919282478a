"""Jumps of the wall clock: whoever cares is told by how much.

Timers do not care, since they run by a clock that never jumps.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::CheckForTimeSkip,
RegisterTimeSkipCallback``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from condor_twisted.daemoncore.events.handlers import HandlerRunner, describe_handler
from condor_twisted.daemoncore.events.timers import Timer, Timers
from condor_twisted.errors import LocalProtocolError

__all__ = ["TimeSkips"]

_log = Logger()

#: A jump is one that is longer than this.
MAX_TIME_SKIP_SECONDS: Final = 1200
#: How often the two clocks are compared, while somebody cares.
CHECK_SECONDS: Final = 10.0


class TimeSkips:
    """Watches the wall clock beside the clock that never jumps.

    Args:
        timers: Whose clock is the steady one.
        runner: Runs callbacks.
        unix_time: The wall clock, in seconds since 1970.
    """

    def __init__(
        self, timers: Timers, runner: HandlerRunner, unix_time: Callable[[], float]
    ) -> None:
        self._timers = timers
        self._runner = runner
        self._unix_time = unix_time
        self._callbacks: list[Callable[[float], object]] = []
        self._timer: Timer | None = None
        self._offset = 0.0

    def register(self, callback: Callable[[float], object]) -> None:
        """Call a function with the seconds of each jump, negative for one back."""
        self._callbacks.append(callback)
        if self._timer is None:
            self._offset = self._unix_time() - self._timers.seconds()
            self._timer = self._timers.register(
                CHECK_SECONDS,
                self.check,
                period_seconds=CHECK_SECONDS,
                name="time skip check",
            )

    def unregister(self, callback: Callable[[float], object]) -> None:
        """Call it no more.

        Raises:
            LocalProtocolError: It is not registered.
        """
        if callback not in self._callbacks:
            raise LocalProtocolError("this time skip callback is not registered")
        self._callbacks.remove(callback)
        if not self._callbacks and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def check(self) -> None:
        """Compare the clocks now."""
        offset = self._unix_time() - self._timers.seconds()
        skipped = offset - self._offset
        self._offset = offset
        if abs(skipped) <= MAX_TIME_SKIP_SECONDS:
            return
        _log.warn(
            "Time skip noticed. The system clock jumped approximately {seconds:.0f} "
            "seconds.",
            seconds=skipped,
        )
        for callback in list(self._callbacks):
            what = f"time skip callback {describe_handler(callback)}"
            self._runner.run(what, callback, skipped)
