"""The expressions that stand in numeric and boolean knobs.

HTCondor evaluates ``10000*1024`` or ``$(DETECTED_CPUS) > 4`` as a ClassAd
expression in an empty ad. ``evaluate_arithmetic`` does that for the part of the
language without attributes and functions, so that the compiled-in defaults work
where no ClassAd library is installed. Wherever one is, pass its evaluator in
instead: the contract of both is ``Evaluate``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from condor_twisted.errors import ExpressionError

__all__ = ["Evaluate", "Evaluated", "Unparsed", "evaluate_arithmetic"]

_LIMIT_CHARACTERS: Final = 10_000
_LIMIT_DEPTH: Final = 60


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A result that is none of number, truth value or string, as text."""

    text: str


Evaluated: TypeAlias = "bool | int | float | str | Unparsed"
Evaluate: TypeAlias = Callable[[str], Evaluated]
"""Value of an expression; ``ExpressionError`` when the text does not parse.

``undefined`` and ``error`` are values: ``Unparsed("undefined")``.
"""

UNDEFINED: Final = Unparsed("undefined")
ERROR: Final = Unparsed("error")

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<operator>=\?=|=!=|==|!=|<=|>=|&&|\|\||[-+*/%<>!?:()])
    )""",
    re.VERBOSE,
)
_WORDS: Final[dict[str, Evaluated]] = {
    "true": True,
    "false": False,
    "undefined": UNDEFINED,
    "error": ERROR,
}
_LEVELS: Final[tuple[frozenset[str], ...]] = (
    frozenset({"=?=", "=!=", "==", "!="}),
    frozenset({"<", "<=", ">", ">="}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)
_COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def evaluate_arithmetic(text: str) -> Evaluated:
    """Evaluate an expression made of literals and operators.

    Args:
        text: The expression; a name that is no literal is ``undefined``.

    Raises:
        ExpressionError: The text does not parse, or calls a function.
    """
    if len(text) > _LIMIT_CHARACTERS:
        raise ExpressionError(f"expression of {len(text)} characters is too long")
    return _Parser(text).result()


def _whole(value: int) -> int:
    """Wrap to the 64 bits that a ClassAd integer has."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


class _Parser:
    """One pass over one expression, evaluated while it is read."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._next = 0
        self._depth = 0
        position = 0
        end = len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise ExpressionError(f"{text!r} is not an expression")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self._text = text

    def result(self) -> Evaluated:
        value = self._conditional()
        if self._next != len(self._tokens):
            raise self._broken()
        return value

    def _broken(self) -> ExpressionError:
        return ExpressionError(f"{self._text!r} is not an expression")

    def _peek(self) -> str:
        if self._next < len(self._tokens):
            kind, text = self._tokens[self._next]
            return text if kind == "operator" else ""
        return ""

    def _accept(self, wanted: str) -> bool:
        if self._peek() == wanted:
            self._next += 1
            return True
        return False

    def _conditional(self) -> Evaluated:
        self._depth += 1
        if self._depth > _LIMIT_DEPTH:
            raise ExpressionError("expression is nested too deep")
        condition = self._or()
        if self._accept("?"):
            then = self._conditional()
            if not self._accept(":"):
                raise self._broken()
            otherwise = self._conditional()
            truth = _truth(condition)
            if isinstance(truth, Unparsed):
                condition = truth
            else:
                condition = then if truth else otherwise
        self._depth -= 1
        return condition

    def _or(self) -> Evaluated:
        left = self._and()
        while self._accept("||"):
            right = self._and()
            first, second = _truth(left), _truth(right)
            if first is True or (first is not ERROR and second is True):
                left = True
            elif first is False and second is False:
                left = False
            else:
                left = ERROR if ERROR in (first, second) else UNDEFINED
        return left

    def _and(self) -> Evaluated:
        left = self._binary(0)
        while self._accept("&&"):
            right = self._binary(0)
            first, second = _truth(left), _truth(right)
            if first is False or (first is not ERROR and second is False):
                left = False
            elif first is True and second is True:
                left = True
            else:
                left = ERROR if ERROR in (first, second) else UNDEFINED
        return left

    def _binary(self, level: int) -> Evaluated:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while (sign := self._peek()) in _LEVELS[level] and sign:
            self._next += 1
            left = _apply(sign, left, self._binary(level + 1))
        return left

    def _unary(self) -> Evaluated:
        signs: list[str] = []
        while (sign := self._peek()) in ("-", "+", "!") and sign:
            self._next += 1
            signs.append(sign)
        value = self._primary()
        for sign in reversed(signs):
            if sign == "!":
                truth = _truth(value)
                value = truth if isinstance(truth, Unparsed) else not truth
            elif isinstance(value, (str, Unparsed)):
                value = value if isinstance(value, Unparsed) else ERROR
            else:
                value = _apply(sign, 0, value)
        return value

    def _primary(self) -> Evaluated:
        if self._accept("("):
            value = self._conditional()
            if not self._accept(")"):
                raise self._broken()
            return value
        if self._next >= len(self._tokens):
            raise self._broken()
        kind, text = self._tokens[self._next]
        self._next += 1
        if kind == "number":
            if text.isdigit():
                if len(text) > 20:
                    raise ExpressionError(f"{text} is beyond 64 bits")
                return _whole(int(text))
            return float(text)
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "word" and self._peek() != "(":
            return _WORDS.get(text.lower(), UNDEFINED)
        raise self._broken()


def _truth(value: Evaluated) -> bool | Unparsed:
    """The truth value that ``&&``, ``!`` and ``?:`` take, or why there is none."""
    if isinstance(value, Unparsed):
        return value
    return ERROR if isinstance(value, str) else bool(value)


def _apply(sign: str, left: Evaluated, right: Evaluated) -> Evaluated:
    """One arithmetic or comparison operator."""
    if sign in ("=?=", "=!="):
        same = type(left) is type(right) and left == right
        return same == (sign == "=?=")
    if ERROR in (left, right):
        return ERROR
    if UNDEFINED in (left, right):
        return UNDEFINED
    if isinstance(left, str) and isinstance(right, str) and sign in _COMPARISONS:
        first, second = left.lower(), right.lower()
        return _COMPARISONS[sign]((first > second) - (first < second), 0)
    if isinstance(left, (str, Unparsed)) or isinstance(right, (str, Unparsed)):
        return ERROR
    if sign in _COMPARISONS:
        return _COMPARISONS[sign](left, right)
    return _calculate(sign, left, right)


def _calculate(sign: str, left: float, right: float) -> Evaluated:
    """Arithmetic on numbers; integers stay integers and divide towards zero."""
    if sign in ("/", "%") and right == 0:
        return ERROR
    try:
        if isinstance(left, float) or isinstance(right, float):
            if sign == "%":
                return ERROR
            return float(_FLOATS[sign](left, right))
    except OverflowError:
        return ERROR
    if sign in ("/", "%"):
        quotient = abs(left) // abs(right)
        if (left < 0) != (right < 0):
            quotient = -quotient
        return _whole(quotient if sign == "/" else left - quotient * right)
    return _whole(_INTEGERS[sign](left, right))


_FLOATS: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_INTEGERS: Final[dict[str, Callable[[int, int], int]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
