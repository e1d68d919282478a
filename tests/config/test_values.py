"""Typed values out of text."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.arithmetic import evaluate_arithmetic
from condor_twisted.config.values import (
    read_boolean,
    read_integer,
    read_log_limit,
    read_real,
    split_words,
)


class ReadTests(SynchronousTestCase):
    """Each reader gives a value or None."""

    def test_integer_bounds(self) -> None:
        """The 64 bits are used up to their ends and not beyond."""
        for text, expected in (
            ("9223372036854775807", (1 << 63) - 1),
            ("-9223372036854775808", -(1 << 63)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("0000000000000000000000000000012", 12),
            ("+5", 5),
            (" 7\t", 7),
            ("2.9", 2),
            ("x", None),
            ("", None),
        ):
            self.assertEqual(read_integer(text, evaluate_arithmetic), expected, text)

    def test_infinite_integer(self) -> None:
        """An expression without an integer value is none."""
        self.assertIsNone(read_integer("x", lambda text: float("inf")))
        self.assertIsNone(read_integer("x", lambda text: float("nan")))

    def test_real(self) -> None:
        """Reals are literals or expressions."""
        for text, expected in (
            ("1.", 1.0),
            ("-.5e-1 ", -0.05),
            ("1/4.0", 0.25),
            ("true", 1.0),
            ("1.5x", None),
            ('"1"', None),
        ):
            self.assertEqual(read_real(text, evaluate_arithmetic), expected, text)

    def test_boolean(self) -> None:
        """Only four words are literals; the rest is evaluated."""
        for text, expected in (
            ("True ", True),
            ("FALSE", False),
            ("1", True),
            ("0", False),
            ("0.0", False),
            ("3 > 4", False),
            ("t", None),
            ("yes", None),
            ('"true"', None),
        ):
            self.assertEqual(read_boolean(text, evaluate_arithmetic), expected, text)

    def test_log_limit(self) -> None:
        """Sizes and times are told apart by their unit."""
        for text, expected in (
            ("1000", (1000, False)),
            ("10 Mb", (10 << 20, False)),
            ("10M", (10 << 20, False)),
            ("10 MiB", (10 << 20, False)),
            ("10m", (600, True)),
            ("10 min", (600, True)),
            ("2 K", (2048, False)),
            ("1g", (1 << 30, False)),
            ("1 TB", (1 << 40, False)),
            ("5 B", (5, False)),
            ("30 s", (30, True)),
            ("2 hours", (7200, True)),
            ("1 day", (86400, True)),
            ("1 week", (604800, True)),
            ("2*1024", (2048, False)),
            ("1 mx", None),
            ("x", None),
            ("", None),
        ):
            self.assertEqual(read_log_limit(text, evaluate_arithmetic), expected, text)

    def test_words(self) -> None:
        """Commas and blanks separate; empty items do not count."""
        self.assertEqual(split_words(" a,b c,\t,d\n"), ("a", "b", "c", "d"))
