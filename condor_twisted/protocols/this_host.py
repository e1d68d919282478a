"""This host as its configuration and the operating system know it.

Source: ``src/condor_utils/my_hostname.cpp: init_network_interfaces``,
``src/condor_utils/ipv6_hostname.cpp``.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable
from typing import Final

from condor_twisted.config.settings import Settings
from condor_twisted.protocols.kerberos_library import kerberos_available
from condor_twisted.protocols.munge_library import munge_available
from condor_twisted.protocols.sspi_library import sspi_available
from condor_twisted.security.facts import HostFacts
from condor_twisted.security.methods.munge import MUNGE_LIBRARY
from condor_twisted.security.sspi import SSPI_LIBRARY
from condor_twisted.security.tickets import KERBEROS_LIBRARY
from condor_twisted.wire.sinful import IpAddress

__all__ = ["host_facts", "host_name", "interface_address", "ip_of", "own_address"]

#: An address that is never reached: connecting a datagram socket sends nothing.
_PROBE: Final = ("192.0.2.1", 9)


def host_name(settings: Settings) -> str:
    """This host's full name, without asking anybody."""
    known = settings.text("FULL_HOSTNAME")
    if known:
        return known
    name = socket.gethostname()
    domain = settings.text("DEFAULT_DOMAIN_NAME")
    return f"{name}.{domain.lstrip('.')}" if domain and "." not in name else name


def ip_of(text: str | None) -> IpAddress | None:
    """An IP address out of text, in brackets or without; ``None`` for anything else."""
    try:
        return ipaddress.ip_address((text or "").strip().strip("[]"))
    except ValueError:
        return None


def interface_address(name: str) -> IpAddress | None:
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
        address = ip_of(candidate)
        if address is not None and not address.is_unspecified:
            return address
    if wanted != "*":
        address = interface_address(wanted)
        if address is not None:
            return address
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(_PROBE)
            return ipaddress.ip_address(probe.getsockname()[0])
    except OSError:
        return ipaddress.IPv4Address("127.0.0.1")


def host_facts(settings: Settings) -> HostFacts:
    """Who and where this process is, for security."""
    own_user = condor_user = user_directory = None
    try:
        import pwd

        entry = pwd.getpwuid(os.geteuid())
        own_user = entry.pw_name
        if os.geteuid() != 0:
            user_directory = f"{entry.pw_dir}/.condor"
        condor_user = "condor" if os.geteuid() == 0 else own_user
    except (ImportError, KeyError):
        pass
    return HostFacts(
        host_name=host_name(settings),
        process_id=os.getpid(),
        own_user=own_user,
        condor_user=condor_user,
        parent_id=os.environ.get("CONDOR_PARENT_ID"),
        user_directory=user_directory,
        proxy_file=os.environ.get("X509_USER_PROXY"),
        ticket_cache=os.environ.get("KRB5CCNAME") or None,
        libraries=_libraries(),
        terminal=_has_terminal(),
        local_addresses=tuple({own_address(settings), ipaddress.ip_address("::1")}),
    )


def _has_terminal() -> bool:
    """Whether somebody sits at our standard input."""
    try:
        return os.isatty(0)
    except OSError:
        return False


def _libraries() -> frozenset[str]:
    """The optional libraries that are here, by the names that methods give them."""
    here: dict[str, Callable[[], bool]] = {
        MUNGE_LIBRARY: munge_available,
        KERBEROS_LIBRARY: kerberos_available,
        SSPI_LIBRARY: sspi_available,
    }
    return frozenset(name for name, available in here.items() if available())
