"""A daemon tells the pool's collectors of itself: now and then, and at its end.

Every ``<SUBSYS>_UPDATE_INTERVAL`` seconds the daemon's ad goes to every collector in
COLLECTOR_HOST, over a TCP connection that is kept, or by UDP where
UPDATE_COLLECTOR_WITH_TCP says so. A daemon that stops takes its ad back. Before each
update the expressions DAEMON_SHUTDOWN and DAEMON_SHUTDOWN_FAST are evaluated in the
ad; a daemon for which one of them is true stops and stays down.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::sendUpdates,
evalExpr``;
``src/condor_daemon_client/dc_collector.cpp: DCCollector::sendUpdate``.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    inlineCallbacks,
)
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from condor_twisted.classad.ad_kinds import ad_kind, invalidation_ad
from condor_twisted.classad.expressions import evaluate
from condor_twisted.classad.wire_ad import ExpressionText, WireAd, format_line
from condor_twisted.config.settings import Settings
from condor_twisted.constants import attributes
from condor_twisted.daemoncore.daemon_ad import daemon_ad
from condor_twisted.errors import CondorTwistedError
from condor_twisted.protocols.collector_names import collector_addresses
from condor_twisted.protocols.collector_updates import UpdateConnection, ad_writer
from condor_twisted.wire.sinful import SinfulAddress

if TYPE_CHECKING:
    from condor_twisted.daemoncore.daemon import Daemon

__all__ = ["Advertiser", "update_interval_seconds"]

_log = Logger()

_DEFAULT_INTERVAL_SECONDS: Final = 300
#: How long one update may take.
_UPDATE_SECONDS: Final = 30.0
#: Knob, attribute, whether it means a fast shutdown.
_SHUTDOWN_EXPRESSIONS: Final = (
    ("DAEMON_SHUTDOWN_FAST", "DaemonShutdownFast", True),
    ("DAEMON_SHUTDOWN", "DaemonShutdown", False),
)


def update_interval_seconds(settings: Settings) -> int:
    """How often a daemon's ad is sent.

    Raises:
        ConfigError: The knob has no sense.
    """
    usual = settings.integer("UPDATE_INTERVAL", _DEFAULT_INTERVAL_SECONDS, minimum=1)
    own = f"{settings.subsystem}_UPDATE_INTERVAL"
    return settings.integer(own, usual, minimum=1)


class _Collector:
    """One collector, and the connection to it."""

    def __init__(self, name: str, address: SinfulAddress) -> None:
        self.name = name
        self.address = address
        self.connection: UpdateConnection | None = None
        #: Whether the last update left; ``None`` before the first.
        self.is_told: bool | None = None

    def abort(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort()


class Advertiser:
    """Sends a daemon's ad; one of its facilities.

    Args:
        daemon: Whose.
    """

    def __init__(self, daemon: Daemon) -> None:
        #: How many updates have been made.
        self.update_count = 0
        self._daemon = daemon
        self._collectors: dict[str, _Collector] = {}
        self._timer: IDelayedCall | None = None
        self._under_way: set[Deferred[Any]] = set()
        self._advertised: tuple[str, str] | None = None
        self._interval_seconds = _DEFAULT_INTERVAL_SECONDS

    def begin(self) -> None:
        """Send the first update."""
        self.renew()

    def renew(self) -> None:
        """Send an update now, to the collectors that are configured now."""
        settings = self._daemon.settings
        self._interval_seconds = update_interval_seconds(settings)
        wanted = collector_addresses(None, settings)
        names = {f"{name} {address}" for name, address in wanted}
        for key in [each for each in self._collectors if each not in names]:
            self._collectors.pop(key).abort()
        for name, address in wanted:
            key = f"{name} {address}"
            self._collectors.setdefault(key, _Collector(name, address))
        self.update()

    def end(self) -> Deferred[Any]:
        """Take the ad back.

        Returns:
            A `Deferred` that fires when every collector was told, or cannot be.
        """
        self._cancel_timer()
        for each in list(self._under_way):
            each.cancel()
        advertised, self._advertised = self._advertised, None
        farewells: list[Deferred[Any]] = []
        if advertised is not None:
            kind, name = advertised
            extra = {attributes.MY_ADDRESS: str(self._daemon.address)}
            command, ad = invalidation_ad(kind, name, extra=extra)
            for collector in self._collectors.values():
                if collector.is_told:
                    farewells.append(self._take_back(collector, command, ad))
        done: Deferred[Any] = DeferredList(farewells, consumeErrors=True)
        return done.addBoth(lambda _: self._abort_all())

    def update(self) -> None:
        """Send an update to every collector, and plan the next one."""
        self._cancel_timer()
        daemon = self._daemon
        self._timer = daemon.reactor.callLater(self._interval_seconds, self.update)
        if daemon.opener is None:
            return
        try:
            ad = self._next_ad()
        except CondorTwistedError as error:
            _log.error("The daemon's ad cannot be made: {error}", error=str(error))
            return
        assert daemon.ad_type is not None, "only a daemon with an ad has an advertiser"
        self._advertised = (daemon.ad_type, ad.string(attributes.NAME) or "")
        command = ad_kind(daemon.ad_type).update
        assert command is not None, "the daemon's class was asked"
        capability = daemon.administration.capability()
        sealed: tuple[bytes, ...] = ()
        if capability is not None:
            sealed = (format_line(attributes.REMOTE_ADMIN_CAPABILITY, capability),)
        for collector in self._collectors.values():
            self._keep(self._send(collector, int(command), ad, sealed), collector)

    def _next_ad(self) -> WireAd:
        """The ad of now; what it says may be that we have to stop."""
        daemon = self._daemon
        self.update_count += 1
        ad = daemon_ad(daemon).with_attributes(
            {attributes.UPDATE_SEQUENCE_NUMBER: self.update_count}
        )
        for knob, name, is_fast in _SHUTDOWN_EXPRESSIONS:
            text = daemon.settings.text(knob)
            if not text:
                continue
            ad = ad.with_attributes({name: ExpressionText(text)})
            if evaluate(text.encode(), ad, int(time.time())) is True:
                _log.info(
                    'The {name} expression "{text}" evaluated to TRUE: starting {how} '
                    "shutdown",
                    name=name,
                    text=text,
                    how="fast" if is_fast else "graceful",
                )
                daemon.reactor.callLater(0, daemon.stay_down, fast=is_fast)
                break
        return ad

    @inlineCallbacks
    def _send(
        self,
        collector: _Collector,
        command: int,
        ad: WireAd,
        sealed: tuple[bytes, ...] = (),
    ) -> Generator[Deferred[Any], Any, None]:
        daemon, address = self._daemon, collector.address
        opener = daemon.opener
        assert opener is not None, "the daemon serves"
        with_tcp = daemon.settings.boolean("UPDATE_COLLECTOR_WITH_TCP", True)
        if not with_tcp and address.accepts_udp:
            yield opener.send_datagram(address, command, ad_writer(ad, sealed))
            return
        if collector.connection is None:
            collector.connection = UpdateConnection(opener, address)
        yield collector.connection.send(command, ad, sealed=sealed)

    def _keep(self, sending: Deferred[None], collector: _Collector) -> None:
        """Keep track of an update that is under way."""
        self._under_way.add(sending)
        sending.addTimeout(_UPDATE_SECONDS, self._daemon.reactor)

        def ended(result: object) -> None:
            self._under_way.discard(sending)
            if not isinstance(result, Failure):
                if collector.is_told is False:
                    _log.info("Collector {name} is told again", name=collector.name)
                collector.is_told = True
                return
            collector.abort()
            if result.check(CancelledError) is None and collector.is_told is not False:
                _log.warn(
                    "Failed to send our ad to collector {name} at {address}: {error}",
                    name=collector.name,
                    address=str(collector.address),
                    error=result.getErrorMessage() or type(result.value).__name__,
                )
                collector.is_told = False

        sending.addBoth(ended)

    @inlineCallbacks
    def _take_back(
        self, collector: _Collector, command: int, ad: WireAd
    ) -> Generator[Deferred[Any], Any, None]:
        yield self._send(collector, command, ad)
        if collector.connection is not None:
            yield collector.connection.finish()

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _abort_all(self) -> None:
        for collector in self._collectors.values():
            collector.abort()
        self._collectors = {}
