"""Tests of ``condor_twisted.daemoncore.events.timeslices``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.events.timeslices import Timeslice


class TimesliceTests(SynchronousTestCase):
    def test_short_runs(self) -> None:
        """Short runs begin with the default between their beginnings."""
        timeslice = Timeslice(default_seconds=60, fraction=0.01)
        self.assertEqual(timeslice.next_start(100), 160)
        timeslice.finished(160, 160.1)
        self.assertEqual(timeslice.next_start(160.1), 220)

    def test_long_runs(self) -> None:
        """Long ones take no more than their share, and recent ones count most."""
        timeslice = Timeslice(default_seconds=10, fraction=0.1, max_seconds=500)
        timeslice.finished(0, 10)
        self.assertEqual(timeslice.next_start(10), 100)
        timeslice.finished(100, 120)
        self.assertAlmostEqual(timeslice.average_seconds, 14)
        self.assertAlmostEqual(timeslice.next_start(120), 240)
        timeslice.finished(240, 740)
        self.assertAlmostEqual(timeslice.next_start(740), 740)  # the maximum is over

    def test_initial(self) -> None:
        """The first run has a delay of its own, if one was given."""
        timeslice = Timeslice(default_seconds=60, initial_seconds=5)
        self.assertEqual(timeslice.next_start(100), 105)
        self.assertEqual(Timeslice(default_seconds=60).next_start(100), 160)

    def test_minimum(self) -> None:
        """However short, runs have a minimum between them."""
        timeslice = Timeslice(min_seconds=3, fraction=0.5)
        timeslice.finished(10, 10)
        self.assertEqual(timeslice.next_start(10), 13)

    def test_expedite(self) -> None:
        """An expedited run ignores the default once, and nothing else."""
        timeslice = Timeslice(default_seconds=60, min_seconds=2, fraction=0.1)
        timeslice.finished(0, 1)
        timeslice.expedite()
        self.assertEqual(timeslice.next_start(1), 10)
        timeslice.finished(10, 10)
        self.assertEqual(timeslice.next_start(10), 70)

    def test_clock_that_went_back(self) -> None:
        """A run that seems to end before it began took no time."""
        timeslice = Timeslice(default_seconds=60, fraction=0.1)
        timeslice.finished(100, 50)
        self.assertEqual(timeslice.average_seconds, 0)
