"""Ciphers by name and number, and the key of one of them.

Source: ``src/condor_io/CryptKey.h``, ``src/condor_io/condor_crypt.cpp``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

__all__ = ["CryptoMethod", "SessionKey", "parse_crypto_methods"]


class CryptoMethod(IntEnum):
    """A cipher, with HTCondor's protocol number for it."""

    BLOWFISH = 1
    TRIPLE_DES = 2
    AES = 3

    @property
    def wire_name(self) -> str:
        """The name in policy ads and in configuration."""
        return _WIRE_NAMES[self]

    @property
    def key_length_bytes(self) -> int:
        """How many bytes a negotiated key of this cipher has."""
        return 32 if self is CryptoMethod.AES else 24


_WIRE_NAMES = {
    CryptoMethod.BLOWFISH: "BLOWFISH",
    CryptoMethod.TRIPLE_DES: "3DES",
    CryptoMethod.AES: "AES",
}

#: The closed list of names; a name that is not here is no cipher.
_BY_NAME = {
    "BLOWFISH": CryptoMethod.BLOWFISH,
    "3DES": CryptoMethod.TRIPLE_DES,
    "TRIPLEDES": CryptoMethod.TRIPLE_DES,
    "AES": CryptoMethod.AES,
}


def parse_crypto_methods(text: str) -> tuple[CryptoMethod, ...]:
    """The known ciphers of a list, in its order, without duplicates.

    Source: ``src/condor_io/condor_secman.cpp: SecMan::filterCryptoMethods``.
    """
    found: list[CryptoMethod] = []
    for word in text.replace(",", " ").split():
        method = _BY_NAME.get(word)
        if method is not None and method not in found:
            found.append(method)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class SessionKey:
    """The key of one cipher; its ``repr`` shows the cipher alone."""

    method: CryptoMethod
    data: bytes = field(repr=False)
