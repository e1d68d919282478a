"""Tests of ``condor_twisted.daemoncore.logs.lines``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.logger import ILogObserver, Logger, LogLevel
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.logs.files import RotatingLog
from condor_twisted.daemoncore.logs.lines import (
    CondorLogObserver,
    DebugFlags,
)
from condor_twisted.daemoncore.logs.setup import log_path, open_log
from condor_twisted.errors import ConfigError


class DebugFlagsTests(SynchronousTestCase):
    def test_defaults(self) -> None:
        """Three categories are always on; all others are off."""
        flags = DebugFlags.parse(None, "")
        for name in ("D_ALWAYS", "D_ERROR", "D_STATUS"):
            self.assertTrue(flags.wants(name))
            self.assertFalse(flags.wants(name, verbose=True))
        self.assertFalse(flags.wants("D_COMMAND"))
        self.assertFalse(flags.wants("D_FULLDEBUG"))

    def test_spellings(self) -> None:
        """Separators, signs, levels and short names are as HTCondor has them."""
        flags = DebugFlags.parse("D_COMMAND|security:2, +D_NETWORK;junk D_NONSENSE")
        self.assertTrue(flags.wants("D_COMMAND"))
        self.assertFalse(flags.wants("D_COMMAND", verbose=True))
        self.assertTrue(flags.wants("D_SECURITY", verbose=True))
        self.assertFalse(flags.wants("D_NONSENSE"))

    def test_full_debug(self) -> None:
        """D_FULLDEBUG is the verbose level of D_ALWAYS and of nothing else."""
        flags = DebugFlags.parse("D_FULLDEBUG D_COMMAND")
        self.assertTrue(flags.wants("D_FULLDEBUG"))
        self.assertTrue(flags.wants("D_ALWAYS", verbose=True))
        self.assertFalse(flags.wants("D_COMMAND", verbose=True))

    def test_switching_off(self) -> None:
        """A basic category stays on, its verbose level and header flags go."""
        flags = DebugFlags.parse("D_ALL:2", "-D_COMMAND D_PID:0")
        self.assertTrue(flags.wants("D_COMMAND"))
        self.assertFalse(flags.wants("D_COMMAND", verbose=True))
        self.assertEqual(flags.headers, {"D_FDS", "D_CAT"})

    def test_from_settings(self) -> None:
        """A daemon's own flags replace the default ones; ALL_DEBUG comes first."""
        knobs = {"ALL_DEBUG": "D_PID", "DEFAULT_DEBUG": "D_NETWORK"}
        flags = DebugFlags.from_settings(Settings.from_assignments(knobs, "COLLECTOR"))
        self.assertTrue(flags.wants("D_NETWORK"))
        self.assertIn("D_PID", flags.headers)
        knobs["COLLECTOR_DEBUG"] = "D_COMMAND"
        flags = DebugFlags.from_settings(Settings.from_assignments(knobs, "COLLECTOR"))
        self.assertFalse(flags.wants("D_NETWORK"))
        self.assertTrue(flags.wants("D_COMMAND"))


class RotatingLogTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.path = self.directory / "CollectorLog"
        self.now = 1_700_000_000.0
        self.monotonic = 0.0

    def make(self, *arguments: int) -> RotatingLog:
        """A log with clocks of the test."""
        log = RotatingLog(
            str(self.path),
            *arguments,
            seconds=lambda: self.monotonic,
            unix_time=lambda: self.now,
        )
        self.addCleanup(log.close)
        return log

    def files(self) -> list[str]:
        """The names of the files there are."""
        return sorted(os.listdir(self.directory))

    def test_mnh_7_5_rotation_by_size(self) -> None:
        """A full file is renamed, with the lines that HTCondor writes; none is lost."""
        log = self.make(1000)
        for number in range(110):
            log.write(b"line %04d\n" % number, lambda: "T ")
        old = (self.directory / "CollectorLog.old").read_text()
        new = self.path.read_text()
        self.assertIn("T MaxLog = 1000 bytes, length = 1000\n", old)
        self.assertIn(f'T Saving log file to "{self.path}.old"\n', old)
        self.assertTrue(new.startswith(f"T Now in new log file {self.path}\n"))
        for number in range(110):
            self.assertIn(f"line {number:04d}", old + new)

    def test_stamped_old_files(self) -> None:
        """More old files have the time in their names; too old ones go."""
        log = self.make(50, 3)
        for _ in range(30):
            log.write(b"x" * 60 + b"\n")
            self.now += 10
        files = self.files()
        self.assertEqual(len(files), 4)
        self.assertEqual(files[0], "CollectorLog")
        self.assertEqual(files[-1], "CollectorLog.old")
        self.assertRegex(files[1], r"^CollectorLog\.\d{8}T\d{6}$")

    def test_rotation_by_time(self) -> None:
        """A file is used for one period."""
        log = self.make(0, 1, 3600)
        log.write(b"first\n")
        os.utime(self.path, (self.now, self.now))
        log.close()
        log.write(b"same hour\n")
        self.assertEqual(self.files(), ["CollectorLog"])
        self.now += 3600
        log.write(b"next hour\n")
        self.assertEqual(self.files(), ["CollectorLog", "CollectorLog.old"])
        self.assertIn("next hour", self.path.read_text())

    def test_mnh_7_5_log_that_cannot_be_written(self) -> None:
        """Lines are dropped and counted; a minute later it is tried again."""
        log = self.make(0)
        log.write(b"one\n")
        log.close()
        self.path.unlink()
        self.directory.rename(str(self.directory) + ".away")
        for _ in range(5):
            log.write(b"lost\n")
        self.assertEqual(log.dropped_count, 5)
        os.rename(str(self.directory) + ".away", self.directory)
        self.monotonic += 59
        log.write(b"lost too\n")
        self.monotonic += 2
        log.write(b"back\n", lambda: "T ")
        self.assertEqual(self.path.read_text(), "T 6 lines could not be logged\nback\n")

    def test_mnh_7_5_full_disk(self) -> None:
        """A full disk costs lines, not the daemon."""
        log = self.make(0)
        log.open()

        def full(handle: int, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        self.patch(os, "write", full)
        log.write(b"lost\n")
        self.assertEqual(log.dropped_count, 1)

    def test_touching(self) -> None:
        """The file's time changes with a touch, and a missing file does not matter."""
        log = self.make(0)
        log.touch()
        log.write(b"x\n")
        os.utime(self.path, (1, 1))
        before = self.path.stat().st_ctime_ns
        log.touch()
        self.assertGreater(self.path.stat().st_ctime_ns, before)


class ObserverTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()
        self.log = RotatingLog(self.path)
        self.addCleanup(self.log.close)

    def observe(self, flags: str = "", **options: Any) -> Logger:
        """A logger whose events are written with these flags."""
        observer = CondorLogObserver(
            self.log, DebugFlags.parse(flags), process_id=77, **options
        )
        verifyObject(ILogObserver, observer)
        return Logger(observer=observer, namespace="test")

    def lines(self) -> list[str]:
        """What was written."""
        with open(self.path) as file:
            return file.read().splitlines()

    def test_line(self) -> None:
        """A line is the local time and the text."""
        self.observe().info("hello {name}", name="world")
        self.assertRegex(
            self.lines()[0], r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d hello world$"
        )

    def test_headers(self) -> None:
        """Header flags stand in HTCondor's order."""
        log = self.observe("D_ALL D_SUB_SECOND D_TIMESTAMP")
        log.debug("hello", category="D_COMMAND")
        log.info("status", category="D_STATUS")
        self.assertRegex(
            self.lines()[0],
            r"^\d{10}\.\d\d\d \(fd:\d+\) \(pid:77\) \(D_COMMAND\) hello$",
        )
        self.assertTrue(self.lines()[1].endswith("(D_ALWAYS) status"))

    def test_levels(self) -> None:
        """What names no category is filed by its level."""
        log = self.observe()
        for level in (LogLevel.debug, LogLevel.info, LogLevel.warn, LogLevel.error):
            log.emit(level, "at {log_level.name}")
        self.assertEqual(
            [line.split(" ", 2)[2] for line in self.lines()],
            ["at info", "at warn", "at error"],
        )
        self.observe("D_FULLDEBUG").debug("now")
        self.assertEqual(len(self.lines()), 4)

    def test_categories(self) -> None:
        """A category that is off is not written, an error of it is."""
        log = self.observe()
        log.info("no", category="D_COMMAND")
        log.error("yes", category="D_COMMAND")
        self.assertEqual(len(self.lines()), 1)

    def test_traceback(self) -> None:
        """Each line of a traceback has its header."""
        log = self.observe()
        try:
            raise ValueError("a bug")
        except ValueError:
            log.failure("it failed")
        lines = self.lines()
        self.assertGreater(len(lines), 3)
        for line in lines:
            self.assertRegex(line, r"^\d\d/\d\d/\d\d ")
        self.assertIn("a bug", "".join(lines))

    def test_long_lines_are_cut(self) -> None:
        """A line has an end."""
        self.observe().info("{text}", text="x" * 1_000_000)
        self.assertLess(os.path.getsize(self.path), 70_000)


class SettingsTests(SynchronousTestCase):
    def settings(self, local_name: str | None = None, **knobs: str) -> Settings:
        """A collector's settings."""
        return Settings.from_assignments(knobs, "COLLECTOR", local_name)

    def test_paths(self) -> None:
        """The log's place follows the knobs; without LOG there is none."""
        self.assertIsNone(log_path(self.settings()))
        self.assertEqual(log_path(self.settings(LOG="/l")), "/l/CollectorLog")
        self.assertEqual(log_path(self.settings(COLLECTOR_LOG="/x")), "/x")
        self.assertEqual(log_path(self.settings("LOC_TWO", LOG="/l")), "/l/LocTwoLog")
        named = Settings.from_assignments(
            {"LOG": "/l", "LOC.COLLECTOR_LOG": "/y"}, "COLLECTOR", "LOC"
        )
        self.assertEqual(log_path(named), "/y")
        self.assertIsNone(log_path(Settings.from_assignments({}, "SKELETON", "LOC")))

    def test_opening(self) -> None:
        """The directory is made, limits and flags are read."""
        directory = self.mktemp()
        observer = open_log(
            self.settings(
                LOG=directory,
                MAX_COLLECTOR_LOG="20 Kb",
                MAX_NUM_COLLECTOR_LOG="4",
                COLLECTOR_DEBUG="D_COMMAND",
            )
        )
        assert observer is not None
        self.addCleanup(observer.log.close)
        assert isinstance(observer.log, RotatingLog)
        self.assertEqual(os.listdir(directory), ["CollectorLog"])
        self.assertEqual(observer.log.max_bytes, 20 * 1024)
        self.assertEqual(observer.log.keep_count, 4)
        self.assertTrue(observer.flags.wants("D_COMMAND"))

    def test_limit_by_time(self) -> None:
        """A limit may be a time."""
        observer = open_log(self.settings(LOG=self.mktemp(), MAX_COLLECTOR_LOG="1 day"))
        assert observer is not None
        self.addCleanup(observer.log.close)
        assert isinstance(observer.log, RotatingLog)
        self.assertEqual(
            (observer.log.max_bytes, observer.log.period_seconds), (0, 86_400)
        )

    def test_nothing_to_open(self) -> None:
        """Without a place there is no log of our own."""
        self.assertIsNone(open_log(self.settings()))

    def test_log_that_cannot_be_opened(self) -> None:
        """A log that cannot be opened at the start is an error of configuration."""
        bad = self.settings(COLLECTOR_LOG="/dev/null/x")
        self.assertRaises(ConfigError, open_log, bad)
        bad = self.settings(LOG=self.mktemp(), MAX_COLLECTOR_LOG="much")
        self.assertRaises(ConfigError, open_log, bad)
