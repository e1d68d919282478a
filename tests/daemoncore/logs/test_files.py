"""Tests of ``condor_twisted.daemoncore.logs.files``; rotation is in ``test_logs``."""

from __future__ import annotations

import fcntl
import os
import syslog
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.logs.files import RotatingLog, StreamLog, SystemLog


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.path = self.directory / "Log"
        self.lock = str(self.directory / "Lock")

    def log(self, max_bytes: int = 0, **options: object) -> RotatingLog:
        """A log, closed when the test is over."""
        made = RotatingLog(str(self.path), max_bytes, **options)  # type: ignore[arg-type]
        self.addCleanup(made.close)
        return made

    def test_truncating(self) -> None:
        """A process may begin with an empty file; a later opening keeps it."""
        self.path.write_bytes(b"old\n")
        log = self.log(truncates=True)
        log.write(b"one\n")
        log.close()
        log.write(b"two\n")
        self.assertEqual(self.path.read_bytes(), b"one\ntwo\n")

    def test_reopening(self) -> None:
        """A file that somebody renamed or removed is followed by a new one."""
        log = self.log()
        log.write(b"one\n")
        self.path.rename(self.directory / "Log.1")
        log.write(b"two\n")
        log.touch()
        log.write(b"three\n")
        self.assertEqual((self.directory / "Log.1").read_bytes(), b"one\ntwo\n")
        self.assertEqual(self.path.read_bytes(), b"three\n")
        self.path.unlink()
        log.touch()
        self.assertEqual(self.path.read_bytes(), b"")

    def test_rotating_with_a_lock(self) -> None:
        """While another process has the lock, the file only grows."""
        log = self.log(5, lock_path=self.lock)
        log.write(b"12345\n")
        with open(self.lock, "w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            log.write(b"more\n")
            self.assertEqual(self.path.read_bytes(), b"12345\nmore\n")
        log.write(b"after\n")
        self.assertIn(b"12345\nmore\n", (self.directory / "Log.old").read_bytes())
        self.assertTrue(self.path.read_bytes().endswith(b"after\n"))

    def test_rotated_by_another_process(self) -> None:
        """What another process rotated is not rotated again."""
        ours, other = (self.log(5, lock_path=self.lock) for _ in range(2))
        other.write(b"first line\n")
        ours.open()
        other.write(b"a\n")
        ours.write(b"b\n")
        self.assertTrue(self.path.read_bytes().endswith(b"a\nb\n"))
        self.assertIn(b"first line\n", (self.directory / "Log.old").read_bytes())

    def test_lock_for_every_record(self) -> None:
        """A lock that cannot be had loses no line."""
        log = self.log(lock_path=str(self.directory / "no" / "Lock"), locks_always=True)
        log.write(b"one\n")
        self.assertEqual(self.path.read_bytes(), b"one\n")

    def test_mnh_7_5_removed_directory(self) -> None:
        """Touching a log whose directory is gone raises nothing."""
        log = self.log()
        log.write(b"one\n")
        self.path.unlink()
        self.directory.rmdir()
        log.touch()
        log.write(b"two\n")
        self.assertEqual(log.dropped_count, 1)


class OtherSinksTests(SynchronousTestCase):
    def test_stream(self) -> None:
        """Lines go to the descriptor; where that is closed they are counted."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        log = StreamLog(writing)
        log.open()
        log.write(b"line\n")
        log.touch()
        log.close()
        self.assertEqual(os.read(reading, 100), b"line\n")
        os.close(writing)
        log.write(b"lost\n")
        self.assertEqual(log.dropped_count, 1)

    def test_system_log(self) -> None:
        """Each line is one entry."""
        entries: list[object] = []
        self.patch(syslog, "openlog", lambda *args: entries.append(args[0]))
        self.patch(syslog, "syslog", lambda _, line: entries.append(line))
        log = SystemLog("condor_x")
        log.open()
        log.write(b"one\ntwo\0\n")
        log.touch()
        log.close()
        self.assertEqual(entries, ["condor_x", "one", "two"])
