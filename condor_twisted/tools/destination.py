"""Which daemon a tool talks to: an address, a daemon of this host, one of a pool.

Source: ``src/condor_daemon_client/daemon.cpp: Daemon::locate, Daemon::idStr``.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.threads import deferToThread

from condor_twisted.client import Pool
from condor_twisted.config.settings import Settings
from condor_twisted.errors import CommandRefused, LocalProtocolError, MalformedMessage
from condor_twisted.protocols.collector_names import collector_address
from condor_twisted.protocols.this_host import host_name, ip_of
from condor_twisted.tools.option_table import UsageError
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["DAEMON_TYPES", "Destination", "NotFound", "find_destination"]

#: What daemons are called on a command line, and the ads in which they say where.
DAEMON_TYPES: Final = {
    "master": "Master",
    "schedd": "Schedd",
    "startd": "Startd",
    "negotiator": "Negotiator",
    "collector": "Collector",
}


class NotFound(LocalProtocolError):
    """Nobody says where the daemon is; the text is for the user."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A daemon to talk to.

    Args:
        address: Where it is.
        description: What people call it.
    """

    address: SinfulAddress
    description: str


async def find_destination(
    settings: Settings,
    reactor: Any,
    *,
    address: str | None = None,
    pool: str | None = None,
    name: str | None = None,
    daemon_type: str | None = None,
) -> Destination:
    """Find the daemon that a command line means.

    Args:
        settings: The configuration.
        reactor: Where to ask a collector.
        address: A sinful string, or ``host:port``.
        pool: The collector to ask, instead of COLLECTOR_HOST.
        name: The daemon's name; this host's by default.
        daemon_type: A name of `DAEMON_TYPES`; schedd by default.

    Raises:
        NotFound: Nobody knows where it is.
        UsageError: There is no such kind of daemon.
    """
    if address is not None:
        return _at(address)
    kind = (daemon_type or "schedd").lower()
    if kind not in DAEMON_TYPES:
        raise UsageError(f"unrecognized daemon type: {daemon_type}")
    if kind == "collector":
        return await _collector(settings, pool, name)
    local = _local_name(settings, kind)
    if name == local and pool is None:
        name = None
    if name is None and pool is None:
        written = _address_file(settings, kind)
        if written is not None:
            return Destination(written, f"local {kind}")
    # A pool has one negotiator, wherever it runs.
    wanted = local if name is None and kind != "negotiator" else name
    asked = Pool(pool, settings, reactor)
    try:
        found = await asked.locate(DAEMON_TYPES[kind], wanted)
    except CommandRefused as error:
        which = kind if wanted is None else f"{kind} {wanted}"
        raise NotFound(f"couldn't locate {which}! ({error.reason})") from error
    finally:
        await asked.close()
    described = f"local {kind}" if name is None else f"{kind} {name}"
    if wanted is None:
        described = f"{kind} {found.name}"
    return Destination(SinfulAddress.parse(found.address), described)


def _at(text: str) -> Destination:
    """The daemon at an address."""
    try:
        address = SinfulAddress.parse(text)
    except MalformedMessage as error:
        raise NotFound(f"unable to parse sinful string: {text}") from error
    if not address.host or not address.port_number:
        raise NotFound(f"unable to parse sinful string: {text}")
    return Destination(
        address, f"daemon at {SinfulAddress(address.host, address.port)}"
    )


async def _collector(
    settings: Settings, pool: str | None, name: str | None
) -> Destination:
    """A collector: COLLECTOR_HOST, or what is named like one."""
    if pool is not None and name is not None and name != pool:
        raise UsageError(f"-pool {pool} and -name {name} name two collectors")
    given = pool or name
    asked = given or (settings.words("COLLECTOR_HOST") or ("",))[0]
    address = collector_address(asked, settings)
    host = address.host
    if ip_of(host) is None:
        try:
            host = await deferToThread(socket.gethostbyname, host)
        except OSError as error:
            raise NotFound(f"unknown host {address.host}") from error
        address = address.with_host(host)
    if given is None:
        return Destination(address, "local collector")
    return Destination(address, f"collector {name if pool is None else address}")


def _local_name(settings: Settings, kind: str) -> str:
    """The name of this host's daemon of a kind.

    Source: ``src/condor_daemon_client/daemon.cpp: Daemon::localName``.
    """
    own = host_name(settings)
    configured = settings.text(f"{kind.upper()}_NAME")
    if configured is None:
        return own
    return configured if "@" in configured else f"{configured}@{own}"


def _address_file(settings: Settings, kind: str) -> SinfulAddress | None:
    """What this host's daemon wrote into its address file, if it did."""
    path = settings.text(f"{kind.upper()}_ADDRESS_FILE")
    if path is None or not os.path.isfile(path):
        return None
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return SinfulAddress.parse(file.readline().strip())
    except (OSError, MalformedMessage):
        return None
