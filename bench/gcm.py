"""AES-256-GCM on a stream as CEDAR does it, for the driver's side.

Source: src/condor_io/condor_crypt_aesgcm.cpp, reli_sock.cpp: SndMsg::snd_packet.
"""

from __future__ import annotations

import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.wire import PACKET_BODY_BYTES

__all__ = ["GcmStream"]

_HEADER = struct.Struct(">BI")
_IV_BYTES = 16
_TAG_BYTES = 16
_NOTHING = bytes(32)


class GcmStream:
    """Seals what one end of a connection sends and opens what it receives.

    Layout:
        The first packet of a direction is header, 16 bytes IV base, ciphertext, tag
        and authenticates the digests of the clear bytes of both directions before its
        header; later packets are header, ciphertext, tag. Packet n uses the IV base
        with n added to its first four bytes.

    Args:
        key: the session's 32 bytes.
        iv_base: 16 bytes, random and new for every connection.
        sent_digest: SHA-256 of the clear packets sent, or ``None`` if there were none.
        received_digest: the same of those received.
    """

    def __init__(
        self,
        key: bytes,
        iv_base: bytes,
        sent_digest: bytes | None,
        received_digest: bytes | None,
    ) -> None:
        self._cipher = AESGCM(key)
        self._iv_base = iv_base
        self._sent_digest = sent_digest or _NOTHING
        self._received_digest = received_digest or _NOTHING
        self._sealed_count = 0
        self._opened_count = 0
        self._peer_iv_base = b""

    def seal(self, payload: bytes, body_bytes: int = PACKET_BODY_BYTES) -> bytes:
        """Encrypt one message into as many packets as real daemons make of it."""
        packets = []
        for start in range(0, len(payload), body_bytes):
            body = payload[start : start + body_bytes]
            packets.append(self._seal_packet(start + body_bytes >= len(payload), body))
        return b"".join(packets)

    def open_packet(self, header: bytes, body: bytes) -> bytes:
        """Decrypt one received packet.

        Raises:
            cryptography.exceptions.InvalidTag: if it was not sealed with this key and
                these digests.
        """
        aad = header
        if not self._opened_count:
            self._peer_iv_base, body = body[:_IV_BYTES], body[_IV_BYTES:]
            aad = self._received_digest + self._sent_digest + header
        iv = _iv(self._peer_iv_base, self._opened_count)
        self._opened_count += 1
        return self._cipher.decrypt(iv, body, aad)

    def _seal_packet(self, end: bool, body: bytes) -> bytes:
        first = not self._sealed_count
        overhead = _TAG_BYTES + (_IV_BYTES if first else 0)
        header = _HEADER.pack(end, len(body) + overhead)
        aad = (self._sent_digest + self._received_digest if first else b"") + header
        iv = _iv(self._iv_base, self._sealed_count)
        self._sealed_count += 1
        sealed = self._cipher.encrypt(iv, body, aad)
        return header + (self._iv_base if first else b"") + sealed


def _iv(base: bytes, count: int) -> bytes:
    start = (int.from_bytes(base[:4], "big") + count) & 0xFFFFFFFF
    return start.to_bytes(4, "big") + base[4:]
