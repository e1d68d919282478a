"""Tests of ``bench.report``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bench.report import HEADER, Goal, format_row, goal_met, ratio_spread
from bench.rows import Sample, Stopwatch


def samples(*values: float, lost: int | None = None) -> list[Sample]:
    """Make samples of a hundred operations in a millisecond each."""
    return [Sample(value, 0.001, 100, lost) for value in values]


class RatioTests(SynchronousTestCase):
    """Ratios are taken round by round."""

    def test_round_by_round(self) -> None:
        """A round that was slow for both does not disturb the ratio."""
        spread = ratio_spread(samples(10, 100, 12), samples(20, 200, 20))
        self.assertEqual(spread, (0.5, 0.5, 0.6))

    def test_nothing_to_divide_by(self) -> None:
        """Without the real collector, or with a figure of 0, there is no ratio."""
        self.assertIsNone(ratio_spread(samples(1), []))
        self.assertIsNone(ratio_spread(samples(1), samples(0)))


class GoalTests(SynchronousTestCase):
    """Whether a goal is met."""

    def test_ratio(self) -> None:
        """The median ratio decides, and the goal itself is good enough."""
        self.assertIs(goal_met(Goal(0.5), samples(1, 9, 1), samples(2, 2, 2)), True)
        self.assertIs(goal_met(Goal(0.5), samples(1.1), samples(2)), False)

    def test_absolute(self) -> None:
        """An absolute goal needs no real collector."""
        goal = Goal(absolute=350)
        self.assertIs(goal_met(goal, samples(350), []), True)
        self.assertIs(goal_met(goal, samples(351), samples(1000)), False)

    def test_unknown(self) -> None:
        """Without figures or without a goal nothing is said."""
        self.assertIsNone(goal_met(Goal(0.5), samples(1), []))
        self.assertIsNone(goal_met(Goal(0.5), [], samples(1)))
        self.assertIsNone(goal_met(Goal(), samples(1), samples(1)))


class LineTests(SynchronousTestCase):
    """Lines of the table."""

    def test_all_columns(self) -> None:
        """A line shows both figures, ratio, spread, goal, verdict and wall time."""
        line = format_row("dump", "ms", Goal(0.06), samples(20, 30), samples(500, 500))
        for text in ("dump [ms]", "500", "25.00", "0.05 (0.04-0.06)", "<= 0.06"):
            self.assertIn(text, line)
        self.assertIn(" yes ", line)
        self.assertTrue(line.endswith("10 us / 10 us"), line)

    def test_missed(self) -> None:
        """A missed goal catches the eye."""
        self.assertIn(" NO ", format_row("x", "us", Goal(0.4), samples(2), samples(1)))

    def test_ours_alone(self) -> None:
        """Without the real collector our figure stands alone."""
        line = format_row("start", "ms", Goal(absolute=350), samples(200), [])
        self.assertEqual(
            line.split()[:7], ["start", "[ms]", "-", "200", "-", "<=", "350"]
        )

    def test_losses(self) -> None:
        """Losses are told where they can happen, and only there."""
        line = format_row(
            "udp", "us", Goal(0.4), samples(1, lost=0), samples(1, lost=12)
        )
        self.assertIn("lost: real 12.0%, ours 0.0%", line)
        self.assertNotIn("lost", format_row("x", "us", Goal(), samples(1), samples(1)))

    def test_header_fits(self) -> None:
        """The header's columns end where those of a line end."""
        line = format_row("x", "us", Goal(0.4), samples(1), samples(1))
        position = HEADER.index("target") + len("target")
        self.assertEqual(line[position - 4 : position], "0.40")


class StopwatchTests(SynchronousTestCase):
    """Samples of a stopwatch."""

    def test_per_effective_operation(self) -> None:
        """What was lost costs nothing and so must not make the rest look cheap."""
        watch = Stopwatch(cpu_nanoseconds=8_000_000, wall_seconds=0.5)
        self.assertAlmostEqual(watch.sample(100, 1e-6).value, 80)
        self.assertAlmostEqual(watch.sample(100, 1e-6, lost=20).value, 100)
