"""Habits: which attributes of an ad change from one update to the next.

A startd's slot ad has some 180 attributes, and between two updates of one slot the
same score of them change: the sequence number, times, loads. So an update is held
against the ad that it replaces: the text between the changing values must be the same
to the byte, and the changing values must be values. Then everything that was proved of
the old ad holds for the new one: its names and their order, that none occurs twice and
none is private, its key and its address.

Where anything else differs the answer is ``None``: the ad is read in the usual way,
and what changed this time belongs to the habit from then on.

Layout: lines = run, value, run, value, ..., run. A run is text that stays, from the end
of one changing value to the begin of the next; a value ends before its NUL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from struct import Struct
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from condor_twisted.constants import attributes
from condor_twisted.daemons.collector.state.names import STAMPED_KEYS, lookup_key

if TYPE_CHECKING:
    from condor_twisted.daemons.collector.state.layouts import Layout

__all__ = [
    "MAX_CHANGING",
    "PLAIN_VALUE",
    "Changes",
    "Habit",
    "Shape",
    "ShapeBook",
    "are_plain",
    "are_values",
    "changed_keys",
    "heads_of",
]

#: The pattern of a value that is plainly a literal; the usual case, and quick to see.
PLAIN_VALUE: Final = (
    rb'(?:-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?|"[^"\\\0]*"|true|false)'
)
#: An ad of which more changes has no habit.
MAX_CHANGING: Final = 48
#: At most so many shapes are in use at a time; a shape takes some 2 kB.
_MAX_SHAPES: Final = 8192
#: Ads above this have no shape: a line of them may be too long.
_MAX_SIZE_BYTES: Final = 1 << 20

#: What says whose ad this is: an ad in which one of these changes is read as a new one.
_STEADY: Final = frozenset(
    lookup_key(name)
    for name in (
        attributes.NAME,
        attributes.MY_TYPE,
        attributes.MY_ADDRESS,
        attributes.MACHINE,
        attributes.SLOT_ID,
        attributes.DAEMON_START_TIME,
        attributes.HAS_START_DAEMON_AD,
    )
)
_SEQUENCE: Final = lookup_key(attributes.UPDATE_SEQUENCE_NUMBER)
#: Most are plain numbers, which are seen quicker by themselves.
_PLAIN_VALUES = re.compile(rb"(?:[1-9][0-9]{0,17}\0|" + PLAIN_VALUE + rb"\0)*")

#: No value is less: the first character behind the blank.
_LEAST: Final = b"!"
#: What most changing values are made of: numbers.
_OF_NUMBERS: Final = b"0123456789.-"

_Values = tuple[bytes, ...]


def are_plain(values: _Values) -> bool:
    """Whether all values are plainly literals."""
    joined = b"\0".join((*values, b""))
    return _PLAIN_VALUES.fullmatch(joined) is not None and joined.count(0) == len(
        values
    )


def are_values(values: _Values) -> bool:
    """Whether each could stand behind ``Name = ``: not empty, no NUL, no blank."""
    # The least of them tells how all begin: none is empty, none begins with a blank.
    return not values or (min(values) >= _LEAST and 0 not in b"".join(values))


class Shape:
    """The lengths of runs and values of one ad.

    Args:
        runs: The lengths of the runs, one more than there are values.
        widths: The lengths of the values.
    """

    __slots__ = (
        "__weakref__",
        "_is_filled",
        "runs",
        "runs_of",
        "size",
        "values_of",
        "widths",
    )

    def __init__(self, runs: tuple[int, ...], widths: tuple[int, ...]) -> None:
        self.runs: Final = runs
        self.widths: Final = widths
        pairs = list(zip(runs, widths, strict=False))
        run_fields = "".join([f"{run}s{width}x" for run, width in pairs])
        run_struct = Struct(f"{run_fields}{runs[-1]}s")
        value_struct = Struct("".join([f"{run}x{width}s" for run, width in pairs]))
        #: Cuts the runs out of one.
        self.runs_of: Final[Callable[..., _Values]] = run_struct.unpack_from
        #: Cuts the values out of an ad of this shape, given it and where it begins.
        self.values_of: Final[Callable[..., _Values]] = value_struct.unpack_from
        #: The length of an ad of this shape.
        self.size: Final = run_struct.size
        self._is_filled: Final = 0 not in widths

    def same(self, text: bytes, payload: bytes, start: int) -> _Values | None:
        """The values of an ad of just this shape, if its runs are those of ``text``.

        Args:
            text: An ad of this shape.
            payload: What came.
            start: Where the new ad begins in it.
        """
        if start + self.size > len(payload):
            return None
        runs_of = self.runs_of
        if runs_of(payload, start) != runs_of(text):
            return None
        values = self.values_of(payload, start)
        # In its old place and width a value ends before the NUL that its run
        # begins with, but it may hold another one. Most values are numbers, which
        # is seen quicker than what else they may be.
        if self._is_filled and not b"".join(values).translate(None, _OF_NUMBERS):
            return values
        return values if are_values(values) else None

    def filled(self, text: bytes, values: _Values) -> bytes:
        """A text of this shape with other values, whatever their widths."""
        pieces = [b""] * (2 * len(values) + 1)
        pieces[::2] = self.runs_of(text)
        pieces[1::2] = values
        return b"".join(pieces)

    def follow(self, text: bytes, payload: bytes, start: int) -> _Values | None:
        """The same for an ad whose values may have other widths."""
        values = []
        begins_with = payload.startswith
        index = payload.index
        behind = 0
        at = start
        try:
            for run, width in zip(self.runs, self.widths, strict=False):
                end = behind + run
                if not begins_with(text[behind:end], at):
                    return None
                at += run
                behind = end + width
                end = index(0, at)
                values.append(payload[at:end])
                at = end
        except ValueError:  # no NUL: the message ends inside the value
            return None
        if not begins_with(text[behind:], at):
            return None
        found = tuple(values)
        return found if are_values(found) else None


class ShapeBook:
    """The shapes that ads have now; ads of one shape share it."""

    def __init__(self, max_shapes: int = _MAX_SHAPES) -> None:
        self._max_shapes = max_shapes
        self._shapes: WeakValueDictionary[
            tuple[tuple[int, ...], tuple[int, ...]], Shape
        ] = WeakValueDictionary()

    def __len__(self) -> int:
        """How many shapes are in use."""
        return len(self._shapes)

    def shape(self, runs: tuple[int, ...], widths: tuple[int, ...]) -> Shape | None:
        """The shape with these lengths; ``None`` for too many or too large ones."""
        key = (runs, widths)
        shape = self._shapes.get(key)
        if shape is None and len(self._shapes) < self._max_shapes:
            if sum(runs) + sum(widths) > _MAX_SIZE_BYTES:
                return None
            shape = self._shapes[key] = Shape(runs, widths)
        return shape

    def follow(
        self, shape: Shape, text: bytes, payload: bytes, start: int
    ) -> tuple[Shape, _Values] | None:
        """The shape and the values of an ad with other widths than ``text``.

        Args:
            shape: The shape of ``text``.
            text: An ad.
            payload: What came.
            start: Where the new ad begins in it.
        """
        values = shape.follow(text, payload, start)
        if values is None:
            return None
        other = self.shape(shape.runs, tuple(map(len, values)))
        return None if other is None else (other, values)

    def shape_between(self, text: bytes, needles: Iterable[bytes]) -> Shape | None:
        """The shape of a text whose changing values stand behind the needles.

        Args:
            text: Lines.
            needles: What stands before each value, in the order of the text.
        """
        runs: list[int] = []
        widths: list[int] = []
        behind = 0
        for needle in needles:
            at = text.index(needle, behind) + len(needle)
            end = text.index(0, at)
            runs.append(at - behind)
            widths.append(end - at)
            behind = end
        runs.append(len(text) - behind)
        return self.shape(tuple(runs), tuple(widths))


class Changes:
    """Which attributes change in the ads of one sequence of names.

    Args:
        layout: A layout of these names.

    Attributes:
        keys: Their lower-case names; ``None`` if these are too many for a habit.
        newest: Of the layouts of these names the latest.
    """

    __slots__ = ("keys", "newest")

    def __init__(self, layout: Layout) -> None:
        self.keys: frozenset[bytes] | None = frozenset()
        self.newest = layout

    def add(self, keys: Iterable[bytes]) -> None:
        """These changed, too; what says whose ad it is does not count."""
        if self.keys is None:
            return
        more = self.keys.union(keys)
        if more & _STEADY or more == self.keys:
            return
        self.keys = more if len(more) <= MAX_CHANGING else None


class Habit:
    """The changing attributes of one layout's ads, as the layout has them.

    Args:
        layout: The layout.
        keys: Attributes that change, by lower-case name.

    Attributes:
        keys: What it was made for.
        changing: Those of them that the layout has, in its order.
        needles: What stands before their values.
        heads: How long that is, without the NUL in front.
        sequence_at: The place of the update's sequence number among them; -1 if it
            does not change.
        wanted: Of what the layout has at hand, what changes: its place among the
            values at hand and its place here.
        columns: What a column may be about that changes: these attributes, and
            those that the collector sets.
    """

    __slots__ = (
        "changing",
        "columns",
        "heads",
        "keys",
        "needles",
        "sequence_at",
        "wanted",
    )

    def __init__(self, layout: Layout, keys: frozenset[bytes]) -> None:
        self.keys: Final = keys
        self.columns: Final = keys | STAMPED_KEYS
        self.changing: Final = tuple(key for key in layout.places if key in keys)
        self.needles: Final = tuple(layout.places[key][0] for key in self.changing)
        self.heads: Final = heads_of(self.needles)
        order = {key: at for at, key in enumerate(self.changing)}
        self.sequence_at: Final = order.get(_SEQUENCE, -1)
        self.wanted: Final = tuple(
            (at, order[key]) for key, at in layout.at_hand.items() if key in order
        )


def heads_of(needles: Iterable[bytes]) -> tuple[int, ...]:
    """How far in front of each value its line begins.

    Args:
        needles: What stands before the values: a NUL perhaps, a name, an equals sign.
    """
    return tuple([len(needle.lstrip(b"\0")) for needle in needles])


def changed_keys(layout: Layout, old: bytes, new: bytes) -> list[bytes]:
    """The attributes in which two bodies of one layout differ, by lower-case name."""
    lines = zip(layout.places, old.split(b"\0"), new.split(b"\0"), strict=False)
    return [key for key, before, after in lines if before != after]
