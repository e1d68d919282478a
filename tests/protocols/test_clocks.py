"""Tests of ``condor_twisted.protocols.clocks``."""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols.clocks import make_monotonic, monotonic_seconds
from condor_twisted.protocols.deadlines import DeadlineSweep


class WallClockReactor(Clock):
    """A reactor that tells the wall time, as Twisted's do."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: Any = time.time


class ClocksTests(SynchronousTestCase):
    def test_mnh_2_6_wall_time_does_not_measure(self) -> None:
        """Beside a reactor that tells the wall time, the monotonic clock measures."""
        reactor = WallClockReactor()
        self.assertIs(monotonic_seconds(reactor), time.monotonic)
        self.assertIs(DeadlineSweep(reactor).seconds, time.monotonic)

    def test_clock_of_a_test(self) -> None:
        """A clock in memory is asked itself."""
        clock = Clock()
        clock.advance(5)
        self.assertEqual(monotonic_seconds(clock)(), 5)

    def test_mnh_2_7_reactor_of_our_own(self) -> None:
        """A reactor of a process that is ours does not jump with the wall clock."""
        reactor = WallClockReactor()
        self.assertTrue(make_monotonic(reactor))
        self.assertIs(reactor.seconds, time.monotonic)
        self.assertTrue(make_monotonic(reactor))

    def test_reactor_with_calls(self) -> None:
        """A reactor that has scheduled calls already stays as it is."""
        reactor = WallClockReactor()
        call = reactor.callLater(5, lambda: None)
        self.assertFalse(make_monotonic(reactor))
        self.assertIs(reactor.seconds, time.time)
        call.cancel()

    def test_twisteds_reactor_tells_the_wall_time(self) -> None:
        """Twisted's own reactors are recognized as what they are."""
        from twisted.internet.base import ReactorBase

        self.assertIs(ReactorBase.seconds, time.time)
