"""Tests of ``condor_twisted.daemoncore.statistics.counters``."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.recent import Probe
from condor_twisted.classad.statistics_choice import StatisticsChoice
from condor_twisted.daemoncore.statistics.counters import DaemonStatistics, Work
from condor_twisted.daemoncore.statistics.settings import StatisticsSettings

_BEGAN = 1_790_000_000.0
_USUAL = StatisticsChoice(level=1, recent=True)
_VERBOSE = StatisticsChoice(level=2, recent=True)


def _work(elapsed: float, waiting: float, **more: Any) -> Work:
    return Work(elapsed_seconds=elapsed, waiting_seconds=waiting, **more)


class DutyCycleTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.statistics = DaemonStatistics(_BEGAN, StatisticsSettings())

    def duty(self) -> tuple[Any, Any]:
        """The two attributes that are always there."""
        values = self.statistics.publish()
        self.assertEqual(
            list(values), ["DaemonCoreDutyCycle", "RecentDaemonCoreDutyCycle"]
        )
        return values["DaemonCoreDutyCycle"], values["RecentDaemonCoreDutyCycle"]

    def test_nothing_yet(self) -> None:
        """Before the first turn there was nothing to do."""
        self.assertEqual(self.duty(), (0.0, 0.0))

    def test_part_of_the_time(self) -> None:
        """The duty cycle is the part of the time that was not waited."""
        self.statistics.take(_work(100.0, 75.0), _BEGAN + 100)
        self.assertEqual(self.duty(), (0.25, 0.25))

    def test_recent(self) -> None:
        """The recent one forgets; the other does not."""
        for part in range(1, 8):
            self.statistics.take(_work(240.0 * part, 0.0), _BEGAN + 240 * part)
        self.assertEqual(self.duty(), (1.0, 1.0))
        for part in range(8, 15):
            now = 240.0 * part
            self.statistics.take(_work(now, now - 240.0 * 7), _BEGAN + now)
        self.assertEqual(self.duty(), (0.5, 0.0))

    def test_within_bounds(self) -> None:
        """Clocks that disagree make no part of the time that cannot be."""
        self.statistics.take(_work(10.0, 11.0), _BEGAN + 10)
        self.assertEqual(self.duty(), (0.0, 0.0))
        self.statistics.take(_work(20.0, -1.0), _BEGAN + 20)
        self.assertEqual(self.duty()[0], 1.0)


class PublishedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.statistics = DaemonStatistics(_BEGAN, StatisticsSettings())
        ran, idle = Probe(), Probe()
        ran.add(0.5)
        self.statistics.take(
            _work(
                300.0,
                200.0,
                seconds={"SocketRuntime": 90.0, "NameResolveRuntime": 1.5},
                counts={"Signals": 3, "DebugOuts": 40, "NameResolve": 2},
                levels={"UdpQueueDepth": 512},
                rates={"Commands": 600},
                handlers={"Command": {"DC_NOP": ran, "DC_OFF": idle}},
            ),
            _BEGAN + 300,
        )

    def test_usual(self) -> None:
        """The usual level has sums, peaks and rates, with what is recent of them."""
        values = self.statistics.publish(_USUAL)
        self.assertEqual(
            values,
            {
                "DCStatsLifetime": 300,
                "DCRecentStatsLifetime": 300,
                "DaemonCoreDutyCycle": values["DaemonCoreDutyCycle"],
                "RecentDaemonCoreDutyCycle": values["RecentDaemonCoreDutyCycle"],
                "DCSelectWaittime": 200.0,
                "RecentDCSelectWaittime": 200.0,
                "DCSocketRuntime": 90.0,
                "RecentDCSocketRuntime": 90.0,
                "DCSignals": 3,
                "RecentDCSignals": 3,
                "DCUdpQueueDepth": 512,
                "DCUdpQueueDepthPeak": 512,
                "DCCommands": 600,
                "DCCommandsPerSecond_4m": values["DCCommandsPerSecond_4m"],
            },
        )

    def test_verbose(self) -> None:
        """The verbose level adds handlers, look-ups, log lines and the window."""
        values = self.statistics.publish(_VERBOSE)
        for name, expected in (
            ("DCStatsLastUpdateTime", 1_790_000_300),
            ("DCRecentStatsTickTime", 1_790_000_240),
            ("DCRecentWindowMax", 1200),
            ("DCDebugOuts", 40),
            ("RecentDCDebugOuts", 40),
            ("DCNameResolve", 2),
            ("DCNameResolveRuntime", 1.5),
            ("DCCommand_DC_NOP", 1),
            ("DCCommand_DC_NOPRuntime", 0.5),
            ("DCCommand_DC_NOPRuntimeAvg", 0.5),
            ("DCCommand_DC_OFF", 0),
            ("DCCommand_DC_OFFRuntime", 0.0),
        ):
            self.assertEqual(values[name], expected, name)
        self.assertNotIn("DCCommand_DC_OFFRuntimeAvg", values)
        self.assertNotIn("DCPumpCycleCount", values)

    def test_without_recent(self) -> None:
        """Nothing recent is shown if nobody wants it, but for the duty cycle."""
        values = self.statistics.publish(StatisticsChoice(level=2))
        recent = [name for name in values if "Recent" in name]
        self.assertEqual(recent, ["RecentDaemonCoreDutyCycle"])

    def test_nonzero_only(self) -> None:
        """Handlers that never ran are left out, other zeros are not."""
        choice = StatisticsChoice(level=2, recent=True, nonzero_only=True)
        values = self.statistics.publish(choice)
        self.assertIn("DCCommand_DC_NOP", values)
        self.assertNotIn("DCCommand_DC_OFF", values)

    def test_listed(self) -> None:
        """What is listed is shown at any level."""
        settings = StatisticsSettings(listed=frozenset(("dcsignals", "dcdebugouts")))
        self.statistics.reconfigure(settings)
        values = self.statistics.publish()
        self.assertEqual(values["DCSignals"], 3)
        self.assertEqual(values["DCDebugOuts"], 40)
        self.assertNotIn("RecentDCSignals", values)
        self.assertNotIn("DCSelectWaittime", values)

    def test_rates(self) -> None:
        """How fast a sum grows is shown once a span has passed."""
        values = self.statistics.publish(_USUAL)
        rate = values["DCCommandsPerSecond_4m"]
        assert isinstance(rate, float)
        self.assertTrue(1.0 < rate < 2.0, rate)
        self.assertNotIn("DCCommandsPerSecond_20m", values)
        self.statistics.take(_work(600.0, 400.0, rates={"Commands": 900}), _BEGAN + 600)
        values = self.statistics.publish(_USUAL)
        rate = values["DCCommandsPerSecond_4m"]
        assert isinstance(rate, float)
        self.assertTrue(1.0 < rate < 1.3, rate)
        self.assertNotIn("DCCommandsPerSecond_4h", values)

    def test_handlers_names(self) -> None:
        """What cannot be part of an attribute's name is left out."""
        probes = {"Engine::sweep (old) = 1": Probe(), "Grüße": Probe()}
        self.statistics.take(_work(1.0, 1.0, handlers={"Timer": probes}), _BEGAN + 301)
        values = self.statistics.publish(_VERBOSE)
        self.assertIn("DCTimer_Enginesweepold1", values)
        self.assertIn("DCTimer_Gre", values)

    def test_cycles(self) -> None:
        """Turns of the reactor are shown where they are measured."""
        self.statistics.measure_cycles(True)
        assert self.statistics.cycles is not None
        self.statistics.cycles.add(0.25)
        self.statistics.cycles.add(0.75)
        values = self.statistics.publish(_VERBOSE)
        self.assertEqual(values["DCPumpCycleCount"], 2)
        self.assertEqual(values["DCPumpCycleSum"], 1.0)
        self.assertEqual(values["RecentDCPumpCycleAvg"], 0.5)
        self.statistics.measure_cycles(False)
        self.assertNotIn("DCPumpCycleCount", self.statistics.publish(_VERBOSE))

    def test_other_window(self) -> None:
        """A reconfiguration keeps what was counted, and counts in other parts."""
        self.statistics.reconfigure(
            StatisticsSettings(window_seconds=60, quantum_seconds=60)
        )
        self.assertEqual(self.statistics.publish(_USUAL)["DCSignals"], 3)
        self.assertEqual(self.statistics.publish(_VERBOSE)["DCRecentWindowMax"], 60)
        self.statistics.take(
            _work(400.0, 300.0, counts={"Signals": 4}), _BEGAN + 300 + 59
        )
        values = self.statistics.publish(_USUAL)
        self.assertEqual((values["DCSignals"], values["RecentDCSignals"]), (4, 0))
