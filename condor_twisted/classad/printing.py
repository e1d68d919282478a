r"""Expressions as text, in each form that HTCondor's library prints.

Everything is bytes, as it came from the wire: widths count bytes, and what is no UTF-8
passes through. No value is computed here; an expression is taken apart into tokens and
put together again in the library's spelling.

Forms of an expression:
    ``Form.OLD`` ``a =?= 1.5 && b == "\"``: what travels, and ``-long`` shows
    ``Form.NEW`` ``a is 1.500000000000000E+00 && b == "\\"``: within JSON
    ``Form.XML`` as ``NEW``, with ``&``, ``<`` and ``>`` escaped

Source: ``src/classad/sink.cpp: ClassAdUnParser``.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from condor_twisted.classad.literals import (
    LiteralValue,
    NotLiteral,
    encode_text,
    format_literal,
    parse_literal,
)
from condor_twisted.classad.syntax import (
    NAME,
    NUMBER,
    OPERATOR,
    STRING,
    WORD,
    Token,
    read_syntax,
)
from condor_twisted.errors import ExpressionError

__all__ = [
    "REMEMBERED_BYTES",
    "REMEMBERED_TEXTS",
    "XML_TABLE",
    "Expression",
    "Form",
    "escaped",
    "read_expression",
    "spelled_name",
]

#: Texts up to this size are remembered, and so many of them.
REMEMBERED_BYTES: Final = 2048
REMEMBERED_TEXTS: Final = 16_384

_RESERVED: Final = frozenset(
    (b"error", b"false", b"is", b"isnt", b"parent", b"true", b"undefined")
)
_NEW_OPERATORS: Final = {b"=?=": b"is", b"=!=": b"isnt"}
_LETTERS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_LETTERS_AND_DIGITS: Final = _LETTERS | frozenset(b"0123456789")
_NEW_ESCAPES: Final = {
    7: b"\\a",
    8: b"\\b",
    9: b"\\t",
    10: b"\\n",
    11: b"\\v",
    12: b"\\f",
    13: b"\\r",
    0x5C: b"\\\\",
}
_XML_ESCAPES: Final = {0x26: b"&amp;", 0x3C: b"&lt;", 0x3E: b"&gt;"}


def _table(escapes: dict[int, bytes]) -> list[bytes]:
    return [escapes.get(code, bytes((code,))) for code in range(256)]


def _octal(code: int) -> bytes:
    return bytes((code,)) if 32 <= code < 127 else b"\\%03o" % code


_NEW_TABLE: Final = _table({code: _octal(code) for code in range(256)} | _NEW_ESCAPES)
XML_TABLE: Final = [
    _XML_ESCAPES.get(code, escaped) for code, escaped in enumerate(_NEW_TABLE)
]


class Form(enum.Enum):
    """How an expression is spelled."""

    OLD = "old"
    NEW = "new"
    XML = "xml"


def escaped(content: bytes, table: list[bytes]) -> bytes:
    """Bytes with each replaced by what the table has for it."""
    return b"".join(map(table.__getitem__, content))


def _quoted(content: bytes, form: Form, quote: bytes = b'"') -> bytes:
    """A string, or a name in single quotes."""
    if form is Form.OLD:
        return quote + content.replace(quote, b"\\" + quote) + quote
    inner = escaped(content, _NEW_TABLE if form is Form.NEW else XML_TABLE)
    return quote + inner.replace(quote, b"\\" + quote) + quote


def spelled_name(content: bytes, form: Form) -> bytes:
    """An attribute's name, in quotes where it needs them."""
    quoted = _quoted(content, form, b"'")
    inner = quoted[1:-1]
    plain = inner[:1] and inner[0] in _LETTERS and set(inner) <= _LETTERS_AND_DIGITS
    return inner if plain and inner.lower() not in _RESERVED else quoted


def _literal(value: LiteralValue, form: Form) -> bytes:
    if isinstance(value, str):
        return _quoted(encode_text(value), form)
    if isinstance(value, float) and form is not Form.OLD:
        if value == 0.0 or not math.isfinite(value):
            return format_literal(value)
        return b"%1.15E" % value
    return format_literal(value)


@dataclass(frozen=True, slots=True)
class Expression:
    """A right-hand side, taken apart as far as printing needs.

    Args:
        value: The value of a literal; ``None`` for anything else.
        tokens: The tokens; empty for a literal, and for what is no expression.
        text: The text of what is no expression.
    """

    value: LiteralValue | None = None
    tokens: tuple[Token, ...] = ()
    text: bytes = b""

    def spelled(self, form: Form = Form.OLD) -> bytes:
        """The expression in one of the forms."""
        if self.value is not None:
            return _literal(self.value, form)
        if not self.tokens:
            return self.text
        return _Printer(self.tokens, form).print()

    def items(self) -> list[Expression] | None:
        """The items of what is a list as it stands; ``None`` for anything else."""
        if self.tokens[:1] != ((OPERATOR, b"{", False),):
            return None
        parts = _parts(self.tokens, b",")
        return None if parts is None else [_of_tokens(part) for part in parts]

    def pairs(self) -> list[tuple[bytes, Expression]] | None:
        """Names and values of what is a record as it stands; else ``None``.

        In the library's order, which is by the length of the names.
        """
        if self.tokens[:1] != ((OPERATOR, b"[", False),):
            return None
        parts = _parts(self.tokens, b";")
        if parts is None:
            return None
        found: dict[bytes, tuple[bytes, Expression]] = {}
        for part in parts:
            name = part[0].text
            known = found.get(name.lower(), (name,))
            found[name.lower()] = known[0], _of_tokens(part[2:])
        return sorted(found.values(), key=lambda pair: (len(pair[0]), pair[0].lower()))


def read_expression(text: bytes) -> Expression:
    """Take a right-hand side in old syntax apart; never fails."""
    # Ads repeat each other.
    return _remembered(text) if len(text) <= REMEMBERED_BYTES else _read(text)


def _read(text: bytes) -> Expression:
    value = parse_literal(text)
    if not isinstance(value, NotLiteral):
        return Expression(value)
    try:
        return _of_tokens(read_syntax(text).tokens)
    except ExpressionError:
        return Expression(text=text)


_remembered = lru_cache(maxsize=REMEMBERED_TEXTS)(_read)


def _of_tokens(tokens: tuple[Token, ...]) -> Expression:
    if len(tokens) == 1:
        token = tokens[0]
        if token.kind == STRING:
            return Expression(token.text.decode("utf-8", "surrogateescape"))
        if token.kind in (NUMBER, WORD):
            value = parse_literal(token.text)
            assert not isinstance(value, NotLiteral)
            return Expression(value)
    return Expression(tokens=tokens)


def _parts(
    tokens: tuple[Token, ...], separator: bytes
) -> list[tuple[Token, ...]] | None:
    """What stands between a bracket and its end, if nothing stands behind that."""
    parts: list[tuple[Token, ...]] = []
    depth = 0
    start = 1
    last = len(tokens) - 1
    for index, token in enumerate(tokens):
        if token.kind != OPERATOR:
            continue
        if token.text in (b"(", b"[", b"{"):
            depth += 1
        elif token.text in (b")", b"]", b"}"):
            depth -= 1
            if depth == 0 and index != last:
                return None
        elif token.text == separator and depth == 1:
            if index > start:
                parts.append(tokens[start:index])
            start = index + 1
    if last > start:
        parts.append(tokens[start:last])
    return parts


class _Printer:
    """Puts the tokens of a well-formed expression together again."""

    def __init__(self, tokens: tuple[Token, ...], form: Form) -> None:
        self._tokens = tokens
        self._form = form
        self._at = 0

    def print(self) -> bytes:
        """The whole expression."""
        return self._expression(())

    def _expression(self, ends: tuple[bytes, ...]) -> bytes:
        """Up to one of these operators, which stays."""
        output: list[bytes] = []
        operand = True
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.kind == OPERATOR and not operand and token.text in ends:
                break
            self._at += 1
            if token.kind != OPERATOR:
                output.append(self._word(token))
                operand = False
            elif operand:
                text, operand = self._prefix(token.text)
                output.append(text)
            else:
                text, operand = self._suffix(token.text)
                output.append(text)
        return b"".join(output)

    def _word(self, token: Token) -> bytes:
        if token.kind == STRING:
            return _quoted(token.text, self._form)
        if token.kind == NAME:
            following = self._tokens[self._at : self._at + 1]
            if following == ((OPERATOR, b"(", False),):
                return token.text
            return spelled_name(token.text, self._form)
        value = parse_literal(token.text)
        assert not isinstance(value, NotLiteral)
        return _literal(value, self._form)

    def _prefix(self, sign: bytes) -> tuple[bytes, bool]:
        """A sign in front of an operand, and whether the operand still comes."""
        if sign == b"(":
            return b"(" + self._bracketed((b")",)) + b")", False
        if sign == b"{":
            return b"{ " + self._several(b"}") + b" }", False
        if sign == b"[":
            return self._record(), False
        if sign == b".":
            self._at += 1
            return b"." + spelled_name(
                self._tokens[self._at - 1].text, self._form
            ), False
        return b" " + sign, True

    def _suffix(self, sign: bytes) -> tuple[bytes, bool]:
        """A sign behind an operand, and whether another operand comes."""
        if sign == b"(":
            return b"(" + self._several(b")") + b")", False
        if sign == b"[":
            return b"[" + self._bracketed((b"]",)) + b"]", False
        if sign == b".":
            self._at += 1
            return b"." + self._tokens[self._at - 1].text, False
        if sign == b"?":
            yes = self._bracketed((b":",))
            return b" ? " + yes + b" : ", True
        if self._form is not Form.OLD:
            sign = _NEW_OPERATORS.get(sign, sign)
        if self._form is Form.XML:
            sign = escaped(sign, XML_TABLE)
        return b" " + sign + b" ", True

    def _bracketed(self, ends: tuple[bytes, ...]) -> bytes:
        """An expression up to its end, which goes."""
        text = self._expression(ends)
        self._at += 1
        return text

    def _several(self, closer: bytes) -> bytes:
        """Items with commas up to their end, which goes."""
        items: list[bytes] = []
        while self._tokens[self._at] != (OPERATOR, closer, False):
            items.append(self._expression((b",", b";", closer)))
            if self._tokens[self._at].text in (b",", b";"):
                self._at += 1
        self._at += 1
        return b",".join(items)

    def _record(self) -> bytes:
        start = self._at - 1
        depth = 1
        while depth:
            token = self._tokens[self._at]
            self._at += 1
            if token.kind == OPERATOR:
                depth += (token.text in (b"(", b"[", b"{")) - (
                    token.text in (b")", b"]", b"}")
                )
        pairs = Expression(tokens=self._tokens[start : self._at]).pairs()
        assert pairs is not None
        body = b"; ".join(
            spelled_name(name, self._form) + b" = " + value.spelled(self._form)
            for name, value in pairs
        )
        return b"[ " + body + b" ]"
