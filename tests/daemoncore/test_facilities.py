"""Tests of ``condor_twisted.daemoncore.facilities``."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.facilities import end_all


class One:
    """A facility that ends when it is told to."""

    def __init__(self, ending: Deferred[None] | None = None) -> None:
        self.ending = ending

    def begin(self) -> None:
        """Nothing begins."""

    def renew(self) -> None:
        """Nothing is renewed."""

    def end(self) -> Deferred[None] | None:
        return self.ending


class Broken(One):
    """A facility that cannot even end."""

    def end(self) -> Deferred[None] | None:
        raise RuntimeError("no end")


class EndTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()

    def test_at_once(self) -> None:
        """Where all are done at once, nobody waits."""
        self.successResultOf(end_all([One(), One()], self.clock, 1))
        self.successResultOf(end_all([], self.clock, 1))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_waiting(self) -> None:
        """The end comes with the last one's."""
        slow: Deferred[None] = Deferred()
        ended = end_all([One(), One(slow)], self.clock, 1)
        self.assertNoResult(ended)
        slow.callback(None)
        self.successResultOf(ended)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_mnh_8_8_limit(self) -> None:
        """Nobody waits longer than the limit, and a late end changes nothing."""
        slow: Deferred[None] = Deferred()
        ended = end_all([One(slow)], self.clock, 1)
        self.clock.advance(0.9)
        self.assertNoResult(ended)
        self.clock.advance(0.1)
        self.successResultOf(ended)
        slow.callback(None)

    def test_failures(self) -> None:
        """One that fails to end is logged, and the others end."""
        slow: Deferred[None] = Deferred()
        ended = end_all([Broken(), One(slow)], self.clock, 1)
        slow.errback(ValueError("late"))
        self.successResultOf(ended)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError, ValueError)), 2)
