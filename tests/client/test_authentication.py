"""Tests of ``condor_twisted.client.authentication``."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError

from condor_twisted.client import CommandClient, Identity
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.errors import (
    AuthorizationDenied,
    HandshakeTimedOut,
    LocalProtocolError,
    NoMethodSucceeded,
)
from tests.client.kit import PoolTestCase
from tests.protocols.kit import SECURE

ADDRESS = "<127.0.0.1:9700>"


class AuthenticationTests(PoolTestCase):
    def client(self, **knobs: str) -> CommandClient:
        """A collector that wants authentication, and a client of it."""
        self.knobs.update({**SECURE, **knobs})
        self.secure = self.start_double(9700)
        client = CommandClient(
            Settings.from_assignments(self.knobs, "TOOL"), self.reactor
        )
        self.addCleanup(lambda: self.done(client.close()))
        return client

    def test_identity(self) -> None:
        """Who we are to the daemon, and what proved it; the session stays."""
        client = self.client()
        identity = self.done(client.authenticate(ADDRESS, "READ"))
        assert isinstance(identity, Identity)
        self.assertEqual(identity.method, "CLAIMTOBE")
        self.assertTrue(identity.user.endswith("@example"))
        self.assertEqual(identity.server_user, "unauthenticated@unmapped")
        channel = self.done(client.start(ADDRESS, Command.QUERY_ANY_ADS))
        self.assertTrue(channel.resumed)
        self.assertEqual(channel.session.id, identity.session_id)

    def test_wish(self) -> None:
        """Authentication is asked for where neither side's policy does."""
        client = self.client(SEC_DEFAULT_AUTHENTICATION="OPTIONAL")
        identity = self.done(client.authenticate(ADDRESS))
        self.assertEqual(identity.method, "CLAIMTOBE")

    def test_nothing_succeeds(self) -> None:
        """The error names every method, also where the daemon would go on."""
        client = self.client(
            SEC_DEFAULT_AUTHENTICATION="OPTIONAL",
            SEC_DEFAULT_ENCRYPTION="OPTIONAL",
            SEC_DEFAULT_INTEGRITY="OPTIONAL",
            SEC_DEFAULT_AUTHENTICATION_METHODS="FS_REMOTE",
            FS_REMOTE_DIR="/nowhere/at/all",
        )
        error = self.failed(client.authenticate(ADDRESS), NoMethodSucceeded)
        assert isinstance(error, NoMethodSucceeded)
        self.assertEqual([each.method for each in error.attempts], ["FS_REMOTE"])
        self.assertIn("FS_REMOTE: the directory that the server wants", str(error))

    def test_refused(self) -> None:
        """Who is known and may not is refused."""
        client = self.client(DENY_WRITE="*@example")
        self.failed(client.authenticate(ADDRESS, "WRITE"), AuthorizationDenied)

    def test_nobody(self) -> None:
        """Nobody there, nothing meant."""
        client = self.client()
        self.failed(client.authenticate("<127.0.0.1:9>"), ConnectError)
        self.failed(client.authenticate(ADDRESS, "FOO"), LocalProtocolError)

    def begun(self, timeout_seconds: float | None = None) -> Deferred[Identity]:
        """An authentication at a daemon that says nothing."""
        outcome = self.client().authenticate(ADDRESS, timeout_seconds=timeout_seconds)
        self.reactor.advance(0)
        for transport in self.reactor.traffic.transports:
            transport.stalled = True
        return outcome

    def test_timeout(self) -> None:
        """The caller's own timeout bounds it."""
        outcome = self.begun(3)
        for _ in range(5):
            self.reactor.advance(1)
        error = self.failureResultOf(outcome, HandshakeTimedOut).value
        self.assertIn("within 3 s", str(error))
        self.stop(self.secure)

    def test_cancelling(self) -> None:
        """What is given up leaves no connection."""
        outcome = self.begun()
        outcome.cancel()
        self.failureResultOf(outcome, CancelledError)
        self.stop(self.secure)
