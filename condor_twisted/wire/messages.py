"""The typed codec: items in a message, one behind the other.

Nothing on the wire says what an item is: both ends know the order. A message is
whole before it is read, so a reader never waits; where the message ends is known,
so a reader never reads beyond.

Layout:
    ================ ==============================================================
    item             bytes
    ================ ==============================================================
    char             1
    any integer      8, big-endian, two's complement
    double           two integers, a fraction of 31 bits and a binary exponent
    string, clear    its bytes and one NUL
    string, prefixed an integer that counts bytes and NUL, then both; this form is
                     used throughout on an encrypted stream
    NULL string      the byte 0xAD and nothing else (prefixed: length 1, then 0xAD)
    bytes            themselves; both ends know how many
    secret           a string; where a key is at hand but the stream is not encrypted,
                     the prefixed form, and that encrypted
    ================ ==============================================================

Source: ``src/condor_io/stream.cpp: Stream::put, Stream::get, put_secret, get_secret``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Final, Protocol

from condor_twisted.errors import (
    LimitExceeded,
    LocalProtocolError,
    MalformedMessage,
    TrailingData,
)
from condor_twisted.wire.encoded_ads import (
    MAX_ATTRIBUTES,
    MAX_PREFIXED_STRING_BYTES,
    NULL_STRING,
    PREFIXED_TYPE_SLOTS,
    SECRET_MARKER,
    EncodedAd,
    check_prefixed_text,
    cut_prefixed,
    decode_prefixed_ad,
    encode_prefixed,
    encode_prefixed_string,
    read_clear_string,
    read_prefixed_string,
    split_clear_ad,
)

__all__ = [
    "MAX_ATTRIBUTES",
    "PREFIXED_TYPE_SLOTS",
    "EncodedAd",
    "MessageReader",
    "MessageWriter",
    "SecretCipher",
    "cut_prefixed",
    "decode_prefixed_ad",
    "encode_prefixed",
    "narrow_signed",
    "split_clear_ad",
]

_INT: Final = struct.Struct(">q")
_UINT: Final = struct.Struct(">Q")
_TWO_INTS: Final = struct.Struct(">qq")
# The largest value of a 31-bit fraction, FRAC_CONST in the C++ source.
_FRACTION_SCALE: Final = 2147483647.0
_NOT_FINITE: Final = (-2147483648, 0)


class SecretCipher(Protocol):
    """Encrypts single strings of one message on a stream that is otherwise clear.

    The keystream runs on from call to call, and starts afresh with every message:
    each message needs its own.
    """

    def encrypt(self, data: bytes, /) -> bytes:
        """Return the ciphertext, as long as ``data``."""
        ...

    def decrypt(self, data: bytes, /) -> bytes:
        """Return the plaintext, as long as ``data``."""
        ...


def narrow_signed(value: int, bits: int) -> int:
    """Cut an integer to ``bits`` bits as a C cast does.

    Source: ``src/condor_io/stream.cpp: Stream::get(int &)`` and its sisters.
    """
    half = 1 << (bits - 1)
    return (value + half) % (2 * half) - half


class MessageWriter:
    """Collects the items of one message.

    Args:
        encrypted: Whether the stream's crypto mode is on: strings get a length.
        secrets: Encrypts the secrets of this message while the mode is off.
    """

    __slots__ = ("_encrypted", "_parts", "_secrets")

    def __init__(
        self, encrypted: bool = False, secrets: SecretCipher | None = None
    ) -> None:
        self._encrypted = encrypted
        self._secrets = None if encrypted else secrets
        self._parts: list[bytes] = []

    @property
    def hides_secrets(self) -> bool:
        """Whether what is put as a secret is encrypted."""
        return self._encrypted or self._secrets is not None

    def put_char(self, value: int) -> None:
        """Append one byte, 0 to 255."""
        if not 0 <= value <= 255:
            raise LocalProtocolError(f"{value} is not a char (0 to 255)")
        self._parts.append(bytes((value,)))

    def put_int(self, value: int) -> None:
        """Append a signed integer of any C width."""
        try:
            self._parts.append(_INT.pack(value))
        except struct.error:
            raise LocalProtocolError(f"{value!r} is no signed 64-bit integer") from None

    def put_uint(self, value: int) -> None:
        """Append an unsigned integer of any C width."""
        try:
            self._parts.append(_UINT.pack(value))
        except struct.error:
            raise LocalProtocolError(
                f"{value!r} is no unsigned 64-bit integer"
            ) from None

    def put_double(self, value: float) -> None:
        """Append a double; about 31 bits of its fraction survive.

        Kept for compatibility: what is not finite arrives as about -1.0, as from
        HTCondor.

        Source: ``src/condor_io/stream.cpp: Stream::put(double)``.
        """
        if math.isfinite(value):
            fraction, exponent = math.frexp(value)
            self._parts.append(
                _TWO_INTS.pack(int(fraction * _FRACTION_SCALE), exponent)
            )
        else:
            self._parts.append(_TWO_INTS.pack(*_NOT_FINITE))

    def put_string(self, value: str | bytes) -> None:
        """Append a string that holds no NUL."""
        text = _encoded(value)
        self._parts.append(
            encode_prefixed_string(text) if self._encrypted else text + b"\0"
        )

    def put_nullstr(self, value: str | bytes | None) -> None:
        """Append a string, or the sign for NULL.

        Source: ``src/condor_io/stream.cpp: Stream::put_nullstr``.
        """
        if value is not None:
            self.put_string(value)
            return
        if self._encrypted:
            self.put_int(1)
        self._parts.append(NULL_STRING)

    def put_bytes(self, data: bytes) -> None:
        """Append bytes as they are; the peer must know how many."""
        self._parts.append(data)

    def put_secret(self, value: str | bytes) -> None:
        """Append a string that is encrypted wherever a key is at hand.

        Source: ``src/condor_io/stream.cpp: Stream::put_secret``.
        """
        if self._secrets is None:
            self.put_string(value)
        else:
            prefixed = encode_prefixed_string(_encoded(value))
            self._parts.append(self._secrets.encrypt(prefixed))

    def put_ad(self, body: bytes, secret_lines: Iterable[bytes] = ()) -> None:
        """Append an ad.

        Args:
            body: Attribute lines, ``line NUL line NUL ...``.
            secret_lines: Lines to send as secrets. They get a ``ZKM`` marker where
                that hides them, and are ordinary lines otherwise.

        Raises:
            LocalProtocolError: If the last line of ``body`` has no NUL.

        Source: ``src/condor_utils/classad_oldnew.cpp: _putClassAd``.
        """
        if body and not body.endswith(b"\0"):
            raise LocalProtocolError("the last line of an ad does not end in NUL")
        secret_lines = tuple(secret_lines)
        self.put_int(body.count(0) + len(secret_lines))
        self._parts.append(encode_prefixed(body) if self._encrypted else body)
        for line in secret_lines:
            if self._secrets is not None:
                self.put_string(SECRET_MARKER)
            self.put_secret(line)
        self.put_string(b"")
        self.put_string(b"")

    def end_of_message(self) -> bytes:
        """Return the message.

        Raises:
            LocalProtocolError: If nothing was put: no message is empty.
        """
        payload = b"".join(self._parts)
        if not payload:
            raise LocalProtocolError("a message without any item cannot be sent")
        self._parts = [payload]
        return payload


class MessageReader:
    """Takes the items of one message, in order.

    Args:
        payload: The whole message.
        offset: Where to begin in it.
        encrypted: Whether the stream's crypto mode is on: strings have a length.
        secrets: Decrypts the secrets of this message while the mode is off.

    Every ``get_...`` raises ``MalformedMessage`` where the message ends too early or
    makes no sense, ``LimitExceeded`` where a number is beyond its limit, and nothing
    else that a peer could cause.
    """

    __slots__ = ("_encrypted", "_payload", "_position", "_secrets")

    def __init__(
        self,
        payload: bytes,
        offset: int = 0,
        *,
        encrypted: bool = False,
        secrets: SecretCipher | None = None,
    ) -> None:
        if not 0 <= offset <= len(payload):
            raise LocalProtocolError(f"offset {offset} is not in the message")
        self._payload = payload
        self._position = offset
        self._encrypted = encrypted
        self._secrets = None if encrypted else secrets

    @property
    def position(self) -> int:
        """The offset of the next item."""
        return self._position

    @property
    def remaining(self) -> int:
        """How many bytes are unread."""
        return len(self._payload) - self._position

    def at_end(self) -> bool:
        """Tell whether all was read: so optional items are recognized."""
        return self._position == len(self._payload)

    def end_of_message(self) -> None:
        """Confirm that all was read.

        Raises:
            TrailingData: If bytes are left.
        """
        if self._position != len(self._payload):
            raise TrailingData(self.remaining)

    def get_char(self) -> int:
        """Return the next byte, 0 to 255."""
        return self.get_bytes(1)[0]

    def get_int(self) -> int:
        """Return a signed integer in its full 64 bits."""
        try:
            (value,) = _INT.unpack_from(self._payload, self._position)
        except struct.error:
            raise MalformedMessage("the message ends inside an integer") from None
        self._position += 8
        return int(value)

    def get_int32(self) -> int:
        """Return an integer as a C ``int`` receives it: the lower 32 bits."""
        return narrow_signed(self.get_int(), 32)

    def get_uint(self) -> int:
        """Return an unsigned integer in its full 64 bits."""
        return self.get_int() & 0xFFFFFFFFFFFFFFFF

    def get_double(self) -> float:
        """Return a double, with the about 31 bits that were sent.

        Source: ``src/condor_io/stream.cpp: Stream::get(double &)``.
        """
        fraction = self.get_int32() / _FRACTION_SCALE
        exponent = self.get_int32()
        try:
            return math.ldexp(fraction, exponent)
        except OverflowError:
            return math.copysign(math.inf, fraction)

    def get_string(self) -> str:
        """Return a string; bytes that are no UTF-8 become lone surrogates."""
        return self.get_string_bytes().decode("utf-8", "surrogateescape")

    def get_string_bytes(self) -> bytes:
        """Return a string as its bytes; NULL is empty."""
        return self._get_text() or b""

    def get_nullstr(self) -> str | None:
        """Return a string, or ``None`` for NULL."""
        text = self._get_text()
        return None if text is None else text.decode("utf-8", "surrogateescape")

    def get_bytes(self, count_bytes: int) -> bytes:
        """Return the next ``count_bytes`` bytes as they are."""
        end = self._position + count_bytes
        if count_bytes < 0:
            raise LimitExceeded("bytes to take", self.remaining, count_bytes)
        if end > len(self._payload):
            raise MalformedMessage(
                f"{count_bytes} bytes wanted, {self.remaining} are in the message"
            )
        data = self._payload[self._position : end]
        self._position = end
        return data

    def get_secret(self) -> str:
        """Return a string that was sent as a secret.

        Source: ``src/condor_io/stream.cpp: Stream::get_secret``.
        """
        if self._secrets is None:
            return self.get_string()
        text, self._position = self._read_secret(self._position)
        return text.decode("utf-8", "surrogateescape")

    def get_ad(self, max_attributes: int = MAX_ATTRIBUTES) -> EncodedAd:
        """Return an ad in clear form; its type strings are read and dropped.

        Args:
            max_attributes: The most attributes it may have.
        """
        if self._encrypted:
            ad, self._position = decode_prefixed_ad(
                self._payload, self._position, max_attributes
            )
        else:
            ad, self._position = split_clear_ad(
                self._payload,
                self._position,
                max_attributes,
                read_secret=None if self._secrets is None else self._read_secret,
            )
        return ad

    def _get_text(self) -> bytes | None:
        read = read_prefixed_string if self._encrypted else read_clear_string
        text, self._position = read(self._payload, self._position)
        return text

    def _read_secret(self, offset: int) -> tuple[bytes, int]:
        """Decrypt one prefixed string of a message that is otherwise clear."""
        assert self._secrets is not None, "only with a key are secrets special"
        start = offset + 8
        if start > len(self._payload):
            raise MalformedMessage("the message ends inside the length of a secret")
        (length,) = _INT.unpack(self._secrets.decrypt(self._payload[offset:start]))
        if not 1 <= length <= MAX_PREFIXED_STRING_BYTES:
            raise LimitExceeded("bytes of a secret", MAX_PREFIXED_STRING_BYTES, length)
        end = start + length
        if end > len(self._payload):
            raise MalformedMessage("the message ends inside a secret")
        text = check_prefixed_text(self._secrets.decrypt(self._payload[start:end]))
        return text or b"", end


def _encoded(value: str | bytes) -> bytes:
    """Return a string's bytes, which must hold no NUL."""
    if isinstance(value, str):
        try:
            value = value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise LocalProtocolError("a string holds a lone surrogate") from None
    if 0 in value:
        raise LocalProtocolError("a string with a NUL inside cannot be sent")
    return value
