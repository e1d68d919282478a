r"""Ads and expressions as text, in each form that HTCondor's library prints.

Everything is bytes, as it came from the wire: widths count bytes, and what is no UTF-8
passes through. No value is computed here; an expression is taken apart into tokens and
put together again in the library's spelling.

Forms of an expression:
    ``Form.OLD`` ``a =?= 1.5 && b == "\"``: what travels, and ``-long`` shows
    ``Form.NEW`` ``a is 1.500000000000000E+00 && b == "\\"``: within JSON
    ``Form.XML`` as ``NEW``, with ``&``, ``<`` and ``>`` escaped

Source: ``src/classad/sink.cpp: ClassAdUnParser``, ``src/classad/jsonSink.cpp``,
``src/classad/xmlSink.cpp``, ``src/condor_utils/compat_classad.cpp: sPrintAdAttrs``.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from condor_twisted.classad.literals import (
    ERROR,
    UNDEFINED,
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
from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.constants.attributes import is_private
from condor_twisted.errors import ExpressionError

__all__ = [
    "XML_FOOTER",
    "XML_HEADER",
    "Expression",
    "Form",
    "json_ad",
    "long_ad",
    "new_ad",
    "read_expression",
    "shown_names",
    "xml_ad",
]

XML_HEADER: Final = (
    b'<?xml version="1.0"?>\n<!DOCTYPE classads SYSTEM "classads.dtd">\n<classads>\n'
)
XML_FOOTER: Final = b"</classads>\n"

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
_JSON_ESCAPES: Final = {
    8: b"\\b",
    9: b"\\t",
    10: b"\\n",
    12: b"\\f",
    13: b"\\r",
    0x22: b'\\"',
    0x5C: b"\\\\",
}
_XML_ESCAPES: Final = {0x26: b"&amp;", 0x3C: b"&lt;", 0x3E: b"&gt;"}


def _table(escapes: dict[int, bytes]) -> list[bytes]:
    return [escapes.get(code, bytes((code,))) for code in range(256)]


def _octal(code: int) -> bytes:
    return bytes((code,)) if 32 <= code < 127 else b"\\%03o" % code


_NEW_TABLE: Final = _table({code: _octal(code) for code in range(256)} | _NEW_ESCAPES)
_XML_TABLE: Final = [
    _XML_ESCAPES.get(code, escaped) for code, escaped in enumerate(_NEW_TABLE)
]
_JSON_TABLE: Final = _table(
    {code: b"\\u00%02X" % code for code in range(1, 32)} | _JSON_ESCAPES
)


class Form(enum.Enum):
    """How an expression is spelled."""

    OLD = "old"
    NEW = "new"
    XML = "xml"


def _escaped(content: bytes, table: list[bytes]) -> bytes:
    return b"".join(map(table.__getitem__, content))


def _quoted(content: bytes, form: Form, quote: bytes = b'"') -> bytes:
    """A string, or a name in single quotes."""
    if form is Form.OLD:
        return quote + content.replace(quote, b"\\" + quote) + quote
    escaped = _escaped(content, _NEW_TABLE if form is Form.NEW else _XML_TABLE)
    return quote + escaped.replace(quote, b"\\" + quote) + quote


def _name(content: bytes, form: Form) -> bytes:
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
    value = parse_literal(text)
    if not isinstance(value, NotLiteral):
        return Expression(value)
    try:
        return _of_tokens(read_syntax(text).tokens)
    except ExpressionError:
        return Expression(text=text)


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
            return _name(token.text, self._form)
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
            return b"." + _name(self._tokens[self._at - 1].text, self._form), False
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
            sign = _escaped(sign, _XML_TABLE)
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
            _name(name, self._form) + b" = " + value.spelled(self._form)
            for name, value in pairs
        )
        return b"[ " + body + b" ]"


# Whole ads.


def shown_names(ad: WireAd, wanted: frozenset[str] | None = None) -> list[str]:
    """The public attributes of an ad in the order of their names.

    Args:
        ad: The ad.
        wanted: Names in lower case, where not all are to be shown.
    """
    names = [
        name
        for name in ad.names()
        if not is_private(name) and (wanted is None or name.lower() in wanted)
    ]
    return sorted(names, key=lambda name: encode_text(name).lower())


def _expressions(
    ad: WireAd, names: Iterable[str]
) -> Iterator[tuple[bytes, Expression]]:
    for name in names:
        text = ad.raw(name)
        if text is not None:
            yield encode_text(name), read_expression(text)


def long_ad(ad: WireAd, names: Iterable[str]) -> bytes:
    """One line for each of these attributes."""
    return b"".join(
        name + b" = " + expression.spelled() + b"\n"
        for name, expression in _expressions(ad, names)
    )


def new_ad(ad: WireAd, names: Iterable[str]) -> bytes:
    """The ad in new syntax, on one line without its end."""
    body = b"; ".join(
        _name(name, Form.NEW) + b" = " + expression.spelled(Form.NEW)
        for name, expression in _expressions(ad, names)
    )
    return b"[ " + body + b" ]"


def json_ad(ad: WireAd, names: Iterable[str]) -> bytes:
    """The ad as a JSON object, without a newline at its end."""
    return _json_object(_expressions(ad, names), 0)


def _json_object(pairs: Iterable[tuple[bytes, Expression]], indent: int) -> bytes:
    inner = b"\n" + b" " * (indent + 2)
    body = b",".join(
        inner + b'"' + _escaped(name, _JSON_TABLE) + b'": ' + _json(value, indent + 2)
        for name, value in pairs
    )
    return b"{" + body + b"\n" + b" " * indent + b"}"


def _json(expression: Expression, indent: int) -> bytes:
    """One value; what JSON does not have goes into a marked string."""
    value = expression.value
    if isinstance(value, str):
        return b'"' + _escaped(encode_text(value), _JSON_TABLE) + b'"'
    if value is UNDEFINED:
        return b"null"
    unlike = value is ERROR or (isinstance(value, float) and not math.isfinite(value))
    if value is not None and not unlike:
        return format_literal(value)
    items = expression.items()
    if items is not None:
        inner = b"\n" + b" " * (indent + 2)
        body = b",".join(inner + _json(item, indent + 2) for item in items)
        return b"[" + body + b"\n" + b" " * indent + b"]"
    pairs = expression.pairs()
    if pairs is not None:
        return _json_object(pairs, indent)
    text = expression.spelled(Form.NEW)
    return b'"\\/Expr(' + _escaped(text, _JSON_TABLE) + b')\\/"'


def xml_ad(ad: WireAd, names: Iterable[str]) -> bytes:
    """The ad as an XML element, with a newline at its end."""
    return _xml_record(_expressions(ad, names), 0) + b"\n"


def _xml_record(pairs: Iterable[tuple[bytes, Expression]], indent: int) -> bytes:
    body = b"".join(
        b" " * (indent + 4)
        + b'<a n="'
        + _quoted(name, Form.XML)[1:-1]
        + b'">'
        + _xml(value, indent + 4)
        + b"</a>\n"
        for name, value in pairs
    )
    return b"<c>\n" + body + b" " * indent + b"</c>"


def _xml_literal(value: LiteralValue) -> bytes:
    if isinstance(value, str):
        return b"<s>" + _escaped(encode_text(value), _XML_TABLE) + b"</s>"
    if isinstance(value, bool):
        return b'<b v="t"/>' if value else b'<b v="f"/>'
    if isinstance(value, int):
        return b"<i>%d</i>" % value
    if isinstance(value, float):
        if value == 0.0:
            return b"<r>0.0</r>"
        if math.isnan(value):
            return b"<r>NaN</r>"
        if math.isinf(value):
            return b"<r>INF</r>" if value > 0 else b"<r>-INF</r>"
        return b"<r>%1.15E</r>" % value
    return b"<un/>" if value is UNDEFINED else b"<er/>"


def _xml(expression: Expression, indent: int) -> bytes:
    """One value."""
    if expression.value is not None:
        value = expression.value
        if isinstance(value, float) and not math.isfinite(value):
            # It is written as a call, and the library leaves it one.
            return b"<e>" + expression.spelled(Form.XML) + b"</e>"
        return _xml_literal(value)
    items = expression.items()
    if items is not None:
        return b"<l>" + b"".join(_xml(item, indent) for item in items) + b"</l>"
    pairs = expression.pairs()
    if pairs is not None:
        return _xml_record(pairs, indent)
    return b"<e>" + expression.spelled(Form.XML) + b"</e>"
