"""Tests of ``condor_twisted.daemoncore.configuration.system_names``."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.configuration import system_names
from condor_twisted.daemoncore.configuration.system_names import release_name


class SystemNamesTests(SynchronousTestCase):
    def test_names(self) -> None:
        """Distribution and version are taken from the long name."""
        for long_name, short, version in (
            ("Debian GNU/Linux 13", "Debian", 1300),
            ("Debian GNU/Linux forky/sid", "Debian", 0),
            ("Red Hat Enterprise Linux 9.4 (Plow)", "RedHat", 904),
            ("Ubuntu 24.04.1 LTS", "Ubuntu", 2404),
            ("openSUSE Leap 15.6", "openSUSE", 1506),
            ("Something 7", "LINUX", 700),
            ("Unknown", "LINUX", 0),
        ):
            found = dict(system_names.system_names(long_name))
            self.assertEqual(found["OPSYSLONGNAME"], long_name)
            self.assertEqual(found["OPSYSNAME"], short)
            self.assertEqual(found["OPSYSVER"], str(version))
            self.assertEqual(found["OPSYSANDVER"], f"{short}{version // 100}")

    def test_files(self) -> None:
        """The greeting tells, without its escapes; else the file of the system."""
        issue, release = Path(self.mktemp()), Path(self.mktemp())
        self.patch(system_names, "_FILES", (str(issue),))
        self.patch(system_names, "_OS_RELEASE", str(release))
        self.assertEqual(release_name(), "Unknown")
        release.write_text('NAME="X"\nPRETTY_NAME="Fedora Linux 41"\n')
        issue.write_text("Welcome to \\n\n")
        self.assertEqual(release_name(), "Fedora Linux 41")
        issue.write_text("Debian GNU/Linux 12 \\n \\l\n\n")
        self.assertEqual(release_name(), "Debian GNU/Linux 12")
