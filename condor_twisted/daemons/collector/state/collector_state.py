"""Everything that a collector knows and decides, without a socket or a clock.

Bytes, ads and the time go in; decisions and pieces of replies come out. Whatever may
take long comes as an iterator of steps, each of which does bounded work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from condor_twisted.classad.wire_ad import AdValue, format_line
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.intake import Intake, sort_lines
from condor_twisted.daemons.collector.state.own_ad import (
    OwnFacts,
    PoolTotals,
    build_own_ad,
)
from condor_twisted.daemons.collector.state.publication import LineJudge
from condor_twisted.daemons.collector.state.queries import QueryPlanner
from condor_twisted.daemons.collector.state.query_plans import QueryPlan
from condor_twisted.daemons.collector.state.records import AdRecord
from condor_twisted.daemons.collector.state.removal import (
    Housekeeper,
    Invalidation,
    Sweep,
)
from condor_twisted.daemons.collector.state.replies import ReplyForm
from condor_twisted.daemons.collector.state.senders import Requester
from condor_twisted.daemons.collector.state.settings import CollectorSettings
from condor_twisted.daemons.collector.state.statistics import UpdateStatistics
from condor_twisted.daemons.collector.state.tables import AdStore
from condor_twisted.daemons.collector.state.updates import (
    UpdateReceiver,
    own_record,
)
from condor_twisted.wire.messages import EncodedAd, SecretCipher

__all__ = ["CollectorState"]


class CollectorState:
    """The state of one collector.

    Args:
        settings: The collector's knobs.
        now: The time, in seconds since the epoch.
        report_line: Called with an ad and a line of it that is not sent, since it
            does not parse.
        live_statistics: Further counters for the collector's own ad, of the daemon;
            called with STATISTICS_TO_PUBLISH of a query, or ``None`` for the ad.

    Raises:
        ConfigError: An expression of the settings does not parse.

    Attributes:
        store: The tables.
        statistics: The counters.
        receive_clear: Stores what an update brought on a stream without encryption
            or key; see `UpdateReceiver.receive_clear`.
        receive: Stores an update's ads that are cut out already; see
            `UpdateReceiver.receive`.
        receive_prefixed: Stores what an update brought on an encrypted stream; see
            `UpdateReceiver.receive_prefixed`.
    """

    def __init__(
        self,
        settings: CollectorSettings,
        now: float,
        report_line: Callable[[AdRecord, bytes], None] | None = None,
        live_statistics: Callable[[str | None], Mapping[str, AdValue]] | None = None,
    ) -> None:
        self.store: Final = AdStore(
            settings.max_generic_types,
            settings.max_type_name_bytes,
            settings.max_ads,
            settings.max_stored_bytes,
            settings.encrypted_cache_bytes,
        )
        self.statistics: Final = UpdateStatistics(
            now,
            settings.history_bits,
            settings.statistics_window_seconds,
            settings.statistics_quantum_seconds,
            2 * settings.max_ads,
        )
        self._settings = settings
        self._live_statistics = live_statistics
        self._judge = LineJudge(report_line)
        intake = Intake()
        self._updates = UpdateReceiver(self.store, self.statistics, settings, intake)
        self.receive_clear: Final = self._updates.receive_clear
        self.receive: Final = self._updates.receive
        self.receive_prefixed: Final = self._updates.receive_prefixed
        self._housekeeper = Housekeeper(self.store, settings, self._judge)
        self._planner = QueryPlanner(
            self.store, self._judge, self._refreshed, intake.book.want
        )
        self._planner.hides_absent = settings.absent_requirements is not None
        self._own_key: str | None = None
        self._peaks: list[int] = []
        self._now = now

    @property
    def settings(self) -> CollectorSettings:
        """The settings in force."""
        return self._settings

    def reconfigure(self, settings: CollectorSettings) -> None:
        """Go by other settings from now on; the tables stay, and their limits.

        Raises:
            ConfigError: An expression does not parse; nothing changed.
        """
        self._updates.reconfigure(settings)
        try:
            self._housekeeper.reconfigure(settings)
        except BaseException:
            self._updates.reconfigure(self._settings)
            raise
        self.statistics.history_bits = settings.history_bits
        self.statistics.resize(
            settings.statistics_window_seconds, settings.statistics_quantum_seconds
        )
        self._planner.hides_absent = settings.absent_requirements is not None
        self.store.max_prefixed_bytes = settings.encrypted_cache_bytes
        self._settings = settings

    def invalidate(
        self, command: int, ad: EncodedAd, now: float
    ) -> tuple[Invalidation, Iterator[None]]:
        """Carry out an invalidation; see :meth:`Housekeeper.invalidate`.

        Raises:
            RemoteProtocolError: The invalidation is refused.
        """
        return self._housekeeper.invalidate(command, ad, now)

    def sweep(self, now: float, sweep: Sweep) -> Iterator[None]:
        """Remove what is too old, counters included; each step does bounded work.

        Args:
            now: The time, in seconds since the epoch.
            sweep: Is told what was done.
        """
        self.statistics.sweep(now, self._settings.statistics_sweep_seconds)
        return self._housekeeper.sweep(now, sweep)

    def clock_jumped(self, seconds: float) -> None:
        """The clock was set: no ad gets older or younger by that.

        Args:
            seconds: By how much the clock went ahead of the time that really passed.
        """
        shift = int(seconds)
        for table in self.store.all_tables():
            for record in table.records.values():
                if record.last_heard_unix > 1:
                    record.last_heard_unix = max(2, record.last_heard_unix + shift)

    def plan_query(
        self, command: int, ad: EncodedAd, requester: Requester, now: float
    ) -> QueryPlan:
        """Understand a query; see :class:`QueryPlan` for the answer.

        Args:
            command: A query command that the requester is authorized for.
            ad: The query's ad.
            requester: Who asks.
            now: The time, in seconds since the epoch.

        Raises:
            RemoteProtocolError: The query gets no answer.
        """
        self._now = now
        return self._planner.plan(command, ad, requester, now)

    def reply_form(
        self, is_encrypted: bool = False, secrets: SecretCipher | None = None
    ) -> ReplyForm:
        """How a reply is written on a stream.

        Args:
            is_encrypted: Whether the stream's crypto mode is on.
            secrets: Encrypts single secrets while that mode is off.
        """
        return ReplyForm(self.store, is_encrypted, secrets)

    def publish_own_ad(self, facts: OwnFacts, now: float) -> Iterator[None]:
        """Make the collector's own ad and store it; each step does bounded work.

        Args:
            facts: What the collector is.
            now: The time, in seconds since the epoch.
        """
        self.statistics.count_own_update(kinds.COLLECTOR.label)
        totals = PoolTotals()
        yield from totals.count(self.store)
        values = totals.publish(self._peaks)
        values.update(self._counters(now, None))
        ad = build_own_ad(facts, values, now)
        self._own_key = self._updates.store_own(ad, now).key

    def own_ad(self) -> AdRecord | None:
        """The collector's own ad, if it is there."""
        if self._own_key is None:
            return None
        return self.store.table(kinds.COLLECTOR).records.get(self._own_key)

    def _counters(self, now: float, wanted: str | None) -> dict[str, AdValue]:
        """Counters as the collector's own ad shows them, or as a query wants them."""
        slots = self.store.table(kinds.SLOT)
        submitters = self.store.table(kinds.SUBMITTER)
        values: dict[str, AdValue] = {
            "MachineAds": len(slots),
            "MachineAdsPeak": slots.peak_count,
            "SubmitterAds": len(submitters),
            "SubmitterAdsPeak": submitters.peak_count,
        }
        values.update(self.statistics.publish(now, wanted))
        if self._live_statistics is not None:
            values.update(self._live_statistics(wanted))
        return values

    def _refreshed(self, record: AdRecord, wanted: str) -> AdRecord | None:
        """The collector's own ad with its latest counters; ``None`` for others."""
        if record.key != self._own_key or record.kind is not kinds.COLLECTOR:
            return None
        # What is counted and stamped alike stands behind the body.
        lines = (record.body + record.tail).split(b"\0")[:-1]
        for name, value in self._counters(self._now, wanted).items():
            lines.append(format_line(name, value))
        fresh = sort_lines(lines)
        fresh.private_lines = record.private_lines
        return own_record(fresh, record.last_heard_unix)
