"""Constraints over many stored ads.

What a constraint says of an ad depends on the attributes that it names, and these
take few values in a pool. So their texts are gathered for a slice of ads at a time, and
each new combination is evaluated once. The verdict is also remembered with the ad, so
that the same question costs next to nothing as long as the ad is not updated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from condor_twisted.classad.expressions import Constraint, parse_constraint
from condor_twisted.daemons.collector.state.records import (
    MAX_REMEMBERED,
    AdRecord,
    raw_values,
)

__all__ = ["QueryConstraint"]

_CURRENT_TIME: Final = "currenttime"
_MAX_COMBINATIONS: Final = 8192
#: Longer texts are not kept.
_MAX_KEPT_BYTES: Final = 128


class QueryConstraint:
    """A query's constraint.

    Verdicts are remembered when only literals took part in them, so that neither time
    nor chance can change them while the ad stays.

    Args:
        text: The expression.
        now: The time, in seconds since the epoch.

    Attributes:
        is_always_true: Whether all ads match.
        is_expensive: Whether it belongs to a worker.
        is_lasting: Whether it is worth keeping for the next query with this text.
        references: The attributes that it names, in lower case.
        alternatives: Ways to find all ads that can match: in each of them at least
            one of these attributes has the string beside it, ignoring case.

    Raises:
        ExpressionError: The text is no expression, or beyond a limit.
        ExpressionsUnavailable: Its form needs the library, and there is none.
    """

    __slots__ = (
        "_combinations",
        "_constraint",
        "_names",
        "alternatives",
        "is_always_true",
        "is_expensive",
        "is_lasting",
        "references",
        "text",
    )

    def __init__(self, text: bytes, now: float) -> None:
        constraint = parse_constraint(text, int(now))
        self._constraint: Final[Constraint] = constraint
        self.text: Final = text
        self.is_always_true: Final = constraint.always_true
        self.is_expensive: Final = constraint.is_expensive
        self.references: Final = constraint.references
        self.is_lasting: Final = (
            constraint.is_compiled and _CURRENT_TIME not in constraint.references
        )
        ways: list[Sequence[tuple[str, str]]] = [
            (pair,) for pair in constraint.equalities.items()
        ]
        if constraint.alternatives:
            ways.append(constraint.alternatives)
        self.alternatives: Final = tuple(ways)
        self._names: Final = tuple(constraint.references)
        self._combinations: dict[tuple[bytes | None, ...], bool] = {}

    def verdicts(self, records: Sequence[AdRecord]) -> list[bool]:
        """Which of some ads match.

        Raises:
            TooExpensive: One of them needs a worker.
            ExpressionsUnavailable: One of them needs the library.
        """
        if not self.is_lasting:
            return [self._constraint.matches(record) for record in records]
        known = [record.memo.get(self) for record in records]
        missing = [index for index, verdict in enumerate(known) if verdict is None]
        if missing:
            fresh = [records[index] for index in missing]
            for index, verdict in zip(missing, self._judge(fresh), strict=True):
                known[index] = verdict
        return [verdict is True for verdict in known]

    def _judge(self, records: Sequence[AdRecord]) -> list[bool]:
        """The verdicts about ads that are not remembered yet."""
        columns = [raw_values(records, name) for name in self._names]
        combinations = self._combinations
        found: list[bool] = []
        for index, combination in enumerate(
            zip(*columns, strict=True) if columns else [()] * len(records)
        ):
            verdict = combinations.get(combination)
            record = records[index]
            if verdict is None:
                source = {
                    name: text
                    for name, text in zip(self._names, combination, strict=True)
                    if text is not None
                }
                verdict = self._constraint.quick_match(source)
                if verdict is None:
                    found.append(self._constraint.matches(record))
                    continue
                self._keep(combination, verdict)
            memo = record.memo
            if len(memo) >= MAX_REMEMBERED:
                memo.clear()
            memo[self] = verdict
            found.append(verdict)
        return found

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
