"""How often to do what takes an unknown time: a share of the clock, not an interval.

Source: ``src/condor_utils/condor_timeslice.cpp: Timeslice``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

__all__ = ["Timeslice"]

#: How much the last run counts in the average.
_ALPHA: Final = 0.4


@dataclass(slots=True, kw_only=True)
class Timeslice:
    """When the next run of something begins, from how long runs took.

    Args:
        fraction: The share of time that runs may take, 0 to 1; 0 for any.
        default_seconds: Between the beginnings of two runs, if they are short.
        min_seconds: At least so long, however short.
        max_seconds: At most so long, however long; 0 for no limit.
        initial_seconds: Before the first run; below 0 it is as if one began now.
    """

    fraction: float = 0.0
    default_seconds: float = 0.0
    min_seconds: float = 0.0
    max_seconds: float = 0.0
    initial_seconds: float = -1.0
    #: How long runs take, recent ones counting most.
    average_seconds: float = field(default=0.0, init=False)
    _started_at: float | None = field(default=None, init=False)
    _never_ran: bool = field(default=True, init=False)
    _expedited: bool = field(default=False, init=False)

    def finished(self, started_at: float, finished_at: float) -> None:
        """Note a run, by the same clock as `next_start`."""
        took = max(0.0, finished_at - started_at)
        if self._never_ran:
            self.average_seconds = took
        else:
            self.average_seconds = _ALPHA * took + (1 - _ALPHA) * self.average_seconds
        self._started_at = started_at
        self._never_ran = False
        self._expedited = False

    def expedite(self) -> None:
        """Have the next run as soon as share and minimum allow, once."""
        self._expedited = True

    def next_start(self, now: float) -> float:
        """When the next run begins; never before now."""
        delay = 0.0 if self._expedited else self.default_seconds
        if self._started_at is None:
            self._started_at = now
        elif self.fraction > 0:
            delay = max(delay, self.average_seconds / self.fraction)
        if self.max_seconds > 0:
            delay = min(delay, self.max_seconds)
        delay = max(delay, self.min_seconds)
        if self._never_ran and self.initial_seconds >= 0 and not self._expedited:
            delay = self.initial_seconds
        return max(now, self._started_at + delay)
