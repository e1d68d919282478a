"""Tests of ``condor_twisted.tools.ping.options``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.tools.option_table import UsageError
from condor_twisted.tools.ping.options import ALL_LEVELS, parse_options


class OptionsTests(SynchronousTestCase):
    def test_tokens(self) -> None:
        """Levels, names and numbers keep their order; ALL is all levels."""
        options = parse_options(["READ", "60011", "QUERY_ANY_ADS"])
        self.assertEqual(
            options.items, [("READ", 60020), ("60011", 60011), ("QUERY_ANY_ADS", 48)]
        )
        self.assertFalse(options.defaulted)
        words = [word for word, _ in parse_options(["all"]).items]
        self.assertEqual(words, list(ALL_LEVELS))

    def test_default(self) -> None:
        """Nothing asks about WRITE."""
        options = parse_options([])
        self.assertEqual(options.items, [("WRITE", 60021)])
        self.assertTrue(options.defaulted)

    def test_spellings(self) -> None:
        """One dash or two, whole or cut, wherever they stand."""
        for arguments in (
            ["-address", "<a:1>", "-verbose", "READ"],
            ["READ", "--verbose", "--address", "<a:1>"],
            ["-a", "<a:1>", "READ", "-v"],
        ):
            options = parse_options(arguments)
            self.assertEqual((options.address, options.mode), ("<a:1>", "verbose"))
        self.assertEqual(parse_options(["-subsystem", "startd"]).daemon_type, "startd")
        self.assertEqual(parse_options(["-type", "Master"]).daemon_type, "master")
        for argument in ("-debug", "-d:D_ALL"):
            self.assertTrue(parse_options([argument]).debug)
        self.assertTrue(parse_options(["--explain"]).explain)

    def test_misuse(self) -> None:
        """What makes no sense is said."""
        for arguments, text in (
            (["-quiet", "-table"], "only one output mode"),
            (["-address", "<a:1>", "-pool", "b"], "-address cannot be used with"),
            (["-bogus"], "Unknown argument: -bogus"),
            (["FOO"], 'Could not understand TOKEN "FOO"'),
            (["-pool"], "-pool needs a collector"),
            (["-type", "bogus"], "unrecognized daemon type: bogus"),
        ):
            error = self.assertRaises(UsageError, parse_options, arguments)
            self.assertIn(text, str(error))
