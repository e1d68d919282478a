"""Tokens: signed statements of who somebody is, and the keys that sign them.

A token is a JWT, ``header.payload.signature``, each part in base64url. Its signature is
an HMAC with a key that is derived from a signing key of the pool; whoever has the
signing key can make the signature again. So the signature never travels: it is the
secret of `condor_twisted.security.akep2`.

Layout of a key file: every byte is XORed with ``DE AD BE EF`` in turn. The key ``POOL``
is the file's content twice.

Source: ``src/condor_io/condor_auth_passwd.cpp``,
``src/condor_utils/store_cred.cpp: getTokenSigningKey``.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from condor_twisted.classad.literals import LiteralValue, format_literal
from condor_twisted.constants.attributes import TOKEN_EXPIRATION_TIME
from condor_twisted.errors import TokenRefused
from condor_twisted.security.akep2 import SEED_A, derive_secret_key
from condor_twisted.security.method_names import split_words
from condor_twisted.security.tokens.claims import Claims, check_times

__all__ = [
    "POOL_KEY",
    "SigningKey",
    "Token",
    "create_token",
    "decode_token_part",
    "is_key_name",
    "parse_token",
    "read_json_object",
    "read_token_part",
    "scramble",
    "token_key",
]

#: The name of the key that every pool has.
POOL_KEY: Final = "POOL"

_SCRAMBLE: Final = b"\xde\xad\xbe\xef"
_MIN_KEY_BYTES: Final = 16
_MAX_JSON_BYTES: Final = 16384
_MAX_NESTING: Final = 8
_MAX_CLAIM_CHARACTERS: Final = 1024
_HASHES: Final = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_LEVEL_SCOPE: Final = "condor:/"
_KEY_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_JSON_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_TEXT_CLAIMS: Final = ("iss", "sub", "jti", "scope", "project")


def scramble(data: bytes) -> bytes:
    """A key file's content out of a key, or the other way round."""
    return bytes(byte ^ _SCRAMBLE[at % 4] for at, byte in enumerate(data))


def is_key_name(name: str) -> bool:
    """Whether a signing key may have this name."""
    return _KEY_NAME.fullmatch(name) is not None and name not in (".", "..")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs tokens.

    Args:
        name: Its name, ``kid`` in a token's header.
        jwt_key: What the HMAC of a token is made with, 32 bytes.
    """

    name: str
    jwt_key: bytes = field(repr=False)

    @classmethod
    def from_file(
        cls, name: str, content: bytes, *, is_password: bool = False
    ) -> SigningKey:
        """Read a key.

        Args:
            name: Its name; ``POOL`` is read in its own way.
            content: What is in its file.
            is_password: Take a pool key for a text that ends at the first NUL.

        Raises:
            TokenRefused: The key is too short for one.
        """
        if is_password and name == POOL_KEY:
            content = scramble(content.partition(b"\0")[0]).partition(b"\0")[0]
        else:
            content = scramble(content)
        if len(content) < _MIN_KEY_BYTES:
            raise TokenRefused(
                f"the signing key {name} has fewer than {_MIN_KEY_BYTES} bytes"
            )
        if name == POOL_KEY:
            content *= 2
        return cls(name, derive_secret_key(content, b"htcondor", b"master jwt"))

    def signature(self, signed: str, algorithm: str) -> bytes:
        """The signature of a token's header and payload.

        Raises:
            TokenRefused: The algorithm is none of ours.
        """
        name = _HASHES.get(algorithm)
        if name is None:
            raise TokenRefused("the token is signed by an algorithm that is not taken")
        return hmac.digest(self.jwt_key, signed.encode("ascii"), name)


def token_key(signature: bytes, signed: str) -> bytes:
    """K of AKEP2, from a token's signature.

    Raises:
        ValueError: There is no signature.
    """
    return derive_secret_key(signature, SEED_A + signed.encode("ascii"), b"master ka")


@dataclass(frozen=True, slots=True)
class Token(Claims):
    """A token that was read; nothing in it is proved.

    Args:
        signed: Header and payload as they were sent: what the signature is of.
        algorithm: One of HS256, HS384 and HS512.
        key_name: The key that it says it is signed with.
        claims: All that it says.
        signature: The signature, where the token was whole.
    """

    signed: str = field(repr=False)
    algorithm: str
    key_name: str
    claims: Mapping[str, object] = field(repr=False)
    signature: bytes = field(default=b"", repr=False)

    @property
    def limits(self) -> str | None:
        """``LimitAuthorization``; ``None`` where it is good for everything."""
        levels = [
            each.removeprefix(_LEVEL_SCOPE)
            for each in self.scopes
            if each.startswith(_LEVEL_SCOPE)
        ]
        return ",".join(levels) if levels else None

    def attributes(self) -> dict[str, LiteralValue]:
        """What a session keeps of it."""
        found: dict[str, LiteralValue] = {
            "AuthTokenSubject": self.subject,
            "AuthTokenIssuer": self.issuer,
            "AuthTokenId": self.token_id,
        }
        if self.scopes:
            found["AuthTokenScopes"] = ",".join(self.scopes)
        if self.text_of("project"):
            found["AuthTokenProject"] = self.text_of("project")
        if self.expires_at is not None:
            found[TOKEN_EXPIRATION_TIME] = int(self.expires_at)
        return found

    def claims_ad(self) -> dict[str, bytes]:
        """The claims as an ad for expressions, names in lower case.

        Raises:
            TokenRefused: A claim cannot be put into one.
        """
        found: dict[str, bytes] = {}
        for name, value in self.claims.items():
            if not isinstance(value, (bool, int, float, str)):
                continue
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                continue
            if name.lower() in found:
                raise TokenRefused("two claims differ in case alone")
            if isinstance(value, int) and abs(value) >= 2**63:
                raise TokenRefused("a number in the token is too large")
            if isinstance(value, str) and len(value) > _MAX_CLAIM_CHARACTERS:
                raise TokenRefused("a text in the token is too long")
            found[name.lower()] = format_literal(value)
        return found

    def check(
        self, now: float, trust_domain: str | None, max_age_seconds: int | None = None
    ) -> None:
        """See whether the token may be believed, once its proof is seen.

        Args:
            now: Unix time.
            trust_domain: Whose tokens are believed here.
            max_age_seconds: SEC_TOKEN_MAX_AGE; ``None`` without one.

        Raises:
            TokenRefused: It may not.
        """
        for name in ("iss", "sub", "jti"):
            if not self.text_of(name):
                raise TokenRefused(f"the token has no {name}")
        # Differs from HTCondor: it believes every issuer.
        if trust_domain is None or self.issuer != trust_domain:
            raise TokenRefused("the token is of another trust domain")
        if self.claims.get("cap") not in (None, False):
            raise TokenRefused("a capability token is not taken")
        for name in _TEXT_CLAIMS:
            value = self.claims.get(name, "")
            if not isinstance(value, str) or not value.isprintable():
                raise TokenRefused(f"the token's {name} is no plain text")
            if len(value) > _MAX_CLAIM_CHARACTERS:
                raise TokenRefused(f"the token's {name} is too long")
        check_times(self.claims, now, max_age_seconds)


def _decode(part: str) -> bytes:
    """Base64url without padding.

    Raises:
        TokenRefused: It is none, or too long.
    """
    if not part.isascii() or "+" in part or "/" in part or "=" in part:
        raise TokenRefused("a part of the token is no base64url")
    if len(part) > _MAX_JSON_BYTES * 4 // 3 + 2:
        raise TokenRefused("a part of the token is too long")
    text = part.replace("-", "+").replace("_", "/") + "=" * (-len(part) % 4)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise TokenRefused("a part of the token is no base64url") from error


def _nesting(text: str) -> int:
    """How deep brackets are within brackets."""
    depth = deepest = 0
    for character in _JSON_STRING.sub("", text):
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice in an object")
    return found


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is no JSON")


def read_json_object(text: str) -> dict[str, object]:
    """A JSON object: no name twice in it, and not too deep.

    Raises:
        TokenRefused: There is none.
    """
    try:
        if _nesting(text) > _MAX_NESTING:
            raise TokenRefused("brackets within brackets within brackets")
        found = json.loads(
            text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
    except ValueError as error:
        raise TokenRefused("what should be JSON is none") from error
    if not isinstance(found, dict):
        raise TokenRefused("what should be a JSON object is none")
    return found


def decode_token_part(part: str) -> str:
    """The text that is in a part of a token.

    Raises:
        TokenRefused: There is none.
    """
    try:
        return _decode(part).decode("utf-8")
    except UnicodeDecodeError as error:
        raise TokenRefused("a part of the token is no UTF-8") from error


def read_token_part(part: str) -> dict[str, object]:
    """The JSON object in a part of a token.

    Raises:
        TokenRefused: There is none.
    """
    return read_json_object(decode_token_part(part))


def parse_token(text: str, *, whole: bool = True) -> Token:
    """Read a token.

    Args:
        text: ``header.payload.signature``, or without the signature.
        whole: Whether the signature is there.

    Raises:
        TokenRefused: It is none, or not one that could be accepted: the algorithm and
            the name of the key are looked at here, before anything is computed.
    """
    parts = text.split(".")
    if len(parts) != (3 if whole else 2):
        raise TokenRefused("the token has not as many parts as one has")
    header = read_token_part(parts[0])
    algorithm, key_name = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in _HASHES:
        raise TokenRefused("the token is signed by an algorithm that is not taken")
    if not isinstance(key_name, str) or not is_key_name(key_name):
        raise TokenRefused("the token names no signing key")
    signature = b""
    if whole:
        signature = _decode(parts[2])
        if len(signature) < 32:
            raise TokenRefused("the token's signature is too short")
    return Token(
        ".".join(parts[:2]), algorithm, key_name, read_token_part(parts[1]), signature
    )


def create_token(
    key: SigningKey,
    issuer: str,
    subject: str,
    now: int,
    random_bytes: Callable[[int], bytes],
    *,
    lifetime_seconds: int | None = None,
    limits: Sequence[str] = (),
    claims: Mapping[str, LiteralValue] | None = None,
) -> str:
    """Make a token.

    Args:
        key: Signs it.
        issuer: Our trust domain.
        subject: Who shall bear it.
        now: Unix time.
        random_bytes: Gives so many bytes of the system's entropy.
        lifetime_seconds: How long it lives; ``None`` for ever.
        limits: The levels that it is good for; empty for all.
        claims: More to say in it.

    Raises:
        TokenRefused: Such a token would not be believed.
    """
    import jwt

    if not issuer or split_words(issuer) != [issuer]:
        raise TokenRefused("a trust domain is a name without blanks and commas")
    if not subject or not subject.isprintable():
        raise TokenRefused("a token names who bears it")
    payload: dict[str, object] = dict(claims or {})
    payload |= {
        "iat": now,
        "iss": issuer,
        "jti": random_bytes(16).hex(),
        "sub": subject,
    }
    if lifetime_seconds is not None:
        payload["exp"] = now + lifetime_seconds
    if limits:
        payload["scope"] = " ".join(_LEVEL_SCOPE + each for each in limits)
    return jwt.encode(
        dict(sorted(payload.items())),
        key.jwt_key,
        algorithm="HS256",
        headers={"kid": key.name, "typ": None},
        sort_headers=True,
    )
