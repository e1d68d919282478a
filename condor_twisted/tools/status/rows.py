"""An ad as a table's rows see it: attributes and expressions as values."""

from __future__ import annotations

from typing import Final

from condor_twisted.classad.full_values import ComposedValue, FullValue, evaluate_full
from condor_twisted.classad.literals import (
    UNDEFINED,
    NotLiteral,
    format_literal,
    parse_literal,
)
from condor_twisted.classad.printing import read_expression
from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.tools.status.text import from_bytes, from_value

__all__ = ["Row", "as_integer", "as_real", "shown"]

_INT64: Final = 2.0**63


def as_integer(value: object) -> int | None:
    """A number as an integer; ``None`` for anything else.

    Source: ``src/classad/classad/value.h: Value::IsNumber``.
    """
    if isinstance(value, float):
        return int(value) if abs(value) < _INT64 else 0
    return int(value) if isinstance(value, int) else None


def as_real(value: object) -> float | None:
    """A number as a real; ``None`` for anything else."""
    return float(value) if isinstance(value, (int, float)) else None


def shown(value: FullValue) -> str:
    """A value as an expression shows it: strings in quotes."""
    if isinstance(value, ComposedValue):
        return from_bytes(value.expression.spelled())
    return from_bytes(format_literal(value))


class Row:
    """One ad of a listing.

    Args:
        ad: The ad.
        now: Unix time.
    """

    __slots__ = ("_now", "_values", "ad")

    def __init__(self, ad: WireAd, now: int) -> None:
        self.ad: Final = ad
        self._now = now
        self._values: dict[str, FullValue] = {}

    def has(self, name: str) -> bool:
        """Whether there is such an attribute."""
        return self.ad.raw(name) is not None

    def value(self, name: str) -> FullValue:
        """An attribute's value; undefined where there is none."""
        key = name.lower()
        value = self._values.get(key)
        if value is None:
            text = self.ad.raw(key)
            value = UNDEFINED if text is None else self.evaluate(text)
            self._values[key] = value
        return value

    def evaluate(self, text: bytes) -> FullValue:
        """The value of an expression over this ad."""
        literal = parse_literal(text)
        if not isinstance(literal, NotLiteral):
            return literal
        return evaluate_full(text, self.ad, self._now)

    def spelled(self, name: str) -> str | None:
        """An attribute's expression as it stands; ``None`` where there is none."""
        text = self.ad.raw(name)
        return None if text is None else from_bytes(read_expression(text).spelled())

    def string(self, name: str) -> str | None:
        """An attribute that is a string, as text."""
        value = self.value(name)
        return from_value(value) if isinstance(value, str) else None

    def integer(self, name: str) -> int | None:
        """An attribute that is a number, as an integer."""
        return as_integer(self.value(name))

    def real(self, name: str) -> float | None:
        """An attribute that is a number, as a real."""
        return as_real(self.value(name))

    def boolean(self, name: str) -> bool:
        """Whether an attribute is true, or a number other than zero."""
        value = self.value(name)
        return bool(value) if isinstance(value, (int, float)) else False

    def strings_of(self, name: str) -> list[str] | None:
        """The string literals of an attribute that is a list; else ``None``."""
        value = self.value(name)
        if not isinstance(value, ComposedValue) or value.kind != "list":
            return None
        found = [each.value for each in value.items()]
        return [from_value(each) for each in found if isinstance(each, str)]
