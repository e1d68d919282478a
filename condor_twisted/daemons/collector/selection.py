"""The selection of an expensive query, as orders for a worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from condor_twisted.classad.expressions import TooExpensive
from condor_twisted.daemons.collector.state.constraints import QueryConstraint
from condor_twisted.daemons.collector.state.query_plans import QueryPart, QueryPlan
from condor_twisted.daemons.collector.state.records import AdRecord
from condor_twisted.daemons.collector.state.refusals import QueryRefused
from condor_twisted.daemons.collector.state.work import next_order, read_answer
from condor_twisted.errors import ExpressionError

__all__ = ["SelectionJob"]

#: The most ads in one work order.
_ORDER_ADS: Final = 500


class SelectionJob:
    """The selection of one query as work orders.

    Args:
        plan: The query; each of its parts is selected in turn.
    """

    def __init__(self, plan: QueryPlan) -> None:
        self._plan = plan
        self._part: QueryPart | None = None
        self._asked: list[AdRecord] = []

    def orders(self) -> Iterator[bytes]:
        """The orders; the answer to one must be taken before the next is made."""
        plan = self._plan
        for part in plan.parts:
            constraint = part.constraint
            self._part = part
            for table in part.tables:
                records = list(table.records.values())
                start = 0
                while start < len(records):
                    left = plan.left_for(part)
                    if left <= 0:
                        break
                    some = records[start : start + _ORDER_ADS]
                    if constraint is None:
                        plan.examined += len(some)
                        start += len(some)
                        plan.take(part, some[:left])
                        continue
                    order, count = _order(constraint, some, plan.now)
                    self._asked = some[:count]
                    plan.examined += count
                    start += count
                    yield order

    def take(self, answer: bytes) -> bool:
        """Take an answer."""
        assert self._part is not None
        try:
            verdicts = read_answer(answer, len(self._asked))
        except ExpressionError as error:
            raise QueryRefused(str(error)) from error
        hits = [
            record
            for record, matches in zip(self._asked, verdicts, strict=True)
            if matches
        ]
        self._plan.take(self._part, hits[: self._plan.left_for(self._part)])
        return True


def _order(
    constraint: QueryConstraint, records: list[AdRecord], now: float
) -> tuple[bytes, int]:
    """An order about some records, and about how many.

    Raises:
        QueryRefused: An ad is too much for a worker.
    """
    names = tuple(constraint.references)
    try:
        return next_order(constraint.text, names, records, now)
    except TooExpensive as error:
        raise QueryRefused(str(error)) from error
