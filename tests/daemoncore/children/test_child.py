"""Tests of ``condor_twisted.daemoncore.children.child``."""

from __future__ import annotations

import os

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.children.child import ExitStatus
from condor_twisted.daemoncore.children.spawn_options import SpawnOptions, Stream
from condor_twisted.errors import LocalProtocolError
from tests.daemoncore.process_kit import MemoryProcessTestCase


class ExitStatusTests(SynchronousTestCase):
    def test_exited(self) -> None:
        """An exit code, and no signal."""
        status = ExitStatus(7 << 8)
        self.assertEqual((status.exit_code, status.signal), (7, None))
        self.assertFalse(status.core_dumped)
        self.assertEqual(str(status), "exited with status 7")

    def test_signalled(self) -> None:
        """A signal, perhaps with a core file, and no exit code."""
        status = ExitStatus(9, True)
        self.assertEqual((status.exit_code, status.signal), (None, 9))
        self.assertEqual(str(status), "died on signal 9")
        self.assertTrue(status.was_not_responding)
        status = ExitStatus(6 | 0x80)
        self.assertTrue(status.core_dumped)
        self.assertEqual(str(status), "died on signal 6 (core dumped)")


class ChildTests(MemoryProcessTestCase):
    def test_waiting_for_its_end(self) -> None:
        """Everybody who waits is told; giving up leaves the child alone."""
        child, process = self.start()
        first, second, third = child.exited(), child.exited(), child.exited()
        second.cancel()
        self.failureResultOf(second, CancelledError)
        process.exit(0)
        self.reactor.advance(0)
        for each in (first, third, child.exited()):
            self.assertEqual(self.successResultOf(each), ExitStatus(0))
        self.assertEqual(process.signals, [])

    def test_standard_input(self) -> None:
        """Only a pipe can be written to."""
        child, _ = self.start()
        with self.assertRaisesRegex(LocalProtocolError, "stdin=Stream.PIPE"):
            child.write_stdin(b"x")
        self.assertRaises(LocalProtocolError, child.close_stdin)
        child, process = self.start(SpawnOptions(stdin=Stream.PIPE))
        child.write_stdin(b"typed")
        child.close_stdin()
        self.assertIn((0, b"typed"), process.written)

    def test_process_of_another_user(self) -> None:
        """A signal that the system refuses is a line in the log."""
        child, process = self.start()

        def refuse(signalID: str | int) -> None:
            raise PermissionError(1, os.strerror(1))

        process.signalProcess = refuse  # type: ignore[method-assign]
        self.assertFalse(child.kill(15))
        self.assertEqual(len(self.logged(f"to child {child.pid}: ")), 1)

    def test_nothing_captured(self) -> None:
        """What was not piped is empty, and so is what has not begun."""
        child, _ = self.start()
        self.assertEqual((child.stdout, child.stderr), (b"", b""))
        self.assertIn(str(child.pid), repr(child))
