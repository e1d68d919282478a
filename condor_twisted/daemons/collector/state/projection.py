"""Projections: an ad cut down to what the client names.

Tools put column expressions into projections, cut at blanks: every piece is taken as
a name, whatever it looks like. An attribute that is not a literal brings those that
it refers to.

Source: ``src/condor_utils/classad_oldnew.cpp: putClassAd, _putClassAd``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from condor_twisted.classad.literals import (
    NOT_LITERAL,
    decode_string,
    parse_literal,
)
from condor_twisted.daemons.collector.state.evaluation import references_of
from condor_twisted.daemons.collector.state.layouts import Layout, possessive
from condor_twisted.daemons.collector.state.lookups import Searchable, searchable
from condor_twisted.daemons.collector.state.names import (
    STAMPED_KEYS,
    is_private_key,
    lookup_key,
)
from condor_twisted.daemons.collector.state.publication import LineJudge
from condor_twisted.daemons.collector.state.records import AdRecord

__all__ = ["ProjectedAd", "Projection"]

_SEPARATORS = re.compile(r"[ ,\t\r\n]+")


#: A line with its NUL, and a value that is plainly a literal with its NUL.
_ANY_LINE: Final = possessive(rb"[^\0]*") + rb"\0"
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
#: A projection's pattern for a layout is made when it would have helped so often.
_USES_OF_A_PATTERN: Final = 2000

ProjectedAd: TypeAlias = tuple[int, bytes, tuple[bytes, ...]]
#: What to search for and from where on, its size, where the line begins behind it, and
#: the spelling wanted if it is another. For stamps: the key, no size, the spelling.
_Step: TypeAlias = tuple[bytes, int, int, int, "bytes | None"]
_Plan: TypeAlias = tuple[_Step, ...]


class _Pattern(NamedTuple):
    """All attributes of a projection in ads of one layout, by one match.

    Args:
        match: Matches a body whose wanted values are literals, as a rule.
        groups: The wanted lines in the order of the answer.
        loose: Of these, the ones that were no literals when the pattern was made.
        stamps: Where the collector's own attributes go: position, key, spelling.
    """

    match: Callable[[bytes], re.Match[bytes] | None]
    groups: tuple[int, ...]
    loose: tuple[int, ...]
    stamps: tuple[tuple[int, bytes, bytes], ...]


class Projection:
    """The attributes that a client wants, in the spelling that it wants.

    Two projections of the same names are not the same: what records remember goes by
    the object.

    Args:
        text: Names, separated by blanks and commas.
        max_names: What follows behind so many is ignored.

    Attributes:
        is_empty: Whether it names nothing, which means everything.
        names_count: How many names it has.
        wants_private: Whether one of the names is private.
    """

    __slots__ = (
        "_names",
        "_patterns",
        "_plans",
        "_uses",
        "is_empty",
        "names_count",
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
        self._patterns: dict[Layout, _Pattern | None] = {}
        self._uses: dict[Layout, int] = {}
        self.is_empty: Final = not names
        self.names_count: Final = len(names)
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
        quick = self._by_pattern(record, judge) or self._quick(record, judge)
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

    def _by_pattern(self, record: AdRecord, judge: LineJudge) -> ProjectedAd | None:
        """The same by one match, for layouts that are asked for often."""
        layout = record.layout
        if layout is None:
            return None
        pattern = self._patterns.get(layout)
        if pattern is None:
            return None
        found = pattern.match(record.body)
        if found is None:
            return None
        groups = pattern.groups
        if pattern.loose and not judge.leaves.issuperset(
            [found[group] for group in pattern.loose]
        ):
            return None
        lines = [*found.group(*groups)] if len(groups) > 1 else [found[groups[0]]]
        for at, key, prefix in pattern.stamps:
            raw = record.raw(key)
            if raw is None:
                return None
            lines.insert(at, prefix + raw + b"\0")
        return len(lines), b"".join(lines), ()

    def _make_pattern(self, layout: Layout, record: AdRecord) -> _Pattern | None:
        """The pattern for a layout; ``None`` where another spelling is wanted."""
        wanted = dict(self._names)
        pieces: list[bytes] = []
        group_of: dict[bytes, int] = {}
        loose: list[int] = []
        end = 0
        for name in layout.names:
            key = name.lower()
            prefix = wanted.get(key)
            if prefix is None:
                pieces.append(_ANY_LINE)
                continue
            line = prefix + (record.raw(key) or b"") + b"\0"
            if prefix != name + b" = ":
                return None
            group_of[key] = len(group_of) + 1
            if _LITERAL_LINE.fullmatch(line) is not None:
                pieces.append(b"(" + re.escape(prefix) + _LITERAL + b")")
            else:
                loose.append(group_of[key])
                pieces.append(b"(" + re.escape(prefix) + _ANY_LINE + b")")
            end = len(pieces)
        groups: list[int] = []
        stamps: list[tuple[int, bytes, bytes]] = []
        for key, prefix in self._names:
            group = group_of.get(key)
            if group is not None:
                groups.append(group)
            elif key in STAMPED_KEYS:
                stamps.append((len(groups) + len(stamps), key, prefix))
        if not groups:
            return None
        match = re.compile(b"".join(pieces[:end])).match
        return _Pattern(match, tuple(groups), tuple(loose), tuple(stamps))

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
        self._count_use(layout, record)
        return len(lines), text, ()

    def _count_use(self, layout: Layout, record: AdRecord) -> None:
        """Make a pattern for a layout that is asked for often."""
        uses = self._uses.get(layout, 0) + 1
        self._uses[layout] = uses
        if uses == _USES_OF_A_PATTERN:
            self._patterns[layout] = self._make_pattern(layout, record)

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
            self._uses.clear()
            self._patterns.clear()
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
