"""Tokens that a daemon gives out: with which key, to whom, how long, how far.

A token never has more rights than whoever brings it about, and never a longer life.
It leaves through encrypted channels alone.

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: handle_dc_session_token,
handle_dc_exchange_scitoken``, ``src/condor_utils/token_utils.cpp``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    AuthenticationFailed,
    TokenRefused,
    TokenServiceRefused,
)
from condor_twisted.security.akep2 import POOL_DOMAIN
from condor_twisted.security.context import SecurityState
from condor_twisted.security.identity import check_user
from condor_twisted.security.method_names import split_words
from condor_twisted.security.methods.scitokens import check_scitoken
from condor_twisted.security.patterns.hosts import glob_matches
from condor_twisted.security.peer import Peer
from condor_twisted.security.steps import Handshake
from condor_twisted.security.tokens.token import POOL_KEY, SigningKey, create_token

__all__ = ["IssuedToken", "TokenIssuer", "is_within_limits", "read_limits"]

_MAX_LIMITS: Final = 64
_LIMIT: Final = re.compile(r"[A-Za-z0-9_]{1,64}")
_MAX_LIFETIME_SECONDS: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token that was made.

    Args:
        text: The token itself.
        subject: Who bears it.
        limits: What it is good for; empty for everything.
        lifetime_seconds: How long it lives; ``None`` for ever.
        key_name: What it is signed with.
    """

    text: str = field(repr=False)
    subject: str
    limits: tuple[str, ...]
    lifetime_seconds: int | None
    key_name: str

    def __str__(self) -> str:
        limits = ",".join(self.limits) or "everything"
        life = self.lifetime_seconds
        return (
            f"a token for {self.subject}, good for {limits}, "
            f"{'for ever' if life is None else f'for {life} s'}, "
            f"signed with {self.key_name}"
        )


def read_limits(text: str | None) -> tuple[str, ...]:
    """The levels of a ``LimitAuthorization`` that a peer sent.

    Raises:
        TokenServiceRefused: They are no names, or too many.
    """
    words = tuple(dict.fromkeys(split_words(text or "")))
    if len(words) > _MAX_LIMITS or not all(map(_LIMIT.fullmatch, words)):
        raise TokenServiceRefused(2, "The requested authorizations are no levels.")
    return words


def is_within_limits(level: str, peer: Peer) -> bool:
    """Whether a level is among those to which a peer's credential is limited."""
    if peer.limits is None or level == Permission.ALLOW.name:
        return True
    return Permission.__members__.get(level) in peer.limits


class TokenIssuer:
    """Makes tokens of a daemon's own trust domain.

    Args:
        security: The daemon's security: keys, knobs, clock and entropy.
    """

    def __init__(self, security: SecurityState) -> None:
        self.security = security

    def check_encryption(self, peer: Peer) -> None:
        """See that nobody listens.

        Differs from HTCondor: it lets some tokens out in clear.

        Raises:
            TokenServiceRefused: Somebody could.
        """
        if not peer.encrypted:
            raise TokenServiceRefused(7, "Request to server was not encrypted.")

    def check_subject(self, subject: str) -> None:
        """See that a token may name somebody.

        Raises:
            TokenServiceRefused: A login with such a token would be refused.
        """
        try:
            check_user("IDTOKENS", subject, {POOL_DOMAIN})
        except AuthenticationFailed as error:
            raise TokenServiceRefused(
                2, f"No token can have the requested identity: {error.reason}."
            ) from error

    def find_key(self) -> SigningKey:
        """The key that signs what is given out.

        Raises:
            TokenServiceRefused: There is none.
        """
        name = self.security.knobs.text("SEC_TOKEN_ISSUER_KEY") or POOL_KEY
        key = self.security.credentials.signing_keys.get(name)
        if key is None:
            raise TokenServiceRefused(
                4, "TOKEN_UTILS:4:Server does not have a signing key configured."
            )
        return key

    def capped_lifetime(self, wanted_seconds: int | None) -> int | None:
        """How long a token may live of which so much is wanted.

        Args:
            wanted_seconds: ``None`` or a negative number for as long as possible.

        Returns:
            Seconds; ``None`` for ever.
        """
        cap = self.security.knobs.integer("SEC_ISSUED_TOKEN_EXPIRATION", -1)
        lifetime = _MAX_LIFETIME_SECONDS if cap <= 0 else cap
        if wanted_seconds is not None and wanted_seconds >= 0:
            return min(wanted_seconds, lifetime)
        return None if cap <= 0 else cap

    def issue(
        self,
        subject: str,
        limits: Sequence[str],
        lifetime_seconds: int | None,
        key: SigningKey | None = None,
    ) -> IssuedToken:
        """Make a token.

        Args:
            subject: Who shall bear it.
            limits: What it shall be good for; empty for everything.
            lifetime_seconds: How long it shall live; ``None`` for ever.
            key: Signs it; `find_key` by default.

        Raises:
            TokenServiceRefused: There is no key or no trust domain.
        """
        security = self.security
        key = key or self.find_key()
        try:
            text = create_token(
                key,
                security.trust_domain or "",
                subject,
                security.unix_time(),
                security.random_bytes,
                lifetime_seconds=lifetime_seconds,
                limits=limits,
            )
        except TokenRefused as error:
            raise TokenServiceRefused(1, f"PASSWD:1:{error.reason}") from error
        return IssuedToken(text, subject, tuple(limits), lifetime_seconds, key.name)

    def session_token(
        self,
        peer: Peer,
        limits: Sequence[str] = (),
        lifetime_seconds: int | None = None,
        key_name: str | None = None,
    ) -> IssuedToken:
        """A token for whoever a session has proved the peer to be.

        Args:
            peer: The other side.
            limits: What it shall be good for; as much as the session by default.
            lifetime_seconds: How long it shall live; as long as possible by default.
            key_name: The key that shall sign it.

        Raises:
            TokenServiceRefused: There is none for this session.
        """
        self.check_encryption(peer)
        granted = self._session_limits(peer, limits)
        key = self._requested_key(key_name)
        lifetime = self.capped_lifetime(lifetime_seconds)
        if peer.credential_expires_at is not None:
            left = peer.credential_expires_at - self.security.unix_time()
            if left < 0:
                raise TokenServiceRefused(
                    3, "Cannot create new session as original one expired."
                )
            lifetime = left if lifetime is None else min(lifetime, left)
        if not (peer.is_authenticated and peer.is_mapped):
            raise TokenServiceRefused(
                2, "Server did not successfully authenticate session."
            )
        if key is None:
            raise TokenServiceRefused(
                1, "Server does not have access to configured key."
            )
        self.check_subject(peer.user)
        return self.issue(peer.user, granted, lifetime, key)

    def _session_limits(self, peer: Peer, wanted: Sequence[str]) -> tuple[str, ...]:
        if peer.limits is None:
            return tuple(wanted)
        if wanted:
            granted = tuple(each for each in wanted if is_within_limits(each, peer))
        else:
            granted = read_limits(peer.limits_text)
        if not granted:
            raise TokenServiceRefused(
                4, "Session doesn't allow requested authorization levels."
            )
        return granted

    def _requested_key(self, name: str | None) -> SigningKey | None:
        knobs = self.security.knobs
        if not name:
            try:
                return self.find_key()
            except TokenServiceRefused:
                return None
        allowed = split_words(
            knobs.text("SEC_TOKEN_FETCH_ALLOWED_SIGNING_KEYS") or POOL_KEY
        )
        if not any(glob_matches(each.split("*"), name) for each in allowed):
            raise TokenServiceRefused(3, "Server will not sign with requested key.")
        return self.security.credentials.signing_keys.get(name)

    def exchange_scitoken(self, peer: Peer, text: str) -> Handshake[IssuedToken]:
        """A token of ours for whoever bears a SciToken.

        Args:
            peer: Who shows it.
            text: The SciToken.

        Returns:
            A token for whom the map file or a plugin says, with what the SciToken is
            good for, until that ends.

        Raises:
            TokenServiceRefused: The SciToken is not accepted, or there is no key.
        """
        self.check_encryption(peer)
        if not text:
            raise TokenServiceRefused(1, "SciToken not provided by the client")
        key = self.find_key()
        try:
            checked = yield from check_scitoken(
                self.security, text.encode("ascii", "replace")
            )
        except TokenRefused as error:
            raise TokenServiceRefused(5, f"SciToken refused: {error.reason}") from error
        token, user = checked.token, checked.canonical_name
        if not user:
            raise TokenServiceRefused(5, "Failed to map SciToken to a local identity.")
        self.check_subject(user)
        assert token.expires_at is not None, "a SciToken that was checked has an end"
        left = int(token.expires_at) - self.security.unix_time()
        # There is always one word that is no level, so the limits are never empty.
        levels = map(_LIMIT.fullmatch, split_words(token.limits(checked.foreign)))
        return self.issue(
            user,
            tuple(each.group() for each in levels if each is not None),
            self.capped_lifetime(max(left, 0)),
            key,
        )
