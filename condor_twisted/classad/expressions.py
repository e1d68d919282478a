"""ClassAd expressions: check them, find their references, evaluate them.

The evaluator is HTCondor's own, ``classad2`` of the ``htcondor`` package, imported by
``condor_twisted.classad.library`` only when it is needed. The common constraints do not
need it: see ``condor_twisted.classad.closures``. For the others a small ad of just the
attributes that an expression refers to, directly and through other attributes, is made
and evaluated; that takes some microseconds.

What a peer may make an evaluation cost is bounded before it begins:

- A text's size, nesting, operators and tokens are checked by ``read_syntax``; the
  library itself stops at an evaluation depth of 400, gives ``undefined`` for
  attributes that refer to themselves, and wraps integers, shifts included.
- *Expanded size*: the text of the expression plus, for every reference, the expanded
  size of the attribute, is at most :data:`MAX_EXPANDED_BYTES`. It bounds the nodes
  visited as well as the strings made, since only functions that are linear in
  their arguments count as cheap.
- Other functions, regular expressions above all, make an expression *expensive*.
  Such a one is evaluated only on request, and never on the reactor's thread: the
  library keeps the interpreter's lock, so a thread does not help, a process does.

An evaluation beyond a bound raises :class:`TooExpensive`.

Source: ``src/classad/exprTree.h: EvalState``, ``src/classad/attrrefs.cpp``,
``src/condor_utils/compat_classad.cpp``.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from condor_twisted.classad.closures import (
    Compiled,
    NotCovered,
    compile_closure,
    literal_of,
)
from condor_twisted.classad.gathering import (
    CHEAP_FUNCTIONS,
    MAX_EXPANDED_BYTES,
    AttributeSource,
    Gathering,
    LiteralAds,
    TooExpensive,
    facts_of,
)
from condor_twisted.classad.library import (
    OtherValue,
    Value,
    accepts_line,
    expressions_available,
    make_tree,
    run,
)
from condor_twisted.classad.literals import (
    ERROR,
    LiteralValue,
    NotLiteral,
    format_literal,
    parse_literal,
)
from condor_twisted.classad.syntax import MAX_OPERATORS, Syntax, read_syntax
from condor_twisted.errors import ExpressionError, ExpressionsUnavailable

__all__ = [
    "CHEAP_FUNCTIONS",
    "MAX_EXPANDED_BYTES",
    "AttributeSource",
    "Constraint",
    "OtherValue",
    "TooExpensive",
    "Value",
    "canonical_expression",
    "check_expression",
    "evaluate",
    "evaluate_string",
    "expressions_available",
    "internal_references",
    "parse_constraint",
]

#: A longer constraint is expensive by its length alone.
_MAX_CHEAP_BYTES: Final = 1 << 16
#: Checks of texts up to this size are remembered.
_CACHED_BYTES: Final = 2048
#: The library reads texts up to this size by itself: they cannot have more operators
#: than `MAX_OPERATORS`, and it bounds the depth as we do.
_QUICK_BYTES: Final = 2 * MAX_OPERATORS
_QUICK_BRACKETS: Final = 100
_NEEDS_CARE = re.compile(rb"[\0\r\n]|(?<![0-9A-Za-z_.])0[0-9]")


def _is_plain(text: bytes, value: LiteralValue) -> bool:
    """Whether any reader takes a literal's text as it stands.

    HTCondor's quick reader also takes ``010`` and ``3.``; others of its readers do not.
    """
    if isinstance(value, (str, bool)) or not isinstance(value, (int, float)):
        return True
    digits = text.rstrip().lstrip(b"-")
    if isinstance(value, int):
        return len(digits) == 1 or (len(digits) <= 18 and digits[:1] != b"0")
    return not digits.endswith(b".") and b".e" not in digits.lower()


def _check(text: bytes) -> bool:
    """Whether a text is an expression, literal or not.

    The library reads a short and shallow one fastest, but takes ``010`` for a number,
    which daemons do not; and a line is all that it can be given.
    """
    shallow = text.count(b"(") + text.count(b"[") + text.count(b"{") <= _QUICK_BRACKETS
    if shallow and len(text) <= _QUICK_BYTES and not _NEEDS_CARE.search(text):
        with contextlib.suppress(ExpressionsUnavailable):
            return accepts_line(text)
    return facts_of(text) is not None


_remembered_check = lru_cache(maxsize=4096)(_check)


def check_expression(text: bytes) -> bool:
    """Whether every reader of ads can read this right-hand side as it stands.

    As in HTCondor the longest expression at the beginning counts: ``foo bar`` is read
    as ``foo``. Where the ClassAd library is installed, it must agree.

    Args:
        text: A right-hand side in old syntax, without leading blanks.
    """
    value = parse_literal(text)
    if not isinstance(value, NotLiteral) and _is_plain(text, value):
        return True
    if len(text) <= _CACHED_BYTES:
        return _remembered_check(text)
    return _check(text)


def canonical_expression(text: bytes) -> bytes | None:
    """A right-hand side as it may be stored and passed on.

    Returns:
        The text itself where every reader can read it (some characters behind an
        expression, as in ``10K``, are ignored by all); a literal in HTCondor's own
        spelling where only some can, as ``010`` and ``3.``; ``None`` where there
        is no expression.
    """
    value = parse_literal(text)
    if not isinstance(value, NotLiteral):
        return text if _is_plain(text, value) else format_literal(value)
    return text if check_expression(text) else None


def internal_references(text: bytes) -> frozenset[str]:
    """The attributes of the same ad that an expression names, in lower case.

    References through nested records count; ``TARGET.x`` does not. A literal, and
    a text that is no expression, names nothing.
    """
    if not isinstance(parse_literal(text), NotLiteral):
        return frozenset()
    facts = facts_of(text)
    return frozenset() if facts is None else frozenset(facts.references)


class Constraint:
    """A condition over ads, parsed once and evaluated for many.

    Made by :func:`parse_constraint`.

    Args:
        syntax: The expression.
        text: Its text.
        now: The value of ``CurrentTime``.
    """

    def __init__(self, syntax: Syntax, text: bytes, now: int) -> None:
        self.text: Final = text
        self._syntax = syntax
        self._now = now
        self._compiled: Compiled | None = compile_closure(syntax, now)
        self._literal_ads = LiteralAds(syntax.references, len(text))
        self._tree: Any = None
        if self._compiled is None:
            self._tree = make_tree(syntax)
        constant = self._compiled.constant if self._compiled is not None else None
        #: Whether every ad matches.
        self.always_true: Final = constant is not None and _is_match(constant)
        #: Attributes of the ad that the constraint names, in lower case.
        self.references: Final = frozenset(syntax.references)
        #: Whether it must not be evaluated on the reactor's thread.
        self.is_expensive: Final = (
            not syntax.functions <= CHEAP_FUNCTIONS or len(text) > _MAX_CHEAP_BYTES
        )
        #: Attributes, in lower case, that must equal a string or a number in every ad
        #: that matches. Strings compare without case, numbers by value, unless the
        #: constraint says otherwise.
        self.equalities: Final[Mapping[str, str | int | float]] = dict(
            self._compiled.equalities if self._compiled is not None else ()
        )
        #: Attribute and value pairs; if there are any, every ad that matches has
        #: at least one of these attributes equal to its value.
        self.alternatives: Final = (
            self._compiled.alternatives if self._compiled is not None else ()
        )

    @property
    def is_compiled(self) -> bool:
        """Whether ads with nothing but literals need no library."""
        return self._compiled is not None

    def quick_match(self, source: AttributeSource) -> bool | None:
        """Whether one ad matches, where only literals take part in the answer.

        Returns:
            ``None`` where the library would have to evaluate something.
        """
        if self._compiled is None:
            return None
        try:
            return _is_match(self._compiled.evaluate(source.get))
        except NotCovered:
            return None

    def evaluate(
        self, source: AttributeSource, *, allow_expensive: bool = False
    ) -> Value:
        """The value for one ad.

        Args:
            source: The ad: its public attributes.
            allow_expensive: Evaluate whatever it costs; not on the reactor's thread.

        Raises:
            TooExpensive: The evaluation needs ``allow_expensive``.
            ExpressionsUnavailable: This ad needs the library, and there is none.
        """
        if self._compiled is not None:
            try:
                return self._compiled.evaluate(source.get)
            except NotCovered:
                pass
        if self.is_expensive and not allow_expensive:
            raise TooExpensive("a constraint uses an expensive function")
        if self._tree is None:
            self._tree = make_tree(self._syntax)
        ad_text = self._literal_ads.text(source)
        if ad_text is None:
            gathering = Gathering(source, self._now, allow_expensive=allow_expensive)
            ad_text = gathering.gather(self._syntax.references, len(self.text))
        return run(self._tree, ad_text)

    def matches(
        self, source: AttributeSource, *, allow_expensive: bool = False
    ) -> bool:
        """Whether one ad matches: the value is true, or a number that is not zero.

        Raises:
            TooExpensive: The evaluation needs ``allow_expensive``.
            ExpressionsUnavailable: This ad needs the library, and there is none.
        """
        value = self.evaluate(source, allow_expensive=allow_expensive)
        return value is True or (value is not False and _is_match(value))

    def __repr__(self) -> str:
        return f"<Constraint of {len(self.text)} bytes>"


def _is_match(value: Value) -> bool:
    """True, or a number other than zero; NaN counts as undefined."""
    if isinstance(value, float):
        return value != 0.0 and not math.isnan(value)
    return isinstance(value, int) and value != 0


def parse_constraint(text: bytes, now: int) -> Constraint:
    """Parse a constraint.

    Args:
        text: An expression in old syntax.
        now: Unix time, the value of ``CurrentTime`` where an ad has none.

    Raises:
        ExpressionError: The text is no expression, or beyond a limit.
        ExpressionsUnavailable: Its form needs the library, and there is none.
    """
    return Constraint(read_syntax(text), text, now)


def evaluate(
    text: bytes,
    source: AttributeSource,
    now: int,
    *,
    target: AttributeSource | None = None,
    allow_expensive: bool = False,
) -> Value:
    """The value of an expression.

    Args:
        text: An expression in old syntax; one that is none has the value error.
        source: The ad that the expression belongs to.
        now: Unix time.
        target: The other ad: ``TARGET.x``, and bare names that ``source`` lacks.
        allow_expensive: Evaluate whatever it costs; not on the reactor's thread.

    Raises:
        TooExpensive: The evaluation needs ``allow_expensive``.
        ExpressionsUnavailable: The value needs the library, and there is none.
    """
    try:
        return literal_of(text)
    except NotCovered:
        pass
    if target is not None:
        try:
            syntax, tree = _remembered_tree(text)
        except ExpressionError:
            return ERROR
        ads = _Both(source, target), target
        return _evaluate_pair(syntax, tree, len(text), ads, now, allow_expensive)
    try:
        constraint = parse_constraint(text, now)
    except ExpressionError:
        return ERROR
    return constraint.evaluate(source, allow_expensive=allow_expensive)


@lru_cache(maxsize=16)
def _remembered_tree(text: bytes) -> tuple[Syntax, Any]:
    """A text that is evaluated for one ad after the other is read once."""
    syntax = read_syntax(text)
    return syntax, make_tree(syntax)


class _Both:
    """Two ads, the first in front of the second."""

    def __init__(self, first: AttributeSource, second: AttributeSource) -> None:
        self._first = first.get
        self._second = second.get

    def get(self, name: str, /) -> bytes | None:
        """The attribute of the first ad that has it."""
        text = self._first(name)
        return self._second(name) if text is None else text


def _evaluate_pair(
    syntax: Syntax,
    tree: Any,
    size: int,
    ads: tuple[AttributeSource, AttributeSource],
    now: int,
    allow_expensive: bool,
) -> Value:
    """Evaluation with a target.

    Args:
        syntax: The expression.
        tree: The library's tree of it.
        size: The length of its text.
        ads: What bare names refer to, and the target.
        now: Unix time.
        allow_expensive: See `evaluate`.
    """
    if not (syntax.functions <= CHEAP_FUNCTIONS or allow_expensive):
        raise TooExpensive("an expression uses an expensive function")
    own = Gathering(ads[0], now, allow_expensive=allow_expensive)
    other = Gathering(ads[1], now, allow_expensive=allow_expensive)
    own_text = own.gather(syntax.references, size)
    other_text = other.gather(tuple(syntax.target_references), size)
    return run(tree, own_text, other_text)


def evaluate_string(source: AttributeSource, name: str, now: int = 0) -> str | None:
    """The value of an attribute where it is a string: ``Name = strcat("a","b")``.

    Args:
        source: The ad.
        name: The attribute, in lower case.
        now: Unix time.

    Returns:
        The string; ``None`` where the attribute is absent, has another value, or
        would be too expensive to evaluate.

    Raises:
        ExpressionsUnavailable: The value needs the library, and there is none.
    """
    text = source.get(name)
    if text is None:
        return None
    try:
        value = evaluate(text, source, now)
    except TooExpensive:
        return None
    return value if isinstance(value, str) else None
