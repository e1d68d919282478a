"""The root of the page, which every request passes.

Answers carry headers that keep browsers from running, framing or guessing anything.
Requests come in only with a method that reads, from an address that may read, and
where the connection came to a loopback address, under a loopback name: a page of
somebody else's whose name was made to lead here is another origin to its browser only
as long as we do not answer to that name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import Final

from twisted.logger import Logger
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from condor_twisted.daemons.collector.page.bodies import Problem
from condor_twisted.daemons.collector.page.limits import PageLimits
from condor_twisted.daemons.collector.page.requests import RequestRefused
from condor_twisted.daemons.collector.page.view import PoolView

__all__ = ["GuardedRoot"]

_HEADERS: Final = {
    b"Server": b"condor_twisted",
    b"Cache-Control": b"no-store",
    b"Content-Security-Policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; "
        b"connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'"
    ),
    b"Cross-Origin-Opener-Policy": b"same-origin",
    b"Cross-Origin-Resource-Policy": b"same-origin",
    b"Referrer-Policy": b"no-referrer",
    b"X-Content-Type-Options": b"nosniff",
    b"X-Frame-Options": b"DENY",
}
_METHODS: Final = (b"GET", b"HEAD")
_OPEN_TO_ALL: Final = b"/healthz"
_MAX_NOTED_HOSTS: Final = 1000


class GuardedRoot(Resource):
    """Lets requests through to its children, or answers why not.

    Args:
        view: Decides who may read.
        limits: Bounds a request.
        host_names: Further names under which a site on loopback is reached, such as
            those of a proxy in front of it.
    """

    _log = Logger()

    def __init__(
        self, view: PoolView, limits: PageLimits, host_names: Collection[str]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._view = view
        self._limits = limits
        self._names = {"localhost", *(name.lower() for name in host_names)}
        self._noted: set[str] = set()

    def getChildWithDefault(self, path: bytes, request: Request) -> IResource:
        """The resource that answers a request."""
        for name, value in _HEADERS.items():
            request.setHeader(name, value)
        try:
            self._admit(request)
        except RequestRefused as refused:
            return Problem(refused.code, refused.problem)
        child: IResource = super().getChildWithDefault(  # type: ignore[no-untyped-call]
            path, request
        )
        return child

    def getChild(self, path: bytes, request: Request) -> IResource:
        """There is nothing else."""
        return Problem(404, "there is nothing under this path")

    def _admit(self, request: Request) -> None:
        if request.method not in _METHODS:
            raise RequestRefused(405, "this site only answers GET and HEAD")
        if len(request.uri) > self._limits.uri_bytes:
            raise RequestRefused(414, "the request's path and query are too long")
        hosts = request.requestHeaders.getRawHeaders(b"Host") or []
        if len(hosts) != 1:
            raise RequestRefused(400, "a request needs one Host header")
        here = _ip_address(getattr(request.getHost(), "host", ""))
        if here is not None and here.is_loopback and not self._is_ours(hosts[0]):
            raise RequestRefused(
                421, "this site answers to localhost, 127.0.0.1 and [::1] only"
            )
        if _is_from_elsewhere(request):
            raise RequestRefused(403, "pages of other sites may not ask this one")
        there = _ip_address(getattr(request.getClientAddress(), "host", ""))
        if there is None or request.path == _OPEN_TO_ALL:
            return  # a socket file has its own permissions
        if not self._view.may_read(str(there)):
            self._note_refusal(str(there))
            raise RequestRefused(403, "the collector's READ level is not for you")

    def _is_ours(self, host: bytes) -> bool:
        """Whether a ``Host`` header names loopback, or one of our names."""
        text = host.decode("ascii", "replace").lower()
        if text.startswith("["):
            name = text[1:].partition("]")[0]
        else:
            name = text.partition(":")[0].removesuffix(".")
        address = _ip_address(name)
        return name in self._names or (address is not None and address.is_loopback)

    def _note_refusal(self, host: str) -> None:
        """Log that somebody may not read, once for each address."""
        if host in self._noted:
            return
        if len(self._noted) >= _MAX_NOTED_HOSTS:
            self._noted.clear()
        self._noted.add(host)
        self._log.warn("PERMISSION DENIED to read the pool page from {host}", host=host)


def _ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if isinstance(mapped, ipaddress.IPv4Address) else address


def _is_from_elsewhere(request: Request) -> bool:
    """Whether a browser says that another site's page asks, other than by a link."""
    site = request.getHeader(b"Sec-Fetch-Site")
    if site is None or site in (b"same-origin", b"none"):
        return False
    return request.getHeader(b"Sec-Fetch-Mode") != b"navigate"
