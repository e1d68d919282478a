"""Work orders: constraints that a worker process evaluates.

A worker gets a constraint and, for each ad, only the attributes that the constraint can
reach; it answers with one byte per ad. Orders are made in slices, so that neither side
works long on one.

Layout:
    An order is JSON: ``text``, ``now``, and ``ads``, a list of objects that have an
    attribute's text under its name in lower case, bytes as Latin-1.
    An answer is one byte per ad: :data:`NO`, :data:`YES`, :data:`TOO_EXPENSIVE` or
    :data:`NOT_UNDERSTOOD`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from condor_twisted.classad.expressions import (
    AttributeSource,
    TooExpensive,
    internal_references,
    parse_constraint,
)
from condor_twisted.classad.literals import NOT_LITERAL, parse_literal
from condor_twisted.daemons.collector.state.lookups import searchable
from condor_twisted.daemons.collector.state.records import AdRecord
from condor_twisted.errors import ExpressionError, MalformedMessage

__all__ = [
    "NO",
    "NOT_UNDERSTOOD",
    "TOO_EXPENSIVE",
    "YES",
    "carry_out",
    "make_order",
    "next_order",
    "reachable",
    "read_answer",
]

NO: Final = 0
YES: Final = 1
TOO_EXPENSIVE: Final = 2
NOT_UNDERSTOOD: Final = 3

#: Attributes that one ad may contribute.
_MAX_REACHABLE: Final = 5000
_MAX_AD_BYTES: Final = 4 << 20
#: What reaching them may cost, for an ad and for an order: about microseconds.
_MAX_REACHING_COST: Final = 50_000
_ORDER_COST: Final = 10_000


def reachable(ad: AttributeSource, names: Iterable[str]) -> dict[str, bytes]:
    """The attributes of an ad that an expression with these references can reach.

    Args:
        ad: The ad's public attributes.
        names: What the expression names, in lower case.

    Raises:
        TooExpensive: That is too much for a worker.
    """
    return _reach(ad, names)[0]


def _reach(ad: AttributeSource, names: Iterable[str]) -> tuple[dict[str, bytes], int]:
    """What can be reached, and about how many microseconds it took to find out."""
    found: dict[str, bytes] = {}
    pending = list(names)
    size = cost = 0
    while pending and len(found) < _MAX_REACHABLE:
        name = pending.pop()
        cost += 1
        if name in found:
            continue
        text = ad.get(name)
        if text is None:
            continue
        found[name] = text
        size += len(text)
        if parse_literal(text) is NOT_LITERAL:
            cost += 20 + 5 * len(text)
            if cost <= _MAX_REACHING_COST:
                pending.extend(internal_references(text))
        if size > _MAX_AD_BYTES or cost > _MAX_REACHING_COST:
            raise TooExpensive("a constraint reaches too much of an ad")
    return found, cost + (size >> 7)


def make_order(
    text: bytes, names: Iterable[str], ads: Sequence[AttributeSource], now: float
) -> bytes:
    """An order to evaluate a constraint over some ads.

    Args:
        text: The constraint.
        names: What it names, in lower case.
        ads: The ads.
        now: The time, in seconds since the epoch.

    Raises:
        TooExpensive: An ad is too much for a worker.
    """
    return _order(text, now, [reachable(ad, names) for ad in ads])


def next_order(
    text: bytes, names: Sequence[str], ads: Sequence[AdRecord], now: float
) -> tuple[bytes, int]:
    """An order for as many ads as are bounded work, at least one.

    Args:
        text: The constraint.
        names: What it names, in lower case.
        ads: The ads.
        now: The time, in seconds since the epoch.

    Returns:
        The order, and how many ads, from the first on, it is about.

    Raises:
        TooExpensive: An ad is too much for a worker.
    """
    contents: list[dict[str, bytes]] = []
    cost = len(text) >> 7
    for ad in ads:
        found, more = _reach(searchable(ad), names)
        contents.append(found)
        cost += more
        if cost >= _ORDER_COST:
            break
    return _order(text, now, contents), len(contents)


def _order(text: bytes, now: float, ads: Iterable[dict[str, bytes]]) -> bytes:
    return json.dumps(
        {
            "text": text.decode("latin-1"),
            "now": int(now),
            "ads": [
                {name: value.decode("latin-1") for name, value in ad.items()}
                for ad in ads
            ],
        }
    ).encode("ascii")


def carry_out(order: bytes, before_each: Callable[[], None]) -> bytes:
    """Evaluate what an order says; for worker processes.

    Args:
        order: What :func:`make_order` made.
        before_each: Called before each evaluation: sets the budget of the next one.
    """
    read: dict[str, Any] = json.loads(order)
    text: str = read["text"]
    try:
        constraint = parse_constraint(text.encode("latin-1"), read["now"])
    except ExpressionError:
        return bytes((NOT_UNDERSTOOD,)) * len(read["ads"])
    answer = bytearray()
    for each in read["ads"]:
        ad = {name: value.encode("latin-1") for name, value in each.items()}
        before_each()
        try:
            answer.append(YES if constraint.matches(ad, allow_expensive=True) else NO)
        except TooExpensive:
            answer.append(TOO_EXPENSIVE)
    return bytes(answer)


def read_answer(answer: bytes, count: int) -> list[bool]:
    """Which ads matched.

    Args:
        answer: A worker's answer.
        count: How many ads the order had.

    Raises:
        ExpressionError: An ad was too expensive even for a worker.
        MalformedMessage: The answer does not fit the order.
    """
    if len(answer) != count:
        raise MalformedMessage("a worker's answer does not fit its order")
    if NOT_UNDERSTOOD in answer:
        raise ExpressionError("the constraint does not parse")
    if TOO_EXPENSIVE in answer:
        raise ExpressionError("the constraint is too expensive")
    return [verdict == YES for verdict in answer]
