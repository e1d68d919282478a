"""What each kind of listing adds up.

Source: ``src/condor_status.V6/totals.cpp``.
"""

from __future__ import annotations

import struct
from typing import ClassVar, Final

from condor_twisted.tools.status.renderers import platform_name
from condor_twisted.tools.status.rows import Row
from condor_twisted.tools.status.totals_table import (
    EVERY_SLOT,
    SlotOptions,
    Totals,
)

__all__ = [
    "CheckpointServerTotals",
    "DaemonTotals",
    "RunTotals",
    "ScheddTotals",
    "ServerTotals",
    "SlotTotals",
    "StateTotals",
    "SubmitterTotals",
]


def _int32(value: int) -> int:
    """A number as C's ``int`` has it; HTCondor reads what it adds up into one."""
    return ((value + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def _single(value: float) -> float:
    """A real as C's ``float`` has it; HTCondor adds loads up in one."""
    try:
        rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return value
    return rounded


def _architecture(row: Row) -> str | None:
    architecture, system = row.string("Arch"), row.string("OpSys")
    if architecture is None or system is None:
        return None
    return f"{architecture}/{system}"


_STATES: Final = {
    "Owner": "owner",
    "Unclaimed": "unclaimed",
    "Claimed": "claimed",
    "Matched": "matched",
    "Preempting": "preempting",
    "Backfill": "backfill",
    "Drained": "drained",
}


class SlotTotals(Totals):
    """Slots by their state."""

    needs: ClassVar[tuple[str, ...]] = ("State", "Arch", "OpSys")
    key = staticmethod(_architecture)

    def __init__(self) -> None:
        self.machines = 0
        self.counts = dict.fromkeys(_STATES.values(), 0)
        self.idle_backfill = 0

    def add(self, row: Row, options: SlotOptions) -> bool:
        """Count a slot, or the slots that were made of it."""
        partitionable = dynamic = backfill = False
        if options != EVERY_SLOT:
            partitionable = row.boolean("PartitionableSlot")
            dynamic = not partitionable and row.boolean("DynamicSlot")
            backfill = options.backfill and row.boolean("BackfillSlot")
        if options.ignore_dynamic and dynamic:
            return True
        if options.roll_up and partitionable:
            for child in row.strings_of("ChildState") or ():
                self._count(child, backfill)
            return True
        state = row.string("State")
        return False if state is None else self._count(state, backfill)

    def _count(self, state: str, backfill: bool) -> bool:
        if backfill and state == "Unclaimed":
            self.idle_backfill += 1
            return True
        counted = _STATES.get("Backfill" if backfill and state == "Claimed" else state)
        if counted is None:
            return False
        self.counts[counted] += 1
        self._counted()
        return True

    def _counted(self) -> None:
        self.machines += 1

    @staticmethod
    def header() -> str:
        """The headings."""
        return (
            " Total Owner Claimed Unclaimed Matched Preempting  Drain Backfill BkIdle\n"
        )

    def line(self, *, is_last: bool) -> str:
        """The numbers."""
        counts = self.counts
        return (
            f"{self.machines:6d} {counts['owner']:5d} {counts['claimed']:7d} "
            f"{counts['unclaimed']:9d} {counts['matched']:7d} "
            f"{counts['preempting']:10d} {counts['drained']:6d} "
            f"{counts['backfill']:8d} {self.idle_backfill:6d}\n"
        )


class StateTotals(SlotTotals):
    """Slots by their state, for each activity."""

    needs = ("State", "Activity")

    @staticmethod
    def key(row: Row) -> str | None:
        """The activity."""
        return row.string("Activity")

    def _counted(self) -> None:
        # Kept for compatibility: here HTCondor's "Total" stays 0.
        return

    @staticmethod
    def header() -> str:
        """The headings."""
        return (
            " Total Owner Unclaimed Claimed Preempting Matched  Drain Backfill BkIdle\n"
        )

    def line(self, *, is_last: bool) -> str:
        """The numbers."""
        counts = self.counts
        return (
            f"{self.machines:6d} {counts['owner']:5d} {counts['unclaimed']:9d} "
            f"{counts['claimed']:7d} {counts['preempting']:10d} "
            f"{counts['matched']:7d} {counts['drained']:6d} "
            f"{counts['backfill']:8d} {self.idle_backfill:6d}\n"
        )


class _Sums(Totals):
    """Adds up numbers that ads may lack."""

    #: Attribute and what it adds to.
    summed: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __init__(self) -> None:
        self.count = 0
        self.sums = {name: 0 for _, name in self.summed}

    def _add_sums(self, row: Row) -> bool:
        complete = True
        for attribute, name in self.summed:
            value = row.integer(attribute)
            if value is None:
                complete = False
            else:
                self.sums[name] += _int32(value)
        return complete


class ServerTotals(_Sums):
    """Slots with their size."""

    needs = ("State", "Memory", "Disk", "Mips", "KFlops", "Arch", "OpSys")
    summed = (
        ("Memory", "memory"),
        ("Disk", "disk"),
        ("Mips", "mips"),
        ("KFlops", "kflops"),
    )
    key = staticmethod(_architecture)

    def __init__(self) -> None:
        super().__init__()
        self.available = 0

    def add(self, row: Row, options: SlotOptions) -> bool:
        """Count a slot."""
        state = row.string("State")
        if state is None:
            return False
        complete = self._add_sums(row)
        self.available += state in ("Claimed", "Unclaimed")
        self.count += 1
        return complete

    @staticmethod
    def header() -> str:
        """The headings."""
        return (
            f"{'Slots':>9} {'Avail':>5} {'Memory':>7} {'Disk':>11} {'MIPS':>11} "
            f"{'KFLOPS':>11}\n"
        )

    def line(self, *, is_last: bool) -> str:
        """The numbers."""
        sums = self.sums
        return (
            f"{self.count:9d} {self.available:5d} {sums['memory']:11d} "
            f"{sums['disk']:11d} {sums['mips']:11d} {sums['kflops']:11d}\n"
        )


class RunTotals(_Sums):
    """Claimed slots with their load."""

    needs = ("Mips", "KFlops", "LoadAvg", "Arch", "OpSys")
    summed = (("Mips", "mips"), ("KFlops", "kflops"))
    key = staticmethod(_architecture)

    def __init__(self) -> None:
        super().__init__()
        self.load = 0.0

    def add(self, row: Row, options: SlotOptions) -> bool:
        """Count a slot."""
        complete = self._add_sums(row)
        load = row.real("LoadAvg")
        self.load = _single(self.load + (load or 0.0))
        self.count += 1
        return complete and load is not None

    @staticmethod
    def header() -> str:
        """The headings."""
        return f"{'Machines':>9}  {'MIPS':>11}  {'KFLOPS':>11}  {'AvgLoadAvg':>11}\n"

    def line(self, *, is_last: bool) -> str:
        """The numbers."""
        average = _single(self.load / self.count) if self.count else 0.0
        return (
            f"{self.count:9d}  {self.sums['mips']:11d}  {self.sums['kflops']:11d}   "
            f"{average:.3f}\n"
        )


class ScheddTotals(_Sums):
    """Jobs of access points."""

    needs = ("TotalRunningJobs", "TotalIdleJobs", "TotalHeldJobs")
    summed = tuple((name, name) for name in needs)

    @staticmethod
    def key(row: Row) -> str | None:
        """One line for all."""
        return " "

    def add(self, row: Row, options: SlotOptions) -> bool:
        """Count an access point."""
        return self._add_sums(row)

    @staticmethod
    def header() -> str:
        """The headings."""
        return f"{'TotalRunningJobs':>18} {'TotalIdleJobs':>18} {'TotalHeldJobs':>18}\n"

    def line(self, *, is_last: bool) -> str:
        """The numbers, for all access points together only."""
        if not is_last:
            return ""
        return " ".join(f"{self.sums[name]:18d}" for name in self.needs) + "\n"


class SubmitterTotals(_Sums):
    """Jobs of submitters."""

    needs = ("RunningJobs", "IdleJobs", "HeldJobs", "Name")
    summed = tuple((name, name) for name in needs[:3])

    @staticmethod
    def key(row: Row) -> str | None:
        """The submitter."""
        return row.string("Name")

    def add(self, row: Row, options: SlotOptions) -> bool:
        """Count a submitter at one access point."""
        return self._add_sums(row)

    @staticmethod
    def header() -> str:
        """The headings."""
        return f"{'RunningJobs':>11} {'IdleJobs':>10} {'HeldJobs':>10}\n"

    def line(self, *, is_last: bool) -> str:
        """The numbers."""
        sums = self.sums
        return (
            f"{sums['RunningJobs']:11d} {sums['IdleJobs']:10d} {sums['HeldJobs']:10d}\n"
        )


class CheckpointServerTotals(_Sums):
    """Checkpoint servers with their disks."""

    needs = ("Disk",)
    summed = (("Disk", "disk"),)

    @staticmethod
    def key(row: Row) -> str | None:
        """One line for all."""
        return " "

    def add(self, row: Row, options: SlotOptions) -> bool:
        """Count a server."""
        self.count += 1
        return self._add_sums(row)

    @staticmethod
    def header() -> str:
        """The headings; HTCondor ends them with no newline."""
        return f"{'Servers':>8} {'AvailDisk':<11}"

    def line(self, *, is_last: bool) -> str:
        """The numbers, for all servers together only."""
        return f"{self.count:8d} {self.sums['disk']:11d}\n" if is_last else ""


class DaemonTotals(_Sums):
    """Machines with what they have and use."""

    needs = (
        "TotalSlots",
        "NumDynamicSlots",
        "TotalCpus",
        "TotalMemory",
        "TotalGPUs",
        "TotalInUseCpus",
        "TotalInUseMemory",
        "TotalInUseDisk",
        "TotalInUseGPUs",
        "TotalBackfillInUseCpus",
        "TotalBackfillInUseMemory",
        "TotalBackfillInUseDisk",
        "TotalBackfillInUseGPUs",
        "Arch",
        "OpSys",
        "OpSysAndVer",
        "OpSysShortName",
        "CondorVersion",
    )
    summed = (
        ("TotalCpus", "cpus"),
        ("TotalGPUs", "gpus"),
        ("TotalInUseCpus", "busy_cpus"),
        ("TotalInUseGPUs", "busy_gpus"),
        ("TotalBackfillInUseCpus", "backfill_cpus"),
        ("TotalBackfillInUseGPUs", "backfill_gpus"),
    )
    key = staticmethod(platform_name)

    def __init__(self) -> None:
        super().__init__()
        self.slots = 0
        self.memory_share = 0.0
        self.backfill_memory_share = 0.0

    def add(self, row: Row, options: SlotOptions) -> bool:
        """Count a machine."""
        self._add_sums(row)
        slots = row.integer("TotalSlots")
        if slots is None:
            slots = row.integer("NumDynamicSlots")
        self.slots += slots or 0
        self.count += 1
        memory = row.integer("TotalMemory")
        if memory:
            self.memory_share += (row.integer("TotalInUseMemory") or 0) / memory
            self.backfill_memory_share += (
                row.integer("TotalBackfillInUseMemory") or 0
            ) / memory
        known = (slots, row.integer("TotalCpus"), row.integer("TotalGPUs"))
        return bool(memory) and None not in known

    @staticmethod
    def header() -> str:
        """The headings."""
        return (
            "Machines    Slots     Cpus BusyCpus   BkCpus     GPUs BusyGPUs   BkGPUs  "
            "Memory%   BkMem%\n"
        )

    def line(self, *, is_last: bool) -> str:
        """The numbers."""
        sums = self.sums
        whole = (
            self.count,
            self.slots,
            sums["cpus"],
            sums["busy_cpus"],
            sums["backfill_cpus"],
            sums["gpus"],
            sums["busy_gpus"],
            sums["backfill_gpus"],
        )
        shares = (
            # What C makes of nothing divided by nothing.
            f"{100 * share / self.count:7.2f}%" if self.count else "   -nan%"
            for share in (self.memory_share, self.backfill_memory_share)
        )
        return " ".join((*(f"{number:8d}" for number in whole), *shares)) + "\n"
