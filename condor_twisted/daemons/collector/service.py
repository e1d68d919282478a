"""The collector's service: commands in, decisions of its state out.

Everything that the collector knows is in ``state``; this module reads payloads, hands
them over, and sends what comes back. A reply of any length goes out piece by piece,
as fast as the client takes it; a query never holds the reactor.

Source: ``src/condor_collector.V6/collector.cpp: CollectorDaemon::Init``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Cooperator
from twisted.logger import Logger

from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command, command_name
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore.addresses import host_name
from condor_twisted.daemoncore.daemon import Daemon
from condor_twisted.daemoncore.daemon_ad import common_attributes
from condor_twisted.daemons.collector.state.collector_state import CollectorState
from condor_twisted.daemons.collector.state.own_ad import OwnFacts, own_name
from condor_twisted.daemons.collector.state.records import AdRecord
from condor_twisted.daemons.collector.state.removal import Sweep
from condor_twisted.daemons.collector.state.senders import Requester, Sender
from condor_twisted.daemons.collector.state.settings import CollectorSettings
from condor_twisted.protocols.requests import CommandRequest, Registration
from condor_twisted.security.commands import CommandRule
from condor_twisted.security.peer import Peer
from condor_twisted.wire.messages import MAX_ATTRIBUTES, EncodedAd
from condor_twisted.wire.versions import CondorVersion

__all__ = ["Collector"]

_log = Logger()

#: A session's sender is made once; so many are kept.
_MAX_SENDERS: Final = 4096
#: How often the wall clock is held against the time that passed.
_CLOCK_CHECK_SECONDS: Final = 60.0
#: A wall clock that is off by more than this has been set.
_CLOCK_JUMP_SECONDS: Final = 30.0

_STARTD = Permission.ADVERTISE_STARTD
_SCHEDD = Permission.ADVERTISE_SCHEDD
_MASTER = Permission.ADVERTISE_MASTER
_DAEMON = Permission.DAEMON
_NEGOTIATOR = Permission.NEGOTIATOR
_READ = Permission.READ

#: Commands that store an ad, and what they need.
_UPDATES: Final[dict[Command, Permission]] = {
    Command.UPDATE_STARTD_AD: _STARTD,
    Command.UPDATE_SCHEDD_AD: _SCHEDD,
    Command.UPDATE_MASTER_AD: _MASTER,
    Command.UPDATE_CKPT_SRVR_AD: _DAEMON,
    Command.UPDATE_SUBMITTOR_AD: _SCHEDD,
    Command.UPDATE_COLLECTOR_AD: _DAEMON,
    Command.UPDATE_LICENSE_AD: _DAEMON,
    Command.UPDATE_STORAGE_AD: _DAEMON,
    Command.UPDATE_NEGOTIATOR_AD: _NEGOTIATOR,
    Command.UPDATE_HAD_AD: _DAEMON,
    Command.UPDATE_AD_GENERIC: _DAEMON,
    Command.UPDATE_GRID_AD: _DAEMON,
    Command.MERGE_STARTD_AD: _NEGOTIATOR,
    Command.UPDATE_ACCOUNTING_AD: _NEGOTIATOR,
    Command.UPDATE_OWN_SUBMITTOR_AD: _DAEMON,
}

#: Commands that are answered with ads, and what they need.
_QUERIES: Final[dict[Command, Permission]] = {
    Command.QUERY_STARTD_ADS: _READ,
    Command.QUERY_SCHEDD_ADS: _READ,
    Command.QUERY_MASTER_ADS: _READ,
    Command.QUERY_CKPT_SRVR_ADS: _READ,
    Command.QUERY_STARTD_PVT_ADS: _NEGOTIATOR,
    Command.QUERY_SUBMITTOR_ADS: _READ,
    Command.QUERY_COLLECTOR_ADS: _READ,
    Command.QUERY_LICENSE_ADS: _READ,
    Command.QUERY_STORAGE_ADS: _READ,
    Command.QUERY_ANY_ADS: _READ,
    Command.QUERY_NEGOTIATOR_ADS: _READ,
    Command.QUERY_HAD_ADS: _READ,
    Command.QUERY_GRID_ADS: _READ,
    Command.QUERY_ACCOUNTING_ADS: _READ,
    Command.QUERY_GENERIC_ADS: _READ,
    Command.QUERY_MULTIPLE_ADS: _READ,
    Command.QUERY_MULTIPLE_PVT_ADS: _NEGOTIATOR,
}

#: Commands that remove ads, and what they need.
_INVALIDATIONS: Final[dict[Command, Permission]] = {
    Command.INVALIDATE_STARTD_ADS: _STARTD,
    Command.INVALIDATE_SCHEDD_ADS: _SCHEDD,
    Command.INVALIDATE_MASTER_ADS: _MASTER,
    Command.INVALIDATE_CKPT_SRVR_ADS: _DAEMON,
    Command.INVALIDATE_SUBMITTOR_ADS: _SCHEDD,
    Command.INVALIDATE_COLLECTOR_ADS: _DAEMON,
    Command.INVALIDATE_LICENSE_ADS: _DAEMON,
    Command.INVALIDATE_STORAGE_ADS: _DAEMON,
    Command.INVALIDATE_NEGOTIATOR_ADS: _NEGOTIATOR,
    Command.INVALIDATE_HAD_ADS: _DAEMON,
    Command.INVALIDATE_ADS_GENERIC: _DAEMON,
    Command.INVALIDATE_GRID_ADS: _DAEMON,
    Command.INVALIDATE_ACCOUNTING_ADS: _NEGOTIATOR,
}


class Collector(Daemon):
    """A collector; see `Daemon` for the arguments and its life."""

    subsystem: ClassVar[str] = "COLLECTOR"

    def __init__(self, settings: Settings, reactor: Any = None, **daemon: Any) -> None:
        super().__init__(settings, reactor, **daemon)
        self.state = CollectorState(
            CollectorSettings.from_knobs(self.settings),
            time.time(),
            self._report_line,
        )
        self._senders: dict[tuple[str, str | None, str | None], Sender] = {}
        self._repeating: dict[str, IDelayedCall] = {}
        self._cooperator: Cooperator | None = None
        self._clocks = (0.0, 0.0)
        self._register_commands()

    def _register_commands(self) -> None:
        """Everything that the collector serves, each with its level and transports."""
        anybody = (Permission.ALLOW,)
        for number, level in _UPDATES.items():
            # Anybody may send the ad of an own submitter: who it is decides.
            alternates = anybody if number is Command.UPDATE_OWN_SUBMITTOR_AD else ()
            self._register(number, level, self._update, alternates, keeps=True)
        self._register(
            Command.UPDATE_STARTD_AD_WITH_ACK,
            _STARTD,
            self._acknowledged_update,
            udp=False,
            answers=True,
        )
        for number, level in _INVALIDATIONS.items():
            self._register(number, level, self._invalidate, keeps=True)
        for number, level in _QUERIES.items():
            self._register(
                number,
                level,
                self._query,
                udp=False,
                answers=True,
                also_asks=(_NEGOTIATOR, Permission.ADMINISTRATOR),
            )

    def _register(
        self,
        number: Command,
        level: Permission,
        handler: Any,
        alternates: tuple[Permission, ...] = (),
        *,
        udp: bool = True,
        keeps: bool = False,
        answers: bool = False,
        also_asks: tuple[Permission, ...] = (),
    ) -> None:
        rule = CommandRule(
            int(number), level, alternates, udp=udp, name=command_name(int(number))
        )
        self.register_command(
            Registration(rule, handler, keeps, answers, also_asks=also_asks)
        )

    # -- life ----------------------------------------------------------------------

    def default_port(self) -> int:
        """The port in ``COLLECTOR_PORT``, 9618 if there is none."""
        return self.settings.integer("COLLECTOR_PORT", 9618)

    def startService(self) -> None:
        """Serve; the collector's own ad is there from the first moment."""
        super().startService()
        if self.ports is None:
            return
        reactor = self.reactor
        self._cooperator = Cooperator(
            scheduler=lambda function: reactor.callLater(0, function)
        )
        self._clocks = time.time(), time.monotonic()
        self._finish(self.state.publish_own_ad(self._own_facts(), time.time()))
        self._again("own ad", self.state.settings.update_interval_seconds)
        self._again("sweep", self.state.settings.classad_lifetime_seconds)
        self._again("clock", _CLOCK_CHECK_SECONDS)

    def stopService(self) -> Deferred[Any]:
        """Stop serving; the tables stay as they are."""
        for timer in self._repeating.values():
            if timer.active():
                timer.cancel()
        self._repeating.clear()
        if self._cooperator is not None:
            self._cooperator.stop()
            self._cooperator = None
        return super().stopService()

    def reconfigured(self) -> None:
        """Go by the new settings; the tables stay."""
        self.state.reconfigure(CollectorSettings.from_knobs(self.settings))
        if self._cooperator is not None:
            self._again("own ad", self.state.settings.update_interval_seconds)
            self._again("sweep", self.state.settings.classad_lifetime_seconds)

    def _again(self, what: str, seconds: float) -> None:
        """Do something after a while, instead of when it would have been done."""
        timer = self._repeating.pop(what, None)
        if timer is not None and timer.active():
            timer.cancel()
        if seconds > 0:
            self._repeating[what] = self.reactor.callLater(seconds, self._due, what)

    def _due(self, what: str) -> None:
        settings = self.state.settings
        now = time.time()
        if what == "own ad":
            self._again(what, settings.update_interval_seconds)
            self._in_steps(self.state.publish_own_ad(self._own_facts(), now))
        elif what == "sweep":
            self._again(what, settings.classad_lifetime_seconds)
            self._check_clock()
            self._in_steps(self._swept(now))
        else:
            self._again(what, _CLOCK_CHECK_SECONDS)
            self._check_clock()

    def _swept(self, now: float) -> Iterator[None]:
        sweep = Sweep()
        yield from self.state.sweep(now, sweep)
        if sweep.removed:
            _log.info("{count} ads expired", count=len(sweep.removed))

    def _check_clock(self) -> None:
        """No ad expires because somebody set the clock."""
        wall, passed = self._clocks
        self._clocks = time.time(), time.monotonic()
        jump = (self._clocks[0] - wall) - (self._clocks[1] - passed)
        if abs(jump) > _CLOCK_JUMP_SECONDS:
            _log.warn("The clock was set by {seconds:.0f} s", seconds=jump)
            self.state.clock_jumped(jump)

    def _in_steps(self, steps: Iterable[None]) -> None:
        """Work through something, a step in each turn of the reactor."""
        if self._cooperator is None:
            self._finish(steps)
            return
        done = self._cooperator.coiterate(iter(steps))
        done.addErrback(lambda failure: _log.failure("the collector's upkeep", failure))

    @staticmethod
    def _finish(steps: Iterable[None]) -> None:
        for _ in steps:
            pass

    def _own_facts(self) -> OwnFacts:
        settings = self.settings
        name = host_name(settings)
        return OwnFacts(
            own_name(settings.text("COLLECTOR_NAME"), settings.local_name, name),
            name,
            str(self.address),
            self.state.settings.update_interval_seconds,
            common_attributes(self),
        )

    # -- commands ------------------------------------------------------------------

    def _update(self, request: CommandRequest) -> None:
        """Store an ad, or a slot's two."""
        sender = self._sender(request.peer)
        if request.encrypted or request.secrets is not None:
            accepted = self.state.receive(
                request.command, self._read_ads(request, 2), sender, time.time()
            )
        else:
            accepted = self.state.receive_clear(
                request.command, request.payload, request.offset, sender, time.time()
            )
        if accepted.problem is not None:
            _log.debug(
                "{command}: the private ad is dropped: {problem}",
                command=command_name(request.command),
                problem=accepted.problem,
            )

    def _acknowledged_update(self, request: CommandRequest) -> None:
        """Store a slot's ad, and say so once it is stored."""
        self._update(request)
        writer = request.writer()
        writer.put_int(1)
        request.reply(writer.end_of_message())

    def _invalidate(self, request: CommandRequest) -> None:
        """Remove ads."""
        reader = request.reader()
        invalidation, steps = self.state.invalidate(
            request.command, reader.get_ad(MAX_ATTRIBUTES), time.time()
        )

        def carried_out() -> Iterator[None]:
            yield from steps
            _log.info(
                "{what}, asked by {peer}",
                what=invalidation.describe(),
                peer=str(request.peer),
            )

        self._in_steps(carried_out())

    def _query(self, request: CommandRequest) -> Deferred[None]:
        """Answer with ads."""
        reader = request.reader()
        ad = reader.get_ad(MAX_ATTRIBUTES)
        reader.end_of_message()
        plan = self.state.plan_query(
            request.command, ad, self._requester(request), time.time()
        )
        channel = request.channel
        assert channel is not None, "queries come by TCP alone"
        secrets = channel.secrets
        form = self.state.reply_form(
            channel.encrypted, None if secrets is None else secrets.for_message()
        )
        return request.reply_parts(plan.run(form))

    @staticmethod
    def _read_ads(request: CommandRequest, most: int) -> list[EncodedAd]:
        reader = request.reader()
        ads = [reader.get_ad(MAX_ATTRIBUTES)]
        while len(ads) < most and not reader.at_end():
            ads.append(reader.get_ad(MAX_ATTRIBUTES))
        return ads

    def _sender(self, peer: Peer) -> Sender:
        """Who sends, made once for all that one session sends."""
        key = (peer.user, peer.method, peer.subsystem)
        sender = self._senders.get(key)
        if sender is None:
            if len(self._senders) >= _MAX_SENDERS:
                self._senders.clear()
            sender = self._senders[key] = Sender(
                peer.user,
                peer.method,
                peer.user.rpartition("@")[0] if peer.is_mapped else None,
                peer.is_authenticated and peer.subsystem == "COLLECTOR",
            )
        return sender

    def _requester(self, request: CommandRequest) -> Requester:
        peer = request.peer
        version = None if peer.version is None else CondorVersion.parse(peer.version)
        return Requester(
            request.holds(_NEGOTIATOR) or request.holds(Permission.ADMINISTRATOR),
            version,
            peer.subsystem or "UNKNOWN",
            peer.address,
        )

    @staticmethod
    def _report_line(record: AdRecord, line: bytes) -> None:
        _log.warn(
            "A line of the {type} ad {key} does not parse and is dropped: {line}",
            type=record.kind.my_type,
            key=record.key[:128],
            line=repr(line[:80]),
        )
