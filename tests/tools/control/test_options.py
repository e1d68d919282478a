"""Tests of ``condor_twisted.tools.control.options``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.tools.control.options import parse_options, usage
from condor_twisted.tools.option_table import UsageError


class OptionsTests(SynchronousTestCase):
    def test_targets(self) -> None:
        """Names and addresses, with and without their options."""
        options = parse_options("off", ["a", "-name", "b", "-addr", "<1.2.3.4:5>"])
        self.assertEqual(options.targets, ["a", "b", "<1.2.3.4:5>"])
        self.assertIsNone(options.daemon)
        self.assertTrue(parse_options("off", ["--all"]).all)
        self.assertEqual(parse_options("on", ["-pool", "cm"]).pool, "cm")

    def test_daemons(self) -> None:
        """A daemon is named by an option of its own, or by its name."""
        for arguments, expected in (
            (["-startd"], "startd"),
            (["-sch"], "schedd"),
            (["-m"], "master"),
            (["-daemon", "Mine"], "Mine"),
            (["-subsystem", "had"], "had"),
        ):
            self.assertEqual(parse_options("restart", arguments).daemon, expected)

    def test_how(self) -> None:
        """The last of the ways counts."""
        self.assertEqual(parse_options("off", ["-fast", "-peaceful"]).how, "peaceful")
        self.assertEqual(parse_options("off", ["-peaceful", "-g"]).how, "graceful")

    def test_constraints(self) -> None:
        """An annex is a constraint, for which masters are meant."""
        options = parse_options("off", ["-const", "A > 1", "-annex-name", 'x"y'])
        self.assertEqual(options.constraint, '(A > 1) && (AnnexName =?= "x\\"y")')
        self.assertEqual(options.daemon, "master")
        self.assertEqual(parse_options("on", ["-annex-slots"]).constraint, "IsAnnex")

    def test_draining(self) -> None:
        """Its options need it."""
        options = parse_options("off", ["-drain", "-reason", "r", "-check", "c"])
        self.assertEqual((options.reason, options.check), ("r", "c"))

    def test_bad_usage(self) -> None:
        """What cannot be understood, or makes no sense for the tool."""
        for tool, arguments in (
            ("off", ["-nosuch"]),
            ("off", ["-f"]),
            ("off", ["-addr"]),
            ("off", ["-name", "-all"]),
            ("off", ["-startd", "-schedd"]),
            ("off", ["-reason", "r"]),
            ("off", ["-constraint", "a", "b"]),
            ("off", ["-constraint", "a", "-constraint", "b"]),
            ("on", ["-fast"]),
            ("on", ["-drain"]),
            ("reconfig", ["-peaceful"]),
            ("restart", ["-force-graceful"]),
        ):
            self.assertRaises(UsageError, parse_options, tool, arguments)

    def test_usage(self) -> None:
        """Each tool tells of what it understands."""
        self.assertIn("-force-graceful", usage("off"))
        self.assertNotIn("-force-graceful", usage("restart"))
        self.assertNotIn("-fast", usage("reconfig"))
        self.assertNotIn("-drain", usage("on"))
