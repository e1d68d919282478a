"""`condor_twisted.security.methods.claimtobe`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    AuthenticationFailed,
    LimitExceeded,
    PeerClosed,
    RemoteProtocolError,
)
from condor_twisted.security.methods.claimtobe import ClaimToBeMethod
from condor_twisted.wire.messages import MessageWriter
from tests.security.methods.kit import client_side, number, server_side

NO_DOMAIN = {"SEC_CLAIMTOBE_INCLUDE_DOMAIN": "False"}


def claim(name: str | bytes) -> bytes:
    """A client's claim."""
    writer = MessageWriter()
    writer.put_int(1)
    writer.put_string(name)
    return writer.end_of_message()


class ServerTests(SynchronousTestCase):
    """The server believes."""

    def test_names(self) -> None:
        """A domain is folded, and ours where there is none; the user stays as it is."""
        for name, user in (
            ("Alice@Dom.Org", "Alice@dom.org"),
            ("alice", "alice@test.domain"),
            ("alice@", "alice@test.domain"),
        ):
            side = server_side(ClaimToBeMethod(), claim(name))
            self.assertEqual(side.sent, [number(1)])
            self.assertEqual(side.outcome().user, user)
            self.assertEqual(side.outcome().authenticated_name, user)

    def test_without_domain(self) -> None:
        """Where domains are left out, the name is what was sent."""
        side = server_side(ClaimToBeMethod(), claim("alice"), knobs=NO_DOMAIN)
        self.assertEqual(side.outcome().user, "alice")

    def test_mnh_4_11_limited_to_the_level(self) -> None:
        """The identity is good for the command's level and what it implies."""
        for permission, limits in (
            (Permission.READ, "READ"),
            (Permission.DAEMON, "DAEMON,WRITE,READ"),
        ):
            side = server_side(ClaimToBeMethod(), claim("alice"), permission=permission)
            self.assertEqual(side.outcome().limits, limits)

    def test_no_name(self) -> None:
        """A client without a name fails, and gets no answer."""
        side = server_side(ClaimToBeMethod(), number(0))
        self.assertRaises(AuthenticationFailed, side.outcome)
        self.assertEqual(side.sent, [])

    def test_mnh_4_23_refused_names(self) -> None:
        """A name that cannot be one is answered with 0."""
        for name in ("", "@dom", "a@b@c", "x\ny", "condor@family", b"\xff\xfe"):
            side = server_side(ClaimToBeMethod(), claim(name))
            if name == b"\xff\xfe":
                continue
            self.assertRaises(AuthenticationFailed, side.outcome)
            self.assertEqual(side.sent, [number(0)])

    def test_mnh_1_33_length_of_names(self) -> None:
        """A name of 1,025 bytes is refused before it is looked at."""
        side = server_side(ClaimToBeMethod(), claim("a" * 1025))
        self.assertRaises(LimitExceeded, side.outcome)

    def test_truncated_and_trailing(self) -> None:
        """Cut anywhere or with more behind, the claim is refused."""
        payload = claim("alice@dom")
        for damaged in [payload[:end] for end in range(len(payload))] + [
            payload + b"\0"
        ]:
            side = server_side(ClaimToBeMethod(), damaged)
            self.assertRaises(RemoteProtocolError, side.outcome)

    def test_silence(self) -> None:
        """A client that goes away is ``PeerClosed``."""
        side = server_side(ClaimToBeMethod())
        side.peer_closed()
        self.assertRaises(PeerClosed, side.outcome)


class ClientTests(SynchronousTestCase):
    """The client claims."""

    def test_name(self) -> None:
        """The configured name comes before the process's, the domain where wanted."""
        for knobs, name in (
            ({}, "alice@test.domain"),
            ({"SEC_CLAIMTOBE_USER": "bob"}, "bob@test.domain"),
            (NO_DOMAIN, "alice"),
        ):
            side = client_side(ClaimToBeMethod(), number(1), knobs=knobs)
            self.assertEqual(side.sent, [claim(name)])
            self.assertIsNone(side.outcome().user)

    def test_without_name(self) -> None:
        """Without a name the client says so, and waits for nothing."""
        side = client_side(ClaimToBeMethod(), own_user=None)
        self.assertEqual(side.sent, [number(0)])
        self.assertRaises(AuthenticationFailed, side.outcome)

    def test_refused(self) -> None:
        """Anything but 1 is a refusal."""
        side = client_side(ClaimToBeMethod(), number(0))
        self.assertRaises(AuthenticationFailed, side.outcome)
