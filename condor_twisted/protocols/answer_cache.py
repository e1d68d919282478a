"""Answers that are believed for a while."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from twisted.internet.interfaces import IReactorTime

from condor_twisted.protocols.clocks import monotonic_seconds

__all__ = ["AnswerCache"]

K = TypeVar("K")
V = TypeVar("V")

#: How many answers are kept.
KEPT_ANSWERS_COUNT = 10_000


class AnswerCache(Generic[K, V]):
    """Answers that are believed for a while; bounded, oldest out first.

    Args:
        clock: Who says what time it is.
        count: How many answers are kept.
    """

    __slots__ = ("_answers", "_count", "_seconds")

    def __init__(self, clock: IReactorTime, count: int = KEPT_ANSWERS_COUNT) -> None:
        self._seconds = monotonic_seconds(clock)
        self._count = count
        self._answers: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: K) -> V | None:
        """The answer, if there is one and it is still believed."""
        kept = self._answers.get(key)
        if kept is None:
            return None
        if kept[0] <= self._seconds():
            del self._answers[key]
            return None
        return kept[1]

    def put(self, key: K, answer: V, seconds: float) -> None:
        """Keep an answer for so many seconds."""
        self._answers[key] = (self._seconds() + seconds, answer)
        self._answers.move_to_end(key)
        if len(self._answers) > self._count:
            self._answers.popitem(last=False)

    def clear(self) -> None:
        """Forget everything, as after a reconfiguration."""
        self._answers.clear()
