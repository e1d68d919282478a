"""Projections: an ad cut down to what the client names.

Tools put column expressions into projections, cut at blanks: every piece is taken as
a name, whatever it looks like. An attribute that is not a literal brings those that
it refers to.

Source: ``src/condor_utils/classad_oldnew.cpp: putClassAd, _putClassAd``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from condor_twisted.classad.literals import (
    NOT_LITERAL,
    decode_string,
    parse_literal,
)
from condor_twisted.daemons.collector.state.evaluation import references_of
from condor_twisted.daemons.collector.state.names import (
    STAMPED_KEYS,
    is_private_key,
    lookup_key,
)
from condor_twisted.daemons.collector.state.publication import LineJudge
from condor_twisted.daemons.collector.state.records import AdRecord

__all__ = ["ProjectedAd", "Projection"]

_SEPARATORS = re.compile(r"[ ,\t\r\n]+")
_LITERAL_LINES = re.compile(
    rb"(?:[^=\0]+ = "
    rb'(?:-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?|"[^"\\\0]*"|true|false)\0)*'
)
#: Most names that one projection can have, the referenced ones included.
_MAX_NAMES: Final = 10_000

ProjectedAd = tuple[int, bytes, tuple[bytes, ...]]


class Projection:
    """The attributes that a client wants, in the spelling that it wants.

    Two projections of the same names are not the same: what records remember goes by
    the object.

    Args:
        text: Names, separated by blanks and commas.

    Attributes:
        is_empty: Whether it names nothing, which means everything.
        wants_private: Whether one of the names is private.
    """

    __slots__ = ("_names", "is_empty", "wants_private")

    def __init__(self, text: str) -> None:
        names: dict[bytes, bytes] = {}
        for name in _SEPARATORS.split(text, _MAX_NAMES)[:_MAX_NAMES]:
            if name:
                key = lookup_key(name)
                names.setdefault(key, name.encode("utf-8", "surrogateescape") + b" = ")
        self._names: Final = sorted(names.items())
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
        quick = self._quick(record)
        if quick is not None and (private is None or not self.wants_private):
            return quick
        lines: list[bytes] = []
        secrets: list[bytes] = []
        references: set[bytes] = set()
        for key, prefix in self._names:
            raw = record.raw(key)
            if raw is None:
                if private is not None and is_private_key(key):
                    found = private(key)
                    if found is not None:
                        secrets.append(found)
                continue
            line = judge.sendable(prefix + raw)
            if line is None:
                continue
            lines.append(line + b"\0")
            value = line[len(prefix) :].lstrip(b" ")
            if parse_literal(value) is NOT_LITERAL:
                self._follow(record, value, references)
        if references:
            lines.extend(self._referenced(record, judge, references))
            lines.sort(key=_name_of)
        return len(lines), b"".join(lines), tuple(secrets)

    def _quick(self, record: AdRecord) -> ProjectedAd | None:
        """The same, where all attributes turn out to be plain literals."""
        layout = record.layout
        if layout is None:
            return None
        body = record.body
        find = body.find
        lines: list[bytes] = []
        for key, prefix in self._names:
            place = layout.places.get(key)
            if place is not None:
                needle, hint = place
                at = find(needle, hint)
                if at < 0:
                    at = find(needle)
                value = at + len(needle)
                end = find(0, value) + 1
                if needle.endswith(prefix):
                    lines.append(body[value - len(prefix) : end])
                else:
                    lines.append(prefix + body[value:end])
            elif key in STAMPED_KEYS:
                raw = record.raw(key)
                if raw is not None:
                    lines.append(prefix + raw + b"\0")
        text = b"".join(lines)
        if _LITERAL_LINES.fullmatch(text) is None:
            return None
        return len(lines), text, ()

    def _follow(self, record: AdRecord, value: bytes, references: set[bytes]) -> None:
        """Collect what an expression refers to, directly or not."""
        pending = [value]
        while pending and len(references) < _MAX_NAMES:
            for name in references_of(pending.pop()):
                key = lookup_key(name)
                if key not in references:
                    references.add(key)
                    raw = record.raw(key)
                    if raw is not None and parse_literal(raw) is NOT_LITERAL:
                        pending.append(raw)

    def _referenced(
        self, record: AdRecord, judge: LineJudge, references: set[bytes]
    ) -> list[bytes]:
        """The lines of referenced attributes that were not asked for by name."""
        lines: list[bytes] = []
        for key in references.difference(key for key, _ in self._names):
            line = record.line(key)
            sendable = None if line is None else judge.sendable(line)
            if sendable is not None:
                lines.append(sendable + b"\0")
        return lines

    def __repr__(self) -> str:
        names = [decode_string(prefix[:-3]) for _, prefix in self._names]
        return f"Projection({' '.join(names)!r})"


def _name_of(line: bytes) -> bytes:
    return line[: line.index(b" = ")].lower()
