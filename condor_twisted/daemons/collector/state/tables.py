"""The tables of ads: by key, by name, bounded, and watched by whoever wants to.

Source: ``src/condor_collector.V6/collector_engine.cpp``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from condor_twisted.daemons.collector.state.columns import Column
from condor_twisted.daemons.collector.state.habits import Habit
from condor_twisted.daemons.collector.state.kinds import (
    ANY_ORDER,
    STANDARD_KINDS,
    AdKind,
    generic_kind,
)
from condor_twisted.daemons.collector.state.prefixed_forms import PrefixedText
from condor_twisted.daemons.collector.state.records import AdRecord

__all__ = ["MAX_COLUMNS", "AdStore", "AdTable", "Change", "ChangeKind", "Observer"]

#: At most so many columns per table.
MAX_COLUMNS: Final = 8


class ChangeKind(enum.Enum):
    """What happened to a table."""

    INSERTED = "inserted"
    REPLACED = "replaced"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a table.

    Args:
        kind: What happened.
        record: The ad that is in the table now, or was until now.
        old: The ad that was replaced.
    """

    kind: ChangeKind
    record: AdRecord
    old: AdRecord | None = None


Observer: TypeAlias = Callable[[Change], None]


class AdTable:
    """The ads of one kind, by key.

    Args:
        kind: What kind.

    Attributes:
        records: The ads.
        peak_count: The most that there ever were.
    """

    __slots__ = ("_columns", "kind", "peak_count", "records")

    def __init__(self, kind: AdKind) -> None:
        self.kind: Final = kind
        self.records: dict[str, AdRecord] = {}
        self.peak_count = 0
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        """How many ads there are."""
        return len(self.records)

    def add(self, record: AdRecord) -> None:
        """Store an ad under a new key."""
        self.replace(record, None)
        if len(self.records) > self.peak_count:
            self.peak_count = len(self.records)

    def replace(self, record: AdRecord, habit: Habit | None) -> None:
        """Store an ad in place of one that is there under the same key.

        Args:
            record: The ad.
            habit: It differs from the one that it replaces in these attributes only.
        """
        key = record.key
        self.records[key] = record
        for column in self._columns.values():
            if habit is None or column.key in habit.columns:
                column.changed.add(key)

    def remove(self, key: str) -> AdRecord | None:
        """Take an ad out, if it is there."""
        record = self.records.pop(key, None)
        if record is not None:
            for column in self._columns.values():
                column.changed.add(key)
        return record

    def column(self, name: str) -> Column:
        """The column of an attribute, made if there is none.

        Args:
            name: The attribute's name in lower case.
        """
        column = self._columns.pop(name, None)
        if column is None:
            column = Column(name, self.records)
            if len(self._columns) >= MAX_COLUMNS:
                # The one that was not asked for the longest.
                del self._columns[next(iter(self._columns))]
        self._columns[name] = column
        return column

    def mark_changed(self, key: str) -> None:
        """An ad's own text was changed in its place."""
        for column in self._columns.values():
            column.changed.add(key)


class AdStore:
    """All tables of a collector.

    Args:
        max_generic_types: At most so many tables of generic types.
        max_type_name_bytes: Longest name of a generic type.
        max_ads: At most so many ads in all tables.
        max_stored_bytes: At most so many bytes in all tables, estimated.
        max_prefixed_bytes: At most so many bytes of prefixed texts are kept.

    Attributes:
        max_prefixed_bytes: As given.
        observers: Called after each change, in order.
        count: Ads in all tables.
        stored_bytes: Their estimated size.
        prefixed_bytes: The size of their prefixed texts.
    """

    def __init__(
        self,
        max_generic_types: int = 1000,
        max_type_name_bytes: int = 256,
        max_ads: int = 200_000,
        max_stored_bytes: int = 1 << 30,
        max_prefixed_bytes: int = 128 << 20,
    ) -> None:
        self._max_generic_types = max_generic_types
        self._max_type_name_bytes = max_type_name_bytes
        self._max_ads = max_ads
        self._max_stored_bytes = max_stored_bytes
        self._tables = {kind: AdTable(kind) for kind in STANDARD_KINDS}
        self._generic: dict[str, AdTable] = {}
        self.observers: list[Observer] = []
        self.count = 0
        self.stored_bytes = 0
        self.prefixed_bytes = 0
        self.max_prefixed_bytes = max_prefixed_bytes

    def table(self, kind: AdKind) -> AdTable:
        """The table of a standard kind."""
        return self._tables[kind]

    def generic_table(self, my_type: str) -> AdTable | None:
        """The table of a generic type, whatever the case of its name."""
        return self._generic.get(my_type.lower())

    def may_add_type(self, my_type: str) -> bool:
        """Whether there is, or may be, a table for this generic type."""
        if my_type.lower() in self._generic:
            return True
        size = len(my_type.encode("utf-8", "surrogateescape"))
        limit = self._max_type_name_bytes
        return size <= limit and len(self._generic) < self._max_generic_types

    def add_type(self, my_type: str) -> AdTable:
        """The table of a generic type, made if there is none."""
        table = self._generic.get(my_type.lower())
        if table is None:
            table = self._generic[my_type.lower()] = AdTable(generic_kind(my_type))
        return table

    def public_tables(self) -> list[AdTable]:
        """All tables but the private one, in the order of a query for any ads."""
        return [*(self._tables[kind] for kind in ANY_ORDER), *self._generic.values()]

    def all_tables(self) -> list[AdTable]:
        """All tables."""
        return [*self._tables.values(), *self._generic.values()]

    def has_room(self, size_bytes: int) -> bool:
        """Whether an ad under a new key may be stored."""
        return (
            self.count < self._max_ads
            and self.stored_bytes + size_bytes <= self._max_stored_bytes
        )

    def put(self, table: AdTable, record: AdRecord) -> AdRecord | None:
        """Store an ad; the one that it replaces is returned.

        Args:
            table: Where.
            record: The ad.
        """
        old = table.records.get(record.key)
        if old is not None:
            self.replace(table, old, record)
            return old
        table.add(record)
        self.count += 1
        self.stored_bytes += record.size_bytes
        if self.observers:
            self._tell(Change(ChangeKind.INSERTED, record))
        return None

    def replace(
        self,
        table: AdTable,
        old: AdRecord,
        record: AdRecord,
        habit: Habit | None = None,
    ) -> None:
        """Store an ad in place of one that is there under the same key.

        Args:
            table: Where.
            old: The ad that is there.
            record: The ad.
            habit: See `AdTable.replace`.
        """
        table.replace(record, habit)
        self.stored_bytes += record.size_bytes
        self._forget(old)
        if self.observers:
            self._tell(Change(ChangeKind.REPLACED, record, old))

    def remove(self, table: AdTable, key: str) -> AdRecord | None:
        """Take an ad out, if it is there."""
        record = table.remove(key)
        if record is not None:
            self.count -= 1
            self._forget(record)
            if self.observers:
                self._tell(Change(ChangeKind.REMOVED, record))
        return record

    def keep_prefixed(self, record: AdRecord, prefixed: PrefixedText) -> None:
        """Keep an ad's prefixed text until it is replaced, if there is room.

        Args:
            record: The ad; nothing is kept for one that is not in its table.
            prefixed: The text, in place of one that is there.
        """
        old = record.prefixed
        size = self.prefixed_bytes + prefixed.size_bytes
        if old is not None:
            size -= old.size_bytes
        if size > self.max_prefixed_bytes:
            return
        kind = record.kind
        table = self._tables.get(kind)
        if table is None:
            table = self._generic.get(kind.my_type.lower())
        if table is not None and table.records.get(record.key) is record:
            self.prefixed_bytes = size
            record.prefixed = prefixed

    def _forget(self, record: AdRecord) -> None:
        self.stored_bytes -= record.size_bytes
        if record.prefixed is not None:
            self.prefixed_bytes -= record.prefixed.size_bytes
            record.prefixed = None

    def _tell(self, change: Change) -> None:
        for observer in tuple(self.observers):
            observer(change)
