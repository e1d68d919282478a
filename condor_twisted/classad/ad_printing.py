"""Whole ads as text: long, new, JSON and XML.

Source: ``src/condor_utils/compat_classad.cpp: sPrintAdAttrs``,
``src/classad/jsonSink.cpp``, ``src/classad/xmlSink.cpp``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from condor_twisted.classad.literals import (
    ERROR,
    UNDEFINED,
    LiteralValue,
    encode_text,
    format_literal,
)
from condor_twisted.classad.printing import (
    REMEMBERED_BYTES,
    REMEMBERED_TEXTS,
    XML_TABLE,
    Expression,
    Form,
    escaped,
    read_expression,
    spelled_name,
)
from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.constants.attributes import is_private

__all__ = [
    "XML_FOOTER",
    "XML_HEADER",
    "json_ad",
    "long_ad",
    "new_ad",
    "shown_names",
    "xml_ad",
]

XML_HEADER: Final = (
    b'<?xml version="1.0"?>\n<!DOCTYPE classads SYSTEM "classads.dtd">\n<classads>\n'
)
XML_FOOTER: Final = b"</classads>\n"

_JSON_ESCAPES: Final = {
    8: b"\\b",
    9: b"\\t",
    10: b"\\n",
    12: b"\\f",
    13: b"\\r",
    0x22: b'\\"',
    0x5C: b"\\\\",
}
_JSON_TABLE: Final = [
    _JSON_ESCAPES.get(code, b"\\u00%02X" % code if 0 < code < 32 else bytes((code,)))
    for code in range(256)
]
_JSON_SPECIAL = re.compile(rb'[\x01-\x1f"\\]')


def shown_names(ad: WireAd, wanted: frozenset[str] | None = None) -> list[str]:
    """The public attributes of an ad in the order of their names.

    Args:
        ad: The ad.
        wanted: Names in lower case, where not all are to be shown.
    """
    return sorted(
        (
            name
            for name in ad.names()
            if (wanted is None or name.lower() in wanted) and not is_private(name)
        ),
        key=_name_key,
    )


def _name_key(name: str) -> bytes:
    return encode_text(name).lower()


def _texts(ad: WireAd, names: Iterable[str]) -> Iterator[tuple[bytes, bytes]]:
    """Names and expressions of the attributes that there are."""
    found = {name.lower(): text for name, text in ad.items()}
    for name in names:
        text = found.get(name.lower())
        if text is not None:
            yield encode_text(name), text


def _expressions(
    ad: WireAd, names: Iterable[str]
) -> Iterator[tuple[bytes, Expression]]:
    for name, text in _texts(ad, names):
        yield name, read_expression(text)


def _spelled(text: bytes) -> bytes:
    """A right-hand side in old spelling."""
    if len(text) <= REMEMBERED_BYTES:
        return _remembered_spelling(text)
    return read_expression(text).spelled()


@lru_cache(maxsize=REMEMBERED_TEXTS)
def _remembered_spelling(text: bytes) -> bytes:
    return read_expression(text).spelled()


@lru_cache(maxsize=REMEMBERED_TEXTS)
def _remembered_json(text: bytes) -> bytes:
    return _json(read_expression(text), 2)


def long_ad(ad: WireAd, names: Iterable[str]) -> bytes:
    """One line for each of these attributes."""
    return b"".join(
        name + b" = " + _spelled(text) + b"\n" for name, text in _texts(ad, names)
    )


def new_ad(ad: WireAd, names: Iterable[str]) -> bytes:
    """The ad in new syntax, on one line without its end."""
    body = b"; ".join(
        spelled_name(name, Form.NEW) + b" = " + expression.spelled(Form.NEW)
        for name, expression in _expressions(ad, names)
    )
    return b"[ " + body + b" ]"


def json_ad(ad: WireAd, names: Iterable[str]) -> bytes:
    """The ad as a JSON object, without a newline at its end."""
    return _json_object(
        (
            (
                name,
                _remembered_json(text)
                if len(text) <= REMEMBERED_BYTES
                else _json(read_expression(text), 2),
            )
            for name, text in _texts(ad, names)
        ),
        0,
    )


def _json_object(pairs: Iterable[tuple[bytes, bytes]], indent: int) -> bytes:
    """An object of names and values that are JSON already."""
    inner = b"\n" + b" " * (indent + 2)
    body = b",".join(
        inner + b'"' + _json_escaped(name) + b'": ' + value for name, value in pairs
    )
    return b"{" + body + b"\n" + b" " * indent + b"}"


def _json_escaped(content: bytes) -> bytes:
    if _JSON_SPECIAL.search(content) is None:
        return content
    return escaped(content, _JSON_TABLE)


def _json(expression: Expression, indent: int) -> bytes:
    """One value; what JSON does not have goes into a marked string."""
    value = expression.value
    if isinstance(value, str):
        return b'"' + _json_escaped(encode_text(value)) + b'"'
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
        return _json_object(
            ((name, _json(each, indent + 2)) for name, each in pairs), indent
        )
    text = expression.spelled(Form.NEW)
    return b'"\\/Expr(' + _json_escaped(text) + b')\\/"'


def xml_ad(ad: WireAd, names: Iterable[str]) -> bytes:
    """The ad as an XML element, with a newline at its end."""
    return _xml_record(_expressions(ad, names), 0) + b"\n"


def _xml_record(pairs: Iterable[tuple[bytes, Expression]], indent: int) -> bytes:
    body = b"".join(
        b" " * (indent + 4)
        + b'<a n="'
        + escaped(name, XML_TABLE)
        + b'">'
        + _xml(value, indent + 4)
        + b"</a>\n"
        for name, value in pairs
    )
    return b"<c>\n" + body + b" " * indent + b"</c>"


def _xml_literal(value: LiteralValue) -> bytes:
    if isinstance(value, str):
        return b"<s>" + escaped(encode_text(value), XML_TABLE) + b"</s>"
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
