"""What a daemon has besides commands: timers, handlers, signals, children, threads.

Each is made when somebody asks for it first, and closed when the daemon stops; a daemon
that is started again has new ones.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, succeed

from condor_twisted.daemoncore.children.endpoints import own_cookie
from condor_twisted.daemoncore.events.handlers import HandlerRunner
from condor_twisted.daemoncore.events.time_skips import TimeSkips
from condor_twisted.daemoncore.events.timers import Timer, Timers
from condor_twisted.errors import LocalProtocolError
from condor_twisted.protocols.commands import CommandOpener
from condor_twisted.protocols.host_steps import run_in_threads
from condor_twisted.security.patterns.hosts import parse_ip
from condor_twisted.security.peer import Peer
from condor_twisted.security.sessions.claim_ids import ClaimId
from condor_twisted.security.sessions.shared import make_family

# The parts are imported when somebody asks for them first, too.
if TYPE_CHECKING:
    from condor_twisted.daemoncore.children.child import Child, Reaper
    from condor_twisted.daemoncore.children.families import Family
    from condor_twisted.daemoncore.children.hung import HungChildren
    from condor_twisted.daemoncore.children.inheritance import ChildInheritance
    from condor_twisted.daemoncore.children.processes import Processes
    from condor_twisted.daemoncore.children.readiness import Readiness
    from condor_twisted.daemoncore.children.spawn_options import SpawnOptions
    from condor_twisted.daemoncore.children.threads import Threads
    from condor_twisted.daemoncore.daemon import Daemon
    from condor_twisted.daemoncore.events.descriptors import Descriptors
    from condor_twisted.daemoncore.events.signal_delivery import (
        Relative,
        SignalSender,
    )

__all__ = ["HasRuntime", "Runtime"]

_PARTS: Final = (
    "timers",
    "time_skips",
    "descriptors",
    "processes",
    "threads",
    "hung_children",
    "readiness",
    "signal_sender",
)


class HasRuntime:
    """What a daemon offers of its `Runtime`."""

    runtime: Runtime

    @property
    def timers(self) -> Timers:
        """Functions that run later, or again and again."""
        return self.runtime.timers

    @property
    def time_skips(self) -> TimeSkips:
        """Functions that are told of jumps of the wall clock."""
        return self.runtime.time_skips

    @property
    def descriptors(self) -> Descriptors:
        """Handlers for sockets and pipes."""
        return self.runtime.descriptors

    @property
    def processes(self) -> Processes:
        """The child processes there are; `spawn` starts them."""
        return self.runtime.processes

    @property
    def threads(self) -> Threads:
        """Functions in threads, or in processes of their own."""
        return self.runtime.threads

    def spawn(
        self,
        program: str,
        arguments: Sequence[str] = (),
        options: SpawnOptions | None = None,
        *,
        reaper: Reaper | None = None,
    ) -> Deferred[Child]:
        """Start a child process; see `Processes.spawn`.

        Its family is followed, and its heartbeats are watched, if the options say so.
        """
        from condor_twisted.daemoncore.children.spawn_options import SpawnOptions

        options = SpawnOptions() if options is None else options
        return self.runtime.spawn(program, arguments, options, reaper)

    def family_of(self, child: Child) -> Family:
        """A child and what descends from it; see `Family`."""
        return self.runtime.family_of(child)

    def send_signal(self, process_id: int, number: int) -> Deferred[bool]:
        """Send a signal to a process, or to ourselves; see `SignalSender.send`."""
        return self.runtime.signal_sender.send(process_id, number)


class Runtime:
    """What runs for one daemon; see the module of each part.

    Args:
        daemon: The daemon.

    Attributes:
        runner: Runs whatever handlers there are.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._families: dict[int, tuple[Family, Timer]] = {}
        self._family: ClaimId | None = None
        self._cookie = own_cookie(os.environ)
        self.runner = HandlerRunner(
            lambda *arguments: self._reactor.callLater(*arguments),
            seconds=lambda: self.timers.seconds(),
        )

    @property
    def _reactor(self) -> Any:
        if self._daemon.reactor is None:
            from twisted.internet import reactor as global_reactor

            self._daemon.reactor = global_reactor
        return self._daemon.reactor

    @cached_property
    def timers(self) -> Timers:
        """Functions that run later."""
        limit = self._daemon.settings.integer("MAX_TIMER_EVENTS_PER_CYCLE", 0)
        return Timers(self._reactor, self.runner, max(0, limit))

    @cached_property
    def time_skips(self) -> TimeSkips:
        """Functions that are told of jumps of the wall clock."""
        return TimeSkips(self.timers, self.runner, time.time)

    @cached_property
    def descriptors(self) -> Descriptors:
        """Handlers for sockets and pipes."""
        from condor_twisted.daemoncore.events.descriptors import Descriptors

        return Descriptors(self._reactor, self.timers, self.runner)

    @cached_property
    def processes(self) -> Processes:
        """Child processes."""
        from condor_twisted.daemoncore.children.processes import (
            Processes,
            ProcessSettings,
        )

        return Processes(
            self._reactor,
            self.timers.seconds,
            self.runner,
            self._inheritance,
            ProcessSettings.from_settings(self._daemon.settings),
            os.environ,
            self._child_ended,
        )

    @cached_property
    def threads(self) -> Threads:
        """Functions in threads."""
        from condor_twisted.daemoncore.children.threads import Threads

        defer = run_in_threads(self._reactor)
        return Threads(self.processes, defer, self._reactor.callLater, self.runner)

    @cached_property
    def hung_children(self) -> HungChildren:
        """Children whose heartbeats are missing."""
        from condor_twisted.daemoncore.children.hung import HungChildren

        return HungChildren(
            self.processes,
            self.timers,
            lambda: self._daemon.settings.boolean("NOT_RESPONDING_WANT_CORE", False),
        )

    @cached_property
    def readiness(self) -> Readiness:
        """Takes word of children that are ready, and passes it on."""
        from condor_twisted.daemoncore.children.readiness import Readiness

        return Readiness(self._daemon)

    @cached_property
    def signal_sender(self) -> SignalSender:
        """Sends signals to processes."""
        from condor_twisted.daemoncore.events.signal_delivery import SignalSender

        return SignalSender(
            self._daemon.signals,
            self._relative,
            self._opener,
            lambda: self._daemon.settings,
        )

    def spawn(
        self,
        program: str,
        arguments: Sequence[str],
        options: SpawnOptions,
        reaper: Reaper | None,
    ) -> Deferred[Child]:
        """Start a child; see `Processes.spawn`."""

        def started(child: Child) -> Child:
            daemon, family = options.daemon, options.family
            if daemon is not None and daemon.not_responding_seconds is not None:
                self.hung_children.expect(child, daemon.not_responding_seconds)
            if family is not None:
                members = self.family_of(child)
                timer = self.timers.call_every(family.snapshot_seconds, members.look)
                self._families[child.pid] = (members, timer)
            return child

        if options.daemon is not None:
            _ = self.readiness  # before the child's session is made, which says so
        done = self.processes.spawn(program, arguments, options, reaper=reaper)
        return done.addCallback(started)

    def family_of(self, child: Child) -> Family:
        """The family of a child: itself, and what descends from it.

        It can be asked for, and killed, as long as the child's reaper is not done.
        """
        kept = self._families.get(child.pid)
        if kept is not None:
            return kept[0]
        from condor_twisted.daemoncore.children.families import Family

        return Family(child.pid, child.marker, run_in_threads(self._reactor))

    # Part of a daemon.

    def begin(self) -> None:
        """The daemon serves now."""

    def renew(self) -> None:
        """The daemon has new settings.

        Raises:
            ConfigError: One has no sense.
        """
        if "processes" in self.__dict__:
            from condor_twisted.daemoncore.children.processes import ProcessSettings

            settings = ProcessSettings.from_settings(self._daemon.settings)
            self.processes.settings = settings

    def end(self) -> Deferred[None]:
        """Close everything that was made; fires when the children have ended."""
        made = self.__dict__
        closing: Deferred[None] = succeed(None)
        if "descriptors" in made:
            self.descriptors.close()
        if "readiness" in made:
            self.readiness.close()
        if "processes" in made:
            closing = self.processes.close()

        def close_rest(_: object) -> None:
            if "timers" in made:
                self.timers.close()
            self.runner.close()
            self._family = None  # security is made anew with the next start
            for name in _PARTS:
                made.pop(name, None)

        return closing.addCallback(close_rest)

    def _opener(self) -> CommandOpener:
        opener = self._daemon.opener
        if opener is None:
            raise LocalProtocolError("the daemon does not serve, so it has no identity")
        return opener

    def _inheritance(self) -> ChildInheritance:
        from condor_twisted.daemoncore.children.inheritance import ChildInheritance

        daemon = self._daemon
        return ChildInheritance(
            daemon.settings,
            daemon.security,
            daemon.table.rules,
            None if daemon.ports is None else daemon.address,
            None if daemon.ports is None else daemon.ports.host,
            daemon.started_at_unix,
            self._family_session(),
            self._cookie,
        )

    def _family_session(self) -> ClaimId | None:
        """The session of our family of processes, which we found if there is none."""
        daemon = self._daemon
        if daemon.inherited is not None and daemon.inherited.family is not None:
            return daemon.inherited.family
        security = daemon.security
        if (
            self._family is None
            and security is not None
            and security.family_session_id is None
            and daemon.settings.boolean("SEC_USE_FAMILY_SESSION", True)
        ):
            self._family = make_family(security)
        return self._family

    def may_be_from(self, child: Child, peer: Peer) -> bool:
        """Whether a child may be at the other end.

        The session that a child alone shares with us says so; another child's says
        the contrary. Whoever else may speak as a daemon has to be on this host.
        """
        if peer.session_id is not None and peer.session_id == child.session_id:
            return True
        for other in self.processes:
            if peer.session_id is not None and peer.session_id == other.session_id:
                return False
        return self.is_local(peer.address)

    def is_local(self, address: str) -> bool:
        """Whether an IP address is one of this host."""
        ip = parse_ip(address)
        security = self._daemon.security
        if ip is None or security is None:
            return False
        return ip.is_loopback or ip in security.host.local_addresses

    def _relative(self, process_id: int) -> Relative | None:
        from condor_twisted.daemoncore.events.signal_delivery import Relative

        if "processes" in self.__dict__:
            child = self.processes.find(process_id)
            if child is not None:
                return Relative.of_child(child)
        parent = self._daemon.inherited
        if parent is None or parent.parent_id != process_id:
            return None
        return Relative.of_parent(process_id, parent.parent_address)

    def _child_ended(self, child: Child) -> None:
        kept = self._families.pop(child.pid, None)
        if kept is not None:
            kept[1].cancel()
