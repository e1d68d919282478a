r"""ClassAd literals in their wire form: text to value and back.

Four of five attribute values on the wire are one literal. They are read here,
without the ClassAd library and in bounded time whatever their length. Everything
else is :data:`NOT_LITERAL` and belongs to ``condor_twisted.classad.expressions``.

The rules are those of the *old* syntax, the one that travels: only ``\"`` is an
escape, any other backslash is itself; integers are decimal even with leading zeros.

Source: ``src/classad/lexer.cpp: tokenizeNumber, tokenizeStringOld``,
``src/condor_utils/classad_oldnew.cpp: getClassAdEx``, ``src/classad/sink.cpp``.
"""

from __future__ import annotations

import enum
import math
import re
from typing import Final, Literal, TypeAlias

from condor_twisted.errors import LocalProtocolError

__all__ = [
    "ERROR",
    "NOT_LITERAL",
    "UNDEFINED",
    "Exceptional",
    "LiteralValue",
    "NotLiteral",
    "decode_string",
    "encode_text",
    "format_literal",
    "parse_literal",
    "scan_quoted",
    "wrap_integer",
]


class Exceptional(enum.Enum):
    """The two values of the language that stand for the lack of one."""

    UNDEFINED = "undefined"
    ERROR = "error"


class NotLiteral(enum.Enum):
    """The answer for a text that is not one single literal."""

    NOT_LITERAL = "not a literal"


UNDEFINED: Final = Exceptional.UNDEFINED
ERROR: Final = Exceptional.ERROR
NOT_LITERAL: Final = NotLiteral.NOT_LITERAL

LiteralValue: TypeAlias = bool | int | float | str | Exceptional

#: At most this many characters of a number are looked at.
MAX_NUMBER_CHARACTERS: Final = 400
#: HTCondor's quick reader takes integers of up to this many characters; they wrap.
_WRAPPING_CHARACTERS: Final = 28
_BLANKS: Final = b" \t\n\v\f\r"
_BACKSLASH: Final = 0x5C
_NEWLINE: Final = 0x0A

_INT64_MIN: Final = -(1 << 63)
_INT64_MAX: Final = (1 << 63) - 1

_INTEGER = re.compile(rb"-?[0-9]+")
_REAL = re.compile(rb"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_REAL_CALL = re.compile(rb'real\( *"(-?INF|NaN)" *\)', re.IGNORECASE)

_WORDS: Final[dict[bytes, bool | Exceptional]] = {
    b"true": True,
    b"false": False,
    b"undefined": UNDEFINED,
    b"error": ERROR,
}


def decode_string(content: bytes) -> str:
    """Text of wire bytes; bytes that are not UTF-8 survive the way back."""
    return content.decode("utf-8", "surrogateescape")


def encode_text(text: str) -> bytes:
    """Wire bytes of a text; the inverse of :func:`decode_string`."""
    return text.encode("utf-8", "surrogateescape")


def wrap_integer(value: int) -> int:
    """The 64 bit two's complement integer that C arithmetic would leave."""
    if _INT64_MIN <= value <= _INT64_MAX:
        return value
    return ((value + (1 << 63)) & ((1 << 64) - 1)) - (1 << 63)


def parse_literal(text: bytes) -> LiteralValue | Literal[NotLiteral.NOT_LITERAL]:
    r"""Read one literal in old ClassAd syntax.

    Trailing blanks are ignored. An integer beyond 64 bits wraps as in HTCondor, one
    of more than 28 digits is the nearest 64 bit integer. A string that ends in
    a backslash is read only where its quote is the last character or a newline
    follows. ``real("INF")``, ``real("-INF")`` and ``real("NaN")``, HTCondor's way of
    writing these reals, are literals here as well.

    Args:
        text: The right-hand side of an attribute line, without leading blanks.

    Returns:
        ``bool``, ``int``, ``float``, ``str``, :data:`UNDEFINED`, :data:`ERROR`, or
        :data:`NOT_LITERAL` when the text is anything else, however broken.
    """
    if text.isdigit() and len(text) <= 18:
        return int(text)
    first = text[:1]
    if first == b'"':
        return _parse_string(text)
    if first.isalpha():
        return _parse_word(text)
    if first == b"-" or first == b"." or first.isdigit():
        return _parse_number(text)
    return NOT_LITERAL


def _parse_word(text: bytes) -> LiteralValue | Literal[NotLiteral.NOT_LITERAL]:
    """``true``, ``false``, ``undefined``, ``error``, ``real("INF")``."""
    if len(text) > MAX_NUMBER_CHARACTERS:
        return NOT_LITERAL
    word = text.rstrip(_BLANKS)
    value = _WORDS.get(word.lower())
    if value is not None:
        return value
    call = _REAL_CALL.fullmatch(word)
    return float(call[1]) if call is not None else NOT_LITERAL


def scan_quoted(text: bytes, start: int) -> tuple[bytes, int] | None:
    r"""Read a quoted text; linear in its length.

    A quote behind a backslash is part of the text and swallows the backslash, unless
    nothing or a newline follows it: then it is the end, and the backslash stays.

    Args:
        text: The text in which the quoted one stands.
        start: Where its opening quote is, ``"`` or ``'``.

    Returns:
        The content and where the text goes on; ``None`` if it never ends.

    Source: ``src/classad/lexer.cpp: Lexer::tokenizeStringOld``.
    """
    quote = text[start : start + 1]
    last = len(text) - 1
    start += 1
    end = text.find(quote, start)
    if end == last and end >= 0:
        return text[start:end], end + 1
    parts: list[bytes] = []
    while end >= 0:
        escaped = end > start and text[end - 1] == _BACKSLASH
        if not escaped or end == last or text[end + 1] == _NEWLINE:
            parts.append(text[start:end])
            return b"".join(parts), end + 1
        parts.append(text[start : end - 1])
        parts.append(quote)
        start = end + 1
        end = text.find(quote, start)
    return None


def _parse_string(text: bytes) -> str | Literal[NotLiteral.NOT_LITERAL]:
    """A quoted string with nothing but blanks behind it."""
    scanned = scan_quoted(text, 0)
    if scanned is None or text[scanned[1] :].strip(_BLANKS):
        return NOT_LITERAL
    return decode_string(scanned[0])


def _parse_number(text: bytes) -> int | float | Literal[NotLiteral.NOT_LITERAL]:
    """An integer or a real, with an optional minus directly before it."""
    text = text.rstrip(_BLANKS)
    if len(text) <= MAX_NUMBER_CHARACTERS and _INTEGER.fullmatch(text) is None:
        return NOT_LITERAL if _REAL.fullmatch(text) is None else float(text)
    negative = text.startswith(b"-")
    digits = text[1:] if negative else text
    if not digits.isdigit():
        return NOT_LITERAL
    digits = digits.lstrip(b"0")
    if len(digits) > _WRAPPING_CHARACTERS:
        return _INT64_MIN if negative else _INT64_MAX
    value = int(digits or b"0")
    return wrap_integer(-value if negative else value)


def format_literal(value: LiteralValue) -> bytes:
    """Write one literal as HTCondor writes it on the wire.

    Args:
        value: An integer must fit 64 bits; a string holds no NUL.

    Raises:
        LocalProtocolError: The value has no wire form.

    Source: ``src/classad/sink.cpp: ClassAdUnParser::Unparse, UnparseReal``.
    """
    if isinstance(value, str):
        content = encode_text(value)
        if b"\0" in content:
            raise LocalProtocolError("a ClassAd string cannot hold a NUL")
        return b'"' + content.replace(b'"', b'\\"') + b'"'
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int):
        if not _INT64_MIN <= value <= _INT64_MAX:
            raise LocalProtocolError("a ClassAd integer has 64 bits")
        return b"%d" % value
    if isinstance(value, float):
        return _format_real(value)
    return value.value.encode("ascii")


def _format_real(value: float) -> bytes:
    """``%.16G``, and always recognizable as a real."""
    if math.isnan(value):
        return b'real("NaN")'
    if math.isinf(value):
        return b'real("INF")' if value > 0 else b'real("-INF")'
    if value == 0.0:
        return b"%.1f" % value
    text = b"%.16G" % value
    if b"." not in text and b"E" not in text:
        text += b".0"
    return text
