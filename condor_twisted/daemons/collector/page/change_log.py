"""What changed in the tables lately: at most one entry per ad, and so many in all.

An entry says that an ad changed, not how: whoever reads it looks at the ad as it is
now. So a reader who is slow, or was away, sees fewer entries but misses nothing; and
only one who was away for longer than the log goes back has to start anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, NamedTuple, TypeAlias

from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.records import AdRecord
from condor_twisted.daemons.collector.state.tables import AdStore, Change

__all__ = ["ChangeLog", "Entry", "Place"]

#: A standard kind, or a generic type's name in lower case; and the ad's key.
Place: TypeAlias = tuple[kinds.AdKind | str, str]

_STANDARD: Final = frozenset(kinds.STANDARD_KINDS)
#: Entries that are looked at between two portions.
_SLICE: Final = 2000


class Entry(NamedTuple):
    """An ad that changed.

    Args:
        number: Where in the log; rises.
        type_name: The ad's type.
        key: The ad's key within its type.
        record: The ad as it is now; ``None`` if it went.
    """

    number: int
    type_name: str
    key: str
    record: AdRecord | None


class ChangeLog:
    """Watches the tables while it is open.

    Args:
        store: The tables.
        max_entries: The log goes back so many changes, at the least.
        wake: Called at each change.
    """

    def __init__(
        self, store: AdStore, max_entries: int, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._max_entries = max(1, max_entries)
        self._wake = wake
        self._epoch = ""
        self._first = 1
        self._places: list[tuple[Place, str]] = []
        self._latest: dict[Place, int] = {}

    @property
    def is_open(self) -> bool:
        """Whether the tables are watched."""
        return bool(self._epoch)

    @property
    def end(self) -> int:
        """The number that the next change gets."""
        return self._first + len(self._places)

    def open(self, epoch: str) -> None:
        """Begin to watch.

        Args:
            epoch: Tells this log's numbers from those of others; no ``-`` in it.
        """
        self._epoch = epoch
        self._store.observers.append(self._changed)

    def close(self) -> None:
        """Stop watching, and forget."""
        if self._epoch:
            self._store.observers.remove(self._changed)
        self._epoch = ""
        self._first = 1
        self._places.clear()
        self._latest.clear()

    def event_id(self, number: int) -> str:
        """What a client sends back to hear of what comes behind a change."""
        return f"{self._epoch}-{number}"

    def position(self, event_id: str) -> int | None:
        """The number of the change behind this one.

        Returns:
            ``None`` where the log does not go back so far, or never had such an id.
        """
        epoch, _, digits = event_id.rpartition("-")
        is_number = digits.isascii() and digits.isdigit() and len(digits) < 18
        if epoch != self._epoch or not epoch or not is_number:
            return None
        position = int(digits) + 1
        return position if self._first <= position <= self.end else None

    def read(
        self,
        position: int,
        wanted: Collection[kinds.AdKind | str] | None,
        max_entries: int,
    ) -> tuple[list[Entry], int] | None:
        """The changes from a position on; does bounded work.

        Args:
            position: Where to begin.
            wanted: The kinds to tell of, as in :data:`Place`; ``None`` for all.
            max_entries: At most so many.

        Returns:
            Entries, and where to go on; ``None`` where the log does not go back so
            far. At the end of the log the position is :attr:`end`.
        """
        if position < self._first:
            return None
        found: list[Entry] = []
        start = position - self._first
        stop = min(start + _SLICE, len(self._places))
        for index in range(start, stop):
            place, type_name = self._places[index]
            number = self._first + index
            if self._latest[place] != number:
                continue  # it changed again; that entry tells
            if wanted is not None and place[0] not in wanted:
                continue
            found.append(Entry(number, type_name, place[1], self._find(place)))
            if len(found) >= max_entries:
                stop = index + 1
                break
        return found, self._first + stop

    def _find(self, place: Place) -> AdRecord | None:
        kind, key = place
        if isinstance(kind, str):
            table = self._store.generic_table(kind)
        else:
            table = self._store.table(kind)
        return None if table is None else table.records.get(key)

    def _changed(self, change: Change) -> None:
        record = change.record
        kind = record.kind
        if kind is kinds.SLOT_PRIVATE:
            return
        place = (kind if kind in _STANDARD else kind.my_type.lower(), record.key)
        self._latest[place] = self._first + len(self._places)
        self._places.append((place, kind.my_type))
        if len(self._places) >= 2 * self._max_entries:
            self._forget(len(self._places) - self._max_entries)
        self._wake()

    def _forget(self, count: int) -> None:
        """Drop the oldest entries."""
        for number, (place, _) in enumerate(self._places[:count], self._first):
            if self._latest[place] == number:
                del self._latest[place]
        del self._places[:count]
        self._first += count
