"""Tests of ``condor_twisted.tools.who.options``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.tools.option_table import UsageError
from condor_twisted.tools.who.options import parse_options


class OptionsTests(SynchronousTestCase):
    def test_whom(self) -> None:
        """Addresses, directories and processes."""
        options = parse_options(
            ["-addr", "<1>", "-log", "/a", "-logdir", "/b", "-pid", "7", "-pid", "8"]
        )
        self.assertEqual(options.address, "<1>")
        self.assertEqual(options.directories, ["/a", "/b"])
        self.assertEqual(options.process_ids, [7, 8])
        self.assertTrue(parse_options(["-allpids"]).all_processes)

    def test_what(self) -> None:
        """Listings, and how long to wait."""
        options = parse_options(
            ["-wait:30", "IsReady", "-dae", "-wide", "-debug:D_ALL"]
        )
        self.assertEqual((options.requirements, options.wait_seconds), ("IsReady", 30))
        self.assertTrue(options.quick)
        self.assertTrue(options.daemons)
        self.assertFalse(options.mask.columns)

    def test_columns(self) -> None:
        """Lists of attributes end where options begin, or at a lone dash."""
        options = parse_options(["-af:h", "A", "B + 1", "-quick", "-format", "%d", "C"])
        self.assertEqual(
            [each.attribute for each in options.mask.columns], ["A", "B + 1", "C"]
        )
        self.assertTrue(options.mask.has_headings)
        self.assertTrue(options.quick)
        self.assertEqual(len(parse_options(["-af", "A", "-"]).mask.columns), 1)

    def test_wrong(self) -> None:
        """What cannot be understood is said to be wrong."""
        for arguments in (
            *(["-nosuch"], ["target"], ["-wait-for-ready"], ["-wait-for-ready:x", "A"]),
            *(
                ["-pid"],
                ["-pid", "x"],
                ["-pid", "0"],
                ["-pid", "-1"],
                ["-pid", "9" * 10],
            ),
            *(["-af"], ["-af", "-long"], ["-af", "1 +"], ["-format", "%d"]),
            ["-constraint", "1 +"],
        ):
            self.assertRaises(UsageError, parse_options, arguments)
