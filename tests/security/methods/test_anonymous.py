"""`condor_twisted.security.methods.anonymous`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import AuthenticationFailed, PeerClosed, RemoteProtocolError
from condor_twisted.security.methods.anonymous import AnonymousMethod
from tests.security.methods.kit import client_side, number, server_side


class AnonymousTests(SynchronousTestCase):
    """ANONYMOUS."""

    def test_server(self) -> None:
        """Everybody gets the same name, which has no domain."""
        side = server_side(AnonymousMethod())
        self.assertEqual(side.sent, [number(1)])
        self.assertEqual(side.outcome().user, "CONDOR_ANONYMOUS_USER")

    def test_client(self) -> None:
        """The client learns nothing, and believes nothing but 1."""
        side = client_side(AnonymousMethod(), number(1))
        self.assertIsNone(side.outcome().user)
        for answer in (0, 2, -1):
            side = client_side(AnonymousMethod(), number(answer))
            self.assertRaises(AuthenticationFailed, side.outcome)

    def test_truncated(self) -> None:
        """An answer of another size is none."""
        for payload in (b"", b"\0" * 7, number(1) + b"\0"):
            side = client_side(AnonymousMethod(), payload)
            self.assertRaises(RemoteProtocolError, side.outcome)

    def test_silence(self) -> None:
        """A server that goes away is ``PeerClosed``."""
        side = client_side(AnonymousMethod())
        side.peer_closed()
        self.assertRaises(PeerClosed, side.outcome)
