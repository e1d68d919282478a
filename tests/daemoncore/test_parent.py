"""Tests of ``condor_twisted.daemoncore.parent``."""

from __future__ import annotations

import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import CommandRequest, Daemon, Permission, command
from condor_twisted.daemoncore.inheritance import Inherited
from condor_twisted.daemoncore.parent import Parent, hang_seconds, is_there, timer_fuzz
from condor_twisted.security.sessions.claim_ids import PARENT_SESSION, ClaimId
from condor_twisted.security.sessions.shared import make_child_session
from tests.daemoncore.kit import DaemonTestCase

PARENT_ID = 17


class Master(Daemon):
    """A parent that notes what its child tells."""

    subsystem = "MASTER"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.alive: list[tuple[int, int, str, str]] = []
        self.ready: list[bytes] = []
        super().__init__(*arguments, **options)

    @command(Command.DC_CHILDALIVE, Permission.DAEMON, udp=True)
    def child_alive(self, request: CommandRequest) -> None:
        """Take a heartbeat."""
        reader = request.reader()
        pid, seconds = reader.get_int(), reader.get_int()
        reader.get_double()
        reader.end_of_message()
        self.alive.append((pid, seconds, request.transport, request.peer.user))

    @command(Command.DC_SET_READY, Permission.DAEMON)
    def set_ready(self, request: CommandRequest) -> None:
        """Take word of readiness."""
        self.ready.append(request.reader().get_ad().body)


class ParentTestCase(DaemonTestCase):
    """A master and its child in memory."""

    lists = "nobody@nowhere"

    def setUp(self) -> None:
        super().setUp()
        self.knobs["ALLOW_DAEMON"] = self.lists
        self.exists = True
        self.reaper = PARENT_ID
        self.master = Master(self.settings(), self.reactor, load_settings=self.settings)
        self.start(self.master)
        self.stopped: list[str] = []

    def child(self, *, ready: bool = True, **knobs: str) -> tuple[Daemon, Parent]:
        """A child that the master has made a session for, not started."""
        assert self.master.security is not None
        numbers = [Command.DC_CHILDALIVE] + [Command.DC_SET_READY] * ready
        claim = make_child_session(self.master.security, numbers)
        child = Daemon(self.settings(**knobs), self.reactor)
        inherited = Inherited(
            PARENT_ID,
            str(self.master.address),
            claims=((PARENT_SESSION, ClaimId.parse(claim.serialize())),),
        )
        child.inherited = inherited
        parent = Parent(
            child,
            inherited,
            exists=lambda pid: self.exists,
            parent_of_process=lambda: self.reaper,
            chance=lambda: 0.5,
        )
        child.facilities.append(parent)
        child.stop_fast = lambda: self.stopped.append("fast")  # type: ignore[method-assign]
        return child, parent

    def pass_time(self, seconds: float) -> None:
        """Time goes by, and bytes with it."""
        self.reactor.advance(seconds)
        self.reactor.flush()


class HeartbeatTests(ParentTestCase):
    def test_first_and_later_ones(self) -> None:
        """The first heartbeat goes at once by TCP, later ones by UDP, each period."""
        child, parent = self.child()
        self.start(child)
        self.pass_time(0)
        hang = 3600
        self.assertEqual(
            self.master.alive, [(os.getpid(), hang, "tcp", "condor@child")]
        )
        self.assertEqual(parent.period_seconds, hang // 3 - 30)
        self.pass_time(parent.period_seconds - 1)
        self.assertEqual(len(self.master.alive), 1)
        self.pass_time(1)
        self.assertEqual(self.master.alive[1][2:], ("udp", "condor@child"))
        self.assertEqual(parent.sent_count, 2)

    def test_without_udp(self) -> None:
        """A child without UDP tells its parent over TCP."""
        child, parent = self.child(WANT_UDP_COMMAND_SOCKET="False")
        self.start(child)
        self.pass_time(0)
        self.pass_time(parent.period_seconds)
        self.assertEqual([each[2] for each in self.master.alive], ["tcp", "tcp"])

    def test_period(self) -> None:
        """The daemon's own timeout counts before the common one; a second at least."""
        child, parent = self.child(
            NOT_RESPONDING_TIMEOUT="900", DAEMON_NOT_RESPONDING_TIMEOUT="30"
        )
        self.start(child)
        self.pass_time(0)
        self.assertEqual(self.master.alive[0][1], 31)
        self.assertEqual(parent.period_seconds, 1)

    def test_reconfiguration(self) -> None:
        """A new period is told after a second; the same one is not told again."""
        child, parent = self.child()
        self.start(child)
        self.pass_time(0)
        self.assertTrue(child.reconfigure())
        self.pass_time(2)
        self.assertEqual(len(self.master.alive), 1)
        child._load_settings = lambda: self.settings(NOT_RESPONDING_TIMEOUT="300")
        self.assertTrue(child.reconfigure())
        self.pass_time(1)
        self.assertEqual(self.master.alive[1][1], 300)
        self.assertEqual(parent.period_seconds, 70)

    def test_wrong_setting(self) -> None:
        """A timeout that makes no sense leaves the old one, with an error."""
        child, parent = self.child()
        self.start(child)
        child._load_settings = lambda: self.settings(NOT_RESPONDING_TIMEOUT="soon")
        child.reconfigure()
        self.assertEqual(parent.period_seconds, 1170)
        self.assertTrue(self.logged("NOT_RESPONDING_TIMEOUT"))

    def test_retries(self) -> None:
        """Until the first one arrives, it is tried again and again."""
        child, parent = self.child(ready=False)
        self.successResultOf(self.master.stopService())
        self.start(child)
        for _ in range(6):
            self.pass_time(60)
        self.assertGreaterEqual(parent.failed_count, 5)
        self.assertTrue(self.logged("Failed to send a heartbeat"))
        self.assertEqual(parent.sent_count, 0)

    def test_later_failures(self) -> None:
        """Later ones are tried thrice, then the next period has to do."""
        child, parent = self.child(ready=False, WANT_UDP_COMMAND_SOCKET="False")
        self.start(child)
        self.pass_time(0)
        self.successResultOf(self.master.stopService())
        self.pass_time(parent.period_seconds)
        for _ in range(20):
            self.pass_time(5)
        self.assertEqual(parent.failed_count, 3)

    def test_bogus_parent(self) -> None:
        """A parent that does not exist is not written to."""
        self.exists = False
        child, parent = self.child(ready=False)
        self.start(child)
        self.pass_time(0)
        self.assertEqual((self.master.alive, parent.failed_count), ([], 0))

    def test_no_session(self) -> None:
        """A parent that made no session hears us where its policy lets us in."""
        self.knobs["ALLOW_DAEMON"] = "*"
        self.assertTrue(self.master.reconfigure())
        child, _ = self.child()
        assert child.inherited is not None
        child.inherited.claims = ()
        self.start(child)
        self.pass_time(0)
        self.assertTrue(self.logged("has made no session"))
        self.assertEqual(len(self.master.alive), 1)
        self.assertNotEqual(self.master.alive[0][3], "condor@child")

    def test_end(self) -> None:
        """A daemon that stops sends nothing more."""
        child, _ = self.child()
        self.start(child)
        self.pass_time(0)
        self.stop(child)
        self.pass_time(4000)
        self.assertEqual(len(self.master.alive), 1)

    def test_end_under_way(self) -> None:
        """A heartbeat that is under way is given up."""
        child, _ = self.child()
        self.start(child)
        self.reactor.advance(0)
        self.stop(child)
        self.assertFalse(self.logged("Failed"))


class ReadinessTests(ParentTestCase):
    def test_ready(self) -> None:
        """A parent that takes word of readiness gets it once."""
        child, _ = self.child()
        self.start(child)
        self.pass_time(0)
        self.assertEqual(
            self.master.ready,
            [
                b'DaemonName = "DAEMON"\0DaemonPID = %d\0DaemonState = "Ready"\0'
                % os.getpid()
            ],
        )

    def test_not_taken(self) -> None:
        """A parent that does not take it gets none."""
        child, _ = self.child(ready=False)
        self.start(child)
        self.pass_time(0)
        self.assertEqual(self.master.ready, [])
        self.assertEqual(len(self.master.alive), 1)


class OrphanTests(ParentTestCase):
    def test_parent_is_there(self) -> None:
        """While the parent is there, nothing happens."""
        child, _ = self.child()
        self.start(child)
        self.pass_time(1000)
        self.assertEqual(self.stopped, [])

    def test_parent_is_gone(self) -> None:
        """A daemon whose parent is gone shuts down fast: first look after 15 s."""
        child, _ = self.child()
        self.start(child)
        self.exists = False
        self.pass_time(14)
        self.assertEqual(self.stopped, [])
        self.pass_time(1)
        self.assertEqual(self.stopped, ["fast"])
        self.assertTrue(self.logged("went away"))

    def test_somebody_elses_child(self) -> None:
        """The number of a parent that died may be used again: then init is ours."""
        child, _ = self.child(PARENT_CHECK_INTERVAL="30")
        self.start(child)
        self.pass_time(15)
        self.reaper = 1
        self.pass_time(29)
        self.assertEqual(self.stopped, [])
        self.pass_time(1)
        self.assertEqual(self.stopped, ["fast"])

    def test_parent_of_parent(self) -> None:
        """A daemon that a wrapper started has its parent one further up."""
        self.reaper = 99
        child, _ = self.child()
        self.start(child)
        self.pass_time(1000)
        self.assertEqual(self.stopped, [])


class NumberTests(SynchronousTestCase):
    def test_fuzz(self) -> None:
        """A twentieth more or less, and never nothing left."""
        self.assertEqual(timer_fuzz(3600, 0.0), -180)
        self.assertEqual(timer_fuzz(3600, 0.9999), 180)
        self.assertEqual(timer_fuzz(0, 0.5), 0)
        for period in range(1, 30):
            for chance in (0.0, 0.3, 0.7, 0.9999):
                self.assertGreater(period + timer_fuzz(period, chance), 0)

    def test_defaults(self) -> None:
        """An hour without a word."""
        self.assertEqual(hang_seconds(Settings.from_assignments({})), 3600)

    def test_processes(self) -> None:
        """We are there; a process that cannot be is not."""
        self.assertTrue(is_there(os.getpid()))
        self.assertTrue(is_there(1))
        self.assertFalse(is_there(2**22 + 1))
