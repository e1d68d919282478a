"""An update that differs from the ad before only where such ads always do.

Each function holds what came against the record that is there; see ``habits`` for what
that proves. ``None`` says that something else differs, or may.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from condor_twisted.daemons.collector.state.habits import Shape, ShapeBook
from condor_twisted.daemons.collector.state.prefixed_forms import (
    LENGTH_BYTES,
    PrefixedText,
    follow_prefixed,
    prefixed_shape,
)
from condor_twisted.daemons.collector.state.records import AdRecord
from condor_twisted.wire.messages import PREFIXED_TYPE_SLOTS, cut_prefixed

__all__ = ["Followed", "follow_clear", "follow_encrypted", "follow_lines"]

#: An ad that is like the one before: its lines in clear form, their shape, the update's
#: sequence number, and the offset behind the ad.
Followed: TypeAlias = tuple[bytes, Shape, int, int]

_TYPE_SLOTS: Final = b"\0\0"
#: Longer numbers are left to the usual way.
_MAX_DIGITS: Final = 17


def follow_clear(
    book: ShapeBook, old: AdRecord, payload: bytes, offset: int
) -> Followed | None:
    """An ad in a message that is not encrypted.

    Args:
        book: The shapes in use.
        old: The record that is there.
        payload: What came.
        offset: Where the new ad's count begins in it.
    """
    start = offset + LENGTH_BYTES
    found = _like(book, old, payload, start, payload[offset:start])
    if found is None:
        return None
    shape, number = found
    end = start + shape.size
    if not payload.startswith(_TYPE_SLOTS, end):
        return None
    return payload[start:end], shape, number, end + len(_TYPE_SLOTS)


def follow_lines(
    book: ShapeBook, old: AdRecord, body: bytes, count: bytes
) -> Followed | None:
    """Lines in clear form that are cut out of their message already.

    Args:
        book: The shapes in use.
        old: The record that is there.
        body: The new ad's lines.
        count: Their number, in eight bytes.
    """
    found = _like(book, old, body, 0, count)
    if found is None or found[0].size != len(body):
        return None
    return body, *found, len(body)


def follow_encrypted(
    book: ShapeBook, old: AdRecord, payload: bytes, offset: int
) -> tuple[Followed, PrefixedText] | None:
    """An ad in a message that was encrypted, and its text in that form.

    Args:
        book: The shapes in use.
        old: The record that is there.
        payload: What came, decrypted.
        offset: Where the new ad's count begins in it.
    """
    start = offset + LENGTH_BYTES
    count = payload[offset:start]
    prefixed, form = old.prefixed, _form(book, old)
    if prefixed is None or form is None:
        followed = _follow_cut(book, old, payload, start, count)
    else:
        layout, habit, shape = old.layout, old.habit, old.shape
        if layout is None or habit is None or shape is None or count != layout.header:
            return None
        found = follow_prefixed(book, form, habit.heads, prefixed.body, payload, start)
        if found is None:
            return None
        form, values = found
        number = _sequence_number(values[habit.sequence_at])
        body = shape.filled(old.body, values)
        other = (
            shape
            if form.widths == shape.widths
            else book.shape(shape.runs, form.widths)
        )
        if number is None or other is None:
            return None
        followed = body, other, number, start + form.size
    if followed is None or not payload.startswith(PREFIXED_TYPE_SLOTS, followed[3]):
        return None
    body, shape, number, end = followed
    text = PrefixedText(payload[start:end], b"", form)
    return (body, shape, number, end + len(PREFIXED_TYPE_SLOTS)), text


def _form(book: ShapeBook, old: AdRecord) -> Shape | None:
    """The shape of a record's prefixed text, if that is kept."""
    prefixed = old.prefixed
    if prefixed is None or not prefixed.body or old.shape is None:
        return None
    if prefixed.shape is None:
        prefixed.shape = prefixed_shape(book, old.shape, old.body)
    return prefixed.shape


def _follow_cut(
    book: ShapeBook, old: AdRecord, payload: bytes, start: int, count: bytes
) -> Followed | None:
    """An ad in a message that was encrypted, cut out of it for this."""
    if old.layout is None or count != old.layout.header:
        return None
    body = cut_prefixed(payload, start, old.layout.count)
    if body is None:
        return None
    # Equal runs have as many NULs: none is inside of a string that was cut out.
    followed = follow_lines(book, old, body, count)
    if followed is None:
        return None
    end = start + len(body) + LENGTH_BYTES * old.layout.count
    return *followed[:3], end


def _like(
    book: ShapeBook, old: AdRecord, payload: bytes, start: int, count: bytes
) -> tuple[Shape, int] | None:
    """The shape and sequence number of lines in clear form."""
    layout, habit, shape = old.layout, old.habit, old.shape
    if layout is None or habit is None or shape is None or count != layout.header:
        return None
    values = shape.same(old.body, payload, start)
    if values is None:
        followed = book.follow(shape, old.body, payload, start)
        if followed is None:
            return None
        shape, values = followed
    number = _sequence_number(values[habit.sequence_at])
    return None if number is None else (shape, number)


def _sequence_number(text: bytes) -> int | None:
    """An update's sequence number, if it is plainly one."""
    return int(text) if text.isdigit() and len(text) <= _MAX_DIGITS else None
