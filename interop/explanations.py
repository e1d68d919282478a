"""The differences that may be, each with its reason. Every other one is a fault.

A difference is judged by what it is about (`Rule.where`), by its field, and, where both
sides have a value, by the values: two times may differ only if both are times.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from interop.compare import Difference

__all__ = ["RULES", "Rule", "explain"]

_NEAR_SECONDS = 900
_DURATION = re.compile(r"(\d+)\+(\d\d):(\d\d):(\d\d)")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([Ee][-+]?\d+)?")


def _are_numbers(left: str | None, right: str | None) -> bool:
    return all(text is not None and _NUMBER.fullmatch(text) for text in (left, right))


def _near_times(left: str | None, right: str | None) -> bool:
    """Two whole numbers of seconds that lie as far apart as two phases of one run."""
    if left is None or right is None or not (left.isdigit() and right.isdigit()):
        return False
    return abs(int(left) - int(right)) <= _NEAR_SECONDS


def _near_durations(left: str | None, right: str | None) -> bool:
    seconds = [_duration_seconds(text) for text in (left, right)]
    if seconds[0] is None or seconds[1] is None:
        return False
    return abs(seconds[0] - seconds[1]) <= _NEAR_SECONDS


def _duration_seconds(text: str | None) -> int | None:
    match = _DURATION.fullmatch(text or "")
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _anything(_left: str | None, _right: str | None) -> bool:
    return True


def _both_there(left: str | None, right: str | None) -> bool:
    return left is not None and right is not None


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of difference that may be.

    Args:
        reason: Why, as the report says it.
        field: Which attributes or columns, matched as a whole, whatever their case.
        values: Whether these two values may differ.
        query: Which queries, matched from their start.
        row: Which ads or lines, matched from their start.
    """

    reason: str
    field: str
    values: Callable[[str | None, str | None], bool] = _both_there
    query: str = ""
    row: str = ""

    def covers(self, difference: Difference) -> bool:
        """Say whether this rule explains a difference."""
        return bool(
            re.match(self.query, difference.query)
            and re.match(self.row, difference.row)
            and re.fullmatch(self.field, difference.field, re.IGNORECASE)
            and self.values(difference.expected, difference.actual)
        )


RULES: tuple[Rule, ...] = (
    Rule("when it arrived", "LastHeardFrom", _near_times),
    Rule("elapsed time", r"column \d+", _near_durations),
)


def explain(difference: Difference) -> str | None:
    """Give the reason why a difference may be, or ``None`` if it may not."""
    for rule in RULES:
        if rule.covers(difference):
            return rule.reason
    return None
