"""Tests of ``condor_twisted.daemoncore.events.time_skips``."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.events.handlers import HandlerRunner
from condor_twisted.daemoncore.events.time_skips import TimeSkips
from condor_twisted.daemoncore.events.timers import Timers
from condor_twisted.errors import LocalProtocolError


class TimeSkipsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.offset = 1_700_000_000.0
        runner = HandlerRunner(self.clock.callLater)
        self.timers = Timers(self.clock, runner)
        self.skips = TimeSkips(
            self.timers, runner, lambda: self.clock.seconds() + self.offset
        )
        self.told: list[float] = []

    def test_jumps(self) -> None:
        """A jump of the wall clock, forth or back, is told once, by how much."""
        self.skips.register(self.told.append)
        self.clock.advance(60)
        self.assertEqual(self.told, [])
        self.offset += 3600
        self.clock.advance(10)
        self.clock.advance(10)
        self.assertEqual(self.told, [3600])
        self.offset -= 7200
        self.clock.advance(10)
        self.clock.advance(10)
        self.assertEqual(self.told, [3600, -7200])

    def test_small_corrections(self) -> None:
        """What a time service corrects is no jump, however often."""
        self.skips.register(self.told.append)
        for _ in range(10):
            self.offset += 1200
            self.clock.advance(10)
        self.assertEqual(self.told, [])

    def test_standing_still(self) -> None:
        """A process that was stopped has seen no jump: both clocks went on."""
        self.skips.register(self.told.append)
        self.clock.advance(100_000)
        self.assertEqual(self.told, [])

    def test_nobody_cares(self) -> None:
        """Without callbacks there is no timer; jumps before the first do not count."""
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.skips.register(self.told.append)
        self.skips.unregister(self.told.append)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.offset += 10_000
        self.skips.register(self.told.append)
        self.clock.advance(10)
        self.assertEqual(self.told, [])
        self.assertRaises(LocalProtocolError, self.skips.unregister, print)

    def test_failing_callback(self) -> None:
        """One that raises does not keep the others from being told."""

        def bad(seconds: float) -> None:
            raise RuntimeError("bad")

        self.skips.register(bad)
        self.skips.register(self.told.append)
        self.offset += 5000
        self.clock.advance(10)
        self.assertEqual(self.told, [5000])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
