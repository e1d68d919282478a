"""Values of expressions, lists and records included, for whoever shows them.

`condor_twisted.classad.expressions` gives literal values, which is all that a
constraint needs. Here a value that is a list or a record keeps its text, so it can be
printed and taken apart. Nothing is refused for what it costs: this is for tools, which
may take their time, not for a reactor that serves others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from condor_twisted.classad.expressions import AttributeSource, parse_constraint
from condor_twisted.classad.gathering import Gathering
from condor_twisted.classad.library import OtherValue, library, make_tree
from condor_twisted.classad.literals import (
    ERROR,
    UNDEFINED,
    LiteralValue,
    NotLiteral,
    parse_literal,
)
from condor_twisted.classad.printing import Expression, read_expression
from condor_twisted.classad.syntax import NAME, read_syntax
from condor_twisted.errors import ExpressionError

__all__ = ["ComposedValue", "FullValue", "evaluate_full"]

#: How many attributes may name each other before their value counts as undefined.
_MAX_HOPS: Final = 50
_OWN_NAMES: Final = frozenset((b"my", b"self", b"target", b"parent"))


@dataclass(frozen=True, slots=True)
class ComposedValue:
    """A list, a record or a time.

    Args:
        kind: ``list``, ``record`` or ``time``.
        expression: What it looks like.
    """

    kind: str
    expression: Expression

    def items(self) -> list[Expression]:
        """The items of a list; nothing for a record or a time."""
        return self.expression.items() or []


FullValue: TypeAlias = LiteralValue | ComposedValue


def _composed(expression: Expression) -> ComposedValue | None:
    """An expression that is a list or a record as it stands."""
    if expression.items() is not None:
        return ComposedValue("list", expression)
    if expression.pairs() is not None:
        return ComposedValue("record", expression)
    return None


def evaluate_full(text: bytes, source: AttributeSource, now: int) -> FullValue:
    """The value of a right-hand side, whatever kind it has.

    Args:
        text: An expression in old syntax; one that is none has the value error.
        source: The ad that it belongs to.
        now: Unix time.

    Raises:
        ExpressionsUnavailable: The value needs the ClassAd library, and there is none.
    """
    for _ in range(_MAX_HOPS):
        value = parse_literal(text)
        if not isinstance(value, NotLiteral):
            return value
        expression = read_expression(text)
        composed = _composed(expression)
        if composed is not None:
            return composed
        tokens = expression.tokens
        if len(tokens) != 1 or tokens[0].kind != NAME:
            break
        if tokens[0].text.lower() in _OWN_NAMES:
            break
        named = source.get(tokens[0].text.decode("utf-8", "surrogateescape").lower())
        if named is None:
            break
        text = named
    else:
        return UNDEFINED
    try:
        constraint = _constraint(text, now)
    except ExpressionError:
        return ERROR
    plain = constraint.evaluate(source, allow_expensive=True)
    if not isinstance(plain, OtherValue):
        return plain
    return ComposedValue(plain.kind, _library_value(text, source, now))


# The columns of a listing are the same for each of its ads.
_constraint = lru_cache(maxsize=256)(parse_constraint)


def _library_value(text: bytes, source: AttributeSource, now: int) -> Expression:
    """What the library's value looks like, in old syntax."""
    module = library()
    syntax = read_syntax(text)
    gathering = Gathering(source, now, allow_expensive=True)
    scope = module.ClassAd(gathering.gather(syntax.references, len(text)))
    result: Any = make_tree(syntax).eval(scope)
    printed: str = module.ClassAd({"Value": result}).printOld()
    spelled = printed.partition("=")[2].strip()
    return read_expression(spelled.encode("utf-8", "replace"))
