"""Tests of ``condor_twisted.daemoncore.events.timers``."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.events.handlers import HandlerRunner
from condor_twisted.daemoncore.events.timers import Timer, Timers
from condor_twisted.daemoncore.events.timeslices import Timeslice
from condor_twisted.errors import LocalProtocolError


class TurnClock(Clock):
    """A clock of which one ``advance`` is one turn, as in a real reactor."""

    def advance(self, amount: float) -> None:
        self.rightNow += amount
        calls: list[Any] = sorted(
            self.getDelayedCalls(), key=lambda each: each.getTime()
        )
        for call in [each for each in calls if each.getTime() <= self.rightNow]:
            if call.active():
                self.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)


class TimersTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = TurnClock()
        self.timers = self.make()
        self.happened: list[Any] = []

    def make(self, max_per_turn: int = 0) -> Timers:
        runner = HandlerRunner(self.clock.callLater)
        return Timers(self.clock, runner, max_per_turn)

    def note(self, what: Any = None) -> None:
        """A handler: notes when it ran."""
        self.happened.append(self.clock.seconds() if what is None else what)


class OnceTests(TimersTestCase):
    def test_once(self) -> None:
        """A timer without a period runs once, just when it is due."""
        timer = self.timers.call_later(10, self.note)
        self.assertEqual(timer.due_in_seconds, 10)
        self.clock.advance(9.99)
        self.assertEqual(self.happened, [])
        self.clock.advance(0.01)
        self.assertEqual(self.happened, [10])
        self.assertFalse(timer.is_active)
        self.assertEqual(len(self.timers), 0)
        self.clock.advance(1000)
        self.assertEqual(self.happened, [10])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_order(self) -> None:
        """Timers due at the same time run in the order of registration."""
        for number in range(50):
            self.timers.call_later(5, self.note, number)
        self.timers.call_later(4, self.note, "first")
        self.clock.advance(5)
        self.assertEqual(self.happened, ["first", *range(50)])

    def test_never(self) -> None:
        """A parked timer runs when it is reset, and not before."""
        timer = self.timers.register(None, self.note)
        self.assertIsNone(timer.due_in_seconds)
        self.clock.advance(10**9)
        self.assertEqual(self.happened, [])
        timer.reset(1)
        self.clock.advance(1)
        self.assertEqual(len(self.happened), 1)

    def test_cancel(self) -> None:
        """A cancelled timer does not run, and is over."""
        timer = self.timers.call_later(10, self.note)
        timer.cancel()
        timer.cancel()
        self.clock.advance(100)
        self.assertEqual(self.happened, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertRaises(LocalProtocolError, timer.reset, 1)
        self.assertRaises(LocalProtocolError, timer.reset_period, 1)
        self.assertRaises(LocalProtocolError, timer.expedite)

    def test_nonsense(self) -> None:
        """Negative numbers are refused, and leave nothing."""
        self.assertRaises(LocalProtocolError, self.timers.call_later, -1, self.note)
        self.assertRaises(LocalProtocolError, self.timers.call_every, -1, self.note)
        self.assertEqual(len(self.timers), 0)

    def test_very_far(self) -> None:
        """A timer beyond what a reactor takes is looked at again on the way."""
        self.timers.call_later(10**7, self.note)
        for _ in range(200):
            self.clock.advance(10**5)
        self.assertEqual(len(self.happened), 1)
        self.assertGreaterEqual(self.happened[0], 10**7)

    def test_mnh_10_12_close(self) -> None:
        """Closed, nothing is left in the reactor."""
        self.timers.call_every(1, self.note)
        self.timers.call_later(1, self.note)
        self.timers.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(10)
        self.assertEqual(self.happened, [])


class PeriodTests(TimersTestCase):
    def test_drift(self) -> None:
        """The period counts from the handler's return, so a slow one drifts."""

        def slow() -> None:
            self.note()
            self.clock.rightNow += 3  # the handler takes three seconds

        self.timers.call_every(10, slow)
        while self.clock.seconds() < 62:
            self.clock.advance(1)
        self.assertEqual(self.happened, [10, 23, 36, 49, 62])

    def test_mnh_2_8_missed_runs(self) -> None:
        """After ten minutes in which nothing ran, a timer runs once."""
        self.timers.call_every(1, self.note)
        self.clock.advance(600)
        self.assertEqual(self.happened, [600])
        self.clock.advance(1)
        self.assertEqual(self.happened, [600, 601])

    def test_waiting_handler(self) -> None:
        """With a Deferred, the period counts from when that fires."""
        waiting: list[Deferred[None]] = []

        def handler() -> Deferred[None]:
            self.note()
            waiting.append(Deferred())
            return waiting[-1]

        timer = self.timers.call_every(10, handler)
        self.clock.advance(10)
        self.assertTrue(timer.is_running)
        self.assertIsNone(timer.due_in_seconds)
        self.clock.advance(35)
        waiting[0].callback(None)
        self.assertFalse(timer.is_running)
        self.assertEqual(timer.due_in_seconds, 10)
        self.clock.advance(10)
        self.assertEqual(self.happened, [10, 55])
        waiting[1].errback(RuntimeError("bad"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.clock.advance(10)
        self.assertEqual(self.happened, [10, 55, 65])
        self.timers.close()
        waiting[2].callback(None)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_coroutine(self) -> None:
        """A handler may be a coroutine function."""
        waiting: Deferred[None] = Deferred()

        async def handler() -> None:
            await waiting
            self.note()

        self.timers.call_every(10, handler)
        self.clock.advance(15)
        waiting.callback(None)
        self.assertEqual(self.happened, [15])
        self.clock.advance(10)
        self.assertEqual(self.happened, [15, 25])

    def test_mnh_3_3_raising_handler(self) -> None:
        """A handler that raises is logged and runs again; others are not touched."""

        def bad() -> None:
            self.note("bad")
            raise RuntimeError("bad")

        self.timers.call_every(1, bad)
        self.timers.call_every(1, self.note, "good")
        self.clock.advance(1)
        self.clock.advance(1)
        self.assertEqual(self.happened, ["bad", "good", "bad", "good"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_zero_period(self) -> None:
        """A period of nothing is none: the timer runs once."""
        timer = self.timers.register(1, self.note, period_seconds=0)
        self.clock.advance(1)
        self.clock.advance(1)
        self.assertEqual(self.happened, [1])
        self.assertFalse(timer.is_active)


class ReentrancyTests(TimersTestCase):
    def run_once(self, action: Any, period: float | None = 10) -> Timer:
        """A timer whose handler acts upon its own timer the first time."""

        def handler() -> None:
            self.note()
            if len(self.happened) == 1:
                action(timer)

        timer = self.timers.register(10, handler, period_seconds=period)
        self.clock.advance(10)
        return timer

    def test_reset_inside(self) -> None:
        """A reset by the handler itself stands against the period."""
        self.run_once(lambda timer: timer.reset(3, 100))
        self.clock.advance(2.9)
        self.assertEqual(self.happened, [10])
        self.clock.advance(0.1)
        self.clock.advance(99)
        self.assertEqual(len(self.happened), 2)
        self.clock.advance(1)
        self.assertEqual(len(self.happened), 3)

    def test_reset_inside_of_one_that_runs_once(self) -> None:
        """A timer that runs once runs again if its handler resets it."""
        timer = self.run_once(lambda timer: timer.reset(3), None)
        self.assertTrue(timer.is_active)
        self.clock.advance(3)
        self.assertEqual(len(self.happened), 2)
        self.assertFalse(timer.is_active)

    def test_cancel_inside(self) -> None:
        """A handler may cancel its own timer."""
        timer = self.run_once(lambda timer: timer.cancel())
        self.assertFalse(timer.is_active)
        self.clock.advance(100)
        self.assertEqual(self.happened, [10])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_reset_to_now_inside(self) -> None:
        """A timer reset to now by its handler waits for the next turn."""
        self.run_once(lambda timer: timer.reset(0, 10))
        self.assertEqual(self.happened, [10])
        self.clock.advance(0)
        self.assertEqual(self.happened, [10, 10])

    def test_period_inside(self) -> None:
        """A period changed by the handler counts from its return."""
        self.run_once(lambda timer: timer.reset_period(4))
        self.clock.advance(4)
        self.assertEqual(self.happened, [10, 14])

    def test_registering_inside(self) -> None:
        """What a handler registers for now runs in the next turn."""
        self.timers.call_later(1, self.timers.call_later, 0, self.note)
        self.clock.advance(1)
        self.assertEqual(self.happened, [])
        self.clock.advance(0)
        self.assertEqual(self.happened, [1])

    def test_cancelling_another_that_is_due(self) -> None:
        """A handler may cancel a timer that is due in the same turn."""
        self.timers.call_later(1, lambda: other.cancel())
        other = self.timers.call_later(1, self.note)
        self.clock.advance(1)
        self.assertEqual(self.happened, [])

    def test_resetting_another_that_is_due(self) -> None:
        """One that is reset in the turn in which it is due runs when it says then."""
        self.timers.call_later(1, lambda: other.reset(5))
        other = self.timers.call_later(1, self.note)
        self.clock.advance(1)
        self.assertEqual(self.happened, [])
        self.clock.advance(5)
        self.assertEqual(self.happened, [6])

    def test_closing_inside(self) -> None:
        """A handler may close everything."""
        self.timers.call_later(1, self.timers.close)
        self.timers.call_later(1, self.note)
        self.timers.call_every(1, self.note)
        self.clock.advance(1)
        self.assertEqual(self.happened, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_due_while_it_waits(self) -> None:
        """A handler never runs beside itself; it runs again right after."""
        waiting: Deferred[None] = Deferred()
        handlers: list[Any] = [lambda: waiting, lambda: None]

        def handler() -> object:
            self.note()
            return handlers.pop(0)()

        timer = self.timers.call_later(1, handler)
        self.clock.advance(1)
        timer.reset(2)
        self.clock.advance(5)
        self.assertEqual(self.happened, [1])
        waiting.callback(None)
        self.assertEqual(self.happened, [1])
        self.clock.advance(0)
        self.assertEqual(self.happened, [1, 6])

    def test_cancel_while_it_waits(self) -> None:
        """A cancelled timer lets its handler finish, and no more."""
        waiting: Deferred[None] = Deferred()
        timer = self.timers.call_every(1, lambda: waiting)
        self.clock.advance(1)
        timer.cancel()
        waiting.callback(None)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_limit_per_turn(self) -> None:
        """So many run in one turn, the others in the next ones, in order."""
        self.timers = self.make(3)
        for number in range(7):
            self.timers.call_later(1, self.note, number)
        for expected in (3, 6, 7):
            self.clock.advance(1 if expected == 3 else 0)
            self.assertEqual(self.happened, list(range(expected)))


class PhaseTests(TimersTestCase):
    def test_reset_period(self) -> None:
        """A new period counts from where the old one began."""
        timer = self.timers.call_every(100, self.note)
        self.clock.advance(30)
        timer.reset_period(50)
        self.assertEqual(timer.due_in_seconds, 20)
        self.clock.advance(20)
        self.clock.advance(50)
        self.assertEqual(self.happened, [50, 100])

    def test_reset_period_that_is_over(self) -> None:
        """If it is over by then, the timer runs in the next turn."""
        timer = self.timers.call_every(100, self.note)
        self.clock.advance(30)
        timer.reset_period(10)
        self.clock.advance(0)
        self.assertEqual(self.happened, [30])

    def test_timeslices(self) -> None:
        """A timer in timeslices runs as its timeslice says."""

        def slow() -> None:
            self.note()
            self.clock.rightNow += 2

        timeslice = Timeslice(fraction=0.1, default_seconds=5)
        timer = self.timers.call_in_timeslices(timeslice, slow)
        while self.clock.seconds() < 65:
            self.clock.advance(1)
        self.assertEqual(self.happened, [5, 25, 45, 65])
        timer.expedite()
        self.assertEqual(timer.due_in_seconds, 65 + 20 - self.clock.seconds())
        timer.reset(1, 30)
        self.clock.advance(1)
        self.clock.advance(30)
        self.assertEqual(len(self.happened), 6)

    def test_expedite_without_timeslice(self) -> None:
        """Any other timer that is expedited runs in the next turn."""
        timer = self.timers.call_every(100, self.note)
        timer.expedite()
        self.clock.advance(0)
        self.assertEqual(self.happened, [0])
        self.clock.advance(100)
        self.assertEqual(self.happened, [0, 100])


class ClockTests(TimersTestCase):
    def test_mnh_2_7_woken_too_early(self) -> None:
        """A reactor whose clock jumps wakes us early; nothing runs before its time."""
        steady = [0.0]
        self.timers.seconds = lambda: steady[0]
        self.timers.call_later(100, self.note)
        self.clock.advance(3600)  # the wall clock jumped
        self.assertEqual(self.happened, [])
        steady[0] = 100
        self.clock.advance(100)
        self.assertEqual(len(self.happened), 1)

    @settings(deadline=None, max_examples=60)
    @given(
        st.lists(
            st.tuples(st.integers(0, 20), st.sampled_from(["once", "every", "cancel"])),
            max_size=40,
        )
    )
    def test_many(self, wanted: list[tuple[int, str]]) -> None:
        """However many there are, each runs when it is due, in order."""
        clock = TurnClock()
        timers = Timers(clock, HandlerRunner(clock.callLater))
        happened: list[tuple[float, int]] = []
        expected: list[tuple[float, int]] = []
        for number, (delay, kind) in enumerate(wanted):

            def handler(number: int = number) -> None:
                happened.append((clock.seconds(), number))

            timer = timers.register(
                delay, handler, period_seconds=7 if kind == "every" else None
            )
            if kind == "cancel":
                timer.cancel()
            else:
                expected.append((delay, number))
                if kind == "every":
                    expected += [(at, number) for at in range(delay + 7, 32, 7)]
        for _ in range(31):
            clock.advance(0)
            clock.advance(1)
        self.assertEqual(
            sorted(happened), sorted(each for each in expected if each[0] <= 31)
        )
        self.assertEqual([at for at, _ in happened], sorted(at for at, _ in happened))
        timers.close()
        self.assertEqual(clock.getDelayedCalls(), [])
