"""Which daemon a tool means: ``-type``, ``-name``, ``-addr``, in the pool of ``-pool``.

Source: ``src/condor_daemon_client/daemon.cpp: Daemon::locate, getDaemonInfo``,
``src/condor_daemon_client/daemon_types.cpp: stringToDaemonType``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from condor_twisted.client import Pool
from condor_twisted.errors import MalformedMessage
from condor_twisted.protocols.collector_names import collector_address
from condor_twisted.protocols.this_host import host_name
from condor_twisted.tools.option_table import UsageError
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["DAEMON_TYPES", "daemon_type", "locate_daemon"]

_COLLECTOR: Final = "COLLECTOR"
#: Types of daemons that a collector can tell where they are.
DAEMON_TYPES: Final = ("COLLECTOR", "SCHEDD", "STARTD", "MASTER", "NEGOTIATOR")
_MAX_ADDRESS_FILE_BYTES: Final = 65_536


def daemon_type(text: str) -> str:
    """A type of daemon, in any case of letters.

    Raises:
        UsageError: There is none of that name.
    """
    found = text.upper()
    if found not in DAEMON_TYPES:
        raise UsageError(f"unrecognized daemon type: {text}")
    return found


async def locate_daemon(
    pool: Pool, kind: str, name: str | None = None, address: str | None = None
) -> SinfulAddress:
    """Find a daemon. May read its address file, which is short and local.

    Args:
        pool: The pool that it is of.
        kind: One of `DAEMON_TYPES`.
        name: Its name; this host's own, or the pool's collector, by default.
        address: Where it is, if that is known already.

    Raises:
        CommandRefused: The collector knows no such daemon, or does not answer.
        LocalProtocolError: Nothing says where the collector is.
        MalformedMessage: The address is none.
    """
    if address is not None:
        return SinfulAddress.parse(address)
    if kind == _COLLECTOR:
        if name is not None:
            return collector_address(name, pool.settings)
        return pool.collectors()[0][1]
    if name is None and not pool.is_elsewhere:
        own = _own_address(pool, kind)
        if own is not None:
            return own
    location = await pool.locate(kind.title(), name or host_name(pool.settings))
    return SinfulAddress.parse(location.address)


def _own_address(pool: Pool, kind: str) -> SinfulAddress | None:
    """What the address file of this host's daemon says, if there is one."""
    path = pool.settings.text(f"{kind}_ADDRESS_FILE")
    if not path:
        return None
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MAX_ADDRESS_FILE_BYTES).decode("utf-8", "replace")
        return SinfulAddress.parse(text.partition("\n")[0].strip())
    except (OSError, MalformedMessage):
        return None
