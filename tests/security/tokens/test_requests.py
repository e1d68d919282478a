"""Tests of ``condor_twisted.security.tokens.requests``."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from condor_twisted.security.peer import Peer
from condor_twisted.security.tokens.approval import TokenRequest
from condor_twisted.security.tokens.requests import TokenRequestLimits, TokenRequests
from tests.security.token_kit import ALICE, BOB, TokenTestCase, limited

ADMINISTRATOR = replace(ALICE, user="root@test.domain", address="192.0.2.1")


class RequestsTestCase(TokenTestCase):
    def make(self, **knobs: Any) -> TokenRequests:
        """The requests of a daemon with these knobs."""
        self.requests = TokenRequests(self.security(**knobs))
        return self.requests

    def setUp(self) -> None:
        super().setUp()
        self.make()

    def start(self, peer: Peer = ALICE, **changes: Any) -> TokenRequest:
        """Ask for a token for Carol."""
        wanted = {"client_id": "host-1", "identity": "carol@test.domain", **changes}
        return self.requests.start(peer, self.clock.seconds, **wanted)[0]

    def finish(self, request: TokenRequest, peer: Peer = ALICE, **changes: Any) -> str:
        """Ask for its token."""
        ids = {"client_id": request.client_id, "request_id": request.request_id}
        return self.requests.finish(peer, self.clock.seconds, **{**ids, **changes})

    def approve(
        self,
        request: TokenRequest,
        peer: Peer = ADMINISTRATOR,
        administrator: bool = True,
        **changes: Any,
    ) -> None:
        """Approve it."""
        ids = {"client_id": request.client_id, "request_id": request.request_id}
        self.requests.approve(
            peer, self.clock.seconds, administrator, **{**ids, **changes}
        )

    def ids(self, peer: Peer, administrator: bool, wanted: str | None = None) -> Any:
        """The ids of the requests that somebody sees."""
        found = self.requests.pending(peer, self.clock.seconds, administrator, wanted)
        return [each.request_id for each in found]


class StartTests(RequestsTestCase):
    def test_the_whole_way(self) -> None:
        """Asked for, pending, approved, fetched once, forgotten."""
        request = self.start(limits_text="READ", lifetime_seconds=60)
        self.assertEqual(self.finish(request), "")
        self.approve(request)
        token = self.read(self.finish(request))
        self.assertEqual(token.subject, "carol@test.domain")
        self.assertEqual(token.limits, "READ")
        self.assertEqual(token.expires_at, self.clock.unix_time() + 60)
        self.assertIn("not known", self.refused(3, self.finish, request))
        self.assertEqual(len(self.requests), 0)

    def test_wishes(self) -> None:
        """A request without ids, or for nobody who could log in, is refused."""
        self.assertEqual(
            self.refused(2, self.start, client_id=None), "No client ID provided."
        )
        self.assertEqual(
            self.refused(2, self.start, identity=None), "No identity request."
        )
        for client_id in ("", "x" * 257, "a\nb"):
            self.refused(2, self.start, client_id=client_id)
        self.start(client_id="x" * 256)
        for identity in ("", "a\nb@c", "condor@family", "@x", "a@b@c", "x" * 1025):
            self.refused(2, self.start, identity=identity)
        self.refused(2, self.start, limits_text="condor:/READ")

    def test_configured_limits(self) -> None:
        """SEC_TOKEN_REQUEST_LIMITS leaves no more than it names."""
        self.make(SEC_TOKEN_REQUEST_LIMITS="READ, WRITE")
        self.assertEqual(self.start(limits_text="DAEMON READ").limits, ("READ",))
        self.assertEqual(self.start(client_id="2").limits, ("READ", "WRITE"))
        reason = self.refused(3, self.start, client_id="3", limits_text="DAEMON")
        self.assertIn("eliminated by the SEC_TOKEN_REQUEST_LIMITS", reason)
        self.refused(3, self.start, client_id="3", limits_text="")

    def test_cap(self) -> None:
        """SEC_ISSUED_TOKEN_EXPIRATION is the longest life that can be asked for."""
        self.make(SEC_ISSUED_TOKEN_EXPIRATION="50")
        for number, (wanted, life) in enumerate(
            ((None, 50), (-1, 50), (60, 50), (10, 10))
        ):
            request = self.start(client_id=str(number), lifetime_seconds=wanted)
            self.assertEqual(request.lifetime_seconds, life)

    def test_who_may_ask(self) -> None:
        """Nobody may ask without a proof of anything, or in clear."""
        self.assertEqual(
            self.refused(7, self.start, replace(ALICE, encrypted=False)),
            "Request to server was not encrypted.",
        )
        for method in (None, "ANONYMOUS", "anonymous"):
            self.assertIn(
                "ANONYMOUS", self.refused(7, self.start, replace(ALICE, method=method))
            )
        self.assertEqual(len(self.requests), 0)
        self.start(replace(ALICE, method="SSL", user="ssl@unmapped"))

    def test_no_key(self) -> None:
        """Without a signing key nothing is kept."""
        self.make(files={})
        self.assertEqual(
            self.refused(4, self.start),
            "TOKEN_UTILS:4:Server does not have a signing key configured.",
        )
        self.assertEqual(len(self.requests), 0)

    def test_mnh_1_30_pending_requests(self) -> None:
        """A hundred are pending, one of each client; the next are refused."""
        found = [self.start(client_id=f"host-{number}") for number in range(100)]
        self.assertEqual(
            self.refused(3, self.start, client_id="host-100"),
            "Too many requests in the system.",
        )
        self.assertEqual(
            self.refused(3, self.start, client_id="host-7"),
            "This client has a request in the system.",
        )
        self.approve(found[0])
        self.start(client_id="host-100")
        self.refused(3, self.start, client_id="host-101")
        self.assertEqual(len(self.requests), 101)

    def test_mnh_1_30_a_client_elsewhere(self) -> None:
        """Clients of one name at two addresses are two."""
        self.start(ALICE)
        self.start(BOB)
        self.refused(3, self.start, replace(BOB, port=1))

    def test_mnh_1_30_ids(self) -> None:
        """Ids have seven digits, are of the system's entropy, and never twice."""
        security = self.security()
        given = iter([5, 5, 10**7 + 5, 9_999_999, *[5] * 6])
        security.random_bytes = lambda count: next(given).to_bytes(count, "big")
        self.requests = TokenRequests(security)
        self.assertEqual(self.start(client_id="1").request_id, "0000005")
        self.assertEqual(self.start(client_id="2").request_id, "9999999")
        self.refused(4, self.start, client_id="3")
        self.make()
        for number in range(50):
            request_id = self.start(client_id=str(number)).request_id
            self.assertIsNotNone(re.fullmatch("[0-9]{7}", request_id))

    def test_mnh_1_30_an_hour(self) -> None:
        """After an hour a request is over, approved or not, and then forgotten."""
        pending, approved = self.start(client_id="1"), self.start(client_id="2")
        self.approve(approved)
        self.clock.seconds += 3600
        self.assertEqual(self.finish(pending), "")
        self.clock.seconds += 1
        self.assertEqual(self.ids(ADMINISTRATOR, True), [])
        self.refused(5, self.approve, pending)
        self.assertEqual(self.refused(5, self.finish, pending), "Request has expired.")
        self.assertEqual(self.refused(5, self.finish, approved), "Request has expired.")
        self.start(client_id="3")
        self.clock.seconds += 7201
        self.requests.expire(self.clock.seconds)
        self.assertEqual(len(self.requests), 0)

    def test_configured_lifetime(self) -> None:
        """SEC_TOKEN_REQUEST_LIFETIME says how long a request waits."""
        self.make(SEC_TOKEN_REQUEST_LIFETIME="10")
        request = self.start()
        self.clock.seconds += 11
        self.refused(5, self.finish, request)

    def test_mnh_0_6_kept_requests(self) -> None:
        """What came to an end makes room for what begins, the oldest first."""
        limits = TokenRequestLimits(pending=2, kept=3)
        self.requests = TokenRequests(self.security(), limits)
        found = []
        for number in range(5):
            found.append(self.start(client_id=str(number)))
            self.approve(found[-1])
        self.assertEqual(len(self.requests), 3)
        self.refused(3, self.finish, found[1])
        self.finish(found[2])


class FinishTests(RequestsTestCase):
    def test_ids(self) -> None:
        """Both ids have to be right."""
        request = self.start()
        self.refused(2, self.finish, request, client_id=None)
        self.refused(2, self.finish, request, request_id=None)
        for text in ("", "abc", "-1", "1 2", "9" * 5000, "٣"):
            self.refused(2, self.finish, request, request_id=text)
        self.refused(3, self.finish, request, client_id="host-2")
        self.refused(3, self.finish, request, request_id="123")
        short = request.request_id.lstrip("0")
        self.assertEqual(self.finish(request, request_id=short), "")

    def test_who_comes_back(self) -> None:
        """Who asked has to come back, encrypted; else the token stays."""
        request = self.start()
        self.approve(request)
        self.refused(3, self.finish, request, BOB)
        self.refused(7, self.finish, request, replace(ALICE, encrypted=False))
        self.assertTrue(self.finish(request, replace(ALICE, address="192.0.2.99")))

    def test_wrong_guesses(self) -> None:
        """Who guesses is stopped, for a while, even with the right ids; others not."""
        request = self.start()
        for _ in range(100):
            self.refused(3, self.finish, request, request_id="1")
        self.assertEqual(
            self.refused(5, self.finish, request), "Request rate limit hit."
        )
        self.assertEqual(self.finish(request, replace(ALICE, address="192.0.2.9")), "")
        self.clock.seconds += 0.1
        self.assertEqual(self.finish(request), "")

    def test_reset(self) -> None:
        """After a reconfiguration requests have failed, and rules are gone."""
        pending, approved = self.start(client_id="1"), self.start(client_id="2")
        self.approve(approved)
        self.requests.auto_approve(self.clock.seconds, "192.0.2.0/24", 60)
        self.requests.reset()
        self.assertEqual(self.refused(4, self.finish, pending), "Request failed.")
        self.assertEqual(self.refused(4, self.finish, approved), "Request failed.")
        daemon = self.start(
            client_id="3", identity="condor@x", limits_text="ADVERTISE_STARTD"
        )
        self.assertEqual(daemon.token, "")


class ApproveTests(RequestsTestCase):
    def test_who_sees_what(self) -> None:
        """An administrator sees all requests, others those for themselves."""
        first = self.start(client_id="1", identity="bob@test.domain").request_id
        second = self.start(client_id="2").request_id
        self.assertEqual(self.ids(ADMINISTRATOR, True), [first, second])
        self.assertEqual(self.ids(ADMINISTRATOR, True, second), [second])
        self.assertEqual(self.ids(ADMINISTRATOR, True, "1"), [])
        self.assertEqual(self.ids(BOB, False), [first])
        self.assertEqual(self.ids(BOB, False, second), [])
        self.assertEqual(self.ids(ALICE, False), [])
        self.assertEqual(
            self.refused(2, self.ids, BOB, False, "x"),
            "Unable to convert request ID to integer.",
        )

    def test_who_approves_what(self) -> None:
        """Others than administrators approve requests for themselves alone."""
        request = self.start(identity="bob@test.domain")
        self.assertEqual(
            self.refused(6, self.approve, request, ALICE, False),
            "Insufficient privilege to approve request.",
        )
        self.approve(request, BOB, False)
        self.assertEqual(
            self.refused(5, self.approve, request), "Request in incorrect state."
        )

    def test_ids(self) -> None:
        """Both ids have to be right."""
        request = self.start()
        for changes, code in (
            ({"request_id": None}, 1),
            ({"request_id": ""}, 1),
            ({"request_id": "x"}, 2),
            ({"request_id": "1"}, 5),
            ({"client_id": None}, 1),
            ({"client_id": "host-2"}, 5),
        ):
            self.refused(code, self.approve, request, **changes)

    def test_mnh_4_38_rights_of_the_approver(self) -> None:
        """Nobody approves a token that is good for more than his own credential."""
        bob = limited(BOB, "WRITE")
        for number, (limits, fits) in enumerate(
            (("READ", True), ("READ,WRITE", True), ("DAEMON", False), (None, False))
        ):
            request = self.start(
                client_id=str(number), identity=bob.user, limits_text=limits
            )
            if fits:
                self.approve(request, bob, False)
            else:
                self.refused(7, self.approve, request, bob, False)
        root = limited(ADMINISTRATOR, "ADMINISTRATOR")
        self.refused(7, self.approve, self.start(client_id="x"), root)
        self.approve(self.start(client_id="y", limits_text="ADMINISTRATOR"), root)

    def test_mnh_4_38_life_of_the_approver(self) -> None:
        """Nobody approves a token that lives longer than his own credential."""
        ends = self.clock.unix_time() + 100
        for peer, administrator in ((BOB, False), (ADMINISTRATOR, True)):
            peer = replace(peer, credential_expires_at=ends)
            for wanted, fits in ((None, False), (101, False), (100, True)):
                request = self.start(
                    client_id=f"{peer.user} {wanted}",
                    identity=BOB.user,
                    lifetime_seconds=wanted,
                )
                if fits:
                    self.approve(request, peer, administrator)
                else:
                    self.refused(8, self.approve, request, peer, administrator)

    def test_no_trust_domain(self) -> None:
        """Where no token can be made the request fails."""
        self.make(TRUST_DOMAIN="")
        request = self.start()
        self.refused(1, self.approve, request)
        self.refused(4, self.finish, request)


class AutoApproveTests(RequestsTestCase):
    def daemon(self, peer: Peer = ALICE, **changes: Any) -> TokenRequest:
        """A daemon asks for its token."""
        wanted = {
            "identity": "condor@test.domain",
            "limits_text": "ADVERTISE_STARTD",
            **changes,
        }
        return self.start(peer, **wanted)

    def test_a_new_request(self) -> None:
        """A rule approves a daemon at once, though nothing proves who it is."""
        self.requests.auto_approve(self.clock.seconds, "192.0.2.0/24", 60)
        nobody = replace(ALICE, method=None, user="unauthenticated@unmapped")
        token = self.read(self.daemon(nobody).token)
        self.assertEqual(token.subject, "condor@test.domain")
        self.assertEqual(token.limits, "ADVERTISE_STARTD")
        self.assertEqual(len(self.requests), 0)
        self.refused(7, self.daemon, replace(nobody, encrypted=False))
        self.refused(7, self.daemon, replace(nobody, address="198.51.100.1"))

    def test_requests_of_before(self) -> None:
        """A rule approves what came in the minute before it."""
        old = self.daemon(client_id="1")
        self.clock.seconds += 61
        new = self.daemon(client_id="2")
        other = self.start(client_id="3")
        _, approved = self.requests.auto_approve(self.clock.seconds, "192.0.2.0/24", 60)
        self.assertEqual([request for request, _ in approved], [new])
        self.assertTrue(self.finish(new))
        self.assertEqual((self.finish(old), self.finish(other)), ("", ""))

    def test_no_key(self) -> None:
        """Without a signing key there is no rule."""
        self.make(files={})
        self.refused(
            4, self.requests.auto_approve, self.clock.seconds, "192.0.2.0/24", 60
        )
