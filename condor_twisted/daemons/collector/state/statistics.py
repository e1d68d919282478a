"""Counters: of each daemon's updates, and of the collector as a whole.

Source: ``src/condor_collector.V6/collector_stats.cpp``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from condor_twisted.classad.recent import RecentCounter, RecentMaximum, Window
from condor_twisted.classad.statistics_choice import StatisticsChoice, read_choice

__all__ = ["DaemonUpdates", "UpdateStatistics", "host_of_address"]

_MAX_INT64: Final = (1 << 63) - 1
#: What the own ad shows, and from what a query starts that says what it wants.
_USUAL: Final = StatisticsChoice(level=1, recent=True, nonzero_only=True)
_ASKED: Final = StatisticsChoice(level=1, recent=True)


def _host(address: str) -> str:
    text = address[1:] if address.startswith("<") else address
    if text.startswith("["):
        return text[1:].partition("]")[0]
    for index, character in enumerate(text):
        if character in ":?>":
            return text[:index]
    return text


_short_host = lru_cache(maxsize=32768)(_host)


def host_of_address(address: str) -> str:
    """The host part of a sinful string, whatever is wrong with the rest.

    Source: ``src/condor_utils/internet.cpp: getHostFromAddr``.
    """
    return _short_host(address) if len(address) <= 256 else _host(address[:512])


class DaemonUpdates:
    """How the updates of one daemon arrived.

    Attributes:
        total: Updates received.
        sequenced: Updates that should have been received.
        lost: Of these, the ones that were not.
        history: One bit per expected update, the newest highest; 1 is a lost one.
        recent: Whether there was an update since the last sweep.
        address: The sender's address as it came, if it is to be recognized by that.
        is_gone: Whether a sweep has dropped these counters.
    """

    __slots__ = (
        "address",
        "history",
        "is_gone",
        "lost",
        "recent",
        "sequenced",
        "total",
    )

    def __init__(self) -> None:
        self.address = b""
        self.is_gone = False
        self.total = 0
        self.sequenced = 0
        self.lost = 0
        self.history = 0
        self.recent = True

    def count(self, sequenced: bool, dropped: int, history_bits: int) -> None:
        """Count one update.

        Args:
            sequenced: Whether it could be compared with the one before.
            dropped: How many were lost in between.
            history_bits: The length of the history.
        """
        self.recent = True
        self.total += 1
        if sequenced:
            self.sequenced = min(self.sequenced + dropped + 1, _MAX_INT64)
        if dropped:
            self.lost = min(self.lost + dropped, _MAX_INT64)
            marks = min(dropped, history_bits)
            ones = (1 << marks) - 1
            self.history = self.history >> marks | ones << (history_bits - marks)
        self.history >>= 1

    def lines(self, history_bits: int) -> bytes:
        """Four lines for the daemon's ad, each with its NUL.

        Args:
            history_bits: The length of the history.
        """
        history = (
            b"%0*x" % ((history_bits + 3) // 4, self.history << (-history_bits % 4))
            if self.history
            else b"0" * ((history_bits + 3) // 4)
        )
        return (
            b"UpdatesTotal = %d\0UpdatesSequenced = %d\0UpdatesLost = %d\0"
            b'UpdatesHistory = "%b"\0'
            % (self.total, self.sequenced, self.lost, history)
        )


def dropped_between(
    old: tuple[int | None, int | None], new: tuple[int | None, int | None]
) -> tuple[bool, int]:
    """Compare an update with the one it replaces.

    Args:
        old: Sequence number and start time of the daemon in the older ad.
        new: The same of the newer one.

    Returns:
        Whether the two can be compared, and how many updates were lost between them.
        Going back, or a repeat, counts as one lost.
    """
    old_number, old_start = old
    new_number, new_start = new
    if (
        old_number is None
        or new_number is None
        or old_start is None
        or new_start is None
    ):
        return False, 0
    expected = old_number + 1
    if new_start != old_start or new_number == expected:
        return True, 0
    return True, 1 if new_number < expected else new_number - expected


class _Updates:
    """The counters of one label."""

    __slots__ = ("initial", "largest_loss", "lost", "total")

    def __init__(self, slots: int) -> None:
        self.total = RecentCounter(slots)
        self.initial = RecentCounter(slots)
        self.lost = RecentCounter(slots)
        self.largest_loss = RecentMaximum(slots)

    def __iter__(self) -> Iterator[tuple[str, RecentCounter]]:
        yield "UpdatesTotal", self.total
        yield "UpdatesInitial", self.initial
        yield "UpdatesLost", self.lost


def _loss_ratio(sums: Mapping[str, int]) -> float:
    total = sums["UpdatesTotal"]
    return sums["UpdatesLost"] / total if total else 0.0


class UpdateStatistics:
    """All counters of a collector.

    Args:
        now: The time, in seconds since the epoch.
        history_bits: Length of each daemon's history.
        window_seconds: The while that the ``Recent...`` sums cover.
        quantum_seconds: Their granularity.
        max_daemons: At most so many daemons are told apart.
    """

    def __init__(
        self,
        now: float,
        history_bits: int = 128,
        window_seconds: int = 1200,
        quantum_seconds: int = 240,
        max_daemons: int = 400_000,
    ) -> None:
        self.history_bits = history_bits
        self._window = Window(now, window_seconds, quantum_seconds)
        self._max_daemons = max_daemons
        self._daemons: dict[tuple[str, str, str], DaemonUpdates] = {}
        self._by_label: dict[str, _Updates] = {}
        self._own_count = 0
        self._updated = now
        self._swept = now
        self.in_process_queries: dict[str, RecentCounter] = {}
        self.worker_queries: dict[str, RecentCounter] = {}
        self.dropped_queries = RecentCounter(self._window.slots)

    @property
    def received_count(self) -> int:
        """How many updates came from daemons."""
        total = sum(updates.total.total for updates in self._by_label.values())
        return total - self._own_count

    def resize(self, window_seconds: int, quantum_seconds: int) -> None:
        """Have the ``Recent...`` sums cover another while from now on."""
        self._window.resize(window_seconds, quantum_seconds)
        for counter in self._counters():
            counter.resize(self._window.slots)

    def count_update(self, label: str, sequenced: bool, dropped: int) -> None:
        """Count an update of any daemon under its kind's label."""
        updates = self._by_label.get(label)
        if updates is None:
            updates = self._by_label[label] = _Updates(self._window.slots)
        updates.total.total += 1
        if not sequenced:
            updates.initial.total += 1
        elif dropped:
            updates.lost.total += dropped
            updates.largest_loss.note(dropped)

    def count_own_update(self, label: str) -> None:
        """Count an update of the collector's own ad, which nobody has sent."""
        self._own_count += 1
        self.count_update(label, False, 0)

    def daemon(self, label: str, name: str, address: str) -> DaemonUpdates:
        """The counters of one daemon, made at first use."""
        key = (label, name, host_of_address(address))
        found = self._daemons.get(key)
        if found is None:
            if len(self._daemons) >= self._max_daemons:
                # The oldest goes; it starts from zero should it come again.
                self._daemons.pop(next(iter(self._daemons))).is_gone = True
            found = self._daemons[key] = DaemonUpdates()
        return found

    def count_query(self, subsystem: str, in_process: bool) -> None:
        """Count a query by the subsystem that asked.

        Args:
            subsystem: One of HTCondor's names; anything else counts as ``UNKNOWN``.
            in_process: Whether it was evaluated here, not by a worker.
        """
        if subsystem not in _SUBSYSTEMS:
            subsystem = "UNKNOWN"
        counters = self.in_process_queries if in_process else self.worker_queries
        counter = counters.get(subsystem)
        if counter is None:
            counter = counters[subsystem] = RecentCounter(self._window.slots)
        counter.total += 1

    def tick(self, now: float) -> None:
        """Let the ``Recent...`` sums forget what is too old."""
        self._updated = now
        steps = self._window.steps(now)
        if steps:
            for counter in self._counters():
                counter.advance(steps)

    def _counters(self) -> Iterator[RecentCounter | RecentMaximum]:
        for updates in self._by_label.values():
            for _, counter in updates:
                yield counter
            yield updates.largest_loss
        yield from self.in_process_queries.values()
        yield from self.worker_queries.values()
        yield self.dropped_queries

    def sweep(self, now: float, period_seconds: int) -> int:
        """Drop the counters of daemons that sent nothing for a whole period.

        Returns:
            How many went.
        """
        if period_seconds <= 0:
            return 0
        if now < self._swept:
            self._swept = now
        if now < self._swept + period_seconds:
            return 0
        self._swept = now
        before = self._daemons
        self._daemons = {key: daemon for key, daemon in before.items() if daemon.recent}
        for daemon in before.values():
            daemon.is_gone = not daemon.recent
            daemon.recent = False
        return len(before) - len(self._daemons)

    def publish(self, now: float, wanted: str | None = None) -> dict[str, int | float]:
        """The collector's counters under the names of its own ad.

        Args:
            now: The time, in seconds since the epoch.
            wanted: STATISTICS_TO_PUBLISH of a query, if somebody asks. As in HTCondor,
                the knob of that name says nothing about these counters.
        """
        self.tick(now)
        choice = read_choice(wanted, ("COLLECTOR",), _ASKED) if wanted else _USUAL
        values: dict[str, int | float] = {
            "StatsLifetime": self._window.lifetime(now),
            "StatsLastUpdateTime": int(self._updated),
            "RecentStatsLifetime": self._window.recent_lifetime(now),
        }
        if choice.level > 1:
            values["RecentWindowMax"] = self._window.seconds
            values["RecentStatsTickTime"] = int(self._window.ticked)
        if choice.level:
            values.update(self._sums())
            values.update(self._queries(choice.nonzero_only))
        if not choice.recent:
            return {k: v for k, v in values.items() if not k.startswith("Recent")}
        return values

    def _sums(self) -> dict[str, int | float]:
        """Updates, in all and by kind."""
        values: dict[str, int | float] = {}
        sums = dict.fromkeys(("UpdatesTotal", "UpdatesInitial", "UpdatesLost"), 0)
        recent = dict(sums)
        for updates in self._by_label.values():
            for name, counter in updates:
                sums[name] += counter.total
                recent[name] += counter.recent
        values.update(sums)
        values.update({f"Recent{name}": value for name, value in recent.items()})
        losses = [each.largest_loss for each in self._by_label.values()]
        values["UpdatesLostRatio"] = _loss_ratio(sums)
        values["RecentUpdatesLostRatio"] = _loss_ratio(recent)
        values["UpdatesLostMax"] = max((each.overall for each in losses), default=0)
        values["RecentUpdatesLostMax"] = max(
            (each.recent for each in losses), default=0
        )
        for label, updates in self._by_label.items():
            if not _is_name(label):
                continue
            for name, counter in updates:
                values[f"{name}_{label}"] = counter.total
                values[f"Recent{name}_{label}"] = counter.recent
        return values

    def _queries(self, nonzero_only: bool) -> dict[str, int | float]:
        """Queries by who asked."""
        values: dict[str, int | float] = {}
        nobody = RecentCounter(1)
        for prefix, counters in (
            ("InProcQueriesFrom", self.in_process_queries),
            ("ForkQueriesFrom", self.worker_queries),
        ):
            shown = counters if nonzero_only else sorted(_SUBSYSTEMS | {"UNKNOWN"})
            for subsystem in shown:
                counter = counters.get(subsystem, nobody)
                values[prefix + subsystem] = counter.total
                values[f"Recent{prefix}{subsystem}"] = counter.recent
        values["DroppedQueries"] = self.dropped_queries.total
        values["RecentDroppedQueries"] = self.dropped_queries.recent
        return values


def _is_name(label: str) -> bool:
    """Whether a generic type can be part of an attribute's name."""
    return label.isascii() and label.replace("_", "a").isalnum()


#: Source: ``src/condor_utils/subsystem_info.cpp``.
_SUBSYSTEMS: Final = frozenset(
    (
        *("MASTER", "COLLECTOR", "NEGOTIATOR", "SCHEDD", "SHADOW", "STARTD", "STARTER"),
        *("CREDD", "KBDD", "GRIDMANAGER", "HAD", "REPLICATION", "TRANSFERER"),
        *("TRANSFERD", "ROOSTER", "SHARED_PORT", "JOB_ROUTER", "DEFRAG", "GANGLIAD"),
        "METRICD",
        *("DAGMAN", "TOOL", "SUBMIT", "ANNEXD", "GAHP"),
    )
)
