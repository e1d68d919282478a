"""Which addresses a daemon binds, and which it tells others.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::InfoCommandSinfulString
MyType``, ``src/condor_utils/my_hostname.cpp: init_network_interfaces``.
"""

from __future__ import annotations

import ipaddress
import os
import socket

from condor_twisted.config.settings import Settings
from condor_twisted.errors import ConfigError
from condor_twisted.security.facts import HostFacts
from condor_twisted.wire.sinful import IpAddress, IpEndpoint, SinfulAddress

__all__ = ["announced_address", "bind_address", "host_facts", "host_name", "port_range"]

_WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104 -- recognized, not bound
#: An address that is never reached: connecting a datagram socket sends nothing.
_PROBE = ("192.0.2.1", 9)


def host_name(settings: Settings) -> str:
    """This host's full name, without asking anybody."""
    known = settings.text("FULL_HOSTNAME")
    if known:
        return known
    name = socket.gethostname()
    domain = settings.text("DEFAULT_DOMAIN_NAME")
    return f"{name}.{domain.lstrip('.')}" if domain and "." not in name else name


def _ip(text: str | None) -> IpAddress | None:
    try:
        return ipaddress.ip_address((text or "").strip().strip("[]"))
    except ValueError:
        return None


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
    address = _ip(wanted) or _interface_address(wanted)
    if address is None:
        raise ConfigError(
            f"NETWORK_INTERFACE = {wanted} is neither an address nor an interface here",
            settings.source_of("NETWORK_INTERFACE"),
        )
    return str(address)


def _interface_address(name: str) -> IpAddress | None:
    """The IPv4 address of a network interface, where the system tells."""
    try:
        import fcntl
        import struct

        request = struct.pack("256s", name.encode()[:15])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            answer = fcntl.ioctl(probe.fileno(), 0x8915, request)  # SIOCGIFADDR
        return ipaddress.IPv4Address(answer[20:24])
    except (ImportError, OSError, ValueError):
        return None


def own_address(settings: Settings) -> IpAddress:
    """The address that others reach this host by, when all are bound."""
    wanted = settings.text("NETWORK_INTERFACE", "*")
    for candidate in (wanted, settings.text("IPV4_ADDRESS")):
        address = _ip(candidate)
        if address is not None and not address.is_unspecified:
            return address
    if wanted != "*":
        address = _interface_address(wanted)
        if address is not None:
            return address
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(_PROBE)
            return ipaddress.ip_address(probe.getsockname()[0])
    except OSError:
        return ipaddress.IPv4Address("127.0.0.1")


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
    address = own_address(settings) if bound in _WILDCARDS else _ip(bound)
    if address is None:  # a reactor that binds names; not Twisted's
        address = own_address(settings)
    forwarding = settings.text("TCP_FORWARDING_HOST")
    forwarded = _ip(forwarding)
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


def host_facts(settings: Settings) -> HostFacts:
    """Who and where this process is, for security."""
    own_user = condor_user = None
    try:
        import pwd

        own_user = pwd.getpwuid(os.geteuid()).pw_name
        condor_user = "condor" if os.geteuid() == 0 else own_user
    except (ImportError, KeyError):
        pass
    return HostFacts(
        host_name=host_name(settings),
        process_id=os.getpid(),
        own_user=own_user,
        condor_user=condor_user,
        parent_id=os.environ.get("CONDOR_PARENT_ID"),
        local_addresses=tuple({own_address(settings), ipaddress.ip_address("::1")}),
    )
