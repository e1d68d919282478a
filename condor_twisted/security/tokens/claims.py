"""What every token says: who made it, whom it is about, what for, and until when."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from condor_twisted.errors import TokenRefused
from condor_twisted.security.method_names import split_words

__all__ = ["Claims", "check_times"]

_MAX_TIME: Final = 2**40
_LEEWAY_SECONDS: Final = 60


class Claims:
    """The claims of a token, as far as all kinds of tokens have them.

    Attributes:
        claims: All that it says.
    """

    __slots__ = ()

    claims: Mapping[str, object]

    def text_of(self, name: str) -> str:
        """A claim that is a string; empty for one that is missing or is no string."""
        value = self.claims.get(name)
        return value if isinstance(value, str) else ""

    @property
    def issuer(self) -> str:
        """Who made it: a trust domain, or an address; empty if it names none."""
        return self.text_of("iss")

    @property
    def subject(self) -> str:
        """Whom it is about; empty if it names nobody."""
        return self.text_of("sub")

    @property
    def token_id(self) -> str:
        """Its own id; empty if it has none."""
        return self.text_of("jti")

    @property
    def scopes(self) -> tuple[str, ...]:
        """Everything that it says it is good for."""
        return tuple(split_words(self.text_of("scope")))

    @property
    def expires_at(self) -> float | None:
        """When it ends, in Unix time; ``None`` if it does not say a time."""
        value = self.claims.get("exp")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return value if math.isfinite(value) else None


def check_times(
    claims: Mapping[str, object], now: float, max_age_seconds: int | None = None
) -> None:
    """See whether a token's times are times, and now is between them.

    Args:
        claims: What the token says.
        now: Unix time.
        max_age_seconds: How old it may be; ``None`` without a limit.

    Raises:
        TokenRefused: They are none, or it is not.
    """
    expires, issued, begins = (_time(claims, name) for name in ("exp", "iat", "nbf"))
    if expires is not None and expires < now:
        raise TokenRefused("the token has expired")
    if begins is not None and begins > now + _LEEWAY_SECONDS:
        raise TokenRefused("the token is not valid yet")
    if issued is not None:
        if issued > now + _LEEWAY_SECONDS:
            raise TokenRefused("the token is of the future")
        if max_age_seconds is not None and now - issued > max_age_seconds:
            raise TokenRefused("the token is too old")


def _time(claims: Mapping[str, object], name: str) -> float | None:
    """One time of a token's; ``None`` if it has none."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TokenRefused(f"the token's {name} is no time")
    if not (math.isfinite(value) and 0 <= value <= _MAX_TIME):
        raise TokenRefused(f"the token's {name} is no time")
    return value
