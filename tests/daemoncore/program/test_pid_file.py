"""Tests of ``condor_twisted.daemoncore.program.pid_file``."""

from __future__ import annotations

import errno
import os
import signal

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.program.pid_file import (
    PidFile,
    read_pid_file,
    stop_process,
)
from condor_twisted.errors import ConfigError


class PidFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()

    def write(self, text: str) -> None:
        """Let there be a file."""
        with open(self.path, "w", encoding="ascii") as file:
            file.write(text)

    def test_layout(self) -> None:
        """It holds the process id and a newline, and goes with the daemon."""
        file = PidFile(self.path, 4711)
        file.write()
        with open(self.path, encoding="ascii") as written:
            self.assertEqual(written.read(), "4711\n")
        self.assertEqual(read_pid_file(self.path), 4711)
        file.begin()
        file.end()
        self.assertFalse(os.path.exists(self.path))

    def test_mnh_9_3_stale(self) -> None:
        """An old file is replaced, and one that somebody else wrote since is his."""
        self.write("17\n")
        file = PidFile(self.path, 4711)
        file.write()
        self.assertEqual(read_pid_file(self.path), 4711)
        self.write("17\n")
        file.end()
        self.assertEqual(read_pid_file(self.path), 17)

    def test_reconfiguration(self) -> None:
        """A file that somebody removed comes back."""
        file = PidFile(self.path, 4711)
        file.renew()
        self.assertEqual(read_pid_file(self.path), 4711)

    def test_no_directory(self) -> None:
        """A file that cannot be written stops nothing that runs."""
        file = PidFile(os.path.join(self.path, "pid"), 4711)
        self.assertRaises(OSError, file.write)
        file.renew()
        file.end()

    def test_wrong_files(self) -> None:
        """What holds no process id is said to."""
        for text in ("", "x", "-5", "0", "1", "99999999999", "12 13"):
            self.write(text)
            error = self.assertRaises(ConfigError, read_pid_file, self.path)
            self.assertIn("no process id", str(error))
        os.unlink(self.path)
        error = self.assertRaises(ConfigError, read_pid_file, self.path)
        self.assertIn(self.path, str(error))


class StopTests(SynchronousTestCase):
    def test_stopping(self) -> None:
        """A process is told to stop, and waited for."""
        happened: list[object] = []

        def kill(pid: int, number: int) -> None:
            happened.append((pid, number))
            if len(happened) > 5:
                raise OSError(errno.ESRCH, "gone")

        stop_process(17, kill=kill, sleep=happened.append)
        self.assertEqual(happened[0], (17, signal.SIGTERM))
        self.assertEqual(happened[1:4], [(17, 0), 0.2, (17, 0)])

    def test_nobody(self) -> None:
        """A process that is not there, or not ours, is an error."""
        for number, part in ((errno.ESRCH, "there is none"), (errno.EPERM, "denied")):

            def kill(pid: int, signal_number: int, number: int = number) -> None:
                raise OSError(number, "denied")

            error = self.assertRaises(ConfigError, stop_process, 17, kill=kill)
            self.assertIn(part, str(error))
