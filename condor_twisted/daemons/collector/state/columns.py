"""Columns: one attribute of all ads of a table, for constraints that name it.

A table makes a column when a constraint names an attribute, and keeps it while it is
asked for. It holds the attribute's text in each ad and an index of the values, so that
``Name == "x"`` or ``Memory == 2048`` finds its ads at once, and other constraints need
not search the ads themselves. An update costs a column nothing but a mark; what
changed is looked up when the next query comes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final

from condor_twisted.classad.literals import NOT_LITERAL, parse_literal
from condor_twisted.daemons.collector.state.names import lookup_key
from condor_twisted.daemons.collector.state.records import AdRecord, raw_values

__all__ = ["Column", "value_key"]

_MAX_SHARED: Final = 4096
_MAX_SHARED_BYTES: Final = 64
#: So many bytes of ads of no known layout are searched in one step.
_MAX_SEARCHED_BYTES: Final = 1 << 20
#: The class of a value: equal values have equal keys, whatever their types and case.
ValueKey = str | float


def value_key(value: object) -> ValueKey | None:
    """What equal values have in common; ``None`` for what equals nothing.

    Strings compare without case. Numbers compare as reals, as HTCondor does where
    types differ: so some that are not equal have one key, and none that are have two.
    """
    if isinstance(value, str):
        return value.lower()
    if isinstance(value, int | float):
        number = float(value)
        return None if math.isnan(number) else number
    return None


class Column:
    """One attribute of all ads of a table.

    Args:
        name: The attribute's name in lower case.
        keys: The keys of the ads that there are.

    Attributes:
        texts: The attribute's text in each ad, by the ad's key; right once
            ``refresh`` is through.
        changed: The keys of ads that came, went or changed since.
        key: The name as it is looked up.
    """

    __slots__ = (
        "_always",
        "_keys",
        "_shared",
        "_value_of",
        "changed",
        "key",
        "name",
        "texts",
    )

    def __init__(self, name: str, keys: Iterable[str]) -> None:
        self.name: Final = name
        self.key: Final = lookup_key(name)
        self.texts: dict[str, bytes | None] = {}
        self.changed: set[str] = set(keys)
        # A single key, or several.
        self._keys: dict[ValueKey, str | dict[str, None]] = {}
        self._value_of: dict[str, ValueKey] = {}
        self._always: dict[str, None] = {}
        self._shared: dict[bytes, bytes] = {}

    def refresh(self, records: dict[str, AdRecord], count: int) -> bool:
        """Look some of what changed up.

        Args:
            records: The table's ads.
            count: At most so many; fewer, if these are large.

        Returns:
            Whether nothing is left to be looked up.
        """
        changed = self.changed
        if len(changed) <= count:
            some = list(changed)
            changed.clear()
        else:
            some = [changed.pop() for _ in range(count)]
        there = [records[key] for key in some if key in records]
        if len(there) != len(some):
            for key in some:
                if key not in records:
                    self._remove(key)
        searched = sum([len(each.body) for each in there if each.layout is None])
        while searched > _MAX_SEARCHED_BYTES and len(there) > 1:
            later = there.pop()
            changed.add(later.key)
            if later.layout is None:
                searched -= len(later.body)
        texts = self.texts
        missing = object()
        for record, text in zip(there, raw_values(there, self.name), strict=True):
            key = record.key
            if texts.get(key, missing) != text:
                self._put(key, text)
        return not changed

    def find(self, value: object) -> Iterator[str]:
        """The keys of ads that have this value, and of those that may have any."""
        key = value_key(value)
        if key is not None:
            keys = self._keys.get(key, ())
            if isinstance(keys, str):
                yield keys
            else:
                yield from keys
        yield from self._always

    def _put(self, key: str, text: bytes | None) -> None:
        if key in self.texts:
            self._remove(key)
        if text is not None and len(text) <= _MAX_SHARED_BYTES:
            if len(self._shared) >= _MAX_SHARED:
                self._shared.clear()
            text = self._shared.setdefault(text, text)
        self.texts[key] = text
        if text is None:
            return
        value = parse_literal(text)
        if value is NOT_LITERAL:
            self._always[key] = None
            return
        group = value_key(value)
        if group is None:
            return
        self._value_of[key] = group
        keys = self._keys.get(group)
        if keys is None:
            self._keys[group] = key
        elif isinstance(keys, str):
            self._keys[group] = {keys: None, key: None}
        else:
            keys[key] = None

    def _remove(self, key: str) -> None:
        self.texts.pop(key, None)
        self._always.pop(key, None)
        group = self._value_of.pop(key, None)
        if group is None:
            return
        keys = self._keys[group]
        if isinstance(keys, str):
            del self._keys[group]
            return
        del keys[key]
        if not keys:
            del self._keys[group]
