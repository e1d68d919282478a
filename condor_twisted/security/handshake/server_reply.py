"""A server's answer to the wishes of a client, held against them.

Source: ``src/condor_io/condor_secman.cpp: SecManStartCommand::receiveAuthInfo_inner,
authenticate_inner``.
"""

from __future__ import annotations

from typing import Final

from condor_twisted.errors import (
    MalformedMessage,
    NoMethodSucceeded,
    PolicyMismatch,
)
from condor_twisted.security.handshake.pod_ads import PodAd
from condor_twisted.security.keys import CryptoMethod, parse_crypto_methods
from condor_twisted.security.method_names import canonical_method, split_words
from condor_twisted.security.policy import (
    MAX_METHOD_LIST_BYTES,
    MAX_SESSION_SECONDS,
    FeatureLevel,
    SidePolicy,
)

__all__ = ["MAX_TEXT_BYTES", "ServerReply"]

#: A version, a user name or another short text of a server.
MAX_TEXT_BYTES: Final = 1024


class ServerReply:
    """What the server says is agreed on, held against what we want.

    Raises:
        PolicyMismatch: It is less than we require, or nothing that we offered.
        RemoteProtocolError: It makes no sense.
    """

    def __init__(self, ad: PodAd, policy: SidePolicy) -> None:
        self.authenticate = _decided(ad, "Authentication", policy.authentication_wish)
        self.encrypt = _decided(ad, "Encryption", policy.encryption)
        self.integrity = _decided(ad, "Integrity", policy.integrity)
        self.authentication_required = (
            policy.authentication_wish is FeatureLevel.REQUIRED
            or ad.boolean("AuthRequired") is not False
        )
        self.version = ad.bounded_string("RemoteVersion", MAX_TEXT_BYTES)
        self.methods = self._methods(ad, policy)
        named = ad.bounded_string("CryptoMethods", MAX_METHOD_LIST_BYTES) or ""
        chosen = parse_crypto_methods(named.partition(",")[0])
        listed = ad.bounded_string("CryptoMethodsList", MAX_METHOD_LIST_BYTES) or ""
        self.crypto_methods = parse_crypto_methods(listed)
        self.crypto_method: CryptoMethod | None = chosen[0] if chosen else None
        self.key_text = ad.string("ECDHPublicKey")
        offered = policy.crypto_methods
        if self.crypto_method is not None and self.crypto_method not in offered:
            raise PolicyMismatch("CryptoMethods", policy.crypto_text, named[:64])
        needs_key = self.authenticate or self.encrypt or self.integrity
        if self.key_text is None and needs_key:
            raise PolicyMismatch("KeyExchange", "ECDH", "none")
        if self.key_text is not None and self.crypto_method is None:
            raise PolicyMismatch("CryptoMethods", policy.crypto_text, "none")
        if self.crypto_method is not CryptoMethod.AES:
            for feature, decided, level in (
                ("Encryption", self.encrypt, policy.encryption),
                ("Integrity", self.integrity, policy.integrity),
            ):
                if decided and level is FeatureLevel.NEVER:
                    raise PolicyMismatch(feature, level.name, "YES")
        self.duration_seconds = _seconds(
            ad.string("SessionDuration"), policy.session_duration_seconds
        )
        lease = ad.integer("SessionLease")
        self.lease_seconds = (
            0 if lease is None or lease < 0 else min(lease, MAX_SESSION_SECONDS)
        )

    def _methods(self, ad: PodAd, policy: SidePolicy) -> tuple[str, ...]:
        """The methods to try: those that the server lists and that we offered."""
        text = ad.bounded_string("AuthMethodsList", MAX_METHOD_LIST_BYTES)
        if text is None:
            text = ad.bounded_string("AuthMethods", MAX_METHOD_LIST_BYTES) or ""
        found = tuple(
            name
            for word in split_words(text)
            if (name := canonical_method(word)) is not None and name in policy.methods
        )
        if self.authenticate and not found:
            raise NoMethodSucceeded((), ())
        return found


def _decided(ad: PodAd, feature: str, level: FeatureLevel) -> bool:
    """Whether the server decided for a feature.

    Args:
        ad: The server's reply.
        feature: Which.
        level: What we want.

    Raises:
        MalformedMessage: The server decided nothing.
        PolicyMismatch: It decided against what we require.
    """
    word = ad.string(feature)
    if word not in ("YES", "NO"):
        raise MalformedMessage(f"the server decides nothing about {feature}")
    if word == "NO" and level is FeatureLevel.REQUIRED:
        raise PolicyMismatch(feature, level.name, word)
    if feature == "Authentication" and word == "YES" and level is FeatureLevel.NEVER:
        raise PolicyMismatch(feature, level.name, word)
    return word == "YES"


def _seconds(text: str | None, own_seconds: int) -> int:
    """The duration that the server names, at most our own."""
    if text is None or len(text) > 10 or not (text.isascii() and text.isdigit()):
        return own_seconds
    return max(1, min(int(text), own_seconds))
