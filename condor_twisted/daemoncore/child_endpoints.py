"""Endpoints of children behind a shared port, as their parent makes them.

An endpoint is a UNIX socket at which a child takes connections that the shared port
daemon passes on. Its name is a cookie, which only this tree of processes knows, a slash
and the endpoint's id; it is an abstract one, so it leaves no file and goes with the
child.

Source: ``src/condor_io/shared_port_endpoint.cpp: SharedPortEndpoint::CreateListener,
GetMyRemoteAddress``.
"""

from __future__ import annotations

import re
import secrets
import socket
import sys
from collections.abc import Mapping
from typing import Final

from twisted.logger import Logger

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.addresses import host_name
from condor_twisted.errors import RemoteProtocolError, SpawnFailed
from condor_twisted.protocols.this_host import own_address
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["COOKIE_VARIABLE", "bind_endpoint", "endpoint_address", "own_cookie"]

_log = Logger()

COOKIE_VARIABLE: Final = "CONDOR_PRIVATE_SHARED_PORT_COOKIE"
_COOKIE = re.compile(r"[0-9a-f]{64}\Z")
_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_BACKLOG: Final = 4096
_MAX_FILE_BYTES: Final = 65_536


def own_cookie(environment: Mapping[str, str]) -> str:
    """The cookie of our tree of processes; a new one, if it has none."""
    found = environment.get(COOKIE_VARIABLE, "")
    return found if _COOKIE.match(found) else secrets.token_hex(32)


def bind_endpoint(cookie: str, endpoint_id: str) -> socket.socket:
    """Listen at an endpoint.

    Args:
        cookie: The tree's.
        endpoint_id: ``sock=`` of the child's address.

    Raises:
        SpawnFailed: The id cannot be one, is taken, or this system has no such names.
    """
    what = f"a daemon at the shared port endpoint {endpoint_id}"
    if not _ID.match(endpoint_id):
        raise SpawnFailed(
            what, 0, "the name is not one of 1 to 64 letters, digits and _ . -"
        )
    if not sys.platform.startswith("linux"):
        raise SpawnFailed(what, 0, "abstract names of sockets are Linux's alone")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(f"\0{cookie}/{endpoint_id}")
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise SpawnFailed(
            what, error.errno or 0, "binding it", error.strerror or ""
        ) from error
    return listening


def endpoint_address(settings: Settings, endpoint_id: str) -> SinfulAddress:
    """Where a child behind the shared port takes commands.

    Until the shared port daemon has said where it is, this is an address with port 0,
    of which only processes on this host can make something.
    """
    path = settings.text("SHARED_PORT_DAEMON_AD_FILE")
    found = None if not path else _server_address(path)
    if found is None:
        found = SinfulAddress.of(str(own_address(settings)), 0)
        found = found.with_alias(settings.text("HOST_ALIAS") or host_name(settings))
    return found.with_parameters({"noUDP": "", "sock": endpoint_id})


def _server_address(path: str) -> SinfulAddress | None:
    try:
        with open(path, "rb") as file:
            lines = file.read(_MAX_FILE_BYTES).split(b"\n")
    except OSError:
        return None  # it has not started yet
    body = b"".join(line + b"\0" for line in lines if b"=" in line)
    text = WireAd(body).string("MyAddress")
    try:
        found = SinfulAddress.parse(text or "<>")
        return found if found.port_number else None
    except RemoteProtocolError as error:
        _log.warn("{path} has no usable address: {error}", path=path, error=str(error))
        return None
