"""What the collector evaluates, and within which bounds.

Three things are evaluated: single attributes of an ad, where a key or a limit is an
expression; constraints of queries, over the public attributes of stored ads; and the
administrator's ``COLLECTOR_REQUIREMENTS``. Nothing that a peer wrote is evaluated here
if it could take long: that raises, and such a constraint belongs to a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from condor_twisted.classad.expressions import (
    AttributeSource,
    OtherValue,
    TooExpensive,
    evaluate,
    internal_references,
    parse_constraint,
)
from condor_twisted.classad.literals import (
    ERROR,
    NOT_LITERAL,
    UNDEFINED,
    LiteralValue,
    parse_literal,
)
from condor_twisted.classad.syntax import read_syntax
from condor_twisted.errors import ConfigError, ExpressionError, ExpressionsUnavailable

__all__ = [
    "Memo",
    "Requirement",
    "evaluate_attribute",
    "evaluate_projection",
    "references_of",
]

_CURRENT_TIME: Final = "currenttime"
_NOTHING: Final[dict[str, bytes]] = {}

Memo: TypeAlias = dict[object, object]


def references_of(text: bytes) -> frozenset[str]:
    """The attributes of the same ad that an expression names, in lower case."""
    return internal_references(text)


def evaluate_attribute(ad: AttributeSource, text: bytes) -> LiteralValue:
    """The value of an attribute that is an expression.

    Args:
        ad: The ad that the attribute belongs to.
        text: The attribute's expression.

    Returns:
        Undefined for what would take too long; error for a value that is no literal.
    """
    try:
        value = evaluate(text, ad, 0)
    except (TooExpensive, ExpressionsUnavailable):
        return UNDEFINED
    return ERROR if isinstance(value, OtherValue) else value


def evaluate_projection(
    text: bytes, query: AttributeSource, ad: AttributeSource, now: float
) -> str:
    """The names that a projection's expression gives for one ad.

    Args:
        text: The expression.
        query: The ad of the query, ``MY``.
        ad: The stored ad, ``TARGET``; bare names that the query lacks are its.
        now: The time, in seconds since the epoch.

    Returns:
        Empty where the value is no string.

    Raises:
        ExpressionError: That would take too long.
        ExpressionsUnavailable: There is no library for it.

    Source: ``src/condor_collector.V6/collector.cpp:
    receive_query_cedar_worker_thread``.
    """
    value = evaluate(text, query, int(now), target=ad)
    return value if isinstance(value, str) else ""


class Requirement:
    """A condition of the administrator about ads that come.

    Args:
        text: The expression.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        syntax = read_syntax(text)
        self._references = {*syntax.references, *syntax.target_references}

    @classmethod
    def parse(cls, knob: str, text: str) -> Requirement:
        """Read a knob's expression.

        Raises:
            ConfigError: It is no expression, or cannot be evaluated here.
        """
        encoded = text.encode("utf-8", "surrogateescape")
        try:
            parse_constraint(encoded, 0)
        except (ExpressionError, ExpressionsUnavailable) as error:
            raise ConfigError(f"{knob}: {error}") from error
        return cls(encoded)

    def accepts(
        self, ad: AttributeSource, now: float, own: AttributeSource = _NOTHING
    ) -> bool:
        """Whether an ad, as ``TARGET``, makes the condition true.

        Costly functions are the administrator's choice as long as the ad contributes
        nothing but literals; with expressions of the ad's own in it, they are not.

        Args:
            ad: The ad.
            now: The time, in seconds since the epoch.
            own: The other ad, ``MY``; by default one without attributes.
        """
        when = int(now)
        try:
            return evaluate(self._text, own, when, target=ad) is True
        except TooExpensive:
            pass
        if not self._all_literal(ad, self._references):
            return False
        try:
            value = evaluate(self._text, own, when, target=ad, allow_expensive=True)
        except TooExpensive:
            return False
        return value is True

    def _all_literal(self, ad: AttributeSource, names: Iterable[str]) -> bool:
        get: Callable[[str], bytes | None] = ad.get
        for name in names:
            text = get(name)
            if text is not None and parse_literal(text) is NOT_LITERAL:
                return False
        return True
