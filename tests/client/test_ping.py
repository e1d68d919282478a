"""Tests of ``condor_twisted.client.ping``."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectError

from condor_twisted.client import CommandClient, PingResult
from condor_twisted.config.settings import Settings
from condor_twisted.errors import (
    AuthorizationDenied,
    CommandRefused,
    LocalProtocolError,
    NoMethodSucceeded,
)
from condor_twisted.security.methods.base import AuthResult, MethodContext
from condor_twisted.security.methods.claimtobe import ClaimToBeMethod
from condor_twisted.security.steps import Handshake, receive_message
from tests.client.kit import PoolTestCase
from tests.protocols.kit import SECURE

ADDRESS = "<127.0.0.1:9618>"


class PingTests(PoolTestCase):
    def client(self, **knobs: str) -> CommandClient:
        """A client with the knobs in force and these."""
        settings = Settings.from_assignments({**self.knobs, **knobs}, "TOOL")
        client = CommandClient(settings, self.reactor)
        self.addCleanup(lambda: self.done(client.close()))
        return client

    def ping(self, address: str, about: str | int, **knobs: str) -> PingResult:
        """Ask, and give the result."""
        result = self.done(self.client(**knobs).ping(address, about, explain=True))
        assert isinstance(result, PingResult)
        return result

    def secure(self, **knobs: str) -> dict[str, str]:
        """A collector that wants authentication; what its client needs."""
        self.knobs.update({**SECURE, **knobs})
        self.start_double(9700)
        return dict(self.knobs)

    def test_allowed(self) -> None:
        """All facts of an open session are there."""
        result = self.ping(ADDRESS, "READ")
        self.assertTrue(result.allowed)
        self.assertIsNone(result.error)
        self.assertEqual(result.command, 60020)
        self.assertEqual(result.user, "unauthenticated@unmapped")
        self.assertIsNone(result.method)
        self.assertIn("CondorVersion", result.version or "")
        self.assertTrue(result.session_id)

    def test_authenticated(self) -> None:
        """Method, cipher, identity and the daemon's own reasons are there."""
        result = self.ping("<127.0.0.1:9700>", "WRITE", **self.secure())
        self.assertTrue(result.allowed)
        self.assertEqual((result.method, result.cipher), ("CLAIMTOBE", "AES"))
        self.assertEqual(result.methods, ("CLAIMTOBE",))
        self.assertTrue((result.user or "").endswith("@example"))
        assert result.server is not None
        self.assertEqual(result.server.line, "ALLOW_WRITE = *")
        self.assertEqual(result.client.line, "ALLOW_CLIENT = *")

    def test_denied(self) -> None:
        """A refusal is a result, with what the daemon says of it."""
        knobs = self.secure(DENY_WRITE="*@example")
        result = self.ping("<127.0.0.1:9700>", "WRITE", **knobs)
        self.assertFalse(result.allowed)
        self.assertIsInstance(result.error, AuthorizationDenied)
        self.assertTrue(result.reached_verdict)
        self.assertIsNone(result.session_id)
        assert result.server is not None
        self.assertEqual(result.server.line, "DENY_WRITE = *@example")

    def test_unknown_command(self) -> None:
        """A daemon that closes has not the command, or contradicts the policy."""
        result = self.ping(ADDRESS, 12345)
        self.assertIsInstance(result.error, CommandRefused)
        self.assertFalse(result.reached_verdict)
        self.assertIsNone(result.user)
        self.assertIsNone(result.version)
        self.assertEqual(result.methods, ())

    def test_no_method(self) -> None:
        """Methods that fail are in the error, with reasons."""
        knobs = self.secure(SEC_DEFAULT_AUTHENTICATION_METHODS="ANONYMOUS, CLAIMTOBE")
        knobs["SEC_CLIENT_AUTHENTICATION_METHODS"] = "NTSSPI"
        result = self.ping("<127.0.0.1:9700>", "WRITE", **knobs)
        self.assertFalse(result.allowed)
        self.assertIsNotNone(result.error)
        self.assertEqual(result.client.left_out, ("NTSSPI: SSPI is not here",))

    def test_every_ping_is_new(self) -> None:
        """No session of before answers for the daemon."""
        client = self.client()
        first = self.done(client.ping(ADDRESS, "READ"))
        second = self.done(client.ping(ADDRESS, "READ"))
        self.assertNotEqual(first.session_id, second.session_id)

    def test_nobody_there(self) -> None:
        """Where nobody was asked, there is no result."""
        self.failed(self.client().ping("<127.0.0.1:9>", "READ"), ConnectError)
        self.failed(self.client().ping("<junk", "READ"), LocalProtocolError)
        for about in ("FOO", -1, "CLIENT"):
            error = self.failed(self.client().ping(ADDRESS, about), LocalProtocolError)
            self.assertIn(repr(about), str(error))

    def test_timeout_names_the_attempts(self) -> None:
        """A daemon that falls silent in a method ends in one error that names it."""

        def silent(_self: object, context: MethodContext) -> Handshake[AuthResult]:
            while True:
                yield from receive_message()

        self.patch(ClaimToBeMethod, "server", silent)
        knobs = self.secure(SEC_CLIENT_AUTHENTICATION_TIMEOUT="7")
        outcome = self.client(**knobs).ping("<127.0.0.1:9700>", "WRITE")
        self.pass_time(6)
        self.assertNoResult(outcome)
        self.pass_time(3)
        result = self.done(outcome)
        self.assertIsInstance(result.error, NoMethodSucceeded)
        self.assertEqual(
            result.client.attempts,
            ("CLAIMTOBE: authentication did not finish within 7 s",),
        )
        self.assertIn(result.client.attempts[0], str(result.error))

    def pass_time(self, seconds: int) -> None:
        """Let time pass, bytes moving in between."""
        for _ in range(seconds):
            self.reactor.flush()
            self.reactor.advance(1)

    def test_cancelling(self) -> None:
        """A ping that is given up leaves no connection."""
        outcome = self.client().ping(ADDRESS, "READ")
        self.reactor.advance(0)
        outcome.cancel()
        self.failed(outcome, CancelledError)
