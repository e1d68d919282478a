"""The file in which the shared port daemon says where it is, and what follows from it.

Layout:
    An ad, one attribute a line: ``MyAddress``, the sinful string without an endpoint;
    ``SharedPortCommandSinfuls``, those of its single ports; counters.

Source: ``src/condor_io/shared_port_server.cpp: SharedPortServer::PublishAddress``;
``src/condor_io/shared_port_endpoint.cpp: SharedPortEndpoint::InitRemoteAddress,
GetMyLocalAddress``.
"""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.config.settings import Settings
from condor_twisted.constants import attributes
from condor_twisted.daemoncore.ports.addresses import host_name
from condor_twisted.errors import RemoteProtocolError
from condor_twisted.protocols.this_host import own_address
from condor_twisted.wire.sinful import (
    PRIVATE_ADDRESS,
    SHARED_PORT_ID,
    SinfulAddress,
)

__all__ = ["behind_shared_port", "endpoint_address", "read_shared_port_address"]

_log = Logger()

_MAX_FILE_BYTES: Final = 65_536


def read_shared_port_address(settings: Settings) -> SinfulAddress | None:
    """Where the shared port daemon is; ``None`` until it has said so.

    Args:
        settings: SHARED_PORT_DAEMON_AD_FILE.
    """
    path = settings.text("SHARED_PORT_DAEMON_AD_FILE")
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            lines = file.read(_MAX_FILE_BYTES).split(b"\n")
    except OSError:
        return None  # it has not started yet
    body = b"".join(line + b"\0" for line in lines if b"=" in line)
    text = WireAd(body).string(attributes.MY_ADDRESS)
    try:
        found = SinfulAddress.parse(text or "<>")
        return found if found.port_number else None
    except RemoteProtocolError as error:
        _log.warn("{path} has no usable address: {error}", path=path, error=str(error))
        return None


def behind_shared_port(server: SinfulAddress, endpoint_id: str) -> SinfulAddress:
    """The address of a daemon behind a shared port.

    Args:
        server: Where the shared port daemon is.
        endpoint_id: Which daemon.

    Raises:
        RemoteProtocolError: The address inside a private network is none.
    """
    found = server.with_parameters({SHARED_PORT_ID: endpoint_id})
    private = server.private_address
    if private is None:
        return found
    inside = private.with_parameters({SHARED_PORT_ID: endpoint_id})
    return found.with_parameters({PRIVATE_ADDRESS: str(inside)})


def endpoint_address(
    settings: Settings, endpoint_id: str, server: SinfulAddress | None
) -> SinfulAddress:
    """Where a daemon behind the shared port takes commands; no datagrams.

    Until the shared port daemon has said where it is, this is an address with port 0,
    of which only processes on this host can make something.

    Args:
        settings: What this host is called.
        endpoint_id: Which daemon.
        server: Where the shared port daemon is, if that is known.
    """
    if server is not None:
        try:
            return behind_shared_port(server, endpoint_id)
        except RemoteProtocolError as error:
            _log.warn("The shared port's address: {error}", error=str(error))
    found = SinfulAddress.of(str(own_address(settings)), 0, noUDP="")
    found = found.with_alias(settings.text("HOST_ALIAS") or host_name(settings))
    return found.with_parameters({SHARED_PORT_ID: endpoint_id})
