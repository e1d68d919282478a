"""Compact listings: the slots of one machine and type in one row.

A partitionable slot's row already speaks for the slots that were made of it; static
slots of one machine are added up here, in the order of the listing.

Source: ``src/condor_status.V6/status.cpp: process_ads_callback, fold_slot_result,
reduce_slot_results``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from condor_twisted.classad.full_values import FullValue
from condor_twisted.classad.literals import ERROR, UNDEFINED
from condor_twisted.tools.status.layout import Compact
from condor_twisted.tools.status.print_mask import RenderedRow
from condor_twisted.tools.status.rows import Row, as_integer, as_real, shown
from condor_twisted.tools.status.states import (
    ACTIVITIES,
    SEVERAL,
    STATES,
    common,
)

__all__ = ["CompactRow", "fold_rows", "machine_key", "with_children"]

_BUSY = frozenset({"Matched", "Claimed", "Preempting"})


@dataclass(slots=True)
class CompactRow:
    """One row of a listing while slots are added up.

    Args:
        key: What it is sorted by: machine and slot type, then other lines.
        row: The ad.
        rendered: Its values.
        folded: It has gone into another row.
    """

    key: str
    row: Row
    rendered: RenderedRow
    folded: bool = False
    slot_name: str = field(init=False)
    partitionable: bool = field(init=False)
    busy: bool = field(init=False)
    prepared: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        row = self.row
        self.slot_name = (row.string("Name") or "").partition("@")[0]
        self.partitionable = row.boolean("PartitionableSlot")
        claimed_whole = self.partitionable and row.string("State") == "Claimed"
        self.busy = row.string("State") in _BUSY and not claimed_whole

    @property
    def exhausted(self) -> bool:
        """Whether it is partitionable, and no processor is left."""
        cpus = self.row.real("Cpus")
        return self.partitionable and cpus is not None and cpus < 0.1

    @property
    def backfill(self) -> bool:
        """Whether it is a backfill slot."""
        return self.row.boolean("BackfillSlot")

    def number(self, index: int) -> float:
        """A column's number; 0 where it has none."""
        return as_real(self.rendered.values[index]) or 0.0

    def text(self, index: int) -> str:
        """A column's text; nothing where it has none."""
        value = self.rendered.values[index]
        return value if isinstance(value, str) else ""

    def set(self, index: int, value: FullValue, *, valid: bool = False) -> None:
        """Give a column its value; ``valid`` makes it shown."""
        self.rendered.values[index] = value
        if valid:
            self.rendered.valid[index] = True


def machine_key(row: Row) -> str:
    """What ``join(":",Machine,SlotTypeId)`` gives, the type's sign aside."""
    joined: str | None = None
    for name in ("Machine", "SlotTypeId"):
        value = row.value(name)
        if value is UNDEFINED:
            continue
        if value is ERROR:
            return "error"
        if isinstance(value, str):
            text = row.string(name) or ""
        elif name == "SlotTypeId" and isinstance(value, (int, float)):
            text = str(abs(as_integer(value) or 0))
        else:
            text = shown(value)
        joined = f"{joined}:{text}" if joined else text
    return "undefined" if joined is None else joined


def with_children(compact: CompactRow, activity_column: int) -> None:
    """Show the state of a partitionable slot together with those made of it."""
    row = compact.row
    if not compact.partitionable:
        return
    state = common(row.strings_of("ChildState") or (), STATES, "Preempting")
    activity = common(row.strings_of("ChildActivity") or (), ACTIVITIES, "Vacating")
    theirs = _letter(state, STATES), _letter(activity, ACTIVITIES)
    before = compact.text(activity_column).ljust(2, "\0")[:2]
    own_state, own_activity = before[0], before[1]
    if before == "Ui" and compact.exhausted:
        own_state, own_activity = theirs
    elif own_state == "D" and theirs[0] == "C":
        own_state = theirs[0]
    if theirs[0] == "P":
        own_state = theirs[0]
    if theirs[1] == "v":
        own_activity = theirs[1]
    if state is not None and own_state != theirs[0]:
        own_state = "*"
    if activity is not None and own_activity != theirs[1]:
        own_activity = "*"
    after = own_state + own_activity
    if after != before:
        compact.set(activity_column, after.partition("\0")[0])


def _letter(name: str | None, known: dict[str, str]) -> str:
    if name == SEVERAL:
        return SEVERAL
    return known.get(name or "", "") or " "


def fold_rows(rows: list[CompactRow], compact: Compact) -> None:
    """Add up the slots of each machine; what has gone into another row is marked.

    Args:
        rows: All rows in the order of the listing.
        compact: Where what is added up stands.
    """
    first: CompactRow | None = None
    for each in rows:
        if first is None:
            first = each
            continue
        same_machine, other_type = _compare(each.key, first.key)
        if same_machine and not other_type:
            _fold(first, each, compact)
            each.folded = True
            continue
        _prepare(first, compact)
        if compact.slots is not None and same_machine and each.slot_name:
            each.set(0, "   " + each.slot_name)
        first = each
    if first is not None and len(rows) > 1 and first is rows[-1]:
        _prepare(first, compact)


def _compare(key: str, other: str) -> tuple[bool, bool]:
    """Whether two keys' first lines are one machine's, and of different types."""
    other_type = after_colon = False
    for index, character in enumerate(key):
        against = other[index : index + 1]
        if against != character:
            if not (after_colon and _is_digit(character) and _is_digit(against)):
                return False, other_type
            other_type = True
        if character == "\n":
            return True, other_type
        after_colon = character == ":"
    return bool(key) and len(key) == len(other), other_type


def _is_digit(character: str) -> bool:
    return character.isascii() and character.isdigit()


def _prepare(first: CompactRow, compact: Compact) -> None:
    """Make a static slot's row one that others can be added to."""
    if first.partitionable or first.prepared:
        return
    if compact.free_memory is not None and compact.largest_slot is not None:
        memory = first.number(compact.free_memory)
        first.set(compact.largest_slot, memory, valid=True)
    if first.busy:
        if compact.free_cpus is not None:
            first.set(compact.free_cpus, 0)
        if compact.free_memory is not None:
            first.set(compact.free_memory, 0.0)
    if compact.slots is not None:
        first.set(compact.slots, 1, valid=True)
    first.prepared = True


def _fold(first: CompactRow, other: CompactRow, compact: Compact) -> None:
    """Add one row to another."""
    _prepare(first, compact)
    memory = 0.0
    if compact.largest_slot is not None:
        assert compact.free_memory is not None
        memory = other.number(
            compact.largest_slot if other.partitionable else compact.free_memory
        )
        first.set(compact.largest_slot, max(first.number(compact.largest_slot), memory))
    if other.partitionable or not other.busy:
        if compact.free_memory is not None:
            first.set(compact.free_memory, memory + first.number(compact.free_memory))
        if compact.free_cpus is not None:
            cpus = compact.free_cpus
            first.set(cpus, int(first.number(cpus)) + int(other.number(cpus)))
    if compact.slots is not None:
        _add_slots(first, other, compact.slots)
    if compact.job_starts is not None:
        starts = compact.job_starts
        first.set(starts, first.number(starts) + other.number(starts))
    if compact.activity is not None:
        _join_activities(first, other, compact.activity)


def _add_slots(first: CompactRow, other: CompactRow, index: int) -> None:
    own = as_integer(first.rendered.values[index])
    if own is None:
        own = 1
        first.rendered.valid[index] = True
    more = 1
    if other.partitionable:
        more = as_integer(other.rendered.values[index]) or 0
    first.set(index, own + more)


def _join_activities(first: CompactRow, other: CompactRow, index: int) -> None:
    own = first.text(index).ljust(2, "\0")
    theirs = other.text(index).ljust(2, "\0")
    joined = "".join(
        mine if mine == each else "*"
        for mine, each in zip(own[:2], theirs[:2], strict=True)
    )
    if joined != own[:2]:
        first.set(index, joined.partition("\0")[0] + own[2:3].strip("\0"))
