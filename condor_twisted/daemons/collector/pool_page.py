"""The pool page of a running collector: its port, and what it gets to see.

``twisted.web`` and its like are imported only when there is a page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python.failure import Failure

from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore.ports.addresses import host_name
from condor_twisted.daemons.collector.state.collector_state import CollectorState
from condor_twisted.daemons.collector.state.own_ad import own_name
from condor_twisted.daemons.collector.state.queries import QueryPlan
from condor_twisted.errors import ConfigError
from condor_twisted.security.handshake.admission import holds
from condor_twisted.security.peer import Transport, raw_peer

if TYPE_CHECKING:
    from condor_twisted.daemons.collector.service import Collector

__all__ = ["DEFAULT_ENDPOINT", "CollectorView", "PoolPage"]

_log = Logger()

#: Where the page is if nothing is configured at all.
DEFAULT_ENDPOINT: Final = "tcp:9680:interface=127.0.0.1"


class CollectorView:
    """A collector as its page sees it.

    Args:
        collector: The collector.
    """

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    @property
    def state(self) -> CollectorState:
        """The tables."""
        return self._collector.state

    def pool_name(self) -> str:
        """The collector's name."""
        settings = self._collector.settings
        name = settings.text("COLLECTOR_NAME")
        return own_name(name, settings.local_name, host_name(settings))

    def address(self) -> str:
        """The sinful string that peers use."""
        collector = self._collector
        return "" if collector.ports is None else str(collector.address)

    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return self._collector.now()

    def is_warming_up(self) -> bool:
        """Whether there are daemons that had no reason yet to send their ads."""
        return self._collector.is_warming_up()

    def may_read(self, host: str) -> bool:
        """Whether a raw query from there would be answered.

        Host names are not looked up: where READ is open to names only, it is not open
        to the page's clients.
        """
        security = self._collector.security
        if security is None:
            return False
        peer = raw_peer(host, 0, Transport.TCP)
        decision = holds(Permission.READ, peer, security.policies, security.authorizer)
        return decision.allowed and not decision.needs_names

    def select(self, plan: QueryPlan) -> Deferred[None]:
        """Find the ads that a query wants, in turns or by a worker."""
        return self._collector.select(plan)


class PoolPage:
    """The page's port.

    Args:
        collector: The collector.
        endpoint: Where to listen, as Twisted writes server endpoints.
    """

    def __init__(self, collector: Collector, endpoint: str) -> None:
        self._collector = collector
        self._endpoint = endpoint
        self._listening: Deferred[Any] | None = None
        self._port: IListeningPort | None = None

    def open(self, reactor: Any) -> None:
        """Begin to listen.

        Args:
            reactor: Where.

        Raises:
            ConfigError: There is no such endpoint.
            CannotListenError: The port is taken.
        """
        from twisted.internet.endpoints import serverFromString

        from condor_twisted.daemons.collector.page import make_site

        try:
            endpoint = serverFromString(reactor, self._endpoint)
        except (ValueError, TypeError, LookupError) as error:
            raise ConfigError(
                f"--http {self._endpoint}: no Twisted server endpoint ({error})"
            ) from error
        site = make_site(CollectorView(self._collector), reactor)
        failures: list[Failure] = []
        self._listening = endpoint.listen(site)
        self._listening.addCallbacks(self._opened, failures.append)
        if failures:
            self._listening = None
            failures[0].raiseException()

    def close(self) -> Deferred[Any]:
        """Stop; fires when the port is closed."""
        listening, self._listening = self._listening, None
        port, self._port = self._port, None
        if listening is not None:
            listening.cancel()
        return succeed(None) if port is None else maybeDeferred(port.stopListening)

    def url(self) -> str:
        """Where the page is; empty if nowhere that has an address."""
        address: Any = None if self._port is None else self._port.getHost()
        host = getattr(address, "host", None)
        if host is None:
            return ""
        shown = f"[{host}]" if ":" in host else host
        secure = self._endpoint.startswith(("ssl:", "tls:"))
        return f"{'https' if secure else 'http'}://{shown}:{address.port}/"

    def _opened(self, port: IListeningPort) -> None:
        self._port = port
