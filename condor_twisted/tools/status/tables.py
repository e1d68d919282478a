"""The columns of each kind of listing.

Each function gives new columns, because they grow while a listing is made.

Source: ``src/condor_status.V6/prettyPrint.cpp``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from condor_twisted.classad.full_values import ComposedValue, FullValue
from condor_twisted.classad.literals import UNDEFINED
from condor_twisted.tools.status import renderers as r
from condor_twisted.tools.status.print_mask import Column, Renderer, column
from condor_twisted.tools.status.rows import Row, as_real

__all__ = ["TABLES", "Compact", "Layout", "Table"]


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


def _uptime() -> Column:
    # HTCondor's format has a "%T" in front, which its reader takes for nothing.
    return column("DaemonStartTime", "   Uptime", width=13, renderer=r.ELAPSED_TIME)


def _detected() -> list[Column]:
    return [
        column("DetectedCpus", "Cpus", width=4, printf="%4d", otherwise="??"),
        column(
            "DetectedMemory",
            "  Memory",
            width=10,
            renderer=r.READABLE_MB,
            otherwise="??",
        ),
    ]


def _startd(layout: Layout) -> list[Column]:
    return [
        column("Name"),
        column("OpSys", "Platform", renderer=r.PLATFORM),
        column("CondorVersion", "Version", renderer=r.CONDOR_VERSION),
        *_detected(),
        column("DetectedGPUs", "GPUs", width=5, renderer=r.MEMBER_COUNT, otherwise=" "),
        _uptime(),
    ]


def _master(layout: Layout) -> list[Column]:
    return [
        column("Name"),
        column("CondorVersion", "Version", width=-14, renderer=r.CONDOR_VERSION),
        *_detected(),
        _uptime(),
    ]


def _schedd(layout: Layout) -> list[Column]:
    return [
        column("Name"),
        column("Machine"),
        column("TotalRunningJobs", "RunningJobs", printf="%11d"),
        column("TotalIdleJobs", "  IdleJobs", printf="%10d"),
        column("TotalHeldJobs", "  HeldJobs", printf="%10d"),
    ]


def _schedd_data(layout: Layout) -> list[Column]:
    return [
        column("Name"),
        column("TransferQueueNumDownloading", "Download", printf="%8d"),
        column(
            "FileTransferDownloadBytesPerSecond_5m/1024.0",
            "KB/sec(5m)",
            printf="%9.2f",
        ),
        column("TransferQueueNumWaitingToDownload", "Waiting", printf="%7d"),
        column("FileTransferMBWaitingToDownload", "WaitingMB", printf="%9.2f"),
        column("TransferQueueNumUploading", "      Upload", printf="%12d"),
        column(
            "FileTransferUploadBytesPerSecond_5m/1024.0", "KB/sec(5m)", printf="%9.2f"
        ),
        column("TransferQueueNumWaitingToUpload", "Waiting", printf="%7d"),
        column("FileTransferMBWaitingToUpload", "WaitingMB", printf="%9.2f"),
    ]


def _schedd_run(layout: Layout) -> list[Column]:
    return [
        column("Name"),
        column("TotalJobAds", "TotalJobs", printf="%9d"),
        column("ShadowsRunning", "Shadows", printf="%7d"),
        column("TotalSchedulerJobsRunning", "ActiveDAGs", printf="%10d"),
        column("TotalSchedulerJobsIdle", "IdleDAGs", printf="%8d"),
        column("RecentJobsCompleted", "RcntDone", printf="%8d"),
        column("RecentJobsStarted", "RcntStart", printf="%9d"),
    ]


def _submitters(layout: Layout) -> list[Column]:
    return [
        column("Name"),
        column("Machine"),
        column("RunningJobs", printf="%11d"),
        column("IdleJobs", "  IdleJobs", printf="%10d"),
        column("HeldJobs", "  HeldJobs", printf="%10d"),
    ]


def _collector(layout: Layout) -> list[Column]:
    return [
        column("Name"),
        column("Machine"),
        column("RunningJobs", printf="%11d"),
        column("IdleJobs", "  IdleJobs", printf="%10d"),
        column("HostsTotal", printf="%10d"),
    ]


def _negotiator(layout: Layout) -> list[Column]:
    cycle = "LastNegotiationCycle"
    return [
        column("Name"),
        column(f"{cycle}End0", "LastCycleEnd", width=12, renderer=r.DATE),
        column(f"{cycle}Duration0", "(Sec)", printf="%5d"),
        column(f"{cycle}CandidateSlots0", "  Slots", printf="%7d"),
        column(f"{cycle}ActiveSubmitterCount0", "Submitrs", printf="%8d"),
        column(f"{cycle}NumSchedulers0", "Schedds", printf="%7d"),
        column(f"{cycle}NumIdleJobs0", "   Jobs", printf="%7d"),
        column(f"{cycle}Matches0", "Matches", printf="%7d"),
        column(f"{cycle}Rejections0", "Rejections", printf="%10d"),
    ]


def _checkpoint_servers(layout: Layout) -> list[Column]:
    # The last format lacks its percent sign in HTCondor too, and shows itself.
    return [
        column("Name", width=-34, fit=True, otherwise="??"),
        column("Disk", "AvailDisk", width=9, printf="%-9s", otherwise="??"),
        column("Subnet", width=-11, printf="-11s", otherwise="??"),
    ]


def _defrag(layout: Layout) -> list[Column]:
    return [
        column("Name"),
        column("MachinesDraining", "Draining", printf="%8d"),
        column("MachinesDrainingPeak", "    Peak", printf="%8d"),
        column("DrainedMachines", "TotalDrained", printf="%12d"),
    ]


def _accounting(layout: Layout) -> list[Column]:
    return [
        column("Name"),
        column("Priority", printf="%8.2f"),
        column("PriorityFactor", "PrioFactor", printf="%10.2f"),
        column("ResourcesUsed", "ResInUse", printf="%8d"),
        column("WeightedAccumulatedUsage", "WeightedUsage", width=13, printf="%13.2f"),
        column("LastUsageTime", "  LastUsage", width=12, renderer=r.ELAPSED_TIME),
    ]


def _grid(layout: Layout) -> list[Column]:
    return [
        column("Name", width=-34, fit=True, otherwise="??"),
        column("NumJobs", width=7, printf="%7d", otherwise="??"),
        column("SubmitsAllowed", "Allowed", width=7, printf="%7d", otherwise="??"),
        column("SubmitsWanted", " Wanted", width=7, printf="%7d", otherwise="??"),
        column("RunningJobs", width=11, printf="%11d", otherwise="??"),
        column("IdleJobs", width=8, printf="%8d", otherwise="??"),
    ]


def _any(layout: Layout) -> list[Column]:
    return [
        column('MyType?:"None"', "MyType", width=-18),
        column('TargetType?:"None"', "TargetType", width=-18),
        column("Name", width=-41, fit=True, otherwise="?"),
    ]


_ANY: Final = Table(_any, summary=False)
_CHECKPOINT: Final = Table(_checkpoint_servers)

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
    "startd": Table(_startd),
    "schedd": Table(
        _schedd,
        name_width=15,
        name_grows=True,
        machine_width=12,
        machine_grows=True,
        fixed_width=35,
    ),
    "schedd data": Table(
        _schedd_data,
        "TransferQueueMaxUploading isnt undefined",
        summary=False,
        name_width=15,
        name_grows=True,
        fixed_width=70,
    ),
    "schedd run": Table(
        _schedd_run,
        "(ShadowsRunning+TotalSchedulerJobsRunning) > 0",
        summary=False,
        name_width=15,
        name_grows=True,
        fixed_width=35,
    ),
    "submitters": Table(
        _submitters,
        name_width=15,
        name_grows=True,
        machine_width=12,
        machine_grows=True,
        fixed_width=35,
    ),
    "master": Table(_master, summary=False, name_width=12, name_grows=True),
    "collector": Table(_collector, machine_width=-18),
    "checkpoint servers": _CHECKPOINT,
    "storage": _CHECKPOINT,
    "negotiator": Table(
        _negotiator, summary=False, name_width=12, name_grows=True, fixed_width=63
    ),
    "defrag": Table(_defrag, summary=False, name_width=12, name_grows=True),
    "accounting": Table(_accounting, summary=False, name_width=12),
    "grid": Table(_grid),
    "any": _ANY,
}
