"""The clock that intervals are measured with: one that never jumps.

Twisted's reactors tell the wall time, and an administrator may set that. What belongs
to us measures intervals with `monotonic_seconds`; a process that is ours makes its
reactor monotonic as a whole, so that its timers do not jump either.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

__all__ = ["make_monotonic", "monotonic_seconds"]


def monotonic_seconds(reactor: Any) -> Callable[[], float]:
    """The clock for intervals that goes with a reactor.

    A reactor that tells the wall time gets the system's monotonic clock instead; one
    in memory, or one that is monotonic already, is asked itself.
    """
    seconds: Callable[[], float] = reactor.seconds
    return time.monotonic if seconds is time.time else seconds


def make_monotonic(reactor: Any) -> bool:
    """Have a reactor that has not started time its calls with a monotonic clock.

    Returns:
        Whether it does. Calls that are scheduled already would be late or early: then
        it stays as it is.
    """
    if reactor.seconds is time.time and not reactor.getDelayedCalls():
        reactor.seconds = time.monotonic
    return reactor.seconds is not time.time
