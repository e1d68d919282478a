"""What protects a stream or a datagram: AES-256-GCM, or MD5 with 3DES or Blowfish.

A *protection* turns the body of a frame into a whole frame and back. It has the
state of one connection, both directions. ``StreamFramer`` drives it; nobody else
needs to.

``AesGcmProtection`` is encryption and integrity in one, and what every session of
today uses. ``Md5Protection`` is integrity alone. ``CfbProtection`` encrypts with a
``CfbCipher`` and may have an ``Md5Protection`` around it, as old sessions do.
A ``CfbCipher`` alone encrypts datagrams and single secrets.

The names of the algorithms are all that a ``repr`` shows.

Source: ``src/condor_io/condor_crypt_aesgcm.cpp``, ``condor_crypt_3des.cpp``,
``condor_crypt_blowfish.cpp``, ``CryptKey.cpp: KeyInfo::getPaddedKeyData``,
``src/condor_utils/condor_md.cpp: Condor_MD_MAC``.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, Protocol

from condor_twisted.errors import LocalProtocolError, MalformedMessage

if TYPE_CHECKING:
    from cryptography.hazmat.decrepit.ciphers.modes import CFB
    from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext

__all__ = [
    "AES_KEY_BYTES",
    "FRAME_HEADER_BYTES",
    "MAC_BYTES",
    "UNUSED_DIRECTION",
    "AesGcmProtection",
    "CfbCipher",
    "CfbProtection",
    "FrameProtection",
    "Md5Protection",
    "md5_mac",
]

FRAME_HEADER_BYTES: Final = 5
"""The end flag and the length."""

MAC_BYTES: Final = 16
"""The length of an MD5 MAC."""

AES_KEY_BYTES: Final = 32
"""The key length of AES-256-GCM."""

UNUSED_DIRECTION: Final = bytes(32)
"""Stands for the digest of a direction that carried nothing in clear."""

_HEADER: Final = struct.Struct(">BI")
_UINT32: Final = struct.Struct(">I")
_IV_BYTES: Final = 16
_TAG_BYTES: Final = 16
_COUNTER_LIMIT: Final = 0xFFFFFFFF
_BLOCK_BYTES: Final = 8
_TRIPLE_DES_KEY_BYTES: Final = 24


class FrameProtection(Protocol):
    """Turns bodies into protected frames and back, for one connection."""

    @property
    def header_bytes(self) -> int:
        """How many bytes of a frame the length field does not count."""
        ...

    @property
    def encrypts(self) -> bool:
        """Whether strings have a length in front (the stream's crypto mode)."""
        ...

    @property
    def allows_raw(self) -> bool:
        """Whether bytes outside of frames may follow, as file data do."""
        ...

    def raw_cipher(self) -> CfbCipher | None:
        """What encrypts bytes outside of frames: one cipher for each file."""
        ...

    @property
    def wants_transcript(self) -> bool:
        """Whether ``start`` needs the digests of what went in clear."""
        ...

    @property
    def growth_bytes(self) -> int:
        """How much longer than its content the next sent frame's body will be."""
        ...

    def start(self, sent_digest: bytes, received_digest: bytes) -> None:
        """Begin, with SHA-256 over all clear frames sent and received so far."""
        ...

    def seal(self, end: int, content: bytes, /) -> tuple[bytes, ...]:
        """Return the whole frame that carries ``content``, in pieces to send."""
        ...

    def open(self, header: bytes, body: bytes, /) -> bytes:
        """Return the content of a frame, which is authentic then.

        Raises:
            MalformedMessage: If it is not.
        """
        ...


class AesGcmProtection:
    """AES-256-GCM: each frame encrypted and authenticated, in its order.

    Args:
        key: 32 bytes.
        random_bytes: Gives as many random bytes as asked for.

    Layout:
        ================ ====== ===================================================
        part             bytes  meaning
        ================ ====== ===================================================
        header           5      end flag; length of all that follows
        IV base          16     in the first frame of a direction only
        ciphertext       n      as long as the content
        tag              16
        ================ ====== ===================================================

        The IV of frame n is the base with n added to its first four bytes
        (big-endian, modulo 2^32). The additional data of a direction's first frame
        are SHA-256 of all clear frames its sender had sent, the same of all it had
        received, and the header; of later frames the header.

    A frame that is damaged, repeated, left out or in clear does not open, and after
    2^32 - 1 frames the direction is used up.

    Source: ``src/condor_io/condor_crypt_aesgcm.cpp``;
    ``src/condor_io/reli_sock.cpp: SndMsg::snd_packet, RcvMsg::rcv_packet``.
    """

    __slots__ = (
        "_decrypt",
        "_encrypt",
        "_invalid_tag",
        "_receive_count",
        "_receive_first",
        "_receive_prefix",
        "_receive_rest",
        "_send_base",
        "_send_count",
        "_send_prefix",
        "_started",
    )

    header_bytes: Final = FRAME_HEADER_BYTES
    encrypts: Final = True
    allows_raw: Final = False
    wants_transcript: Final = True

    def __init__(self, key: bytes, random_bytes: Callable[[int], bytes]) -> None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if len(key) != AES_KEY_BYTES:
            raise LocalProtocolError(
                f"AES-GCM takes a key of {AES_KEY_BYTES} bytes, not of {len(key)}"
            )
        cipher = AESGCM(key)
        self._encrypt = cipher.encrypt
        self._decrypt = cipher.decrypt
        self._invalid_tag: Final = InvalidTag
        self._send_base = random_bytes(_IV_BYTES)
        self._send_count = 0
        self._send_prefix = b""
        self._receive_count = 0
        self._receive_first = 0
        self._receive_prefix = b""
        self._receive_rest = b""
        self._started = False

    def __repr__(self) -> str:
        """Name the algorithm."""
        return "<AesGcmProtection AES-256-GCM>"

    @property
    def growth_bytes(self) -> int:
        """How much longer than its content the next sent frame's body will be."""
        return _TAG_BYTES if self._send_count else _IV_BYTES + _TAG_BYTES

    def raw_cipher(self) -> None:
        """Bytes outside of frames are clear, where there are any."""

    def start(self, sent_digest: bytes, received_digest: bytes) -> None:
        """Bind the stream to what went over it in clear.

        Args:
            sent_digest: SHA-256 over all clear frames sent, or 32 zero bytes.
            received_digest: The same over all received.

        Raises:
            LocalProtocolError: If this protection is in use already.
        """
        if self._started:
            raise LocalProtocolError("an AES-GCM protection serves one connection only")
        self._started = True
        self._send_prefix = sent_digest + received_digest
        self._receive_prefix = received_digest + sent_digest

    def seal(self, end: int, content: bytes, /) -> tuple[bytes, ...]:
        """Return the whole frame that carries ``content``, in pieces to send."""
        count = self._send_count
        base = self._send_base
        if count:
            if count >= _COUNTER_LIMIT:
                raise LocalProtocolError("this AES-GCM stream has no counter left")
            header = _HEADER.pack(end, len(content) + _TAG_BYTES)
            pieces = header, self._encrypt(_iv(base, count), content, header)
        else:
            if not self._started:
                raise LocalProtocolError("AES-GCM needs the transcript's digests")
            header = _HEADER.pack(end, len(content) + _IV_BYTES + _TAG_BYTES)
            prefix, self._send_prefix = self._send_prefix, b""
            sealed = self._encrypt(base, content, prefix + header)
            pieces = header + base, sealed
        self._send_count = count + 1
        return pieces

    def open(self, header: bytes, body: bytes, /) -> bytes:
        """Return the content of a frame.

        Raises:
            MalformedMessage: If the frame is too short for what it must hold, does
                not authenticate in its place, or is one too many.
        """
        count = self._receive_count
        if count:
            if len(body) <= _TAG_BYTES:
                raise MalformedMessage("an AES-GCM frame without content")
            if count >= _COUNTER_LIMIT:
                raise MalformedMessage("the peer's AES-GCM counter is used up")
            first = (self._receive_first + count) & _COUNTER_LIMIT
            iv = _UINT32.pack(first) + self._receive_rest
            additional = header
        else:
            if not self._started:
                raise LocalProtocolError("AES-GCM needs the transcript's digests")
            if len(body) <= _IV_BYTES + _TAG_BYTES:
                raise MalformedMessage("a first AES-GCM frame without content")
            iv = body[:_IV_BYTES]
            (self._receive_first,) = _UINT32.unpack_from(iv)
            self._receive_rest = iv[_UINT32.size :]
            body = body[_IV_BYTES:]
            additional = self._receive_prefix + header
        try:
            content = self._decrypt(iv, body, additional)
        except self._invalid_tag:
            raise MalformedMessage("an AES-GCM frame is not authentic") from None
        self._receive_count = count + 1
        return content


def _iv(base: bytes, count: int) -> bytes:
    """Return the IV of frame ``count`` of a direction."""
    (first,) = _UINT32.unpack_from(base)
    return _UINT32.pack((first + count) & 0xFFFFFFFF) + base[4:]


def md5_mac(key: bytes, *parts: bytes) -> bytes:
    """Return the MAC over the parts in their order: MD5 over key and parts.

    Source: ``src/condor_utils/condor_md.cpp: Condor_MD_MAC::init, computeMD``.
    """
    digest = hashlib.md5(key, usedforsecurity=False)
    for part in parts:
        digest.update(part)
    return digest.digest()


class Md5Protection:
    """A MAC on each frame, and no encryption.

    Args:
        key: The session key as it is, not folded.

    Layout:
        ========= ====== ==========================================================
        part      bytes  meaning
        ========= ====== ==========================================================
        header    5      end flag; length of the body
        MAC       16     MD5 over key and body; the length does not count it
        body      n      as it is on the wire, thus encrypted where encryption is on
        ========= ====== ==========================================================

    Source: ``src/condor_io/reli_sock.cpp: SndMsg::snd_packet``.
    """

    __slots__ = ("_key",)

    header_bytes: Final = FRAME_HEADER_BYTES + MAC_BYTES
    encrypts: Final = False
    allows_raw: Final = True
    wants_transcript: Final = False
    growth_bytes: Final = 0

    def __init__(self, key: bytes) -> None:
        if not key:
            raise LocalProtocolError("an MD5 MAC needs a key")
        self._key = key

    def __repr__(self) -> str:
        """Name the algorithm."""
        return "<Md5Protection MD5>"

    def raw_cipher(self) -> None:
        """Bytes outside of frames are clear, where there are any."""

    def start(self, sent_digest: bytes, received_digest: bytes) -> None:
        """Begin; the digests do not matter here."""

    def seal(self, end: int, content: bytes, /) -> tuple[bytes, ...]:
        """Return the whole frame that carries ``content``, in pieces to send."""
        mac = md5_mac(self._key, content)
        return _HEADER.pack(end, len(content)) + mac, content

    def open(self, header: bytes, body: bytes, /) -> bytes:
        """Return the content of a frame.

        Raises:
            MalformedMessage: If the MAC does not fit.
        """
        mac = header[FRAME_HEADER_BYTES:]
        if not hmac.compare_digest(mac, md5_mac(self._key, body)):
            raise MalformedMessage("the MAC of a frame does not fit")
        return body


class CfbCipher:
    """3DES or Blowfish in CFB64 from a zero IV: the cipher of one message.

    Args:
        algorithm: ``3DES`` or ``BLOWFISH``.
        key: 3DES folds or repeats it to 24 bytes; Blowfish takes 4 to 56 bytes.

    The two keystreams run on from call to call. ``for_message`` gives a cipher with
    the same key at the start of its keystreams, which every message needs.

    Source: ``src/condor_io/condor_crypt_3des.cpp``, ``condor_crypt_blowfish.cpp``;
    ``src/condor_io/CryptKey.cpp: KeyInfo::getPaddedKeyData``.
    """

    __slots__ = ("_cipher", "_decryptor", "_encryptor", "algorithm")

    def __init__(self, algorithm: Literal["3DES", "BLOWFISH"], key: bytes) -> None:
        self.algorithm: str = algorithm
        self._cipher = _cfb(algorithm, key)
        self._encryptor: CipherContext | None = None
        self._decryptor: CipherContext | None = None

    def __repr__(self) -> str:
        """Name the algorithm."""
        return f"<CfbCipher {self.algorithm}>"

    def for_message(self) -> CfbCipher:
        """Return the cipher for another message under the same key."""
        fresh = object.__new__(CfbCipher)
        fresh.algorithm = self.algorithm
        fresh._cipher = self._cipher
        fresh._encryptor = fresh._decryptor = None
        return fresh

    def encrypt(self, data: bytes, /) -> bytes:
        """Encrypt the next bytes of this message."""
        if self._encryptor is None:
            self._encryptor = self._cipher.encryptor()
        return self._encryptor.update(data)

    def decrypt(self, data: bytes, /) -> bytes:
        """Decrypt the next bytes of this message."""
        if self._decryptor is None:
            self._decryptor = self._cipher.decryptor()
        return self._decryptor.update(data)

    def end_sending(self) -> None:
        """Start the encrypting keystream afresh."""
        self._encryptor = None

    def end_receiving(self) -> None:
        """Start the decrypting keystream afresh."""
        self._decryptor = None


def _cfb(algorithm: str, key: bytes) -> Cipher[CFB]:
    """Return the cipher with its zero IV."""
    from cryptography.hazmat.decrepit.ciphers import algorithms
    from cryptography.hazmat.primitives.ciphers import Cipher

    try:
        from cryptography.hazmat.decrepit.ciphers.modes import CFB
    except ImportError:  # before cryptography 47
        from cryptography.hazmat.primitives.ciphers.modes import CFB

    if not key:
        raise LocalProtocolError(f"{algorithm} needs a key")
    mode = CFB(bytes(_BLOCK_BYTES))
    if algorithm == "3DES":
        return Cipher(algorithms.TripleDES(_folded(key, _TRIPLE_DES_KEY_BYTES)), mode)
    if algorithm == "BLOWFISH":
        return Cipher(algorithms.Blowfish(key), mode)
    raise LocalProtocolError(f"{algorithm!r} is neither 3DES nor BLOWFISH")


def _folded(key: bytes, size: int) -> bytes:
    """Bring a key to a size: repeat it, or fold what is too much into the begin.

    Source: ``src/condor_io/CryptKey.cpp: KeyInfo::getPaddedKeyData``.
    """
    if len(key) < size:
        return (key * size)[:size]
    folded = bytearray(key[:size])
    for index in range(size, len(key)):
        folded[index % size] ^= key[index]
    return bytes(folded)


class CfbProtection:
    """3DES or Blowfish over the frames of each message, with or without a MAC.

    Args:
        cipher: The cipher with the session's key.
        integrity: Adds a MAC over the ciphertext, if given.

    One keystream runs through the frames of a message and starts afresh with the
    next. Here it does so for each direction by itself; HTCondor, whose sockets do
    one thing at a time, does it for both at once.

    Source: ``src/condor_io/reli_sock.cpp: ReliSock::put_bytes, get_bytes,
    end_of_message_internal``.
    """

    __slots__ = ("_cipher", "_integrity", "header_bytes")

    encrypts: Final = True
    allows_raw: Final = True
    wants_transcript: Final = False
    growth_bytes: Final = 0

    def __init__(
        self, cipher: CfbCipher, integrity: Md5Protection | None = None
    ) -> None:
        self._cipher = cipher.for_message()
        self._integrity = integrity
        self.header_bytes: Final = (
            FRAME_HEADER_BYTES if integrity is None else integrity.header_bytes
        )

    def __repr__(self) -> str:
        """Name the algorithms."""
        mac = "" if self._integrity is None else " MD5"
        return f"<CfbProtection {self._cipher.algorithm}{mac}>"

    def raw_cipher(self) -> CfbCipher:
        """The cipher for the bytes of one file, at the start of its keystreams."""
        return self._cipher.for_message()

    def start(self, sent_digest: bytes, received_digest: bytes) -> None:
        """Begin; the digests do not matter here."""

    def seal(self, end: int, content: bytes, /) -> tuple[bytes, ...]:
        """Return the whole frame that carries ``content``, in pieces to send."""
        body = self._cipher.encrypt(content)
        if end:
            self._cipher.end_sending()
        if self._integrity is not None:
            return self._integrity.seal(end, body)
        return _HEADER.pack(end, len(body)), body

    def open(self, header: bytes, body: bytes, /) -> bytes:
        """Return the content of a frame.

        Raises:
            MalformedMessage: If there is a MAC and it does not fit.
        """
        if self._integrity is not None:
            body = self._integrity.open(header, body)
        content = self._cipher.decrypt(body)
        if header[0]:
            self._cipher.end_receiving()
        return content
