"""Tests of ``condor_twisted.protocols.this_host``."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.protocols import this_host
from condor_twisted.protocols.this_host import host_facts


class HostFactsTests(SynchronousTestCase):
    """What security is told of this host."""

    def test_ticket_cache(self) -> None:
        """The cache of tickets is the one that the environment names."""
        self.patch(os, "environ", {**os.environ, "KRB5CCNAME": "FILE:/tickets"})
        self.assertEqual(
            host_facts(Settings.from_assignments({})).ticket_cache, "FILE:/tickets"
        )
        self.patch(os, "environ", {**os.environ, "KRB5CCNAME": ""})
        self.assertIsNone(host_facts(Settings.from_assignments({})).ticket_cache)

    def test_libraries(self) -> None:
        """The libraries are those that say that they are here."""
        for name in ("munge_available", "kerberos_available", "sspi_available"):
            self.patch(this_host, name, lambda: False)
        self.assertEqual(
            host_facts(Settings.from_assignments({})).libraries, frozenset()
        )
        for name, library in (
            ("munge_available", "munge"),
            ("kerberos_available", "kerberos"),
            ("sspi_available", "sspi"),
        ):
            self.patch(this_host, name, lambda: True)
            self.assertIn(library, host_facts(Settings.from_assignments({})).libraries)
