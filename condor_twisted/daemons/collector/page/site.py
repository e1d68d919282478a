"""The page's site: its connections, and which path leads where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from importlib.resources import files
from io import BytesIO
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from condor_twisted.daemons.collector.page.bodies import JSON, cut_off
from condor_twisted.daemons.collector.page.changes import ChangesResource
from condor_twisted.daemons.collector.page.guard import GuardedRoot
from condor_twisted.daemons.collector.page.json_ads import AdWriter
from condor_twisted.daemons.collector.page.limits import PageLimits
from condor_twisted.daemons.collector.page.resources import (
    AdsResource,
    Answers,
    Branch,
    HealthResource,
    StaticResource,
    SummaryResource,
)
from condor_twisted.daemons.collector.page.summary import exposition, summary_json
from condor_twisted.daemons.collector.page.view import PoolView

__all__ = ["PageSite", "make_site"]

_FILES: Final = (
    ("", "index.html", "text/html; charset=utf-8"),
    ("page.css", "page.css", "text/css; charset=utf-8"),
    ("page.js", "page.js", "text/javascript; charset=utf-8"),
)
_PROMETHEUS: Final = b"text/plain; version=0.0.4; charset=utf-8"


def make_site(
    view: PoolView,
    reactor: IReactorTime | None = None,
    limits: PageLimits | None = None,
    host_names: Collection[str] = (),
) -> PageSite:
    """The pool page as a factory for any stream endpoint.

    Args:
        view: The collector.
        reactor: For the time; the global one by default.
        limits: What clients may make the collector hold.
        host_names: Further names under which a page on loopback is reached.
    """
    if reactor is None:
        from twisted.internet import reactor as global_reactor

        reactor = IReactorTime(global_reactor)
    limits = limits or PageLimits()
    writer = AdWriter()
    answers = Answers(limits, reactor)
    changes = ChangesResource(view, writer, limits, reactor)
    root = GuardedRoot(view, limits, host_names)
    static = files("condor_twisted.daemons.collector.page") / "static"
    for path, name, content_type in _FILES:
        content = (static / name).read_bytes()
        root.putChild(path.encode("ascii"), StaticResource(content_type, content))
    root.putChild(b"healthz", HealthResource(view))

    def summary(content_type: bytes, render: Any) -> Resource:
        return SummaryResource(
            view, answers, lambda: changes.stream_count, content_type, render
        )

    root.putChild(b"metrics", summary(_PROMETHEUS, exposition))
    api, version = Branch(), Branch()
    root.putChild(b"api", api)
    api.putChild(b"v1", version)
    version.putChild(b"ads", AdsResource(view, writer, limits, answers))
    version.putChild(b"changes", changes)
    version.putChild(b"summary", summary(JSON, summary_json))
    return PageSite(root, changes, limits, reactor)


class PageRequest(Request):
    """A request whose body nobody keeps."""

    _body_bytes = 0

    def gotLength(self, length: int | None) -> None:
        """A body begins, or there is none."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Drop a piece of a body; give up on one that is long."""
        self._body_bytes += len(data)
        if self._body_bytes > self.channel.factory.limits.body_bytes:
            cut_off(self.channel.transport)


class PageChannel(http.HTTPChannel):
    """A connection: its next request arrives in time, and its answer is taken.

    One deadline at a time runs: for a request that began to arrive, or for the time
    between requests. While an answer is made, that looks after itself.
    """

    requestFactory = PageRequest
    factory: PageSite
    _deadline: IDelayedCall | None = None
    _is_idle = False
    counted_host = ""

    def connectionMade(self) -> None:
        """Wait for the first request."""
        super().connectionMade()  # type: ignore[no-untyped-call]
        self.factory.channels.add(self)
        self._expect(self.factory.limits.request_seconds)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; the first of a request begin its deadline."""
        if self._is_idle:
            self._is_idle = False
            self._expect(self.factory.limits.request_seconds)
        super().dataReceived(data)  # type: ignore[no-untyped-call]

    def allContentReceived(self) -> None:
        """A request is there."""
        self._expect(None)
        super().allContentReceived()  # type: ignore[no-untyped-call]

    def requestDone(self, request: Request) -> None:
        """An answer is complete; a pipelined request may follow at once."""
        self._is_idle = True
        self._expect(self.factory.limits.stall_seconds)
        super().requestDone(request)  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Give everything back."""
        self._expect(None)
        self.factory.closed(self)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def _expect(self, seconds: float | None) -> None:
        """Replace the deadline."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if seconds is not None:
            self._deadline = self.factory.reactor.callLater(seconds, self._too_late)

    def _too_late(self) -> None:
        self._deadline = None
        cut_off(self.transport)


class PageSite(Site):
    """The site.

    Args:
        root: Where paths begin.
        changes: Is closed when the site stops.
        limits: What clients may make the collector hold.
        reactor: For the time.

    Attributes:
        channels: The open connections.
    """

    protocol = PageChannel  # type: ignore[assignment]
    noisy = False

    def __init__(
        self,
        root: GuardedRoot,
        changes: ChangesResource,
        limits: PageLimits,
        reactor: IReactorTime,
    ) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            root, PageRequest, timeout=None, reactor=reactor
        )
        self.limits = limits
        self.channels: set[PageChannel] = set()
        self._changes = changes
        self._hosts: Counter[str] = Counter()

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A channel, unless there are too many."""
        host = str(getattr(addr, "host", ""))
        if self._hosts.total() >= self.limits.connections or (
            host and self._hosts[host] >= self.limits.connections_per_host
        ):
            return None
        channel: Any = super().buildProtocol(addr)  # type: ignore[no-untyped-call]
        channel.counted_host = host
        self._hosts[host] += 1
        return channel

    def closed(self, channel: PageChannel) -> None:
        """A connection is gone."""
        self.channels.discard(channel)
        host = channel.counted_host
        self._hosts[host] -= 1
        if not self._hosts[host]:
            del self._hosts[host]

    def startFactory(self) -> None:
        """Begin; without an access log, for an open page asks all the time."""

    def stopFactory(self) -> None:
        """End all connections."""
        self._changes.close()
        for channel in list(self.channels):
            cut_off(channel.transport)

    def log(self, request: http.Request) -> None:
        """Write no access log."""

    def acceptableProtocols(self) -> list[bytes]:
        """HTTP/1.1 alone, over TLS as well."""
        return [b"http/1.1"]
