"""`condor_twisted.security.tokens.scitokens`."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import TokenRefused
from condor_twisted.security.tokens.scitokens import SciToken, is_issuer, parse_scitoken
from tests.security.scitoken_kit import (
    EC_KEY,
    ISSUER,
    KEYS,
    NOW,
    OTHER_KEY,
    RSA_KEY,
    key_set,
    scitoken,
)


def read(**changes: Any) -> SciToken:
    """A token with these claims."""
    return parse_scitoken(scitoken(**changes))


class IssuerTests(SynchronousTestCase):
    """Which addresses are issuers."""

    def test_addresses(self) -> None:
        """HTTPS with a plain host; no user, no query, nothing odd."""
        for text in (ISSUER, "https://a", "https://a.b:8443/c/d", "https://a/"):
            self.assertTrue(is_issuer(text), text)
        for text in (
            "",
            "a",
            "http://a",
            "file:///etc/passwd",
            "https://",
            "https:///path",
            "https://user@a",
            "https://a?x=1",
            "https://a#x",
            "https://a:0",
            "https://a:99999",
            "https://a:x",
            "https://[::1]/",
            "https://a b/",
            "https://a\n/",
            "https://\xe4/",
            "https://-a/",
            "https://a/" + "x" * 512,
            "https://[",
        ):
            self.assertFalse(is_issuer(text), text)


class ParseTests(SynchronousTestCase):
    """What is a SciToken at all."""

    def test_algorithms(self) -> None:
        """RS256 and ES256 are taken, and nothing that a shared key could sign."""
        self.assertEqual(read().algorithm, "ES256")
        self.assertEqual(read(key=RSA_KEY, algorithm="RS256").algorithm, "RS256")
        for text in (
            scitoken(key=b"x" * 64, algorithm="HS256"),
            scitoken(key=None, algorithm="none"),
            scitoken(key=RSA_KEY, algorithm="RS512"),
            scitoken(key=RSA_KEY, algorithm="PS256"),
        ):
            self.assertRaises(TokenRefused, parse_scitoken, text)

    def test_no_token(self) -> None:
        """Parts, key names and demands that are none are refused."""
        good = scitoken()
        for text in ("", "a.b", good + ".x", good.replace(".", ""), "\xe4.b.c"):
            self.assertRaises(TokenRefused, parse_scitoken, text)
        for header in (
            {"alg": "ES256", "kid": 1},
            {"alg": "ES256", "kid": "a\nb"},
            {"alg": "ES256", "crit": ["x"]},
            {"alg": "ES256", "b64": False},
            {"alg": ["ES256"]},
            {},
        ):
            part = base64.urlsafe_b64encode(json.dumps(header).encode()).decode()
            text = ".".join([part.rstrip("="), *good.split(".")[1:]])
            self.assertRaises(TokenRefused, parse_scitoken, text)

    def test_mnh_0_5_repr(self) -> None:
        """A token does not show itself."""
        text = scitoken()
        for part in text.split("."):
            self.assertNotIn(part, repr(parse_scitoken(text)))

    @settings(deadline=None, max_examples=100)
    @given(st.text(max_size=30), st.binary(max_size=60))
    def test_fuzz(self, text: str, data: bytes) -> None:
        """Any text is a token or refused."""
        part = base64.urlsafe_b64encode(data).decode().rstrip("=")
        good = scitoken().split(".")
        for each in (text, f"{part}.{part}.{part}", f"{good[0]}.{part}.{good[2]}"):
            try:
                token = parse_scitoken(each)
                token.check(NOW, (), True)
                token.verify(KEYS)
            except TokenRefused:
                continue


class CheckTests(SynchronousTestCase):
    """What is believed."""

    def refused(self, *audiences: str, foreign: bool = False, **changes: Any) -> str:
        """Why a token of these claims is refused; empty if it is not."""
        try:
            read(**changes).check(NOW, audiences, foreign)
        except TokenRefused as error:
            return error.reason
        return ""

    def test_sound(self) -> None:
        """A token of the oldest profile needs no audience where we have none."""
        self.assertEqual(self.refused(), "")
        self.assertEqual(self.refused(ver="scitokens:1.0"), "")

    def test_times(self) -> None:
        """It must say when it was made and when it ends."""
        self.assertEqual(self.refused(exp=None), "the token has no exp")
        self.assertEqual(self.refused(iat=None), "the token has no iat")
        self.assertEqual(self.refused(exp=NOW - 1), "the token has expired")
        self.assertNotEqual(self.refused(nbf=NOW + 61), "")
        self.assertNotEqual(self.refused(iat=NOW + 61), "")
        self.assertNotEqual(self.refused(exp="soon"), "")

    def test_names(self) -> None:
        """Issuer and subject are texts, and the issuer an address of keys."""
        for bad in (None, "", 1, "http://a", "https://u@a", "x", "https://a,b/"):
            self.assertNotEqual(self.refused(iss=bad), "", bad)
        for bad in (None, "", 1, "a\nb"):
            self.assertNotEqual(self.refused(sub=bad), "", bad)
        self.assertNotEqual(self.refused(jti=1), "")
        self.assertNotEqual(self.refused(scope=["condor:/READ"]), "")

    def test_scope(self) -> None:
        """A token without scopes is for foreign issuers alone."""
        self.assertEqual(self.refused(scope=None), "the token has no scope")
        self.assertEqual(self.refused(foreign=True, scope=None), "")

    def test_profiles(self) -> None:
        """Newer profiles need an audience; unknown ones and odd claims are refused."""
        for version in ("scitoken:2.0", "scitokens:2.0"):
            self.assertNotEqual(self.refused(ver=version), "")
            self.assertEqual(self.refused(ver=version, aud="ANY"), "")
        self.assertNotEqual(self.refused(wlcg_ver="1.0"), "")
        self.assertEqual(
            self.refused(wlcg_ver="1.0", aud="https://wlcg.cern.ch/jwt/v1/any"), ""
        )
        for odd in ({"ver": "3"}, {"ver": 2}, {"wlcg_ver": "2", "aud": "x"}, {"x": 1}):
            self.assertNotEqual(self.refused("x", **odd), "", odd)
        self.assertEqual(self.refused(foreign=True, x=1), "")
        self.assertEqual(self.refused(headers={"typ": "at+jwt"}, x=1), "")

    def test_audiences(self) -> None:
        """Where we have an audience, a token must be for it."""
        self.assertEqual(self.refused("me", aud="me"), "")
        self.assertEqual(self.refused("you", "me", aud=["them", "me"]), "")
        for bad in ("them", ["them"], [], None, "ANY", 1, ["me", 1]):
            self.assertNotEqual(self.refused("me", aud=bad), "", bad)
        self.assertNotEqual(self.refused(aud="them"), "")
        self.assertNotEqual(self.refused("me", foreign=True), "")


class ContentTests(SynchronousTestCase):
    """What a token says."""

    def test_limits(self) -> None:
        """Scopes are limits; without one for HTCondor nothing is left."""
        for scope, foreign, limits in (
            ("condor:/READ condor:/DAEMON", False, "DENY,READ,DAEMON"),
            ("condor://READ/", False, "DENY,READ"),
            ("condor condor:/ condor: read:/", False, "DENY"),
            ("compute.read", False, "DENY"),
            ("compute.read", True, "DENY,READ"),
            ("compute.create compute.modify", True, "DENY"),
            ("compute.create compute.modify compute.cancel", True, "DENY,WRITE"),
            (None, True, "DENY"),
        ):
            self.assertEqual(read(scope=scope).limits(foreign), limits)
        wlcg = read(scope="compute.read", wlcg_ver="1.0")
        self.assertEqual(wlcg.limits(False), "DENY,READ")

    def test_attributes(self) -> None:
        """What a session keeps."""
        self.assertEqual(
            read(wlcg_groups=["/a", 1, "/b"]).attributes(),
            {
                "AuthTokenIssuer": ISSUER,
                "AuthTokenSubject": "alice",
                "AuthTokenScopes": "condor:/READ,condor:/WRITE",
                "AuthTokenId": "id",
                "AuthTokenGroups": "/a,/b",
                "TokenExpirationTime": NOW + 600,
            },
        )
        bare = read(scope=None, jti=None, wlcg_groups=[1]).attributes()
        self.assertEqual(
            sorted(bare), ["AuthTokenIssuer", "AuthTokenSubject", "TokenExpirationTime"]
        )
        self.assertEqual(read().authenticated_name, f"{ISSUER},alice")


class VerifyTests(SynchronousTestCase):
    """Who has signed it."""

    def test_keys(self) -> None:
        """The key that the token names has signed it."""
        read().verify(KEYS)
        read(key=RSA_KEY, algorithm="RS256").verify(KEYS)
        one = parse_scitoken(scitoken(headers={"kid": None}))
        self.assertIsNone(one.key_id)
        one.verify(KEYS)

    def test_forged(self) -> None:
        """Other keys, other kinds of keys and changed tokens are refused."""
        head, payload, signature = scitoken().split(".")
        other = scitoken(sub="root").split(".")[1]
        for text, keys in (
            (scitoken(key=OTHER_KEY), KEYS),
            (f"{head}.{other}.{signature}", KEYS),
            (f"{head}.{payload}.", KEYS),
            (f"{head}.{payload}.{signature[:-4]}", KEYS),
            (scitoken(headers={"kid": "nobody"}), KEYS),
            (scitoken(headers={"kid": "rsa"}), KEYS),
            (scitoken(key=EC_KEY), json.dumps(key_set(use="enc"))),
            (scitoken(key=EC_KEY), json.dumps(key_set(alg="ES512"))),
            (scitoken(key=EC_KEY), json.dumps(key_set(crv="P-384"))),
            (scitoken(key=EC_KEY), json.dumps(key_set(x="AA"))),
            (scitoken(key=EC_KEY), json.dumps(key_set(kty="oct", k="AA"))),
            (scitoken(), "{}"),
            (scitoken(), '{"keys":[]}'),
            (scitoken(), '{"keys":[1]}'),
            (scitoken(), json.dumps({"keys": key_set()["keys"] * 40})),
            (scitoken(), json.dumps({"keys": key_set()["keys"] * 2})),
            (scitoken(), "junk"),
        ):
            self.assertRaises(TokenRefused, parse_scitoken(text).verify, keys)
