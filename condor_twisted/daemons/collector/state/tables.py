"""The tables of ads: by key, by name, bounded, and watched by whoever wants to.

Source: ``src/condor_collector.V6/collector_engine.cpp``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from condor_twisted.classad.literals import NOT_LITERAL
from condor_twisted.constants import attributes
from condor_twisted.daemons.collector.state.kinds import (
    ANY_ORDER,
    STANDARD_KINDS,
    AdKind,
    generic_kind,
)
from condor_twisted.daemons.collector.state.records import AdRecord

__all__ = ["INDEXED_NAMES", "AdStore", "AdTable", "Change", "ChangeKind", "Observer"]

#: Attributes by which ads are asked for so often that they get an index.
INDEXED_NAMES: Final = frozenset({attributes.NAME.lower(), attributes.MACHINE.lower()})


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


class _ValueIndex:
    """Which keys have a certain string in one attribute, ignoring case.

    Ads whose attribute is an expression may have any value, and come with each.
    """

    __slots__ = ("_always", "_keys", "_name", "_value_of")

    def __init__(self, name: str, records: Iterable[AdRecord]) -> None:
        self._name = name
        self._keys: dict[str, dict[str, None]] = {}
        self._value_of: dict[str, str] = {}
        self._always: dict[str, None] = {}
        for record in records:
            self.put(record)

    def put(self, record: AdRecord) -> None:
        key = record.key
        value = record.literal(self._name)
        if isinstance(value, str):
            lowered = value.lower()
            if self._value_of.get(key) == lowered:
                return
            self.remove(key)
            self._value_of[key] = lowered
            self._keys.setdefault(lowered, {})[key] = None
            return
        self.remove(key)
        if value is NOT_LITERAL:
            self._always[key] = None

    def remove(self, key: str) -> None:
        self._always.pop(key, None)
        value = self._value_of.pop(key, None)
        if value is None:
            return
        keys = self._keys[value]
        del keys[key]
        if not keys:
            del self._keys[value]

    def find(self, value: str) -> Iterator[str]:
        yield from self._keys.get(value.lower(), ())
        yield from self._always


class AdTable:
    """The ads of one kind, by key.

    Args:
        kind: What kind.

    Attributes:
        records: The ads.
        peak_count: The most that there ever were.
    """

    __slots__ = ("_indexes", "kind", "peak_count", "records")

    def __init__(self, kind: AdKind) -> None:
        self.kind: Final = kind
        self.records: dict[str, AdRecord] = {}
        self.peak_count = 0
        self._indexes: dict[str, _ValueIndex] = {}

    def __len__(self) -> int:
        """How many ads there are."""
        return len(self.records)

    def put(self, record: AdRecord) -> AdRecord | None:
        """Store an ad; the one that it replaces is returned."""
        records = self.records
        old = records.get(record.key)
        records[record.key] = record
        if self._indexes:
            for index in self._indexes.values():
                index.put(record)
        if old is None and len(records) > self.peak_count:
            self.peak_count = len(records)
        return old

    def remove(self, key: str) -> AdRecord | None:
        """Take an ad out, if it is there."""
        record = self.records.pop(key, None)
        if record is not None:
            for index in self._indexes.values():
                index.remove(key)
        return record

    def candidates(self, way: Sequence[tuple[str, str]]) -> list[AdRecord] | None:
        """The ads that may have one of these strings in the attribute beside it.

        Args:
            way: Attributes' names in lower case, each with a string; case is ignored.

        Returns:
            ``None`` if an attribute has no index; else all ads that have one of the
            values, and those where only an evaluation can tell.
        """
        keys: dict[str, None] = {}
        for name, value in way:
            if name not in INDEXED_NAMES:
                return None
            index = self._indexes.get(name)
            if index is None:
                index = self._indexes[name] = _ValueIndex(name, self.records.values())
            keys.update(dict.fromkeys(index.find(value)))
        return [self.records[key] for key in keys]


class AdStore:
    """All tables of a collector.

    Args:
        max_generic_types: At most so many tables of generic types.
        max_type_name_bytes: Longest name of a generic type.
        max_ads: At most so many ads in all tables.
        max_stored_bytes: At most so many bytes in all tables, estimated.

    Attributes:
        observers: Called after each change, in order.
        count: Ads in all tables.
        stored_bytes: Their estimated size.
    """

    def __init__(
        self,
        max_generic_types: int = 1000,
        max_type_name_bytes: int = 256,
        max_ads: int = 200_000,
        max_stored_bytes: int = 1 << 30,
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
        """Store an ad; the one that it replaces is returned."""
        old = table.put(record)
        self.stored_bytes += record.size_bytes
        if old is None:
            self.count += 1
        else:
            self._forget(old)
        if self.observers:
            kind = ChangeKind.INSERTED if old is None else ChangeKind.REPLACED
            self._tell(Change(kind, record, old))
        return old

    def remove(self, table: AdTable, key: str) -> AdRecord | None:
        """Take an ad out, if it is there."""
        record = table.remove(key)
        if record is not None:
            self.count -= 1
            self._forget(record)
            if self.observers:
                self._tell(Change(ChangeKind.REMOVED, record))
        return record

    def _forget(self, record: AdRecord) -> None:
        self.stored_bytes -= record.size_bytes
        if record.prefixed is not None:
            self.prefixed_bytes -= len(record.prefixed)
            record.prefixed = None

    def _tell(self, change: Change) -> None:
        for observer in tuple(self.observers):
            observer(change)
