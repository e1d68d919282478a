"""Tests of ``condor_twisted.protocols.deadlines``."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols.deadlines import NEVER, DeadlineSweep


class Item:
    """Something with a deadline."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.passed = 0
        self.fails = False

    def deadline_passed(self) -> None:
        self.passed += 1
        if self.fails:
            raise RuntimeError("its own fault")


class DeadlineSweepTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.sweep = DeadlineSweep(self.clock)

    def pass_time(self, seconds: float) -> None:
        """Let time pass in small steps."""
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)

    def test_before_and_after(self) -> None:
        """A deadline passes not before its time, at most a second after, and once."""
        item = Item(20.0)
        self.sweep.watch(item)
        self.pass_time(19.9)
        self.assertEqual(item.passed, 0)
        self.pass_time(1.2)
        self.assertEqual(item.passed, 1)
        self.pass_time(30)
        self.assertEqual(item.passed, 1)

    def test_mnh_10_12_no_timer_without_deadlines(self) -> None:
        """The sweep ends when nobody has a deadline any more."""
        item = Item(5.0)
        self.sweep.watch(item)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        item.deadline = NEVER
        self.pass_time(1.1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.sweep), 0)

    def test_one_timer_for_all(self) -> None:
        """A thousand deadlines are one delayed call."""
        for number in range(1000):
            self.sweep.watch(Item(number))
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_forgotten_items_are_left_alone(self) -> None:
        """Who was forgotten is not late."""
        item = Item(1.0)
        self.sweep.watch(item)
        self.sweep.forget(item)
        self.pass_time(3)
        self.assertEqual(item.passed, 0)

    def test_failing_item_does_not_stop_the_others(self) -> None:
        """An item that raises is logged; the others are still told."""
        first, second = Item(1.0), Item(1.0)
        first.fails = second.fails = True
        self.sweep.watch(first)
        self.sweep.watch(second)
        self.pass_time(2.1)
        self.assertEqual((first.passed, second.passed), (1, 1))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_item_may_set_a_new_deadline(self) -> None:
        """An item that is late may be watched again from its own call."""
        item = Item(1.0)

        def again() -> None:
            item.passed += 1
            item.deadline = self.clock.seconds() + 5
            self.sweep.watch(item)

        item.deadline_passed = again  # type: ignore[method-assign]
        self.sweep.watch(item)
        self.pass_time(9)
        self.assertEqual(item.passed, 2)

    def test_duties_and_stop(self) -> None:
        """Duties run with each sweep, a failing one is logged, stopping ends all."""
        done: list[float] = []

        def bad() -> None:
            raise RuntimeError("a duty")

        self.sweep.every_sweep(bad)
        self.sweep.every_sweep(lambda: done.append(self.clock.seconds()))
        self.sweep.watch(Item(100.0))
        self.pass_time(2.2)
        self.assertEqual(len(done), 2)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)
        self.sweep.stop()
        self.sweep.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
