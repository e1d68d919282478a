"""Replies of queries as JSON, in small portions of work.

A reply comes as the bytes that a CEDAR client without rights gets in the clear, and
leaves as JSON objects. So there is one decision about what may be seen, not two.

Most lines of most ads are alike: the JSON of a line is remembered, within bounds.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from condor_twisted.classad.json_text import json_of_expression, json_of_name
from condor_twisted.daemons.collector.state.names import is_private_key

__all__ = ["AdWriter"]

_INT: Final = struct.Struct(">q")
#: A line is remembered if it is no longer.
_MAX_REMEMBERED_BYTES: Final = 256
_MAX_REMEMBERED: Final = 20_000
#: Work between two portions. A remembered line is 1, some 0.3 us.
_PORTION_WORK: Final = 16_000
_NEW_LINE_WORK: Final = 24
_PORTION_BYTES: Final = 1 << 16


class AdWriter:
    """Writes ads as JSON objects; one for all answers of a page."""

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}

    def write(
        self, reply: Iterable[bytes], before: Callable[[int], bytes], after: bytes = b""
    ) -> Iterator[bytes]:
        """Write the ads of a reply.

        Args:
            reply: The pieces of a clear reply; each holds whole ads.
            before: What goes in front of an ad, by its number in the reply.
            after: What goes behind each.

        Returns:
            Portions of text; empty ones where there is work without text.
        """
        known = self._known
        number = 0
        for piece in reply:
            out: list[bytes] = []
            work = size = at = 0
            while at < len(piece):
                (more,) = _INT.unpack_from(piece, at)
                if not more:
                    break
                (count,) = _INT.unpack_from(piece, at + 8)
                at += 16
                out.append(before(number) + b"{")
                number += 1
                separator = b""
                for _ in range(count):
                    end = piece.index(0, at)
                    line = piece[at:end]
                    at = end + 1
                    text = known.get(line)
                    if text is None:
                        text = self._member(line)
                        work += _NEW_LINE_WORK + _cost(line)
                    if not text:
                        continue
                    out += (separator, text)
                    separator = b","
                    work += 1
                    size += len(text)
                    if work >= _PORTION_WORK or size >= _PORTION_BYTES:
                        yield b"".join(out)
                        out.clear()
                        work = size = 0
                at += 2  # two empty strings
                out.append(b"}" + after)
            yield b"".join(out)

    def _member(self, line: bytes) -> bytes:
        """One line as a member of a JSON object; nothing for a private one."""
        name, _, value = line.partition(b" = ")
        if is_private_key(name.lower()):
            return b""
        text = json_of_name(name) + b":" + json_of_expression(value.lstrip(b" "))
        if len(line) <= _MAX_REMEMBERED_BYTES:
            if len(self._known) >= _MAX_REMEMBERED:
                self._known.clear()
            self._known[line] = text
        return text


def _cost(line: bytes) -> int:
    """The work that a long line is."""
    if b"{" in line or b"[" in line:
        return 3 * len(line)
    return len(line) >> 5
