"""`condor_twisted.security.tokens.token`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import TokenRefused
from condor_twisted.security.tokens.token import (
    POOL_KEY,
    SigningKey,
    Token,
    create_token,
    is_key_name,
    parse_token,
    scramble,
    token_key,
)
from tests.security.kit import (
    counting_random,
)
from tests.security.recordings import (
    load_vector,
)

NOW = 1_795_351_000
KEY = SigningKey.from_file("TESTKEY", b"a key of more than 16 bytes")


def encode(data: bytes | str) -> str:
    """Base64url without padding."""
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unsigned(payload: Any, header: Any = None) -> str:
    """A token without its signature."""
    head = {"alg": "HS256", "kid": "POOL"} if header is None else header
    parts = [
        each if isinstance(each, str) else json.dumps(each) for each in (head, payload)
    ]
    return ".".join(map(encode, parts))


def claims(**changes: object) -> Token:
    """A token of these claims; ``None`` takes one away."""
    found: dict[str, object] = {
        "iss": "test.pool",
        "sub": "alice@test.domain",
        "jti": "1",
        **changes,
    }
    payload = {name: value for name, value in found.items() if value is not None}
    return parse_token(unsigned(payload), whole=False)


class KeyTests(SynchronousTestCase):
    """Keys and their files."""

    def test_scramble(self) -> None:
        """It takes itself back."""
        self.assertEqual(scramble(b"\0\0\0\0\1"), b"\xde\xad\xbe\xef\xdf")
        self.assertEqual(scramble(scramble(b"any bytes")), b"any bytes")

    def test_recorded_signature(self) -> None:
        """A real token's signature is made again with its key."""
        secrets = load_vector("idtokens")["secrets"]
        token = parse_token(secrets["token"])
        key = SigningKey.from_file(
            POOL_KEY, bytes.fromhex(secrets["signing_key_file_hex"])
        )
        self.assertEqual(key.signature(token.signed, "HS256"), token.signature)
        for algorithm, length in (("HS384", 48), ("HS512", 64)):
            self.assertEqual(len(key.signature(token.signed, algorithm)), length)

    def test_pool_key_is_doubled(self) -> None:
        """The pool's key counts twice; another key with its bytes twice is the same."""
        content = b"0123456789abcdef"
        twice = scramble(scramble(content) * 2)
        self.assertEqual(
            SigningKey.from_file(POOL_KEY, content).jwt_key,
            SigningKey.from_file("x", twice).jwt_key,
        )

    def test_pool_key_as_password(self) -> None:
        """Read as a text, it ends at the first NUL, before or behind the scrambling."""
        plain = b"0123456789abcdef"
        wanted = SigningKey.from_file(POOL_KEY, scramble(plain)).jwt_key
        for content in (scramble(plain) + b"\0more", scramble(plain + b"\0more")):
            key = SigningKey.from_file(POOL_KEY, content, is_password=True)
            self.assertEqual(key.jwt_key, wanted)
            self.assertNotEqual(SigningKey.from_file(POOL_KEY, content).jwt_key, wanted)

    def test_mnh_4_31_short_keys(self) -> None:
        """A key of 15 bytes is refused, and nothing is derived from nothing."""
        self.assertRaises(TokenRefused, SigningKey.from_file, "x", b"a" * 15)
        SigningKey.from_file("x", b"a" * 16)
        self.assertRaises(TokenRefused, SigningKey.from_file, POOL_KEY, b"")
        self.assertRaises(ValueError, token_key, b"", "a.b")
        self.assertRaises(
            TokenRefused,
            SigningKey.from_file,
            POOL_KEY,
            b"\0" + b"a" * 40,
            is_password=True,
        )

    def test_mnh_4_32_names(self) -> None:
        """A key's name is one word that is no path."""
        for name in ("POOL", "a", "a.b-c_d", "...", "a" * 128):
            self.assertTrue(is_key_name(name), name)
        for name in ("", ".", "..", "a/b", "a\0", "a b", "\xe4", "a" * 129, "a\n"):
            self.assertFalse(is_key_name(name), name)

    def test_mnh_0_5_repr(self) -> None:
        """No key and no token shows its secret."""
        text = create_token(KEY, "test.pool", "a@b", NOW, counting_random())
        token = parse_token(text)
        for shown in (repr(KEY), repr(token)):
            self.assertNotIn(repr(KEY.jwt_key), shown)
            self.assertNotIn(repr(token.signature), shown)
            self.assertNotIn(text.split(".")[1], shown)


class ParseTests(SynchronousTestCase):
    """What is a token at all."""

    def test_mnh_4_30_algorithms(self) -> None:
        """Exactly HS256, HS384 and HS512 are taken, before a key is looked for."""
        for name in ("HS256", "HS384", "HS512"):
            found = parse_token(unsigned({}, {"alg": name, "kid": "x"}), whole=False)
            self.assertEqual(found.algorithm, name)
        for bad in ("none", "hs256", "RS256", "HS224", "", None, 256, ["HS256"], True):
            text = unsigned({}, {"alg": bad, "kid": "x"})
            self.assertRaises(TokenRefused, parse_token, text, whole=False)
        self.assertRaises(
            TokenRefused, parse_token, unsigned({}, {"kid": "x"}), whole=False
        )
        self.assertRaises(TokenRefused, KEY.signature, "a.b", "none")

    def test_mnh_4_32_key_names(self) -> None:
        """A token that names no key, or a path, is refused."""
        for bad in ("../x", "/etc/shadow", "", ".", None, 1, "a\0", "a/b"):
            text = unsigned({}, {"alg": "HS256", "kid": bad})
            self.assertRaises(TokenRefused, parse_token, text, whole=False)

    def test_mnh_4_34_json(self) -> None:
        """Duplicates, depth, length, other encodings and other values are refused."""
        deep = '{"a":' + "[" * 7 + "]" * 7 + "}"
        parse_token(unsigned(deep), whole=False)
        parse_token(unsigned('{"a":"[[[[[[[[[[[["}'), whole=False)
        header = encode('{"alg":"HS256","kid":"POOL"}')
        parse_token(header + "." + encode('{"a":"' + "x" * 16376 + '"}'), whole=False)
        for payload in (
            '{"a":' + "[" * 8 + "]" * 8 + "}",
            '{"a":' + "[" * 6000 + "]" * 6000 + "}",
            '{"a":1,"a":2}',
            '{"a":{"b":1,"b":2}}',
            '{"a":NaN}',
            '{"a":Infinity}',
            "[]",
            '"text"',
            "1",
            "",
            "{",
            '{"a":' + "9" * 5000 + "}",
            '{"a":"' + "x" * 16384 + '"}',
            b'{"a":"\xff"}',
        ):
            text = header + "." + encode(payload)
            self.assertRaises(TokenRefused, parse_token, text, whole=False)

    def test_parts(self) -> None:
        """Two parts without the signature, three with it, all of them base64url."""
        text = unsigned({})
        signature = encode(bytes(32))
        self.assertEqual(parse_token(f"{text}.{signature}").signature, bytes(32))
        for bad in (
            text,
            f"{text}.",
            f"{text}.{encode(bytes(31))}",
            f"{text}.{signature}.x",
            f"{text}.{signature}=",
            f"{text}.{signature[:-1]}!",
            f"{text}.A",
            f"+{text}.{signature}",
            f"\xe4{text}.{signature}",
            "",
        ):
            self.assertRaises(TokenRefused, parse_token, bad)
        self.assertRaises(TokenRefused, parse_token, f"{text}.x", whole=False)

    @settings(deadline=None, max_examples=200)
    @given(st.text(max_size=40), st.binary(max_size=60))
    def test_fuzz(self, text: str, data: bytes) -> None:
        """Any text is a token or refused."""
        for each in (text, f"{encode(data)}.{encode(data)}", unsigned(text)):
            try:
                token = parse_token(each, whole=False)
                token.check(NOW, "test.pool")
            except TokenRefused:
                continue


class CheckTests(SynchronousTestCase):
    """What is believed."""

    def refused(self, max_age: int | None = None, /, **changes: object) -> str:
        """Why a token of these claims is refused; empty if it is not."""
        try:
            claims(**changes).check(NOW, "test.pool", max_age)
        except TokenRefused as error:
            return error.reason
        return ""

    def test_sound(self) -> None:
        """Issuer, subject and id are enough."""
        self.assertEqual(self.refused(), "")
        self.assertEqual(self.refused(exp=NOW, iat=NOW + 60, nbf=NOW + 60), "")
        self.assertEqual(self.refused(exp=float(NOW)), "")

    def test_mnh_4_33_issuer(self) -> None:
        """Tokens of another trust domain, or of none, are refused."""
        for issuer in ("other.pool", "", None, 1, "test.pool2", "TEST.POOL"):
            self.assertNotEqual(self.refused(iss=issuer), "")
        self.assertRaises(TokenRefused, claims().check, NOW, None)

    def test_mnh_4_33_names(self) -> None:
        """Subject and id are texts with something in them."""
        for bad in ("", None, 1, ["a"], "a\nb", "a\0b", "\ud800", "x" * 1025):
            self.assertNotEqual(self.refused(sub=bad), "", repr(bad))
            self.assertNotEqual(self.refused(jti=bad), "", repr(bad))
        for name in ("scope", "project"):
            self.assertNotEqual(self.refused(**{name: 1}), "")
            self.assertNotEqual(self.refused(**{name: "a\nb"}), "")

    def test_mnh_4_33_times(self) -> None:
        """Times are finite numbers; the end has no leeway, the beginning a minute."""
        self.assertEqual(self.refused(exp=NOW - 1), "the token has expired")
        self.assertNotEqual(self.refused(exp=0), "")
        self.assertNotEqual(self.refused(nbf=NOW + 61), "")
        self.assertNotEqual(self.refused(iat=NOW + 61), "")
        for bad in (-1, 2**40 + 1, "1", True, [1], 1e300, {"a": 1}):
            for name in ("exp", "iat", "nbf"):
                self.assertIn("no time", self.refused(**{name: bad}))
        null = parse_token(
            unsigned('{"iss":"test.pool","sub":"a","jti":"1","exp":null}'), whole=False
        )
        self.assertRaises(TokenRefused, null.check, NOW, "test.pool")

    def test_mnh_4_33_age(self) -> None:
        """A token as old as may be is taken, and one second later it is not."""
        self.assertEqual(self.refused(100, iat=NOW - 100), "")
        self.assertNotEqual(self.refused(100, iat=NOW - 101), "")
        self.assertEqual(self.refused(None, iat=0), "")
        self.assertEqual(self.refused(100), "")

    def test_capability(self) -> None:
        """A capability is none of ours."""
        self.assertNotEqual(self.refused(cap=True), "")
        self.assertNotEqual(self.refused(cap=1), "")
        self.assertEqual(self.refused(cap=False), "")


class ContentTests(SynchronousTestCase):
    """What a token says."""

    def test_scopes(self) -> None:
        """Levels are limits; a token that names none is good for everything."""
        for scope, limits in (
            ("condor:/READ condor:/ADVERTISE_STARTD", "READ,ADVERTISE_STARTD"),
            ("read:/x", None),
            ("read:/x condor:/WRITE", "WRITE"),
            ("condor:/", ""),
            ("condor:/READ,WRITE", "READ"),
            (None, None),
        ):
            self.assertEqual(claims(scope=scope).limits, limits)

    def test_attributes(self) -> None:
        """What a session keeps."""
        token = claims(scope="condor:/READ a:/b", project="p", exp=NOW + 0.5)
        self.assertEqual(
            token.attributes(),
            {
                "AuthTokenSubject": "alice@test.domain",
                "AuthTokenIssuer": "test.pool",
                "AuthTokenId": "1",
                "AuthTokenScopes": "condor:/READ,a:/b",
                "AuthTokenProject": "p",
                "TokenExpirationTime": NOW,
            },
        )
        self.assertEqual(len(claims().attributes()), 3)

    def test_claims_ad(self) -> None:
        """Claims are attributes; what cannot be one is left out, or refused."""
        ad = claims(iat=5, Groups=["a"], ok=True, **{"wlcg.ver": "1"}).claims_ad()
        self.assertEqual(
            ad,
            {
                "iss": b'"test.pool"',
                "sub": b'"alice@test.domain"',
                "jti": b'"1"',
                "iat": b"5",
                "ok": b"true",
            },
        )
        for bad in ({"SUB": "x"}, {"n": 2**63}, {"t": "x" * 1025}):
            self.assertRaises(TokenRefused, claims(**bad).claims_ad)


class CreateTests(SynchronousTestCase):
    """Making tokens."""

    def test_layout(self) -> None:
        """Header and payload are in the order that HTCondor writes."""
        text = create_token(
            KEY,
            "test.pool",
            "alice@test.domain",
            NOW,
            lambda length: b"\xab" * length,
            lifetime_seconds=60,
            limits=("READ", "WRITE"),
            claims={"project": "p"},
        )
        header, payload, signature = (
            base64.urlsafe_b64decode(part + "==") for part in text.split(".")
        )
        self.assertEqual(header, b'{"alg":"HS256","kid":"TESTKEY"}')
        self.assertEqual(
            payload,
            b'{"exp":1795351060,"iat":1795351000,"iss":"test.pool","jti":"'
            + b"ab" * 16
            + b'","project":"p","scope":"condor:/READ condor:/WRITE",'
            b'"sub":"alice@test.domain"}',
        )
        signed = text.rpartition(".")[0].encode()
        self.assertEqual(
            signature, hmac.new(KEY.jwt_key, signed, hashlib.sha256).digest()
        )

    def test_is_believed(self) -> None:
        """What is made is believed."""
        text = create_token(KEY, "test.pool", "a@b", NOW, counting_random())
        token = parse_token(text)
        token.check(NOW, "test.pool")
        self.assertIsNone(token.limits)
        self.assertIsNone(token.expires_at)
        self.assertEqual(KEY.signature(token.signed, "HS256"), token.signature)

    def test_claims_cannot_replace(self) -> None:
        """Further claims do not replace those that count."""
        text = create_token(
            KEY,
            "d",
            "a@b",
            NOW,
            counting_random(),
            claims={"sub": "root@x", "iss": "y"},
        )
        token = parse_token(text)
        self.assertEqual((token.subject, token.issuer), ("a@b", "d"))

    def test_refused(self) -> None:
        """A trust domain is one word, and somebody bears a token."""
        for issuer, subject in (
            ("", "a"),
            ("a b", "a"),
            ("a,b", "a"),
            ("a", ""),
            ("a", "x\n"),
        ):
            self.assertRaises(
                TokenRefused, create_token, KEY, issuer, subject, NOW, counting_random()
            )
