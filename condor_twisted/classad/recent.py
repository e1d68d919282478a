"""Counters of which ads tell: over all time, and over the last while.

The last while (STATISTICS_WINDOW_SECONDS) has parts of equal length, of which the
newest is under way; what is older than the oldest part is forgotten. Nothing here reads
a clock: `Window` is told the time and says how many parts have passed.

Source: ``src/condor_utils/generic_stats.h``, ``generic_stats.cpp``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Generic, TypeVar

__all__ = [
    "HandlerTimes",
    "MovingRate",
    "Probe",
    "RecentCounter",
    "RecentMaximum",
    "RecentProbe",
    "RecentSeconds",
    "Window",
]

Number = TypeVar("Number", int, float)
Result = TypeVar("Result")

#: So many handlers of one kind are told apart; names of timers are anybody's.
_MAX_NAMES: Final = 1000


class Window:
    """The last while, as time goes by.

    Args:
        now: The time, in seconds since the epoch.
        window_seconds: How long the while is, rounded up to whole parts.
        quantum_seconds: How long a part is.

    Attributes:
        began: When there was nothing yet.
        ticked: When the newest part began.
    """

    def __init__(self, now: float, window_seconds: int, quantum_seconds: int) -> None:
        self.began = now
        self.ticked = now
        self.resize(window_seconds, quantum_seconds)

    def resize(self, window_seconds: int, quantum_seconds: int) -> None:
        """Have another length from now on."""
        self.quantum_seconds = max(1, quantum_seconds)
        self.slots = max(1, -(-window_seconds // self.quantum_seconds))

    @property
    def seconds(self) -> int:
        """How long the while is."""
        return self.slots * self.quantum_seconds

    def lifetime(self, now: float) -> int:
        """Whole seconds since the beginning."""
        return max(0, int(now - self.began))

    def recent_lifetime(self, now: float) -> int:
        """Whole seconds of which the sums over the last while tell."""
        return min(self.lifetime(now), self.seconds)

    def steps(self, now: float) -> int:
        """How many parts have passed since this was asked last."""
        steps = int((now - self.ticked) // self.quantum_seconds)
        if steps < 0:  # the clock was set back
            self.ticked = now
        if steps <= 0:
            return 0
        self.ticked += steps * self.quantum_seconds
        return steps


class _Recent(Generic[Number]):
    """A sum over all time, and one over the last while.

    Counting is the frequent thing, so it is one addition to ``total``; the other sum
    comes from what ``total`` was at earlier times.

    Args:
        slots: Into how many parts the while is divided.
        zero: What nothing is.
    """

    __slots__ = ("_before", "_slots", "total")

    def __init__(self, slots: int, zero: Number) -> None:
        self.total: Number = zero
        self._slots = max(1, slots)
        self._before: list[Number] = [zero]

    @property
    def recent(self) -> Number:
        """The sum over the last while."""
        return self.total - self._before[0]

    def advance(self, steps: int) -> None:
        """Let so many parts of the while pass."""
        self._before.extend([self.total] * min(steps, self._slots))
        del self._before[: -self._slots]

    def resize(self, slots: int) -> None:
        """Divide another while into so many parts."""
        self._slots = max(1, slots)
        del self._before[: -self._slots]


class RecentCounter(_Recent[int]):
    """How often something happened, over all time and over the last while.

    Args:
        slots: Into how many parts the while is divided.
    """

    __slots__ = ()

    def __init__(self, slots: int) -> None:
        super().__init__(slots, 0)


class RecentSeconds(_Recent[float]):
    """How long something took, over all time and over the last while.

    Args:
        slots: Into how many parts the while is divided.
    """

    __slots__ = ()

    def __init__(self, slots: int) -> None:
        super().__init__(slots, 0.0)


class RecentMaximum:
    """A maximum over all time, and one over the last while.

    Args:
        slots: Into how many parts the while is divided.
    """

    __slots__ = ("_parts", "_slots", "overall")

    def __init__(self, slots: int) -> None:
        self.overall = 0
        self._slots = max(1, slots)
        self._parts = [0]

    @property
    def recent(self) -> int:
        """The maximum over the last while."""
        return max(self._parts)

    def note(self, value: int) -> None:
        """Take a value into account."""
        self.overall = max(self.overall, value)
        self._parts[-1] = max(self._parts[-1], value)

    def advance(self, steps: int) -> None:
        """Let so many parts of the while pass."""
        self._parts.extend([0] * min(steps, self._slots))
        del self._parts[: -self._slots]

    def resize(self, slots: int) -> None:
        """Divide another while into so many parts."""
        self._slots = max(1, slots)
        del self._parts[: -self._slots]


class Probe:
    """How often something was measured, and what came out.

    Source: ``src/condor_utils/generic_stats.cpp: Probe``.
    """

    __slots__ = ("count", "maximum", "minimum", "squares", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.squares = 0.0
        self.minimum = math.inf
        self.maximum = -math.inf

    def add(self, value: float) -> None:
        """Take a measured value into account."""
        self.count += 1
        self.total += value
        self.squares += value * value
        if value < self.minimum:
            self.minimum = value
        if value > self.maximum:
            self.maximum = value

    def include(self, other: Probe) -> None:
        """Take into account what another one has measured."""
        self.count += other.count
        self.total += other.total
        self.squares += other.squares
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)

    @property
    def deviation(self) -> float:
        """The standard deviation; the value itself where there is only one."""
        if self.count < 2:
            return self.minimum
        variance = self.squares - self.total * (self.total / self.count)
        return math.sqrt(max(0.0, variance / (self.count - 1)))

    def details(self, name: str) -> Iterator[tuple[str, float]]:
        """What there is to tell beyond count and sum, once something was measured."""
        if self.count:
            yield f"{name}Avg", self.total / self.count
            yield f"{name}Min", self.minimum
            yield f"{name}Max", self.maximum
            yield f"{name}Std", self.deviation


class RecentProbe:
    """A probe over all time, and one over the last while.

    Args:
        slots: Into how many parts the while is divided.
    """

    __slots__ = ("_parts", "_slots", "overall")

    def __init__(self, slots: int) -> None:
        self.overall = Probe()
        self._slots = max(1, slots)
        self._parts = [Probe()]

    @property
    def recent(self) -> Probe:
        """The last while's."""
        found = Probe()
        for part in self._parts:
            found.include(part)
        return found

    def add(self, value: float) -> None:
        """Take a measured value into account."""
        self.overall.add(value)
        self._parts[-1].add(value)

    def advance(self, steps: int) -> None:
        """Let so many parts of the while pass."""
        self._parts.extend(Probe() for _ in range(min(steps, self._slots)))
        del self._parts[: -self._slots]

    def resize(self, slots: int) -> None:
        """Divide another while into so many parts."""
        self._slots = max(1, slots)
        del self._parts[: -self._slots]


class MovingRate:
    """A sum, and how fast it grows: means over several spans, newest counting most.

    Args:
        now: The time, in seconds of any clock that does not jump.
        spans: Name and length, in seconds, of each span.

    Source: ``src/condor_utils/generic_stats.h: stats_entry_sum_ema_rate``.
    """

    def __init__(self, now: float, spans: Mapping[str, int]) -> None:
        self.total = 0
        self.spans = spans
        self._updated = now
        self._before = 0
        #: By its length, each span's mean and how much time it knows of.
        self._means: dict[int, tuple[float, float]] = {}

    def update(self, now: float) -> None:
        """Take what was counted since the last time into account."""
        interval = now - self._updated
        if interval <= 0:
            return
        rate = (self.total - self._before) / interval
        self._updated, self._before = now, self.total
        means = {}
        for span in self.spans.values():
            mean, known = self._means.get(span, (0.0, 0.0))
            weight = 1.0 - math.exp(-interval / span)
            means[span] = weight * rate + (1.0 - weight) * mean, known + interval
        self._means = means

    def rates(self) -> Iterator[tuple[str, float]]:
        """Name and mean, per second, of every span that has been there as a whole."""
        for name, span in self.spans.items():
            mean, known = self._means.get(span, (0.0, 0.0))
            if known >= span:
                yield name, mean


class HandlerTimes:
    """How often handlers of one kind ran, and for how long.

    What counts is the time until a handler returns: one that returns a Deferred, or is
    a coroutine function, keeps nobody waiting from then on.

    Args:
        seconds: The clock.

    Attributes:
        count: How often any of them ran.
        seconds: For how long, together.
        probes: Each one's, by its name; ``None`` as long as nobody wants to know.
    """

    __slots__ = ("_clock", "count", "probes", "seconds")

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._clock = seconds
        self.count = 0
        self.seconds = 0.0
        self.probes: dict[str, Probe] | None = None

    def run(
        self, name: str, function: Callable[..., Result], *arguments: object
    ) -> Result:
        """Run a handler and measure it, whatever comes of it.

        Args:
            name: The handler's.
            function: The handler.
            *arguments: What it gets.

        Returns:
            What it returns.
        """
        began = self._clock()
        try:
            return function(*arguments)
        finally:
            self.add(name, self._clock() - began)

    def add(self, name: str, seconds: float) -> None:
        """A handler has run."""
        self.count += 1
        self.seconds += seconds
        probes = self.probes
        if probes is None:
            return
        probe = probes.get(name)
        if probe is None:
            if len(probes) >= _MAX_NAMES:
                return
            probe = probes[name] = Probe()
        probe.add(seconds)

    def clear(self) -> None:
        """Begin anew."""
        self.count = 0
        self.seconds = 0.0
        if self.probes is not None:
            self.probes = {}

    def tell_apart(self, wanted: bool) -> None:
        """Measure each handler by its name, or no longer."""
        if not wanted:
            self.probes = None
        elif self.probes is None:
            self.probes = {}
