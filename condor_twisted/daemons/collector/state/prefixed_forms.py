"""Ads in the form of encrypted streams, and updates in it held against them.

On an encrypted stream each line of an ad has its length in front, so that an update
cannot be compared with the clear text of the ad that it replaces. Where there is room
the prefixed text is kept beside the clear one: an answer sends it as it is, and the
next update is held against it as ``habits`` describes. A length belongs to the run in
front of its line's value; so equal runs prove the lengths of equal widths, too.

Layout: lines = length (8 bytes, big-endian, counts the NUL), line, NUL.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from condor_twisted.daemons.collector.state.habits import Shape, ShapeBook, are_values

__all__ = [
    "LENGTH_BYTES",
    "PrefixedText",
    "follow_prefixed",
    "prefixed_shape",
]

LENGTH_BYTES: Final = 8
#: What a kept text needs beside its bytes, roughly, in bytes.
_OVERHEAD_BYTES: Final = 200

_Values: TypeAlias = tuple[bytes, ...]


class PrefixedText:
    """An ad's lines in prefixed form.

    Args:
        body: The public lines as they came.
        tail: The collector's own lines; empty until an answer wants them.
        shape: Where the changing values are in ``body``, if that is known.

    Attributes:
        size_bytes: What it takes in memory, roughly.
    """

    __slots__ = ("body", "shape", "size_bytes", "tail")

    def __init__(
        self, body: bytes, tail: bytes = b"", shape: Shape | None = None
    ) -> None:
        self.body = body
        self.tail = tail
        self.shape = shape
        self.size_bytes: Final = len(body) + len(tail) + _OVERHEAD_BYTES

    def forget(self) -> None:
        """The ad has changed in its place: nothing of this is true any more."""
        self.body = self.tail = b""
        self.shape = None


def prefixed_shape(
    book: ShapeBook, shape: Shape, text: bytes, before: int = 0, behind: int = 0
) -> Shape | None:
    """The shape of a text's prefixed form.

    Args:
        book: The shapes in use.
        shape: The shape of the clear text.
        text: That text: lines, each with its NUL.
        before: So many bytes more are in front of the prefixed form.
        behind: So many are behind it.

    Returns:
        The shape; ``None`` if there are too many already.
    """
    # A line begins behind each NUL but the last, and at the text's begin.
    runs = [len(run) + LENGTH_BYTES * run.count(0) for run in shape.runs_of(text)]
    runs[0] += LENGTH_BYTES + before
    runs[-1] += behind - LENGTH_BYTES
    return book.shape(tuple(runs), shape.widths)


def follow_prefixed(
    book: ShapeBook,
    shape: Shape,
    heads: tuple[int, ...],
    text: bytes,
    payload: bytes,
    start: int,
) -> tuple[Shape, _Values] | None:
    """The shape and the values of an update whose runs are those of ``text``.

    Args:
        book: The shapes in use.
        shape: The shape of ``text``.
        heads: How far in front of each value its line begins; see ``heads_of``.
        text: A prefixed text.
        payload: What came.
        start: Where the new ad's text begins in it.

    Returns:
        ``None`` where anything but values and their lengths differs, or a length is
        not that of its line.
    """
    values = shape.same(text, payload, start)
    if values is not None:
        return shape, values
    values = _other_widths(shape, heads, text, payload, start)
    if values is None:
        return None
    other = book.shape(shape.runs, tuple(map(len, values)))
    return None if other is None else (other, values)


def _other_widths(
    shape: Shape, heads: tuple[int, ...], text: bytes, payload: bytes, start: int
) -> _Values | None:
    """The values of an update, whatever their widths."""
    values = []
    begins_with = payload.startswith
    behind = 0
    at = start
    for run, width, head in zip(shape.runs, shape.widths, heads, strict=False):
        end = behind + run
        if begins_with(text[behind:end], at):
            at += run
            stop = at + width
        else:
            line = end - head - LENGTH_BYTES
            if not begins_with(text[behind:line], at):
                return None
            at += line - behind
            length = int.from_bytes(payload[at : at + LENGTH_BYTES], "big")
            at += LENGTH_BYTES
            stop = at + length - 1
            if not begins_with(text[line + LENGTH_BYTES : end], at):
                return None
            at += head
        values.append(payload[at:stop])
        # Where the length says that the NUL is, the next run has to begin.
        at = stop
        behind = end + width
    if not begins_with(text[behind:], at):
        return None
    found = tuple(values)
    return found if are_values(found) else None
