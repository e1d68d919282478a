"""From options to a question and a layout.

Source: ``src/condor_status.V6/status.cpp: main``,
``src/condor_status.V6/prettyPrint.cpp: ppInitPrintMask``,
``src/condor_utils/generic_query.cpp``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from condor_twisted.classad.literals import decode_string, encode_text
from condor_twisted.classad.printing import read_expression
from condor_twisted.classad.wire_ad import AdValue, ExpressionText
from condor_twisted.client.queries import Query, make_query
from condor_twisted.tools.status.layout import Compact, Layout, Table
from condor_twisted.tools.status.modes import LONG_STYLES, MODES, TOTALS
from condor_twisted.tools.status.options import StatusOptions
from condor_twisted.tools.status.print_mask import PrintMask
from condor_twisted.tools.status.projection import Projection
from condor_twisted.tools.status.tables import TABLES
from condor_twisted.tools.status.totals_table import TotalsTable

__all__ = ["Display", "Plan", "make_plan"]

_AVAILABLE: Final = 'State == "Unclaimed" && Cpus > 0 && Memory > 0'
_COMPACT_NEEDS: Final = (
    "Arch",
    "OpSysAndVer",
    "OpSysName",
    "DynamicSlot",
    "PartitionableSlot",
    "BackfillSlot",
    "State",
    "Activity",
    "ChildState",
    "ChildActivity",
)
_ABSENT_NEEDS: Final = ("Absent", "LastHeardFrom", "ClassAdLifetime")
_JAVA_NEEDS: Final = ("HasJava", "JavaVendor", "JavaVersion")
_VM_NEEDS: Final = (
    "VM_Type",
    "VM_Memory",
    "VM_Networking",
    "VM_Networking_Types",
    "VM_HardwareVT",
    "VM_AvailNum",
    "VM_All_Guest_Macs",
    "VM_All_Guest_IPs",
    "VM_Guest_Mac",
    "VM_Guest_IP",
)


@dataclass(frozen=True, slots=True)
class Display:
    """Where a listing is shown.

    Args:
        columns: The terminal's width; ``None`` where it is no terminal.
    """

    columns: int | None = None


@dataclass(slots=True)
class Plan:
    """What is asked, and how the answer is shown.

    Args:
        query: The question.
        requirements: Its constraint; ``None`` for all ads.
        mask: The columns; none where whole ads are shown, or totals only.
        style: The style.
        sort: What is sorted by; ``None`` for not at all.
        totals: The totals, if there are any.
        key_width: How wide the totals' keys are; ``None`` for as wide as they are.
        compact: Where a compact listing keeps what it adds up; ``None`` otherwise.
        wanted: The only attributes of whole ads that are shown, in lower case.
        fixed_width: The width of the columns that cannot be cut.
        cut_to: The width that names may be cut to fit; 0 for none.
        machine_key: Sort by machine and slot type first.
        hash_order: Show whole ads in the order in which HTCondor keeps them.
    """

    query: Query
    requirements: str | None
    mask: PrintMask
    style: str
    sort: list[str] | None
    totals: TotalsTable | None = None
    key_width: int | None = 14
    compact: Compact | None = None
    wanted: frozenset[str] | None = None
    fixed_width: int = 0
    cut_to: int = 0
    machine_key: bool = False
    hash_order: bool = False


@dataclass(slots=True)
class _Conditions:
    """Constraints as HTCondor's tools put them together."""

    all_of: list[str] = field(default_factory=list)
    one_of: list[str] = field(default_factory=list)

    def text(self) -> str | None:
        """One expression; ``None`` for no constraint."""
        groups = [
            "(" + sign.join(f"({each})" for each in dict.fromkeys(conditions)) + ")"
            for conditions, sign in ((self.all_of, " && "), (self.one_of, " || "))
            if conditions
        ]
        if not groups:
            return None
        # As HTCondor spells it.
        text = read_expression(encode_text(" && ".join(groups))).spelled()
        return decode_string(text)


def make_plan(options: StatusOptions, display: Display, names: Iterable[str]) -> Plan:
    """Make the plan of a listing.

    Args:
        options: What was asked for.
        display: Where it is shown.
        names: The names that were asked for, hosts' names as daemons have them.
    """
    return _Planner(options, display).plan(list(names))


class _Planner:
    def __init__(self, options: StatusOptions, display: Display) -> None:
        self._options = options
        self._mode = MODES[options.mode]
        self._conditions = _Conditions()
        self._projection = Projection()
        self._is_long = options.style in LONG_STYLES
        piped = 1024 if options.wide else 80
        self._width = (options.width or display.columns or piped) - 1
        self._is_cut = bool(options.width) or (
            not options.wide and display.columns is not None
        )
        self._fits = not options.wide and (
            bool(options.width) or display.columns is not None
        )

    def plan(self, names: list[str]) -> Plan:
        """Put it all together."""
        options = self._options
        self._conditions_of_mode()
        self._projection.add("OCU")
        for column in options.mask.columns:
            self._projection.add_expression(column.attribute)
            if column.renderer is not None:
                self._projection.add(*column.renderer.needs)
        self._projection.add(*options.attributes)
        self._conditions.all_of += options.constraints
        self._conditions_of_names(names)
        sort = options.sort
        if sort == []:
            sort = ["Machine", "Name"]
        if options.compact:
            self._projection.add("Machine", "SlotTypeId")
        # The primary key of a compact listing takes Machine's place.
        rest = list(sort or ())
        if options.compact and rest[:1] == ["Machine"]:
            rest = rest[1:]
        for key in rest:
            self._projection.add_expression(key)
        table = self._table()
        mask, key_width = options.mask, self._key_width()
        totals = self._totals(table)
        if self._is_long:
            mask = PrintMask()
            self._projection = Projection(options.attributes)
        elif table is not None:
            mask = self._mask(table)
            if table.constraint is not None:
                self._conditions.all_of.append(table.constraint)
            totals = totals if table.summary else None
        elif options.style == "custom":
            mask.max_width = self._width if options.width else 0
        wanted = None
        if options.attributes:
            wanted = frozenset(each.lower() for each in options.attributes)
        compact = None
        if options.compact and not options.only_totals:
            compact = Compact() if table is None else table.compact or Compact()
        requirements = self._conditions.text()
        return Plan(
            self._query(requirements),
            requirements,
            mask,
            options.style,
            rest if options.compact or sort is not None else None,
            totals,
            key_width,
            compact,
            wanted,
            table.fixed_width if table is not None else 0,
            self._width if self._fits and table is not None else 0,
            options.compact,
            options.hash_order,
        )

    def _conditions_of_mode(self) -> None:
        options, conditions = self._options, self._conditions
        if options.mode == "available" and not options.compact:
            conditions.one_of.append(_AVAILABLE)
        elif options.mode == "claimed" and not options.compact:
            conditions.one_of.append('State == "Claimed"')
        if options.java:
            conditions.all_of.append("HasJava")
            self._projection.add(*_JAVA_NEEDS)
        if options.offline:
            conditions.all_of.append("size(OfflineUniverses) != 0")
            self._projection.add("OfflineUniverses")
        if options.absent:
            conditions.all_of.append("Absent")
            self._projection.add(*_ABSENT_NEEDS)
        if options.vm:
            conditions.all_of.append("HasVM")
            self._projection.add(*_VM_NEEDS)
        if options.compact and not (options.vm or options.java):
            if options.mode == "available":
                conditions.all_of.append(_AVAILABLE)
            else:
                table = "compact claimed" if options.mode == "claimed" else None
                constraint = TABLES[table or "compact slots"].constraint
                assert constraint is not None
                conditions.all_of.append(constraint)
            self._projection.add(*_COMPACT_NEEDS)

    def _conditions_of_names(self, names: list[str]) -> None:
        for name in names:
            quoted = '"' + name.replace('"', '\\"') + '"'
            if self._options.mode == "claimed":
                condition = f"RemoteUser == {quoted}"
            else:
                condition = f"Name=={quoted} || Machine=={quoted}"
            self._conditions.one_of.append(condition)

    def _table(self) -> Table | None:
        """The table of the style; ``None`` for other columns, or none."""
        options = self._options
        if self._is_long or options.explicit or options.style == "custom":
            return None
        style = options.style
        if style == "slots" and options.absent:
            style = "absent"
        elif style == "slots" and options.offline:
            style = "offline"
        elif options.compact and not (options.vm or options.java):
            style = f"compact {style}"
        return TABLES[style]

    def _mask(self, table: Table) -> PrintMask:
        options = self._options
        layout = Layout(self._width, options.wide, options.java, options.vm)
        mask = PrintMask(table.columns(layout))
        if self._is_cut:
            mask.max_width = self._width
        self._projection.add_columns(mask.columns)
        for column in mask.columns:
            if column.attribute == "Name":
                grows = options.wide or table.name_grows
                if table.name_width:
                    column.width = table.name_width
                    column.auto_width = grows or (options.wide and column.auto_width)
                elif grows:
                    column.auto_width = True
            elif column.attribute == "Machine" and table.machine_width:
                width = table.machine_width
                if width < 0:
                    width = self._collector_width()
                column.width = width
                column.left = column.left or width < 0
                column.auto_width = options.wide or table.machine_grows
        return mask

    def _collector_width(self) -> int:
        """The width of the column ``Machine`` of a collector, negative for the left."""
        if self._options.wide:
            return -34
        if self._width <= 79:
            return -18
        room = min(self._width - (28 + 18 + 11 + 8 + 10 + 4), 50)
        return -18 - min(30, room - min(20, room * 2 // 3))

    def _totals(self, table: Table | None) -> TotalsTable | None:
        """The totals; what they need is asked for as well."""
        options = self._options
        make = TOTALS.get(options.style)
        if self._is_long or options.style == "custom" or make is None:
            return None
        self._projection.add(*make.needs)
        return TotalsTable(make)

    def _key_width(self) -> int | None:
        as_wide_as_needed = self._options.wide or self._options.style == "submitters"
        return None if as_wide_as_needed else 14

    def _query(self, requirements: str | None) -> Query:
        options = self._options
        kind = self._mode.kind
        if options.kind is not None:
            kind = options.kind
        extra: dict[str, AdValue] = {}
        if options.snapshot is not None:
            extra["Snapshot"] = ExpressionText(options.snapshot)
        if options.statistics is not None:
            extra["STATISTICS_TO_PUBLISH"] = options.statistics
        kinds: str | list[str] = kind
        if options.several is not None:
            kinds = options.several.replace(",", " ").split()
        return make_query(
            kinds, requirements, self._projection, options.limit or None, extra=extra
        )
