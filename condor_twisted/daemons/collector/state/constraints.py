"""Constraints over many stored ads.

What a constraint says of an ad depends on the attributes that it names, and these
take few values in a pool. So their texts come from the table's columns, and each new
combination is evaluated once. Where the constraint demands a certain value of an
attribute, only the ads that have it are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from typing import Final

from condor_twisted.classad.closures import Equality
from condor_twisted.classad.expressions import Constraint, parse_constraint
from condor_twisted.daemons.collector.state.lookups import searchable
from condor_twisted.daemons.collector.state.names import lookup_key
from condor_twisted.daemons.collector.state.records import AdRecord, raw_values
from condor_twisted.daemons.collector.state.tables import MAX_COLUMNS, AdTable
from condor_twisted.errors import ExpressionError

__all__ = ["QueryConstraint"]

_CURRENT_TIME: Final = "currenttime"
_MAX_COMBINATIONS: Final = 1024
#: Ads that are looked up in one step, and the most such steps.
_REFRESHED: Final = 500
_MAX_ROUNDS: Final = 1000
#: Longer texts are not kept.
_MAX_KEPT_BYTES: Final = 128
#: What one step may cost, and an evaluation by the library: about microseconds.
_STEP_COST: Final = 10_000
_LIBRARY_COST: Final = 1000
#: Attributes that a long text may name.
_MAX_WORDS: Final = 5000
_WORD = re.compile(rb"[a-z_][a-z0-9_]*|'[^'\\]+'")


class QueryConstraint:
    """A query's constraint.

    Verdicts are remembered when only literals took part in them, so that neither time
    nor chance can change them while the ad stays.

    Args:
        text: The expression.
        now: The time, in seconds since the epoch.
        is_long: Whether a worker shall read it.

    Attributes:
        is_always_true: Whether all ads match.
        is_expensive: Whether it belongs to a worker.
        is_lasting: Whether it is worth keeping for the next query with this text.
        references: The attributes that it names, in lower case, and perhaps others.
        keys: The same as they are looked up.

    Raises:
        ExpressionError: The text is no expression, as far as it was read, or beyond
            a limit.
        ExpressionsUnavailable: Its form needs the library, and there is none.
    """

    __slots__ = (
        "_combinations",
        "_constraint",
        "_cost",
        "_names",
        "_ways",
        "is_always_true",
        "is_expensive",
        "is_lasting",
        "keys",
        "references",
        "text",
    )

    def __init__(self, text: bytes, now: float, is_long: bool = False) -> None:
        self.text: Final = text
        if is_long:
            # Reading it is a worker's work already: every word may be a reference.
            constraint = parse_constraint(b"undefined", 0)
            self.references = _words(text)
        else:
            constraint = parse_constraint(text, int(now))
            self.references = constraint.references
        self._constraint: Final[Constraint] = constraint
        self.is_always_true: Final = constraint.always_true
        self.is_expensive: Final = is_long or constraint.is_expensive
        self.is_lasting: Final = (
            not is_long
            and constraint.is_compiled
            and _CURRENT_TIME not in constraint.references
        )
        # Ways to find all ads that can match: in each of them at least one of some
        # attributes equals the value beside it.
        ways: list[Sequence[Equality]] = [
            (pair,) for pair in constraint.equalities.items()
        ]
        if constraint.alternatives:
            ways.append(constraint.alternatives)
        self._ways: Final = tuple(ways)
        self._names: Final = tuple(self.references)
        self._cost: Final = 1 + (len(text) >> 1)
        self.keys: Final = tuple(map(lookup_key, self._names))
        self._combinations: dict[tuple[bytes | None, ...], bool] = {}

    def candidates(self, table: AdTable) -> Generator[None, None, list[AdRecord]]:
        """The ads of a table that may match; each step does bounded work.

        The columns that the constraint needs are up to date afterwards.
        """
        if not self.is_lasting or len(self._names) > MAX_COLUMNS:
            return list(table.records.values())
        for _ in range(_MAX_ROUNDS):
            ready = True
            for column in [table.column(name) for name in self._names]:
                if column.changed:
                    ready = column.refresh(table.records, _REFRESHED) and ready
            if ready:
                break
            yield
        # Under a flood of updates the last few are looked up at once.
        for column in [table.column(name) for name in self._names]:
            while column.changed:
                column.refresh(table.records, len(column.changed))
        best: dict[str, None] | None = None
        for way in self._ways:
            keys: dict[str, None] = {}
            for name, value in way:
                keys.update(dict.fromkeys(table.column(name).find(value)))
            if best is None or len(keys) < len(best):
                best = keys
        if best is None:
            return list(table.records.values())
        return [table.records[key] for key in best]

    def verdicts(self, table: AdTable, records: Sequence[AdRecord]) -> list[bool]:
        """Which of some ads of a table match: of as many as one step can look at.

        Returns:
            The verdicts over the first ads, at least one of them.

        Raises:
            TooExpensive: One of them needs a worker.
            ExpressionsUnavailable: One of them needs the library.
        """
        if not self.is_lasting or len(self._names) > MAX_COLUMNS:
            return self._verdicts_one_by_one(records)
        names = self._names
        columns = [self._texts(table, name, records) for name in names]
        combinations = self._combinations
        found: list[bool] = []
        cost = 0
        rows = zip(*columns, strict=True) if columns else [()] * len(records)
        for index, combination in enumerate(rows):
            verdict = combinations.get(combination)
            if verdict is None:
                source = {
                    name: text
                    for name, text in zip(names, combination, strict=True)
                    if text is not None
                }
                verdict = self._constraint.quick_match(source)
                cost += self._cost
                if verdict is None:
                    verdict = self._constraint.matches(searchable(records[index]))
                    cost += _library_cost(records[index])
                else:
                    self._keep(combination, verdict)
            found.append(verdict)
            if cost >= _STEP_COST:
                break
        return found

    def _verdicts_one_by_one(self, records: Sequence[AdRecord]) -> list[bool]:
        """As `verdicts`, without columns and memory."""
        found: list[bool] = []
        cost = 0
        for record in records:
            source = searchable(record)
            verdict = self._constraint.quick_match(source)
            cost += self._cost + len(self._names)
            if verdict is None:
                verdict = self._constraint.matches(source)
                cost += _library_cost(record)
            if record.layout is None:
                cost += len(record.body) >> 5
            found.append(verdict)
            if cost >= _STEP_COST:
                break
        return found

    def _texts(
        self, table: AdTable, name: str, records: Sequence[AdRecord]
    ) -> list[bytes | None]:
        """An attribute's texts in some ads: of the column, where that is right."""
        column = table.column(name)
        if column.changed:
            # Something changed since the ads were selected.
            return raw_values(records, name)
        texts = column.texts
        return [texts[record.key] for record in records]

    def _keep(self, combination: tuple[bytes | None, ...], verdict: bool) -> None:
        if any(
            text is not None and len(text) > _MAX_KEPT_BYTES for text in combination
        ):
            return
        if len(self._combinations) >= _MAX_COMBINATIONS:
            self._combinations.clear()
        self._combinations[combination] = verdict

    def matches(self, record: AdRecord) -> bool:
        """Whether one ad matches, whatever that costs: for workers only.

        Raises:
            TooExpensive: It costs too much even there.
            ExpressionsUnavailable: The library is needed, and missing.
        """
        return self._constraint.matches(record, allow_expensive=True)


def _library_cost(record: AdRecord) -> int:
    """What it may cost to have the library evaluate something over an ad."""
    return _LIBRARY_COST + (0 if record.layout is not None else len(record.body) >> 5)


def _words(text: bytes) -> frozenset[str]:
    """Every word of a text that could be an attribute.

    Raises:
        ExpressionError: There are too many.
    """
    words = {word.strip(b"'") for word in _WORD.findall(text.lower())}
    if len(words) > _MAX_WORDS:
        raise ExpressionError("a constraint names too many attributes")
    return frozenset(word.decode("utf-8", "surrogateescape") for word in words)
