"""SCITOKENS: a token of an issuer elsewhere, shown within TLS.

The messages are those of `condor_twisted.security.tls`: the server has a certificate,
the client has none, and shows its token in the last step. The keys of an issuer are
asked for only where the map file has a name for the token's bearer, or plugins that may
find one, and what the token is good for is limited to its scopes.

Source: ``src/condor_io/condor_auth_ssl.cpp``,
``src/condor_utils/condor_scitokens.cpp``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from condor_twisted.errors import TokenRefused
from condor_twisted.security.method_names import split_words
from condor_twisted.security.methods.base import (
    AuthResult,
    MethodContext,
    MethodSecurity,
)
from condor_twisted.security.methods.over_tls import OVER_TLS_SWITCHES, MethodOverTls
from condor_twisted.security.steps import (
    Handshake,
    fetch_issuer_keys,
    find_bearer_token,
)
from condor_twisted.security.tls.settings import TlsSettings
from condor_twisted.security.tokens.scitoken_plugins import plugins_of, run_plugins
from condor_twisted.security.tokens.scitokens import SciToken, parse_scitoken

__all__ = ["SCITOKENS", "CheckedToken", "SciTokensMethod", "check_scitoken"]

#: The method, as map files have it.
SCITOKENS: Final = "SCITOKENS"

_UNMAPPED: Final = "scitokens@unmapped"
_FOREIGN: Final = "SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES"
_MAX_TOKEN_BYTES: Final = 1 << 20


class SciTokensMethod(MethodOverTls):
    """Whoever bears a token of an issuer that the map file knows."""

    name = "SCITOKENS"
    used_name = SCITOKENS
    bit = 4096
    switches: ClassVar[Mapping[str, bool]] = {**OVER_TLS_SWITCHES, _FOREIGN: True}

    def client(self, context: MethodContext) -> Handshake[AuthResult]:
        """See that the server is the one we dialled, and show it our token."""
        security = context.security
        token = yield from find_bearer_token(security.knobs.text("SCITOKENS_FILE"))
        settings = TlsSettings.for_client(security.knobs, anonymous=True)
        with self.failing():
            exchange, name = yield from self.open_client(
                context, settings, has_proof=token is not None
            )
            yield from exchange.send_block((token or "").encode())
        return AuthResult(user=_UNMAPPED, authenticated_name=name)

    def server(self, context: MethodContext) -> Handshake[AuthResult]:
        """Show our certificate, and see whose token the client shows."""
        security = context.security
        with self.failing():
            exchange = yield from self.open_server(context, "the client has no token")
            yield from exchange.send_key(security.random_bytes)
            text = yield from exchange.receive_block(_MAX_TOKEN_BYTES)
        try:
            checked = yield from check_scitoken(security, text)
        except TokenRefused as error:
            yield from exchange.answer_block(False)
            reason = "the client's token is not accepted"
            raise self.failure(reason, error.reason) from error
        yield from exchange.answer_block(True)
        token = checked.token
        return AuthResult(
            user=_UNMAPPED,
            authenticated_name=token.authenticated_name,
            canonical_name=checked.canonical_name,
            limits=token.limits(checked.foreign),
            attributes=token.attributes(),
        )


@dataclass(frozen=True, slots=True)
class CheckedToken:
    """A token that may be believed.

    Args:
        token: The token.
        foreign: Whether it is a foreign one.
        canonical_name: Whom the map file or a plugin makes of its bearer; empty for
            nobody, where every plugin has declined.
    """

    token: SciToken
    foreign: bool
    canonical_name: str


def check_scitoken(security: MethodSecurity, text: bytes) -> Handshake[CheckedToken]:
    """Find out whether a token may be believed.

    Args:
        security: Whose token it would be.
        text: The token as it came.

    Raises:
        TokenRefused: It may not be believed, or its bearer is nobody here, or a plugin
            failed.
    """
    token = parse_scitoken(text.decode("ascii", "replace"))
    foreign = security.knobs.boolean(
        _FOREIGN, SciTokensMethod.switches[_FOREIGN]
    ) and _is_foreign(
        token.issuer, security.knobs.text("SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS")
    )
    audiences = split_words(security.knobs.text("SCITOKENS_SERVER_AUDIENCE") or "")
    token.check(security.unix_time(), audiences, foreign)
    # Differs from HTCondor: an issuer that nobody would be mapped for is not asked.
    mapped = security.identity_map(SCITOKENS, token.authenticated_name)
    plugins = plugins_of(security.knobs, mapped)
    if mapped is None and not plugins:
        raise TokenRefused("the token's bearer is not mapped")
    keys = yield from fetch_issuer_keys(token.issuer)
    if keys is None:
        raise TokenRefused("the issuer's keys cannot be had")
    token.verify(keys)
    if plugins is None:
        return CheckedToken(token, foreign, mapped or "")
    named = yield from run_plugins(security.knobs, security.host, plugins, token)
    return CheckedToken(token, foreign, named)


def _is_foreign(issuer: str, text: str | None) -> bool:
    """Whether an issuer's tokens need not be SciTokens."""
    listed = split_words(text or "")
    return listed == ["*"] or issuer in listed
