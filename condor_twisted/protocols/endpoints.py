"""Where a connection to a daemon goes: from a sinful string to an endpoint.

A daemon behind a shared port of this host is reached without that port where there is
no way through it: it is not there yet, or it is ourselves.

Source: ``src/condor_io/sock.cpp: chooseAddrFromAddrs, Sock::special_connect``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from zope.interface import implementer

from condor_twisted.config.settings import Settings
from condor_twisted.errors import LocalProtocolError
from condor_twisted.protocols.endpoint_sockets import (
    EndpointSockets,
    connected_pair,
)
from condor_twisted.wire.sinful import SinfulAddress, choose_address

__all__ = ["Dialling", "LocalEndpoint", "client_endpoint", "dialling"]


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
        sockets: Where daemons of this host are behind their shared port.
    """

    ipv4: bool = True
    ipv6: bool = True
    prefer_ipv4: bool = True
    ignore_target_preference: bool = True
    private_network: str | None = None
    bind_address: str | None = None
    connect_seconds: float = 20.0
    keep_alive_seconds: int = 360
    sockets: EndpointSockets | None = None

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


def dialling(settings: Settings, cookie: str | None = None) -> Dialling:
    """How connections go out under a configuration.

    Args:
        settings: The configuration.
        cookie: What endpoints of our tree of processes begin with, if it has one.

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
        sockets=EndpointSockets.from_settings(settings, cookie),
    )


@implementer(IStreamClientEndpoint)
class LocalEndpoint:
    """Reaches a daemon of this host by handing it one end of a connection.

    Args:
        reactor: Where.
        sockets: Where this host's endpoints are.
        endpoint_id: Which daemon.
        host: The address that the daemon shall see the connection come from.

    Source: ``src/condor_io/reli_sock.cpp: ReliSock::do_shared_port_local_connect``.
    """

    def __init__(
        self, reactor: Any, sockets: EndpointSockets, endpoint_id: str, host: str
    ) -> None:
        self._reactor = reactor
        self._sockets = sockets
        self._endpoint_id = endpoint_id
        self._host = host

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        """Connect.

        Returns:
            A `Deferred` of the protocol; it fails with a ``ConnectError``.
        """
        return maybeDeferred(self._connect, factory)

    def _connect(self, factory: IProtocolFactory) -> Any:
        try:
            near, far = connected_pair(self._host)
            with near:
                with far:
                    self._sockets.pass_on(far, self._endpoint_id)
                transport = self._reactor.adoptStreamConnection(
                    near.fileno(), near.family, factory
                )
        except (OSError, LocalProtocolError) as error:
            raise ConnectError(None, str(error)) from error
        return transport.protocol


def _local_endpoint(
    reactor: Any,
    target: SinfulAddress,
    dialling: Dialling,
    own_address: SinfulAddress | None,
) -> LocalEndpoint | None:
    endpoint_id, ip = target.shared_port_id, target.ip
    if endpoint_id is None or dialling.sockets is None or ip is None:
        return None
    own = own_address or SinfulAddress("", "")
    is_unknown_yet = target.port_number == 0
    is_ours = (
        bool(own.port_number)
        and (own.host, own.port_number) == (target.host, target.port_number)
        and own.shared_port_id in (None, endpoint_id)
    )
    if not is_unknown_yet and not is_ours:
        return None
    return LocalEndpoint(reactor, dialling.sockets, endpoint_id, str(ip))


def client_endpoint(
    reactor: Any,
    target: SinfulAddress,
    dialling: Dialling,
    own_address: SinfulAddress | None = None,
) -> IStreamClientEndpoint:
    """The endpoint that reaches a daemon.

    Args:
        reactor: Where.
        target: The daemon.
        dialling: How connections go out.
        own_address: Where we take commands, if we do.

    Returns:
        The endpoint; behind a shared port, a `LocalEndpoint` has no further need of a
        request for the daemon, and others do.

    Raises:
        ConnectError: The address has no place to connect to.
    """
    local = _local_endpoint(reactor, target, dialling, own_address)
    if local is not None:
        return local
    chosen = dialling.choose(target)
    if chosen is None:
        raise ConnectError(None, f"{target} has no address of an enabled protocol")
    port = chosen.port_number
    if not port or not chosen.host:
        raise ConnectError(None, f"{target} has no host or no port")
    # They bring TLS, threads and processes along; who only serves needs none of it.
    from twisted.internet.endpoints import (
        HostnameEndpoint,
        TCP4ClientEndpoint,
        TCP6ClientEndpoint,
    )

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
