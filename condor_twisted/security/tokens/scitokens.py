"""SciTokens: tokens of issuers elsewhere, signed with keys that they publish.

What a token is good for stands in its scopes. Other than with the pool's own tokens,
a token without a scope for HTCondor is good for nothing here.

Source: ``src/condor_utils/condor_scitokens.cpp: validate_scitoken``, and the profiles
of the library that it calls (SciTokens 1.0 and 2.0, WLCG 1.0, ``at+jwt``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from condor_twisted.classad.literals import LiteralValue
from condor_twisted.constants.attributes import TOKEN_EXPIRATION_TIME
from condor_twisted.errors import TokenRefused
from condor_twisted.security.tokens.claims import Claims, check_times
from condor_twisted.security.tokens.token import read_json_object, read_token_part

__all__ = ["SciToken", "is_issuer", "parse_scitoken"]

_ALGORITHMS: Final = {"RS256": "RSA", "ES256": "EC"}
_NOTHING: Final = "DENY"
_MAX_TEXT_CHARACTERS: Final = 1024
_MAX_KEYS: Final = 64
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_ANY_SCITOKEN: Final = "ANY"
_ANY_WLCG: Final = "https://wlcg.cern.ch/jwt/v1/any"
_WRITE_SCOPES: Final = frozenset({"compute.create", "compute.modify", "compute.cancel"})
#: What a token of the oldest profile may say; anything else could narrow it.
_KNOWN_CLAIMS: Final = frozenset(
    {"iss", "sub", "exp", "iat", "nbf", "jti", "aud", "scope", "opt", "ver"}
)


def is_issuer(text: str) -> bool:
    """Whether an issuer is an address whose keys may be asked for."""
    if len(text) > 512 or not text.isascii() or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and "@" not in parts.netloc
        and _HOST.fullmatch(parts.hostname or "") is not None
        and (port is None or port > 0)
        and not parts.query
        and not parts.fragment
    )


@dataclass(frozen=True, slots=True)
class SciToken(Claims):
    """A SciToken that was read; nothing in it is proved until `verify` returns.

    Args:
        text: The token.
        algorithm: RS256 or ES256.
        key_id: The name of the key; ``None`` if it names none.
        kind: The ``typ`` in its header.
        claims: All that it says.
    """

    text: str = field(repr=False)
    algorithm: str
    key_id: str | None
    kind: str
    claims: Mapping[str, object] = field(repr=False)

    @property
    def authenticated_name(self) -> str:
        """The name that a map file maps."""
        return f"{self.issuer},{self.subject}"

    @property
    def is_wlcg(self) -> bool:
        """Whether it is of the WLCG's profile."""
        return "wlcg.ver" in self.claims

    def limits(self, foreign: bool) -> str:
        """``LimitAuthorization``, which never is empty.

        Args:
            foreign: Whether its issuer's tokens need not be SciTokens.
        """
        levels = [_NOTHING]
        for scope in self.scopes:
            kind, separator, path = scope.partition(":")
            if kind == "condor" and separator and path.strip("/"):
                levels.append(path.strip("/"))
            elif scope == "compute.read" and (foreign or self.is_wlcg):
                levels.append("READ")
        if (foreign or self.is_wlcg) and set(self.scopes) >= _WRITE_SCOPES:
            levels.append("WRITE")
        return ",".join(levels)

    def attributes(self) -> dict[str, LiteralValue]:
        """What a session keeps of it."""
        found: dict[str, LiteralValue] = {
            "AuthTokenIssuer": self.issuer,
            "AuthTokenSubject": self.subject,
        }
        if self.scopes:
            found["AuthTokenScopes"] = ",".join(self.scopes)
        if self.expires_at is not None:
            found[TOKEN_EXPIRATION_TIME] = int(self.expires_at)
        if self.token_id:
            found["AuthTokenId"] = self.token_id
        groups = self.claims.get("wlcg.groups")
        if isinstance(groups, list):
            names = [each for each in groups if _is_text(each)]
            if names:
                found["AuthTokenGroups"] = ",".join(names)
        return found

    def check(self, now: float, audiences: Collection[str], foreign: bool) -> None:
        """See whether the token may be believed, once its signature is seen.

        Args:
            now: Unix time.
            audiences: Who we are: SCITOKENS_SERVER_AUDIENCE.
            foreign: Whether its issuer's tokens need not be SciTokens.

        Raises:
            TokenRefused: It may not.
        """
        for name in ("iss", "sub"):
            if not _is_text(self.claims.get(name)):
                raise TokenRefused(f"the token's {name} is no plain text")
        if not is_issuer(self.issuer):
            raise TokenRefused("the token's issuer is no address of keys")
        if "," in self.issuer:
            raise TokenRefused("the token's issuer has a comma in it")
        for name in ("exp", "iat"):
            if name not in self.claims:
                raise TokenRefused(f"the token has no {name}")
        check_times(self.claims, now)
        for name in ("jti", "scope"):
            if name in self.claims and not _is_text(self.claims[name]):
                raise TokenRefused(f"the token's {name} is no plain text")
        if not foreign and "scope" not in self.claims:
            raise TokenRefused("the token has no scope")
        needs_audience = self._check_profile(foreign)
        self._check_audience(audiences, needs_audience)

    def _check_profile(self, foreign: bool) -> bool:
        """See of what profile it is; whether that needs an audience."""
        version = self.claims.get("ver")
        if version in ("scitoken:2.0", "scitokens:2.0"):
            return True
        if version is not None and version != "scitokens:1.0":
            raise TokenRefused("the token is of a profile that is not known")
        if self.is_wlcg:
            if self.claims["wlcg.ver"] != "1.0":
                raise TokenRefused("the token is of a profile that is not known")
            return True
        oldest = version is None and not self.kind.endswith("at+jwt")
        if oldest and not foreign and not _KNOWN_CLAIMS.issuperset(self.claims):
            raise TokenRefused("the token says what nobody here understands")
        return False

    def _check_audience(self, ours: Collection[str], needed: bool) -> None:
        value = self.claims.get("aud")
        named = [value] if isinstance(value, str) else value
        if named is None:
            if needed or ours:
                raise TokenRefused("the token has no audience")
            return
        if not isinstance(named, list) or not all(_is_text(each) for each in named):
            raise TokenRefused("the token's audience is no plain text")
        if self.claims.get("ver") in ("scitoken:2.0", "scitokens:2.0"):
            ours = [*ours, _ANY_SCITOKEN]
        elif self.is_wlcg:
            ours = [*ours, _ANY_WLCG]
        if not any(each in ours for each in named):
            raise TokenRefused("the token is for another audience")

    def verify(self, keys_text: str) -> None:
        """See whether the issuer's keys have signed it.

        Args:
            keys_text: A JSON Web Key Set.

        Raises:
            TokenRefused: They have not.
        """
        import jwt

        keys = read_json_object(keys_text).get("keys")
        if not isinstance(keys, list) or len(keys) > _MAX_KEYS:
            raise TokenRefused("the issuer's keys cannot be read")
        key = self._choose_key(keys)
        try:
            jwt.PyJWS().decode(
                self.text,
                key=jwt.PyJWK(key, algorithm=self.algorithm),
                algorithms=[self.algorithm],
            )
        except (jwt.exceptions.PyJWTError, ValueError, TypeError, KeyError) as error:
            raise TokenRefused("the token is not signed by its issuer") from error

    def _choose_key(self, keys: Sequence[object]) -> dict[str, object]:
        fitting = [
            each
            for each in keys
            if isinstance(each, dict)
            and each.get("kty") == _ALGORITHMS[self.algorithm]
            and each.get("alg") in (None, self.algorithm)
            and each.get("use") in (None, "sig")
            and (self.key_id is None or each.get("kid") == self.key_id)
        ]
        if len(fitting) != 1:
            raise TokenRefused("the issuer has not the key that the token names")
        return fitting[0]


def _is_text(value: object) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= _MAX_TEXT_CHARACTERS
        and value.isprintable()
    )


def parse_scitoken(text: str) -> SciToken:
    """Read a SciToken.

    Raises:
        TokenRefused: It is none.
    """
    parts = text.split(".")
    if len(parts) != 3:
        raise TokenRefused("the token has not as many parts as one has")
    header = read_token_part(parts[0])
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        raise TokenRefused("the token is signed by an algorithm that is not taken")
    if key_id is not None and not _is_text(key_id):
        raise TokenRefused("the token's key has no plain name")
    if "crit" in header or "b64" in header:
        raise TokenRefused("the token demands what nobody here understands")
    kind = header.get("typ")
    return SciToken(
        text,
        algorithm,
        key_id if isinstance(key_id, str) else None,
        kind if isinstance(kind, str) else "",
        read_token_part(parts[1]),
    )
