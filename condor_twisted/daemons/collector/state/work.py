"""Work orders: constraints that a worker process evaluates.

A worker gets a constraint and, for each ad, only the attributes that the constraint can
reach; it answers with one byte per ad. Orders are made in slices, so that neither side
works long on one.

Layout:
    An order is JSON: ``text``, ``now``, and ``ads``, a list of objects that have an
    attribute's text under its name in lower case, bytes as Latin-1.
    An answer is one byte per ad: :data:`NO`, :data:`YES` or :data:`TOO_EXPENSIVE`.
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
from condor_twisted.errors import ExpressionError, MalformedMessage

__all__ = [
    "NO",
    "TOO_EXPENSIVE",
    "YES",
    "carry_out",
    "make_order",
    "reachable",
    "read_answer",
]

NO: Final = 0
YES: Final = 1
TOO_EXPENSIVE: Final = 2

#: Attributes that one ad may contribute.
_MAX_REACHABLE: Final = 5000


def reachable(ad: AttributeSource, names: Iterable[str]) -> dict[str, bytes]:
    """The attributes of an ad that an expression with these references can reach.

    Args:
        ad: The ad's public attributes.
        names: What the expression names, in lower case.
    """
    found: dict[str, bytes] = {}
    pending = list(names)
    while pending and len(found) < _MAX_REACHABLE:
        name = pending.pop()
        if name in found:
            continue
        text = ad.get(name)
        if text is None:
            continue
        found[name] = text
        if parse_literal(text) is NOT_LITERAL:
            pending.extend(internal_references(text))
    return found


def make_order(
    text: bytes, names: Iterable[str], ads: Sequence[AttributeSource], now: float
) -> bytes:
    """An order to evaluate a constraint over some ads.

    Args:
        text: The constraint.
        names: What it names, in lower case.
        ads: The ads.
        now: The time, in seconds since the epoch.
    """
    wanted = tuple(names)
    return json.dumps(
        {
            "text": text.decode("latin-1"),
            "now": int(now),
            "ads": [
                {
                    name: value.decode("latin-1")
                    for name, value in reachable(ad, wanted).items()
                }
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
    constraint = parse_constraint(text.encode("latin-1"), read["now"])
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
    if TOO_EXPENSIVE in answer:
        raise ExpressionError("the constraint is too expensive")
    return [verdict == YES for verdict in answer]
