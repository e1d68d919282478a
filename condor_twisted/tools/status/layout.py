"""What a table is made of, and what its columns depend on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from condor_twisted.tools.status.print_mask import Column

__all__ = ["Columns", "Compact", "Layout", "Table"]


@dataclass(frozen=True, slots=True)
class Layout:
    """What the columns depend on.

    Args:
        width: The width of the display, less one.
        wide: Nothing is to be cut.
        java: Java instead of the operating system.
        vm: Virtual machines instead of the operating system.
    """

    width: int = 79
    wide: bool = False
    java: bool = False
    vm: bool = False


@dataclass(frozen=True, slots=True)
class Compact:
    """Where a compact listing keeps what slots of one machine add up to.

    Args:
        slots: The number of slots; ``None`` where the columns are not the tool's own.
        activity: The letters of state and activity.
        free_cpus: Free processors.
        free_memory: Free memory.
        job_starts: Jobs started per minute.
        largest_slot: The largest slot's memory.
    """

    slots: int | None = None
    activity: int | None = None
    free_cpus: int | None = None
    free_memory: int | None = None
    job_starts: int | None = None
    largest_slot: int | None = None


Columns: TypeAlias = Callable[[Layout], list[Column]]


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of listing.

    Args:
        columns: Makes its columns.
        constraint: Which ads it shows.
        summary: Whether totals follow.
        name_width: How wide the column ``Name`` begins; 0 leaves it.
        name_grows: Whether that column grows.
        machine_width: Likewise for the column ``Machine``; negative for the left.
        machine_grows: Whether that column grows.
        fixed_width: The width of all other columns, where those two may be cut to
            fit the display.
        compact: Where a compact listing keeps what it adds up.
    """

    columns: Columns
    constraint: str | None = None
    summary: bool = True
    name_width: int = 0
    name_grows: bool = False
    machine_width: int = 0
    machine_grows: bool = False
    fixed_width: int = 0
    compact: Compact | None = None
