"""The columns of each kind of listing.

Each function gives new columns, because they grow while a listing is made.

Source: ``src/condor_status.V6/prettyPrint.cpp``.
"""

from __future__ import annotations

from typing import Final

from condor_twisted.classad.full_values import ComposedValue, FullValue
from condor_twisted.classad.literals import UNDEFINED
from condor_twisted.tools.status import daemon_tables as daemons
from condor_twisted.tools.status import renderers as r
from condor_twisted.tools.status.layout import Compact, Layout, Table
from condor_twisted.tools.status.print_mask import Column, Renderer, column
from condor_twisted.tools.status.rows import Row, as_real

__all__ = ["TABLES"]


_NO_DYNAMIC: Final = "PartitionableSlot =?= true || DynamicSlot =!= true"
_PARTLY_CLAIMED: Final = (
    '(State == "Claimed" && DynamicSlot =!= true) || '
    "(NumDynamicSlots isnt undefined && NumDynamicSlots > 0)"
)


def _name(attribute: str = "Name") -> Column:
    return column(attribute, width=-34, fit=True, printf="%s", otherwise="??")


def _load() -> Column:
    return column(
        "CondorLoadAvg",
        "LoadAv",
        width=6,
        truncate=True,
        renderer=r.LOAD_AVG,
        otherwise="??",
    )


def _systems(layout: Layout) -> list[Column]:
    if layout.java:
        return [
            column("JavaVendor", width=-10, otherwise="??"),
            column("JavaVersion", width=-6, otherwise="??"),
        ]
    if layout.vm:
        return [
            column("VM_Type", "VmType", width=-6, otherwise="??"),
            column("VM_Networking_Types", "Network", width=-9, otherwise="??"),
        ]
    return [
        column("OpSys", width=-10, otherwise="??"),
        column("Arch", width=-8, otherwise="??"),
    ]


def _slots(layout: Layout) -> list[Column]:
    if layout.vm:
        memory = column("VM_Memory", "VMMem", width=5, printf="%4d", otherwise="??")
    else:
        memory = column("Memory", "Mem", width=6, printf="%6d", otherwise="??")
    narrow = layout.width < 100 and not layout.wide
    since = column(
        "EnteredCurrentActivity",
        "  ActvtyTime" if narrow else "ActivityTime",
        width=12 if narrow else None,
        truncate=True,
        prefix=not narrow,
        renderer=r.ACTIVITY_TIME,
        otherwise="-",
    )
    return [
        _name(),
        *_systems(layout),
        column("State", otherwise="??"),
        column("Activity", width=-8, renderer=r.ACTIVITY_OR_OCU, otherwise="??"),
        _load(),
        memory,
        since,
    ]


def _claimed(layout: Layout) -> list[Column]:
    return [
        _name(),
        *_systems(layout),
        _load(),
        column("RemoteUser", width=-20, otherwise="??"),
        column("ClientMachine", width=-16, otherwise="??"),
    ]


def _server(layout: Layout) -> list[Column]:
    return [
        _name(),
        column("OpSys", width=-10, otherwise="??"),
        column("Arch", width=-8, otherwise="??"),
        _load(),
        column("Memory", width=8, printf="%8d", otherwise="??"),
        column("Disk", width=9, printf="%9d", otherwise="??"),
        column("Mips", width=7, printf="%7d", otherwise="??"),
        column("KFlops", width=9, printf="%9d", otherwise="??"),
    ]


def _timed(attribute: str, heading: str, renderer: Renderer, otherwise: str) -> Column:
    return column(
        attribute,
        heading,
        width=12,
        truncate=True,
        renderer=renderer,
        otherwise=otherwise,
    )


def _state(layout: Layout) -> list[Column]:
    return [
        _name(),
        column("Cpus", "Cpu", otherwise="??"),
        column("Memory", " Mem", width=5, otherwise="??"),
        _load(),
        _timed("KeyboardIdle", "  KbdIdle", r.TIME, "??"),
        column("State", width=-7, otherwise="??"),
        _timed("EnteredCurrentState", "  StateTime", r.ELAPSED_TIME, "??"),
        column("Activity", "Activ", otherwise="??"),
        _timed("EnteredCurrentActivity", "  ActvtyTime", r.ELAPSED_TIME, "-"),
    ]


def _absent(layout: Layout) -> list[Column]:
    return [
        _name(),
        column("OpSys", width=-10, otherwise="??"),
        column("Arch", width=-8, otherwise="??"),
        column(
            "LastHeardFrom",
            "Went Absent",
            width=-11,
            renderer=r.DATE,
            otherwise="??",
        ),
        column("ClassAdLifetime", "Will Forget", width=-11, renderer=r.DUE_DATE),
    ]


def _offline(layout: Layout) -> list[Column]:
    return [
        _name(),
        column(
            "OfflineUniverses",
            "Offline Universes",
            width=-42,
            renderer=r.STRINGS_FROM_LIST,
            otherwise="  ",
        ),
    ]


def _largest_child(row: Row) -> FullValue:
    """The largest memory of the slots that were made of this one, in GB.

    What ``Max(ChildMemory)/1024.0`` computes; where there is no such list it is
    undefined, and an error where it holds anything but numbers.
    """
    children = row.value("ChildMemory")
    if not isinstance(children, ComposedValue):
        return UNDEFINED
    numbers = [as_real(each.value) for each in children.items()]
    known = [number for number in numbers if number is not None]
    if not known or len(known) != len(numbers):
        return UNDEFINED
    return max(known) / 1024.0


def _machine() -> list[Column]:
    """The columns that every compact listing begins with."""
    return [
        column("Machine"),
        column("OpSys", "Platform", renderer=r.PLATFORM),
        column("NumDynamicSlots", "Slot", printf="%4d", otherwise=" "),
        column("SlotType", "s", prefix=False, renderer=r.SLOT_COUNT_TAG),
    ]


def _sizes() -> list[Column]:
    return [
        column("TotalSlotCpus", "Cpus", printf="%4d"),
        column("TotalSlotGpus", "Gpus", printf="%4d"),
        column("TotalSlotMemory/1024.0", " TotalGb", printf="%8.2f"),
    ]


def _load_and_activity() -> list[Column]:
    return [
        column("TotalLoadAvg*1.0/TotalCpus", "CpuLoad", printf="%7.2f"),
        column("Activity", "ST", width=2, renderer=r.ACTIVITY_CODE),
        column("RecentJobStarts/20.0", "Jobs/Min", printf="%8.2f", otherwise="_"),
    ]


def _compact(layout: Layout) -> list[Column]:
    return [
        *_machine(),
        *_sizes(),
        column("Cpus", "FreCpu", printf="%6d"),
        column("Memory/1024.0", " FreeGb ", printf="%8.2f"),
        *_load_and_activity(),
        column(
            "Max(ChildMemory)/1024.0",
            "MaxSlotGb",
            printf="%9.2f",
            otherwise="*",
            compute=_largest_child,
        ),
    ]


def _compact_server(layout: Layout) -> list[Column]:
    return [
        *_machine(),
        *_sizes(),
        column("Mips", " Mips  ", printf="%7d", otherwise="-"),
        column("KFlops", " KFlops  ", printf="%9d", otherwise="-"),
        *_load_and_activity(),
    ]


def _compact_state(layout: Layout) -> list[Column]:
    return [*_machine(), *_sizes(), *_load_and_activity()]


def _compact_claimed(layout: Layout) -> list[Column]:
    return [*_machine(), column("ChildRemoteUser", "Users", renderer=r.UNIQUE)]


_ANY: Final = Table(daemons.any_ad, summary=False)
_CHECKPOINT: Final = Table(daemons.checkpoint_servers)

#: By the name of the style.
TABLES: Final = {
    "slots": Table(_slots, name_grows=True, fixed_width=65),
    "server": Table(_server, name_grows=True, fixed_width=65),
    "claimed": Table(_claimed, name_grows=True, fixed_width=63),
    "state": Table(_state, name_grows=True, fixed_width=70),
    "absent": Table(_absent, "Absent"),
    "offline": Table(_offline, "size(OfflineUniverses) != 0"),
    "compact slots": Table(
        _compact,
        _NO_DYNAMIC,
        machine_width=12,
        machine_grows=True,
        compact=Compact(
            slots=2,
            activity=10,
            free_cpus=7,
            free_memory=8,
            job_starts=11,
            largest_slot=12,
        ),
    ),
    "compact server": Table(
        _compact_server,
        _NO_DYNAMIC,
        name_grows=True,
        fixed_width=65,
        compact=Compact(slots=2, activity=10, job_starts=11),
    ),
    "compact claimed": Table(
        _compact_claimed,
        _PARTLY_CLAIMED,
        name_grows=True,
        fixed_width=63,
        compact=Compact(slots=2),
    ),
    "compact state": Table(
        _compact_state,
        _NO_DYNAMIC,
        name_grows=True,
        fixed_width=70,
        compact=Compact(slots=2, activity=8, job_starts=9),
    ),
    "startd": Table(daemons.startd),
    "schedd": Table(
        daemons.schedd,
        name_width=15,
        name_grows=True,
        machine_width=12,
        machine_grows=True,
        fixed_width=35,
    ),
    "schedd data": Table(
        daemons.schedd_data,
        "TransferQueueMaxUploading isnt undefined",
        summary=False,
        name_width=15,
        name_grows=True,
        fixed_width=70,
    ),
    "schedd run": Table(
        daemons.schedd_run,
        "(ShadowsRunning+TotalSchedulerJobsRunning) > 0",
        summary=False,
        name_width=15,
        name_grows=True,
        fixed_width=35,
    ),
    "submitters": Table(
        daemons.submitters,
        name_width=15,
        name_grows=True,
        machine_width=12,
        machine_grows=True,
        fixed_width=35,
    ),
    "master": Table(daemons.master, summary=False, name_width=12, name_grows=True),
    "collector": Table(daemons.collector, machine_width=-18),
    "checkpoint servers": _CHECKPOINT,
    "storage": _CHECKPOINT,
    "negotiator": Table(
        daemons.negotiator,
        summary=False,
        name_width=12,
        name_grows=True,
        fixed_width=63,
    ),
    "defrag": Table(daemons.defrag, summary=False, name_width=12, name_grows=True),
    "accounting": Table(daemons.accounting, summary=False, name_width=12),
    "grid": Table(daemons.grid),
    "any": _ANY,
}
