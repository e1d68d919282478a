r"""Layouts: the sequences of attribute names that ads come in.

A daemon sends the same attributes in the same order every time, and so does every
other daemon of its kind; only the values change. A :class:`Layout` is one such
sequence as a compiled pattern. When it matches, one call that runs in C has proved
what would otherwise take a look at every line: where the ad ends, that each line is
plainly ``Name = value``, that no name occurs twice, which lines are private and that
none is the collector's own, where each value is, and which attributes the ad lacks.

What no layout matches is read line by line; see ``layout_book`` for how a sequence
becomes a layout.

The attributes that queries ask for are captured as well: then a value that is plainly
a literal is at hand, with the proof that it is one, and nobody has to search for it.
A layout learns what is wanted when its turn comes, under the same ration.

Layout of an ad that a pattern matches, ``count`` times one of:
    ``Name = value`` NUL, or ``ZKM`` NUL ``Name = value`` NUL
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from condor_twisted.constants import attributes
from condor_twisted.daemons.collector.state.habits import Changes, Habit, are_plain
from condor_twisted.daemons.collector.state.names import (
    is_private_key,
    lookup_key,
)

__all__ = ["MARKER", "MARKER_STRING", "Layout", "names_of", "possessive"]

MARKER: Final = b"ZKM"
MARKER_STRING: Final = b"ZKM\0"


def possessive(pattern: bytes) -> bytes:
    """A repetition that is not tried with less, where ``re`` knows such.

    Args:
        pattern: Ends in a repetition; what follows it cannot match what it repeats,
            so that the meaning is the same.
    """
    try:
        re.compile(pattern + b"+")
    except re.error:  # before Python 3.11
        return pattern
    return pattern + b"+"


#: A value: not empty, not only blanks.
_VALUE: Final = possessive(rb"[^ \0][^\0]*")

#: Forms of values that refer to nothing and that every reader takes, by how to know
#: that an attribute has this one.
_LITERALS: Final = (
    (re.compile(rb'"'), rb'"[^"\\\0]*"'),
    (re.compile(rb"[-0-9]"), rb"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?"),
    (re.compile(rb"(?:true|false)\Z"), rb"true|false"),
    (re.compile(rb"\{"), rb"\{ *\}"),
)

#: Their values are captured when an ad arrives: keys, statistics, rules.
_CAPTURED: Final = (
    attributes.NAME,
    attributes.MACHINE,
    attributes.MY_TYPE,
    attributes.MY_ADDRESS,
    attributes.SLOT_ID,
    attributes.SCHEDD_NAME,
    attributes.SCHEDD_IP_ADDR,
    attributes.UPDATE_SEQUENCE_NUMBER,
    attributes.DAEMON_START_TIME,
    attributes.NEGOTIATOR_NAME,
    attributes.HASH_NAME,
    attributes.OWNER,
    attributes.HAS_START_DAEMON_AD,
)
#: What the usual slot ad has, and the usual private ad beside it, which has no Name.
_OF_A_SLOT: Final = (
    attributes.MY_TYPE,
    attributes.NAME,
    attributes.MY_ADDRESS,
    attributes.UPDATE_SEQUENCE_NUMBER,
    attributes.DAEMON_START_TIME,
    attributes.HAS_START_DAEMON_AD,
)
_OF_A_PRIVATE_AD: Final = (attributes.MY_TYPE, attributes.MY_ADDRESS)
_CAPTURED_KEYS: Final = frozenset(lookup_key(name) for name in _CAPTURED)


#: How far before its place in the first ad of this layout a value is looked for.
_SLACK_BYTES: Final = 160


def names_of(strings: Sequence[bytes]) -> tuple[bytes, ...] | None:
    """The names of an ad's strings in order, or ``None`` where one is not plain.

    Args:
        strings: The strings of an ad; of a secret, the marker and the line.

    Returns:
        Names as spelled; of a secret, the marker with its NUL and the name.
    """
    names: list[bytes] = []
    for line in strings:
        name, equals, value = line.partition(b" = ")
        if line == MARKER:
            names.append(MARKER_STRING)
        elif not equals or not value.strip(b" "):
            return None
        else:
            names.append(name)
    return tuple(names)


class Layout:
    """One sequence of attribute names.

    Args:
        strings: The strings of an ad of this layout, as :func:`names_of` takes them;
            each name is plain and there once, and none is the collector's.
        wanted: Attributes whose values are captured for queries, in lower case.

    Attributes:
        count: The number of attributes, private ones included.
        header: That number as it comes before an ad.
        public_count: The number of those that are not private.
        group_of: Captured attributes by lower-case name, with their group's number.
        secret_groups: The groups that hold private lines, each with the size of the
            marker in front.
        slot_groups: The groups of what the usual slot ad has: MyType, Name, MyAddress,
            UpdateSequenceNumber, DaemonStartTime, HasStartDaemonAd; or none.
        private_groups: Of the usual private ad: MyType and MyAddress; or none.
        wanted: What it was made for.
        at_hand: The wanted attributes that it has, by lower-case name, with their place
            among the values that :meth:`values` gives.
        places: Where public attributes are, by lower-case name: what to search for
            (the first one's has no NUL in front), and from where on.
        changes: Which attributes change from update to update.
    """

    __slots__ = (
        "_habit",
        "_match",
        "_pattern",
        "_strings",
        "_value_groups",
        "at_hand",
        "changes",
        "count",
        "group_of",
        "header",
        "places",
        "private_groups",
        "public_count",
        "secret_groups",
        "slot_groups",
        "wanted",
    )

    def __init__(
        self, strings: Sequence[bytes], wanted: frozenset[bytes] = frozenset()
    ) -> None:
        pieces: list[bytes] = []
        places: dict[bytes, tuple[bytes, int]] = {}
        group_of: dict[bytes, int] = {}
        secret_groups: list[tuple[int, int]] = []
        value_groups: list[int] = []
        at_hand: dict[bytes, int] = {}
        groups = 0
        offset = 0
        secret = False
        for line in strings:
            if line == MARKER:
                secret = True
                continue
            name, _, value = line.partition(b" = ")
            # A value that begins with a blank (" = -3" after a sign) stays legal.
            blanks = b" *" if value.startswith(b" ") else b""
            plain = re.escape(name) + b" = "
            key = name.lower()
            if secret or is_private_key(key):
                groups += 1
                marker = b"ZKM\\0" if secret else b""
                secret_groups.append((groups, 4 if secret else 0))
                pieces.append(b"(" + marker + plain + blanks + _VALUE + b"\\0)")
                secret = False
                continue
            captured = key in _CAPTURED_KEYS
            if captured:
                groups += 1
                group_of[key] = groups
                plain += b"("
            plain += blanks
            form = _literal_form(value) if key in wanted else None
            if form is not None:
                groups += 1
                at_hand[key] = len(value_groups)
                value_groups.append(groups)
                # Behind a look ahead no other way is tried: one alternative per
                # attribute would be exponentially many.
                plain += b"(?=(" + form + b")\\0|)"
            pieces.append(plain + _VALUE + (b")\\0" if captured else b"\\0"))
            needle = b"\0" + name + b" = "
            if offset:
                places[key] = needle, max(0, offset - 1 - _SLACK_BYTES)
            else:
                places[key] = needle[1:], 0
            offset += len(line) + 1
        self._pattern: Final = b"".join(pieces)
        self._match: Callable[[bytes, int], re.Match[bytes] | None] | None = None
        self.group_of: Final = group_of
        self.secret_groups: Final = tuple(secret_groups)
        self.public_count: Final = len(places)
        self.count: Final = len(places) + len(secret_groups)
        self.header: Final = self.count.to_bytes(8, "big")
        self.places: Final = places
        self.wanted = wanted
        self.at_hand: Final = at_hand
        # Asked for a single group, a match would not give a tuple.
        self._value_groups: Final = tuple(
            value_groups * 2 if len(value_groups) == 1 else value_groups
        )
        self._strings: Final = tuple(_without_secrets(strings))
        self.changes = Changes(self)
        self._habit: Habit | None = None
        self.slot_groups: Final = _all_groups(group_of, _OF_A_SLOT)
        self.private_groups: Final = (
            ()
            if lookup_key(attributes.NAME) in places
            else _all_groups(group_of, _OF_A_PRIVATE_AD)
        )

    def match(self, payload: bytes, offset: int = 0) -> re.Match[bytes] | None:
        """Hold the lines at ``offset`` against the names.

        The pattern is compiled when it is needed first: ads that are like the ones
        before them never need it.
        """
        if self._match is None:
            self._match = re.compile(self._pattern).match
        return self._match(payload, offset)

    def for_wanted(self, wanted: frozenset[bytes]) -> Layout:
        """The same layout, for other wanted attributes."""
        layout = Layout(self._strings, wanted)
        layout.changes = self.changes
        layout.changes.newest = layout
        return layout

    @property
    def habit(self) -> Habit | None:
        """What changes from update to update; ``None`` if that is too much."""
        keys = self.changes.keys
        return None if keys is None else self.habit_of(keys)

    def habit_of(self, keys: frozenset[bytes]) -> Habit:
        """The habit of these attributes in this layout."""
        if self._habit is None or self._habit.keys is not keys:
            self._habit = Habit(self, keys)
        return self._habit

    def is_like(self, other: Layout | None) -> bool:
        """Whether another layout is of the same names in the same order."""
        return other is not None and other.changes is self.changes

    def has_any(self, keys: Iterable[bytes]) -> bool:
        """Whether the layout has one of these attributes."""
        return any(key in self.places for key in keys)

    def values(self, found: re.Match[bytes]) -> tuple[bytes | None, ...]:
        """What is at hand of an ad that matched; ``None`` for what is no literal.

        The attributes' places are in ``at_hand``; what is behind them is of no use.
        """
        groups = self._value_groups
        return found.group(*groups) if groups else ()

    def values_in(self, body: bytes) -> tuple[bytes | None, ...]:
        """What is at hand of a body that another layout of these names matched."""
        texts = [self.raw(body, key) or b"" for key in self.at_hand]
        if len(texts) == 1:
            texts *= 2  # as a match gives them
        values = tuple(texts)
        if are_plain(values):
            return values
        return tuple(text if are_plain((text,)) else None for text in values)

    def cut(
        self, payload: bytes, found: re.Match[bytes]
    ) -> tuple[bytes, tuple[bytes, ...]]:
        """The public lines and the secret lines of an ad that matched."""
        start, end = found.span()
        if not self.secret_groups:
            return payload[start:end], ()
        public: list[bytes] = []
        secrets: list[bytes] = []
        for group, marker in self.secret_groups:
            at, behind = found.span(group)
            public.append(payload[start:at])
            secrets.append(payload[at + marker : behind - 1])
            start = behind
        public.append(payload[start:end])
        return b"".join(public), tuple(secrets)

    def raw(self, body: bytes, key: bytes) -> bytes | None:
        """The value of an attribute in a body of this layout.

        Args:
            body: Public lines that matched.
            key: The attribute's name in lower case.
        """
        place = self.places.get(key)
        if place is None:
            return None
        needle, hint = place
        at = body.find(needle, hint)
        if at < 0:
            at = body.find(needle)
        start = at + len(needle)
        return body[start : body.index(0, start)]


def _literal_form(value: bytes) -> bytes | None:
    """The pattern of literals like this one; ``None`` if it is none."""
    for looks, form in _LITERALS:
        if looks.match(value) is not None:
            return form if re.fullmatch(form, value) is not None else None
    return None


def _without_secrets(strings: Sequence[bytes]) -> Iterable[bytes]:
    """The strings, but of a private one nothing except its name."""
    secret = False
    for line in strings:
        name, _, value = line.partition(b" = ")
        if secret or is_private_key(name.lower()):
            line = name + b" = " + (b" 0" if value.startswith(b" ") else b"0")
        secret = line == MARKER
        yield line


def _all_groups(group_of: dict[bytes, int], names: Sequence[str]) -> tuple[int, ...]:
    """The groups of some attributes; none if one of them is not captured."""
    groups = [group_of.get(lookup_key(name)) for name in names]
    return tuple(group for group in groups if group is not None) * (None not in groups)
