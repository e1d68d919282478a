"""A daemon's counters, and their names in its ad.

The daemon's parts count for themselves; `DaemonStatistics.take` is told now and then
how far they are, and keeps what the last while has added.

Source: ``src/condor_daemon_core.V6/self_monitor.cpp: DaemonCore::Stats``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from condor_twisted.classad.recent import (
    MovingRate,
    Probe,
    RecentCounter,
    RecentMaximum,
    RecentProbe,
    RecentSeconds,
    Window,
)
from condor_twisted.classad.statistics_choice import StatisticsChoice
from condor_twisted.classad.wire_ad import AdValue
from condor_twisted.daemoncore.statistics.settings import StatisticsSettings

__all__ = ["DaemonStatistics", "Work"]

_USUAL: Final = 1
_VERBOSE: Final = 2
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_]+")


@dataclass(slots=True)
class Work:
    """How far a daemon is; every sum is since its start.

    Args:
        elapsed_seconds: All turns of the reactor.
        waiting_seconds: Of these, what it waited for something to do.
        seconds: Time in handlers, by the name of its sum.
        counts: How often something happened, by name.
        levels: Of what there is more or less of, how much there is now, by name.
        rates: Sums that are shown with how fast they grow, by name.
        handlers: Each handler's probe, by its kind and its name.
    """

    elapsed_seconds: float = 0.0
    waiting_seconds: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)
    rates: dict[str, int] = field(default_factory=dict)
    handlers: dict[str, Mapping[str, Probe]] = field(default_factory=dict)


#: What is shown at the verbose level only; all else is usual.
_VERBOSE_NAMES: Final = frozenset(
    (
        "DebugOuts",
        *(
            f"NameResolve{outcome}{unit}"
            for outcome in ("", "Fast", "Slow", "Fail")
            for unit in ("", "Runtime")
        ),
    )
)


class DaemonStatistics:
    """The counters of one daemon.

    Args:
        now: The time, in seconds since the epoch.
        settings: How to count.

    Attributes:
        cycles: The turns of the reactor, measured one by one; ``None`` if they are not.
    """

    def __init__(self, now: float, settings: StatisticsSettings) -> None:
        self.settings = settings
        self.cycles: RecentProbe | None = None
        self._window = Window(now, settings.window_seconds, settings.quantum_seconds)
        self._updated = now
        self._elapsed = RecentSeconds(self._window.slots)
        self._waiting = RecentSeconds(self._window.slots)
        self._seconds: dict[str, RecentSeconds] = {}
        self._counts: dict[str, RecentCounter] = {}
        self._levels: dict[str, tuple[int, RecentMaximum]] = {}
        self._rates: dict[str, MovingRate] = {}
        self._handlers: Mapping[str, Mapping[str, Probe]] = {}

    def reconfigure(self, settings: StatisticsSettings) -> None:
        """Count and show in another way from now on; nothing that was counted goes."""
        self.settings = settings
        self._window.resize(settings.window_seconds, settings.quantum_seconds)
        for counter in self._all():
            counter.resize(self._window.slots)
        for rate in self._rates.values():
            rate.spans = settings.spans

    def measure_cycles(self, wanted: bool) -> None:
        """Measure the turns of the reactor one by one, or no longer."""
        if not wanted:
            self.cycles = None
        elif self.cycles is None:
            self.cycles = RecentProbe(self._window.slots)

    def take(self, work: Work, now: float) -> None:
        """Be told how far the daemon is.

        Args:
            work: How far.
            now: The time, in seconds since the epoch.
        """
        slots = self._window.slots
        self._updated = now
        self._elapsed.total = work.elapsed_seconds
        self._waiting.total = work.waiting_seconds
        for name, seconds in work.seconds.items():
            self._seconds.setdefault(name, RecentSeconds(slots)).total = seconds
        for name, count in work.counts.items():
            self._counts.setdefault(name, RecentCounter(slots)).total = count
        for name, level in work.levels.items():
            maximum = self._levels.get(name, (0, RecentMaximum(slots)))[1]
            maximum.note(level)
            self._levels[name] = level, maximum
        for name, total in work.rates.items():
            rate = self._rates.get(name)
            if rate is None:
                rate = MovingRate(0.0, self.settings.spans)
                self._rates[name] = rate
            rate.total = total
        self._handlers = work.handlers
        steps = self._window.steps(now)
        if steps:
            for counter in self._all():
                counter.advance(steps)
            for rate in self._rates.values():
                rate.update(work.elapsed_seconds)

    def publish(self, choice: StatisticsChoice | None = None) -> dict[str, AdValue]:
        """The counters as an ad shows them.

        Args:
            choice: What is shown; what the settings say by default.
        """
        if choice is None:
            choice = self.settings.choice
        values: dict[str, AdValue] = {}
        if choice.level >= _USUAL:
            values.update(self._lifetimes(choice))
        values["DaemonCoreDutyCycle"] = _duty(self._waiting.total, self._elapsed.total)
        values["RecentDaemonCoreDutyCycle"] = _duty(
            self._waiting.recent, self._elapsed.recent
        )
        listed = self.settings.listed
        for level, is_recent, shown in self._groups(choice):
            if is_recent and not choice.recent:
                continue
            if level <= choice.level or any(name.lower() in listed for name in shown):
                values.update(shown)
        return values

    def _all(
        self,
    ) -> Iterator[RecentSeconds | RecentCounter | RecentMaximum | RecentProbe]:
        yield self._elapsed
        yield self._waiting
        yield from self._seconds.values()
        yield from self._counts.values()
        for _, maximum in self._levels.values():
            yield maximum
        if self.cycles is not None:
            yield self.cycles

    def _lifetimes(self, choice: StatisticsChoice) -> Iterator[tuple[str, AdValue]]:
        window, now = self._window, self._updated
        yield "DCStatsLifetime", window.lifetime(now)
        if choice.level >= _VERBOSE:
            yield "DCStatsLastUpdateTime", int(now)
        if choice.recent:
            yield "DCRecentStatsLifetime", window.recent_lifetime(now)
            if choice.level >= _VERBOSE:
                yield "DCRecentStatsTickTime", int(window.ticked)
                yield "DCRecentWindowMax", window.seconds

    def _groups(
        self, choice: StatisticsChoice
    ) -> Iterator[tuple[int, bool, Mapping[str, AdValue]]]:
        """Attributes that are shown together, from which level on, and if recent."""
        sums: tuple[tuple[str, RecentSeconds | RecentCounter], ...] = (
            ("SelectWaittime", self._waiting),
            *self._seconds.items(),
            *self._counts.items(),
        )
        for name, counter in sums:
            level = _VERBOSE if name in _VERBOSE_NAMES else _USUAL
            yield level, False, {f"DC{name}": counter.total}
            yield level, True, {f"RecentDC{name}": counter.recent}
        for name, (now, maximum) in self._levels.items():
            yield _USUAL, False, {f"DC{name}": now}
            yield _USUAL, False, {f"DC{name}Peak": maximum.overall}
        for name, rate in self._rates.items():
            shown: dict[str, AdValue] = {f"DC{name}": rate.total}
            shown.update(
                (f"DC{name}PerSecond_{span}", value) for span, value in rate.rates()
            )
            yield _USUAL, False, shown
        if self.cycles is not None:
            yield _VERBOSE, False, _probe("DCPumpCycle", self.cycles.overall)
            yield _VERBOSE, True, _probe("RecentDCPumpCycle", self.cycles.recent)
        for kind, probes in self._handlers.items():
            for name, probe in probes.items():
                if probe.count or not choice.nonzero_only:
                    clean = _NO_NAME.sub("", name)
                    if clean.isdigit():  # a command that has no name
                        clean = f"command{clean}"
                    yield _VERBOSE, False, _runtime(f"DC{kind}_{clean}", probe)


def _duty(waiting: float, elapsed: float) -> float:
    """Which part of the time there was something to do."""
    if elapsed <= 1e-9:
        return 0.0
    return min(1.0, max(0.0, 1.0 - waiting / elapsed))


def _probe(name: str, probe: Probe) -> dict[str, AdValue]:
    return {
        f"{name}Count": probe.count,
        f"{name}Sum": probe.total,
        **dict(probe.details(name)),
    }


def _runtime(name: str, probe: Probe) -> dict[str, AdValue]:
    return {
        name: probe.count,
        f"{name}Runtime": probe.total,
        **dict(probe.details(f"{name}Runtime")),
    }
