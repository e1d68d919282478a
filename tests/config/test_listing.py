"""Configurations as text; the recorded cases hold them against the real thing."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.listing import (
    describe_settings,
    dump_text,
    is_secret,
    verbose_text,
)
from condor_twisted.config.settings import Settings


class ListingTests(SynchronousTestCase):
    """What the recorded cases do not show."""

    def test_secrets(self) -> None:
        """Names tell what is secret; where a secret is kept is none."""
        for name in (
            "POOL_PASSWORD",
            "X_SECRET",
            "PAGE_TOKEN",
            "S3_API_KEY",
            "KEY_PASSPHRASE",
        ):
            self.assertTrue(is_secret(name), name)
        for name in (
            "SEC_PASSWORD_FILE",
            "SEC_TOKEN_DIRECTORY",
            "SEC_PASSWORD_DIRECTORY",
        ):
            self.assertFalse(is_secret(name), name)

    def test_no_value(self) -> None:
        """Of a name without a value the rest is told."""
        settings = Settings.from_assignments({"E": ""})
        self.assertEqual(
            verbose_text(settings, "E", None), " # at: <assignments>\n # raw: E = \n\n"
        )

    def test_broken_value(self) -> None:
        """A value that cannot be expanded does not break the listing."""
        settings = Settings.from_assignments({"X": "$CHOICE(5,a)"})
        dump = dump_text(settings, ["^X$"], machine="m", expand=True)
        self.assertIn("cannot be expanded", dump)
        self.assertIn("cannot be expanded", describe_settings(settings)[0])

    def test_whole_dump(self) -> None:
        """Without a pattern every name is there once, sorted."""
        settings = Settings.from_assignments({"ZZZ": "1", "aaa": "2"}, "COLLECTOR")
        lines = dump_text(settings, machine="m", files=["f"]).splitlines()
        self.assertEqual(lines[:2], ["# Configuration from machine: m", "aaa = 2"])
        self.assertEqual(
            lines[-3:], ["ZZZ = 1", "# Contributing configuration file(s):", "#\tf"]
        )
        self.assertIn("COLLECTOR.IsCollector = true", lines)
        self.assertNotIn("MASTER.IsMaster = true", lines)
