"""ClassAds on the wire: their layout, and nothing of their language.

An ad is a count, that many attribute lines, and two type strings that every reader
ignores. ``MessageReader.get_ad`` and ``MessageWriter.put_ad`` are the usual doors;
this module does their work.

An update of 180 attributes is the most frequent thing a collector reads, so each
form has two readers. The quick one cuts the message with a few calls that run in C
and then proves that the cut is right; the exact one walks string by string. The
quick one answers ``None`` at the slightest doubt (a secret, an odd line, a line that
is not plainly ``Name = value``) and the exact one decides. Both give the same ad.

Layout:
    ===== ==================== ===================================================
    times item                 meaning
    ===== ==================== ===================================================
    1     int                  ``count``, the number of attributes
    count string               ``Name = expression``; or the string ``ZKM`` and then
                               one secret that holds such a line
    2     string               old type slots; sent empty, read and ignored
    ===== ==================== ===================================================

    A clear string is its bytes and one NUL. On an encrypted stream an 8-byte length,
    which counts the NUL, comes first.

Source: ``src/condor_utils/classad_oldnew.cpp: getClassAd, putClassAd``;
``src/condor_utils/compat_classad.cpp: SplitLongFormAttrValue``;
``src/condor_io/stream.cpp: get_string_ptr, put``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from condor_twisted.errors import LimitExceeded, LocalProtocolError, MalformedMessage

__all__ = [
    "MAX_ATTRIBUTES",
    "MAX_LINE_BYTES",
    "MAX_NAME_BYTES",
    "MAX_PREFIXED_STRING_BYTES",
    "NULL_STRING",
    "PREFIXED_TYPE_SLOTS",
    "SECRET_MARKER",
    "EncodedAd",
    "check_attribute_line",
    "check_prefixed_text",
    "cut_prefixed",
    "decode_prefixed_ad",
    "encode_prefixed",
    "encode_prefixed_string",
    "read_clear_string",
    "read_prefixed_string",
    "split_clear_ad",
]

MAX_ATTRIBUTES: Final = 100_000
"""Most attributes in one ad."""

MAX_LINE_BYTES: Final = 1 << 20
"""Longest attribute line, name and value together."""

MAX_NAME_BYTES: Final = 4096
"""Most bytes of a line in front of its first ``=``."""

MAX_PREFIXED_STRING_BYTES: Final = 10_000_000
"""Longest string of an encrypted stream, its NUL included."""

NULL_STRING: Final = b"\xad"
"""The byte that stands for a NULL ``char *``. The C source writes octal ``\\255``."""

PREFIXED_TYPE_SLOTS: Final = b"\0\0\0\0\0\0\0\1\0" * 2
"""The empty type strings behind an ad, as an encrypted stream carries them."""

SECRET_MARKER: Final = b"ZKM"
"""The string in front of an attribute that is sent as a secret."""

_SPACE: Final = b" \t\n\v\f\r"
_INT: Final = struct.Struct(">q")
_TYPE_SLOTS: Final = b"\0\0"
_SEVEN_NULS: Final = bytes(7)
# The end of a line, two empty type strings and the high bytes of a count.
_END_BEFORE_COUNT: Final = bytes(9)
_END_BEFORE_PREFIXED_SLOTS: Final = b"\0" + PREFIXED_TYPE_SLOTS
# The quick readers look at no more of a message than this, so that a message of many
# ads takes time in proportion to its length.
_SHORT_MESSAGE_BYTES: Final = 16_384
_WINDOW_BYTES: Final = 262_144
_TAIL_BYTES: Final = 2048

# What names begin with and values end in, as a rule, and what divides them.
_LANDMARKS: Final = b'ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")]}e=\0'
_ALL_BUT_LANDMARKS: Final = bytes(c for c in range(256) if c not in _LANDMARKS)
_ALL_BUT_EQUALS_AND_NUL: Final = bytes(c for c in range(256) if c not in b"=\0")

# Prefixes by length. Lines beyond the tables take the exact path.
_TABLE_SIZE: Final = 8192
_NUL_AND_PREFIXES: Final = [
    b"\0" + _INT.pack(length + 1) for length in range(_TABLE_SIZE)
]
# By the length of a part as ``cut_prefixed`` gets it: 2 length bytes and the text.
_SHORT_PREFIXES: Final = [b"\0\0"] * 2 + [
    (length - 1).to_bytes(2, "big") for length in range(2, _TABLE_SIZE)
]

_ReadSecret = Callable[[int], tuple[bytes, int]]


@dataclass(frozen=True, slots=True)
class EncodedAd:
    """One ad on its way: the lines as they travel, not yet parsed.

    Args:
        count: The number of attributes, secret ones included.
        body: ``line NUL line NUL ...``, always in clear form.
        secret_lines: The lines that came, or shall go, behind a ``ZKM`` marker.
    """

    count: int
    body: bytes
    secret_lines: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        """Say how much there is, but nothing of it."""
        return (
            f"<EncodedAd of {self.count} attributes, {len(self.body)} bytes, "
            f"{len(self.secret_lines)} secret>"
        )


def check_attribute_line(line: bytes, *, secret: bool = False) -> None:
    """Refuse a line that is not ``name = value`` with both sides present.

    Args:
        line: One attribute line without its NUL.
        secret: Whether the line came as a secret.

    Raises:
        MalformedMessage: If there is no ``=``, no name or no value.
        LimitExceeded: If the line or its name is too long.

    Source: ``src/condor_utils/compat_classad.cpp: SplitLongFormAttrValue``.
    """
    if len(line) > MAX_LINE_BYTES:
        raise LimitExceeded("bytes of an attribute line", MAX_LINE_BYTES, len(line))
    name, equals, value = line.partition(b"=")
    if len(name) > MAX_NAME_BYTES:
        raise LimitExceeded("bytes of an attribute name", MAX_NAME_BYTES, len(name))
    if not equals:
        problem = "has no '='"
    elif not name.strip(_SPACE):
        problem = "has no name"
    elif not value.lstrip(b" "):
        problem = "has no value"
    else:
        return
    # A damaged line may well be a private one: its text goes into no error.
    kind = "a secret's line" if secret else "an attribute line"
    raise MalformedMessage(f"{kind} of {len(line)} bytes {problem}")


def read_clear_string(payload: bytes, offset: int) -> tuple[bytes | None, int]:
    """Read one string of a stream that is not encrypted.

    Args:
        payload: One whole message.
        offset: Where the string begins.

    Returns:
        The string without its NUL, and the offset behind it. ``None`` stands for
        a NULL pointer: one byte 0xAD, whatever follows.

    Raises:
        MalformedMessage: If no NUL ends the string within the message.

    Source: ``src/condor_io/stream.cpp: Stream::get_string_ptr``.
    """
    if payload.startswith(NULL_STRING, offset):
        return None, offset + 1
    end = payload.find(0, offset)
    if end < 0:
        raise MalformedMessage("the message ends inside a string")
    return payload[offset:end], end + 1


def read_prefixed_string(payload: bytes, offset: int) -> tuple[bytes | None, int]:
    """Read one string of an encrypted stream.

    Args:
        payload: One whole message, decrypted.
        offset: Where the length in front of the string begins.

    Returns:
        The string without its NUL, and the offset behind it; ``None`` for NULL.

    Raises:
        MalformedMessage: If the message ends before the string does, or the string
            does not end in its only NUL.
        LimitExceeded: If the length is below 1 or above 10,000,000.

    Source: ``src/condor_io/stream.cpp: Stream::get_string_ptr``.
    """
    start = offset + 8
    if start > len(payload):
        raise MalformedMessage("the message ends inside the length of a string")
    (length,) = _INT.unpack_from(payload, offset)
    if not 1 <= length <= MAX_PREFIXED_STRING_BYTES:
        raise LimitExceeded("bytes of a string", MAX_PREFIXED_STRING_BYTES, length)
    end = start + length
    if end > len(payload):
        raise MalformedMessage(
            f"a string of {length} bytes in the last {len(payload) - start}"
        )
    return check_prefixed_text(payload[start:end]), end


def check_prefixed_text(text: bytes) -> bytes | None:
    """Return the string that the bytes behind a length hold.

    Differs from HTCondor, which takes the bytes for a C string as they are: what has
    a NUL inside or none at the end is refused.
    """
    if text == NULL_STRING:
        return None
    if text.find(0) != len(text) - 1:
        raise MalformedMessage("a string does not end in its only NUL")
    return None if text.startswith(NULL_STRING) else text[:-1]


def encode_prefixed_string(text: bytes) -> bytes:
    """Return a string as an encrypted stream carries it: length, bytes, NUL."""
    return _INT.pack(len(text) + 1) + text + b"\0"


def encode_prefixed(body: bytes) -> bytes:
    """Turn the clear form of attribute lines into the form of an encrypted stream.

    Args:
        body: ``line NUL line NUL ...``.

    Returns:
        ``length line NUL length line NUL ...``.

    Raises:
        LocalProtocolError: If the last line has no NUL.
    """
    if not body:
        return b""
    lines = body.split(b"\0")
    if lines.pop():
        raise LocalProtocolError("the last line of an ad does not end in NUL")
    pieces = [b""] * (2 * len(lines))
    pieces[1::2] = lines
    try:
        pieces[::2] = map(_NUL_AND_PREFIXES.__getitem__, map(len, lines))
    except IndexError:
        return b"".join(map(encode_prefixed_string, lines))
    pieces.append(b"\0")
    return b"".join(pieces)[1:]


def split_clear_ad(
    payload: bytes,
    offset: int = 0,
    max_attributes: int = MAX_ATTRIBUTES,
    *,
    read_secret: _ReadSecret | None = None,
) -> tuple[EncodedAd, int]:
    """Cut one ad out of a message that is not encrypted.

    Args:
        payload: One whole message.
        offset: Where the ad's count begins.
        max_attributes: The most attributes this ad may have.
        read_secret: Reads the secret at an offset and returns it with the offset
            behind it. Without it a secret is a clear string.

    Returns:
        The ad, and the offset behind its type strings.

    Raises:
        MalformedMessage: If this is no ad.
        LimitExceeded: If the count or a line is outside its limits.
    """
    count = _read_count(payload, offset, max_attributes)
    start = offset + 8
    body = _cut_clear_from_end(payload, start, count)
    if body is None or not _lines_are_plain(body, count):
        body = _cut_clear_from_front(payload, start)
    if body is not None and _lines_are_plain(body, count):
        return EncodedAd(count, body), start + len(body) + len(_TYPE_SLOTS)
    if read_secret is None:
        read_secret = _secret_reader(payload, read_clear_string)
    return _read_exactly(payload, start, count, read_clear_string, read_secret)


def decode_prefixed_ad(
    payload: bytes, offset: int = 0, max_attributes: int = MAX_ATTRIBUTES
) -> tuple[EncodedAd, int]:
    """Cut one ad out of a decrypted message, and bring it into clear form.

    Args:
        payload: One whole message, decrypted.
        offset: Where the ad's count begins.
        max_attributes: The most attributes this ad may have.

    Returns:
        The ad, and the offset behind its type strings.

    Raises:
        MalformedMessage: If this is no ad.
        LimitExceeded: If the count, a length or a line is outside its limits.
    """
    count = _read_count(payload, offset, max_attributes)
    start = offset + 8
    body = cut_prefixed(payload, start, count)
    if body is not None and _lines_are_plain(body, count):
        end = start + len(body) + 8 * count + len(PREFIXED_TYPE_SLOTS)
        return EncodedAd(count, body), end
    read_secret = _secret_reader(payload, read_prefixed_string)
    return _read_exactly(payload, start, count, read_prefixed_string, read_secret)


def _read_count(payload: bytes, offset: int, max_attributes: int) -> int:
    """Read the number of attributes and check it before anything uses it."""
    if offset + 8 > len(payload):
        raise MalformedMessage("the message ends inside the count of an ad")
    count: int = _INT.unpack_from(payload, offset)[0]
    if not 0 <= count <= max_attributes:
        raise LimitExceeded("attributes in an ad", max_attributes, count)
    return count


def _cut_clear_from_end(payload: bytes, start: int, count: int) -> bytes | None:
    """Return what may be the first ``count`` strings of an update, found cheaply.

    No line is empty, so three NULs in a row can only be the end of the last line and
    the two type strings. An update ends in them; where a second, short ad follows,
    the end of the first is in front of that one's count. Whether the cut holds
    ``count`` lines is for the caller to see: then no other cut does.
    """
    if not count:
        return b"" if payload.startswith(_TYPE_SLOTS, start) else None
    size = len(payload)
    if size - start > _SHORT_MESSAGE_BYTES or not payload.endswith(b"\0\0\0"):
        return None
    end = payload.rfind(_END_BEFORE_COUNT, max(start, size - _TAIL_BYTES))
    if end <= start:
        return payload[start:-2]
    end -= not payload[end - 1]  # a count below 256 gives one more NUL
    return payload[start : end + 1]


def _cut_clear_from_front(payload: bytes, start: int) -> bytes | None:
    """Return the strings in front of the first two empty ones."""
    end = payload.find(b"\0\0\0", start, start + _WINDOW_BYTES)
    return payload[start : end + 1] if end >= 0 else None


def cut_prefixed(payload: bytes, start: int, count: int) -> bytes | None:
    """Return the first ``count`` strings in clear form, if each length is right.

    Args:
        payload: One whole message, decrypted.
        start: Where the first string's length begins.
        count: The number of strings in front of the type strings.

    Returns:
        The strings, each with its NUL; ``None`` where the exact reader has to look.
        What is in a string is for the caller to see: ``count`` NULs, so that none is
        inside of one, and lines.

    The NUL of one string and the length of the next make seven NULs in a row as long
    as no length exceeds 65,535. What is between two such rows is the lower half of a
    length and a text.
    """
    if not count:
        return b"" if payload.startswith(PREFIXED_TYPE_SLOTS, start) else None
    first = start + 6
    end = payload.find(_END_BEFORE_PREFIXED_SLOTS, first, start + _WINDOW_BYTES)
    if end < 0 or payload[start:first] != _SEVEN_NULS[1:]:
        return None
    parts = payload[first:end].split(_SEVEN_NULS)
    if len(parts) != count:
        return None
    try:
        prefixes = map(_SHORT_PREFIXES.__getitem__, map(len, parts))
        texts = list(map(bytes.removeprefix, parts, prefixes))
    except IndexError:
        return None
    body = b"\0".join(texts) + b"\0"
    # A prefix that was not there was not removed either: then the sum is wrong.
    return body if len(body) == end - first - 8 * count + 7 else None


def _lines_are_plain(body: bytes, count: int) -> bool:
    """Tell whether this is beyond doubt ``count`` lines of name, ``=`` and value.

    ``False`` means doubt, not a fault: the exact reader decides.
    """
    if not count:
        return not body
    assert len(body) < MAX_LINE_BYTES, "no line of a cut can be too long"
    landmarks = body.translate(None, _ALL_BUT_LANDMARKS)
    # Only "=" and NUL remain: a line without "=" would leave an empty section.
    skeleton = landmarks.translate(None, _ALL_BUT_EQUALS_AND_NUL)
    if (
        skeleton.count(0) != count
        or skeleton.startswith(b"\0")
        or b"\0\0" in skeleton
        or (
            _has_empty_side(landmarks) and _has_empty_side(body.translate(None, _SPACE))
        )
    ):
        return False
    # A line that begins with the NULL byte is no line.
    if 0xAD in body and (body.startswith(NULL_STRING) or b"\0\xad" in body):
        return False
    # An "=" in each stretch of this length: so no name is longer.
    position = 0
    while len(body) - position > MAX_NAME_BYTES:
        position = body.rfind(61, position, position + MAX_NAME_BYTES) + 1
        if not position:
            return False
    return True


def _has_empty_side(lines: bytes) -> bool:
    """Tell whether a line begins with its first ``=``, or ends in an ``=``."""
    return lines.startswith(b"=") or b"\0=" in lines or b"=\0" in lines


def _secret_reader(
    payload: bytes, read_string: Callable[[bytes, int], tuple[bytes | None, int]]
) -> _ReadSecret:
    """Return a reader for secrets that travel like any other string."""

    def read(offset: int) -> tuple[bytes, int]:
        text, end = read_string(payload, offset)
        return text or b"", end

    return read


def _read_exactly(
    payload: bytes,
    start: int,
    count: int,
    read_string: Callable[[bytes, int], tuple[bytes | None, int]],
    read_secret: _ReadSecret,
) -> tuple[EncodedAd, int]:
    """Read an ad string by string."""
    lines: list[bytes] = []
    secret_lines: list[bytes] = []
    offset = start
    for _ in range(count):
        line, offset = read_string(payload, offset)
        if line == SECRET_MARKER:
            line, offset = read_secret(offset)
            check_attribute_line(line, secret=True)
            secret_lines.append(line)
        else:
            line = line or b""
            check_attribute_line(line)
            lines.append(line)
    for _ in range(2):
        _ignored, offset = read_string(payload, offset)
    lines.append(b"")
    return EncodedAd(count, b"\0".join(lines), tuple(secret_lines)), offset
