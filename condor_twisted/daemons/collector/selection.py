"""The selection of an expensive query, as orders for a worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from condor_twisted.daemons.collector.state.query_plans import QueryPart, QueryPlan
from condor_twisted.daemons.collector.state.records import AdRecord
from condor_twisted.daemons.collector.state.refusals import QueryRefused
from condor_twisted.daemons.collector.state.work import make_order, read_answer
from condor_twisted.errors import ExpressionError

__all__ = ["SelectionJob"]

#: Ads in one work order.
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
                for start in range(0, len(records), _ORDER_ADS):
                    left = plan.left_for(part)
                    if left <= 0:
                        break
                    some = records[start : start + _ORDER_ADS]
                    plan.examined += len(some)
                    if constraint is None:
                        plan.take(part, some[:left])
                        continue
                    self._asked = some
                    yield make_order(
                        constraint.text, constraint.references, some, plan.now
                    )

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
