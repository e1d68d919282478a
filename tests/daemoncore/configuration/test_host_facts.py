"""Facts about the machine."""

from __future__ import annotations

import os
import socket
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.configuration.host_facts import HostFacts


class HostFactsTests(SynchronousTestCase):
    """Detecting, and the macros that come of it."""

    def test_detect(self) -> None:
        """The process's own numbers are right, and no name server is asked."""
        with mock.patch.object(socket, "getaddrinfo", side_effect=AssertionError):
            facts = HostFacts.detect(resolve=False)
        self.assertEqual(facts.process_id, os.getpid())
        self.assertEqual(facts.user_id, os.getuid())
        self.assertGreaterEqual(facts.cpu_count, 1)
        self.assertNotIn(".", facts.hostname)

    def test_full_hostname(self) -> None:
        """The canonical name counts when it belongs to this host."""
        for canonical, expected in (
            ("host.example.org", "host.example.org"),
            ("other.example.org", "host"),
        ):
            answer = [(0, 0, 0, canonical, ("192.0.2.7", 0))]
            with (
                mock.patch.object(socket, "gethostname", return_value="host"),
                mock.patch.object(socket, "getaddrinfo", return_value=answer),
            ):
                self.assertEqual(HostFacts.detect().full_hostname, expected)
        with (
            mock.patch.object(socket, "gethostname", return_value="host"),
            mock.patch.object(socket, "getaddrinfo", side_effect=socket.gaierror),
        ):
            self.assertEqual(HostFacts.detect().full_hostname, "host")

    def test_macros(self) -> None:
        """Facts become macros under HTCondor's names."""
        facts = HostFacts(
            hostname="h",
            full_hostname="h.example.org",
            ipv4_address=None,
            ipv6_address="2001:db8::1",
            user_name="user",
            condor_home="/home/condor",
            user_id=5,
            effective_user_id=5,
            memory_mebibytes=2048,
            system=("Darwin", "h", "1", "2", "arm64"),
            python="/usr/bin/python3",
        )
        detected = dict(facts.detected())
        self.assertEqual(detected["OPSYS"], "OSX")
        self.assertEqual(detected["ARCH"], "arm64")
        self.assertEqual(detected["CondorIsAdmin"], "false")
        self.assertEqual(detected["DETECTED_MEMORY"], "2048")
        self.assertEqual(detected["UTSNAME_MACHINE"], "arm64")
        self.assertEqual(detected["PYTHON3"], "/usr/bin/python3")
        specials = dict(facts.specials())
        self.assertEqual(specials["FULL_HOSTNAME"], "h.example.org")
        self.assertEqual(specials["TILDE"], "/home/condor")
        self.assertEqual(specials["REAL_UID"], "5")
        self.assertEqual(specials["IP_ADDRESS"], "2001:db8::1")
        self.assertEqual(specials["IP_ADDRESS_IS_IPV6"], "true")
        self.assertNotIn("IPV4_ADDRESS", specials)
