"""What a configuration may know of the machine and the process it is read on."""

from __future__ import annotations

import contextlib
import os
import platform
import pwd
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from condor_twisted.daemoncore.configuration.system_names import (
    release_name,
    system_names,
)

__all__ = ["HostFacts"]

_ADDRESS_PROBES: Final = (
    (socket.AF_INET, "192.0.2.1"),
    (socket.AF_INET6, "2001:db8::1"),
)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Facts that become the detected macros of a configuration.

    Args:
        hostname: Short name.
        full_hostname: Name with its domain, if one is known.
        ipv4_address: The address that packets to the outside leave from.
        ipv6_address: Likewise.
        user_name: Login name of the real user.
        user_home: That user's home directory.
        condor_home: Home of the user ``condor``, if there is one.
        user_id: Real user id.
        group_id: Real group id.
        effective_user_id: Effective user id; 0 can switch users.
        process_id: Of this process.
        parent_process_id: Of its parent.
        cpu_count: Logical processors that this process may use.
        memory_mebibytes: Physical memory.
        system: What ``uname`` says: sysname, nodename, release, version, machine.
        python: Path of a Python 3 interpreter.
        release: The long name of the system's release; empty to say nothing of it.
    """

    hostname: str = "localhost"
    full_hostname: str = "localhost"
    ipv4_address: str | None = "127.0.0.1"
    ipv6_address: str | None = None
    user_name: str | None = None
    user_home: str | None = None
    condor_home: str | None = None
    user_id: int = 0
    group_id: int = 0
    effective_user_id: int = 0
    process_id: int = 0
    parent_process_id: int = 0
    cpu_count: int = 1
    memory_mebibytes: int = 1024
    system: tuple[str, str, str, str, str] = field(
        default=("Linux", "localhost", "", "", "x86_64")
    )
    python: str | None = None
    release: str = ""

    @classmethod
    def detect(cls, *, resolve: bool = True) -> HostFacts:
        """Ask the operating system.

        Args:
            resolve: Look the full host name up, which may ask a name server.
        """
        hostname = socket.gethostname()
        user_name: str | None = None
        user_home: str | None = None
        condor_home: str | None = None
        with contextlib.suppress(KeyError):
            user = pwd.getpwuid(os.getuid())
            user_name, user_home = user.pw_name, user.pw_dir
        with contextlib.suppress(KeyError):
            condor_home = pwd.getpwnam("condor").pw_dir
        uname = platform.uname()
        return cls(
            hostname=hostname.partition(".")[0],
            full_hostname=_full_hostname(hostname) if resolve else hostname,
            ipv4_address=_outgoing_address(*_ADDRESS_PROBES[0]) or "127.0.0.1",
            ipv6_address=_outgoing_address(*_ADDRESS_PROBES[1]) or _ipv6_loopback(),
            user_name=user_name,
            user_home=user_home,
            condor_home=condor_home,
            user_id=os.getuid(),
            group_id=os.getgid(),
            effective_user_id=os.geteuid(),
            process_id=os.getpid(),
            parent_process_id=os.getppid(),
            cpu_count=_cpu_count(),
            memory_mebibytes=_memory_mebibytes(),
            system=(
                uname.system,
                uname.node,
                uname.release,
                uname.version,
                uname.machine,
            ),
            python=_python(),
            release=release_name(),
        )

    def detected(self) -> Iterator[tuple[str, str]]:
        """The macros that files may replace.

        Source: condor_config.cpp, fill_attributes.
        """
        machine = self.system[4]
        system = self.system[0].upper()
        yield from (
            ("ARCH", "X86_64" if machine in ("x86_64", "amd64") else machine),
            ("OPSYS", "OSX" if system == "DARWIN" else system),
            ("UNAME_ARCH", machine),
            ("UNAME_OPSYS", self.system[0]),
            ("CondorIsAdmin", "true" if self.effective_user_id == 0 else "false"),
            ("DETECTED_MEMORY", str(self.memory_mebibytes)),
            ("DETECTED_PHYSICAL_CPUS", str(self.cpu_count)),
            ("DETECTED_CORES", str(self.cpu_count)),
            ("DETECTED_CPUS", str(self.cpu_count)),
        )
        names = ("SYSNAME", "NODENAME", "RELEASE", "VERSION", "MACHINE")
        for name, value in zip(names, self.system, strict=True):
            yield f"UTSNAME_{name}", value
        if self.release:
            yield from system_names(self.release)
        if self.python is not None:
            yield "PYTHON3", self.python

    def names(self) -> Iterator[tuple[str, str]]:
        """Host names and the home of ``condor``; known from the root file on."""
        yield "HOSTNAME", self.hostname
        yield "FULL_HOSTNAME", self.full_hostname
        if self.condor_home is not None:
            yield "TILDE", self.condor_home

    def specials(self) -> Iterator[tuple[str, str]]:
        """The macros that nothing replaces.

        Source: condor_config.cpp, reinsert_specials.
        """
        yield from self.names()
        if self.user_name is not None:
            yield "USERNAME", self.user_name
        yield from (
            ("REAL_UID", str(self.user_id)),
            ("REAL_GID", str(self.group_id)),
            ("PID", str(self.process_id)),
            ("PPID", str(self.parent_process_id)),
        )
        address = self.ipv4_address or self.ipv6_address
        if address is not None:
            yield "IP_ADDRESS", address
            yield "IP_ADDRESS_IS_IPV6", "true" if ":" in address else "false"
        if self.ipv4_address is not None:
            yield "IPV4_ADDRESS", self.ipv4_address
        if self.ipv6_address is not None:
            yield "IPV6_ADDRESS", self.ipv6_address


def _full_hostname(hostname: str) -> str:
    """The canonical name of this host, if there is one with a domain."""
    if "." in hostname:
        return hostname
    try:
        found = socket.getaddrinfo(hostname, None, flags=socket.AI_CANONNAME)
    except OSError:
        return hostname
    canonical = found[0][3] if found else ""
    return canonical if canonical.partition(".")[0] == hostname else hostname


def _outgoing_address(family: int, probe: str) -> str | None:
    """The local address of a route; connecting a datagram socket sends nothing."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probing:
            probing.connect((probe, 9))
            address: str = probing.getsockname()[0]
            return address
    except OSError:
        return None


def _ipv6_loopback() -> str | None:
    """The loopback address, where there is any IPv6."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probing:
            probing.bind(("::1", 0))
    except OSError:
        return None
    return "::1"


def _cpu_count() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_mebibytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    except (OSError, ValueError):
        return 0


def _python() -> str | None:
    for candidate in ("/usr/bin/python3", "/usr/local/bin/python3"):
        if os.access(candidate, os.X_OK):
            return candidate
    return None
