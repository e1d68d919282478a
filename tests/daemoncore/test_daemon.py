"""Tests of ``condor_twisted.daemoncore.daemon``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.application.service import Application, IService, MultiService
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

import condor_twisted
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import (
    CommandRequest,
    Daemon,
    Permission,
    Registration,
    command,
)
from condor_twisted.daemoncore import daemon as daemon_module
from condor_twisted.daemoncore.parent import Parent
from condor_twisted.errors import ConfigError, LocalProtocolError
from condor_twisted.security.commands import CommandRule
from tests.daemoncore.kit import DaemonTestCase


class Greeter(Daemon):
    """A daemon with a command of its own, which notes its life."""

    subsystem = "GREETER"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.happened: list[str] = []
        self.graceful: Deferred[Any] | None = None
        self.problem: Exception | None = None
        super().__init__(*arguments, **options)

    @command(72_500, Permission.READ, answers=True, has_payload=False)
    def greet(self, request: CommandRequest) -> None:
        """Answer with a greeting."""
        writer = request.writer()
        writer.put_string(self.settings.text("GREETING", "good day"))
        request.reply(writer.end_of_message())

    @command(Command.DC_NOP_CONFIG, Permission.READ, answers=True)
    def nop_config(self, request: CommandRequest) -> None:
        """Replace a built-in command."""
        request.reply(b"mine")

    def reconfigured(self) -> None:
        if self.problem is not None:
            raise self.problem
        self.happened.append("reconfigured")

    def shutdown_gracefully(self) -> Deferred[Any] | None:
        self.happened.append("graceful")
        return self.graceful

    def shutdown_fast(self) -> Deferred[Any] | None:
        self.happened.append("fast")
        return None


class LifeTests(DaemonTestCase):
    def make(self, **options: Any) -> Greeter:
        """A daemon that is not started."""
        return Greeter(self.settings(), self.reactor, **options)

    def test_hooks(self) -> None:
        """Each step of a life calls what a subclass has for it, in this order."""
        happened: list[str] = []

        class Noting(Greeter):
            def before_command_sockets(self) -> None:
                happened.append(f"before {self.ports} {self.security}")

            def started(self) -> None:
                happened.append(f"started {self.address.port}")

        class Part:
            def begin(self) -> None:
                happened.append("begin")

            def renew(self) -> None:
                happened.append("renew")

            def end(self) -> None:
                assert daemon.ports is not None, "it ends before the ports close"
                happened.append("end")

        daemon = Noting(self.settings(), self.reactor)
        daemon.facilities.append(Part())
        self.start(daemon)
        port = daemon.address.port
        daemon.reconfigure()
        self.stop(daemon)
        self.assertEqual(
            happened,
            ["before None None", f"started {port}", "begin", "renew", "end"],
        )
        self.assertEqual(daemon.happened, ["reconfigured"])

    def test_bad_facility_setting(self) -> None:
        """A setting that makes no sense for one part leaves the daemon running."""

        class Part:
            def begin(self) -> None:
                raise ConfigError("PART = x is none")

            renew = begin

            def end(self) -> None:
                pass

        daemon = self.make()
        daemon.facilities.append(Part())
        self.start(daemon)
        self.assertTrue(daemon.reconfigure())
        self.assertEqual(len(self.logged("PART = x is none")), 2)

    def test_staying_down(self) -> None:
        """A daemon may ask not to be started again; both ways end it."""
        for fast, how in ((False, "graceful"), (True, "fast")):
            daemon = self.start(self.make())
            assert isinstance(daemon, Greeter)
            daemon.stay_down(fast=fast)
            self.reactor.flush()
            self.assertEqual((daemon.exit_status, daemon.running), (99, False))
            self.assertIn(how, daemon.happened)

    def test_parent(self) -> None:
        """A daemon that owns its process takes what a parent has handed down."""
        environment = {"CONDOR_INHERIT": f"{os.getpid()} <127.0.0.1:1> 0 0"}
        self.patch(os, "environ", environment)
        daemon = self.make()
        daemon.own_process()
        self.assertEqual(environment, {})
        assert daemon.inherited is not None
        self.assertEqual(daemon.inherited.parent_id, os.getpid())
        self.assertIsInstance(daemon.facilities[-1], Parent)

    def test_construction_opens_nothing(self) -> None:
        """A daemon that is not started has no port, timer or file."""
        daemon = self.make()
        self.assertEqual(self.reactor.stream_ports, {})
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertRaises(RuntimeError, lambda: daemon.address)

    def test_serving(self) -> None:
        """A started daemon serves its commands, and says where it is."""
        daemon = self.start(self.make(port=9618))
        self.assertEqual(
            str(daemon.address),
            "<127.0.0.1:9618?addrs=127.0.0.1-9618&alias=host.example>",
        )
        self.assertEqual(self.ask(daemon, 72_500).get_string(), "good day")
        self.assertEqual(self.logged("ready"), [f"greeter ready at {daemon.address}"])
        self.assertEqual(len(self.logged("DaemonCore: command socket at <")), 1)
        self.assertIsNotNone(daemon.security)
        self.assertGreater(daemon.started_at_unix, 0)

    def test_replacing_a_builtin_command(self) -> None:
        """A daemon may serve a built-in command itself."""
        daemon = self.start(self.make())
        answer = self.ask(daemon, Command.DC_NOP_CONFIG)
        self.assertEqual(answer.get_bytes(4), b"mine")

    def test_settings_are_read_for_the_subsystem(self) -> None:
        """Knobs with the daemon's own prefix count, whatever reader they came with."""
        settings = self.settings(**{"GREETING": "hello", "GREETER.GREETING": "hi"})
        daemon = self.start(Greeter(settings, self.reactor))
        self.assertEqual(self.ask(daemon, 72_500).get_string(), "hi")

    def test_registering_further_commands(self) -> None:
        """Commands may be registered from outside, once per number."""
        daemon = self.start(self.make())
        seen: list[CommandRequest] = []
        rule = CommandRule(72_501, Permission.READ, name="FURTHER")
        daemon.register_command(Registration(rule, seen.append))
        self.tell(daemon, 72_501)
        self.assertEqual(len(seen), 1)
        again = Registration(rule, seen.append)
        self.assertRaises(LocalProtocolError, daemon.register_command, again)

    def test_datagrams(self) -> None:
        """The UDP port has the same number, unless there is none."""
        daemon = self.start(self.make())
        port = self.reactor.datagram_ports[("127.0.0.1", daemon.address.port_number)]  # type: ignore[index]
        port.deliver(int(Command.DC_NOP).to_bytes(8, "big"), ("127.0.0.1", 5))
        assert daemon.server is not None
        self.assertEqual(daemon.server.counters.datagrams, 1)

    def test_without_datagrams(self) -> None:
        """A daemon that wants no UDP port says so in its address."""
        daemon = Greeter(self.settings(WANT_UDP_COMMAND_SOCKET="False"), self.reactor)
        self.start(daemon)
        self.assertEqual(self.reactor.datagram_ports, {})
        self.assertTrue(daemon.address.no_udp)

    def test_mnh_8_7_stopping_and_starting_again(self) -> None:
        """A stopped daemon leaves nothing, and can be started again."""
        daemon = self.make()
        for _ in range(2):
            daemon.startService()
            self.assertEqual(self.ask(daemon, 72_500).get_string(), "good day")
            self.stop(daemon)

    def test_in_an_application(self) -> None:
        """A daemon is a service as any other: in a .tac, with a parent."""
        application = Application("pool")
        daemon = self.make()
        daemon.setServiceParent(application)
        root = IService(application)
        root.privilegedStartService()
        self.addCleanup(self.stop, daemon)
        root.startService()
        self.assertEqual(self.ask(daemon, 72_500).get_string(), "good day")
        self.successResultOf(root.stopService())

    def test_two_in_one_process(self) -> None:
        """Two daemons do not know of each other."""
        first, second = self.make(), self.make()
        first.startService()
        second.startService()
        self.assertNotEqual(first.address, second.address)
        self.assertNotEqual(first.instance_id, second.instance_id)
        self.successResultOf(first.stopService())
        self.assertEqual(self.ask(second, 72_500).get_string(), "good day")
        self.stop(second)

    def test_connections_end_with_the_daemon(self) -> None:
        """Open connections are closed when the daemon stops."""
        daemon = self.make()
        daemon.startService()
        channel = self.open(daemon, 72_500)
        self.stop(daemon)
        self.assertFalse(channel.is_open)

    def test_housekeeping(self) -> None:
        """Dead sessions go every minute."""
        daemon = self.start(self.make())
        assert daemon.security is not None
        times: list[float] = []
        self.patch(daemon.security.incoming, "expire", times.append)
        self.reactor.pump([1.0] * 130)
        self.assertEqual(len(times), 2)


class StartFailuresTests(DaemonTestCase):
    def test_busy_port(self) -> None:
        """A port that is taken shows when the service starts; nothing stays."""
        first = Greeter(self.settings(), self.reactor, port=9618)
        self.start(first)
        calls = self.reactor.getDelayedCalls()
        second = Greeter(self.settings(), self.reactor, port=9618)
        self.assertRaises(CannotListenError, second.privilegedStartService)
        self.assertEqual(len(self.reactor.stream_ports), 1)
        self.assertEqual(self.reactor.getDelayedCalls(), calls)

    def test_bad_policy(self) -> None:
        """A policy that has no sense shows before a port is opened."""
        settings = self.settings(SEC_DEFAULT_AUTHENTICATION="SOMETIMES")
        daemon = Greeter(settings, self.reactor)
        self.assertRaises(ConfigError, daemon.privilegedStartService)
        self.assertEqual(self.reactor.stream_ports, {})

    def test_told_to_whoever_wants_to_know(self) -> None:
        """What made the start fail goes to the one who asked for it."""
        failures: list[Exception] = []
        settings = self.settings(SEC_DEFAULT_AUTHENTICATION="SOMETIMES")
        daemon = Greeter(settings, self.reactor)

        def failed(error: Exception) -> None:
            failures.append(error)
            raise SystemExit(1)

        daemon.start_failed = failed
        self.assertRaises(SystemExit, daemon.privilegedStartService)
        self.assertIsInstance(failures[0], ConfigError)

    def test_address_file_that_cannot_be_written(self) -> None:
        """An address file that was asked for has to be written."""
        path = os.path.join(self.mktemp(), "no", "such")
        daemon = Greeter(self.settings(), self.reactor, address_file=path)
        self.assertRaises(OSError, daemon.startService)
        self.assertEqual(self.reactor.stream_ports, {})
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class AddressFilesTests(DaemonTestCase):
    def test_mnh_9_3_written_and_removed(self) -> None:
        """The address files are there while the daemon serves."""
        asked, named = self.mktemp(), self.mktemp()
        settings = self.settings(GREETER_ADDRESS_FILE=named)
        daemon = self.start(Greeter(settings, self.reactor, address_file=asked))
        for path in (asked, named):
            with open(path) as file:
                self.assertEqual(file.readline().strip(), str(daemon.address))
        self.stop(daemon)
        for path in (asked, named):
            self.assertFalse(os.path.exists(path))

    def test_local_name(self) -> None:
        """A daemon with a local name has the address file of that name only."""
        plain, local = self.mktemp(), self.mktemp()
        settings = Settings.from_assignments(
            {
                **self.knobs,
                "GREETER_ADDRESS_FILE": plain,
                "SECOND.GREETER_ADDRESS_FILE": local,
            },
            "GREETER",
            "SECOND",
        )
        self.start(Greeter(settings, self.reactor))
        self.assertFalse(os.path.exists(plain))
        self.assertTrue(os.path.exists(local))

    def test_named_file_that_cannot_be_written(self) -> None:
        """A file that only the settings name is worth a line, not the start."""
        path = os.path.join(self.mktemp(), "no", "such")
        self.start(Greeter(self.settings(GREETER_ADDRESS_FILE=path), self.reactor))
        self.assertEqual(len(self.logged("Can't write address file")), 1)

    def test_compiled_in_names_without_a_log_directory(self) -> None:
        """Nothing is written where nobody configured a directory."""

        class Collector(Greeter):
            subsystem = "COLLECTOR"

        daemon = self.start(Collector(self.settings(), self.reactor))
        self.stop(daemon)
        log = self.mktemp()
        os.mkdir(log)
        daemon = self.start(Collector(self.settings(LOG=log), self.reactor))
        self.assertEqual(os.listdir(log), [".collector_address"])
        self.stop(daemon)
        self.assertEqual(os.listdir(log), [])


class ReconfigureTests(DaemonTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.loads: list[Settings | Exception] = []
        self.daemon = Greeter(
            self.settings(), self.reactor, load_settings=self.load_settings
        )
        self.start(self.daemon)

    def load_settings(self) -> Settings:
        """What reading the configuration again gives."""
        found = self.loads.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def test_new_settings(self) -> None:
        """After a reconfiguration new settings are in force, security included."""
        self.loads.append(self.settings(GREETING="hello", ALLOW_WRITE="192.0.2.1"))
        self.assertTrue(self.daemon.reconfigure())
        self.assertEqual(self.ask(self.daemon, 72_500).get_string(), "hello")
        self.tell(self.daemon, Command.DC_NOP_ADVERTISE_STARTD)
        self.assertEqual(self.daemon.happened, ["reconfigured"])
        self.assertEqual(self.daemon.reconfigured_count, 1)

    def test_mnh_9_4_settings_that_cannot_be_used(self) -> None:
        """On any error the old configuration stays in force in all parts."""
        before = self.daemon.settings
        for problem in (
            ConfigError("no such file", "/etc/condor/x", 7),
            OSError(13, "Permission denied"),
            self.settings(SEC_DEFAULT_AUTHENTICATION="SOMETIMES"),
        ):
            self.loads.append(problem)
            self.assertFalse(self.daemon.reconfigure())
            self.assertIs(self.daemon.settings, before)
        self.assertEqual(self.daemon.reconfigure_errors_count, 3)
        self.assertEqual(len(self.logged("stays as it was")), 3)
        self.assertEqual(len(self.logged("/etc/condor/x, line 7")), 1)
        del self.knobs["SEC_DEFAULT_AUTHENTICATION"]
        self.assertEqual(self.ask(self.daemon, 72_500).get_string(), "good day")

    def test_mnh_9_4_daemon_that_refuses(self) -> None:
        """A daemon may refuse settings, for its own reasons or by its own bug."""
        before = self.daemon.settings
        for problem in (ConfigError("not for me"), ZeroDivisionError()):
            self.loads.append(self.settings(GREETING="hello", ALLOW_READ="192.0.2.1"))
            self.daemon.problem = problem
            self.assertFalse(self.daemon.reconfigure())
            self.assertIs(self.daemon.settings, before)
            self.assertEqual(self.ask(self.daemon, 72_500).get_string(), "good day")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_mnh_8_6_requests_are_folded(self) -> None:
        """A thousand requests are one reconfiguration, and one more after it."""
        self.loads += [self.settings(), self.settings()]
        for _ in range(1000):
            self.daemon.request_reconfigure()
        self.reactor.flush()
        self.assertEqual(self.daemon.reconfigured_count, 1)
        for _ in range(1000):
            self.daemon.request_reconfigure()
        self.reactor.flush()
        self.assertEqual(self.daemon.reconfigured_count, 2)

    def test_without_a_loader(self) -> None:
        """An embedded daemon keeps the settings that it was given."""
        daemon = self.start(Greeter(self.settings(), self.reactor))
        before = daemon.settings
        self.assertTrue(daemon.reconfigure())
        self.assertIs(daemon.settings, before)

    def test_debug_flags(self) -> None:
        """What is logged of commands follows the configuration."""
        assert self.daemon.server is not None
        self.assertFalse(self.daemon.server.log_commands)
        self.loads.append(self.settings(GREETER_DEBUG="D_COMMAND"))
        self.assertTrue(self.daemon.reconfigure())
        self.assertTrue(self.daemon.server.log_commands)

    def test_address_file_moves(self) -> None:
        """A reconfiguration may move the address file."""
        first, second = self.mktemp(), self.mktemp()
        for path, other in ((first, second), (second, first)):
            self.loads.append(self.settings(GREETER_ADDRESS_FILE=path))
            self.assertTrue(self.daemon.reconfigure())
            self.assertTrue(os.path.exists(path))
            self.assertFalse(os.path.exists(other))

    def test_before_the_start(self) -> None:
        """A daemon that does not run cannot be reconfigured."""
        daemon = Greeter(self.settings(), self.reactor)
        daemon.request_reconfigure()
        self.assertFalse(daemon.reconfigure())


class ShutdownTests(DaemonTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.daemon = Greeter(self.settings(), self.reactor)
        self.start(self.daemon)

    def test_graceful(self) -> None:
        """A graceful shutdown waits for what is under way."""
        self.daemon.graceful = Deferred()
        self.daemon.stop_gracefully()
        self.reactor.flush()
        self.assertTrue(self.daemon.running)
        self.daemon.graceful.callback(None)
        self.reactor.flush()
        self.assertFalse(self.daemon.running)
        self.assertEqual(self.daemon.happened, ["graceful"])

    def test_graceful_has_a_limit(self) -> None:
        """What does not end in time is ended, after SHUTDOWN_GRACEFUL_TIMEOUT."""
        self.daemon.graceful = Deferred()
        self.daemon.stop_gracefully()
        self.reactor.pump([60] * 29)
        self.assertTrue(self.daemon.running)
        self.reactor.pump([60] * 2)
        self.assertFalse(self.daemon.running)
        self.assertEqual(self.daemon.happened, ["graceful", "fast"])

    def test_peaceful_has_no_limit(self) -> None:
        """A peaceful shutdown waits for ever."""
        self.daemon.graceful = Deferred()
        self.daemon.peaceful = True
        self.daemon.stop_gracefully()
        self.reactor.pump([3600] * 24)
        self.assertTrue(self.daemon.running)

    def test_mnh_8_8_asking_again(self) -> None:
        """A second request ends it now, whatever is under way."""
        self.daemon.graceful = Deferred()
        self.daemon.stop_gracefully()
        self.daemon.stop_gracefully()
        self.reactor.flush()
        self.assertFalse(self.daemon.running)
        self.daemon.stop_fast()

    def test_mnh_8_8_fast_shutdown_that_hangs(self) -> None:
        """A fast shutdown ends within 10 s, whatever hangs in it."""
        self.patch(Greeter, "shutdown_fast", lambda daemon: Deferred())
        self.daemon.stop_fast()
        self.reactor.pump([1] * 7)
        self.assertTrue(self.daemon.running)
        self.reactor.pump([1] * 2)
        self.assertFalse(self.daemon.running)

    def test_shutdown_that_fails(self) -> None:
        """An error while shutting down does not keep the daemon alive."""

        def bad(daemon: Greeter) -> None:
            raise RuntimeError("bad")

        self.patch(Greeter, "shutdown_gracefully", bad)
        self.daemon.stop_gracefully()
        self.assertFalse(self.daemon.running)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_embedded_daemon_leaves_its_parent(self) -> None:
        """A daemon with a parent that is told to stop leaves; the rest goes on."""
        self.stop(self.daemon)
        parent = MultiService()
        daemon, other = (
            Greeter(self.settings(), self.reactor),
            Greeter(self.settings(), self.reactor),
        )
        for each in (daemon, other):
            each.setServiceParent(parent)
        parent.startService()
        daemon.stop_gracefully()
        self.reactor.flush()
        self.assertFalse(daemon.running)
        self.assertTrue(other.running)
        self.assertFalse(self.reactor.hasStopped)
        self.successResultOf(parent.stopService())

    def test_own_process_ends(self) -> None:
        """The daemon of a process stops the reactor, once."""
        settled: list[Settings] = []
        self.patch(daemon_module, "settle_in", settled.append)
        self.stop(self.daemon)
        daemon = Greeter(self.settings(), self.reactor)
        daemon.own_process()
        self.start(daemon)
        self.assertEqual(settled, [daemon.settings])
        daemon.stop_gracefully()
        self.assertTrue(self.reactor.hasStopped)


class DescriptorsTests(DaemonTestCase):
    def test_mnh_8_1_port_rests_when_descriptors_run_out(self) -> None:
        """Accepting pauses for a second; datagrams and connections go on."""
        daemon = self.start(Greeter(self.settings(), self.reactor))
        server = daemon.server
        assert server is not None
        port = next(iter(self.reactor.stream_ports.values()))
        for _ in range(5):
            server.descriptors_short()
        self.assertTrue(port.paused)
        self.assertEqual(len(self.logged("Descriptors run out")), 1)
        self.reactor.advance(1.0)
        self.assertFalse(port.paused)

    def test_mnh_1_23_limit(self) -> None:
        """Some descriptors stay free."""
        import resource

        daemon = self.start(Greeter(self.settings(), self.reactor))
        assert daemon.server is not None
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertLess(daemon.server.descriptor_limit, soft)


class ImportTests(SynchronousTestCase):
    def test_no_reactor_is_installed(self) -> None:
        """Importing the framework installs no reactor."""
        code = (
            "import sys, condor_twisted.daemoncore, condor_twisted.protocols.commands,"
            " condor_twisted.daemoncore.options, condor_twisted.testing.reactor;"
            "sys.exit('twisted.internet.reactor' in sys.modules)"
        )
        root = Path(condor_twisted.__file__).parent.parent
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=False,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        self.assertEqual(done.returncode, 0)
