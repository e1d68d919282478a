"""A key, as what it does to a stream."""

from __future__ import annotations

import os

from condor_twisted.security.keys import CryptoMethod
from condor_twisted.security.steps import EnableProtection
from condor_twisted.wire.ciphers import (
    AesGcmProtection,
    CfbCipher,
    CfbProtection,
    FrameProtection,
    Md5Protection,
)

__all__ = ["protection_for"]


def protection_for(
    step: EnableProtection,
) -> tuple[FrameProtection | None, CfbCipher | None]:
    """What a key does to a stream.

    Returns:
        What protects the frames, and what encrypts single secrets in frames that are
        not encrypted; either may be ``None``.

    Source: ``src/condor_io/reli_sock.cpp: ReliSock::set_encryption_id`` and
    ``src/condor_io/sock.cpp: Sock::set_crypto_key``.
    """
    key = step.key
    if key.method is CryptoMethod.AES:
        return AesGcmProtection(key.data, os.urandom), None
    integrity = Md5Protection(key.data) if step.authenticate else None
    cipher = CfbCipher(
        "3DES" if key.method is CryptoMethod.TRIPLE_DES else "BLOWFISH", key.data
    )
    if step.encrypt:
        return CfbProtection(cipher, integrity), None
    return integrity, cipher
