"""Tests of ``condor_twisted.daemoncore.logs.process``."""

from __future__ import annotations

import os

from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.logs.files import RotatingLog
from condor_twisted.daemoncore.logs.lines import CondorLogObserver
from condor_twisted.daemoncore.logs.process import (
    TerminalLog,
    log_assignments,
    open_process_logs,
)
from condor_twisted.daemoncore.program.command_line import (
    CommandLine,
    parse_command_line,
)
from condor_twisted.errors import ConfigError


class ProcessLogTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = self.mktemp()
        os.mkdir(self.directory)

    def settings(self, local: str | None = None, **knobs: str) -> Settings:
        """Settings with a log directory."""
        return Settings.from_assignments(
            {"LOG": self.directory, **knobs}, "SKELETON", local
        )

    def line(self, text: str) -> CommandLine:
        """A command line."""
        return parse_command_line(text.split())

    def opened(self, settings: Settings, text: str) -> list[CondorLogObserver]:
        """The logs that are opened; they close with the test."""
        found = open_process_logs(settings, self.line(text))
        for each in found:
            self.addCleanup(each.log.close)
        return found

    def test_usual(self) -> None:
        """The log is where the knobs say."""
        [own] = self.opened(self.settings(), "")
        assert isinstance(own.log, RotatingLog)
        self.assertEqual(own.log.path, os.path.join(self.directory, "SkeletonLog"))

    def test_terminal(self) -> None:
        """With -t, and where no place is configured, it is standard error."""
        nowhere = Settings.from_assignments({}, "SKELETON")
        for settings, text in ((self.settings(), "-t"), (nowhere, "")):
            [own] = self.opened(settings, text)
            self.assertIsInstance(own.log, TerminalLog)
        self.assertEqual(os.listdir(self.directory), [])

    def test_none(self) -> None:
        """With -ld there is none."""
        self.assertEqual(self.opened(self.settings(), "-ld"), [])

    def test_suffix(self) -> None:
        """A suffix goes to the log's name, the local name's own log included."""
        for local, knob, name in (
            (None, "SKELETON_LOG", "SkeletonLog.x"),
            ("MINE", "MINE.SKELETON_LOG", "MineLog.x"),
        ):
            found = log_assignments(self.settings(local), self.line("-a x"))
            self.assertEqual(found, ((knob, os.path.join(self.directory, name)),))
        self.assertEqual(log_assignments(self.settings(), self.line("")), ())

    def test_second(self) -> None:
        """A second log has flags of its own, or the daemon's."""
        path = os.path.join(self.directory, "second")
        settings = self.settings(SKELETON_DEBUG="D_SECURITY", WHERE=path)
        _, second = self.opened(settings, "-a2 D_COMMAND,D_PID,$(WHERE)")
        assert isinstance(second.log, RotatingLog)
        self.assertEqual(second.log.path, path)
        self.assertTrue(second.flags.wants("D_COMMAND"))
        self.assertFalse(second.flags.wants("D_SECURITY"))
        _, second = self.opened(settings, f"-a2 {path}")
        self.assertTrue(second.flags.wants("D_SECURITY"))

    def test_unwritable(self) -> None:
        """A log that cannot be opened is named."""
        for text in ("", "-ld -a2 /dev/null/x"):
            error = self.assertRaises(
                ConfigError,
                open_process_logs,
                self.settings(SKELETON_LOG="/dev/null/x"),
                self.line(text),
            )
            self.assertIn("/dev/null", str(error))

    def test_terminal_lines(self) -> None:
        """Lines on a terminal look as in a file; one that nobody reads is lost."""
        reading, writing = os.pipe()
        log = TerminalLog(writing)
        log.open()
        log.touch()
        observer = CondorLogObserver(log, self.opened(self.settings(), "")[0].flags)
        observer({"log_level": LogLevel.info, "log_format": "a line", "log_time": 1.0})
        self.assertRegex(os.read(reading, 100), rb"^../../.. ..:..:.. a line\n$")
        os.close(reading)
        log.write(b"lost\n")
        log.close()
        os.close(writing)
