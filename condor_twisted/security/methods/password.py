"""PASSWORD: both sides have the password of the pool.

The messages are those of `condor_twisted.security.akep2`, in version 1: K is
HMAC-SHA1(SEED_A, P P), where P is the password.

Source: ``src/condor_io/condor_auth_passwd.cpp``.
"""

from __future__ import annotations

import hashlib
import hmac

from condor_twisted.security.akep2 import (
    NEW_POOL_USER,
    OLD_POOL_USER,
    POOL_DOMAIN,
    SEED_A,
    pool_user,
    prove_as_client,
    receive_claim,
)
from condor_twisted.security.identity import make_user
from condor_twisted.security.methods.base import (
    AuthenticationMethod,
    AuthResult,
    MethodContext,
)
from condor_twisted.security.steps import Handshake

__all__ = ["PasswordMethod"]


def _key(password: bytes | None) -> bytes | None:
    """K of a password; ``None`` without one."""
    if not password:
        return None
    return hmac.new(SEED_A, password * 2, hashlib.sha1).digest()


def _is_pool_name(name: str) -> bool:
    """Whether a side of the pool calls itself so."""
    return name == NEW_POOL_USER or name.startswith(OLD_POOL_USER)


class PasswordMethod(AuthenticationMethod):
    """Whoever knows the password is of the pool."""

    name = "PASSWORD"
    used_name = "PASSWORD"
    bit = 512
    domains = frozenset({POOL_DOMAIN})

    def client(self, context: MethodContext) -> Handshake[AuthResult]:
        """Prove that we have the password, and see that the server has it."""
        security = context.security
        password = security.credentials.pool_password
        server = yield from prove_as_client(
            pool_user(context.peer_version, security.uid_domain),
            None,
            lambda: _key(password),
            security.random_bytes,
            _is_pool_name,
        )
        if server is None:
            raise self.failure(
                "we have no pool password"
                if password is None
                else "the server does not have the same pool password"
            )
        return AuthResult(user=_folded(server))

    def server(self, context: MethodContext) -> Handshake[AuthResult]:
        """See that the client has the password."""
        security = context.security
        own_name = pool_user(context.peer_version, security.uid_domain)
        claim = yield from receive_claim(with_token=False)
        password = security.credentials.pool_password
        key = _key(password) if claim.name is not None else None
        proved = yield from claim.answer(own_name, key, security.random_bytes)
        name = claim.name or ""
        expected = own_name == NEW_POOL_USER
        is_expected = name == own_name if expected else name.startswith(OLD_POOL_USER)
        if not proved or not is_expected:
            raise self.failure(
                "the client's proof is not accepted",
                "we have no pool password"
                if password is None
                else "the client says that it failed, or says what makes no sense"
                if key is None
                else "the client does not have the same pool password"
                if not proved
                else "the client has another name than whoever has the pool password",
            )
        return AuthResult(user=_folded(own_name))


def _folded(name: str) -> str:
    """A name with its domain in lower case."""
    user, _, domain = name.partition("@")
    return make_user(user, domain)
