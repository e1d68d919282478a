"""Tests of ``condor_twisted.daemoncore.logs.setup``; see also ``test_logs``."""

from __future__ import annotations

import json
import os
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.logs.files import RotatingLog, StreamLog, SystemLog
from condor_twisted.daemoncore.logs.lines import CondorLogObserver
from condor_twisted.daemoncore.logs.setup import LogCare, open_log, reopen_logs
from condor_twisted.errors import ConfigError


class LogSetupTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()

    def settings(self, **knobs: str) -> Settings:
        """A collector's settings, with logs of its own."""
        knobs.setdefault("LOG", str(self.directory))
        return Settings.from_assignments(knobs, "COLLECTOR")

    def opened(self, **knobs: str) -> CondorLogObserver:
        """The logs, closed when the test is over."""
        observer = open_log(self.settings(**knobs))
        assert observer is not None
        for sink in observer.sinks():
            self.addCleanup(sink.close)
        return observer

    def texts(self, name: str) -> list[str]:
        """The lines of a log without their time."""
        lines = (self.directory / name).read_text().splitlines()
        return [line[18:] for line in lines]

    def test_secondary_logs(self) -> None:
        """A category's own log gets that category alone, wanted or not."""
        observer = self.opened(
            COLLECTOR_COMMAND_LOG="$(LOG)/Commands",
            MAX_COLLECTOR_COMMAND_LOG="100",
            MAX_NUM_COLLECTOR_COMMAND_LOG="3",
        )
        log = Logger(observer=observer, namespace="test")
        log.debug("a command", category="D_COMMAND")
        log.debug("too much", category="D_COMMAND", verbose=True)
        log.info("for all")
        self.assertEqual(self.texts("Commands"), ["a command"])
        self.assertEqual(self.texts("CollectorLog"), ["for all"])
        secondary = observer.secondaries["D_COMMAND"]
        assert isinstance(secondary, RotatingLog)
        self.assertEqual((secondary.max_bytes, secondary.keep_count), (100, 3))

    def test_json(self) -> None:
        """One object a line; text cannot end it."""
        observer = self.opened(COLLECTOR_LOG_FORMAT="json")
        log = Logger(observer=observer, namespace="test")
        log.error('bad "{what}"', what="line\nbreak")
        (line,) = (self.directory / "CollectorLog").read_text().splitlines()
        record = json.loads(line)
        self.assertEqual(record["text"], 'bad "line\nbreak"')
        self.assertEqual((record["category"], record["verbose"]), ("D_ERROR", False))
        self.assertRegex(record["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]")

    def test_other_places(self) -> None:
        """Standard streams and the system's log have names of their own."""
        for knobs, kind in (
            ({"COLLECTOR_LOG": "2>"}, StreamLog),
            ({"COLLECTOR_LOG": "SYSLOG"}, SystemLog),
            ({"LOG_TO_SYSLOG": "True"}, SystemLog),
        ):
            self.assertIsInstance(self.opened(**knobs).log, kind)

    def test_times(self) -> None:
        """A line may begin with seconds of Unix time, or with a format of one's own."""
        self.opened(LOGS_USE_TIMESTAMP="True").write("x")
        self.assertRegex((self.directory / "CollectorLog").read_text(), r"^\d{10} x\n$")

    def test_last_touched(self) -> None:
        """When the log was last touched is looked at before it is opened."""
        self.assertIsNone(self.opened().last_touched_unix)
        touched = self.opened().last_touched_unix
        assert touched is not None
        self.assertGreaterEqual(
            touched, os.stat(self.directory / "CollectorLog").st_mtime
        )

    def test_reopening(self) -> None:
        """A reconfiguration moves the log, or leaves everything as it was."""
        observer = self.opened()
        observer.write("one")
        with self.assertRaises(ConfigError):
            reopen_logs(observer, self.settings(MAX_COLLECTOR_LOG="much"))
        observer.write("two")
        reopen_logs(
            observer,
            self.settings(COLLECTOR_LOG="$(LOG)/Other", COLLECTOR_LOG_FORMAT="JSON"),
        )
        observer.write("three")
        self.assertEqual(self.texts("CollectorLog"), ["one", "two"])
        self.assertIn('"three"', (self.directory / "Other").read_text())
        with self.assertRaises(ConfigError):
            reopen_logs(observer, self.settings(COLLECTOR_LOG_FORMAT="XML"))

    def test_touching(self) -> None:
        """The file's time moves on every TOUCH_LOG_INTERVAL seconds."""
        observer, clock = self.opened(), Clock()
        care = LogCare(observer, clock)
        care.start(self.settings(TOUCH_LOG_INTERVAL="10"))
        path = self.directory / "CollectorLog"
        os.utime(path, (1, 1))
        clock.advance(9)
        self.assertEqual(path.stat().st_mtime, 1)
        clock.advance(1)
        self.assertGreater(path.stat().st_mtime, 1)
        care.start(self.settings(TOUCH_LOG_INTERVAL="0"))
        os.utime(path, (1, 1))
        clock.advance(1)
        self.assertGreater(path.stat().st_mtime, 1)
        care.stop()
        self.assertEqual(clock.getDelayedCalls(), [])
