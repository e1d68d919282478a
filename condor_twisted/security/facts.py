"""Plain facts that handshakes are told: the host, and the ends of a connection."""

from __future__ import annotations

from dataclasses import dataclass

from condor_twisted.errors import MalformedMessage
from condor_twisted.security.patterns.hosts import IpAddress
from condor_twisted.wire.sinful import SinfulAddress
from condor_twisted.wire.versions import ANNOUNCED_VERSION

__all__ = ["ChannelEnds", "HostFacts", "dialled_host"]


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Who and where this process is.

    Args:
        host_name: This host's full name.
        process_id: This process.
        own_user: The name of the user whom we authenticate as; ``None`` if unknown.
        condor_user: The name of the user as whom HTCondor runs, to whom root is
            mapped by FS; ``None`` if there is none.
        version: The ``$CondorVersion$`` that we announce.
        parent_id: The parent daemon's unique id, where there is one.
        local_addresses: This host's own IP addresses.
        user_directory: Where a user's own files are, ``~/.condor``; ``None`` for root.
        proxy_file: The file of the user's proxy certificate, if there is one.
        ticket_cache: The user's cache of Kerberos' tickets, where one is named.
        libraries: Optional libraries that are here, by the names that methods give.
        terminal: Whether there is a user at a terminal who can be asked.
    """

    host_name: str
    process_id: int
    own_user: str | None = None
    condor_user: str | None = None
    version: str = ANNOUNCED_VERSION
    parent_id: str | None = None
    local_addresses: tuple[IpAddress, ...] = ()
    user_directory: str | None = None
    proxy_file: str | None = None
    ticket_cache: str | None = None
    libraries: frozenset[str] = frozenset()
    terminal: bool = False


@dataclass(frozen=True, slots=True)
class ChannelEnds:
    """The two ends of one connection.

    Args:
        own_address: Our end's IP address as text.
        own_port: Our end's port.
        peer_address: The other end's IP address as text.
        peer_port: The other end's port.
        dialled: As a client: the sinful string that was dialled.
    """

    own_address: str
    own_port: int
    peer_address: str
    peer_port: int
    dialled: str | None = None

    @property
    def dialled_host(self) -> str | None:
        """The host name in the address that was dialled, if there is one."""
        return dialled_host(self.dialled)


def dialled_host(address: str | None) -> str | None:
    """The host name in a sinful string, if there is one."""
    try:
        return SinfulAddress.parse(address or "").alias
    except MalformedMessage:
        return None
