"""Tests of ``condor_twisted.classad.recent``."""

from __future__ import annotations

import math

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.recent import (
    HandlerTimes,
    MovingRate,
    Probe,
    RecentCounter,
    RecentMaximum,
    RecentProbe,
    RecentSeconds,
    Window,
)


class WindowTests(SynchronousTestCase):
    def test_parts(self) -> None:
        """Parts pass one by one, whenever somebody asks."""
        window = Window(1000.0, 1200, 240)
        self.assertEqual((window.slots, window.seconds), (5, 1200))
        asked = [window.steps(1000.0 + passed) for passed in (239, 240, 700, 719, 720)]
        self.assertEqual(asked, [0, 1, 1, 0, 1])
        self.assertEqual(window.ticked, 1720.0)

    def test_whole_parts(self) -> None:
        """A while that is no multiple of its parts is longer, and never empty."""
        self.assertEqual(Window(0.0, 1000, 240).seconds, 1200)
        self.assertEqual(Window(0.0, 0, 0).seconds, 1)

    def test_lifetimes(self) -> None:
        """The last while is not longer than everything."""
        window = Window(1000.0, 1200, 240)
        self.assertEqual(window.lifetime(1100.9), 100)
        self.assertEqual(window.recent_lifetime(1100.9), 100)
        self.assertEqual(window.lifetime(9000.0), 8000)
        self.assertEqual(window.recent_lifetime(9000.0), 1200)

    def test_mnh_2_7_clock_set_back(self) -> None:
        """A clock that goes back begins a part anew."""
        window = Window(1000.0, 1200, 240)
        self.assertEqual(window.steps(100.0), 0)
        self.assertEqual(window.lifetime(100.0), 0)
        self.assertEqual(window.steps(340.0), 1)


class RecentTests(SynchronousTestCase):
    def test_sums(self) -> None:
        """A recent sum forgets what is older than the while."""
        counter = RecentCounter(3)
        counter.total += 5
        self.assertEqual(counter.recent, 5)
        for expected in (5, 5, 0):
            counter.advance(1)
            self.assertEqual(counter.recent, expected)
        counter.total += 2
        counter.advance(100)
        self.assertEqual((counter.recent, counter.total), (0, 7))

    def test_seconds(self) -> None:
        """Times are summed up alike, and are never integers."""
        seconds = RecentSeconds(2)
        self.assertIsInstance(seconds.recent, float)
        seconds.total += 0.5
        seconds.advance(1)
        seconds.total += 0.25
        self.assertEqual(seconds.recent, 0.75)
        seconds.advance(1)
        self.assertEqual((seconds.recent, seconds.total), (0.25, 0.75))

    def test_maximum(self) -> None:
        """A recent maximum is one of values that are not too old."""
        maximum = RecentMaximum(2)
        maximum.note(7)
        maximum.advance(1)
        maximum.note(3)
        self.assertEqual((maximum.overall, maximum.recent), (7, 7))
        maximum.advance(1)
        self.assertEqual((maximum.overall, maximum.recent), (7, 3))

    def test_other_length(self) -> None:
        """A shorter while forgets at once, a longer one from then on."""
        counter, maximum, probe = RecentCounter(3), RecentMaximum(3), RecentProbe(3)
        for value in (1, 2, 4):
            counter.total += value
            maximum.note(value)
            probe.add(value)
            for each in (counter, maximum, probe):
                each.advance(1)
        for each in (counter, maximum, probe):
            each.resize(2)
        self.assertEqual(counter.recent, 4)
        self.assertEqual(maximum.recent, 4)
        self.assertEqual(probe.recent.count, 1)
        for each in (counter, maximum, probe):
            each.resize(4)
            each.advance(2)
        self.assertEqual(counter.recent, 4)
        self.assertEqual(probe.recent.count, 1)


class ProbeTests(SynchronousTestCase):
    def test_details(self) -> None:
        """Mean, extremes and the deviation of a sample."""
        probe = Probe()
        for value in (1.0, 2.0, 6.0):
            probe.add(value)
        details = dict(probe.details("T"))
        self.assertEqual(
            (probe.count, probe.total, details["TAvg"]),
            (3, 9.0, 3.0),
        )
        self.assertEqual((details["TMin"], details["TMax"]), (1.0, 6.0))
        self.assertAlmostEqual(details["TStd"], math.sqrt(7.0))

    def test_few_values(self) -> None:
        """Nothing is said of nothing; one value is its own deviation."""
        probe = Probe()
        self.assertEqual(dict(probe.details("T")), {})
        probe.add(0.5)
        self.assertEqual(dict(probe.details("T"))["TStd"], 0.5)

    def test_equal_values(self) -> None:
        """Rounding makes no root of a negative number."""
        probe = Probe()
        for _ in range(3):
            probe.add(0.1)
        self.assertAlmostEqual(probe.deviation, 0.0, places=6)

    def test_recent(self) -> None:
        """A recent probe has what the parts have, and loses what is old."""
        probe = RecentProbe(2)
        self.assertEqual(probe.recent.count, 0)
        probe.add(4.0)
        probe.advance(1)
        probe.add(1.0)
        recent = probe.recent
        self.assertEqual((recent.count, recent.minimum, recent.maximum), (2, 1.0, 4.0))
        probe.advance(1)
        recent = probe.recent
        self.assertEqual((recent.count, recent.total, recent.maximum), (1, 1.0, 1.0))
        self.assertEqual(probe.overall.count, 2)


class RateTests(SynchronousTestCase):
    def test_whole_spans_only(self) -> None:
        """A mean is shown once its span has passed."""
        rate = MovingRate(0.0, {"1m": 60, "1h": 3600})
        rate.total = 120
        rate.update(59.0)
        self.assertEqual(dict(rate.rates()), {})
        rate.update(60.0)
        self.assertEqual(list(dict(rate.rates())), ["1m"])

    def test_mean(self) -> None:
        """What is steady is found; what has ended fades."""
        rate = MovingRate(0.0, {"1m": 60})
        for now in range(60, 1260, 60):
            rate.total += 120
            rate.update(now)
        self.assertAlmostEqual(dict(rate.rates())["1m"], 2.0, places=5)
        rate.update(1260.0)
        self.assertAlmostEqual(dict(rate.rates())["1m"], 2.0 / math.e, places=5)

    def test_no_time(self) -> None:
        """Without time there is no rate, and nothing is lost."""
        rate = MovingRate(10.0, {"1m": 60})
        rate.total = 60
        rate.update(10.0)
        rate.update(70.0)
        self.assertAlmostEqual(dict(rate.rates())["1m"], 1 - 1 / math.e)

    def test_other_spans(self) -> None:
        """A span that stays keeps its mean."""
        rate = MovingRate(0.0, {"1m": 60})
        rate.total = 60
        rate.update(60.0)
        before = dict(rate.rates())
        rate.spans = {"minute": 60, "hour": 3600}
        self.assertEqual(dict(rate.rates()), {"minute": before["1m"]})


class HandlerTimesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 0.0
        self.times = HandlerTimes(lambda: self.now)

    def work(self, seconds: float) -> str:
        """A handler."""
        self.now += seconds
        return "done"

    def test_sums(self) -> None:
        """Runs are counted and their times summed up; nobody's name is kept."""
        self.assertEqual(self.times.run("a", self.work, 2.0), "done")
        self.times.run("b", self.work, 3.0)
        self.assertEqual((self.times.count, self.times.seconds), (2, 5.0))
        self.assertIsNone(self.times.probes)

    def test_raising(self) -> None:
        """What raises has taken its time as well."""

        def bad() -> None:
            self.now += 1.0
            raise ValueError("bad")

        self.assertRaises(ValueError, self.times.run, "bad", bad)
        self.assertEqual((self.times.count, self.times.seconds), (1, 1.0))

    def test_by_name(self) -> None:
        """Where somebody wants to know, each handler is measured."""
        self.times.tell_apart(True)
        self.times.run("a", self.work, 2.0)
        self.times.run("a", self.work, 4.0)
        self.times.tell_apart(True)
        assert self.times.probes is not None
        self.assertEqual(self.times.probes["a"].maximum, 4.0)
        self.times.tell_apart(False)
        self.assertIsNone(self.times.probes)

    def test_bound(self) -> None:
        """Not more names are kept than there is room for; all runs are counted."""
        self.times.tell_apart(True)
        for number in range(1100):
            self.times.add(f"handler {number}", 0.0)
        assert self.times.probes is not None
        self.assertEqual(len(self.times.probes), 1000)
        self.assertEqual(self.times.count, 1100)
        self.times.clear()
        self.assertEqual((self.times.count, self.times.probes), (0, {}))
