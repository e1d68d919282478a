"""What every daemon says of itself in its ad.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::publish``,
``src/condor_daemon_core.V6/self_monitor.cpp: SelfMonitorData::ExportData``.
"""

from __future__ import annotations

import os
import re
import sys
import time
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from condor_twisted.classad.expressions import check_expression
from condor_twisted.classad.wire_ad import AdBuilder, AdValue, ExpressionText, WireAd
from condor_twisted.config.settings import Settings
from condor_twisted.constants import attributes
from condor_twisted.daemoncore.ports.addresses import host_name
from condor_twisted.wire.versions import ANNOUNCED_PLATFORM, ANNOUNCED_VERSION

if TYPE_CHECKING:
    from condor_twisted.daemoncore.daemon import Daemon

__all__ = [
    "common_attributes",
    "configured_attributes",
    "daemon_ad",
    "daemon_name",
    "self_monitoring",
]

_log = Logger()

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def daemon_name(settings: Settings) -> str:
    """The ``Name`` of a daemon's ad.

    ``<SUBSYS>_NAME`` where somebody has set it, else what kind of daemon this is; a
    name without ``@`` gets the host's name behind it.
    """
    own = settings.text(f"{settings.subsystem}_NAME")
    name = own or (settings.local_name or settings.subsystem).lower()
    return name if "@" in name else f"{name}@{host_name(settings)}"


def daemon_ad(daemon: Daemon) -> WireAd:
    """A daemon's whole ad: who and where it is, what it adds, what is configured.

    Args:
        daemon: A daemon with an ``ad_type`` whose port is open.
    """
    settings = daemon.settings
    builder = AdBuilder()
    builder.update(
        {
            attributes.MY_TYPE: daemon.ad_type or "Generic",
            attributes.NAME: daemon_name(settings),
            attributes.MACHINE: host_name(settings),
            attributes.MY_ADDRESS: str(daemon.address),
            attributes.MY_CURRENT_TIME: int(time.time()),
            attributes.DAEMON_LAST_RECONFIG_TIME: daemon.reconfigured_at_unix
            or int(time.time()),
        }
    )
    builder.update(common_attributes(daemon))
    builder.update(daemon.ad_attributes())
    builder.update(configured_attributes(settings))
    return builder.build()


def configured_attributes(settings: Settings) -> dict[str, AdValue]:
    """Attributes that the configuration adds to a daemon's ad.

    ``<SUBSYS>_ATTRS`` and the like name them; each one's value is the knob of its
    name, an expression, with the local name in front where there is such a knob.

    Source: ``src/condor_utils/condor_config.cpp: config_fill_ad``.
    """
    subsystem, local = settings.subsystem, settings.local_name
    lists = [f"{subsystem}_EXPRS", f"{subsystem}_ATTRS", f"SYSTEM_{subsystem}_ATTRS"]
    if local is not None:
        lists += [f"{local}_{subsystem}_EXPRS", f"{local}_{subsystem}_ATTRS"]
    values: dict[str, AdValue] = {}
    for name in dict.fromkeys(word for each in lists for word in settings.words(each)):
        text = settings.text(f"{local}_{name}") if local is not None else None
        if text is None:
            text = settings.text(name)
        if not text:
            continue
        if _NAME.match(name) is None or not check_expression(text.encode()):
            _log.error(
                "CONFIGURATION PROBLEM: Failed to insert ClassAd attribute "
                "{name} = {value}. The most common reason for this is that you forgot "
                "to quote a string value in the list of attributes being added to the "
                "{subsystem} ad.",
                name=name,
                value=text,
                subsystem=subsystem,
            )
            continue
        values[name] = ExpressionText(text)
    return values


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
    values.update(daemon.statistics.publish())
    return values


def self_monitoring(daemon: Daemon, *, verbose: bool = False) -> dict[str, AdValue]:
    """What the process takes up, in the units that HTCondor uses: KiB and seconds.

    Args:
        daemon: Whose process it is.
        verbose: Say more, to somebody who asks now.
    """
    now = int(time.time())
    values: dict[str, AdValue] = {
        "MonitorSelfTime": now,
        "MonitorSelfAge": now - (daemon.started_at_unix or now),
    }
    if daemon.security is not None:
        values["MonitorSelfSecuritySessions"] = len(daemon.security.incoming)
    if daemon.server is not None:
        values["MonitorSelfRegisteredSocketCount"] = len(daemon.server.connections)
    if sys.platform != "linux":
        return values
    times = os.times()
    elapsed = max(1.0, now - daemon.started_at_unix)
    if verbose:
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
