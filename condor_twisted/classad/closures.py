"""The common forms of constraints as Python functions over literal values.

Nearly every constraint that a tool sends compares attributes with constants and
combines the answers. Such a one is compiled to nested functions; evaluating it needs
no ClassAd library and takes about a microsecond. Whatever is not covered, a form of
expression at compile time or an attribute that is itself an expression at
evaluation time, is left to the library: :func:`compile_closure` returns ``None``, or
the function raises :class:`NotCovered`.

Covered: literals; attributes, plain, as ``MY.x`` and as ``TARGET.x``; all operators but
shifts, subscripts and selections; the type tests ``isUndefined`` and its like.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from condor_twisted.classad.literals import (
    ERROR,
    UNDEFINED,
    LiteralValue,
    NotLiteral,
    decode_string,
    parse_literal,
)
from condor_twisted.classad.syntax import (
    NAME,
    NUMBER,
    OPERATOR,
    STRING,
    WORD,
    Syntax,
    Token,
)
from condor_twisted.classad.values import (
    BINARY_OPERATIONS,
    TYPE_TESTS,
    UNARY_OPERATIONS,
    fold_case,
    logical_and,
    logical_or,
    truth,
)

__all__ = [
    "Closure",
    "Compiled",
    "Equality",
    "Lookup",
    "NotCovered",
    "compile_closure",
    "literal_of",
]

#: Gives the expression text of an attribute by its lower-case name.
Lookup: TypeAlias = Callable[[str], "bytes | None"]
Closure: TypeAlias = Callable[[Lookup], LiteralValue]
#: An attribute in lower case, and what it must equal.
Equality: TypeAlias = tuple[str, str | int | float]

#: A longer constraint goes to the library, so do deeper ones: no recursion problem
#: can arise here, and HTCondor's own evaluation depth is not exceeded.
_MAX_TOKENS: Final = 600
_MAX_FRAMES: Final = 150
_CACHED_BYTES: Final = 128

_PRECEDENCE: Final = {
    b"||": 1,
    b"&&": 2,
    b"|": 3,
    b"^": 4,
    b"&": 5,
    b"==": 6,
    b"!=": 6,
    b"=?=": 6,
    b"=!=": 6,
    b"<": 7,
    b"<=": 7,
    b">": 7,
    b">=": 7,
    b"<<": 8,
    b">>": 8,
    b">>>": 8,
    b"+": 9,
    b"-": 9,
    b"*": 10,
    b"/": 10,
    b"%": 10,
}

_INTEGER_COMPARISONS: Final[Mapping[bytes, Callable[[Any, Any], bool]]] = {
    b"==": operator.eq,
    b"!=": operator.ne,
    b"<": operator.lt,
    b"<=": operator.le,
    b">": operator.gt,
    b">=": operator.ge,
    b"=?=": operator.eq,
    b"=!=": operator.ne,
}

CURRENT_TIME: Final = "currenttime"


class NotCovered(Exception):
    """This evaluation, or this expression, needs the ClassAd library."""


@lru_cache(maxsize=16384)
def _short_literal(text: bytes) -> LiteralValue | NotLiteral:
    """The value of a short text; ads repeat each other."""
    return parse_literal(text)


def literal_of(text: bytes) -> LiteralValue:
    """The value of an attribute's text.

    Raises:
        NotCovered: The text is not a literal.
    """
    value = _short_literal(text) if len(text) <= _CACHED_BYTES else parse_literal(text)
    if isinstance(value, NotLiteral):
        raise NotCovered
    return value


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled expression.

    Args:
        evaluate: Computes the value.
        equalities: Attributes that must equal a string or number, whatever else, for
            the expression to be true. Case and type count only under ``=?=``.
        alternatives: Attribute and value pairs; where there are any, at least one
            attribute must equal its value for the expression to be true.
        constant: The value where the expression is a single literal.
    """

    evaluate: Closure
    equalities: tuple[Equality, ...] = ()
    alternatives: tuple[Equality, ...] = ()
    constant: LiteralValue | None = None
    attribute: str | None = None


def compile_closure(syntax: Syntax, now: int) -> Compiled | None:
    """Compile an expression, if its form is covered.

    Args:
        syntax: The expression.
        now: What ``CurrentTime`` is where the ad has no such attribute.
    """
    if len(syntax.tokens) > _MAX_TOKENS or syntax.frames > _MAX_FRAMES:
        return None
    try:
        return _Compiler(syntax.tokens, now).compile()
    except NotCovered:
        return None


def _constant(value: LiteralValue) -> Compiled:
    return Compiled(lambda lookup: value, constant=value)


class _Compiler:
    """Precedence climbing over tokens that are known to be well-formed."""

    def __init__(self, tokens: tuple[Token, ...], now: int) -> None:
        self._tokens = tokens
        self._at = 0
        self._now = now

    def compile(self) -> Compiled:
        """The whole expression."""
        return self._ternary()

    def _peek(self) -> bytes:
        """The next operator, or nothing."""
        if self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.kind == OPERATOR:
                return token.text
        return b""

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _ternary(self) -> Compiled:
        condition = self._binary(1)
        if self._peek() != b"?":
            return condition
        self._take()
        yes = self._ternary()
        self._take()
        no = self._ternary()
        return Compiled(_conditional(condition.evaluate, yes.evaluate, no.evaluate))

    def _binary(self, minimum: int) -> Compiled:
        left = self._unary()
        while True:
            sign = self._peek()
            precedence = _PRECEDENCE.get(sign, 0)
            if precedence < minimum:
                return left
            self._take()
            right = self._binary(precedence + 1)
            left = _combine(sign, left, right)

    def _unary(self) -> Compiled:
        sign = self._peek()
        operation = UNARY_OPERATIONS.get(sign)
        if operation is None:
            return self._postfix()
        self._take()
        operand = self._unary().evaluate
        compute = operation
        return Compiled(lambda lookup: compute(operand(lookup)))

    def _postfix(self) -> Compiled:
        value = self._primary()
        if self._peek() != b"?:":
            return value
        self._take()
        return Compiled(_default(value.evaluate, self._postfix().evaluate))

    def _primary(self) -> Compiled:
        token = self._take()
        if token.kind == NAME:
            return self._name(token)
        if token.kind == STRING:
            value: LiteralValue = decode_string(token.text)
            compiled = _constant(value)
        elif token.kind == WORD:
            compiled = _constant(literal_of(token.text))
        elif token.kind == NUMBER:
            if token.text.lstrip(b"-").isdigit() and len(token.text) > 18:
                # Beyond 64 bits the library has its own ideas.
                raise NotCovered
            compiled = _constant(literal_of(token.text))
        elif token.text == b"(":
            compiled = self._ternary()
            self._take()
        else:
            raise NotCovered
        return self._no_suffix(compiled)

    def _no_suffix(self, compiled: Compiled) -> Compiled:
        """Subscripts and selections are not covered."""
        if self._peek() in (b".", b"["):
            raise NotCovered
        return compiled

    def _name(self, token: Token) -> Compiled:
        """An attribute or a function call."""
        name = decode_string(token.text).lower()
        if self._peek() == b"(":
            return self._no_suffix(self._call(name))
        if token.quoted and not name.isascii():
            raise NotCovered
        if self._peek() == b"." and name in ("my", "self", "target"):
            self._take()
            selected = decode_string(self._take().text).lower()
            if not selected.isascii():
                raise NotCovered
            if name == "target":
                return self._no_suffix(_constant(UNDEFINED))
            return self._no_suffix(self._attribute(selected))
        if name in ("my", "self", "target", "parent", "toplevel", "root", "other"):
            # Scopes are values of their own.
            raise NotCovered
        return self._no_suffix(self._attribute(name))

    def _attribute(self, name: str) -> Compiled:
        missing: LiteralValue = self._now if name == CURRENT_TIME else UNDEFINED

        def evaluate(lookup: Lookup) -> LiteralValue:
            text = lookup(name)
            if text is None:
                return missing
            if len(text) > _CACHED_BYTES:
                return literal_of(text)
            value = _short_literal(text)
            if isinstance(value, NotLiteral):
                raise NotCovered
            return value

        return Compiled(evaluate, attribute=name)

    def _call(self, name: str) -> Compiled:
        test = TYPE_TESTS.get(name)
        if test is None:
            raise NotCovered
        self._take()
        if self._peek() == b")":
            raise NotCovered
        operand = self._ternary().evaluate
        if self._take().text != b")":
            raise NotCovered
        compute = test
        return Compiled(lambda lookup: compute(operand(lookup)))


def _combine(sign: bytes, left: Compiled, right: Compiled) -> Compiled:
    """A binary operation of two compiled operands."""
    if sign == b"&&":
        return Compiled(
            _both(left.evaluate, right.evaluate),
            equalities=left.equalities + right.equalities,
            alternatives=left.alternatives or right.alternatives,
        )
    if sign == b"||":
        either: tuple[Equality, ...] = ()
        if left.alternatives and right.alternatives:
            either = left.alternatives + right.alternatives
        return Compiled(_either(left.evaluate, right.evaluate), alternatives=either)
    operation = BINARY_OPERATIONS.get(sign)
    if operation is None:
        raise NotCovered
    if sign in (b"==", b"=?="):
        if left.constant is not None and right.attribute is not None:
            left, right = right, left
        constant = right.constant
        if left.attribute is not None and constant.__class__ in (str, int, float):
            assert isinstance(constant, (str, int, float))
            pair = ((left.attribute, constant),)
            if isinstance(constant, str) and sign == b"==":
                evaluate = _equals(left.evaluate, constant)
            elif constant.__class__ is int:
                evaluate = _against(sign, operation, left.evaluate, constant)
            else:
                evaluate = _applied(operation, left.evaluate, right.evaluate)
            return Compiled(evaluate, equalities=pair, alternatives=pair)
    if right.constant.__class__ is int:
        assert right.constant is not None
        return Compiled(_against(sign, operation, left.evaluate, right.constant))
    return Compiled(_applied(operation, left.evaluate, right.evaluate))


def _against(
    sign: bytes,
    operation: Callable[[LiteralValue, LiteralValue], LiteralValue],
    left: Closure,
    constant: LiteralValue,
) -> Closure:
    """A comparison with a constant integer, quick for integers."""
    compare = _INTEGER_COMPARISONS.get(sign)
    if compare is None:
        return lambda lookup: operation(left(lookup), constant)
    on_integers = compare

    def evaluate(lookup: Lookup) -> LiteralValue:
        value = left(lookup)
        if value.__class__ is int:
            return on_integers(value, constant)
        return operation(value, constant)

    return evaluate


def _applied(
    operation: Callable[[LiteralValue, LiteralValue], LiteralValue],
    left: Closure,
    right: Closure,
) -> Closure:
    return lambda lookup: operation(left(lookup), right(lookup))


def _equals(left: Closure, constant: str) -> Closure:
    """``attribute == "text"``, the most frequent comparison."""
    folded = fold_case(constant)

    def evaluate(lookup: Lookup) -> LiteralValue:
        value = left(lookup)
        if isinstance(value, str):
            return value == constant or fold_case(value) == folded
        return value if value is UNDEFINED else ERROR

    return evaluate


def _both(left: Closure, right: Closure) -> Closure:
    """``&&``, which may not look at its right side."""

    def evaluate(lookup: Lookup) -> LiteralValue:
        first = left(lookup)
        if first is not True:
            if truth(first) is False:
                return False
            if first is ERROR:
                return ERROR
        return logical_and(first, right(lookup))

    return evaluate


def _either(left: Closure, right: Closure) -> Closure:
    """``||``, which may not look at its right side."""

    def evaluate(lookup: Lookup) -> LiteralValue:
        first = left(lookup)
        if first is not False:
            if truth(first):
                return True
            if first is ERROR:
                return ERROR
        return logical_or(first, right(lookup))

    return evaluate


def _conditional(condition: Closure, yes: Closure, no: Closure) -> Closure:
    """``c ? a : b``."""

    def evaluate(lookup: Lookup) -> LiteralValue:
        value = condition(lookup)
        known = truth(value)
        if known is None:
            return UNDEFINED if value is UNDEFINED else ERROR
        return yes(lookup) if known else no(lookup)

    return evaluate


def _default(value: Closure, otherwise: Closure) -> Closure:
    """``a ?: b``."""

    def evaluate(lookup: Lookup) -> LiteralValue:
        first = value(lookup)
        return otherwise(lookup) if first is UNDEFINED else first

    return evaluate
