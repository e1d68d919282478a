"""Endpoints of children behind a shared port, as their parent makes them.

An endpoint is a UNIX socket at which a child takes connections that the shared port
daemon passes on. Its name is a cookie, which only this tree of processes knows, a slash
and the endpoint's id; it is an abstract one, so it leaves no file and goes with the
child.

Source: ``src/condor_io/shared_port_endpoint.cpp: SharedPortEndpoint::CreateListener``.
"""

from __future__ import annotations

import re
import secrets
import socket
import sys
from collections.abc import Mapping
from typing import Final

from condor_twisted.errors import SpawnFailed
from condor_twisted.wire.shared_port import is_endpoint_id

__all__ = ["COOKIE_VARIABLE", "bind_endpoint", "found_cookie", "own_cookie"]

COOKIE_VARIABLE: Final = "CONDOR_PRIVATE_SHARED_PORT_COOKIE"
_COOKIE = re.compile(r"[0-9a-f]{64}\Z")
_BACKLOG: Final = 4096


def found_cookie(environment: Mapping[str, str]) -> str | None:
    """The cookie of our tree of processes, if it has one."""
    found = environment.get(COOKIE_VARIABLE, "")
    return found if _COOKIE.match(found) else None


def own_cookie(environment: Mapping[str, str]) -> str:
    """The cookie of our tree of processes; a new one, if it has none."""
    return found_cookie(environment) or secrets.token_hex(32)


def bind_endpoint(cookie: str, endpoint_id: str) -> socket.socket:
    """Listen at an endpoint.

    Args:
        cookie: The tree's.
        endpoint_id: ``sock=`` of the child's address.

    Raises:
        SpawnFailed: The id cannot be one, is taken, or this system has no such names.
    """
    what = f"a daemon at the shared port endpoint {endpoint_id}"
    if not is_endpoint_id(endpoint_id):
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
