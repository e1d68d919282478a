"""Tests of ``condor_twisted.client.answers``."""

from __future__ import annotations

from twisted.internet.error import ConnectionRefusedError, DNSLookupError
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.client.answers import explained, refusal
from condor_twisted.errors import AuthorizationDenied, CommandRefused, PeerClosed
from condor_twisted.wire.sinful import SinfulAddress

ADDRESS = SinfulAddress.of("192.0.2.1", 5)


class ExplanationTests(SynchronousTestCase):
    def test_what_to_do(self) -> None:
        """Each kind of failure says what to look at."""
        for error, part in (
            (ConnectionRefusedError(), "is a collector running there"),
            (DNSLookupError("nohost"), "unknown host"),
            (AuthorizationDenied(5, "no"), "ALLOW_"),
            (CommandRefused(5, "<x>", "because"), "because"),
            (PeerClosed("gone"), "gone"),
        ):
            self.assertIn(part, explained(error))

    def test_refusal(self) -> None:
        """A failure becomes a refusal with command and address; one stays itself."""
        cause = PeerClosed("gone")
        error = refusal(58, ADDRESS, cause)
        self.assertEqual((error.command, error.address), (58, "<192.0.2.1:5>"))
        self.assertIn("UPDATE_AD_GENERIC", str(error))
        self.assertIs(error.__cause__, cause)
        self.assertIs(refusal(58, ADDRESS, error), error)
