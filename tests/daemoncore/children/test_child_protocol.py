"""Tests of ``condor_twisted.daemoncore.children.child_protocol``."""

from __future__ import annotations

import sys

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.children.child_protocol import (
    DRAIN_SECONDS,
    _wait_status,
)
from condor_twisted.daemoncore.children.spawn_options import SpawnOptions, Stream
from condor_twisted.testing.reactor import MemoryProcess
from tests.daemoncore.process_kit import MemoryProcessTestCase

PIPED = SpawnOptions(stdout=Stream.PIPE, stderr=Stream.PIPE, capture_bytes=10)


class ChildProtocolTests(MemoryProcessTestCase):
    def exit(self, process: MemoryProcess) -> None:
        """The process exits, and its pipes stay open."""
        process.protocol.processExited(Failure(ProcessTerminated(2)))

    def test_report_in_pieces(self) -> None:
        """A report may come byte by byte."""
        done, process = self.spawn()
        descriptor = int(process.args[-1])
        for byte in b"R" + (2).to_bytes(4, sys.byteorder) + b"exec":
            process.protocol.childDataReceived(descriptor, bytes([byte]))
        self.assertNoResult(done)
        process.protocol.childConnectionLost(descriptor)
        self.failureResultOf(done)

    def test_endless_report(self) -> None:
        """A report that never ends is not kept."""
        done, process = self.spawn()
        descriptor = int(process.args[-1])
        for _ in range(1000):
            process.protocol.childDataReceived(descriptor, b"R" * 1000)
        self.assertLess(len(process.protocol._report), 1000)
        process.exit(1)
        self.failureResultOf(done)

    def test_output_after_the_exit(self) -> None:
        """What is left in the pipes when a process has exited is read."""
        child, process = self.start(PIPED)
        self.exit(process)
        self.assertTrue(child.is_running)
        process.protocol.childDataReceived(1, b"late")
        process.protocol.childConnectionLost(1)
        self.assertTrue(child.is_running)
        process.protocol.childConnectionLost(2)
        self.assertFalse(child.is_running)
        self.assertEqual(child.stdout, b"late")
        self.reactor.advance(0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(len(self.reaped), 1)

    def test_pipes_that_stay_open(self) -> None:
        """A descendant that holds them is not waited for."""
        child, process = self.start(PIPED)
        self.exit(process)
        self.reactor.advance(DRAIN_SECONDS - 0.01)
        self.assertTrue(child.is_running)
        self.reactor.advance(0.02)
        self.assertFalse(child.is_running)
        process.protocol.childDataReceived(1, b"too late")
        process.protocol.processEnded(Failure(ProcessTerminated(2)))
        self.reactor.advance(0)
        self.assertEqual(child.stdout, b"")
        self.assertEqual(len(self.reaped), 1)

    def test_flood(self) -> None:
        """At the limit the pipe is closed; nothing further counts."""
        child, process = self.start(PIPED)
        process.protocol.childDataReceived(1, b"123456789")
        self.assertEqual(self.logged("nothing further"), [])
        process.protocol.childDataReceived(1, b"0123")
        process.protocol.childDataReceived(1, b"more")
        self.assertEqual(child.stdout, b"1234567890")
        process.protocol.childDataReceived(2, b"other")
        self.assertEqual(child.stderr, b"other")
        self.assertEqual(len(self.logged("nothing further")), 1)

    def test_mnh_3_3_raising_receiver(self) -> None:
        """What takes the output may raise; the child goes on."""

        def bad(descriptor: int, data: bytes) -> None:
            raise RuntimeError("bad")

        options = SpawnOptions(stdout=Stream.PIPE, output_received=bad)
        child, process = self.start(options)
        process.protocol.childDataReceived(1, b"x")
        self.assertTrue(child.is_running)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class WaitStatusTests(SynchronousTestCase):
    def test_statuses(self) -> None:
        """The raw status where Twisted has it, else one that says the same."""
        for reason, expected in (
            (ProcessDone(0), 0),
            (ProcessTerminated(3, None, 3 << 8), 3 << 8),
            (ProcessTerminated(None, 11, 11 | 0x80), 11 | 0x80),
            (ProcessTerminated(3), 3 << 8),
            (ProcessTerminated(None, 15), 15),
            (RuntimeError("odd"), 70 << 8),
        ):
            self.assertEqual(_wait_status(Failure(reason)), expected)
