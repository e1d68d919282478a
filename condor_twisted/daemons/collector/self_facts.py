"""What a process can tell about itself, under the names of daemons' ads.

Source: ``src/condor_daemon_core.V6/self_monitor.cpp: SelfMonitorData::ExportData``.
"""

from __future__ import annotations

import os
import resource
import time
from typing import Final

from condor_twisted.classad.wire_ad import AdValue

__all__ = ["process_facts"]

_STARTED: Final = time.monotonic()


def process_facts() -> dict[str, AdValue]:
    """Age, CPU time and memory of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    age = max(1, int(time.monotonic() - _STARTED))
    busy = usage.ru_utime + usage.ru_stime
    facts: dict[str, AdValue] = {
        "DetectedCpus": os.cpu_count() or 1,
        "MonitorSelfTime": int(time.time()),
        "MonitorSelfAge": age,
        "MonitorSelfUserCpuTime": int(usage.ru_utime),
        "MonitorSelfSysCpuTime": int(usage.ru_stime),
        "MonitorSelfCPUUsage": round(100.0 * busy / age, 6),
    }
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            image, resident = statm.read(256).split()[:2]
        page_kib = os.sysconf("SC_PAGE_SIZE") // 1024
        facts["MonitorSelfImageSize"] = int(image) * page_kib
        facts["MonitorSelfResidentSetSize"] = int(resident) * page_kib
        memory = os.sysconf("SC_PHYS_PAGES") * page_kib // 1024
        facts["DetectedMemory"] = memory
    except (OSError, ValueError):
        # Not Linux: ru_maxrss is what there is.
        facts["MonitorSelfResidentSetSize"] = usage.ru_maxrss
    return facts
