"""Tests of ``condor_twisted.tools.fetch_log``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from condor_twisted.config.settings import Settings
from condor_twisted.tools import fetch_log
from condor_twisted.tools.fetch_log import main
from tests.tools.kit import ToolTestCase


class FetchLogTests(ToolTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.mktemp()).absolute()
        (self.directory / "jobs").mkdir(parents=True)
        self.log = self.directory / "CollectorLog"
        knobs = {
            "LOG": str(self.directory),
            "COLLECTOR_LOG": str(self.log),
            "HISTORY": str(self.directory / "history"),
            "STARTD_HISTORY": "",
            "STARTD.PER_JOB_HISTORY_DIR": str(self.directory / "jobs"),
        }
        self.server_settings = self.collector.settings.with_assignments(knobs)
        self.collector.settings = self.server_settings
        made = Settings.from_assignments(self.knobs, "TOOL")
        self.patch(fetch_log, "read_tool_settings", lambda: made)
        self.patch(fetch_log, "run", lambda start: self.code(start(self.reactor)))
        self.address = str(self.collector.address)

    def fetch(self, *arguments: Any) -> int:
        """Fetch from the collector."""
        return main(["-collector", "-addr", self.address, *arguments])

    def test_log(self) -> None:
        """The log comes as it is."""
        self.log.write_bytes(b"line \xff\n" * 70_000)
        self.assertEqual(self.fetch("COLLECTOR"), 0)
        self.assertEqual(self.out.buffer.getvalue(), b"line \xff\n" * 70_000)  # type: ignore[attr-defined]
        self.assertEqual(self.err.text, "")

    def test_by_host(self) -> None:
        """The daemon may be named by its host and port."""
        self.log.write_bytes(b"line\n")
        self.assertEqual(main(["-collector", "127.0.0.1:9618", "COLLECTOR"]), 0)
        self.assertEqual(self.out.text, "line\n")

    def test_history(self) -> None:
        """All files of a history come, one after the other."""
        (self.directory / "history").write_bytes(b"new\n")
        (self.directory / "history.20260101T000000").write_bytes(b"old\n")
        self.assertEqual(self.fetch("HISTORY"), 0)
        self.assertEqual(self.out.text, "old\nnew\n")

    def test_history_directory(self) -> None:
        """Files come into the working directory, and replace nothing there."""
        (self.directory / "jobs" / "history.1.0").write_bytes(b"one\n")
        here = Path(self.mktemp())
        here.mkdir()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(here)
        self.assertEqual(self.fetch("STARTD.PER_JOB_HISTORY_DIR"), 0)
        self.assertEqual(Path("history.1.0").read_bytes(), b"one\n")
        self.assertEqual(self.fetch("STARTD.PER_JOB_HISTORY_DIR"), 1)
        self.assertIn("Can't open local file history.1.0", self.err.text)

    def test_refusals(self) -> None:
        """What the daemon answers is said in words."""
        for name, reason in (
            ("NO_SUCH", "no log file by that name"),
            ("COLLECTOR.nosuch", "server was unable to access it"),
            ("STARTD_HISTORY", "server can't provide that type of log"),
        ):
            self.assertEqual(self.fetch(name), 1)
            self.assertIn(f"Couldn't fetch log: {reason}.", self.err.text)
        self.assertEqual(self.out.text, "")

    def test_nobody_there(self) -> None:
        """A daemon that does not answer is an error."""
        self.assertEqual(main(["-addr", "<127.0.0.1:1>", "MASTER"]), 1)
        self.assertIn("couldn't connect to daemon", self.err.text)
        self.assertEqual(main(["-kbdd", "no.such.host.example", "KBDD"]), 1)
        self.assertIn("Couldn't locate daemon", self.err.text)

    def test_usage(self) -> None:
        """Bad usage is code 2, help and version are not."""
        for arguments in ([], ["host"], ["-nosuch"], ["a", "b", "c"], ["-pool"]):
            self.assertEqual(main(arguments), 2)
        self.assertEqual(main(["-help"]), 0)
        self.assertEqual(main(["-version"]), 0)
        self.assertIn("$CondorVersion", self.out.text)
