"""The columns of listings of daemons and other ads that are no slots.

Each function gives new columns, because they grow while a listing is made.

Source: ``src/condor_status.V6/prettyPrint.cpp``.
"""

from __future__ import annotations

from condor_twisted.tools.status import renderers as r
from condor_twisted.tools.status.layout import Layout
from condor_twisted.tools.status.print_mask import Column, column

__all__ = [
    "accounting",
    "any_ad",
    "checkpoint_servers",
    "collector",
    "defrag",
    "grid",
    "master",
    "negotiator",
    "schedd",
    "schedd_data",
    "schedd_run",
    "startd",
    "submitters",
]


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


def startd(layout: Layout) -> list[Column]:
    """Machines."""
    return [
        column("Name"),
        column("OpSys", "Platform", renderer=r.PLATFORM),
        column("CondorVersion", "Version", renderer=r.CONDOR_VERSION),
        *_detected(),
        column("DetectedGPUs", "GPUs", width=5, renderer=r.MEMBER_COUNT, otherwise=" "),
        _uptime(),
    ]


def master(layout: Layout) -> list[Column]:
    """Masters."""
    return [
        column("Name"),
        column("CondorVersion", "Version", width=-14, renderer=r.CONDOR_VERSION),
        *_detected(),
        _uptime(),
    ]


def schedd(layout: Layout) -> list[Column]:
    """Access points."""
    return [
        column("Name"),
        column("Machine"),
        column("TotalRunningJobs", "RunningJobs", printf="%11d"),
        column("TotalIdleJobs", "  IdleJobs", printf="%10d"),
        column("TotalHeldJobs", "  HeldJobs", printf="%10d"),
    ]


def schedd_data(layout: Layout) -> list[Column]:
    """What access points transfer."""
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


def schedd_run(layout: Layout) -> list[Column]:
    """What access points run."""
    return [
        column("Name"),
        column("TotalJobAds", "TotalJobs", printf="%9d"),
        column("ShadowsRunning", "Shadows", printf="%7d"),
        column("TotalSchedulerJobsRunning", "ActiveDAGs", printf="%10d"),
        column("TotalSchedulerJobsIdle", "IdleDAGs", printf="%8d"),
        column("RecentJobsCompleted", "RcntDone", printf="%8d"),
        column("RecentJobsStarted", "RcntStart", printf="%9d"),
    ]


def submitters(layout: Layout) -> list[Column]:
    """Submitters."""
    return [
        column("Name"),
        column("Machine"),
        column("RunningJobs", printf="%11d"),
        column("IdleJobs", "  IdleJobs", printf="%10d"),
        column("HeldJobs", "  HeldJobs", printf="%10d"),
    ]


def collector(layout: Layout) -> list[Column]:
    """Collectors."""
    return [
        column("Name"),
        column("Machine"),
        column("RunningJobs", printf="%11d"),
        column("IdleJobs", "  IdleJobs", printf="%10d"),
        column("HostsTotal", printf="%10d"),
    ]


def negotiator(layout: Layout) -> list[Column]:
    """Negotiators."""
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


def checkpoint_servers(layout: Layout) -> list[Column]:
    """Checkpoint servers, and storage."""
    # The last format lacks its percent sign in HTCondor too, and shows itself.
    return [
        column("Name", width=-34, fit=True, otherwise="??"),
        column("Disk", "AvailDisk", width=9, printf="%-9s", otherwise="??"),
        column("Subnet", width=-11, printf="-11s", otherwise="??"),
    ]


def defrag(layout: Layout) -> list[Column]:
    """Defragmenting daemons."""
    return [
        column("Name"),
        column("MachinesDraining", "Draining", printf="%8d"),
        column("MachinesDrainingPeak", "    Peak", printf="%8d"),
        column("DrainedMachines", "TotalDrained", printf="%12d"),
    ]


def accounting(layout: Layout) -> list[Column]:
    """Accounting records."""
    return [
        column("Name"),
        column("Priority", printf="%8.2f"),
        column("PriorityFactor", "PrioFactor", printf="%10.2f"),
        column("ResourcesUsed", "ResInUse", printf="%8d"),
        column("WeightedAccumulatedUsage", "WeightedUsage", width=13, printf="%13.2f"),
        column("LastUsageTime", "  LastUsage", width=12, renderer=r.ELAPSED_TIME),
    ]


def grid(layout: Layout) -> list[Column]:
    """Grid resources."""
    return [
        column("Name", width=-34, fit=True, otherwise="??"),
        column("NumJobs", width=7, printf="%7d", otherwise="??"),
        column("SubmitsAllowed", "Allowed", width=7, printf="%7d", otherwise="??"),
        column("SubmitsWanted", " Wanted", width=7, printf="%7d", otherwise="??"),
        column("RunningJobs", width=11, printf="%11d", otherwise="??"),
        column("IdleJobs", width=8, printf="%8d", otherwise="??"),
    ]


def any_ad(layout: Layout) -> list[Column]:
    """Ads of any kind."""
    return [
        column('MyType?:"None"', "MyType", width=-18),
        column('TargetType?:"None"', "TargetType", width=-18),
        column("Name", width=-41, fit=True, otherwise="?"),
    ]
