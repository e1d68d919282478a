"""What an evaluation can reach in an ad, and what that may cost.

An expression is evaluated over a small ad of the attributes that it refers to,
directly and through other attributes. Collecting them also adds up the *expanded
size*: the text of each expression, as often as an evaluation would visit it. The bound
on it bounds both the nodes visited and the strings made.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from condor_twisted.classad.closures import CURRENT_TIME
from condor_twisted.classad.library import make_tree, new_text
from condor_twisted.classad.literals import (
    LiteralValue,
    NotLiteral,
    format_literal,
    parse_literal,
)
from condor_twisted.classad.syntax import quote_name, quote_string, read_syntax
from condor_twisted.errors import ExpressionError, ExpressionsUnavailable

__all__ = [
    "CHEAP_FUNCTIONS",
    "MAX_EXPANDED_BYTES",
    "AttributeSource",
    "Facts",
    "Gathering",
    "LiteralAds",
    "TooExpensive",
    "facts_of",
]

#: Text that one evaluation may visit, attributes counted as often as referred to.
MAX_EXPANDED_BYTES: Final = 1 << 16
#: Attributes that one evaluation may look into, repeated visits counted.
_MAX_EXPANSIONS: Final = 5_000
_MAX_REFERENCE_DEPTH: Final = 150
#: Texts up to this size are remembered.
_CACHED_BYTES: Final = 2048
_CACHED_TEXTS: Final = 4096
_CACHED_LITERAL_BYTES: Final = 128
#: Functions whose time and result are linear in their arguments.
CHEAP_FUNCTIONS: Final = frozenset(
    # A list of words reads better than sixty quoted ones.
    """
    isundefined iserror isstring isinteger isreal isboolean islist isclassad
    isabstime isreltime ifthenelse size toupper tolower strcat substr strcmp stricmp
    int real string bool time floor ceiling ceil round abs pow quantize random
    interval formattime abstime reltime currenttime gettime min max sum avg
    member identicalmember anycompare allcompare split splitusername splitslotname
    stringlistmember stringlistimember stringlistsize stringlistsum
    stringlistavg stringlistmin stringlistmax versioncmp version_gt version_ge
    version_lt version_le version_eq version_in_range
    """.split()  # noqa: SIM905
)


class TooExpensive(ExpressionError):
    """An evaluation would go beyond what this thread may spend on it."""


class AttributeSource(Protocol):
    """What expressions are evaluated over. A ``dict`` is one."""

    def get(self, name: str, /) -> bytes | None:
        """The expression text of an attribute, by its name in lower case."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Facts:
    """What evaluation needs to know about an attribute's expression."""

    converted: str
    references: tuple[str, ...]
    is_cheap: bool


def _read_facts(text: bytes) -> Facts | None:
    """The facts about an expression; ``None`` for a text that is none."""
    try:
        syntax = read_syntax(text)
        # Without the library our own reading has to do: nothing is evaluated then.
        with contextlib.suppress(ExpressionsUnavailable):
            make_tree(syntax)
    except ExpressionError:
        return None
    return Facts(
        converted=new_text(syntax.converted),
        references=syntax.references,
        is_cheap=syntax.functions <= CHEAP_FUNCTIONS,
    )


_remembered_facts = lru_cache(maxsize=_CACHED_TEXTS)(_read_facts)


def facts_of(text: bytes) -> Facts | None:
    """As :func:`_read_facts`, from memory for short texts."""
    if len(text) <= _CACHED_BYTES:
        return _remembered_facts(text)
    return _read_facts(text)


class LiteralAds:
    """Makes the small ad where everything referred to is a literal.

    That is the usual case, and much quicker than a :class:`Gathering`.

    Args:
        references: Lower-case names, repeated as the expression repeats them.
        size: The size of the expression itself.
    """

    def __init__(self, references: tuple[str, ...], size: int) -> None:
        self._names = [
            (name, f"{quote_name(name)}=", count)
            for name, count in Counter(references).items()
            if name != CURRENT_TIME
        ]
        # What depends on the time takes the long way.
        self._is_possible = CURRENT_TIME not in references
        self._size = size

    def text(self, source: AttributeSource) -> str | None:
        """The ad in new syntax; ``None`` where it takes a :class:`Gathering`."""
        if not self._is_possible:
            return None
        get = source.get
        size = self._size
        parts = []
        for name, prefix, count in self._names:
            text = get(name)
            if text is None:
                continue
            size += len(text) * count
            if len(text) > _CACHED_LITERAL_BYTES or size > MAX_EXPANDED_BYTES:
                return None
            converted = _remembered_literal(text)
            if converted is None:
                return None
            parts.append(prefix + converted)
        return f"[{';'.join(parts)}]"


class Gathering:
    """Collects the attributes that an evaluation can reach, and adds up their size.

    Args:
        source: The ad.
        now: The value of ``CurrentTime`` where the ad has none.
        allow_expensive: Whether expensive functions may occur, and large sizes.
    """

    def __init__(
        self, source: AttributeSource, now: int, *, allow_expensive: bool
    ) -> None:
        self._get = source.get
        self._now = now
        self._allow_expensive = allow_expensive
        self._texts: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self._active: set[str] = set()
        self._expansions = 0

    def gather(self, references: tuple[str, ...], size: int) -> str:
        """Everything reachable from these references.

        Args:
            references: Lower-case names, repeated as the expression repeats them.
            size: The size of the expression itself.

        Returns:
            An ad in new syntax.

        Raises:
            TooExpensive: The expanded size is too big, or a function too expensive.
        """
        total, _ = self._expand(references, size, 0)
        self._limit(total)
        body = ";".join(
            f"{quote_name(name)}={text}" for name, text in self._texts.items()
        )
        return f"[{body}]"

    def _limit(self, total: int) -> None:
        if total > MAX_EXPANDED_BYTES and not self._allow_expensive:
            raise TooExpensive("an expression expands to too much text")

    def _expand(
        self, references: tuple[str, ...], size: int, depth: int
    ) -> tuple[int, bool]:
        """Expanded size, and whether it holds whoever asks."""
        final = True
        for name in references:
            known = self._sizes.get(name)
            if known is not None:
                size += known
            elif name in self._active:
                # The library gives undefined here, without looking further.
                final = False
            else:
                more, holds = self._visit(name, depth)
                size += more
                final = final and holds
            self._limit(size)
        return size, final

    def _visit(self, name: str, depth: int) -> tuple[int, bool]:
        """Look into one attribute."""
        self._expansions += 1
        if self._expansions > _MAX_EXPANSIONS or depth > _MAX_REFERENCE_DEPTH:
            raise TooExpensive("an expression refers to too much")
        text = self._get(name)
        if text is None:
            if name == CURRENT_TIME:
                self._texts[name] = str(self._now)
            self._sizes[name] = 1
            return 1, True
        size, final = len(text) + 1, True
        value = parse_literal(text)
        if not isinstance(value, NotLiteral):
            self._texts[name] = _literal_text(value)
        else:
            facts = facts_of(text)
            if facts is None:
                self._texts[name] = "error"
            elif facts.is_cheap or self._allow_expensive:
                self._texts[name] = facts.converted
                self._active.add(name)
                size, final = self._expand(facts.references, size, depth + 1)
                self._active.discard(name)
            else:
                raise TooExpensive("an attribute uses an expensive function")
        if final:
            self._sizes[name] = size
        return size, final


def _literal_text(value: LiteralValue) -> str:
    """A literal in new syntax."""
    text = format_literal(value)
    if isinstance(value, str):
        text = quote_string(value.encode("utf-8", "surrogateescape"))
    return new_text(text)


@lru_cache(maxsize=8192)
def _remembered_literal(text: bytes) -> str | None:
    """A short literal in new syntax; ``None`` if it is none."""
    value = parse_literal(text)
    return None if isinstance(value, NotLiteral) else _literal_text(value)
