"""The little of CEDAR's wire that the driver speaks: codec, ads and packets.

It is independent of ``condor_twisted.wire`` on purpose: a driver that shared its
code with one of the two servers would share its mistakes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

__all__ = [
    "PACKET_BODY_BYTES",
    "count_ads",
    "encode_ad",
    "encode_int",
    "encode_string",
    "frame_message",
    "parse_ad",
    "split_messages",
]

PACKET_BODY_BYTES = 4091
"""How much of a message real daemons put into one packet (4096 with its header)."""

_HEADER = struct.Struct(">BI")
_INT = struct.Struct(">q")


def encode_int(value: int) -> bytes:
    """Encode any integer as CEDAR does: eight bytes, big-endian."""
    return _INT.pack(value)


def encode_string(text: bytes, *, encrypted: bool = False) -> bytes:
    """Encode a string; on an encrypted stream its length goes before it."""
    if encrypted:
        return _INT.pack(len(text) + 1) + text + b"\0"
    return text + b"\0"


def encode_ad(
    lines: Sequence[bytes],
    secret_lines: Sequence[bytes] = (),
    *,
    encrypted: bool = False,
) -> bytes:
    """Encode an ad from its ``Name = expression`` lines.

    Layout:
        int count, count strings, two empty strings. A secret line follows the
        marker ``ZKM`` on a clear stream and is an ordinary string on an encrypted one.

    Args:
        lines: the public attributes.
        secret_lines: the private attributes.
        encrypted: whether the stream it goes to is encrypted.
    """
    strings = list(lines)
    for line in secret_lines:
        if not encrypted:
            strings.append(b"ZKM")
        strings.append(line)
    strings += [b"", b""]
    count = len(lines) + len(secret_lines)
    if encrypted:
        pack = _INT.pack
        return pack(count) + b"".join(
            [pack(len(text) + 1) + text + b"\0" for text in strings]
        )
    return _INT.pack(count) + b"\0".join(strings) + b"\0"


def frame_message(payload: bytes, body_bytes: int = PACKET_BODY_BYTES) -> bytes:
    """Cut a message into packets.

    Layout:
        Each packet is 1 byte end flag (1 on the last), 4 bytes length, the body.
    """
    size = len(payload)
    if size <= body_bytes:
        return _HEADER.pack(1, size) + payload
    parts = []
    for start in range(0, size, body_bytes):
        body = payload[start : start + body_bytes]
        parts.append(_HEADER.pack(start + body_bytes >= size, len(body)))
        parts.append(body)
    return b"".join(parts)


def split_messages(data: bytes) -> list[bytes]:
    """Join the packets of a whole clear stream into its messages.

    Raises:
        ValueError: if the stream ends inside a message.
    """
    messages = []
    parts: list[bytes] = []
    position = 0
    while position + _HEADER.size <= len(data):
        end, size = _HEADER.unpack_from(data, position)
        position += _HEADER.size
        parts.append(data[position : position + size])
        position += size
        if end:
            messages.append(b"".join(parts))
            parts = []
    if parts or position != len(data):
        raise ValueError(f"the stream ends inside a message, at byte {len(data)}")
    return messages


def parse_ad(
    payload: bytes, position: int = 0, *, encrypted: bool = False
) -> tuple[dict[str, str], int]:
    """Read one ad: its attributes by lower-case name, and where it ends.

    Raises:
        ValueError: if the payload ends inside the ad.
    """
    count = _INT.unpack_from(payload, position)[0]
    position += _INT.size
    attributes: dict[str, str] = {}
    for _ in range(count):
        line, position = _string_at(payload, position, encrypted=encrypted)
        if line == b"ZKM":
            line, position = _string_at(payload, position, encrypted=encrypted)
        name, _, value = line.partition(b"=")
        attributes[name.strip().decode().lower()] = value.strip().decode()
    for _ in range(2):
        _, position = _string_at(payload, position, encrypted=encrypted)
    return attributes, position


def count_ads(payload: bytes, *, encrypted: bool = False) -> int:
    """Count the ads of a whole query reply.

    Raises:
        ValueError: if the reply is cut off.
    """
    return sum(1 for _ in _ads_of_reply(payload, encrypted=encrypted))


def _ads_of_reply(payload: bytes, *, encrypted: bool) -> Iterator[int]:
    position = 0
    while True:
        if position + _INT.size > len(payload):
            raise ValueError("the reply ends without its final 0")
        more = _INT.unpack_from(payload, position)[0]
        position += _INT.size
        if not more:
            return
        _, position = parse_ad(payload, position, encrypted=encrypted)
        yield position


def _string_at(payload: bytes, position: int, *, encrypted: bool) -> tuple[bytes, int]:
    if encrypted:
        size = _INT.unpack_from(payload, position)[0]
        start = position + _INT.size
        return payload[start : start + size - 1], start + size
    end = payload.find(b"\0", position)
    if end < 0:
        raise ValueError("the payload ends inside a string")
    return payload[position:end], end + 1
