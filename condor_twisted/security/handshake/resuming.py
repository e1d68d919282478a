"""Which key a resumed stream uses, and who may resume without an answer of ours.

An answer has something fresh from us in it, so that a resume recorded once is of no use
later. A real parent signals its child without waiting for one. Between these two that
is taken: the nonce of such a resume is bound to its first protected frame, and counts
once (`condor_twisted.security.context.SecurityState.stream_replays`).

Source: ``src/condor_daemon_core.V6/condor_daemon_core.h: DCSignalMsg``,
``src/condor_io/condor_secman.cpp: SecManStartCommand::sendAuthInfo_inner``.
"""

from __future__ import annotations

from typing import Final

from condor_twisted.errors import SessionUnknown
from condor_twisted.security.commands import CommandRule
from condor_twisted.security.handshake.pod_ads import PodAd
from condor_twisted.security.identity import CHILD_USER, PARENT_USER
from condor_twisted.security.keys import (
    CryptoMethod,
    SessionKey,
    parse_crypto_methods,
)
from condor_twisted.security.sessions.session import SecuritySession

__all__ = ["nonce_without_answer", "stream_key"]

_MAX_NONCE_BYTES: Final = 256


def stream_key(session: SecuritySession, ad: PodAd) -> SessionKey | None:
    """The key for a stream: the one that the client names, where there is a choice."""
    if not session.negotiated:
        named = parse_crypto_methods(ad.string("CryptoMethods") or "")
        if named:
            return session.key_of(named[0])
    return session.key


def nonce_without_answer(
    ad: PodAd, session: SecuritySession | None, command: int, rule: CommandRule
) -> str:
    """The nonce of a client that wants no answer, where that may be.

    Raises:
        SessionUnknown: It may not be.
    """
    nonce = ad.bounded_string("Nonce", _MAX_NONCE_BYTES)
    key = None if session is None else stream_key(session, ad)
    if (
        session is None
        or session.user not in (PARENT_USER, CHILD_USER)
        or session.negotiated
        or key is None
        or key.method is not CryptoMethod.AES
        or not nonce
        or command != rule.number
    ):
        raise SessionUnknown("resuming a session without an answer is refused")
    return nonce
