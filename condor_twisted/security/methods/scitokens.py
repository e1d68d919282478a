"""SCITOKENS: a token of an issuer elsewhere, shown within TLS.

The messages are those of `condor_twisted.security.tls`: the server has a certificate,
the client has none, and shows its token in the last step. The keys of an issuer are
asked for only where the map file has a name for the token's bearer, and what the token
is good for is limited to its scopes.

Source: ``src/condor_io/condor_auth_ssl.cpp``,
``src/condor_utils/condor_scitokens.cpp``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from condor_twisted.errors import TlsFailed, TokenRefused
from condor_twisted.security.method_names import split_words
from condor_twisted.security.methods.base import (
    AuthenticationMethod,
    AuthResult,
    MethodContext,
    MethodSecurity,
)
from condor_twisted.security.scitokens import SciToken, parse_scitoken
from condor_twisted.security.steps import (
    Handshake,
    fetch_issuer_keys,
    find_bearer_token,
    open_tls,
)
from condor_twisted.security.tls import (
    TlsExchange,
    check_server,
    receive_status,
    send_status,
)
from condor_twisted.security.tls_settings import SKIP_HOST_CHECK, TlsSettings

__all__ = ["SCITOKENS", "SciTokensMethod", "check_scitoken"]

#: The method, as map files have it.
SCITOKENS: Final = "SCITOKENS"

_UNMAPPED: Final = "scitokens@unmapped"
_FOREIGN: Final = "SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES"
_MAX_TOKEN_BYTES: Final = 1 << 20


class SciTokensMethod(AuthenticationMethod):
    """Whoever bears a token of an issuer that the map file knows."""

    name = "SCITOKENS"
    used_name = SCITOKENS
    bit = 4096
    domains = frozenset({"unmapped"})
    switches: ClassVar[Mapping[str, bool]] = {_FOREIGN: True, SKIP_HOST_CHECK: False}

    def client(self, context: MethodContext) -> Handshake[AuthResult]:
        """See that the server is the one we dialled, and show it our token."""
        security = context.security
        token = yield from find_bearer_token(security.knobs.text("SCITOKENS_FILE"))
        settings = TlsSettings.for_client(security.knobs, anonymous=True)
        tls_context = yield from open_tls(settings)
        server_ready = yield from receive_status()
        yield from send_status(tls_context is not None and token is not None)
        if tls_context is None or token is None or not server_ready:
            raise self.failure(
                "we have no token"
                if token is None
                else "our certificates cannot be used"
                if tls_context is None
                else "the server cannot use its certificates"
            )
        exchange = TlsExchange(tls_context, server=False)
        try:
            yield from exchange.shake_hands(first=True)
            name = yield from check_server(
                exchange, context.ends.dialled, self.switch(context, SKIP_HOST_CHECK)
            )
            yield from exchange.receive_key()
            yield from exchange.send_block(token.encode())
        except TlsFailed as error:
            raise self.failure(str(error)) from error
        return AuthResult(user=_UNMAPPED, authenticated_name=name)

    def server(self, context: MethodContext) -> Handshake[AuthResult]:
        """Show our certificate, and see whose token the client shows."""
        security = context.security
        tls_context = yield from open_tls(TlsSettings.for_server(security.knobs))
        yield from send_status(tls_context is not None)
        client_ready = yield from receive_status()
        if tls_context is None or not client_ready:
            raise self.failure(
                "our certificates cannot be used"
                if tls_context is None
                else "the client has no token"
            )
        exchange = TlsExchange(tls_context, server=True)
        try:
            yield from exchange.shake_hands(first=False)
            yield from exchange.send_key(security.random_bytes)
            text = yield from exchange.receive_block(_MAX_TOKEN_BYTES)
        except TlsFailed as error:
            raise self.failure(str(error)) from error
        try:
            token, foreign = yield from check_scitoken(security, text)
        except TokenRefused as error:
            yield from exchange.answer_block(False)
            reason = "the client's token is not accepted"
            raise self.failure(reason, error.reason) from error
        yield from exchange.answer_block(True)
        return AuthResult(
            user=_UNMAPPED,
            authenticated_name=token.authenticated_name,
            limits=token.limits(foreign),
            attributes=token.attributes(),
        )


def check_scitoken(
    security: MethodSecurity, text: bytes
) -> Handshake[tuple[SciToken, bool]]:
    """Find out whether a token may be believed.

    Args:
        security: Whose token it would be.
        text: The token as it came.

    Returns:
        The token, and whether it is a foreign one.

    Raises:
        TokenRefused: It may not be believed, or its bearer is nobody here.
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
    if security.identity_map(SCITOKENS, token.authenticated_name) is None:
        raise TokenRefused("the token's bearer is not mapped")
    keys = yield from fetch_issuer_keys(token.issuer)
    if keys is None:
        raise TokenRefused("the issuer's keys cannot be had")
    token.verify(keys)
    return token, foreign


def _is_foreign(issuer: str, text: str | None) -> bool:
    """Whether an issuer's tokens need not be SciTokens."""
    listed = split_words(text or "")
    return listed == ["*"] or issuer in listed
