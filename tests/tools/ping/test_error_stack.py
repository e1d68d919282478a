"""Tests of ``condor_twisted.tools.ping.error_stack``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import (
    AuthorizationDenied,
    CommandRefused,
    CondorTwistedError,
    FailedAttempt,
    HandshakeTimedOut,
    MalformedMessage,
    NoMethodSucceeded,
    PeerClosed,
    PolicyMismatch,
)
from condor_twisted.security.handshake.pod_ads import PodAd
from condor_twisted.tools.ping.error_stack import error_stack
from tests.tools.ping.kit import failed

ANSWERED = PodAd({})
ATTEMPTS = (FailedAttempt("FS", "no\x1bdirectory"), FailedAttempt("SSL", "no CA"))


def broken(cause: Exception) -> NoMethodSucceeded:
    """An authentication that broke off."""
    error = NoMethodSucceeded(ATTEMPTS, ("FS", "SSL"))
    error.__cause__ = cause
    return error


class ErrorStackTests(SynchronousTestCase):
    def test_methods(self) -> None:
        """The last method comes first, each with its reason behind it."""
        lines = error_stack(failed(NoMethodSucceeded(ATTEMPTS, ("FS", "SSL"))))
        self.assertEqual(
            lines,
            [
                "AUTHENTICATE:1003:Failed to authenticate with any method",
                "AUTHENTICATE:1004:Failed to authenticate using SSL",
                "SSL:1000:no CA",
                "AUTHENTICATE:1004:Failed to authenticate using FS",
                "FS:1000:no\\x1bdirectory",
            ],
        )
        first = error_stack(failed(broken(PeerClosed("closed"))))[0]
        self.assertEqual(first, "AUTHENTICATE:1002:Failure performing handshake")

    def test_codes(self) -> None:
        """Each end of a negotiation has the code that HTCondor gives it."""
        cases: tuple[tuple[str, CondorTwistedError, PodAd | None], ...] = (
            (
                "SECMAN:2005:Protocol Error: No auth",
                NoMethodSucceeded((), ()),
                ANSWERED,
            ),
            ("SECMAN:2011:Connection closed", CommandRefused(1, "a", "b"), None),
            ("SECMAN:2007:Failed to received", CommandRefused(1, "a", "b"), ANSWERED),
            ("SECMAN:2007:Failed to received", PeerClosed("closed"), ANSWERED),
            ("SECMAN:2007:Read failure", HandshakeTimedOut("it", 3), None),
            ("SECMAN:2007:it did not finish", HandshakeTimedOut("it", 3), ANSWERED),
            ("SECMAN:2002:Configuration", PolicyMismatch("Policy", "a", "b"), None),
            (
                "SECMAN:2002:Remote server requires encryption",
                PolicyMismatch("CryptoMethods", "AES", "none"),
                ANSWERED,
            ),
            (
                "SECMAN:2002:Integrity cannot be agreed on",
                PolicyMismatch("Integrity", "REQUIRED", "NO"),
                ANSWERED,
            ),
            ("SECMAN:2007:bad \\x00", MalformedMessage("bad \0"), ANSWERED),
        )
        for begin, error, answer in cases:
            with self.subTest(error=repr(error)):
                (line,) = error_stack(failed(error, answer=answer))
                self.assertTrue(line.startswith(begin), line)

    def test_denied(self) -> None:
        """The server's word is told, with what makes no sense on a terminal escaped."""
        verdict = PodAd({"returncode": "CMD_NOT\x1b", "user": "a@b"})
        (line,) = error_stack(failed(AuthorizationDenied(1, "no"), verdict=verdict))
        self.assertIn('Received "CMD_NOT\\x1b" from server for user a@b using no', line)
        self.assertIn("Our address was '192.0.2.1', and server's", line)
