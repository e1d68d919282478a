"""Tests of ``condor_twisted.daemoncore.statistics.facility``."""

from __future__ import annotations

import signal
import socket
import sys
import time
from typing import Any
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.wire_ad import AdValue
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import CommandRequest, Daemon, Permission, command
from condor_twisted.daemoncore import daemon as daemon_module
from condor_twisted.daemoncore.daemon_ad import common_attributes
from condor_twisted.daemoncore.statistics.facility import unread_bytes
from tests.daemoncore.kit import DaemonTestCase

_WORK = 80_001


class Working(Daemon):
    """A daemon with a command that takes its time."""

    #: What the command takes, in seconds.
    work_seconds = 2.0

    @command(_WORK, Permission.READ, has_payload=False)
    def work(self, request: CommandRequest) -> None:
        """Take the reactor's time; in memory that means to move the clock."""
        self.reactor.rightNow += self.work_seconds


class StatisticsTests(DaemonTestCase):
    def working(self, **knobs: str) -> Working:
        """A daemon that runs."""
        self.knobs.update(knobs)
        daemon = Working(self.settings(), self.reactor, load_settings=self.settings)
        self.start(daemon)
        self.reactor.flush()
        return daemon

    def published(
        self, daemon: Daemon, wanted: str | None = None
    ) -> dict[str, AdValue]:
        """What its ad says."""
        return daemon.statistics.publish(wanted)

    def test_duty_cycle_in_every_ad(self) -> None:
        """Every daemon's ad has a duty cycle, and nothing else unless asked."""
        daemon = self.working()
        names = [name for name in common_attributes(daemon) if "DC" in name]
        self.assertEqual(names, [])
        values = common_attributes(daemon)
        for name in ("DaemonCoreDutyCycle", "RecentDaemonCoreDutyCycle"):
            self.assertIsInstance(values[name], float)

    def test_embedded(self) -> None:
        """In a process of somebody else, the thread's CPU time is what is busy."""
        used = [3.0]
        self.patch(time, "thread_time", lambda: used[0])
        daemon = self.working()
        used[0] += 5.0
        self.reactor.advance(20.0)
        duty = self.published(daemon)["DaemonCoreDutyCycle"]
        self.assertAlmostEqual(duty, 0.25)
        self.reactor.advance(80.0)
        duty = self.published(daemon)["DaemonCoreDutyCycle"]
        self.assertAlmostEqual(duty, 0.05)

    def test_own_process(self) -> None:
        """In a process that is ours the reactor's poller is measured, and restored."""
        self.patch(daemon_module, "settle_in", lambda settings: None)
        reactor: Any = self.reactor
        poller = reactor._poller = _Poller(reactor)
        daemon = Working(self.settings(STATISTICS_TO_PUBLISH="DC:1"), self.reactor)
        daemon.owns_process = True
        daemon.signals.install = lambda: None  # type: ignore[method-assign]
        daemon.startService()
        self.reactor.flush()
        self.assertIsNot(reactor._poller, poller)
        reactor._poller.poll(30.0)
        reactor.rightNow += 10.0
        values = self.published(daemon)
        self.assertAlmostEqual(values["DaemonCoreDutyCycle"], 0.25)
        self.assertEqual(values["DCSelectWaittime"], 30.0)
        self.assertAlmostEqual(values["DCSocketRuntime"], 10.0)
        self.assertEqual(values["DCSockMessages"], 1)
        self.stop(daemon)
        self.assertIs(reactor._poller, poller)

    def test_commands(self) -> None:
        """Commands are counted; with DC:2 the handler of each one is measured."""
        daemon = self.working(STATISTICS_TO_PUBLISH="DC:2")
        self.tell(daemon, _WORK)
        self.tell(daemon, _WORK)
        values = self.published(daemon)
        self.assertEqual(values["DCCommands"], 2)
        self.assertEqual(values["DCCommand_command80001"], 2)
        self.assertEqual(values["DCCommand_command80001Runtime"], 4.0)
        self.assertEqual(values["DCCommand_DC_NOP"], 0)

    def test_nothing_is_measured_unasked(self) -> None:
        """No handler of a command is timed unless the configuration shows it."""
        daemon = self.working(STATISTICS_TO_PUBLISH="DC:1")
        assert daemon.server is not None
        self.assertIsNone(daemon.server.command_times)
        self.tell(daemon, _WORK)
        values = self.published(daemon, "DC:2")
        self.assertEqual(values["DCCommands"], 1)
        self.assertEqual([each for each in values if "DCCommand_" in each], [])

    def test_query(self) -> None:
        """A query says what it wants to see, whatever is configured."""
        daemon = self.working()
        self.assertNotIn("DCSignals", self.published(daemon))
        self.assertIn("DCSignals", self.published(daemon, "DC:1"))
        self.assertNotIn("DCSignals", self.published(daemon, "COLLECTOR:1"))
        self.assertIn("DCNameResolve", self.published(daemon, "ALL:2"))

    def test_signals_timers_and_pipes(self) -> None:
        """Time in handlers is told apart by what they are for."""
        daemon = self.working(STATISTICS_TO_PUBLISH="DC:2")

        def spend(seconds: float) -> None:
            self.reactor.rightNow += seconds

        daemon.signals.subscribe(signal.SIGUSR1, lambda: spend(1.0))
        daemon.signals.raise_signal(signal.SIGUSR1)
        self.reactor.flush()
        daemon.timers.call_later(5, spend, 3.0)
        daemon.timers.call_later(5, spend, 4.0)
        self.reactor.advance(5)
        values = self.published(daemon)
        self.assertEqual((values["DCSignals"], values["DCSignalRuntime"]), (1, 1.0))
        self.assertEqual(values["DCTimerRuntime"], 7.0)
        self.assertEqual(values["DCTimersFired"], 2)
        self.assertEqual(values["DCTimersFiredPeak"], 2)
        self.assertEqual(values["DCTimer_self_monitor"], 1)
        [timer] = [name for name in values if name.endswith("spendRuntimeMax")]
        self.assertEqual(values[timer], 4.0)
        self.assertTrue(any(name.startswith("DCSignal_") for name in values))
        self.reactor.advance(1000)
        self.assertEqual(self.published(daemon)["DCTimersFired"], 1)
        self.assertEqual(self.published(daemon)["DCTimersFiredPeak"], 2)

    def test_recent(self) -> None:
        """Sums over the last while lose what is old, though nobody looked meanwhile."""
        daemon = self.working(STATISTICS_TO_PUBLISH="DC:1")
        self.tell(daemon, Command.DC_NOP)
        daemon.signals.subscribe(signal.SIGUSR1, lambda: None)
        daemon.signals.raise_signal(signal.SIGUSR1)
        self.reactor.flush()
        for expected in (1, 1, 1, 1, 0):
            self.reactor.advance(241)
            values = self.published(daemon)
            self.assertEqual(values["RecentDCSignals"], expected)
        self.assertEqual(values["DCSignals"], 1)
        self.assertEqual(values["DCStatsLifetime"], 5 * 241)
        self.assertEqual(values["DCRecentStatsLifetime"], 1200)

    def test_reconfiguration(self) -> None:
        """Window, quantum and what is shown are taken from the new settings."""
        daemon = self.working()
        self.knobs.update(
            STATISTICS_TO_PUBLISH="DC:2",
            STATISTICS_WINDOW_SECONDS="60",
            STATISTICS_WINDOW_QUANTUM="10",
        )
        self.assertTrue(daemon.reconfigure())
        self.assertEqual(self.published(daemon)["DCRecentWindowMax"], 60)
        ticks: list[float] = []
        daemon.statistics.each_quantum(lambda: ticks.append(self.reactor.seconds()))
        self.reactor.pump([5] * 6)
        self.assertEqual(len(ticks), 3)
        del self.knobs["STATISTICS_TO_PUBLISH"]
        self.assertTrue(daemon.reconfigure())
        assert daemon.server is not None
        self.assertIsNone(daemon.server.command_times)
        self.assertNotIn("DCSignals", self.published(daemon))

    def test_wrong_setting(self) -> None:
        """A setting without sense is logged, and what was in force stays."""
        daemon = self.working(STATISTICS_TO_PUBLISH="DC:1")
        self.knobs["DCSTATISTICS_TIMESPANS"] = "soon"
        self.knobs["STATISTICS_TO_PUBLISH"] = "NONE"
        self.assertTrue(daemon.reconfigure())
        self.assertEqual(len(self.logged("DCSTATISTICS_TIMESPANS: soon")), 1)
        self.assertIn("DCSignals", self.published(daemon))

    def test_option_without_meaning(self) -> None:
        """An option that means nothing is named; the others count."""
        daemon = self.working(STATISTICS_TO_PUBLISH="DC:1Q")
        self.assertEqual(len(self.logged("option 'q' in 'DC:1Q' means nothing")), 1)
        self.assertIn("DCSignals", self.published(daemon))

    def test_sums_of_a_daemon(self) -> None:
        """A daemon shows a sum of its own, and how fast it grows."""
        done = [0]
        daemon = Working(self.settings(STATISTICS_TO_PUBLISH="DC:1"), self.reactor)
        daemon.statistics.add_rate("Jobs", lambda: done[0])
        self.start(daemon)
        self.assertEqual(self.published(daemon)["DCJobs"], 0)
        done[0] = 720
        self.reactor.advance(240)
        self.reactor.advance(240)
        values = self.published(daemon)
        self.assertEqual(values["DCJobs"], 720)
        self.assertIsInstance(values["DCJobsPerSecond_4m"], float)

    def test_before_and_after(self) -> None:
        """A daemon that does not serve says nothing; started again it begins anew."""
        daemon = Working(self.settings(), self.reactor)
        self.assertEqual(self.published(daemon), {})
        daemon.startService()
        self.tell(daemon, Command.DC_NOP)
        self.stop(daemon)
        self.assertEqual(self.published(daemon), {})
        self.start(daemon)
        values = self.published(daemon, "DC:1")
        self.assertEqual((values["DCCommands"], values["DCStatsLifetime"]), (0, 0))


class _Poller:
    """Waits as long as it is told to, and finds one descriptor."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def poll(self, timeout: float) -> list[int]:
        self._reactor.rightNow += timeout
        return [1]


class UnreadTests(SynchronousTestCase):
    @skipUnless(sys.platform == "linux", "only Linux says it")
    def test_waiting_datagrams(self) -> None:
        """What waits in a socket's buffer is measured by the system."""
        with (
            socket.socket(type=socket.SOCK_DGRAM) as receiver,
            socket.socket(type=socket.SOCK_DGRAM) as sender,
        ):
            receiver.bind(("127.0.0.1", 0))
            self.assertEqual(unread_bytes(receiver), 0)
            sender.sendto(b"x" * 1000, receiver.getsockname())
            self.assertGreaterEqual(unread_bytes(receiver), 1000)
            receiver.recv(2000)
            self.assertEqual(unread_bytes(receiver), 0)

    def test_nothing_to_ask(self) -> None:
        """Without a socket, or with a closed one, nothing waits."""
        self.assertEqual(unread_bytes(None), 0)
        closed = socket.socket()
        closed.close()
        self.assertEqual(unread_bytes(closed), 0)
