"""Tests of ``condor_twisted.daemoncore.statistics.settings``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.statistics.settings import (
    StatisticsSettings,
    choice_of,
)
from condor_twisted.errors import ConfigError


def _read(**knobs: str) -> StatisticsSettings:
    return StatisticsSettings.from_settings(Settings.from_assignments(knobs, "DAEMON"))


class SettingsTests(SynchronousTestCase):
    def test_defaults(self) -> None:
        """Without a configuration the fields are what HTCondor's table says."""
        self.assertEqual(_read(), StatisticsSettings())
        self.assertEqual(_read().window_seconds, 1200)
        self.assertEqual(_read().quantum_seconds, 240)
        self.assertEqual(_read().choice.level, 0)

    def test_window(self) -> None:
        """DaemonCore's own knobs come before those of all statistics."""
        found = _read(STATISTICS_WINDOW_SECONDS="600", STATISTICS_WINDOW_QUANTUM="60")
        self.assertEqual((found.window_seconds, found.quantum_seconds), (600, 60))
        found = _read(
            STATISTICS_WINDOW_SECONDS="600",
            DCSTATISTICS_WINDOW_SECONDS="300",
            STATISTICS_WINDOW_QUANTUM="60",
            STATISTICS_WINDOW_QUANTUM_DC="30",
        )
        self.assertEqual((found.window_seconds, found.quantum_seconds), (300, 30))
        found = _read(
            STATISTICS_WINDOW_QUANTUM_DC="30",
            STATISTICS_WINDOW_QUANTUM_DAEMONCORE="10",
        )
        self.assertEqual(found.quantum_seconds, 10)

    def test_choice(self) -> None:
        """What is shown is what the configuration or a query says."""
        self.assertEqual(_read(STATISTICS_TO_PUBLISH="DC:2").choice.level, 2)
        self.assertEqual(_read(STATISTICS_TO_PUBLISH="SCHEDD:2").choice.level, 0)
        self.assertEqual(choice_of("DC:1").level, 1)
        self.assertEqual(choice_of("COLLECTOR:2").level, 0)
        listed = _read(STATISTICS_TO_PUBLISH_LIST="DCSignals, DCCommands").listed
        self.assertEqual(listed, {"dcsignals", "dccommands"})

    def test_spans(self) -> None:
        """Spans of rates have a name and a length."""
        found = _read(DCSTATISTICS_TIMESPANS="1m:60, 1h:3600")
        self.assertEqual(found.spans, {"1m": 60, "1h": 3600})

    def test_no_sense(self) -> None:
        """A knob without sense is named, with what would have some."""
        for knob, value in (
            ("DCSTATISTICS_TIMESPANS", "soon"),
            ("DCSTATISTICS_TIMESPANS", "now:0"),
            ("STATISTICS_WINDOW_SECONDS", "0"),
            ("STATISTICS_WINDOW_QUANTUM", "often"),
        ):
            error = self.assertRaises(ConfigError, _read, **{knob: value})
            self.assertIn(knob, str(error))
