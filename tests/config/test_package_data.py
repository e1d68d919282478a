"""Tests of ``condor_twisted.config.package_data``."""

from __future__ import annotations

import pkgutil

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.package_data import package_text
from condor_twisted.errors import ConfigError


class PackageTextTests(SynchronousTestCase):
    def test_text(self) -> None:
        """A text of the package is read."""
        text = package_text("condor_twisted.config", "metaknobs.config")
        self.assertIn("ROLE", text)

    def test_missing(self) -> None:
        """Neither a file that is missing nor a loader without files is passed over."""
        with self.assertRaises(OSError):
            package_text("condor_twisted.config", "nothing.config")
        self.patch(pkgutil, "get_data", lambda package, name: None)
        with self.assertRaisesRegex(ConfigError, "has no metaknobs.config"):
            package_text("condor_twisted.config", "metaknobs.config")
