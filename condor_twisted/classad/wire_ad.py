r"""An ad as it travels: lines ``Name = expression``, each ended by a NUL.

A :class:`WireAd` keeps the bytes that came and looks attributes up by searching
them, so an ad that nobody asks anything costs nothing, and one that is passed on is
passed on as it was. Names are case-insensitive; of two lines with one name the later
counts. Only literals are understood here: expressions belong to
``condor_twisted.classad.expressions``.

Source: ``src/condor_utils/compat_classad.cpp: SplitLongFormAttrValue``,
``src/condor_utils/classad_oldnew.cpp: getClassAd, getPODClassAd``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from condor_twisted.classad.literals import (
    NOT_LITERAL,
    UNDEFINED,
    LiteralValue,
    NotLiteral,
    decode_string,
    encode_text,
    format_literal,
    parse_literal,
    wrap_integer,
)
from condor_twisted.constants.attributes import is_private
from condor_twisted.errors import (
    LimitExceeded,
    LocalProtocolError,
    MalformedMessage,
)

__all__ = [
    "MAX_ATTRIBUTES",
    "MAX_HANDSHAKE_ATTRIBUTES",
    "MAX_LINE_BYTES",
    "MAX_NAME_BYTES",
    "AdBuilder",
    "AdValue",
    "ExpressionText",
    "WireAd",
    "format_line",
    "require_literals",
    "require_well_formed",
    "split_line",
]

MAX_ATTRIBUTES: Final = 100_000
MAX_HANDSHAKE_ATTRIBUTES: Final = 100
MAX_LINE_BYTES: Final = 1 << 20
MAX_NAME_BYTES: Final = 4096

#: What C's ``isspace`` skips before a name.
_BLANKS: Final = b" \t\n\v\f\r"
_SPACE: Final = 0x20
_EQUALS: Final = 0x3D
_INDENTED_LINE = re.compile(rb"\0[\t-\r ]")


@dataclass(frozen=True, slots=True)
class ExpressionText:
    """A right-hand side to be written as it stands.

    Args:
        text: An expression in old ClassAd syntax.
    """

    text: bytes | str

    def encoded(self) -> bytes:
        """The bytes for the wire."""
        return encode_text(self.text) if isinstance(self.text, str) else self.text


AdValue: TypeAlias = LiteralValue | ExpressionText


def split_line(line: bytes) -> tuple[bytes, bytes]:
    """Cut ``Name = expression`` into name and expression text.

    Leading blanks go, the name ends before the first ``=``; of the blanks around
    it only spaces are dropped.

    Raises:
        MalformedMessage: No ``=``, or nothing on one side of it.

    Source: ``src/condor_utils/compat_classad.cpp: SplitLongFormAttrValue``.
    """
    name, equals, text = line.lstrip(_BLANKS).partition(b"=")
    name = name.rstrip(b" ")
    text = text.lstrip(b" ")
    if not equals or not name or not text:
        raise MalformedMessage("an attribute line is not of the form Name = value")
    return name, text


def format_line(name: str, value: AdValue) -> bytes:
    """One wire line, without its NUL.

    Raises:
        LocalProtocolError: The name or the value has no wire form.
    """
    key = encode_text(name)
    if not key or key[0] in _BLANKS or key.endswith(b" ") or b"=" in key:
        raise LocalProtocolError("not a name for an attribute")
    if isinstance(value, ExpressionText):
        text = value.encoded().lstrip(b" ")
        if not text:
            raise LocalProtocolError("an expression cannot be empty")
    else:
        text = format_literal(value)
    line = key + b" = " + text
    if b"\0" in line:
        raise LocalProtocolError("an attribute line cannot hold a NUL")
    return line


@lru_cache(maxsize=1024)
def _lookup_key(name: str) -> bytes | None:
    """A name as the search wants it; ``None`` for one that no line can have."""
    key = encode_text(name).lower()
    possible = key and key[0] not in _BLANKS and not key.endswith(b" ")
    return key if possible and b"=" not in key and b"\0" not in key else None


class WireAd:
    """A read-only ad over its wire lines.

    Layout: ``Name = expression`` NUL, any number of times.

    Args:
        body: The lines that came in clear form, each with its NUL.
        secret_lines: The lines that came as secrets (behind a ``ZKM`` marker). A
            lookup sees them; of one name a secret line counts before a clear one.
    """

    __slots__ = ("_search", "body", "secret_lines")

    def __init__(self, body: bytes = b"", secret_lines: Iterable[bytes] = ()) -> None:
        if body and not body.endswith(b"\0"):
            body += b"\0"
        self.body: Final = body
        self.secret_lines: Final = tuple(secret_lines)
        # The body behind a NUL, and the same in lower case; made at first use.
        self._search: tuple[bytes, bytes] | None = None

    @classmethod
    def from_pairs(cls, pairs: Mapping[str, AdValue]) -> WireAd:
        """An ad of Python values; ``ExpressionText`` for anything not a literal.

        Raises:
            LocalProtocolError: A name or value has no wire form.
        """
        builder = AdBuilder()
        builder.update(pairs)
        return builder.build()

    def _prepare(self) -> tuple[bytes, bytes]:
        """Make what :meth:`raw` searches.

        An indented line is legal and never seen; it is straightened out here, so
        that the search may rely on names that begin right behind a NUL.
        """
        text = b"\0" + self.body
        if _INDENTED_LINE.search(text):
            text = b"\0".join(line.lstrip(_BLANKS) for line in text.split(b"\0"))
        self._search = text, text.lower()
        return self._search

    def raw(self, name: str) -> bytes | None:
        """The expression text of an attribute, or ``None`` where there is none."""
        key = _lookup_key(name)
        if key is None:
            return None
        for line in reversed(self.secret_lines):
            found, equals, text = line.lstrip(_BLANKS).partition(b"=")
            if equals and found.rstrip(b" ").lower() == key:
                return text.lstrip(b" ")
        return self._find(key)

    def _find(self, key: bytes) -> bytes | None:
        """The expression text of the last clear line with this lower-case name."""
        text, lowered = self._search or self._prepare()
        needle = b"\0" + key
        at = lowered.rfind(needle)
        while at >= 0:
            behind = at + len(needle)
            while lowered[behind] == _SPACE:
                behind += 1
            if lowered[behind] == _EQUALS:
                behind += 1
                return text[behind : text.index(b"\0", behind)].lstrip(b" ")
            at = lowered.rfind(needle, 0, at)
        return None

    def get(self, name: str, /) -> bytes | None:
        """The expression text of a public attribute.

        This makes the ad a source for expressions to be evaluated over, which
        must not tell a peer anything private: private names and lines that came as
        secrets are not there.
        """
        key = _lookup_key(name)
        return None if key is None or is_private(name) else self._find(key)

    def expression(self, name: str) -> str | None:
        """The expression text of an attribute as ``str``, or ``None``."""
        raw = self.raw(name)
        return None if raw is None else decode_string(raw)

    def literal(self, name: str) -> LiteralValue | Literal[NotLiteral.NOT_LITERAL]:
        """The value of an attribute that is one literal.

        Returns:
            The value; :data:`UNDEFINED` where the attribute is absent, as the language
            has it; :data:`NOT_LITERAL` where it would have to be evaluated.
        """
        raw = self.raw(name)
        return UNDEFINED if raw is None else parse_literal(raw)

    def string(self, name: str) -> str | None:
        """A string literal's value; ``None`` for anything else."""
        value = self.literal(name)
        return value if isinstance(value, str) else None

    def integer(self, name: str) -> int | None:
        """A number as integer: reals lose their fraction, ``true`` is 1.

        Source: ``src/condor_utils/compat_classad.cpp: ClassAd::LookupInteger``.
        """
        value = self.literal(name)
        if isinstance(value, float):
            return wrap_integer(int(value)) if math.isfinite(value) else None
        return int(value) if isinstance(value, int) else None

    def real(self, name: str) -> float | None:
        """A number as real; ``None`` for anything else, NaN included."""
        value = self.literal(name)
        if not isinstance(value, (int, float)) or math.isnan(value):
            return None
        return float(value)

    def boolean(self, name: str) -> bool | None:
        """A boolean, or a number's being non-zero; ``None`` for anything else.

        Source: ``src/condor_utils/compat_classad.cpp: ClassAd::LookupBool``.
        """
        value = self.literal(name)
        if not isinstance(value, (int, float)):
            return None
        return bool(value)

    def lines(self) -> list[bytes]:
        """The clear lines in order, without their NULs, duplicates included."""
        return self.body.split(b"\0")[:-1]

    def items(self) -> list[tuple[str, bytes]]:
        """Names and expression texts, clear ones first, each name once.

        Of duplicates the first spelling and the last value stay.

        Raises:
            MalformedMessage: A line is not of the form ``Name = value``.
        """
        found: dict[bytes, tuple[str, bytes]] = {}
        for line in (*self.lines(), *self.secret_lines):
            name, text = split_line(line)
            key = name.lower()
            known = found.get(key)
            spelling = decode_string(name) if known is None else known[0]
            found[key] = spelling, text
        return list(found.values())

    def names(self) -> list[str]:
        """The attributes' names as first spelled, each once."""
        return [name for name, _ in self.items()]

    def without(self, names: Iterable[str]) -> WireAd:
        """A copy that lacks these attributes, in every spelling and repetition."""
        unwanted = {encode_text(name).lower() for name in names}

        def stays(line: bytes) -> bool:
            return split_line(line)[0].lower() not in unwanted

        return WireAd(
            b"".join(line + b"\0" for line in self.lines() if stays(line)),
            filter(stays, self.secret_lines),
        )

    def with_attributes(self, values: Mapping[str, AdValue]) -> WireAd:
        """A copy with these attributes, instead of what they were before."""
        rest = self.without(values)
        added = (format_line(name, value) + b"\0" for name, value in values.items())
        return WireAd(rest.body + b"".join(added), rest.secret_lines)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.raw(name) is not None

    def __len__(self) -> int:
        """How many lines there are, secret ones and duplicates included."""
        return self.body.count(b"\0") + len(self.secret_lines)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __bool__(self) -> bool:
        """Whether there is any line."""
        return bool(self.body or self.secret_lines)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WireAd):
            return NotImplemented
        return self.body == other.body and self.secret_lines == other.secret_lines

    def __hash__(self) -> int:
        return hash((self.body, self.secret_lines))

    def __repr__(self) -> str:
        # Values may be private: a repr may end up in a log.
        return f"<WireAd of {len(self)} lines>"


class AdBuilder:
    """Collects attributes for an ad; a name set again takes the new value."""

    def __init__(self) -> None:
        self._lines: dict[bytes, bytes] = {}
        self._secrets: dict[bytes, bytes] = {}

    def set(self, name: str, value: AdValue) -> None:
        """Give an attribute its value.

        Raises:
            LocalProtocolError: The name or the value has no wire form.
        """
        self._lines[encode_text(name).lower()] = format_line(name, value)

    def set_secret(self, name: str, value: AdValue) -> None:
        """Give an attribute that is to travel as a secret its value.

        Raises:
            LocalProtocolError: The name or the value has no wire form.
        """
        self._secrets[encode_text(name).lower()] = format_line(name, value)

    def update(self, values: Mapping[str, AdValue]) -> None:
        """Set several attributes."""
        for name, value in values.items():
            self.set(name, value)

    def build(self) -> WireAd:
        """The ad, attributes in the order in which they were first set."""
        body = b"".join(line + b"\0" for line in self._lines.values())
        return WireAd(body, self._secrets.values())


def require_well_formed(ad: WireAd, max_attributes: int = MAX_ATTRIBUTES) -> None:
    """Refuse an ad that is too big, or has a line without name or value.

    Raises:
        LimitExceeded: Too many attributes, a line or a name too long.
        MalformedMessage: A line is not of the form ``Name = value``.
    """
    count = len(ad)
    if count > max_attributes:
        raise LimitExceeded("the number of attributes in an ad", max_attributes, count)
    for line in (*ad.lines(), *ad.secret_lines):
        if len(line) > MAX_LINE_BYTES:
            raise LimitExceeded(
                "the bytes of an attribute line", MAX_LINE_BYTES, len(line)
            )
        name, _ = split_line(line)
        if len(name) > MAX_NAME_BYTES:
            raise LimitExceeded(
                "the bytes of an attribute's name", MAX_NAME_BYTES, len(name)
            )


def require_literals(
    ad: WireAd, max_attributes: int = MAX_HANDSHAKE_ATTRIBUTES
) -> None:
    """Refuse an ad that a security handshake may not hold.

    Allowed are at most ``max_attributes`` lines whose values are single literals: no
    expression, list, record or call, nothing behind the literal, no secret.

    Raises:
        LimitExceeded: Too many attributes, a line or a name too long.
        MalformedMessage: A value is not a literal, a line is malformed, or an
            attribute came as a secret.

    Source: ``src/condor_utils/classad_oldnew.cpp: getPODClassAd``.
    """
    if ad.secret_lines:
        raise MalformedMessage("a handshake ad holds a secret")
    require_well_formed(ad, max_attributes)
    for line in ad.lines():
        _, text = split_line(line)
        value = parse_literal(text)
        # A real that is written as a call, real("INF"), is still a call.
        is_call = isinstance(value, float) and text[:1].isalpha()
        if value is NOT_LITERAL or is_call:
            raise MalformedMessage("a handshake ad holds more than literals")
