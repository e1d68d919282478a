"""Tests of ``condor_twisted.tools.status.ads_file``."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import ExpressionError
from condor_twisted.tools.status.ads_file import matching, read_long_ads

DATA = b"# comment\n\nA = 1\n  B = 2  \n\n***\nA = 3\r\nbroken\nA = 4"


class FileTests(SynchronousTestCase):
    def test_reading(self) -> None:
        """Blank and other lines separate ads; comments do not count."""
        file = Path(self.mktemp())
        file.write_bytes(DATA)
        ads = [ad.lines() for ad in read_long_ads(str(file))]
        self.assertEqual(ads, [[b"A = 1", b"B = 2"], [b"A = 3"], [b"A = 4"]])

    def test_standard_input(self) -> None:
        """A dash is standard input."""
        self.patch(sys, "stdin", io.TextIOWrapper(io.BytesIO(DATA)))
        self.assertEqual(len(list(read_long_ads("-"))), 3)

    def test_missing(self) -> None:
        """A file that is not there is an error."""
        self.assertRaises(OSError, list, read_long_ads(self.mktemp()))

    def test_matching(self) -> None:
        """A constraint and a limit choose among ads."""
        self.patch(sys, "stdin", io.TextIOWrapper(io.BytesIO(DATA)))
        ads = list(read_long_ads("-"))
        self.assertEqual(list(matching(ads, None, 0, 0)), ads)
        self.assertEqual(list(matching(ads, None, 2, 0)), ads[:2])
        self.assertEqual(list(matching(ads, "A > 1", 0, 0)), ads[1:])
        self.assertEqual(list(matching(ads, "A > 1", 1, 0)), ads[1:2])
        self.assertRaises(ExpressionError, list, matching(ads, "((", 0, 0))
