"""Tests of ``condor_twisted.daemoncore.children.readiness``."""

from __future__ import annotations

import os

from twisted.internet.defer import Deferred

from condor_twisted.classad.wire_ad import AdValue, ExpressionText, WireAd
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import CommandRequest, Daemon, Permission, command
from condor_twisted.daemoncore.children.child import Child
from condor_twisted.daemoncore.children.readiness import daemon_name
from condor_twisted.daemoncore.children.spawn_options import (
    DaemonCoreOptions,
    SpawnOptions,
)
from condor_twisted.protocols.client_channel import ClientChannel
from tests.daemoncore.kit import DaemonTestCase
from tests.daemoncore.process_kit import ParentTestCase

AS_DAEMON = SpawnOptions(daemon=DaemonCoreOptions())
STARTD = "/usr/sbin/condor_startd"
SCHEDD = "/usr/sbin/condor_schedd"
BOTH = {Command.DC_SET_READY, Command.DC_QUERY_READY}


class ReadinessTests(ParentTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.startd = self.spawn(AS_DAEMON, STARTD)

    def begin(self, number: int, **values: AdValue) -> ClientChannel:
        """Send a command with an ad."""
        channel = self.open(self.daemon, number)
        writer = channel.writer()
        writer.put_ad(WireAd.from_pairs(values).body)
        channel.send_message(writer.end_of_message())
        self.reactor.flush()
        return channel

    def tell_ready(self, child: Child, state: str = "Ready") -> None:
        """Say that a child is ready."""
        self.begin(
            Command.DC_SET_READY,
            DaemonName="STARTD",
            DaemonPID=child.pid,
            DaemonState=state,
        )

    def query(self, **values: AdValue) -> Deferred[WireAd]:
        """Ask how all are."""
        answer = self.begin(Command.DC_QUERY_READY, **values).receive_message(100)
        return answer.addCallback(lambda reader: WireAd(reader.get_ad().body))

    def now(self, **values: AdValue) -> WireAd:
        """What is answered at once."""
        return self.successResultOf(self.query(**values))

    def advance(self, seconds: int) -> None:
        for _ in range(seconds):
            self.reactor.advance(1)
            self.reactor.flush()

    def test_states(self) -> None:
        """Nothing was heard, a heartbeat was, or none any more."""
        ad = self.now()
        self.assertEqual(ad.string("STARTD"), "Startup")
        self.assertEqual(ad.integer("STARTD_PID"), self.startd.pid)
        self.assertIs(ad.boolean("IsReady"), False)
        self.assertEqual(ad.string("DAEMON"), "Alive")
        self.assertEqual(ad.integer("DAEMON_PID"), os.getpid())
        self.assertEqual((ad.integer("NumDaemons"), ad.integer("NumStartup")), (2, 1))
        self.daemon.runtime.hung_children.heartbeat(self.startd.pid, 100, 0.0)
        ad = self.now()
        self.assertEqual(ad.string("STARTD"), "Alive")
        self.assertIs(ad.boolean("IsReady"), True)
        self.assertEqual((ad.integer("NumAlive"), ad.integer("NumStartup")), (2, 0))
        self.startd.was_not_responding = True
        ad = self.now()
        self.assertEqual(ad.string("STARTD"), "Hung")
        self.assertEqual(ad.integer("NumHung"), 1)
        self.assertIs(ad.boolean("IsReady"), False)

    def test_set_ready(self) -> None:
        """What a child says of itself is told, and means that it is alive."""
        self.tell_ready(self.startd, "Ready or so")
        self.assertEqual(self.startd.ready_state, "Ready or so")
        ad = self.now()
        self.assertEqual(ad.string("STARTD"), "Alive")
        self.assertEqual(ad.string("STARTD_State"), "Ready or so")
        self.assertEqual(len(self.logged("Setting ready state 'Ready or so'")), 1)

    def test_addresses(self) -> None:
        """Addresses come if they are wanted."""
        self.assertIsNone(self.now().string("STARTD_Addr"))
        ad = self.now(WantAddrs=True)
        self.assertEqual(ad.string("STARTD_Addr"), str(self.startd.command_address))
        self.assertEqual(ad.string("DAEMON_Addr"), str(self.daemon.address))

    def test_shutting_down(self) -> None:
        """Who asks while the daemon ends is told so."""
        self.assertIsNone(self.now().string("InShutdownMode"))
        finished: Deferred[None] = Deferred()
        self.daemon.shutdown_gracefully = lambda: finished  # type: ignore[method-assign]
        self.daemon.stop_gracefully()
        self.assertEqual(self.now().string("InShutdownMode"), "Exit")
        self.exit(self.reactor.processes[0])
        finished.callback(None)

    def test_names(self) -> None:
        """Names are the options', or the programs', and each is there once."""
        for program, name in (
            ("/x/condor-twisted-skeleton", "SKELETON"),
            ("/x/condor_shared_port", "SHARED_PORT"),
            ("/x/my daemon.py", "MY_DAEMON_PY"),
            ("/x/7up", "_7UP"),
        ):
            self.assertEqual(daemon_name(self.spawn(AS_DAEMON, program)), name)
        named = SpawnOptions(daemon=DaemonCoreOptions(name="Startd"))
        another = self.spawn(named, "/x/python")
        ad = self.now()
        self.assertEqual(ad.integer("Startd2_PID"), another.pid)
        self.assertEqual(ad.integer("NumDaemons"), 7)

    def test_others_do_not_count(self) -> None:
        """Neither children that are no daemons, nor those that have ended."""
        self.spawn()
        self.exit(self.reactor.processes[0])
        self.assertEqual(self.now().integer("NumDaemons"), 1)

    def test_waiting(self) -> None:
        """Who is willing to wait is answered as soon as all are alive."""
        answer = self.query(WaitTimeout=9)
        self.advance(3)
        self.assertNoResult(answer)
        self.tell_ready(self.startd)
        self.advance(1)
        self.assertIs(self.successResultOf(answer).boolean("IsReady"), True)

    def test_time_is_over(self) -> None:
        """After that time they are told how it is."""
        answer = self.query(WaitTimeout=4)
        self.advance(2)
        self.assertNoResult(answer)
        self.advance(1)
        self.assertIs(self.successResultOf(answer).boolean("IsReady"), False)

    def test_requirements(self) -> None:
        """A condition counts instead of everybody's life."""
        is_there = ExpressionText('STARTD_State ?: "" == "Ready"')
        answer = self.query(ReadyRequirements=is_there, WaitTimeout=60)
        self.daemon.runtime.hung_children.heartbeat(self.startd.pid, 100, 0.0)
        self.advance(5)
        self.assertNoResult(answer)
        self.tell_ready(self.startd)
        self.advance(1)
        ad = self.successResultOf(answer)
        self.assertEqual(ad.string("STARTD_State"), "Ready")
        self.assertIsNone(ad.string("Error"))

    def test_senseless_requirements(self) -> None:
        """A condition that is none is answered at once, with the reason."""
        for text, reason in (
            ("NO_SUCH", "ReadyRequirements does not evaluate to a bool or equivalent"),
            ('"text"', "ReadyRequirements does not evaluate to a bool or equivalent"),
            ('regexp("(a+)+$", STARTD)', "invalid ReadyRequirements expression"),
        ):
            ad = self.now(ReadyRequirements=ExpressionText(text), WaitTimeout=60)
            self.assertEqual(ad.string("Error"), reason)
            self.assertEqual(ad.string("STARTD"), "Startup")

    def test_sense_that_is_lost(self) -> None:
        """A condition that cannot be evaluated for a while is waited for."""
        condition = ExpressionText('STARTD == "Alive" && STARTD_State != "Startup"')
        answer = self.query(ReadyRequirements=condition, WaitTimeout=60)
        self.daemon.runtime.hung_children.heartbeat(self.startd.pid, 100, 0.0)
        self.advance(3)
        self.assertNoResult(answer)
        self.tell_ready(self.startd)
        self.advance(1)
        self.assertEqual(self.successResultOf(answer).string("STARTD"), "Alive")

    def test_who_goes_away(self) -> None:
        """Who does not wait for the answer leaves nothing behind."""
        channel = self.begin(Command.DC_QUERY_READY, WaitTimeout=1000)
        readiness = self.daemon.runtime.readiness
        self.assertEqual(readiness._waiting_count, 1)
        channel.abort()
        self.reactor.flush()
        self.assertEqual(readiness._waiting_count, 0)

    def test_too_many(self) -> None:
        """A hundred may wait; the next one is answered at once."""
        self.daemon.runtime.readiness._waiting_count = 100
        self.assertIs(self.now(WaitTimeout=60).boolean("IsReady"), False)

    def test_mnh_5_16_strangers(self) -> None:
        """Other process ids, and states without end, change nothing."""
        for pid in (0, -1, 1, 2**40, self.startd.pid + 1):
            self.begin(Command.DC_SET_READY, DaemonPID=pid, DaemonState="Ready")
        self.begin(Command.DC_SET_READY, DaemonState="Ready")
        self.assertEqual(len(self.logged("Cannot find daemon")), 6)
        self.tell_ready(self.startd, "x" * 10_000)
        self.assertIsNone(self.startd.ready_state)

    def test_registered_in_time(self) -> None:
        """Both commands are served as long as there may be children, who know it."""
        assert self.startd.legacy is not None
        told = self.startd.legacy.variables["CONDOR_PRIVATE_INHERIT"] or ""
        self.assertIn(str(int(Command.DC_SET_READY)), told)
        for number in BOTH:
            self.assertIsNotNone(self.daemon.table.find(number))
        self.exit(self.reactor.processes[0])
        self.stop(self.daemon)
        for number in BOTH:
            self.assertIsNone(self.daemon.table.find(number))


class RegistrationTests(DaemonTestCase):
    def daemon(self, made: type[Daemon] = Daemon) -> Daemon:
        return self.start(made(self.settings(), self.reactor))

    def test_nobody_without_children(self) -> None:
        """A daemon that has started no daemon does not know the commands."""
        daemon = self.daemon()
        for number in BOTH:
            self.assertIsNone(daemon.table.find(number))

    def test_a_master(self) -> None:
        """A daemon that serves a command itself goes on to do so."""

        class Master(Daemon):
            @command(Command.DC_SET_READY, Permission.DAEMON)
            def ready(self, request: CommandRequest) -> None:
                """Take it."""

        daemon = self.daemon(Master)
        own = daemon.table.find(Command.DC_SET_READY)
        readiness = daemon.runtime.readiness
        self.assertIs(daemon.table.find(Command.DC_SET_READY), own)
        self.assertIsNotNone(daemon.table.find(Command.DC_QUERY_READY))
        readiness.close()
        self.assertIs(daemon.table.find(Command.DC_SET_READY), own)
