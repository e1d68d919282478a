"""Which addresses a daemon binds, and which it tells others.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::InfoCommandSinfulString
MyType``, ``src/condor_utils/my_hostname.cpp: init_network_interfaces``.
"""

from __future__ import annotations

from condor_twisted.config.settings import Settings
from condor_twisted.errors import ConfigError
from condor_twisted.protocols.this_host import (
    host_facts,
    host_name,
    interface_address,
    ip_of,
    own_address,
)
from condor_twisted.wire.sinful import IpEndpoint, SinfulAddress

__all__ = ["announced_address", "bind_address", "host_facts", "host_name", "port_range"]

_WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104 -- recognized, not bound


def bind_address(settings: Settings) -> str:
    """The address to bind: all of them, or NETWORK_INTERFACE alone.

    Raises:
        ConfigError: NETWORK_INTERFACE is to be bound and is no address of this host.
    """
    if settings.boolean("BIND_ALL_INTERFACES", True):
        return ""
    wanted = settings.text("NETWORK_INTERFACE", "*")
    if wanted == "*":
        return ""
    address = ip_of(wanted) or interface_address(wanted)
    if address is None:
        raise ConfigError(
            f"NETWORK_INTERFACE = {wanted} is neither an address nor an interface here",
            settings.source_of("NETWORK_INTERFACE"),
        )
    return str(address)


def announced_address(
    settings: Settings, bound: str, port: int, *, has_udp: bool
) -> SinfulAddress:
    """The address that others are told.

    Args:
        settings: The configuration.
        bound: The address that is bound.
        port: The port's number.
        has_udp: Whether there is a UDP port as well.

    Source: ``src/condor_daemon_core.V6/daemon_core.cpp:
    DaemonCore::InfoCommandSinfulStringMyself``.
    """
    address = own_address(settings) if bound in _WILDCARDS else ip_of(bound)
    if address is None:  # a reactor that binds names; not Twisted's
        address = own_address(settings)
    forwarding = settings.text("TCP_FORWARDING_HOST")
    forwarded = ip_of(forwarding)
    endpoint = IpEndpoint(forwarded or address, port)
    found = SinfulAddress.of(str(forwarding or address), port).with_addrs([endpoint])
    found = found.with_alias(settings.text("HOST_ALIAS") or host_name(settings))
    if not has_udp or forwarding:
        found = found.with_parameters({"noUDP": ""})
    return found


def port_range(settings: Settings) -> tuple[int, int] | None:
    """Where to look for a free command port.

    Source: ``src/condor_utils/get_port_range.cpp``.
    """
    for low_name, high_name in (("IN_LOWPORT", "IN_HIGHPORT"), ("LOWPORT", "HIGHPORT")):
        low, high = settings.integer(low_name), settings.integer(high_name)
        if low is not None and high is not None and 0 < low <= high < 65536:
            return low, high
    return None
