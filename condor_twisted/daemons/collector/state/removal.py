"""How ads go: when they are too old, or when somebody says so.

Both go through tables in slices, so that large ones do not hold anything up.

Source: ``src/condor_collector.V6/collector_engine.cpp: cleanHashTable, remove,
expire``, ``src/condor_collector.V6/collector.cpp: process_invalidation``,
``src/condor_collector.V6/offline_plugin.cpp: expire``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import compress
from typing import Final

from condor_twisted.classad.expressions import TooExpensive, evaluate
from condor_twisted.constants import attributes
from condor_twisted.constants.commands import Command, command_name
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.constraints import QueryConstraint
from condor_twisted.daemons.collector.state.evaluation import Requirement
from condor_twisted.daemons.collector.state.intake import sort_lines
from condor_twisted.daemons.collector.state.lookups import searchable
from condor_twisted.daemons.collector.state.names import lookup_key
from condor_twisted.daemons.collector.state.offline import absent_lines
from condor_twisted.daemons.collector.state.publication import LineJudge
from condor_twisted.daemons.collector.state.records import AdRecord, QueryAd
from condor_twisted.daemons.collector.state.refusals import InvalidationRefused
from condor_twisted.daemons.collector.state.settings import CollectorSettings
from condor_twisted.daemons.collector.state.tables import AdStore, AdTable
from condor_twisted.daemons.collector.state.updates import (
    is_primary_slot,
    with_last_heard,
)
from condor_twisted.errors import ExpressionError, ExpressionsUnavailable
from condor_twisted.wire.messages import EncodedAd

__all__ = ["Housekeeper", "Invalidation", "Sweep"]

#: Ads that are looked at in one step.
_SLICE: Final = 500
#: What one step may cost: about microseconds.
_STEP_COST: Final = 5000
#: Longer constraints are not read.
_MAX_READ_BYTES: Final = 4096
_REQUIREMENTS: Final = lookup_key(attributes.REQUIREMENTS)
_HAS_START_DAEMON_AD: Final = lookup_key(attributes.HAS_START_DAEMON_AD)

#: ``LastHeardFrom`` of an ad that goes at the next sweep, whatever else.
_INVALIDATED: Final = 0
#: ``LastHeardFrom`` of an ad that expires at the next sweep.
_EXPIRED: Final = 1


@dataclass(slots=True)
class Sweep:
    """What a sweep did.

    Attributes:
        removed: The ads that went.
        kept_as_absent: How many expired ads were kept as absent ones.
    """

    removed: list[AdRecord] = field(default_factory=list)
    kept_as_absent: int = 0


@dataclass(slots=True)
class Invalidation:
    """An invalidation, and what it did so far.

    Args:
        command: The command.
        type_name: Which ads it is about.

    Attributes:
        removed: How many ads went.
        removed_private: How many private ads went with them.
        by_key: Whether the payload named one ad.
        problem: Why nothing happened, where that is strange.
    """

    command: int
    type_name: str
    removed: int = 0
    removed_private: int = 0
    by_key: bool = False
    problem: str | None = None

    def describe(self) -> str:
        """What happened, for the log."""
        if self.problem is not None:
            return f"{command_name(self.command)}: {self.problem}"
        text = (
            f"{command_name(self.command)}: removed {self.removed} "
            f"{self.type_name[:64]} ads"
        )
        return (
            f"{text} and {self.removed_private} private"
            if self.removed_private
            else text
        )


class Housekeeper:
    """Removes ads.

    Args:
        store: The tables.
        settings: The collector's knobs.
        judge: Tells whether an invalidation's expressions parse.
    """

    def __init__(
        self, store: AdStore, settings: CollectorSettings, judge: LineJudge
    ) -> None:
        self._store = store
        self._judge = judge
        self._absent: Requirement | None = None
        self._settings = settings
        self.reconfigure(settings)

    def reconfigure(self, settings: CollectorSettings) -> None:
        """Go by other settings from now on.

        Raises:
            ConfigError: ``ABSENT_REQUIREMENTS`` does not parse; nothing changed.
        """
        absent = None
        text = settings.absent_requirements
        if text is not None and settings.persistent_ad_log is not None:
            absent = Requirement.parse("ABSENT_REQUIREMENTS", text)
        self._absent = absent
        self._settings = settings

    # Sweeping

    def sweep(
        self, now: float, sweep: Sweep, tables: Iterable[AdTable] | None = None
    ) -> Iterator[None]:
        """Remove what is too old; each step does bounded work.

        Args:
            now: The time, in seconds since the epoch.
            sweep: Is told what was done.
            tables: Where to look; by default everywhere.
        """
        for table in self._store.all_tables() if tables is None else tables:
            keys = list(table.records)
            for start in range(0, len(keys), _SLICE):
                if start:
                    yield
                for key in keys[start : start + _SLICE]:
                    record = table.records.get(key)
                    if record is not None and self._is_too_old(record, now):
                        self._expire(table, record, now, sweep)
            yield

    def _is_too_old(self, record: AdRecord, now: float) -> bool:
        heard = record.last_heard_unix
        if heard <= _EXPIRED:
            return True
        default = self._settings.classad_lifetime_seconds
        lifetime = record.lifetime_seconds(default)
        return lifetime > 0 and now - heard > lifetime

    def _expire(
        self, table: AdTable, record: AdRecord, now: float, sweep: Sweep
    ) -> None:
        if record.last_heard_unix != _INVALIDATED and self._keep(table, record, now):
            sweep.kept_as_absent += 1
            return
        self._store.remove(table, record.key)
        sweep.removed.append(record)

    def _keep(self, table: AdTable, record: AdRecord, now: float) -> bool:
        """Keep an expiring slot's ad as absent, if the configuration says so."""
        if self._absent is None or table.kind is not kinds.SLOT:
            return False
        if record.value(attributes.ABSENT) is True:
            return False
        if not self._absent.accepts(record, now, record):
            return False
        lifetime = self._settings.absent_expire_after_seconds
        lines = record.body.split(b"\0")[:-1]
        ad = sort_lines([*lines, *absent_lines(now, lifetime)])
        ad.private_lines = record.private_lines
        tail = with_last_heard(record.tail, int(now))
        kept = AdRecord.of(
            record.kind, record.key, ad, tail, record.tail_count, int(now)
        )
        kept.sequence = record.sequence
        kept.identity = record.identity
        kept.lifetime_override_seconds = lifetime or 2147483647
        self._store.put(table, kept)
        return True

    # Invalidating

    def invalidate(
        self, command: int, ad: EncodedAd, now: float
    ) -> tuple[Invalidation, Iterator[None]]:
        """Carry out an invalidation.

        Args:
            command: An invalidation command that the sender is authorized for.
            ad: Its payload.
            now: The time, in seconds since the epoch.

        Returns:
            What it does, and the steps of doing it; each does bounded work. An ad
            that is named by its key is gone before the first step.

        Raises:
            InvalidationRefused: The payload does not say enough, or does not parse.
            RemoteProtocolError: The ad is malformed.
        """
        query = QueryAd(sort_lines(ad.body.split(b"\0")[:-1], ad.secret_lines))
        for line in query.lines():
            if self._judge.sendable(line) is None:
                raise InvalidationRefused("an expression does not parse")
        target = query.string(attributes.TARGET_TYPE)
        kind = kinds.INVALIDATE_KINDS.get(command)
        private: AdTable | None = None
        table: AdTable | None
        if kind is kinds.SLOT:
            if (target or "").lower() == kinds.STARTD.my_type.lower():
                kind = kinds.STARTD
            else:
                private = self._store.table(kinds.SLOT_PRIVATE)
        if kind is not None:
            done = Invalidation(command, kind.my_type)
            table = self._store.table(kind)
        elif command == Command.INVALIDATE_ADS_GENERIC:
            done = Invalidation(command, target or "generic")
            if target is None:
                done.problem = "no TargetType"
            table = self._store.generic_table(target or "") if target else None
        else:
            raise InvalidationRefused(f"{command_name(command)} is no invalidation")
        if self._settings.ignore_invalidate:
            done.problem = "ignored, because of IGNORE_INVALIDATE"
            return done, iter(())
        if table is None:
            done.problem = done.problem or f"no table of {done.type_name[:64]!r}"
            return done, iter(())
        key = table.kind.make_key(query)
        if key is not None:
            done.by_key = True
            done.removed = self._invalidate_key(table, key, now)
            if private is not None:
                done.removed_private = self._invalidate_key(private, key, now)
            return done, iter(())
        text = query.raw(_REQUIREMENTS)
        if text is None:
            done.problem = "neither a key nor Requirements"
            return done, iter(())
        if self._settings.housekeeping_on_invalidate or (
            self._settings.expire_invalidated_ads
        ):
            return done, self._mark_and_sweep(done, table, private, text, now)
        return done, self._remove_targets(done, table, private, query, text, now)

    def _invalidate_key(self, table: AdTable, key: str, now: float) -> int:
        """Remove the ad with this key, or let it expire."""
        record = table.records.get(key)
        if record is None:
            return 0
        if self._settings.expire_invalidated_ads:
            _mark(record, _EXPIRED)
            sweep = Sweep()
            self._expire(table, record, now, sweep)
            return len(sweep.removed)
        self._store.remove(table, key)
        speaks_for_startd = (
            table.kind is kinds.SLOT
            and record.raw(_HAS_START_DAEMON_AD) is None
            and is_primary_slot(record)
        )
        if speaks_for_startd:
            self._store.remove(self._store.table(kinds.STARTD), key)
        return 1

    def _mark_and_sweep(
        self,
        done: Invalidation,
        table: AdTable,
        private: AdTable | None,
        text: bytes,
        now: float,
    ) -> Iterator[None]:
        """Mark all ads that match, then sweep their table."""
        try:
            constraint = QueryConstraint(text, now)
        except (ExpressionError, ExpressionsUnavailable) as error:
            raise InvalidationRefused(str(error)) from error
        if constraint.is_expensive:
            raise InvalidationRefused("the constraint is too expensive")
        expires = self._settings.expire_invalidated_ads
        heard = _EXPIRED if expires else _INVALIDATED
        return self._steps_of_marking(done, table, private, constraint, heard, now)

    def _steps_of_marking(
        self,
        done: Invalidation,
        table: AdTable,
        private: AdTable | None,
        constraint: QueryConstraint,
        heard: int,
        now: float,
    ) -> Iterator[None]:
        # Kept for compatibility: private ads are marked, but not swept here.
        for each in (table,) if private is None else (table, private):
            try:
                records = yield from constraint.candidates(each)
                start = 0
                while start < len(records):
                    some = records[start : start + _SLICE]
                    verdicts = constraint.verdicts(each, some)
                    start += len(verdicts)
                    for record in compress(some, verdicts):
                        _mark(record, heard)
                        each.mark_changed(record.key)
                    yield
            except TooExpensive as error:
                raise InvalidationRefused(str(error)) from error
        sweep = Sweep()
        yield from self.sweep(now, sweep, [table])
        done.removed = len(sweep.removed)

    def _remove_targets(
        self,
        done: Invalidation,
        table: AdTable,
        private: AdTable | None,
        query: QueryAd,
        text: bytes,
        now: float,
    ) -> Iterator[None]:
        """Remove all ads that match as ``TARGET`` of the payload, and nothing else."""
        if len(text) > _MAX_READ_BYTES:
            raise InvalidationRefused("the constraint is too long")
        cost_per_ad = 100 + 5 * len(text)
        for each in (table,) if private is None else (table, private):
            records = list(each.records.values())
            removed = cost = 0
            for record in records:
                try:
                    source = searchable(record)
                    value = evaluate(text, query, int(now), target=source)
                except (TooExpensive, ExpressionsUnavailable) as error:
                    raise InvalidationRefused(str(error)) from error
                if value is True and each.records.get(record.key) is record:
                    self._store.remove(each, record.key)
                    removed += 1
                cost += cost_per_ad
                if cost >= _STEP_COST:
                    cost = 0
                    yield
            if each is table:
                done.removed = removed
            else:
                done.removed_private = removed


def _mark(record: AdRecord, heard: int) -> None:
    """Give an ad a ``LastHeardFrom`` that makes it go."""
    record.last_heard_unix = heard
    record.tail = with_last_heard(record.tail, heard)
    record.forget()
