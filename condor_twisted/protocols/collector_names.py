"""How collectors are named: ``host``, ``host:port``, a sinful string, or a list.

Source: ``src/condor_daemon_client/daemon.cpp: Daemon::getCmInfo, findCmDaemon``,
``src/condor_daemon_client/daemon_list.cpp: CollectorList::create``.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from condor_twisted.config.settings import Settings
from condor_twisted.config.values import split_words
from condor_twisted.errors import LocalProtocolError, MalformedMessage
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["DEFAULT_COLLECTOR_PORT", "collector_address", "collector_addresses"]

DEFAULT_COLLECTOR_PORT: Final = 9618


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def collector_address(name: str, settings: Settings | None = None) -> SinfulAddress:
    """The address of one collector.

    Args:
        name: ``host``, ``host:port``, ``name@host``, or a sinful string.
        settings: Where COLLECTOR_PORT is looked up.

    Raises:
        LocalProtocolError: The name cannot be one of a collector.
    """
    text = name.strip()
    host_part = text if text.startswith(("<", "{")) else text.rpartition("@")[2]
    try:
        address = SinfulAddress.parse(host_part)
    except MalformedMessage:
        address = SinfulAddress()
    if not address.host or " " in address.host:
        raise LocalProtocolError(
            f"{name!r} is no collector: give host, host:port or a sinful string"
        )
    if address.port_number is None:
        port = DEFAULT_COLLECTOR_PORT
        if settings is not None:
            port = settings.integer("COLLECTOR_PORT", port)
        address = address.with_port(port)
    if not _is_ip(address.host) and address.alias is None:
        address = address.with_alias(address.host)
    return address


def collector_addresses(
    names: str | SinfulAddress | None, settings: Settings
) -> list[tuple[str, SinfulAddress]]:
    """The collectors of a pool, each with the name it was given.

    Args:
        names: One collector or a list with commas or blanks; COLLECTOR_HOST where
            this is ``None``.
        settings: The configuration.

    Raises:
        LocalProtocolError: Nothing names a collector, or something else does.
    """
    if isinstance(names, SinfulAddress):
        return [(str(names), names)]
    given = names
    if given is None:
        given = settings.text("COLLECTOR_HOST")
    words = split_words(given or "")
    if not words:
        raise LocalProtocolError(
            "nobody says where the collector is: give an address, or set COLLECTOR_HOST"
        )
    return [(word, collector_address(word, settings)) for word in words]
