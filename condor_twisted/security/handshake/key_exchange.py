"""The key of a connection: ECDH on P-256, then HKDF.

Each side makes one private key for one negotiation. The shared secret is the
X coordinate of the common point; the session key is derived from it. The exchange
runs even where no authentication is agreed on.

Layout: ``ECDHPublicKey`` is the base64 text (padded, no newlines) of the 65 bytes
``04 || X || Y``. Everything else is refused, above all points off the curve.

Source: ``src/condor_io/condor_secman.cpp: SecMan::GenerateKeyExchange,
SecMan::FinishKeyExchange, SecMan::EncodePubkey``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from condor_twisted.errors import MalformedMessage
from condor_twisted.security.keys import CryptoMethod, SessionKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )

__all__ = [
    "decode_public_key",
    "derive_session_key",
    "encode_public_key",
    "hkdf_sha256",
    "make_private_key",
]

_SALT: Final = b"htcondor"
_INFO: Final = b"keygen"
_POINT_BYTES: Final = 65
_MAX_TEXT_CHARACTERS: Final = 200


def make_private_key() -> EllipticCurvePrivateKey:
    """A new private key on P-256, for one negotiation."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def encode_public_key(private_key: EllipticCurvePrivateKey) -> str:
    """The text of ``ECDHPublicKey`` that goes with a private key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    point = private_key.public_key().public_bytes(
        Encoding.X962, PublicFormat.UncompressedPoint
    )
    return binascii.b2a_base64(point, newline=False).decode("ascii")


def decode_public_key(text: str) -> EllipticCurvePublicKey:
    """The peer's public key.

    Raises:
        MalformedMessage: The text is not the base64 form of exactly 65 bytes that
            begin with 04 and are a point of the curve.
    """
    from cryptography.hazmat.primitives.asymmetric import ec

    if len(text) > _MAX_TEXT_CHARACTERS or not text.isascii():
        raise MalformedMessage("an ECDH key that is no base64 text of a point")
    try:
        point = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise MalformedMessage("an ECDH key that is no base64 text") from None
    canonical = binascii.b2a_base64(point, newline=False).decode("ascii")
    if len(point) != _POINT_BYTES or point[0] != 0x04 or canonical != text:
        raise MalformedMessage("an ECDH key that is no uncompressed P-256 point")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        raise MalformedMessage("an ECDH key that is off the curve") from None


def hkdf_sha256(secret: bytes, salt: bytes, info: bytes, length_bytes: int) -> bytes:
    """HKDF with SHA-256 (RFC 5869), for at most 32 bytes of output."""
    assert 0 < length_bytes <= 32, "one block of output is all that HTCondor takes"
    extracted = hmac.digest(salt, secret, hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)[:length_bytes]


def derive_session_key(
    private_key: EllipticCurvePrivateKey,
    peer_key: EllipticCurvePublicKey,
    method: CryptoMethod,
) -> SessionKey:
    """The key of the connection for the cipher that was agreed on."""
    from cryptography.hazmat.primitives.asymmetric import ec

    shared = private_key.exchange(ec.ECDH(), peer_key)
    return SessionKey(
        method, hkdf_sha256(shared, _SALT, _INFO, method.key_length_bytes)
    )
