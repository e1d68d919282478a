"""Where a connection to a daemon goes: from a sinful string to an endpoint.

Source: ``src/condor_io/sock.cpp: chooseAddrFromAddrs``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
)
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IStreamClientEndpoint

from condor_twisted.config.settings import Settings
from condor_twisted.wire.sinful import SinfulAddress, choose_address

__all__ = ["Dialling", "client_endpoint", "dialling"]


@dataclass(frozen=True, slots=True)
class Dialling:
    """How connections go out.

    Args:
        ipv4: ENABLE_IPV4 is not false.
        ipv6: ENABLE_IPV6 is not false.
        prefer_ipv4: PREFER_OUTBOUND_IPV4.
        ignore_target_preference: IGNORE_TARGET_PROTOCOL_PREFERENCE.
        private_network: PRIVATE_NETWORK_NAME.
        bind_address: The address to go out from; any by default.
        connect_seconds: How long a connection may take to stand.
        keep_alive_seconds: TCP_KEEPALIVE_INTERVAL.
    """

    ipv4: bool = True
    ipv6: bool = True
    prefer_ipv4: bool = True
    ignore_target_preference: bool = True
    private_network: str | None = None
    bind_address: str | None = None
    connect_seconds: float = 20.0
    keep_alive_seconds: int = 360

    def choose(self, target: SinfulAddress) -> SinfulAddress | None:
        """Where a connection to a daemon goes; see `choose_address`."""
        return choose_address(
            target,
            ipv4_enabled=self.ipv4,
            ipv6_enabled=self.ipv6,
            prefer_ipv4=self.prefer_ipv4,
            ignore_target_preference=self.ignore_target_preference,
            private_network=self.private_network,
        )


def dialling(settings: Settings) -> Dialling:
    """How connections go out under a configuration.

    Source: ``src/condor_io/condor_ipverify.cpp``, ``src/condor_io/sock.cpp``.
    """

    def enabled(name: str) -> bool:
        # "auto" is true here: whether an address can be reached shows soon enough.
        return (settings.text(name, "auto") or "auto").lower() not in ("false", "0")

    return Dialling(
        ipv4=enabled("ENABLE_IPV4"),
        ipv6=enabled("ENABLE_IPV6"),
        prefer_ipv4=settings.boolean("PREFER_OUTBOUND_IPV4", True),
        ignore_target_preference=settings.boolean(
            "IGNORE_TARGET_PROTOCOL_PREFERENCE", True
        ),
        private_network=settings.text("PRIVATE_NETWORK_NAME"),
        keep_alive_seconds=settings.integer("TCP_KEEPALIVE_INTERVAL", 360),
    )


def client_endpoint(
    reactor: Any, target: SinfulAddress, dialling: Dialling
) -> IStreamClientEndpoint:
    """The endpoint that reaches a daemon.

    Raises:
        ConnectError: The address has no place to connect to.
    """
    chosen = dialling.choose(target)
    if chosen is None:
        raise ConnectError(None, f"{target} has no address of an enabled protocol")
    port = chosen.port_number
    if not port or not chosen.host:
        raise ConnectError(None, f"{target} has no host or no port")
    timeout = int(dialling.connect_seconds) or 1
    bind = None if dialling.bind_address is None else (dialling.bind_address, 0)
    ip = chosen.ip
    if ip is None:
        return HostnameEndpoint(
            reactor, chosen.host, port, timeout=timeout, bindAddress=bind
        )
    if ip.version == 4:
        return TCP4ClientEndpoint(reactor, str(ip), port, timeout, bind)
    return TCP6ClientEndpoint(reactor, str(ip), port, timeout, bind)
