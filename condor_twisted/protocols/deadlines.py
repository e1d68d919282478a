"""Deadlines of many connections under one timer.

A `DelayedCall` per connection and message costs as much as a small command. Here a
connection writes down a time, and one sweep a second looks who is late; the sweep
runs only while somebody has a deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from condor_twisted.protocols.clocks import monotonic_seconds

__all__ = ["NEVER", "DeadlineSweep", "HasDeadline"]

_log = Logger()

#: A deadline that does not come.
NEVER: Final = float("inf")
#: How late a deadline may be noticed.
SWEEP_SECONDS = 1.0


class HasDeadline(Protocol):
    """Something that can be late."""

    deadline: float

    def deadline_passed(self) -> None:
        """Act on it: ``deadline`` lies in the past; called once per deadline."""


class DeadlineSweep:
    """Looks once a second who is late.

    Args:
        clock: The reactor, for its monotonic time.
    """

    __slots__ = ("_clock", "_every", "_timer", "_watched", "seconds")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        #: The monotonic time now.
        self.seconds: Callable[[], float] = monotonic_seconds(clock)
        self._watched: set[HasDeadline] = set()
        self._every: list[Callable[[], None]] = []
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._watched)

    def watch(self, item: HasDeadline) -> None:
        """Look after an item whose ``deadline`` has been set.

        An item whose deadline is `NEVER` again is dropped by the next sweep, so
        that a short-lived deadline costs one set entry and nothing else.
        """
        self._watched.add(item)
        if self._timer is None:
            self._timer = self._clock.callLater(SWEEP_SECONDS, self._sweep)

    def forget(self, item: HasDeadline) -> None:
        """Stop looking after an item."""
        self._watched.discard(item)

    def every_sweep(self, function: Callable[[], None]) -> None:
        """Call a function with each sweep, as long as sweeps run."""
        self._every.append(function)

    def stop(self) -> None:
        """End the sweep; nobody is late any more."""
        self._watched.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        self._timer = None
        now = self.seconds()
        watched = self._watched
        done = [item for item in watched if item.deadline <= now]
        watched.difference_update(
            done, [item for item in watched if item.deadline == NEVER]
        )
        for item in done:
            try:
                item.deadline_passed()
            except Exception:
                _log.failure("a deadline could not be acted on")
        for function in self._every:
            try:
                function()
            except Exception:
                _log.failure("a periodic duty failed")
        if watched and self._timer is None:
            self._timer = self._clock.callLater(SWEEP_SECONDS, self._sweep)
