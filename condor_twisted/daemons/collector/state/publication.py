"""Which lines may be sent: those whose expression every reader can parse.

One bad line in a reply makes readers give up on all ads behind it, so none is passed
on. Lines are checked when an ad is sent for the first time, not when it arrives. Most
lines of most ads have been seen before: they are remembered, within bounds.

Source: ``src/condor_utils/classad_oldnew.cpp: getClassAd`` (a reader stops at the
first line that it cannot parse).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import filterfalse
from typing import Final

from condor_twisted.classad.expressions import canonical_expression
from condor_twisted.daemons.collector.state.habits import PLAIN_VALUE
from condor_twisted.daemons.collector.state.records import AdRecord

__all__ = ["LineJudge"]

_PLAIN = re.compile(rb"[^=]+ = " + PLAIN_VALUE)
_ALL_PLAIN = re.compile(rb"(?:[^=\0]+ = " + PLAIN_VALUE + rb"\0)*")
#: Of so many records one is looked at line by line, so that its lines are remembered.
_LEARNS_OF: Final = 16
_MAX_REMEMBERED: Final = 40_000
_MAX_REMEMBERED_BYTES: Final = 1000
#: How much checking is one step, and what a line adds to it: about microseconds.
_STEP_COST: Final = 5000
_EXPRESSION_COST: Final = 10
_LONG_EXPRESSION_BYTES: Final = 40_000
_LONG_EXPRESSION_COST: Final = 100_000
_MAX_LEAVES: Final = 10_000


class LineJudge:
    """Tells lines that may be sent from those that may not.

    Args:
        report: Called with a record and a line of it that was dropped.
    """

    def __init__(self, report: Callable[[AdRecord, bytes], None] | None = None) -> None:
        self._report = report
        # A line is remembered when it comes the second time: so what is in one ad
        # only (its name, the time) does not push out what is in all.
        self._good: set[bytes] = set()
        self._once: set[bytes] = set()
        self._cost = 0
        #: Lines with their NULs that may be sent and whose values, though no literals,
        #: refer to nothing: ``ChildState = {  }``.
        self.leaves: set[bytes] = set()
        self._checked_count = 0

    def add_leaf(self, line: bytes) -> None:
        """Remember a line, with its NUL, that refers to nothing."""
        if len(line) <= _MAX_REMEMBERED_BYTES:
            if len(self.leaves) >= _MAX_LEAVES:
                self.leaves.clear()
            self.leaves.add(line)

    def sendable(self, line: bytes) -> bytes | None:
        """A line as it may be sent.

        Args:
            line: ``Name = value`` without NUL, the name being in order.

        Returns:
            The line itself, as a rule; with its value in a spelling that every reader
            takes, where only some take its own; ``None`` where there is no value.
        """
        if line in self._good:
            return line
        if _PLAIN.fullmatch(line) is None:
            start = line.index(b" = ") + 3
            value = line[start:].lstrip(b" ")
            self._cost += (
                _EXPRESSION_COST + (len(value) >> 3)
                if len(value) <= _LONG_EXPRESSION_BYTES
                else _LONG_EXPRESSION_COST
            )
            canonical = canonical_expression(value)
            if canonical is None:
                return None
            if canonical != value:
                return line[:start] + canonical
        self._remember(line)
        return line

    def check(self, record: AdRecord) -> None:
        """Take the lines out of a record that may not be sent; once per record."""
        for _ in self.checking(record):
            pass

    def checking(self, record: AdRecord) -> Iterator[None]:
        """The steps of `check`; each does bounded work, over all records."""
        record.catch_up()
        if record.is_checked:
            return
        lines = record.body.split(b"\0")
        lines.pop()
        unknown = list(filterfalse(self._good.__contains__, lines))
        self._checked_count += 1
        if self._checked_count % _LEARNS_OF:
            unknown.append(b"")
            if _ALL_PLAIN.fullmatch(b"\0".join(unknown)) is not None:
                record.is_checked = True
                return
            unknown.pop()
        replaced: dict[bytes, bytes | None] = {}
        for line in unknown:
            sendable = self.sendable(line)
            if sendable is not line:
                replaced[line] = sendable
                if sendable is None and self._report is not None:
                    self._report(record, line)
            self._cost += 1
            if self._cost >= _STEP_COST:
                self._cost = 0
                yield
        if replaced:
            wanted = [replaced.get(line, line) for line in lines]
            kept = [line for line in wanted if line is not None]
            if len(kept) != len(lines):
                record.layout = None
                record.count = len(kept)
            kept.append(b"")
            record.body = b"\0".join(kept)
            record.shape = None
            record.values = ()
            record.forget()
        record.is_checked = True

    def _remember(self, line: bytes) -> None:
        if len(line) > _MAX_REMEMBERED_BYTES:
            return
        if line not in self._once:
            if len(self._once) >= _MAX_REMEMBERED:
                self._once.clear()
            self._once.add(line)
            return
        if len(self._good) >= _MAX_REMEMBERED:
            self._good.clear()
        self._good.add(line)
        self._once.discard(line)
