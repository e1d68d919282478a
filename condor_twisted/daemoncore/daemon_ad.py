"""What every daemon says of itself in its ad.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::publish``,
``src/condor_daemon_core.V6/self_monitor.cpp: SelfMonitorData::ExportData``.
"""

from __future__ import annotations

import os
import sys
import time

from condor_twisted.classad.wire_ad import AdValue
from condor_twisted.constants import attributes
from condor_twisted.daemoncore.daemon import Daemon
from condor_twisted.wire.versions import ANNOUNCED_PLATFORM, ANNOUNCED_VERSION

__all__ = ["common_attributes", "self_monitoring"]


def common_attributes(daemon: Daemon) -> dict[str, AdValue]:
    """Attributes of any daemon's ad: versions, addresses, the machine.

    Args:
        daemon: A daemon whose port is open.
    """
    settings = daemon.settings
    values: dict[str, AdValue] = {
        attributes.ADDRESS_V1: daemon.address.address_v1(),
        attributes.CONDOR_VERSION: ANNOUNCED_VERSION,
        attributes.CONDOR_PLATFORM: ANNOUNCED_PLATFORM,
        attributes.DAEMON_START_TIME: daemon.started_at_unix or int(time.time()),
    }
    for name, macro in (
        ("DetectedCpus", "DETECTED_CPUS"),
        ("DetectedMemory", "DETECTED_MEMORY"),
    ):
        if settings.defined(macro):
            values[name] = settings.integer(macro, 0)
    administrator = settings.text("CONDOR_ADMIN")
    if administrator:
        values["CondorAdmin"] = administrator
    network = settings.text("PRIVATE_NETWORK_NAME")
    if network:
        values["PrivateNetworkName"] = network
    values.update(self_monitoring(daemon))
    return values


def self_monitoring(daemon: Daemon) -> dict[str, AdValue]:
    """What the process takes up, in the units that HTCondor uses: KiB and seconds."""
    now = int(time.time())
    values: dict[str, AdValue] = {
        "MonitorSelfTime": now,
        "MonitorSelfAge": now - (daemon.started_at_unix or now),
    }
    if daemon.security is not None:
        values["MonitorSelfSecuritySessions"] = len(daemon.security.incoming)
    if sys.platform != "linux":
        return values
    times = os.times()
    elapsed = max(1.0, now - daemon.started_at_unix)
    values["MonitorSelfSysCpuTime"] = int(times.system)
    values["MonitorSelfUserCpuTime"] = int(times.user)
    values["MonitorSelfCPUUsage"] = 100.0 * (times.system + times.user) / elapsed
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            image, resident = file.read(256).split()[:2]
    except (OSError, ValueError):
        return values
    page = os.sysconf("SC_PAGE_SIZE") // 1024
    values["MonitorSelfImageSize"] = int(image) * page
    values["MonitorSelfResidentSetSize"] = int(resident) * page
    return values
