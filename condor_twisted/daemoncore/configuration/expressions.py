"""Expressions in a configuration, with all that ClassAds can do."""

from __future__ import annotations

from condor_twisted.classad.expressions import (
    OtherValue,
    TooExpensive,
    check_expression,
    parse_constraint,
)
from condor_twisted.classad.literals import ERROR, UNDEFINED
from condor_twisted.config.arithmetic import Evaluated, Unparsed, evaluate_arithmetic
from condor_twisted.errors import ExpressionError, ExpressionsUnavailable

__all__ = ["evaluate_expression"]


def evaluate_expression(text: str) -> Evaluated:
    """Evaluate an expression in an empty ad.

    Plain arithmetic needs no ClassAd library; functions do. Where there is none,
    an expression that needs it counts as one that does not parse.

    Args:
        text: The expression; the administrator's, so its cost is not limited.

    Raises:
        ExpressionError: The text does not parse.
    """
    try:
        return evaluate_arithmetic(text)
    except ExpressionError:
        # In parentheses, because what follows an expression is not looked at.
        data = b"(" + text.encode("utf-8", "surrogateescape") + b")"
    try:
        if not check_expression(data):
            raise ExpressionError(f"{text!r} is not an expression")
        value = parse_constraint(data, 0).evaluate({}, allow_expensive=True)
    except (ExpressionsUnavailable, TooExpensive) as error:
        raise ExpressionError(str(error)) from error
    if value is UNDEFINED or value is ERROR:
        return Unparsed("undefined" if value is UNDEFINED else "error")
    if isinstance(value, OtherValue):
        # Lists and records are rare here, and what reads them is slow to import.
        from condor_twisted.classad.full_values import ComposedValue, evaluate_full
        from condor_twisted.classad.printing import Form

        composed = evaluate_full(data, {}, 0)
        if not isinstance(composed, ComposedValue):
            return Unparsed(text)
        shown = composed.expression.spelled(Form.NEW)
        return Unparsed(shown.decode("utf-8", "surrogateescape"))
    assert isinstance(value, (bool, int, float, str)), "the other literals"
    return value
