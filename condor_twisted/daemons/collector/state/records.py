"""Ads as the collector holds them: the lines that came, found by searching.

An :class:`ArrivedAd` is what an update brought; an :class:`AdRecord` is what a table
holds. Of both, ``body`` is made of lines ``Name = value`` NUL with one blank on each
side of the first ``=``; each name is there once, none is private, and none is one
that the collector sets itself. Private lines are kept apart, and so are the
collector's own, the stamps: so neither can be mistaken for what the client said.

Values are looked for when somebody asks, and remembered in the record.

This module is long because the kinds of ads stand on the same typed look-ups.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from condor_twisted.classad.literals import (
    NOT_LITERAL,
    UNDEFINED,
    LiteralValue,
    NotLiteral,
    decode_string,
    parse_literal,
    wrap_integer,
)
from condor_twisted.constants import attributes
from condor_twisted.daemons.collector.state.evaluation import Memo, evaluate_attribute
from condor_twisted.daemons.collector.state.habits import Habit, Shape, are_plain
from condor_twisted.daemons.collector.state.kinds import AdKind
from condor_twisted.daemons.collector.state.layouts import Layout
from condor_twisted.daemons.collector.state.names import (
    STAMPED_KEYS,
    is_private_key,
    lookup_key,
)
from condor_twisted.daemons.collector.state.prefixed_forms import PrefixedText
from condor_twisted.daemons.collector.state.statistics import DaemonUpdates

__all__ = [
    "LAST_HEARD_FROM_AT",
    "MAX_LIFETIME_SECONDS",
    "MAX_REMEMBERED",
    "AdRecord",
    "ArrivedAd",
    "QueryAd",
    "ad_header",
    "find_line",
    "raw_values",
]

#: Longest ``ClassAdLifetime`` that a client may give its ad.
MAX_LIFETIME_SECONDS: Final = 7 * 86400

#: What a record needs beside its lines, roughly, in bytes.
_OVERHEAD_BYTES: Final = 700
#: At most so many remembered things per record.
MAX_REMEMBERED: Final = 12

#: What is remembered of a record of which nothing is; never written to.
NO_MEMO: Final[Memo] = {}

#: Larger ads are not searched again and again.
_SMALL_BYTES: Final = 8192
_QUOTE: Final = 0x22
_TWO_INTS: Final = struct.Struct(">qq")
_LAST_HEARD_FROM_KEY: Final = lookup_key(attributes.LAST_HEARD_FROM)
#: Where the time is in a record's own lines.
LAST_HEARD_FROM_AT: Final = len(b"LastHeardFrom = ")
_LIFETIME_KEY: Final = lookup_key(attributes.CLASSAD_LIFETIME)


@lru_cache(maxsize=4096)
def ad_header(count: int) -> bytes:
    """What comes before an ad in a reply: ``int 1`` and the number of lines."""
    return _TWO_INTS.pack(1, count)


def find_line(body: bytes, key: bytes) -> tuple[int, int, int] | None:
    """Where the line of the attribute with this lower-case name is, by search.

    Args:
        body: Lines as the module's docstring describes them.
        key: The name in lower case.

    Returns:
        The offsets of the line, of its value, and of its NUL.
    """
    needle = b"\0" + key + b" = "
    lowered = body.lower()
    at = -1
    if not lowered.startswith(needle[1:]):
        at = lowered.find(needle)
        if at < 0:
            return None
    start = at + len(needle)
    return at + 1, start, body.index(0, start)


def _value_in(body: bytes, key: bytes) -> bytes | None:
    found = find_line(body, key)
    return None if found is None else body[found[1] : found[2]]


def _as_integer(value: LiteralValue) -> int | None:
    if isinstance(value, float):
        return wrap_integer(int(value)) if math.isfinite(value) else None
    return int(value) if isinstance(value, int) else None


class _Lines:
    """What arrived ads and records have in common: typed look-ups."""

    __slots__ = ("body", "count", "layout", "private_lines")

    body: bytes
    count: int
    layout: Layout | None
    private_lines: tuple[bytes, ...]

    def raw(self, key: bytes) -> bytes | None:
        """The expression text of a public attribute.

        Args:
            key: The attribute's name in lower case.
        """
        if self.layout is not None:
            return self.layout.raw(self.body, key)
        return _value_in(self.body, key)

    def get(self, name: str) -> bytes | None:
        """The expression text of a public attribute; how evaluations ask.

        Args:
            name: The attribute's name.
        """
        return self.raw(lookup_key(name))

    def literal(self, name: str) -> LiteralValue | NotLiteral:
        """The value of a public attribute, unless it has to be evaluated."""
        raw = self.raw(lookup_key(name))
        return UNDEFINED if raw is None else parse_literal(raw)

    def _evaluated(self, text: bytes) -> LiteralValue:
        """The value of an expression of this ad."""
        if self.layout is not None or len(self.body) <= _SMALL_BYTES:
            return evaluate_attribute(self, text)
        # It may ask for many attributes: go through a large ad once.
        values: dict[str, bytes] = {}
        for line in self.body.split(b"\0")[:-1]:
            name, _, value = line.partition(b" = ")
            values[name.decode("utf-8", "surrogateescape").lower()] = value
        return evaluate_attribute(values, text)

    def value(self, name: str) -> LiteralValue:
        """The value of a public attribute; undefined where there is none."""
        raw = self.raw(lookup_key(name))
        if raw is None:
            return UNDEFINED
        value = parse_literal(raw)
        return self._evaluated(raw) if value is NOT_LITERAL else value

    def string(self, name: str) -> str | None:
        """The attribute's value if it is a string."""
        raw = self.raw(lookup_key(name))
        if raw is None:
            return None
        if raw[0] == _QUOTE and raw.find(_QUOTE, 1) == len(raw) - 1:
            return decode_string(raw[1:-1])
        value = parse_literal(raw)
        if value is NOT_LITERAL:
            value = self._evaluated(raw)
        return value if isinstance(value, str) else None

    def integer(self, name: str) -> int | None:
        """The attribute's value if it is a number; reals lose their fraction."""
        raw = self.raw(lookup_key(name))
        if raw is None:
            return None
        if raw.isdigit() and len(raw) < 18:
            return int(raw)
        value = parse_literal(raw)
        if value is NOT_LITERAL:
            value = self._evaluated(raw)
        return _as_integer(value)


def raw_values(records: Sequence[AdRecord], name: str) -> list[bytes | None]:
    """The expression texts of one public attribute in many ads.

    Args:
        records: The ads.
        name: The attribute's name.
    """
    key = lookup_key(name)
    if key in STAMPED_KEYS or is_private_key(key):
        return [record.raw(key) for record in records]
    found: list[bytes | None] = []
    append = found.append
    known: Layout | None = None
    place: tuple[bytes, int] | None = None
    index: int | None = None
    needle = b""
    hint = skip = 0
    for record in records:
        layout = record.layout
        body = record.body
        if layout is None:
            append(_value_in(body, key))
            continue
        if layout is not known:
            known = layout
            place = layout.places.get(key)
            index = layout.at_hand.get(key)
            if place is not None:
                needle, hint = place
                skip = len(needle)
        if index is not None and record.values and not record.is_changed(key):
            value = record.values[index]
            if value is not None:
                append(value)
                continue
        if place is None:
            append(None)
            continue
        at = body.find(needle, hint)
        if at < 0:
            at = body.find(needle)
        at += skip
        append(body[at : body.index(0, at)])
    return found


class ArrivedAd(_Lines):
    """An ad that just came, split into what is public and what is not.

    Args:
        body: The public lines.
        count: Their number.
        private_lines: Lines of private attributes, without NULs.
        layout: The layout that ``body`` has, if it is known.
        found: The match that found it out.
        stamps: Values that the client sent under names that are the collector's, by
            lower-case name.
    """

    __slots__ = ("_found", "stamps")

    def __init__(
        self,
        body: bytes,
        count: int,
        private_lines: tuple[bytes, ...] = (),
        layout: Layout | None = None,
        found: re.Match[bytes] | None = None,
        stamps: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self.body = body
        self.count = count
        self.private_lines = private_lines
        self.layout = layout
        self._found = found
        self.stamps = stamps

    def raw(self, key: bytes) -> bytes | None:
        """The expression text of a public attribute."""
        layout = self.layout
        if layout is None:
            return _value_in(self.body, key)
        group = layout.group_of.get(key)
        if group is not None and self._found is not None:
            return self._found[group]
        return layout.raw(self.body, key)

    def values(self) -> tuple[bytes | None, ...]:
        """What the layout has at hand."""
        if self.layout is None or self._found is None:
            return ()
        return self.layout.values(self._found)


class QueryAd(_Lines):
    """The ad of a query or an invalidation: small, and asked for many attributes.

    Args:
        ad: What came.
    """

    __slots__ = ("_values",)

    def __init__(self, ad: ArrivedAd) -> None:
        self.body = ad.body
        self.count = ad.count
        self.private_lines = ad.private_lines
        self.layout = None
        self._values: Final[dict[bytes, bytes]] = {}
        for line in self.lines():
            name, _, value = line.partition(b" = ")
            self._values[name.lower()] = value

    def lines(self) -> list[bytes]:
        """The public lines, without their NULs."""
        return self.body.split(b"\0")[:-1]

    def raw(self, key: bytes) -> bytes | None:
        """The expression text of a public attribute."""
        return self._values.get(key)


class AdRecord(_Lines):
    """An ad in a table.

    Args:
        kind: The table's kind.
        key: The ad's key in its table.
        body: The public lines.
        count: Their number.
        layout: The layout that ``body`` has, if it is known.
        private_lines: Lines of private attributes, without NULs.
        tail: The collector's own lines, each with its NUL.
        tail_count: Their number.
        last_heard_unix: When the ad came; 0 and 1 mark invalidated ones.

    Attributes:
        sequence: ``UpdateSequenceNumber`` and ``DaemonStartTime`` as they came.
        updates: How the sender's updates arrived, if that is counted.
        values: What the layout has at hand, if that was asked of it.
        identity: Who sent it.
        is_checked: Whether each expression in ``body`` is known to parse.
        is_behind: Whether ``values`` and ``was_checked`` are those of an ad before,
            from which this one differs in the values of its habit only.
        was_checked: Whether each expression of that ad was known to parse.
        lifetime_override_seconds: A lifetime that the collector gave the ad.
        memo: Things remembered about this record: projected bytes.
        size_bytes: What the record takes in memory, roughly.
        prefixed: Body and tail in the form of encrypted streams, if that is kept;
            the store says whether it is.
        shape: Where the changing values of a habit are in ``body``, if that is known.
        habit: The habit that ``shape`` belongs to.
    """

    __slots__ = (
        "_lifetime",
        "habit",
        "identity",
        "is_behind",
        "is_checked",
        "key",
        "kind",
        "last_heard_unix",
        "lifetime_override_seconds",
        "memo",
        "prefixed",
        "sequence",
        "shape",
        "size_bytes",
        "tail",
        "tail_count",
        "updates",
        "values",
        "was_checked",
    )

    def __init__(
        self,
        kind: AdKind,
        key: str,
        body: bytes,
        count: int,
        layout: Layout | None,
        private_lines: tuple[bytes, ...],
        tail: bytes,
        tail_count: int,
        last_heard_unix: int,
    ) -> None:
        self.kind = kind
        self.key = key
        self.body = body
        self.count = count
        self.layout = layout
        self.private_lines = private_lines
        self.tail = tail
        self.tail_count = tail_count
        self.last_heard_unix = last_heard_unix
        self.sequence: tuple[int | None, int | None] = (None, None)
        self.updates: DaemonUpdates | None = None
        self.values: tuple[bytes | None, ...] = ()
        self.identity = ""
        self.is_checked = False
        self.is_behind = False
        self.was_checked = False
        self.lifetime_override_seconds: int | None = None
        self.memo: Memo = NO_MEMO
        self.prefixed: PrefixedText | None = None
        self.shape: Shape | None = None
        self.habit: Habit | None = None
        self._lifetime = -1
        size = len(body) + len(tail) + _OVERHEAD_BYTES
        if private_lines:
            size += sum(map(len, private_lines))
        self.size_bytes: Final = size

    @classmethod
    def of(
        cls,
        kind: AdKind,
        key: str,
        ad: ArrivedAd,
        tail: bytes,
        tail_count: int,
        last_heard_unix: int,
    ) -> AdRecord:
        """The record of an ad that arrived; the arguments as for the class."""
        record = cls(
            kind,
            key,
            ad.body,
            ad.count,
            ad.layout,
            ad.private_lines,
            tail,
            tail_count,
            last_heard_unix,
        )
        record.values = ad.values()
        return record

    def raw(self, key: bytes) -> bytes | None:
        """The expression text of a public attribute, the collector's included."""
        if key in STAMPED_KEYS:
            if key == _LAST_HEARD_FROM_KEY:  # always the first
                return self.tail[LAST_HEARD_FROM_AT : self.tail.index(0)]
            return _value_in(self.tail, key)
        if is_private_key(key):
            return None
        if self.layout is not None:
            return self.layout.raw(self.body, key)
        return _value_in(self.body, key)

    def follow(self, old: AdRecord, habit: Habit, shape: Shape) -> None:
        """Take over what is known of the ad before.

        Args:
            old: The ad that this one replaces; it has the same layout.
            habit: The values in which the two differ.
            shape: Where these are in ``body``.
        """
        self.habit = habit
        self.shape = shape
        self.values = old.values
        self.was_checked = old.was_checked if old.is_behind else old.is_checked
        self.is_behind = True

    def catch_up(self) -> None:
        """Look at the values that changed, if nobody has yet."""
        if not self.is_behind:
            return
        self.is_behind = False
        habit, shape = self.habit, self.shape
        if habit is None or shape is None:
            self.values = ()
            return
        changed = shape.values_of(self.body)
        plain = are_plain(changed)
        self.is_checked = plain and self.was_checked
        if self.values and habit.wanted:
            values = list(self.values)
            for at, changing in habit.wanted:
                value = changed[changing]
                values[at] = value if plain or are_plain((value,)) else None
            self.values = tuple(values)

    def is_changed(self, key: bytes) -> bool:
        """Whether an attribute may differ from what ``values`` has of it."""
        return self.is_behind and (self.habit is None or key in self.habit.keys)

    def values_at_hand(self) -> tuple[bytes | None, ...]:
        """What the layout has at hand; looked up now if it was not when the ad came."""
        if self.is_behind:
            self.catch_up()
        if not self.values and self.layout is not None and self.layout.at_hand:
            self.values = self.layout.values_in(self.body)
        return self.values

    def line(self, key: bytes) -> bytes | None:
        """The line of a public attribute, in the spelling of the ad.

        Args:
            key: The attribute's name in lower case.
        """
        if is_private_key(key):
            return None
        text = self.tail if key in STAMPED_KEYS else self.body
        found = find_line(text, key)
        return None if found is None else text[found[0] : found[2]]

    def remember(self, what: object, value: object) -> None:
        """Keep something about this record until it is replaced."""
        if self.memo is NO_MEMO or len(self.memo) >= MAX_REMEMBERED:
            self.memo = {}
        self.memo[what] = value

    def forget(self) -> None:
        """Remember nothing any more: the record's text has changed."""
        self.memo = NO_MEMO
        if self.prefixed is not None:
            self.prefixed.forget()

    def lifetime_seconds(self, default_seconds: int) -> int:
        """How long the ad lives without an update.

        Args:
            default_seconds: For an ad that says nothing, or nothing sensible.
        """
        if self.lifetime_override_seconds is not None:
            return self.lifetime_override_seconds
        if self._lifetime < 0:
            own = None
            if self.raw(_LIFETIME_KEY) is not None:
                own = self.integer(attributes.CLASSAD_LIFETIME)
            sensible = own is not None and 1 <= own <= MAX_LIFETIME_SECONDS
            self._lifetime = own if own is not None and sensible else 0
        return self._lifetime or default_seconds

    def header(self) -> bytes:
        """What comes before the ad in a reply without private attributes."""
        return ad_header(self.count + self.tail_count)

    def text(self) -> bytes:
        """All public lines, each with its NUL."""
        return self.body + self.tail

    def lines(self) -> list[bytes]:
        """All public lines, without their NULs."""
        return self.text().split(b"\0")[:-1]

    def __repr__(self) -> str:
        """Name the ad; values may be private."""
        return f"<AdRecord {self.kind.my_type} {self.key!r}>"
