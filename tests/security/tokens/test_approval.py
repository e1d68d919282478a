"""Tests of ``condor_twisted.security.tokens.approval``."""

from __future__ import annotations

from typing import Any

from condor_twisted.security.tokens.approval import (
    ApprovalRules,
    RequestState,
    TokenRequest,
    parse_netblock,
)
from tests.security.kit import DictKnobs
from tests.security.token_kit import TokenTestCase


def request(**changes: Any) -> TokenRequest:
    """A request as a startd makes it, at 1000 s."""
    values: dict[str, Any] = {
        "request_id": "0000012",
        "client_id": "STARTD-host-1",
        "identity": "condor@test.domain",
        "requester": "unauthenticated@unmapped",
        "address": "192.0.2.7",
        "limits": ("ADVERTISE_STARTD",),
        "lifetime_seconds": None,
        "requested_at": 1000.0,
        **changes,
    }
    return TokenRequest(**values)


class RequestTests(TokenTestCase):
    def test_shown(self) -> None:
        """What an approver sees."""
        self.assertEqual(
            request(lifetime_seconds=60).shown(),
            {
                "RequestId": "0000012",
                "ClientId": "STARTD-host-1",
                "AuthenticatedIdentity": "unauthenticated@unmapped",
                "RequestedIdentity": "condor@test.domain",
                "PeerLocation": "192.0.2.7",
                "LimitAuthorization": "ADVERTISE_STARTD",
                "TokenLifetime": 60,
            },
        )
        bare = request(limits=()).shown()
        self.assertNotIn("LimitAuthorization", bare)
        self.assertNotIn("TokenLifetime", bare)

    def test_mnh_7_1_not_shown(self) -> None:
        """A request's text has no token in it."""
        found = request(token="s.e.cret")
        self.assertNotIn("s.e.cret", f"{found} {found!r} {found.shown()}")


class RuleTests(TokenTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.rules = ApprovalRules(3)
        self.knobs = DictKnobs()

    def add(
        self, netblock: str | None, seconds: int | None, now: float = 1000.0
    ) -> Any:
        """Add a rule."""
        return self.rules.add(self.knobs, now, netblock, seconds)

    def test_networks(self) -> None:
        """A request is approved for the network that it came from."""
        self.add("192.0.2.0/24", 60)
        self.add("2001:db8::/32", 60)
        for address, approved in (
            ("192.0.2.255", True),
            ("192.0.3.1", False),
            ("2001:db8::7", True),
            ("2001:db9::7", False),
            ("::ffff:192.0.2.1", True),
            ("no address", False),
        ):
            found = self.rules.find(request(address=address), 1000.0)
            self.assertIs(found is not None, approved, address)

    def test_what_daemons_ask_for(self) -> None:
        """Only what daemons ask for by themselves is approved."""
        self.add("192.0.2.0/24", 60)
        for changes, approved in (
            ({}, True),
            ({"limits": ("ADVERTISE_SCHEDD", "ADVERTISE_MASTER")}, True),
            ({"limits": ()}, False),
            ({"limits": ("ADVERTISE_STARTD", "READ")}, False),
            ({"limits": ("advertise_startd",)}, False),
            ({"identity": "alice@test.domain"}, False),
            ({"identity": "condor"}, False),
            ({"state": RequestState.FAILED}, False),
            ({"lifetime_seconds": 5, "requested_at": 994.0}, False),
            ({"lifetime_seconds": 5, "requested_at": 995.0}, True),
        ):
            found = self.rules.find(request(**changes), 1000.0)
            self.assertIs(found is not None, approved, changes)

    def test_times(self) -> None:
        """A rule is for requests from a minute before it until its end."""
        self.add("192.0.2.0/24", 60)
        for at, approved in (
            (939.9, False),
            (940.0, True),
            (1060, True),
            (1061, False),
        ):
            found = self.rules.find(request(requested_at=at), 1000.0)
            self.assertIs(found is not None, approved, at)
        self.rules.expire(1060.0)
        self.assertIsNotNone(self.rules.find(request(), 1000.0))
        self.rules.expire(1060.1)
        self.assertIsNone(self.rules.find(request(), 1000.0))

    def test_mnh_4_38_an_hour(self) -> None:
        """No rule lives longer than an hour, nor than configured."""
        self.assertEqual(self.add("192.0.2.0/24", 9999).expires_at, 1000 + 3600)
        self.knobs.values["TOKEN_REQUEST_AUTO_APPROVE_MAX_LIFETIME"] = "7200"
        self.assertEqual(self.add("192.0.2.0/24", 9999).expires_at, 1000 + 3600)
        self.knobs.values["TOKEN_REQUEST_AUTO_APPROVE_MAX_LIFETIME"] = "60"
        self.assertEqual(self.add("192.0.2.0/24", 9999).expires_at, 1060)

    def test_mnh_4_38_width(self) -> None:
        """Without a knob no rule is for everybody; with one none is wider."""
        for text in ("*", "*/*", "0.0.0.0/0", "10.0.0.0/7", "::/0", "2000::/15"):
            self.assertIn("wider than", self.refused(-3, self.add, text, 60))
        for text in ("10.0.0.0/8", "2001::/16"):
            self.add(text, 60)
        self.rules.clear()
        name = "TOKEN_REQUEST_AUTO_APPROVE_NETBLOCKS"
        self.knobs.values[name] = "10.1.0.0/16, 2001:db8::/32"
        for text in ("10.0.0.0/15", "10.2.0.0/24", "192.0.2.1", "2001::/16", "*"):
            self.refused(-3, self.add, text, 60)
        for text in ("10.1.0.0/16", "10.1.2.3", "2001:db8:1::/48"):
            self.add(text, 60)
        self.knobs.values[name] = "*"
        self.rules.clear()
        self.add("*", 60)
        self.assertIsNotNone(self.rules.find(request(address="::1"), 1000.0))

    def test_refusals(self) -> None:
        """What is no network or no time is refused, with HTCondor's numbers."""
        for lifetime in (None, 0, -1):
            self.assertEqual(
                self.refused(-1, self.add, "192.0.2.0/24", lifetime),
                "DAEMON:-1:Auto-approval rule lifetimes must be greater than zero.",
            )
        for text in (None, "", "junk", "192.0.2.0/33", "a/b/c", "x" * 1000):
            self.assertEqual(
                self.refused(-2, self.add, text, 60),
                "DAEMON:-2:Auto-approval rule netblock invalid.",
            )

    def test_mnh_0_6_rules_are_bounded(self) -> None:
        """There are only so many rules."""
        for _ in range(3):
            self.add("192.0.2.0/24", 60)
        self.refused(-4, self.add, "192.0.2.0/24", 60)

    def test_netblocks(self) -> None:
        """Networks are written as in lists."""
        for text, found in (
            ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
            ("192.0.*", "192.0.0.0/16"),
            ("2001:db8:*", "2001:db8::/32"),
        ):
            self.assertEqual([str(each) for each in parse_netblock(text)], [found])
        self.assertEqual(len(parse_netblock("*")), 2)
