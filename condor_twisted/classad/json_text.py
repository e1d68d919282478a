r"""Attribute values as JSON, in the form that HTCondor writes and reads.

Literals become JSON values, lists arrays, records objects, undefined ``null``.
Whatever else there is, an expression, the value error, a real without a number, is
a string marked as what it is: ``"\/Expr(Cpus > 2)\/"``. The backslashes matter: by
them a reader tells an expression from a string that merely looks like one.

All of the text is ASCII; bytes of an ad that are not UTF-8 are written as lone
surrogates, so that nothing is lost.

Source: ``src/classad/jsonSink.cpp: ClassAdJsonUnParser``.
"""

from __future__ import annotations

import math
from json.encoder import encode_basestring_ascii as quoted
from typing import Final

from condor_twisted.classad.literals import (
    ERROR,
    NOT_LITERAL,
    UNDEFINED,
    LiteralValue,
    decode_string,
    format_literal,
    parse_literal,
)
from condor_twisted.classad.syntax import Token, quote_name, read_syntax
from condor_twisted.errors import ExpressionError

__all__ = ["json_of_expression", "json_of_literal", "json_of_name"]

#: Lists and records in longer texts are written as expressions.
_MAX_STRUCTURED_BYTES: Final = 1 << 13
#: And so are those inside more brackets than this.
_MAX_DEPTH: Final = 16

_OPENING: Final = frozenset((b"(", b"[", b"{"))
_CLOSING: Final = frozenset((b")", b"]", b"}"))
_SPACED: Final = frozenset(
    b"|| && | ^ & == != =?= =!= < > <= >= << >> >>> + - * / % ? : ?: =".split()
)


def json_of_name(name: bytes) -> bytes:
    """An attribute's name as a JSON string."""
    return quoted(decode_string(name)).encode("ascii")


def json_of_literal(value: LiteralValue) -> bytes:
    """One value as JSON."""
    if isinstance(value, str):
        return quoted(value).encode("ascii")
    if value is UNDEFINED:
        return b"null"
    text = format_literal(value)
    if value is ERROR or (isinstance(value, float) and not math.isfinite(value)):
        return _marked(text)
    return text


def json_of_expression(text: bytes) -> bytes:
    """The right-hand side of an attribute line as JSON.

    Args:
        text: An expression in old syntax. As everywhere the longest expression at the
            beginning counts; a text that is none is written as it stands.
    """
    value = parse_literal(text)
    if value is not NOT_LITERAL:
        return json_of_literal(value)
    if text[:1] in (b"{", b"[") and len(text) <= _MAX_STRUCTURED_BYTES:
        try:
            tokens = read_syntax(text).tokens
        except ExpressionError:
            return _marked(text)
        structure = _Structure(tokens)
        if structure.closes_at.get(0) == len(tokens) - 1:
            return structure.bracket(0, len(tokens), _MAX_DEPTH)
    return _marked(text)


def _marked(text: bytes) -> bytes:
    """An expression as JSON."""
    inner = quoted(decode_string(text))[1:-1].encode("ascii")
    return b'"\\/Expr(' + inner + b')\\/"'


class _Structure:
    """A text whose lists and records are to be written.

    Args:
        tokens: All tokens of an expression.

    Attributes:
        closes_at: Where the bracket closes that opens at an index.
    """

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = tokens
        self.closes_at: dict[int, int] = {}
        opened: list[int] = []
        for index, (kind, text, _) in enumerate(tokens):
            if kind == "operator":
                if text in _OPENING:
                    opened.append(index)
                elif text in _CLOSING:
                    self.closes_at[opened.pop()] = index

    def bracket(self, start: int, end: int, depth: int) -> bytes:
        """A list or a record, brackets included."""
        tokens = self._tokens
        is_list = tokens[start].text == b"{"
        parts: list[bytes] = []
        for first, last in self._divide(start + 1, end - 1, b"," if is_list else b";"):
            if is_list:
                parts.append(self._value(first, last, depth))
            else:
                name = json_of_name(tokens[first].text)
                parts.append(name + b":" + self._value(first + 2, last, depth))
        inside = b",".join(parts)
        return b"[" + inside + b"]" if is_list else b"{" + inside + b"}"

    def _divide(self, start: int, end: int, separator: bytes) -> list[tuple[int, int]]:
        """The ranges between the separators that are in no bracket of their own."""
        ranges: list[tuple[int, int]] = []
        first = index = start
        while index < end:
            kind, text, _ = self._tokens[index]
            if kind == "operator" and text == separator:
                ranges.append((first, index))
                first = index + 1
            index = self.closes_at.get(index, index) + 1
        ranges.append((first, end))
        return [(first, last) for first, last in ranges if first < last]

    def _value(self, start: int, end: int, depth: int) -> bytes:
        """One element of a list, or one value of a record."""
        kind, text, _ = self._tokens[start]
        if end - start == 1:
            if kind == "string":
                return json_of_literal(decode_string(text))
            value = parse_literal(text)
            if kind in ("number", "word") and value is not NOT_LITERAL:
                return json_of_literal(value)
        is_bracket = kind == "operator" and text in (b"{", b"[") and depth > 0
        if is_bracket and self.closes_at[start] == end - 1:
            return self.bracket(start, end, depth - 1)
        return _marked(b"".join(map(_written, self._tokens[start:end])))


def _written(token: Token) -> bytes:
    """A token in old syntax, with the blanks that it wants around it."""
    kind, text, is_quoted = token
    if kind == "string":
        return format_literal(decode_string(text))
    if kind == "operator":
        if text in _SPACED:
            return b" " + text + b" "
        return text + b" " if text == b";" else text
    if is_quoted:
        return quote_name(decode_string(text)).encode("utf-8", "surrogateescape")
    return text
