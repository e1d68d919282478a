"""`condor_twisted.security.handshake.method_loop`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    HandshakeTimedOut,
    LimitExceeded,
    MalformedMessage,
    NoMethodSucceeded,
    PeerClosed,
    RemoteProtocolError,
    SecurityError,
)
from condor_twisted.security.handshake import method_loop
from condor_twisted.security.handshake.method_loop import (
    Authenticated,
    authenticate_client,
    authenticate_server,
)
from condor_twisted.security.handshake.pod_ads import PodAd
from condor_twisted.security.methods.base import AuthResult, MethodContext
from condor_twisted.security.methods.scitokens import SciTokensMethod
from condor_twisted.security.steps import Handshake, send_message
from tests.security.kit import CLIENT_ENDS, SERVER_ENDS, Side, make_state


def number(value: int) -> bytes:
    """A message of one integer."""
    return value.to_bytes(8, "big", signed=True)


#: A client of PASSWORD that reports an error, twice.
_NO_NAME = number(-1) + number(0) + b"\0" + number(0)
_NO_PROOF = _NO_NAME + number(0)


def context(server: bool, **facts: Any) -> MethodContext:
    """What methods stand on."""
    return MethodContext(
        make_state(facts.pop("knobs", None), **facts),
        SERVER_ENDS if server else CLIENT_ENDS,
        Permission.READ if server else Permission.CLIENT,
        PodAd({}),
        None,
    )


def server(methods: Sequence[str], *messages: bytes) -> Side[Authenticated]:
    """A server to which a client says these things."""
    side = Side(authenticate_server(context(True), methods))
    for message in messages:
        side.message_received(message)
    return side


def client(methods: Sequence[str], *messages: bytes) -> Side[Authenticated]:
    """A client to which a server says these things."""
    side = Side(authenticate_client(context(False), methods))
    for message in messages:
        side.message_received(message)
    return side


class ServerTests(SynchronousTestCase):
    """The server's choice."""

    def test_own_order(self) -> None:
        """The first of the server's list that the mask has is taken."""
        side = server(("ANONYMOUS", "CLAIMTOBE"), number(2 | 128))
        self.assertEqual(side.sent, [number(128), number(1), number(0)])
        self.assertEqual(side.outcome().method, "ANONYMOUS")

    def test_client_spelling(self) -> None:
        """A method is found however the client spells it."""
        side = server(("anonymous",), number(128))
        self.assertEqual(side.outcome().user, "CONDOR_ANONYMOUS_USER")

    def test_mnh_4_4_untrusted_mask(self) -> None:
        """No mask gets a method that was not agreed on."""
        for mask in (0, 2, 32, 2048, 1 << 40, ~128):
            with self.subTest(mask=mask):
                side = server(("ANONYMOUS",), number(mask))
                self.assertEqual(side.sent, [number(0)])
                self.assertRaises(NoMethodSucceeded, side.outcome)
        for mask in (-1, 0xFFFF, 128 | 2):
            self.assertEqual(
                server(("ANONYMOUS",), number(mask)).outcome().method, "ANONYMOUS"
            )

    def test_canonical_names(self) -> None:
        """A method's own mapping counts; what stands for plugins names nobody."""
        for named, mapped, user in (
            (None, "bob@map", "bob@map"),
            (None, None, "scitokens@unmapped"),
            (None, "PLUGIN:*", "scitokens@unmapped"),
            ("eve@plugin", "PLUGIN:A", "eve@plugin"),
            ("", "bob@map", "scitokens@unmapped"),
            ("PLUGIN:A", "PLUGIN:A", "scitokens@unmapped"),
        ):

            def serve(
                method: object, context: object, given: str | None = named
            ) -> Handshake[AuthResult]:
                yield from send_message(b"")
                return AuthResult("scitokens@unmapped", "iss,sub", given)

            self.patch(SciTokensMethod, "server", serve)
            stands_on = context(True, identity_map=lambda way, name, it=mapped: it)
            side = Side(authenticate_server(stands_on, ("SCITOKENS",)))
            side.message_received(number(4096))
            self.assertEqual(side.outcome().user, user)

    def test_unknown_methods_are_left_out(self) -> None:
        """What this build has not is never chosen."""
        side = server(("GSI", "ANONYMOUS"), number(32 | 128))
        self.assertEqual(side.sent[0], number(128))

    def test_mnh_1_32_rounds(self) -> None:
        """After eight failed rounds the connection is over."""
        side = server(("CLAIMTOBE",))
        for _ in range(8):
            self.assertFalse(side.done)
            side.message_received(number(2))
            side.message_received(number(0))
        self.assertRaises(LimitExceeded, side.outcome)

    def test_attempts_are_named(self) -> None:
        """The error names each method that was tried, and why it failed."""
        side = server(("CLAIMTOBE",), number(2), number(0), number(0))
        error = self.assertRaises(NoMethodSucceeded, side.outcome)
        assert isinstance(error, NoMethodSucceeded)
        self.assertEqual([each.method for each in error.attempts], ["CLAIMTOBE"])
        self.assertEqual(error.offered, ("CLAIMTOBE",))

    def test_mnh_4_36_details(self) -> None:
        """What a method says to one log alone is in the attempt, not in the text."""
        side = server(("PASSWORD",), number(512), _NO_NAME, _NO_PROOF, number(0))
        error = self.assertRaises(NoMethodSucceeded, side.outcome)
        assert isinstance(error, NoMethodSucceeded)
        (attempt,) = error.attempts
        self.assertEqual(attempt.reason, "the client's proof is not accepted")
        self.assertEqual(attempt.detail, "we have no pool password")
        self.assertNotIn("pool password", str(error))

    def test_not_an_integer(self) -> None:
        """A mask of another size is no mask."""
        for payload in (b"", b"\0" * 7, b"\0" * 9):
            side = server(("ANONYMOUS",), payload)
            self.assertRaises(RemoteProtocolError, side.outcome)


class ClientTests(SynchronousTestCase):
    """The client's part."""

    def test_mask(self) -> None:
        """The mask has the bits of all methods that are left."""
        side = client(("CLAIMTOBE", "ANONYMOUS", "GSI"))
        self.assertEqual(side.sent, [number(2 | 128)])

    def test_mnh_4_4_one_bit_that_was_offered(self) -> None:
        """A bit that was not offered, several bits and junk are refused."""
        for bit in (2 | 128, 4, -1, 1, 32, 1 << 62):
            side = client(("CLAIMTOBE", "ANONYMOUS"), number(bit))
            self.assertRaises(MalformedMessage, side.outcome)

    def test_failed_method_is_taken_off(self) -> None:
        """After a failure the next mask is without it, at last empty."""
        side = client(("CLAIMTOBE", "ANONYMOUS"), number(128), number(0))
        self.assertEqual(side.sent[-1], number(2))
        side.message_received(number(2))
        side.message_received(number(0))
        self.assertEqual(side.sent[-1], number(0))
        side.message_received(number(0))
        error = self.assertRaises(NoMethodSucceeded, side.outcome)
        assert isinstance(error, NoMethodSucceeded)
        self.assertEqual(
            [each.method for each in error.attempts], ["ANONYMOUS", "CLAIMTOBE"]
        )

    def test_a_failed_method_again(self) -> None:
        """A method that failed cannot be picked again."""
        side = client(("CLAIMTOBE", "ANONYMOUS"), number(128), number(0), number(128))
        self.assertRaises(MalformedMessage, side.outcome)

    def test_mnh_1_32_rounds(self) -> None:
        """A server that lets every method fail cannot go on for ever."""
        self.patch(method_loop, "MAX_ROUNDS", 1)
        side = client(("CLAIMTOBE",), number(2), number(0))
        self.assertRaises(LimitExceeded, side.outcome)

    def test_legacy_key(self) -> None:
        """A server that wants to hand over its own key is refused."""
        side = client(("ANONYMOUS",), number(128), number(1), number(1))
        self.assertRaises(SecurityError, side.outcome)

    @given(st.lists(st.binary(max_size=24), max_size=9))
    @settings(deadline=None, max_examples=100)
    def test_only_documented_errors(self, messages: list[bytes]) -> None:
        """Whatever the other side says, errors are documented ones."""
        for side in (
            server(("FS", "CLAIMTOBE", "ANONYMOUS"), *messages),
            client(("FS", "CLAIMTOBE", "ANONYMOUS"), *messages),
        ):
            if side.error is not None:
                self.assertIsInstance(side.error, RemoteProtocolError | SecurityError)


class BrokenTests(SynchronousTestCase):
    """A conversation that breaks off in the middle of a method."""

    def test_client(self) -> None:
        """The client's error names the method under way, and those before it."""
        for gone in (PeerClosed("it closed"), HandshakeTimedOut("authentication", 20)):
            side = client(("CLAIMTOBE", "ANONYMOUS"), number(2), number(0), number(128))
            with self.assertRaises(NoMethodSucceeded) as caught:
                side.handshake.throw(gone)
            self.assertIs(caught.exception.__cause__, gone)
            methods = [each.method for each in caught.exception.attempts]
            self.assertEqual(methods, ["CLAIMTOBE", "ANONYMOUS"])
            self.assertIn(f"ANONYMOUS: {gone}", str(caught.exception))

    def test_server(self) -> None:
        """The server's names what failed before; a peer that leaves at once is one."""
        side = server(("CLAIMTOBE",), number(2), number(0), number(2))
        with self.assertRaises(NoMethodSucceeded) as caught:
            side.handshake.throw(PeerClosed("it closed"))
        self.assertEqual(len(caught.exception.attempts), 2)
        side = server(("CLAIMTOBE",), number(2))
        self.assertRaises(PeerClosed, side.handshake.throw, PeerClosed("it closed"))
