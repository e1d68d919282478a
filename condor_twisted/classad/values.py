"""Arithmetic, comparison and logic over literal values, as ClassAds have them.

Values are ``bool``, ``int``, ``float``, ``str``, ``UNDEFINED`` and ``ERROR``. Logic has
three values and errors; strings compare without case except under ``=?=``; booleans
are integers where numbers are wanted; integers have 64 bits and wrap.

Source: ``src/classad/operators.cpp: Operation::_doOperation, doComparison,
doArithmetic, doLogical, doBitwise, shortCircuit``.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from condor_twisted.classad.literals import (
    ERROR,
    UNDEFINED,
    Exceptional,
    LiteralValue,
    encode_text,
    wrap_integer,
)

__all__ = [
    "BINARY_OPERATIONS",
    "TYPE_TESTS",
    "UNARY_OPERATIONS",
    "fold_case",
    "logical_and",
    "logical_or",
    "truth",
]

BinaryOperation: TypeAlias = Callable[[LiteralValue, LiteralValue], LiteralValue]

_INT64_MIN: Final = -(1 << 63)
_INT64_MAX: Final = (1 << 63) - 1


def fold_case(text: str) -> str:
    """A text without the case of its ASCII letters; compares as its bytes do."""
    if text.isascii():
        return text.lower()
    return encode_text(text).lower().decode("latin-1")


def truth(value: LiteralValue) -> bool | None:
    """What a value counts as in logic; ``None`` for strings, undefined and error."""
    if isinstance(value, (int, float)):
        return bool(value)
    return None


def _exceptional(left: LiteralValue, right: LiteralValue) -> Exceptional | None:
    """What a strict operator gives for undefined and error operands."""
    if left is ERROR or right is ERROR:
        return ERROR
    if left is UNDEFINED or right is UNDEFINED:
        return UNDEFINED
    return None


def _comparison(
    compare: Callable[[object, object], object],
) -> BinaryOperation:
    """One of ``== != < <= > >=``."""

    def operation(left: LiteralValue, right: LiteralValue) -> LiteralValue:
        exceptional = _exceptional(left, right)
        if exceptional is not None:
            return exceptional
        if isinstance(left, str) or isinstance(right, str):
            if isinstance(left, str) and isinstance(right, str):
                return bool(compare(fold_case(left), fold_case(right)))
            return ERROR
        assert not isinstance(left, Exceptional)
        assert not isinstance(right, Exceptional)
        if isinstance(left, float) or isinstance(right, float):
            # Promoted as C does it: an integer may lose its last digits.
            return bool(compare(float(left), float(right)))
        return bool(compare(left, right))

    return operation


def _is(left: LiteralValue, right: LiteralValue) -> LiteralValue:
    """``=?=``: one type and one value; strings with their case."""
    return left.__class__ is right.__class__ and left == right


def _is_not(left: LiteralValue, right: LiteralValue) -> LiteralValue:
    """``=!=``."""
    return not (left.__class__ is right.__class__ and left == right)


def _divide(left: int, right: int) -> LiteralValue:
    """Integer division towards zero."""
    if right == 0:
        return ERROR
    if left == _INT64_MIN and right == -1:
        return _INT64_MAX
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) is (right < 0) else -quotient


def _remainder(left: int, right: int) -> LiteralValue:
    """The remainder, with the sign of the dividend."""
    if right == 0:
        return ERROR
    remainder = abs(left) % abs(right)
    return -remainder if left < 0 else remainder


def _divide_reals(left: float, right: float) -> float:
    """Division as the hardware has it, without exceptions."""
    if right != 0.0:
        return left / right
    if left == 0.0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _arithmetic(
    on_integers: Callable[[int, int], LiteralValue],
    on_reals: Callable[[float, float], float] | None,
) -> BinaryOperation:
    """One of ``+ - * / %``."""

    def operation(left: LiteralValue, right: LiteralValue) -> LiteralValue:
        exceptional = _exceptional(left, right)
        if exceptional is not None:
            return exceptional
        if not isinstance(left, (int, float)) or not isinstance(right, (int, float)):
            return ERROR
        if isinstance(left, float) or isinstance(right, float):
            if on_reals is None:
                return ERROR
            real = on_reals(float(left), float(right))
            # Only the positive infinity counts as overflow there.
            return ERROR if real == math.inf else real
        return on_integers(int(left), int(right))

    return operation


def _wrapping(compute: Callable[[int, int], int]) -> Callable[[int, int], int]:
    """An integer operation in 64 bits."""
    return lambda left, right: wrap_integer(compute(left, right))


def _bitwise(compute: Callable[[int, int], int]) -> BinaryOperation:
    """One of ``& | ^``, defined on integers alone."""

    def operation(left: LiteralValue, right: LiteralValue) -> LiteralValue:
        exceptional = _exceptional(left, right)
        if exceptional is not None:
            return exceptional
        if isinstance(left, bool) or not isinstance(left, int):
            return ERROR
        if isinstance(right, bool) or not isinstance(right, int):
            return ERROR
        return compute(left, right)

    return operation


BINARY_OPERATIONS: Final[Mapping[bytes, BinaryOperation]] = {
    b"==": _comparison(operator.eq),
    b"!=": _comparison(operator.ne),
    b"<": _comparison(operator.lt),  # type: ignore[arg-type]
    b"<=": _comparison(operator.le),  # type: ignore[arg-type]
    b">": _comparison(operator.gt),  # type: ignore[arg-type]
    b">=": _comparison(operator.ge),  # type: ignore[arg-type]
    b"=?=": _is,
    b"=!=": _is_not,
    b"+": _arithmetic(_wrapping(operator.add), operator.add),
    b"-": _arithmetic(_wrapping(operator.sub), operator.sub),
    b"*": _arithmetic(_wrapping(operator.mul), operator.mul),
    b"/": _arithmetic(_divide, _divide_reals),
    b"%": _arithmetic(_remainder, None),
    b"&": _bitwise(operator.and_),
    b"|": _bitwise(operator.or_),
    b"^": _bitwise(operator.xor),
}


def logical_or(left: LiteralValue, right: LiteralValue) -> LiteralValue:
    """``||`` where the left side alone did not decide.

    It decides where it is true or an error.
    """
    if isinstance(left, str) or isinstance(right, str):
        return ERROR
    second = truth(right)
    if second is None:
        return right
    if second or truth(left) is False:
        return second
    return UNDEFINED


def logical_and(left: LiteralValue, right: LiteralValue) -> LiteralValue:
    """``&&`` where the left side alone did not decide.

    It decides where it is false or an error.
    """
    if isinstance(left, str) or isinstance(right, str):
        return ERROR
    second = truth(right)
    if second is None:
        return right
    if not second or truth(left):
        return second
    return UNDEFINED


def _not(value: LiteralValue) -> LiteralValue:
    """``!``."""
    known = truth(value)
    if known is not None:
        return not known
    return ERROR if isinstance(value, str) else value


def _minus(value: LiteralValue) -> LiteralValue:
    """Unary ``-``: of a boolean it is an error."""
    if isinstance(value, float):
        return -value
    if value.__class__ is int:
        assert isinstance(value, int)
        return wrap_integer(-value)
    return value if isinstance(value, Exceptional) else ERROR


def _plus(value: LiteralValue) -> LiteralValue:
    """Unary ``+``."""
    return ERROR if isinstance(value, (bool, str)) else value


def _complement(value: LiteralValue) -> LiteralValue:
    """``~``."""
    if value.__class__ is int:
        assert isinstance(value, int)
        return ~value
    return value if isinstance(value, Exceptional) else ERROR


UNARY_OPERATIONS: Final[Mapping[bytes, Callable[[LiteralValue], LiteralValue]]] = {
    b"!": _not,
    b"-": _minus,
    b"+": _plus,
    b"~": _complement,
}

#: The functions of one argument that ask for a value's type.
TYPE_TESTS: Final[Mapping[str, Callable[[LiteralValue], LiteralValue]]] = {
    "isundefined": lambda value: value is UNDEFINED,
    "iserror": lambda value: value is ERROR,
    "isstring": lambda value: isinstance(value, str),
    "isinteger": lambda value: value.__class__ is int,
    "isreal": lambda value: isinstance(value, float),
    "isboolean": lambda value: isinstance(value, bool),
}
