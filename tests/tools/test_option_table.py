"""Tests of ``condor_twisted.tools.option_table``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.tools.option_table import (
    Match,
    Option,
    UsageError,
    match_option,
    take_values,
)

LONG = Option("long", 1, detail=True)
LIMIT = Option("limit", 2, values=("a number",))
PAIR = Option("pair", 2, values=("one", "another"))
OPTIONS = (LIMIT, LONG, PAIR)


class MatchTests(SynchronousTestCase):
    def test_short_forms(self) -> None:
        """One dash allows every form that is long enough; the first row wins."""
        for argument, option in (
            ("-long", LONG),
            ("-lo", LONG),
            ("-l", LONG),
            ("-li", LIMIT),
            ("-limit", LIMIT),
            ("-pa", PAIR),
        ):
            self.assertEqual(match_option(argument, OPTIONS), Match(option))
        for argument in ("-p", "-longer", "-x", "-", "--", "long", ""):
            self.assertIsNone(match_option(argument, OPTIONS), argument)

    def test_two_dashes(self) -> None:
        """Two dashes want the whole name."""
        self.assertEqual(match_option("--long", OPTIONS), Match(LONG))
        self.assertIsNone(match_option("--lon", OPTIONS))

    def test_details(self) -> None:
        """What stands behind a colon is the detail, where there may be one."""
        self.assertEqual(match_option("-l:json", OPTIONS), Match(LONG, "json"))
        self.assertEqual(match_option("--long:", OPTIONS), Match(LONG, ""))
        self.assertIsNone(match_option("-limit:3", OPTIONS))

    def test_values(self) -> None:
        """An option takes the arguments that it needs, and says what is missing."""
        self.assertEqual(
            take_values(["-pa", "1", "2", "3"], 0, Match(PAIR)), ("1", "2")
        )
        self.assertEqual(take_values(["-l"], 0, Match(LONG)), ())
        with self.assertRaises(UsageError) as caught:
            take_values(["-pa", "1"], 0, Match(PAIR))
        self.assertEqual(str(caught.exception), "-pair needs another")
