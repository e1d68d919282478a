"""IDTOKENS: the client has a token that the server could have made.

The messages are those of `condor_twisted.security.akep2`, in version 2. The client
sends its token without the signature; the server makes the signature again with the
signing key that the token names, and both prove to each other that they have it.

Without a token, whoever can read a signing key that the server has, too, makes one for
the occasion.

Source: ``src/condor_io/condor_auth_passwd.cpp``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from condor_twisted.classad.expressions import TooExpensive, evaluate
from condor_twisted.classad.literals import LiteralValue
from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    AuthenticationFailed,
    ExpressionsUnavailable,
    TokenRefused,
)
from condor_twisted.security.akep2 import (
    NEW_POOL_USER,
    OLD_POOL_USER,
    POOL_DOMAIN,
    pool_user,
    prove_as_client,
    receive_claim,
)
from condor_twisted.security.credentials import Credentials, token_place
from condor_twisted.security.identity import check_user, make_user
from condor_twisted.security.knobs import Knobs
from condor_twisted.security.method_names import split_words
from condor_twisted.security.methods.base import (
    AuthenticationMethod,
    AuthResult,
    MethodContext,
    MethodSecurity,
)
from condor_twisted.security.steps import Handshake, evaluate_condition, read_tokens
from condor_twisted.security.tokens.token import (
    Token,
    create_token,
    parse_token,
    token_key,
)

__all__ = ["IdTokensMethod"]

_REVOCATION: Final = ("SEC_TOKEN_REVOCATION_EXPR", "SEC_TOKEN_BLACKLIST_EXPR")
_MAX_AGE: Final = "SEC_TOKEN_MAX_AGE"
_OWN_TOKEN_SECONDS: Final = 60
_POOL_USERS: Final = ("condor", "condor_pool")


class IdTokensMethod(AuthenticationMethod):
    """Whoever bears a token of this pool is who it says."""

    name = "TOKEN"
    used_name = "IDTOKENS"
    bit = 2048
    domains = frozenset({POOL_DOMAIN})
    switches: ClassVar[Mapping[str, bool]] = {
        "SEC_TOKEN_POOL_SIGNING_KEY_IS_PASSWORD": False
    }

    @classmethod
    def unavailable(
        cls,
        knobs: Knobs,
        own_user: str | None,
        permission: Permission,
        credentials: Credentials,
    ) -> str | None:
        """It needs a signing key or a token, or a directory that hides its keys."""
        if credentials.signing_keys or credentials.keys_hidden or credentials.has_token:
            return None
        return "there is neither a signing key nor a token"

    @classmethod
    def attributes(cls, security: MethodSecurity) -> Mapping[str, LiteralValue]:
        """The names of our signing keys."""
        names = security.credentials.issuer_keys
        return {"IssuerKeys": names} if names else {}

    # -- the client

    def client(self, context: MethodContext) -> Handshake[AuthResult]:
        """Prove that we have a token, and see that the server can sign it."""
        token = yield from self._find_token(context)
        name = token.subject if token is not None else None
        signed = token.signed if token is not None else ""

        def key() -> bytes | None:
            return None if token is None else token_key(token.signature, token.signed)

        server = yield from prove_as_client(
            name,
            signed,
            key,
            context.security.random_bytes,
            lambda name: name == NEW_POOL_USER or name.startswith(OLD_POOL_USER),
        )
        if server is None:
            raise self.failure(
                "we have no token for this server"
                if token is None
                else "the server does not accept our token, or has not its signing key"
            )
        user, _, domain = server.partition("@")
        return AuthResult(user=make_user(user, domain))

    def _find_token(self, context: MethodContext) -> Handshake[Token | None]:
        """The first token that this server can sign; ``None`` if there is none."""
        security = context.security
        issuer = context.peer_ad.string("TrustDomain") or ""
        keys = split_words(context.peer_ad.string("IssuerKeys") or "")
        texts: tuple[str, ...] = (security.token,) if security.token else ()
        place = token_place(security.knobs, security.host)
        if place is not None:
            texts += yield from read_tokens(place)
        for text in texts:
            try:
                token = parse_token(text)
            except TokenRefused:
                continue
            if keys and token.key_name not in keys:
                continue
            if (not issuer or token.issuer == issuer) and token.subject:
                return token
        return self._make_token(context, issuer, keys)

    def _make_token(
        self, context: MethodContext, issuer: str, keys: list[str]
    ) -> Token | None:
        """A token for this occasion, where we have a signing key of the server's."""
        security = context.security
        if not issuer or issuer != security.trust_domain:
            return None
        for name in keys:
            key = security.credentials.signing_keys.get(name)
            if key is None:
                continue
            pool = pool_user(context.peer_version, "")
            try:
                return parse_token(
                    create_token(
                        key,
                        issuer,
                        pool,
                        security.unix_time(),
                        security.random_bytes,
                        lifetime_seconds=_OWN_TOKEN_SECONDS,
                    )
                )
            except TokenRefused:
                return None
        return None

    # -- the server

    def server(self, context: MethodContext) -> Handshake[AuthResult]:
        """See that the client has a token that one of our keys has signed."""
        security = context.security
        claim = yield from receive_claim(with_token=True)
        token: Token | None = None
        key: bytes | None = None
        problem: str | None = None
        if claim.name is None:
            problem = "the client has no token, or says what makes no sense"
        else:
            try:
                token = parse_token(claim.token, whole=False)
                yield from self._check(context, token)
                if claim.name != token.subject:
                    raise TokenRefused("the client's name is not the token's")
                key = self._key(security, token)
            except TokenRefused as error:
                problem = error.reason
        own_name = pool_user(context.peer_version, security.uid_domain)
        proved = yield from claim.answer(own_name, key, security.random_bytes)
        if not proved or token is None:
            raise self.failure(
                "the client's proof is not accepted",
                problem or "the client has not the signature of its token",
            )
        return AuthResult(
            user=_user_of(token),
            limits=token.limits,
            attributes=token.attributes(),
        )

    def _key(self, security: MethodSecurity, token: Token) -> bytes:
        """K of a token, whose signature is made again.

        Raises:
            TokenRefused: We have not the signing key that it names.
        """
        key = security.credentials.signing_keys.get(token.key_name)
        if key is None:
            raise TokenRefused("the token is signed with a key that is not here")
        return token_key(key.signature(token.signed, token.algorithm), token.signed)

    def _check(self, context: MethodContext, token: Token) -> Handshake[None]:
        """See whether the token may be believed, once its proof is seen.

        Raises:
            TokenRefused: It may not.
        """
        security = context.security
        now = security.unix_time()
        max_age = security.knobs.integer(_MAX_AGE, -1)
        token.check(now, security.trust_domain, None if max_age < 0 else max_age)
        user, _, domain = token.subject.rpartition("@")
        if domain.lower() == POOL_DOMAIN and user not in _POOL_USERS:
            raise TokenRefused("the token's subject has a reserved domain")
        try:
            check_user(self.used_name, _user_of(token), self.domains)
        except AuthenticationFailed as error:
            raise TokenRefused(error.reason) from error
        text = next(filter(None, map(security.knobs.text, _REVOCATION)), None)
        if text is None:
            return
        attributes = token.claims_ad()
        expression = text.encode()
        try:
            value: object = evaluate(expression, attributes, now)
        except TooExpensive:
            value = yield from evaluate_condition(expression, attributes, now)
        except ExpressionsUnavailable:
            value = None
        if not isinstance(value, (bool, int, float)) or value != 0:
            raise TokenRefused("the token is revoked")


def _user_of(token: Token) -> str:
    """The user that a token names."""
    user, at, domain = token.subject.rpartition("@")
    return make_user(user, domain) if at else token.subject
