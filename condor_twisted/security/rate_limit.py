"""How often somebody may do something.

Source: none; ``src/condor_daemon_core.V6/daemon_core_main.cpp: RequestRateLimiter``
has the same purpose.
"""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["RateLimit"]


class RateLimit:
    """So many events a second for each address, ten seconds' worth at once.

    Args:
        per_second: How many.
        addresses: How many addresses are remembered; the oldest is forgotten.
    """

    def __init__(self, per_second: int, addresses: int) -> None:
        self._per_second = per_second
        self._burst = 10.0 * per_second
        self._addresses = addresses
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def _now_left(self, address: str, now: float) -> float:
        left, at = self._left.get(address, (self._burst, now))
        return min(self._burst, left + (now - at) * self._per_second)

    def is_reached(self, address: str, now: float) -> bool:
        """Whether an address has had its share."""
        return self._now_left(address, now) < 1

    def count(self, address: str, now: float) -> None:
        """Count one event."""
        self._left[address] = max(0.0, self._now_left(address, now) - 1), now
        self._left.move_to_end(address)
        if len(self._left) > self._addresses:
            self._left.popitem(last=False)
