"""What every daemon is: a service with commands, ports, security and a life.

The life of a daemon:

1.  Construction: settings are kept, commands are collected. Nothing is opened.
2.  ``privilegedStartService``: the reactor is chosen, security is read from the
    settings, the ports are opened. What is wrong shows here, before anything runs.
3.  ``startService``: the address file is written, the "ready" line logged, and what
    else belongs to the daemon begins (`facilities`): heartbeats, ads, ...
4.  Signals and ``DC_`` commands: SIGHUP reads the configuration again, SIGTERM stops
    gracefully, SIGQUIT fast. Only a daemon that owns its process (`own_process`)
    touches the process's signals and stops the reactor; an embedded one stops itself.
5.  ``stopService``: everything that was opened is closed, the address file removed.

Subclasses have a say at each step: `Daemon.before_initialization`,
`Daemon.before_command_sockets`, `Daemon.started`, `Daemon.reconfigured`,
`Daemon.shutdown_gracefully`, `Daemon.shutdown_fast`.

This module is long because all parts of a daemon meet here; each part has a module of
its own.

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: dc_main``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from condor_twisted.classad.wire_ad import AdValue
from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.administration import Administration
from condor_twisted.daemoncore.builtin_commands import BuiltinCommands
from condor_twisted.daemoncore.children.endpoints import found_cookie
from condor_twisted.daemoncore.command_table import CommandTable, declared_commands
from condor_twisted.daemoncore.configuration.remote import RemoteConfiguration
from condor_twisted.daemoncore.events.signals import Signals
from condor_twisted.daemoncore.facilities import Facility, end_all
from condor_twisted.daemoncore.housekeeping import Housekeeping
from condor_twisted.daemoncore.inheritance import Inherited, take_inheritance
from condor_twisted.daemoncore.late_commands import LateCommands
from condor_twisted.daemoncore.logs.lines import CondorLogObserver, DebugFlags
from condor_twisted.daemoncore.logs.setup import LogCare, reopen_logs
from condor_twisted.daemoncore.parent import Parent
from condor_twisted.daemoncore.ports.address_file import AddressFiles
from condor_twisted.daemoncore.ports.addresses import announced_address
from condor_twisted.daemoncore.ports.endpoint import Endpoint
from condor_twisted.daemoncore.ports.opening import open_command_ports
from condor_twisted.daemoncore.program.own_process import (
    banner,
    farewell,
    settle_in,
)
from condor_twisted.daemoncore.runtime import HasRuntime, Runtime
from condor_twisted.daemoncore.shutdown import Shutdown
from condor_twisted.daemoncore.signing_keys import create_signing_keys
from condor_twisted.daemoncore.statistics.facility import Statistics
from condor_twisted.errors import ConfigError, LocalProtocolError
from condor_twisted.protocols.clocks import make_monotonic
from condor_twisted.protocols.command_ports import (
    CommandPorts,
    SocketOptions,
)
from condor_twisted.protocols.command_server import CommandServer, ServerLimits
from condor_twisted.protocols.command_transport import Door
from condor_twisted.protocols.commands import CommandOpener
from condor_twisted.protocols.endpoints import dialling
from condor_twisted.protocols.host_steps import Host, run_in_threads
from condor_twisted.protocols.own_security import log_file_problems, open_security
from condor_twisted.protocols.requests import Registration
from condor_twisted.protocols.safe_sock import SafeSockProtocol
from condor_twisted.security.context import SecurityState
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["Daemon"]

_log = Logger()

#: How long facilities may take to end.
FACILITIES_END_SECONDS: Final = 1.5
#: The exit status that asks a master not to start us again.
NO_RESTART_STATUS: Final = 99


class Daemon(HasRuntime, MultiService):
    """A DaemonCore daemon; subclasses add ``@command`` methods.

    Args:
        settings: The configuration.
        reactor: Where to run; Twisted's global one by default, looked up when the
            service starts.
        load_settings: Reads the configuration again, for reconfigurations; without
            it the settings stay what they are.
        port: The command port; `default_port` by default, 0 for any free one.
        interface: The address to bind; what the settings say by default.
        address_file: Where to write the address file, besides the one that the
            settings name.
        remote_configuration: Keeps what is set from afar, for whoever loads the
            settings; without it nothing can be set.
    """

    #: Whose knobs these are; a subclass says its own.
    subsystem: ClassVar[str] = "DAEMON"
    #: The kind of ad that the pool's collectors are told of it; ``None`` for none.
    ad_type: ClassVar[str | None] = None

    def __init__(
        self,
        settings: Settings,
        reactor: Any = None,
        *,
        load_settings: Callable[[], Settings] | None = None,
        port: int | None = None,
        interface: str | None = None,
        address_file: str | None = None,
        remote_configuration: RemoteConfiguration | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.settings = self._own(settings)
        self.reactor: Any = reactor
        self.instance_id = secrets.token_hex(8)
        #: Whether a graceful shutdown has no time limit.
        self.peaceful = False
        self.table = CommandTable()
        self.security: SecurityState | None = None
        self.host: Host | None = None
        self.server: CommandServer | None = None
        self.datagrams: SafeSockProtocol | None = None
        self.ports: CommandPorts | None = None
        #: Opens commands at other daemons, as us; there while we serve.
        self.opener: CommandOpener | None = None
        self.runtime = Runtime(self)
        #: What begins and ends with the daemon, in this order.
        self.endpoint = Endpoint(self)
        #: What an ad tells a collector for its administrators.
        self.administration = Administration(
            lambda: self.settings, lambda: self.security, self.table.rules
        )
        #: What the daemon's ad says of its own work.
        self.statistics = Statistics(self)
        self.facilities: list[Facility] = [
            self.runtime,
            self.endpoint,
            self.administration,
            self.statistics,
        ]
        #: What a DaemonCore parent has handed down, if there is one.
        self.inherited: Inherited | None = None
        #: Our name behind a shared port, if somebody gave one.
        self.endpoint_name: str | None = None
        #: What the names of endpoints in our tree of processes begin with.
        self.cookie: str | None = None
        #: What the process ends with, for whoever started it.
        self.exit_status = 0
        self.started_at_unix = 0
        self.reconfigured_at_unix = 0
        #: How many times the configuration was read again, and how many were refused.
        self.reconfigured_count = 0
        self.reconfigure_errors_count = 0
        self.signals = Signals(self._call_soon, self.runtime.runner)
        self.signals.subscribe(signal.SIGTERM, self.stop_gracefully)
        self.signals.subscribe(getattr(signal, "SIGQUIT", 3), self.stop_fast)
        self.signals.subscribe(getattr(signal, "SIGHUP", 1), self.request_reconfigure)
        #: Gets what made the start fail; raises it by default.
        self.start_failed: Callable[[Exception], None] | None = None
        #: Gets the line that says where we are, besides the log.
        self.announce: Callable[[str], object] | None = None
        #: Where this process logs, if that is not for twistd to say.
        self.log_observer: CondorLogObserver | None = None
        self.remote_configuration = remote_configuration
        if self.ad_type is not None:
            # A collector has no need of the client side.
            from condor_twisted.daemoncore.advertising import Advertiser

            self.facilities.append(Advertiser(self))
        self._load_settings = load_settings
        self._port = port
        self._interface = interface
        self._address_files = AddressFiles(address_file)
        #: Whether the process and its reactor are ours.
        self.owns_process = False
        self._shutdown = Shutdown(
            lambda seconds, call: self.reactor.callLater(seconds, call),
            lambda: self.shutdown_gracefully(),
            lambda: self.shutdown_fast(),
            self._exit,
        )
        self._housekeeping: Housekeeping | None = None
        self._reconfigure_wanted = False
        self._log_care: LogCare | None = None
        self._late_commands = LateCommands(self)
        for builtin in (BuiltinCommands(self), self._late_commands):
            for registration in declared_commands(builtin):
                self.table.add(registration)
        for registration in declared_commands(self):
            self.table.remove(registration.rule.number)
            self.table.add(registration)

    # What subclasses change.

    @classmethod
    def before_initialization(cls, arguments: Sequence[str]) -> None:
        """Do what comes before anything else: there is no configuration and no log.

        Args:
            arguments: The command line of the process, its name in front.
        """

    def before_command_sockets(self) -> None:
        """There are settings and a log, and neither security nor ports."""

    def started(self) -> None:
        """Commands are served from now on."""

    def default_port(self) -> int:
        """The command port when none was given."""
        return 0

    def wants_udp(self) -> bool:
        """Whether there is a UDP command port."""
        return self.settings.boolean("WANT_UDP_COMMAND_SOCKET", True)

    def socket_options(self) -> SocketOptions:
        """How the command sockets are set up."""
        settings = self.settings
        return SocketOptions(
            backlog=settings.integer("SOCKET_LISTEN_BACKLOG", 4096),
            accepts_per_turn=settings.integer("MAX_ACCEPTS_PER_CYCLE", 8),
            datagrams_per_turn=settings.integer("MAX_UDP_MSGS_PER_CYCLE", 100) or 100,
            keep_alive_seconds=settings.integer("TCP_KEEPALIVE_INTERVAL", 360),
        )

    def door(self) -> Door | None:
        """What looks at connections before a byte of them is read, if anything."""
        return None

    def server_limits(self) -> ServerLimits:
        """How much of this daemon its peers may take up."""
        return ServerLimits()

    def ad_attributes(self) -> Mapping[str, AdValue]:
        """What the daemon's ad says besides what every daemon's does."""
        return {}

    def reconfigured(self) -> None:
        """New settings are in force: take what you need of them.

        Raises:
            ConfigError: They have no sense for this daemon. The old ones stay in
                force then, so change nothing before everything is checked.
        """

    def shutdown_gracefully(self) -> Deferred[Any] | None:
        """Finish what is under way; the daemon stops when this is done."""
        return None

    def shutdown_fast(self) -> Deferred[Any] | None:
        """Give up what is under way; the daemon stops when this is done."""
        return None

    def ready_line(self) -> str:
        """What to say when commands are accepted."""
        return f"{self.subsystem.lower()} ready at {self.address}"

    # What everybody may ask.

    @property
    def address(self) -> SinfulAddress:
        """Where this daemon takes commands.

        Raises:
            RuntimeError: It has no port yet, or no longer.
        """
        if self.ports is None:
            raise RuntimeError("the daemon has no command port now")
        if self.ports.endpoint_id is not None:
            return self.endpoint.address(self.ports.endpoint_id)
        return announced_address(
            self.settings,
            self.ports.host,
            self.ports.port,
            has_udp=self.ports.datagrams is not None,
        )

    def register_command(self, registration: Registration) -> None:
        """Serve a further command.

        Raises:
            LocalProtocolError: The number is taken or cannot be registered.
        """
        self.table.add(registration)

    def own_process(self) -> None:
        """Be the process's daemon: take its signals, and end it when stopped.

        If the process has a DaemonCore parent, take what it handed down.
        """
        self.owns_process = True
        self.cookie = found_cookie(os.environ)
        self.inherited = take_inheritance(os.environ)
        if self.inherited is not None:
            self.facilities.append(Parent(self, self.inherited))

    def setServiceParent(self, parent: Any) -> None:
        """Join a parent; an application logs from then on as we want it to."""
        if self.log_observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self.log_observer)
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]

    # Starting.

    def privilegedStartService(self) -> None:
        """Choose the reactor, read security, open the ports.

        Raises:
            ConfigError: The settings have no sense.
            CannotListenError: The port is taken.
        """
        if self.log_observer is not None:
            observer = self.log_observer
            lines = banner(self.settings, observer.last_touched_unix)
            observer.write("\n".join(lines))
            observer.write(f"Daemon Log is logging: {observer.flags.describe()}")
        try:
            self._open()
        except (ConfigError, CannotListenError, OSError) as error:
            self._close_now()
            if self.start_failed is None:
                raise
            self.start_failed(error)
        super().privilegedStartService()  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        """Say where we are, and serve."""
        if self.ports is None:
            self.privilegedStartService()
        try:
            self._address_files.write(self.settings, str(self.address))
        except OSError as error:
            if self.start_failed is None:
                self._close_now()
                raise
            self.start_failed(error)
        self.started_at_unix = self.reconfigured_at_unix = int(time.time())
        self._shutdown.begin_serving()
        if self._housekeeping is not None:
            self._housekeeping.begin()
        if self.owns_process:
            self.signals.install()
            # A reactor that begins to run takes some of them.
            self.reactor.callWhenRunning(self.signals.install)
        super().startService()  # type: ignore[no-untyped-call]
        _log.info("DaemonCore: command socket at {address}", address=str(self.address))
        line = self.ready_line()
        _log.info("{line}", line=line)
        if self.announce is not None:
            self.announce(line)
        self.started()
        for facility in self.facilities:
            self._guarded(facility.begin)

    def stopService(self) -> Deferred[Any]:
        """Close everything.

        Returns:
            A `Deferred` that fires when ports and children are closed.
        """
        stopped = maybeDeferred(super().stopService)
        self._shutdown.over()
        ended = succeed(None)
        if self.ports is not None:
            ended = end_all(self.facilities, self.reactor, FACILITIES_END_SECONDS)

        def close(_: object) -> Deferred[Any]:
            self._address_files.remove()
            closed = self._close_now()
            if self.owns_process:
                self.signals.restore()
                _log.info("{line}", line=farewell(self.settings, self.exit_status))
            return closed

        return DeferredList(
            [stopped, ended.addCallback(close)], consumeErrors=True
        ).addCallback(lambda _: None)

    def _own(self, settings: Settings) -> Settings:
        if settings.subsystem.upper() == self.subsystem:
            return settings
        return settings.for_reader(self.subsystem, settings.local_name)

    def _call_soon(self, function: Callable[[], object]) -> None:
        self.reactor.callFromThread(function)

    def _open(self) -> None:
        if self.owns_process:
            settle_in(self.settings)
        if self.reactor is None:
            from twisted.internet import reactor as global_reactor

            self.reactor = global_reactor
        reactor: Any = self.reactor
        if self.owns_process:
            make_monotonic(reactor)
            create_signing_keys(self.settings)
        self.before_command_sockets()
        self.security = open_security(
            self.settings, self.table.rules, reactor, lambda: int(time.time())
        )
        if self.inherited is not None:
            self.inherited.take_sessions(self.security, self.settings)
        self.host = Host(reactor, run_in_threads(reactor))
        self.opener = CommandOpener(
            reactor, self.security, self.host, dialling(self.settings, self.cookie)
        )
        self.server = CommandServer(
            self.table, self.security, self.host, reactor, self.server_limits()
        )
        self._housekeeping = Housekeeping(
            reactor,
            self.security,
            self.host,
            self.server,
            lambda: self.ports,
            self._late_commands.expire,
        )
        self._apply_debug_flags()
        self.server.door = self.door()
        self.datagrams = SafeSockProtocol(
            self.server.message_received,
            self.server.sweep,
            self.server.folded,
            quick=self.server.quick_datagram,
        )
        self.ports = open_command_ports(
            reactor,
            self.settings,
            self.inherited,
            self.default_port() if self._port is None else self._port,
            self._interface,
            self.server,
            self.datagrams if self.wants_udp() else None,
            self.socket_options(),
            endpoint_name=self.endpoint_name,
            cookie=self.cookie,
        )
        self.security.command_address = str(self.address)

    def _close_now(self) -> Deferred[Any]:
        ports, self.ports = self.ports, None
        server, self.server = self.server, None
        opener, self.opener = self.opener, None
        housekeeping, self._housekeeping = self._housekeeping, None
        if housekeeping is not None:
            housekeeping.stop()
        if self._log_care is not None:
            self._log_care.stop()
        if server is not None:
            server.close()
        closing = [each.close() for each in (opener, ports) if each is not None]
        return DeferredList(closing, consumeErrors=True)

    def _apply_debug_flags(self) -> None:
        flags = DebugFlags.from_settings(self.settings)
        if self.log_observer is not None:
            self.log_observer.flags = flags
            if self._log_care is None:
                self._log_care = LogCare(self.log_observer, self.reactor)
            self._log_care.start(self.settings)
        if self.server is not None:
            self.server.log_commands = flags.wants("D_COMMAND")

    # Reconfiguring.

    def request_reconfigure(self) -> None:
        """Read the configuration again in a later turn; requests in between are one."""
        if self._reconfigure_wanted or self.ports is None:
            return
        self._reconfigure_wanted = True
        self._shutdown.later(0, self._reconfigure)

    def _reconfigure(self) -> None:
        self._reconfigure_wanted = False
        self.reconfigure()

    def reconfigure(self) -> bool:
        """Read the configuration again, and take it whole or not at all.

        Returns:
            Whether the new one is in force. If not, an error line says why.
        """
        security, server = self.security, self.server
        if security is None or server is None:
            return False
        old = self.settings
        try:
            if self._load_settings is not None:
                self.settings = self._own(self._load_settings())
            security.reconfigure(self.settings)
            try:
                self.reconfigured()
                if self.log_observer is not None:
                    reopen_logs(self.log_observer, self.settings)
            except Exception:
                security.reconfigure(old)
                raise
        except Exception as error:
            self.settings = old
            self.reconfigure_errors_count += 1
            if isinstance(error, (ConfigError, OSError)):
                _log.error(
                    "The configuration stays as it was: {error}", error=str(error)
                )
            else:
                _log.failure("the configuration stays as it was")
            return False
        assert self.host is not None
        self.host.names.clear()
        if self._housekeeping is not None:
            self._housekeeping.refresh()
        server.forget_admissions()
        self._late_commands.reset()
        self._apply_debug_flags()
        self.address_changed()
        log_file_problems(security)
        if self.opener is not None:
            self.opener.dialling = dialling(self.settings, self.cookie)
        for facility in self.facilities:
            self._guarded(facility.renew)
        self.reconfigured_at_unix = int(time.time())
        self.reconfigured_count += 1
        _log.info("The configuration was read again")
        return True

    def address_changed(self) -> None:
        """Tell where we are now: whoever reads our files, and our sessions."""
        if self.security is not None:
            self.security.command_address = str(self.address)
        try:
            self._address_files.write(self.settings, str(self.address))
        except OSError as error:
            _log.error("The address file cannot be written: {error}", error=str(error))

    def _guarded(self, step: Callable[[], None]) -> None:
        """Have a facility take the settings; what makes no sense stops nothing."""
        try:
            step()
        except (ConfigError, LocalProtocolError) as error:
            _log.error("A setting is of no use: {error}", error=str(error))

    # Stopping.

    def stay_down(self, *, fast: bool = False) -> None:
        """Stop, and have a master not start us again until it is told to.

        Args:
            fast: Give up what is under way.
        """
        self.exit_status = NO_RESTART_STATUS
        if fast:
            self.stop_fast()
        elif not self._shutdown.is_under_way:
            self.stop_gracefully()

    @property
    def is_shutting_down(self) -> bool:
        """Whether what is under way is being finished or given up."""
        return self._shutdown.is_under_way

    def stop_gracefully(self) -> None:
        """Stop after what is under way; asked again while that lasts, stop fast."""
        if self.ports is not None:
            limit = self.settings.integer("SHUTDOWN_GRACEFUL_TIMEOUT", 1800)
            self._shutdown.gracefully(None if self.peaceful else limit)

    def stop_fast(self) -> None:
        """Stop now."""
        if self.ports is not None:
            self._shutdown.fast()

    def _exit(self) -> None:
        """End the process if it is ours, else this service."""
        if self.owns_process:
            with contextlib.suppress(Exception):
                self.reactor.stop()
        elif self.parent is not None:
            maybeDeferred(self.disownServiceParent)
        elif self.running:
            self.stopService()
