"""Totals below a listing: one line for each key, one for all.

Source: ``src/condor_status.V6/totals.cpp: TrackTotals``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Final

from condor_twisted.tools.status.rows import Row

__all__ = ["EVERY_SLOT", "SlotOptions", "Totals", "TotalsTable"]


@dataclass(frozen=True, slots=True)
class SlotOptions:
    """What of a slot's ad counts, in compact listings.

    Args:
        roll_up: A partitionable slot stands for the slots that were made of it.
        ignore_dynamic: Dynamic slots do not count.
        backfill: Backfill slots count for themselves.
    """

    roll_up: bool = False
    ignore_dynamic: bool = False
    backfill: bool = False


EVERY_SLOT: Final = SlotOptions()


class Totals:
    """What one line adds up."""

    #: Attributes that are looked at.
    needs: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def key(row: Row) -> str | None:
        """The line that an ad belongs to; ``None`` for none."""
        raise NotImplementedError

    def add(self, row: Row, options: SlotOptions) -> bool:
        """Count an ad; whether it had all that counts."""
        raise NotImplementedError

    @staticmethod
    def header() -> str:
        """The headings, with a newline."""
        raise NotImplementedError

    def line(self, *, is_last: bool) -> str:
        """The numbers, with a newline."""
        raise NotImplementedError


@dataclass(slots=True)
class TotalsTable:
    """The totals of a listing.

    Args:
        make: Makes an empty line.
    """

    make: Callable[[], Totals]
    lines: dict[str, Totals] = field(default_factory=dict)
    all: Totals = field(init=False)
    malformed_count: int = 0
    widest_key: int = 0

    def __post_init__(self) -> None:
        self.all = self.make()

    def add(
        self, row: Row, key: str | None = None, options: SlotOptions = EVERY_SLOT
    ) -> None:
        """Count an ad.

        Args:
            row: The ad.
            key: Its line; what the totals make of the ad by default.
            options: What of it counts.
        """
        if key is not None:
            self.widest_key = max(self.widest_key, len(key))
        key = key or self.all.key(row)
        if not key:
            self.malformed_count += 1
            return
        line = self.lines.get(key)
        if line is None:
            line = self.lines[key] = self.make()
        complete = line.add(row, options)
        self.all.add(row, options)
        if not complete:
            self.malformed_count += 1

    def text(self, key_width: int | None) -> str:
        """The totals as they are shown.

        Args:
            key_width: How wide the keys are; as the widest where this is ``None``.
        """
        if key_width is None:
            key_width = max([5, *map(len, self.lines)])

        def padded(key: str) -> str:
            return key[:key_width].rjust(key_width)

        parts = [" " * key_width, self.all.header(), "\n"]
        for key in sorted(self.lines):
            parts += [padded(key), self.lines[key].line(is_last=False)]
        if self.lines:
            parts.append("\n")
        parts += [padded("Total"), self.all.line(is_last=True)]
        if self.malformed_count:
            parts.append(
                f"\n{' ' * key_width}(Omitted {self.malformed_count} malformed ads in "
                "computed attribute totals)\n\n"
            )
        return "".join(parts)
