"""The collector as a service: commands in, answers out, timers.

What it knows and decides is in ``state``; here that meets connections and the clock.

Source: ``src/condor_collector.V6/collector.cpp``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.python.failure import Failure

from condor_twisted.classad.wire_ad import AdValue
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import command_name
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore import CommandRequest, Daemon, Registration
from condor_twisted.daemoncore.daemon_ad import common_attributes, self_monitoring
from condor_twisted.daemoncore.events.timers import Timer
from condor_twisted.daemoncore.ports.addresses import host_name
from condor_twisted.daemons.collector.commands import (
    ACKNOWLEDGED,
    INVALIDATIONS,
    QUERIES,
    UPDATES,
)
from condor_twisted.daemons.collector.pool_page import PoolPage
from condor_twisted.daemons.collector.query_answers import (
    STEPS_AT_ONCE,
    QueryAnswers,
)
from condor_twisted.daemons.collector.state.collector_state import CollectorState
from condor_twisted.daemons.collector.state.own_ad import OwnFacts, own_name
from condor_twisted.daemons.collector.state.query_plans import QueryPlan
from condor_twisted.daemons.collector.state.records import AdRecord
from condor_twisted.daemons.collector.state.refusals import (
    InvalidationRefused,
)
from condor_twisted.daemons.collector.state.removal import Invalidation, Sweep
from condor_twisted.daemons.collector.state.senders import Sender
from condor_twisted.daemons.collector.state.settings import CollectorSettings
from condor_twisted.daemons.collector.turns import Turns
from condor_twisted.daemons.collector.workers import WorkerPool
from condor_twisted.errors import ConfigError, RemoteProtocolError
from condor_twisted.protocols.command_ports import SocketOptions
from condor_twisted.protocols.log_text import escaped
from condor_twisted.security.commands import CommandRule
from condor_twisted.security.peer import Peer
from condor_twisted.wire.messages import EncodedAd

__all__ = ["Collector"]

_log = Logger()

DEFAULT_PORT: Final = 9618
#: How often daemons send their ads, unless they are told otherwise.
DEFAULT_UPDATE_SECONDS: Final = 300
#: The clock was set when it is so far from where it should be.
CLOCK_JUMP_SECONDS: Final = 2.0
#: What a query costs at most, in bytes of its ad.
_MAX_QUERY_BYTES: Final = 4 << 20
_MAX_SENDERS: Final = 4096
_ACKNOWLEDGEMENT: Final = (1).to_bytes(8, "big")
_DONE: Final = object()


class Collector(Daemon):
    """An HTCondor collector.

    Args:
        settings: The configuration.
        reactor: Where to run; Twisted's global one by default.
        unix_time: The wall clock.
        http: Where the pool page is, a server endpoint of Twisted's; ``None`` or
            ``none`` for no page.
        arguments: See `Daemon`.

    Attributes:
        state: What the collector knows.
        workers: Evaluates expensive constraints; there while the service runs.
        page: The pool page, if there is one.
    """

    subsystem: ClassVar[str] = "COLLECTOR"

    def __init__(
        self,
        settings: Settings,
        reactor: Any = None,
        *,
        unix_time: Callable[[], float] = time.time,
        http: str | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(settings, reactor, **arguments)
        self._unix_time = unix_time
        self.state = CollectorState(
            CollectorSettings.from_knobs(self.settings),
            unix_time(),
            report_line=self._line_dropped,
            live_statistics=self._live_statistics,
        )
        self._answers = QueryAnswers(self.state, self.now)
        self.workers: WorkerPool | None = None
        self.page: PoolPage | None = None
        if http is not None and http.lower() != "none":
            self.page = PoolPage(self, http)
        self._warm_up_seconds = self.settings.seconds(
            "UPDATE_INTERVAL", DEFAULT_UPDATE_SECONDS
        )
        self._warm_at_seconds = 0.0
        self._clock_offset = 0.0
        self._senders: dict[tuple[str, str | None, str | None], Sender] = {}
        self._sweep_timer: Timer | None = None
        self._own_ad_timer: Timer | None = None
        self._turns: Turns | None = None
        received = self.state.statistics
        self.statistics.add_rate(
            "Collector_UpdatesReceived", lambda: received.received_count
        )
        self.statistics.each_quantum(lambda: received.tick(self.now()))
        self._register()

    def _register(self) -> None:
        """Serve the commands of a collector."""
        private = (Permission.NEGOTIATOR, Permission.ADMINISTRATOR)
        for number, levels in UPDATES.items():
            rule = _rule(number, levels, udp=True)
            self.register_command(Registration(rule, self._update, keeps_stream=True))
        for number, levels in ACKNOWLEDGED.items():
            rule = _rule(number, levels, udp=False)
            self.register_command(Registration(rule, self._update, answers=True))
        for number, levels in INVALIDATIONS.items():
            rule = _rule(number, levels, udp=True)
            self.register_command(
                Registration(rule, self._invalidate, keeps_stream=True)
            )
        for number, levels in QUERIES.items():
            self.register_command(
                Registration(
                    _rule(number, levels, udp=False),
                    self._answers.query,
                    answers=True,
                    max_payload_bytes=_MAX_QUERY_BYTES,
                    also_asks=private,
                )
            )

    # The life of a daemon.

    def default_port(self) -> int:
        """The port in ``COLLECTOR_HOST``, or ``COLLECTOR_PORT``."""
        hosts = self.settings.words("COLLECTOR_HOST")
        if len(hosts) == 1:
            port = hosts[0].rpartition(":")[2].partition("?")[0]
            if ":" in hosts[0] and port.isascii() and port.isdigit():
                return min(int(port), 65535)
        return self.settings.integer("COLLECTOR_PORT", DEFAULT_PORT)

    def socket_options(self) -> SocketOptions:
        """A collector's sockets have larger buffers."""
        usual = super().socket_options()
        return SocketOptions(
            backlog=usual.backlog,
            accepts_per_turn=usual.accepts_per_turn,
            datagrams_per_turn=usual.datagrams_per_turn,
            keep_alive_seconds=usual.keep_alive_seconds,
            stream_buffer_bytes=self.settings.integer(
                "COLLECTOR_TCP_SOCKET_BUFSIZE", 131_072
            ),
            datagram_buffer_bytes=self.settings.integer(
                "COLLECTOR_SOCKET_BUFSIZE", 10_240_000
            ),
        )

    def privilegedStartService(self) -> None:
        """Open the ports, the page's included.

        Raises:
            ConfigError: The settings or the page's endpoint have no sense.
            CannotListenError: A port is taken.
        """
        super().privilegedStartService()
        if self.page is None or self.ports is None:
            return
        try:
            self.page.open(self.reactor)
        except (ConfigError, CannotListenError, OSError) as error:
            self._close_now()
            if self.start_failed is None:
                raise
            self.start_failed(error)

    def ready_line(self) -> str:
        """What to say when commands are accepted: where, and where the page is."""
        line = super().ready_line()
        url = "" if self.page is None else self.page.url()
        return f"{line}, pool page at {url}" if url else line

    def startService(self) -> None:
        """Accept commands, and begin to keep house."""
        super().startService()
        if self.ports is None:
            return
        settings = self.state.settings
        self._turns = Turns(self.reactor)
        self._clock_offset = self._unix_time() - self.reactor.seconds()
        self._warm_at_seconds = self.reactor.seconds() + self._warm_up_seconds
        self.workers = WorkerPool(
            self.reactor,
            settings.query_workers,
            settings.query_workers_reserved,
            settings.query_workers_pending,
        )
        self._answers.begin(self._turns, self.workers)
        # Differs from HTCondor, which waits a second: whoever is told that commands
        # are accepted finds the collector's own ad.
        self._publish_own_ad()
        self._schedule_sweep()

    def stopService(self) -> Deferred[Any]:
        """Stop, and end all workers."""
        for timer in (self._sweep_timer, self._own_ad_timer):
            if timer is not None:
                timer.cancel()
        self._sweep_timer = self._own_ad_timer = None
        self._answers.end()
        if self._turns is not None:
            self._turns.close()
        stopped = super().stopService()
        workers, self.workers = self.workers, None
        if workers is None:
            return stopped
        closed = workers.close()
        return stopped.addCallback(lambda _: closed)

    def _close_now(self) -> Deferred[Any]:
        closed = super()._close_now()
        if self.page is not None:
            page_closed = self.page.close()
            closed.addCallback(lambda _: page_closed)
        return closed

    def reconfigured(self) -> None:
        """Take the new settings; the ads stay."""
        settings = CollectorSettings.from_knobs(self.settings)
        self.state.reconfigure(settings)
        if self.workers is not None:
            self.workers.limit = settings.query_workers
            self.workers.reserved = settings.query_workers_reserved
            self.workers.pending = settings.query_workers_pending
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        self._schedule_sweep()

    # Time.

    def now(self) -> float:
        """The time; when the clock was set, no ad ages by that."""
        now = self._unix_time()
        jump = now - self.reactor.seconds() - self._clock_offset
        if not -CLOCK_JUMP_SECONDS < jump < CLOCK_JUMP_SECONDS:
            self._clock_offset += jump
            self.state.clock_jumped(jump)
            _log.warn("The clock was set by {jump:.0f} seconds", jump=jump)
        return now

    def is_warming_up(self) -> bool:
        """Whether daemons that run may have had no reason yet to send their ads."""
        return self.ports is None or self.reactor.seconds() < self._warm_at_seconds

    def _schedule_sweep(self) -> None:
        period = self.state.settings.classad_lifetime_seconds
        self._sweep_timer = None
        if period > 0 and self.ports is not None:
            self._sweep_timer = self.timers.register(
                period, self._sweep, name="CollectorEngine::housekeeper"
            )

    def _sweep(self) -> None:
        self._schedule_sweep()
        sweep = Sweep()

        def tell() -> None:
            if sweep.removed:
                _log.info("Removed {count} stale ads", count=len(sweep.removed))

        work = self._work(self.state.sweep(self.now(), sweep), tell)
        if work is not None:
            work.addErrback(_log_failure)

    def _publish_own_ad(self) -> None:
        facts = self._own_facts()
        self._own_ad_timer = self.timers.register(
            facts.update_interval_seconds, self._publish_own_ad, name="sendCollectorAd"
        )
        work = self._work(self.state.publish_own_ad(facts, self.now()))
        if work is not None:
            work.addErrback(_log_failure)

    def _work(
        self,
        steps: Iterator[None],
        then: Callable[[], object] = lambda: None,
        *,
        is_urgent: bool = True,
    ) -> Deferred[None] | None:
        """Do something, whoever wanted it: a little of it now, the rest in turns.

        Args:
            steps: Each step does bounded work.
            then: Called when all is done.
            is_urgent: Whether it is our own work.

        Returns:
            ``None`` if all is done already; else a `Deferred` that fires when it is,
            and fails with what the steps raise. Cancelling it leaves the work alone.
        """
        for _ in range(STEPS_AT_ONCE):
            if next(steps, _DONE) is _DONE:
                then()
                return None
        turns = self._turns
        assert turns is not None, "the service runs"
        work = turns.run(steps, is_urgent=is_urgent)
        told: Deferred[None] = Deferred()

        def finished(result: object) -> None:
            if not isinstance(result, Failure):
                then()
            if not told.called:
                told.callback(result)  # type: ignore[arg-type]

        work.addBoth(finished)
        return told

    # Updates and invalidations.

    def _update(self, request: CommandRequest) -> None:
        sender = self._sender(request.peer)
        now = self.now()
        command = request.command
        if request.secrets is not None and not request.encrypted:
            accepted = self.state.receive(command, _read_ads(request), sender, now)
        else:
            state = self.state
            receive = (
                state.receive_prefixed if request.encrypted else state.receive_clear
            )
            accepted = receive(command, request.payload, request.offset, sender, now)
        old = accepted.old
        if old is not None and old.identity != accepted.record.identity:
            self._identity_changed(request, old, accepted.record)
        if accepted.wants_ack:
            request.reply(_ACKNOWLEDGEMENT)

    def _invalidate(self, request: CommandRequest) -> Deferred[None] | None:
        reader = request.reader()
        ad = reader.get_ad()
        reader.end_of_message()
        done, steps = self.state.invalidate(request.command, ad, self.now())
        # It is carried out also if the peer hangs up meanwhile.
        if self._answers.is_overloaded and not done.by_key:
            raise InvalidationRefused("too much is under way already")
        return self._work(
            steps, lambda: self._invalidated(request, done), is_urgent=False
        )

    def _invalidated(self, request: CommandRequest, done: Invalidation) -> None:
        if self.server is not None:
            self.server.folded.info(
                "invalidated",
                request.peer.address,
                "{what} ({user} at {address})",
                what=escaped(done.describe()),
                user=escaped(request.peer.user),
                address=request.peer.address,
            )

    def _sender(self, peer: Peer) -> Sender:
        """The sender of an update; one object for one identity."""
        key = (peer.user, peer.method, peer.subsystem)
        sender = self._senders.get(key)
        if sender is None:
            is_somebody = peer.is_authenticated and peer.is_mapped
            sender = Sender(
                identity=peer.user,
                method=peer.method,
                owner=peer.user.partition("@")[0] if is_somebody else None,
                is_forwarder=is_somebody and peer.subsystem == self.subsystem,
            )
            if len(self._senders) >= _MAX_SENDERS:
                self._senders.clear()
            self._senders[key] = sender
        return sender

    def _identity_changed(
        self, request: CommandRequest, old: AdRecord, new: AdRecord
    ) -> None:
        if self.server is not None:
            self.server.folded.info(
                "identity",
                request.peer.address,
                "The {type} ad {key} of {old} is now of {new} at {address}",
                type=escaped(new.kind.my_type),
                key=escaped(new.key),
                old=escaped(old.identity),
                new=escaped(new.identity),
                address=request.peer.address,
            )

    def _line_dropped(self, record: AdRecord, line: bytes) -> None:
        if self.server is not None:
            name = line.partition(b" = ")[0]
            self.server.folded.warn(
                "line",
                record.kind.my_type,
                "{name} of the {type} ad {key} does not parse and is not sent",
                name=escaped(name, 128),
                type=escaped(record.kind.my_type),
                key=escaped(record.key, 256),
            )

    def select(self, plan: QueryPlan) -> Deferred[None]:
        """Find the ads that a query wants; see `QueryAnswers.select`."""
        return self._answers.select(plan)

    # The collector's own ad.

    def _own_facts(self) -> OwnFacts:
        """What the collector says of itself."""
        settings = self.settings
        host = host_name(settings)
        return OwnFacts(
            name=own_name(settings.text("COLLECTOR_NAME"), settings.local_name, host),
            host_name=host,
            address=str(self.address),
            update_interval_seconds=self.state.settings.update_interval_seconds,
            further=common_attributes(self),
            admin_capability=self.administration.capability(),
        )

    def _live_statistics(self, wanted: str | None) -> dict[str, AdValue]:
        """Counters that the state does not have, as a query wants them."""
        values = self_monitoring(self, verbose=wanted is not None)
        values.update(self.statistics.publish(wanted))
        server, workers = self.server, self.workers
        if server is not None:
            values["HandlerErrors"] = server.counters.handler_errors
        if workers is not None:
            values["ActiveQueryWorkers"] = workers.active_count
            values["ActiveQueryWorkersPeak"] = workers.peak_active_count
            values["PendingQueries"] = workers.pending_count
            values["PendingQueriesPeak"] = workers.peak_pending_count
        return values


def _read_ads(request: CommandRequest) -> list[EncodedAd]:
    """The ads of an update with secrets in it.

    What is wrong with a second one does not matter.
    """
    reader = request.reader()
    ads = [reader.get_ad()]
    if request.command == 0 and not reader.at_end():
        # Kept for compatibility: the public ad is stored all the same.
        with contextlib.suppress(RemoteProtocolError):
            ads.append(reader.get_ad())
    return ads


def _log_failure(failure: Failure) -> None:
    if failure.check(CancelledError) is None:
        _log.failure("housekeeping failed", failure)


def _rule(number: int, levels: tuple[Permission, ...], *, udp: bool) -> CommandRule:
    return CommandRule(
        int(number), levels[0], levels[1:], udp=udp, name=command_name(number)
    )
