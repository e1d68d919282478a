r"""Layouts: the sequences of attribute names that ads come in.

A daemon sends the same attributes in the same order every time, and so does every
other daemon of its kind; only the values change. A :class:`Layout` is one such
sequence as a compiled pattern. When it matches, one call that runs in C has proved
what would otherwise take a look at every line: where the ad ends, that each line is
plainly ``Name = value``, that no name occurs twice, which lines are private and that
none is the collector's own, where each value is, and which attributes the ad lacks.

What no layout matches is read line by line; a sequence that is seen often becomes
a layout. All of this is memory of fixed size, and learning is rationed: a pattern
costs some milliseconds, so peers that send ever new sequences cannot make us learn.

The attributes that queries ask for are captured as well: then a value that is plainly
a literal is at hand, with the proof that it is one, and nobody has to search for it.
A layout learns what is wanted when its turn comes, under the same ration.

Layout of an ad that a pattern matches, ``count`` times one of:
    ``Name = value`` NUL, or ``ZKM`` NUL ``Name = value`` NUL
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from condor_twisted.constants import attributes
from condor_twisted.daemons.collector.state.habits import Changes, Habit, are_plain
from condor_twisted.daemons.collector.state.names import (
    is_plain,
    is_plain_public,
    is_private_key,
    lookup_key,
)

__all__ = ["Layout", "LayoutBook", "names_of", "possessive"]

_MARKER: Final = b"ZKM"
_MARKER_STRING: Final = b"ZKM\0"


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
#: At most so many attributes are captured because queries want them.
MAX_WANTED: Final = 48
#: An attribute is wanted when it was asked for so often.
_ASKED_OFTEN: Final = 2
#: What is wanted is thought over after so many questions.
_ASKED_REVIEW: Final = 512
_MAX_ASKED: Final = 4096
_MAX_ASKED_BYTES: Final = 100
#: What an ad pays for a new pattern, if its layout waits for one.
_INCOME_OF_KNOWN: Final = 1.0 / 200

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

_MIN_NAMES: Final = 4
_MAX_NAMES: Final = 600
_MAX_NAME_BYTES: Final = 16_384
_MAX_LINE_BYTES: Final = 1 << 20

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
        if line == _MARKER:
            names.append(_MARKER_STRING)
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
        "_search",
        "_strings",
        "_value_groups",
        "at_hand",
        "changes",
        "count",
        "group_of",
        "match",
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
            if line == _MARKER:
                secret = True
                continue
            name, _, value = line.partition(b" = ")
            # A value that begins with a blank (" = -3" after a sign) stays legal.
            blanks = b" *" if value.startswith(b" ") else b""
            plain = re.escape(name) + b" = " + blanks
            key = name.lower()
            if secret or is_private_key(key):
                groups += 1
                marker = b"ZKM\\0" if secret else b""
                secret_groups.append((groups, 4 if secret else 0))
                pieces.append(b"(" + marker + plain + _VALUE + b"\\0)")
                secret = False
                continue
            captured = key in _CAPTURED_KEYS
            if captured:
                groups += 1
                group_of[key] = groups
                plain += b"("
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
        self.match = re.compile(b"".join(pieces)).match
        self.group_of: Final = group_of
        self.secret_groups: Final = tuple(secret_groups)
        self.public_count: Final = len(places)
        self.count: Final = len(places) + len(secret_groups)
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
        texts = [self.raw(body, key) for key in self.at_hand]
        if len(texts) == 1:
            texts *= 2  # as a match gives them
        return tuple(
            text if text is not None and are_plain((text,)) else None for text in texts
        )

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
        secret = line == _MARKER
        yield line


def _all_groups(group_of: dict[bytes, int], names: Sequence[str]) -> tuple[int, ...]:
    """The groups of some attributes; none if one of them is not captured."""
    groups = [group_of.get(lookup_key(name)) for name in names]
    return tuple(group for group in groups if group is not None) * (None not in groups)


class LayoutBook:
    """The layouts known, by number of attributes.

    Args:
        max_layouts: At most so many are kept.
        sightings: A sequence becomes a layout when it is seen so often.
        savings: Ads that no layout matched pay for learning: each brings
            ``1 / savings`` of what one new layout costs.
    """

    def __init__(
        self, max_layouts: int = 256, sightings: int = 3, savings: int = 24
    ) -> None:
        self._max_layouts = max_layouts
        self._sightings = sightings
        self._income = 1.0 / savings
        self._credit = 32.0
        self._by_count: dict[int, list[Layout]] = {}
        self._size = 0
        self._seen: dict[tuple[bytes, ...], int] = {}
        self._wanted: frozenset[bytes] = frozenset()
        self._asked: dict[bytes, int] = {}
        self._asked_count = 0

    def __len__(self) -> int:
        """How many layouts are known."""
        return self._size

    def find(
        self, payload: bytes, offset: int, count: int, likely: Layout | None = None
    ) -> tuple[Layout, re.Match[bytes]] | None:
        """The layout that the ad at ``offset`` has, if it is a known one.

        Args:
            payload: Strings, each with its NUL.
            offset: Where the ad's first string begins.
            count: The number of attributes.
            likely: The layout that is tried first.
        """
        if likely is not None and likely.wanted is self._wanted:
            found = likely.match(payload, offset)
            if (
                found is not None
                and likely.count == count
                and found.end() - offset <= _MAX_LINE_BYTES
            ):
                return likely, found
        layouts = self._by_count.get(count)
        if layouts is None:
            return None
        for layout in layouts:
            found = layout.match(payload, offset)
            if found is not None:
                if layout is not layouts[0]:
                    layouts.remove(layout)
                    layouts.insert(0, layout)
                if found.end() - offset > _MAX_LINE_BYTES:
                    return None  # a line may be too long: the exact reader decides
                if layout.wanted is not self._wanted:
                    self._follow(layout)
                return layout, found
        return None

    def newest(self, layout: Layout) -> Layout:
        """The layout of the same names that captures what queries want, or nearly.

        An ad that is asked about here pays for it like one that was matched.
        """
        newest = layout.changes.newest
        if newest.wanted is not self._wanted:
            self._follow(newest)
            newest = layout.changes.newest
        return newest

    def want(self, keys: Iterable[bytes]) -> None:
        """A query asks for these attributes: capture them if that goes on.

        Args:
            keys: Names in lower case, each once.
        """
        asked = self._asked
        if len(asked) > _MAX_ASKED:
            asked.clear()
        is_news = False
        for key in keys:
            if len(key) <= _MAX_ASKED_BYTES:
                count = asked[key] = asked.get(key, 0) + 1
                is_news = is_news or count == _ASKED_OFTEN
        self._asked_count += 1
        if self._asked_count >= _ASKED_REVIEW:
            self._asked_count = 0
            self._asked = {key: each // 2 for key, each in asked.items() if each > 1}
            if len(self._wanted) >= MAX_WANTED:
                # What nobody asks for any more makes room.
                often = sorted(self._asked, key=self._asked.__getitem__, reverse=True)
                self._change_wanted(self._that_exist(often)[:MAX_WANTED])
        elif is_news and len(self._wanted) < MAX_WANTED:
            often = [key for key in keys if asked.get(key, 0) >= _ASKED_OFTEN]
            known = self._that_exist(often)
            self._change_wanted([*self._wanted, *known][:MAX_WANTED])

    def _that_exist(self, keys: Iterable[bytes]) -> list[bytes]:
        """Those of some attributes that are in an ad of some layout."""
        layouts = [each for some in self._by_count.values() for each in some]
        return [key for key in keys if any(key in each.places for each in layouts)]

    def _change_wanted(self, keys: Iterable[bytes]) -> None:
        wanted = frozenset(keys)
        if wanted != self._wanted:
            self._wanted = wanted

    def _follow(self, layout: Layout) -> None:
        """Bring a layout up to what is wanted, when enough ads have paid for it."""
        wanted = self._wanted
        if not layout.has_any(wanted.symmetric_difference(layout.wanted)):
            layout.wanted = wanted
            return
        self._credit += _INCOME_OF_KNOWN
        if self._credit < 1.0:
            return
        self._credit -= 1.0
        layouts = self._by_count.get(layout.count, [])
        if layout in layouts:
            layouts[layouts.index(layout)] = layout.for_wanted(wanted)

    def note(self, strings: Sequence[bytes]) -> None:
        """An ad came that no layout matched; learn its sequence if that pays.

        Args:
            strings: As for :func:`names_of`.
        """
        self._credit = min(32.0, self._credit + self._income)
        if not _MIN_NAMES <= len(strings) <= _MAX_NAMES:
            return
        names = names_of(strings)
        if names is None or sum(map(len, names)) > _MAX_NAME_BYTES:
            return
        seen = self._seen.get(names, 0) + 1
        if seen < self._sightings:
            if len(self._seen) >= 256:
                self._seen.clear()
            self._seen[names] = seen
            return
        if self._credit < 1.0 or not _is_learnable(names):
            return
        self._credit -= 1.0
        self._seen.pop(names, None)
        self._add(Layout(strings, self._wanted))

    def _add(self, layout: Layout) -> None:
        if self._size >= self._max_layouts:
            # The last in each list was not used for longest among its equals.
            longest = max(self._by_count.values(), key=len)
            longest.pop()
            self._size -= 1
        self._by_count = {count: each for count, each in self._by_count.items() if each}
        self._by_count.setdefault(layout.count, []).insert(0, layout)
        self._size += 1


def _is_learnable(names: tuple[bytes, ...]) -> bool:
    """Whether all names are plain, none is there twice, and secrets are private."""
    seen: set[bytes] = set()
    public = 0
    secret = False
    for name in names:
        if name == _MARKER_STRING:
            if secret:
                return False
            secret = True
            continue
        key = name.lower()
        if key in seen:
            return False
        seen.add(key)
        if is_private_key(key):
            if not is_plain(name):
                return False
        elif secret or not is_plain_public(name):
            return False  # a secret of a public name becomes a public line
        else:
            public += 1
        secret = False
    return not secret and public >= _MIN_NAMES - 2
