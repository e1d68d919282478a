"""Tests of ``condor_twisted.tools.status.listing``: the whole tool on recorded ads.

What HTCondor's own tool prints is in ``fixtures/condor_status.json``;
``fixtures/record.py`` recorded it.
"""

from __future__ import annotations

import difflib

from twisted.trial.unittest import SkipTest

from condor_twisted.classad import library as library_module
from condor_twisted.classad.expressions import expressions_available
from condor_twisted.errors import ExpressionsUnavailable
from tests.tools.fixtures.record import arguments_of
from tests.tools.status.kit import StatusTestCase, listing_of, recorded


class RecordedTests(StatusTestCase):
    def compare(self, file: str) -> None:
        """Compare every case of a file."""
        if not expressions_available():
            raise SkipTest("the ClassAd library is not installed")
        cases = recorded()[file]
        self.assertTrue(cases)
        for case, expected in cases.items():
            ours = listing_of(file, arguments_of(case))
            if ours != expected:
                difference = difflib.unified_diff(
                    expected.splitlines(), ours.splitlines(), "recorded", "ours"
                )
                self.fail(f"{file} {case!r}\n" + "\n".join(difference))

    def test_machines(self) -> None:
        """Slots of every kind are listed as condor_status lists them."""
        self.compare("machines")

    def test_odd_ads(self) -> None:
        """So are ads that lack attributes, or have them of other types."""
        self.compare("odd")

    def test_schedds(self) -> None:
        """So are access points."""
        self.compare("schedds")

    def test_submitters(self) -> None:
        """So are submitters with their totals."""
        self.compare("submitters")

    def test_masters_and_startds(self) -> None:
        """So are masters and startds with versions, platforms and totals."""
        self.compare("masters")

    def test_other_daemons(self) -> None:
        """So are grid, defrag, accounting and storage ads."""
        self.compare("misc")

    def test_a_pool(self) -> None:
        """So are all ads of a pool, whole ones too."""
        self.compare("pool")

    def test_expressions(self) -> None:
        """Whole ads have expressions in the library's spelling."""
        self.compare("expressions")

    def test_no_ads(self) -> None:
        """Without ads there is nothing but what frames them."""
        self.compare("empty")


class WithoutLibraryTests(StatusTestCase):
    def test_plain_listings(self) -> None:
        """What shows literals alone needs no ClassAd library."""

        def missing() -> None:
            raise ExpressionsUnavailable("not here")

        self.patch(library_module, "library", missing)
        for case in ("", "-state", "-any", "-total", "-compact"):
            ours = listing_of("machines", arguments_of(case))
            self.assertEqual(ours, recorded()["machines"][case])
        self.assertRaises(
            ExpressionsUnavailable, listing_of, "machines", ["-af", "size(ChildCpus)"]
        )


class TerminalTests(StatusTestCase):
    def test_narrow(self) -> None:
        """On a narrow terminal names are cut first, then lines."""
        lines = listing_of("machines", [], 60).splitlines()
        self.assertEqual(
            lines[0], "Name         OpSys      Arch     State      Activity LoadAv"[:59]
        )
        self.assertTrue(lines[2].startswith("slot1@Zebra  LINUX"))
        self.assertTrue(all(len(line) <= 59 for line in lines[:20]))

    def test_wide(self) -> None:
        """On a wide one nothing is cut, and the last heading is spelled out."""
        first = listing_of("machines", [], 200).splitlines()[0]
        self.assertTrue(first.endswith("ActivityTime"))

    def test_wide_option(self) -> None:
        """With -wide a terminal does not matter."""
        self.assertEqual(
            listing_of("machines", ["-wide"], 40), listing_of("machines", ["-wide"])
        )
