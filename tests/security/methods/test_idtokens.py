"""`condor_twisted.security.methods.idtokens`."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.literals import LiteralValue
from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import AuthenticationFailed, RemoteProtocolError
from condor_twisted.security.credentials import Credentials
from condor_twisted.security.methods import offer_attributes, usable_methods
from condor_twisted.security.methods.base import AuthResult
from condor_twisted.security.methods.idtokens import IdTokensMethod
from condor_twisted.security.tokens.token import SigningKey, create_token
from tests.security.kit import (
    DictKnobs,
    FakeFiles,
    FakeHost,
    Side,
    counting_random,
    make_state,
    pump,
)
from tests.security.methods.kit import NOW, VERSION, client_side, server_side
from tests.security.test_akep2 import damaged, message, replacing

KNOBS = {
    "SEC_PASSWORD_DIRECTORY": "/keys",
    "SEC_TOKEN_POOL_SIGNING_KEY_FILE": "/keys/POOL",
    "SEC_TOKEN_DIRECTORY": "/tokens",
}
POOL_FILE = b"the key of the pool"
OTHER_FILE = b"another key of some length"
POOL = SigningKey.from_file("POOL", POOL_FILE)
OTHER = SigningKey.from_file("OTHER", OTHER_FILE)
SERVER_AD = {"TrustDomain": "test.pool", "IssuerKeys": "OTHER, POOL"}


def token(
    subject: str = "alice@test.domain",
    *,
    key: SigningKey = POOL,
    issuer: str = "test.pool",
    now: int = NOW,
    lifetime_seconds: int | None = None,
    limits: tuple[str, ...] = (),
    claims: Mapping[str, LiteralValue] | None = None,
) -> str:
    """A token."""
    return create_token(
        key,
        issuer,
        subject,
        now,
        counting_random(),
        lifetime_seconds=lifetime_seconds,
        limits=limits,
        claims=claims,
    )


def server_host() -> FakeHost:
    """A host with both keys."""
    return FakeHost(
        files=FakeFiles({"/keys/POOL": POOL_FILE, "/keys/OTHER": OTHER_FILE})
    )


def client_host(*tokens: str) -> FakeHost:
    """A host with these tokens."""
    return FakeHost(files=FakeFiles({"/tokens/t": "\n".join(tokens).encode()}))


def pair(
    *tokens: str,
    client: FakeHost | None = None,
    server_knobs: Mapping[str, str] | None = None,
    version: str = VERSION,
    tamper: Any = lambda way, at, payload: payload,
    **client_facts: Any,
) -> tuple[Side[AuthResult], Side[AuthResult]]:
    """A client with these tokens and a server with both keys."""
    one = client_side(
        IdTokensMethod(),
        knobs=KNOBS,
        host=client or client_host(*tokens),
        peer_version=version,
        **{"peer_ad": SERVER_AD, **client_facts},
    )
    other = server_side(
        IdTokensMethod(),
        knobs={**KNOBS, **(server_knobs or {})},
        host=server_host(),
        peer_version=version,
    )
    pump(one, other, tamper)
    return one, other


class TokenTests(SynchronousTestCase):
    """A token that is good."""

    def test_subject(self) -> None:
        """The client is the subject, the server is of the pool; nothing is mapped."""
        for key in (POOL, OTHER):
            one, other = pair(token("Alice@Test.Domain", key=key))
            self.assertEqual(one.outcome(), AuthResult(user="condor@password"))
            result = other.outcome()
            self.assertEqual(result.user, "Alice@test.domain")
            self.assertIsNone(result.authenticated_name)
            self.assertIsNone(result.limits)
            self.assertEqual(result.attributes["AuthTokenSubject"], "Alice@Test.Domain")

    def test_subject_without_domain(self) -> None:
        """A subject without a domain is a bare name, which is not mapped."""
        self.assertEqual(pair(token("alice"))[1].outcome().user, "alice")

    def test_limits(self) -> None:
        """Scopes limit the identity."""
        result = pair(token(limits=("READ", "WRITE")))[1].outcome()
        self.assertEqual(result.limits, "READ,WRITE")
        self.assertEqual(
            result.attributes["AuthTokenScopes"], "condor:/READ,condor:/WRITE"
        )

    def test_algorithms(self) -> None:
        """Longer signatures serve as well."""
        for name in ("HS256", "HS384", "HS512"):
            header = json.dumps({"alg": name, "kid": "POOL"}).encode()
            signed = ".".join(
                (
                    base64.urlsafe_b64encode(header).decode().rstrip("="),
                    token().split(".")[1],
                )
            )
            signature = base64.urlsafe_b64encode(POOL.signature(signed, name))
            whole = f"{signed}.{signature.decode().rstrip('=')}"
            one, other = pair(whole)
            self.assertEqual(one.outcome().user, "condor@password")
            self.assertEqual(other.outcome().user, "alice@test.domain")

    def test_pool_user(self) -> None:
        """The pool's own name is one that a token may have."""
        self.assertEqual(
            pair(token("condor@password"))[1].outcome().user, "condor@password"
        )


class ChoiceTests(SynchronousTestCase):
    """Which token a client takes."""

    def subject(self, *tokens: str, **facts: Any) -> str | None:
        """Whom the server sees."""
        return pair(*tokens, **facts)[1].outcome().user

    def test_first_that_fits(self) -> None:
        """Junk, other issuers and keys that the server has not are passed over."""
        third = SigningKey.from_file("THIRD", b"a key that nobody knows")
        self.assertEqual(
            self.subject(
                "junk",
                token("a@x", issuer="elsewhere"),
                token("b@x", key=third),
                token("c@x"),
                token("d@x"),
            ),
            "c@x",
        )

    def test_silent_server(self) -> None:
        """A server that names neither keys nor domain gets the first token."""
        self.assertEqual(self.subject(token("a@x"), peer_ad={}), "a@x")

    def test_token_of_the_process(self) -> None:
        """A token that the process was given comes before those in files."""
        self.assertEqual(self.subject(token("a@x"), token=token("b@x")), "b@x")

    def test_made_for_the_occasion(self) -> None:
        """Without a token, a key that both have makes one, which lives for a minute."""
        one, other = pair(client=server_host())
        result = other.outcome()
        self.assertEqual(result.user, "condor@password")
        self.assertEqual(result.attributes["TokenExpirationTime"], NOW + 60)
        self.assertEqual(one.outcome().user, "condor@password")
        one, other = pair(
            client=server_host(), version="$CondorVersion: 23.0.1 2023-10-16 $"
        )
        self.assertEqual(other.outcome().user, "condor_pool")
        self.assertEqual(one.outcome().user, "condor_pool@test.domain")

    def test_nothing_to_show(self) -> None:
        """A client without token and key says so, and both go on to the end."""
        nothing: tuple[dict[str, Any], ...] = (
            {},
            {"client": server_host(), "peer_ad": {**SERVER_AD, "TrustDomain": "x"}},
            {"client": server_host(), "peer_ad": {"IssuerKeys": "POOL"}},
            {"client": server_host(), "peer_ad": {**SERVER_AD, "IssuerKeys": "X"}},
            {"client": server_host(), "peer_ad": {"TrustDomain": "test.pool"}},
        )
        for facts in nothing:
            one, other = pair(**facts)
            error = self.assertRaises(AuthenticationFailed, one.outcome)
            assert isinstance(error, AuthenticationFailed)
            self.assertEqual(error.reason, "we have no token for this server")
            self.assertEqual(one.sent[0], message(-1, 0, "", "", 0))
            self.assertRaises(AuthenticationFailed, other.outcome)


class RefusalTests(SynchronousTestCase):
    """Tokens that are not accepted."""

    def detail(self, text: str, **facts: Any) -> str:
        """Why the server refuses; both fail, in the usual number of messages."""
        one, other = pair(text, **{"peer_ad": {}, **facts})
        self.assertRaises(AuthenticationFailed, one.outcome)
        error = self.assertRaises(AuthenticationFailed, other.outcome)
        assert isinstance(error, AuthenticationFailed)
        self.assertEqual(error.reason, "the client's proof is not accepted")
        self.assertEqual((len(one.sent), len(other.sent)), (2, 1))
        self.assertNotIn(text.split(".")[1], f"{error!r}{error.detail}")
        return error.detail or ""

    def test_mnh_4_36_one_reason(self) -> None:
        """Expired, revoked, unknown, of another domain: one line for every log."""
        forged = SigningKey.from_file("POOL", b"not the key of the pool")
        unknown = SigningKey.from_file("NOBODY", POOL_FILE)
        for text, detail in (
            (token(now=NOW - 100, lifetime_seconds=50), "has expired"),
            (token(issuer="elsewhere"), "another trust domain"),
            (token(key=forged), "not the signature"),
            (token(key=unknown), "key that is not here"),
            (token(claims={"cap": True}), "capability"),
        ):
            self.assertIn(detail, self.detail(text))

    def test_mnh_4_33_age(self) -> None:
        """SEC_TOKEN_MAX_AGE is kept."""
        knobs = {"SEC_TOKEN_MAX_AGE": "100"}
        self.assertIn("too old", self.detail(token(now=NOW - 101), server_knobs=knobs))
        one, _ = pair(token(now=NOW - 100), server_knobs=knobs)
        self.assertEqual(one.outcome().user, "condor@password")

    def test_reserved_subjects(self) -> None:
        """No token gives an identity of a session that was set up without one."""
        for subject in (
            "condor@family",
            "x@child",
            "x@parent",
            "submit-side@matchsession",
            "x@unmapped",
            "mallory@password",
            "a@b@c",
            "@x",
        ):
            self.assertNotEqual(self.detail(token(subject)), "")

    def test_mnh_4_35_other_name(self) -> None:
        """The name that a client sends is the token's, byte for byte."""
        for name in ("root@test.domain", "ALICE@test.domain", "alice@test.domain "):
            side = server_side(
                IdTokensMethod(),
                message(
                    0, len(name), name, token().rpartition(".")[0], 256, bytes(256)
                ),
                message(-1, 0, "", 0, 0),
                knobs=KNOBS,
                host=server_host(),
                peer_version=VERSION,
            )
            error = self.assertRaises(AuthenticationFailed, side.outcome)
            assert isinstance(error, AuthenticationFailed)
            self.assertEqual(error.detail, "the client's name is not the token's")
            self.assertEqual(side.sent, [message(-1, 0, "", 0, "", 0, 0, 0)])

    def test_mnh_4_30_no_algorithm(self) -> None:
        """A token of no algorithm gets no proof of ours."""
        for name in ("none", "RS256", ""):
            header = json.dumps({"alg": name, "kid": "POOL"}).encode()
            signed = ".".join(
                (
                    base64.urlsafe_b64encode(header).decode().rstrip("="),
                    token().split(".")[1],
                )
            )
            side = server_side(
                IdTokensMethod(),
                message(0, 17, "alice@test.domain", signed, 256, bytes(256)),
                message(-1, 0, "", 0, 0),
                knobs=KNOBS,
                host=server_host(),
                peer_version=VERSION,
            )
            self.assertRaises(AuthenticationFailed, side.outcome)
            self.assertEqual(side.sent, [message(-1, 0, "", 0, "", 0, 0, 0)])

    def test_damage(self) -> None:
        """Every message, cut or changed, ends in an error that is documented."""
        one, other = pair(token())
        for way, sent in (("C>S", one.sent), ("S>C", other.sent)):
            for at, payload in enumerate(sent):
                for changed in list(damaged(payload))[::11]:
                    client, server = pair(
                        token(),
                        tamper=replacing(way, at, changed),
                    )
                    reader = server if way == "C>S" else client
                    self.assertIsInstance(
                        reader.error, (AuthenticationFailed, RemoteProtocolError)
                    )


class RevocationTests(SynchronousTestCase):
    """SEC_TOKEN_REVOCATION_EXPR."""

    def accepted(
        self,
        expression: str,
        knob: str = "SEC_TOKEN_REVOCATION_EXPR",
        answer: object = None,
    ) -> bool:
        """Whether a token is accepted under an expression.

        Args:
            expression: The expression.
            knob: Where it stands.
            answer: What the host says of it, where it is asked.
        """
        host = server_host()
        host.values[expression.encode()] = answer
        one = client_side(
            IdTokensMethod(),
            knobs=KNOBS,
            host=client_host(token()),
            peer_ad=SERVER_AD,
            peer_version=VERSION,
        )
        other = server_side(
            IdTokensMethod(),
            knobs={**KNOBS, knob: expression},
            host=host,
            peer_version=VERSION,
        )
        pump(one, other)
        return other.error is None

    def test_mnh_4_33_expression(self) -> None:
        """Only what comes to false, or to zero, is not revoked."""
        for expression, accepted in (
            ("false", True),
            ('sub == "bob@test.domain"', True),
            ('sub == "alice@test.domain"', False),
            ("iat < 1000", True),
            ("iat > 1000", False),
            ("0", True),
            ("1", False),
            ("nobody", False),
            ("error", False),
            ('"false"', False),
            ("((", False),
        ):
            with self.subTest(expression=expression):
                self.assertIs(self.accepted(expression), accepted)

    def test_older_name(self) -> None:
        """The knob's older name counts where the newer one is not set."""
        self.assertFalse(self.accepted("true", "SEC_TOKEN_BLACKLIST_EXPR"))
        self.assertTrue(self.accepted("false", "SEC_TOKEN_BLACKLIST_EXPR"))

    def test_mnh_1_19_expensive(self) -> None:
        """What may take long is left to the host; no answer is revoked."""
        expression = 'regexp("^bob", sub)'
        self.assertTrue(self.accepted(expression, answer=False))
        self.assertFalse(self.accepted(expression, answer=True))
        self.assertFalse(self.accepted(expression))


class OfferTests(SynchronousTestCase):
    """When the method is offered."""

    def test_available(self) -> None:
        """A key, a token or a directory that hides its keys is needed."""
        for credentials, offered in (
            (Credentials(), False),
            (Credentials(signing_keys={"POOL": POOL}), True),
            (Credentials(keys_hidden=True), True),
            (Credentials(has_token=True), True),
        ):
            for level in (Permission.CLIENT, Permission.READ):
                found = usable_methods(DictKnobs(), None, level, credentials)
                self.assertIs("TOKEN" in found, offered)

    def test_issuer_keys(self) -> None:
        """Keys are named in the ad, where there are any and the method is offered."""
        state = make_state(KNOBS, files=server_host().files)
        self.assertEqual(
            offer_attributes(["TOKEN"], state), {"IssuerKeys": "OTHER, POOL"}
        )
        self.assertEqual(offer_attributes(["FS"], state), {})
        self.assertEqual(offer_attributes(["TOKEN"], make_state()), {})
