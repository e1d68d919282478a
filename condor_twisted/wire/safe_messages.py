"""What a SafeSock message is once it is whole: payload and security header.

Layout:
    The security header, at the begin of a message:

    ====== ====== =================================================================
    offset bytes  meaning
    ====== ====== =================================================================
    0      4      ``CRAP``
    4      2      flags: 1 a MAC is here, 2 the payload is encrypted
    6      2      length a of the MAC key id
    8      2      length b of the encryption key id
    10     a      MAC key id, with flag 1
    10+a   16     MAC over the whole payload as it is sent, with flag 1
    ...    b      encryption key id, with flag 2
    ====== ====== =================================================================

A key id names a security session. AES does not exist here: a session with an AES key
encrypts its datagrams with Blowfish and the first 24 bytes of that key, and signs
them with all 32.

Source: ``src/condor_io/SafeMsg.cpp: _condorPacket::checkHeader, addExtendedHeader``;
``src/condor_daemon_core.V6/daemon_command.cpp: AcceptUDPRequest``.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass, field
from typing import Final

from condor_twisted.errors import LocalProtocolError, MalformedMessage
from condor_twisted.wire.ciphers import MAC_BYTES, CfbCipher, md5_mac

__all__ = [
    "NO_SECURITY",
    "SECURITY_MAGIC",
    "SafeMessage",
    "SafeMessageHeader",
    "protect_message",
    "split_key_id",
]

SECURITY_MAGIC: Final = b"CRAP"
"""The begin of a security header."""

_SECURITY: Final = struct.Struct(">4sHHH")
_HAS_MAC: Final = 1
_IS_ENCRYPTED: Final = 2


@dataclass(frozen=True, slots=True)
class SafeMessageHeader:
    """The security header of a message; without key ids there is none.

    Args:
        mac_key_id: Names the session whose key made the MAC; empty without a MAC.
        mac: The MAC, 16 bytes, or empty.
        encryption_key_id: Names the session whose key encrypted the payload; empty
            if it is clear.
    """

    mac_key_id: str = ""
    mac: bytes = field(default=b"", repr=False)
    encryption_key_id: str = ""

    def encode(self) -> bytes:
        """Return the header's bytes: none at all if it says nothing."""
        if not self.mac_key_id and not self.encryption_key_id:
            return b""
        flags = 0
        mac_key_id = mac = encryption_key_id = b""
        if self.mac_key_id:
            flags |= _HAS_MAC
            mac_key_id = self.mac_key_id.encode("utf-8", "surrogateescape")
            mac = self.mac
            if len(mac) != MAC_BYTES:
                raise LocalProtocolError(f"a MAC has {MAC_BYTES} bytes, not {len(mac)}")
        if self.encryption_key_id:
            flags |= _IS_ENCRYPTED
            encryption_key_id = self.encryption_key_id.encode(
                "utf-8", "surrogateescape"
            )
        try:
            fixed = _SECURITY.pack(
                SECURITY_MAGIC, flags, len(mac_key_id), len(encryption_key_id)
            )
        except struct.error:
            raise LocalProtocolError("a key id exceeds 65535 bytes") from None
        return fixed + mac_key_id + mac + encryption_key_id

    @classmethod
    def parse(cls, data: bytes) -> tuple[SafeMessageHeader, bytes]:
        """Take the security header, if there is one, off a payload.

        A flag whose key id is empty counts for nothing, as in HTCondor.

        Returns:
            The header, and what follows it.

        Raises:
            MalformedMessage: If the header does not fit into the payload, or nothing
                follows it.

        Source: ``src/condor_io/SafeMsg.cpp: _condorPacket::checkHeader``.
        """
        if not data.startswith(SECURITY_MAGIC):
            return NO_SECURITY, data
        if len(data) < _SECURITY.size:
            raise MalformedMessage("a datagram ends inside its security header")
        _magic, flags, mac_id_bytes, encryption_id_bytes = _SECURITY.unpack_from(data)
        position = _SECURITY.size
        mac_key_id = encryption_key_id = mac = b""
        if flags & _HAS_MAC and mac_id_bytes:
            end = position + mac_id_bytes
            mac_key_id = data[position:end]
            position = end + MAC_BYTES
            mac = data[end:position]
        if flags & _IS_ENCRYPTED and encryption_id_bytes:
            end = position + encryption_id_bytes
            encryption_key_id = data[position:end]
            position = end
        if position >= len(data):
            raise MalformedMessage("a datagram ends inside or with its security header")
        header = cls(
            mac_key_id.decode("utf-8", "surrogateescape"),
            mac,
            encryption_key_id.decode("utf-8", "surrogateescape"),
        )
        return header, data[position:]


NO_SECURITY: Final = SafeMessageHeader()
"""The header of a message that is neither encrypted nor signed."""


@dataclass(frozen=True, slots=True)
class SafeMessage:
    """One whole message as it came or shall go.

    Args:
        payload: The codec's bytes as they are sent, thus encrypted if the header
            says so.
        header: The security header.
    """

    payload: bytes = field(repr=False)
    header: SafeMessageHeader = NO_SECURITY

    @property
    def mac_key_id(self) -> str:
        """Whose key made the MAC; empty without a MAC."""
        return self.header.mac_key_id

    @property
    def encryption_key_id(self) -> str:
        """Whose key encrypted the payload; empty if it is clear."""
        return self.header.encryption_key_id

    def verify_mac(self, key: bytes) -> bool:
        """Tell whether the message has a MAC and this key made it.

        Args:
            key: The session's primary key in full, whatever the cipher's is.
        """
        return bool(self.header.mac_key_id) and hmac.compare_digest(
            self.header.mac, md5_mac(key, self.payload)
        )

    def decrypt(self, cipher: CfbCipher) -> bytes:
        """Return the payload in clear.

        Args:
            cipher: The cipher with the session's key for datagrams.
        """
        return cipher.for_message().decrypt(self.payload)


def split_key_id(key_id: str) -> tuple[str, str]:
    """Return the session id and the sender's address that a key id holds.

    A daemon appends its command address; others send the session id alone, and the
    address is empty.

    Source: ``src/condor_daemon_core.V6/daemon_command.cpp: AcceptUDPRequest``.
    """
    words = [word for word in key_id.replace(",", " ").split(" ") if word]
    session_id, address, *_ = *words, "", ""
    return session_id, address


def protect_message(
    payload: bytes,
    *,
    encryption_key_id: str = "",
    cipher: CfbCipher | None = None,
    mac_key_id: str = "",
    mac_key: bytes = b"",
) -> SafeMessage:
    """Encrypt a message, sign it, or both.

    Args:
        payload: The codec's bytes. Where they are to be encrypted they were written
            for an encrypted stream, with a length in front of each string.
        encryption_key_id: Names the session for the receiver, with ``cipher``.
        cipher: Encrypts the payload.
        mac_key_id: Names the session for the receiver, with ``mac_key``.
        mac_key: Signs the payload as it is sent.

    Returns:
        The message, ready for ``split_message``.

    Raises:
        LocalProtocolError: If a key comes without its id, or an id without its key.
    """
    if bool(encryption_key_id) != (cipher is not None):
        raise LocalProtocolError("encryption takes a cipher and the id of its key")
    if bool(mac_key_id) != bool(mac_key):
        raise LocalProtocolError("a MAC takes a key and its id")
    if cipher is not None:
        payload = cipher.for_message().encrypt(payload)
    mac = md5_mac(mac_key, payload) if mac_key else b""
    return SafeMessage(payload, SafeMessageHeader(mac_key_id, mac, encryption_key_id))
