"""Ads that are asked for many attributes at once.

A look-up in an ad searches its lines, which is quick for one name and a few kilobytes.
Many look-ups in a large ad would take the product of both; then it pays to go through
the lines once.
"""

from __future__ import annotations

from typing import Final, Protocol

from condor_twisted.daemons.collector.state.names import (
    STAMPED_KEYS,
    is_private_key,
    lookup_key,
)
from condor_twisted.daemons.collector.state.records import AdRecord

__all__ = ["IndexedAd", "Searchable", "is_small", "searchable"]

#: Smaller ads are searched.
_SMALL_BYTES: Final = 8192


class Searchable(Protocol):
    """An ad's public attributes, the collector's included."""

    def raw(self, key: bytes) -> bytes | None:
        """The expression text of an attribute, by its lower-case name."""

    def line(self, key: bytes) -> bytes | None:
        """The line of an attribute, by its lower-case name."""

    def get(self, name: str, /) -> bytes | None:
        """The expression text of an attribute."""


class IndexedAd:
    """A record whose lines have been gone through once.

    Args:
        record: The ad.
    """

    __slots__ = ("_lines", "_record")

    def __init__(self, record: AdRecord) -> None:
        self._record = record
        self._lines: dict[bytes, bytes] = {}
        for line in record.body.split(b"\0")[:-1]:
            self._lines[line[: line.index(b" = ")].lower()] = line

    def raw(self, key: bytes) -> bytes | None:
        """The expression text of a public attribute, by its lower-case name."""
        if key in STAMPED_KEYS:
            return self._record.raw(key)
        line = self.line(key)
        return None if line is None else line[line.index(b" = ") + 3 :]

    def line(self, key: bytes) -> bytes | None:
        """The line of a public attribute, by its lower-case name."""
        if key in STAMPED_KEYS:
            return self._record.line(key)
        return None if is_private_key(key) else self._lines.get(key)

    def get(self, name: str, /) -> bytes | None:
        """The expression text of a public attribute."""
        return self.raw(lookup_key(name))


def is_small(record: AdRecord) -> bool:
    """Whether a record may be searched for many attributes as it is."""
    return record.layout is not None or len(record.body) <= _SMALL_BYTES


def searchable(record: AdRecord) -> Searchable:
    """A record to look many attributes up in."""
    return record if is_small(record) else IndexedAd(record)
