"""Tests of ``condor_twisted.security.tokens.issuing``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from condor_twisted.errors import TokenServiceRefused
from condor_twisted.security.tokens.issuing import (
    IssuedToken,
    TokenIssuer,
    is_within_limits,
    read_limits,
)
from tests.security.kit import FakeHost, make_state
from tests.security.scitoken_kit import ISSUER, KEYS, NOW, scitoken
from tests.security.token_kit import ALICE, KNOBS, TokenTestCase, limited


class LimitTests(TokenTestCase):
    def test_read_limits(self) -> None:
        """Levels are words, each once; anything else is refused."""
        self.assertEqual(read_limits(None), ())
        self.assertEqual(read_limits("READ, WRITE READ"), ("READ", "WRITE"))
        many = " ".join(f"L{number}" for number in range(65))
        for text in ("condor:/READ", "A" * 65, "RE\0AD", "é", many):
            self.refused(2, read_limits, text)
        self.assertEqual(len(read_limits(many.rpartition(" ")[0])), 64)

    def test_within(self) -> None:
        """A limited credential holds its levels and what they imply, spelled so."""
        peer = limited(ALICE, "WRITE")
        for level, holds in (
            ("WRITE", True),
            ("READ", True),
            ("ALLOW", True),
            ("DAEMON", False),
            ("write", False),
            ("FOO", False),
        ):
            self.assertIs(is_within_limits(level, peer), holds, level)
        self.assertTrue(is_within_limits("ANYTHING", ALICE))


class SessionTokenTests(TokenTestCase):
    def fetch(self, peer: Any = ALICE, *arguments: Any, **knobs: Any) -> IssuedToken:
        """A session token."""
        return TokenIssuer(self.security(**knobs)).session_token(peer, *arguments)

    def test_unlimited(self) -> None:
        """Who has no limits gets a token without any, for himself, for ever."""
        issued = self.fetch()
        token = self.read(issued.text)
        self.assertEqual(token.subject, "alice@test.domain")
        self.assertEqual(token.issuer, "test.pool")
        self.assertEqual(token.key_name, "POOL")
        self.assertIsNone(token.limits)
        self.assertIsNone(token.expires_at)
        self.assertEqual(token.claims["iat"], self.clock.unix_time())

    def test_wishes(self) -> None:
        """Limits, life and key are as wanted."""
        token = self.read(self.fetch(ALICE, ("READ", "FOO"), 60, "AP").text)
        self.assertEqual(token.limits, "READ,FOO")
        self.assertEqual(token.expires_at, self.clock.unix_time() + 60)
        self.assertEqual(token.key_name, "AP")

    def test_mnh_4_38_limited_session(self) -> None:
        """A limited session gets no token that is good for more."""
        peer = limited(ALICE, "READ,WRITE")
        self.assertEqual(self.fetch(peer).limits, ("READ", "WRITE"))
        self.assertEqual(self.fetch(peer, ("DAEMON", "READ")).limits, ("READ",))
        text = "Session doesn't allow requested authorization levels."
        self.assertEqual(self.refused(4, self.fetch, peer, ("DAEMON",)), text)
        nothing = limited(ALICE, "DENY")
        self.assertEqual(self.fetch(nothing).limits, ("DENY",))
        self.refused(4, self.fetch, limited(ALICE, ""))

    def test_mnh_4_38_session_that_ends(self) -> None:
        """A session whose credential ends gets no token that lives longer."""
        ends = self.clock.unix_time() + 100
        peer = limited(ALICE, "READ", ends)
        for wanted, life in ((None, 100), (-1, 100), (1000, 100), (100, 100), (7, 7)):
            self.assertEqual(self.fetch(peer, (), wanted).lifetime_seconds, life)
        over = limited(ALICE, "READ", self.clock.unix_time() - 1)
        self.assertIn("original one expired", self.refused(3, self.fetch, over))

    def test_cap(self) -> None:
        """SEC_ISSUED_TOKEN_EXPIRATION is the longest life, whatever is wanted."""
        for wanted, life in ((None, 50), (-1, 50), (51, 50), (50, 50), (0, 0)):
            issued = self.fetch(ALICE, (), wanted, SEC_ISSUED_TOKEN_EXPIRATION="50")
            self.assertEqual(issued.lifetime_seconds, life)
        self.assertEqual(self.fetch(ALICE, (), 2**62).lifetime_seconds, 2**31 - 1)

    def test_nobody(self) -> None:
        """Who has proved nothing, or is mapped to nobody, gets none."""
        for changes in (
            {"method": None},
            {"user": "unauthenticated@unmapped"},
            {"user": "ssl@unmapped", "method": "SSL"},
            {"user": "CONDOR_ANONYMOUS_USER", "method": "ANONYMOUS"},
        ):
            self.refused(2, self.fetch, replace(ALICE, **changes))
        self.refused(2, self.fetch, replace(ALICE, user="condor@family"))

    def test_clear_channel(self) -> None:
        """A token is not sent in clear."""
        self.refused(7, self.fetch, replace(ALICE, encrypted=False))

    def test_keys(self) -> None:
        """Only keys that the configuration allows sign, and only those there are."""
        self.refused(3, self.fetch, ALICE, (), None, "OTHER")
        allowed = {"SEC_TOKEN_FETCH_ALLOWED_SIGNING_KEYS": "POOL, A*"}
        self.assertEqual(self.fetch(ALICE, (), None, "AP", **allowed).key_name, "AP")
        reason = self.refused(1, self.fetch, ALICE, (), None, "AX", **allowed)
        self.assertEqual(reason, "Server does not have access to configured key.")
        self.refused(3, self.fetch, ALICE, (), None, "../AP", **allowed)
        issuer = TokenIssuer(self.security(SEC_TOKEN_ISSUER_KEY="AP"))
        self.assertEqual(issuer.session_token(ALICE).key_name, "AP")
        self.refused(1, TokenIssuer(self.security(files={})).session_token, ALICE)

    def test_no_trust_domain(self) -> None:
        """Without a trust domain there is no token."""
        self.refused(1, self.fetch, TRUST_DOMAIN="")

    def test_mnh_7_1_not_shown(self) -> None:
        """What is logged of a token is not the token."""
        issued = self.fetch(ALICE, ("READ",), 60)
        self.assertEqual(
            str(issued),
            "a token for alice@test.domain, good for READ, for 60 s, signed with POOL",
        )
        self.assertNotIn(issued.text, repr(issued))
        self.assertIn("good for everything, for ever", str(self.fetch()))


class ExchangeTests(TokenTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock.seconds = NOW - 1_700_000_000
        self.host = FakeHost(issuer_keys={ISSUER: KEYS})
        self.names = {f"{ISSUER},alice": "alice@here"}

    def exchange(self, text: str, peer: Any = ALICE, **knobs: Any) -> IssuedToken:
        """Exchange a SciToken, with the host answering."""
        security = self.security(**knobs)
        security.identity_map = lambda method, name: self.names.get(name)
        handshake = TokenIssuer(security).exchange_scitoken(peer, text)
        answer = None
        try:
            while True:
                answer = self.host.perform(handshake.send(answer))
        except StopIteration as stop:
            found: IssuedToken = stop.value
            return found

    def test_exchange(self) -> None:
        """The token is for whom the map says, with the SciToken's limits and end."""
        issued = self.exchange(scitoken())
        token = self.read(issued.text)
        self.assertEqual(token.subject, "alice@here")
        self.assertEqual(token.limits, "DENY,READ,WRITE")
        self.assertEqual(token.expires_at, NOW + 600)
        issued = self.exchange(scitoken(), SEC_ISSUED_TOKEN_EXPIRATION="60")
        self.assertEqual(issued.lifetime_seconds, 60)

    def test_odd_scopes(self) -> None:
        """A scope that is no level is left out, and nothing becomes everything."""
        issued = self.exchange(scitoken(scope="condor:/READ/x compute.read"))
        self.assertEqual(issued.limits, ("DENY",))

    def test_refusals(self) -> None:
        """What is no good SciToken of somebody here is refused."""
        self.assertIn("not provided", self.refused(1, self.exchange, ""))
        self.refused(7, self.exchange, scitoken(), replace(ALICE, encrypted=False))
        for text in ("junk", scitoken(exp=NOW - 1), scitoken(sub="bob")):
            reason = self.refused(5, self.exchange, text)
            self.assertNotIn(text, reason)
        self.names[f"{ISSUER},alice"] = "condor@family"
        self.refused(2, self.exchange, scitoken())
        self.host.issuer_keys.clear()
        self.refused(5, self.exchange, scitoken())

    def test_no_key(self) -> None:
        """Without a signing key the issuer is not even asked."""
        security = make_state(KNOBS)
        handshake = TokenIssuer(security).exchange_scitoken(ALICE, scitoken())
        self.assertRaises(TokenServiceRefused, next, handshake)
