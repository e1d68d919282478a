"""Projections: an ad cut down to what the client names.

Tools put column expressions into projections, cut at blanks: every piece is taken as
a name, whatever it looks like. An attribute that is not a literal brings those that
it refers to.

Source: ``src/condor_utils/classad_oldnew.cpp: putClassAd, _putClassAd``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

from condor_twisted.classad.literals import (
    NOT_LITERAL,
    decode_string,
    parse_literal,
)
from condor_twisted.constants import attributes
from condor_twisted.daemons.collector.state.evaluation import references_of
from condor_twisted.daemons.collector.state.habits import Habit
from condor_twisted.daemons.collector.state.layouts import Layout, possessive
from condor_twisted.daemons.collector.state.lookups import Searchable, searchable
from condor_twisted.daemons.collector.state.names import (
    STAMPED_KEYS,
    is_private_key,
    lookup_key,
)
from condor_twisted.daemons.collector.state.publication import LineJudge
from condor_twisted.daemons.collector.state.records import (
    LAST_HEARD_FROM_AT,
    AdRecord,
)

__all__ = ["ProjectedAd", "Projection"]

_SEPARATORS = re.compile(r"[ ,\t\r\n]+")


#: A value that is plainly a literal, with its NUL.
_LITERAL: Final = (
    rb'(?:"'
    + possessive(rb'[^"\\\0]*')
    + rb'"|-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,20})?|true|false)\0'
)
_LITERAL_LINE = re.compile(rb"[^=\0]+ = " + _LITERAL)
_LITERAL_LINES = re.compile(rb"(?:[^=\0]+ = " + _LITERAL + b")*")
#: Most names that one projection can have, the referenced ones included.
_MAX_NAMES: Final = 2000
#: Expressions of an ad that are read for what they refer to.
_MAX_FOLLOWED_BYTES: Final = 16_384
_MAX_PLANS: Final = 64
_MAX_TEMPLATES: Final = 512
_LAST_HEARD_FROM: Final = lookup_key(attributes.LAST_HEARD_FROM)

ProjectedAd: TypeAlias = tuple[int, bytes, tuple[bytes, ...]]
#: What to search for and from where on, its size, where the line begins behind it, and
#: the spelling wanted if it is another. For stamps: the key, no size, the spelling.
_Step: TypeAlias = tuple[bytes, int, int, int, "bytes | None"]
_Plan: TypeAlias = tuple[_Step, ...]


class _Template(NamedTuple):
    """How to write a projection of ads whose values all are at hand.

    Args:
        size: The number of lines.
        text: The lines, with ``%b`` for each value.
        pick: Picks these values out of those at hand and, behind them, the time when
            the ad was heard.
    """

    size: int
    text: bytes
    pick: Callable[[tuple[bytes | None, ...]], tuple[bytes | None, ...]]


class Projection:
    """The attributes that a client wants, in the spelling that it wants.

    Two projections of the same names are not the same: what records remember goes by
    the object.

    Args:
        text: Names, separated by blanks and commas.
        max_names: What follows behind so many is ignored.

    Attributes:
        is_empty: Whether it names nothing, which means everything.
        keys: The names in lower case.
        wants_private: Whether one of the names is private.
    """

    __slots__ = (
        "_names",
        "_plans",
        "_templates",
        "_touched",
        "is_empty",
        "keys",
        "wants_private",
    )

    def __init__(self, text: str, max_names: int = _MAX_NAMES) -> None:
        names: dict[bytes, bytes] = {}
        for name in _SEPARATORS.split(text, max_names)[:max_names]:
            if name:
                key = lookup_key(name)
                names.setdefault(key, name.encode("utf-8", "surrogateescape") + b" = ")
        self._names: Final = sorted(names.items())
        self._plans: dict[Layout, _Plan] = {}
        self._templates: dict[Layout, _Template | None] = {}
        self._touched: dict[Habit, bool] = {}
        self.keys: Final = tuple(names)
        self.is_empty: Final = not names
        self.wants_private: Final = any(is_private_key(key) for key in names)

    def apply(
        self,
        record: AdRecord,
        judge: LineJudge,
        private: Callable[[bytes], bytes | None] | None = None,
    ) -> ProjectedAd:
        """Cut an ad down.

        Args:
            record: The ad.
            judge: Decides which lines may be sent.
            private: Finds a private line by its lower-case name, where the client may
                see such.

        Returns:
            The number of public lines, these lines with a NUL behind each, and the
            private lines, without.
        """
        quick = self._at_hand(record) or self._quick(record, judge)
        if quick is not None and (private is None or not self.wants_private):
            return quick
        ad = searchable(record)
        left = _MAX_FOLLOWED_BYTES
        lines: list[bytes] = []
        secrets: list[bytes] = []
        references: set[bytes] = set()
        for key, prefix in self._names:
            raw = ad.raw(key)
            if raw is None:
                if private is not None and is_private_key(key):
                    found = private(key)
                    if found is not None:
                        secrets.append(found)
                continue
            line = prefix + raw
            if not record.is_checked:
                judged = judge.sendable(line)
                if judged is None:
                    continue
                line = judged
            lines.append(line + b"\0")
            value = line[len(prefix) :].lstrip(b" ")
            if parse_literal(value) is NOT_LITERAL:
                before = len(references)
                read = self._follow(ad, value, references, left)
                left -= read
                if read and before == len(references) and not references_of(value):
                    judge.add_leaf(lines[-1])
        if references:
            lines.extend(self._referenced(ad, judge, references))
            lines.sort(key=_name_of)
        return len(lines), b"".join(lines), tuple(secrets)

    def _at_hand(self, record: AdRecord) -> ProjectedAd | None:
        """The same, where all values are at hand already."""
        layout = record.layout
        if layout is None:
            return None
        values = record.values
        if not values or (record.is_behind and self._is_touched(record.habit)):
            values = record.values_at_hand()
            if not values:
                return None
        try:
            template = self._templates[layout]
        except KeyError:
            template = self._make_template(layout)
        if template is None:
            return None
        count, text, pick = template
        tail = record.tail
        heard = tail[LAST_HEARD_FROM_AT : tail.index(0)]
        try:
            return count, text % pick((*values, heard)), ()
        except TypeError:  # one of them is None
            return None

    def _is_touched(self, habit: Habit | None) -> bool:
        """Whether one of the attributes is one that changes by habit."""
        if habit is None:
            return True
        touched = self._touched.get(habit)
        if touched is None:
            if len(self._touched) >= _MAX_TEMPLATES:
                self._touched.clear()
            touched = self._touched[habit] = not habit.keys.isdisjoint(self.keys)
        return touched

    def _make_template(self, layout: Layout) -> _Template | None:
        """The template for a layout; ``None`` where a value has to be searched for."""
        text = b""
        places: list[int] = []
        for key, prefix in self._names:
            place = layout.at_hand.get(key)
            if key == _LAST_HEARD_FROM:
                place = -1
            if place is not None:
                places.append(place)
                text += prefix.replace(b"%", b"%%") + b"%b\0"
            elif key in layout.places or key in STAMPED_KEYS:
                places.clear()
                break
        if len(self._templates) >= _MAX_TEMPLATES:
            self._templates.clear()
        template = None
        if len(places) > 1:  # one alone would not be picked as a tuple
            template = _Template(len(places), text, itemgetter(*places))
        self._templates[layout] = template
        return template

    def _quick(self, record: AdRecord, judge: LineJudge) -> ProjectedAd | None:
        """The same, where all attributes turn out to refer to nothing."""
        layout = record.layout
        if layout is None:
            return None
        plan = self._plans.get(layout)
        if plan is None:
            plan = self._plan(layout)
        body = record.body
        find = body.find
        lines: list[bytes] = []
        for needle, hint, size, skip, prefix in plan:
            if size:
                at = find(needle, hint)
                if at < 0:
                    at = find(needle)
                end = find(0, at + size) + 1
                if prefix is None:
                    lines.append(body[at + skip : end])
                else:
                    lines.append(prefix + body[at + size : end])
            else:
                raw = record.raw(needle)
                if raw is not None and prefix is not None:
                    lines.append(prefix + raw + b"\0")
        text = b"".join(lines)
        if _LITERAL_LINES.fullmatch(text) is None:
            leaves = judge.leaves
            for line in lines:
                if line not in leaves and _LITERAL_LINE.fullmatch(line) is None:
                    return None
        return len(lines), text, ()

    def _plan(self, layout: Layout) -> _Plan:
        """Where the attributes are in ads of a layout."""
        plan: list[_Step] = []
        for key, prefix in self._names:
            place = layout.places.get(key)
            if place is not None:
                needle, hint = place
                skip = 1 if needle.startswith(b"\0") else 0
                spelled = None if needle[skip:] == prefix else prefix
                plan.append((needle, hint, len(needle), skip, spelled))
            elif key in STAMPED_KEYS:
                plan.append((key, 0, 0, 0, prefix))
        if len(self._plans) >= _MAX_PLANS:
            self._plans.clear()
        done = self._plans[layout] = tuple(plan)
        return done

    def _follow(
        self, ad: Searchable, value: bytes, references: set[bytes], limit_bytes: int
    ) -> int:
        """Collect what an expression refers to, directly or not.

        Returns:
            How many bytes were read for that.
        """
        pending = [value]
        read = 0
        while pending and len(references) < _MAX_NAMES:
            text = pending.pop()
            if read + len(text) > limit_bytes:
                break
            read += len(text)
            for name in references_of(text):
                key = lookup_key(name)
                if key not in references:
                    references.add(key)
                    raw = ad.raw(key)
                    if raw is not None and parse_literal(raw) is NOT_LITERAL:
                        pending.append(raw)
        return read

    def _referenced(
        self, ad: Searchable, judge: LineJudge, references: set[bytes]
    ) -> list[bytes]:
        """The lines of referenced attributes that were not asked for by name."""
        lines: list[bytes] = []
        for key in references.difference(key for key, _ in self._names):
            line = ad.line(key)
            sendable = None if line is None else judge.sendable(line)
            if sendable is not None:
                lines.append(sendable + b"\0")
        return lines

    def __repr__(self) -> str:
        names = [decode_string(prefix[:-3]) for _, prefix in self._names]
        return f"Projection({' '.join(names)!r})"


def _name_of(line: bytes) -> bytes:
    return line[: line.index(b" = ")].lower()
