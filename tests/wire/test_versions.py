"""Tests for condor_twisted.wire.versions."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.wire.versions import (
    ANNOUNCED_PLATFORM,
    ANNOUNCED_VERSION,
    CondorVersion,
)


def parsed(text: str) -> CondorVersion:
    """A version that must be one."""
    version = CondorVersion.parse(text)
    assert version is not None, text
    return version


class CondorVersionTests(SynchronousTestCase):
    """Version strings."""

    def test_parse(self) -> None:
        """The three numbers and the remarks are read."""
        text = "$CondorVersion: 25.14.1 2026-10-16 PackageID: 25.14.1-1 $"
        version = parsed(text)
        self.assertEqual((version.major, version.minor, version.patch), (25, 14, 1))
        self.assertEqual(version.rest, "2026-10-16 PackageID: 25.14.1-1")
        self.assertEqual(str(version), text)
        self.assertEqual(str(CondorVersion(9, 0, 1)), "$CondorVersion: 9.0.1 $")

    def test_old_dates(self) -> None:
        """Dates as releases of long ago wrote them are only remarks."""
        version = parsed("$CondorVersion: 8.9.3 Nov 23 2019 BuildID: 1 $")
        self.assertEqual(version, CondorVersion(8, 9, 3))

    def test_not_a_version(self) -> None:
        """Everything else is no version."""
        for text in (
            "",
            "25.14.1",
            "$CondorVersion: $",
            "$CondorVersion: 25.14 x $",
            "$CondorVersion: 5.9.9 x $",
            "$CondorVersion: 8.100.1 x $",
            "$CondorVersion: 8.1.100 x $",
            "$CondorVersion: 8.1.1$",
            "$CondorVersion: \u0668.1.1 x $",
            "$CondorVersion: 99999999999999999999.1.1 x $",
            "$CondorVersion: 8.1.1 " + "x" * 600,
        ):
            self.assertIsNone(CondorVersion.parse(text), text)

    def test_order(self) -> None:
        """Versions are ordered by their numbers, not by their remarks."""
        texts = ["8.9.13", "9.0.0", "9.9.0", "9.11.0", "23.9.6", "25.14.1"]
        versions = [parsed(f"$CondorVersion: {each} d $") for each in texts]
        self.assertEqual(sorted([*versions[3:], *versions[:3]]), versions)
        self.assertTrue(versions[0] < versions[1] <= versions[1] < versions[-1])
        self.assertTrue(versions[2] >= versions[2] > versions[1])
        self.assertEqual(CondorVersion(9, 9, 0, "x"), CondorVersion(9, 9, 0, "y"))
        self.assertRaises(TypeError, lambda: versions[0] < 5)

    def test_built_since(self) -> None:
        """A feature's first release is asked by number."""
        version = CondorVersion(9, 9, 0)
        self.assertTrue(version.built_since(9, 9, 0))
        self.assertTrue(version.built_since(8, 10, 5))
        self.assertFalse(version.built_since(9, 9, 1))

    def test_announced(self) -> None:
        """What we announce is a version, and in the form that peers parse."""
        version = parsed(ANNOUNCED_VERSION)
        self.assertTrue(version.built_since(25, 14, 1))
        self.assertEqual(str(version), ANNOUNCED_VERSION)
        self.assertRegex(ANNOUNCED_PLATFORM, r"^\$CondorPlatform: [^-]+-[^ $]+ \$$")
