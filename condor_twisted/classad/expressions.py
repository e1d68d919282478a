"""ClassAd expressions: check them, find their references, evaluate them.

The evaluator is HTCondor's own, ``classad2`` of the ``htcondor`` package; this module
alone imports it, and only when it is needed. The common constraints do not need it: see
``condor_twisted.classad.closures``. For the others a small ad of just the attributes
that an expression refers to, directly and through other attributes, is made and
evaluated; that takes some microseconds.

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

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any, Final, Protocol, TypeAlias

from condor_twisted.classad.closures import (
    CURRENT_TIME,
    Compiled,
    NotCovered,
    compile_closure,
    literal_of,
)
from condor_twisted.classad.literals import (
    ERROR,
    UNDEFINED,
    LiteralValue,
    NotLiteral,
    format_literal,
    parse_literal,
)
from condor_twisted.classad.syntax import (
    Syntax,
    quote_name,
    quote_string,
    read_syntax,
)
from condor_twisted.errors import ExpressionError, ExpressionsUnavailable

__all__ = [
    "CHEAP_FUNCTIONS",
    "MAX_EXPANDED_BYTES",
    "AttributeSource",
    "Constraint",
    "OtherValue",
    "TooExpensive",
    "canonical_expression",
    "check_expression",
    "evaluate",
    "evaluate_string",
    "expressions_available",
    "internal_references",
    "parse_constraint",
]

#: Text that one evaluation may visit, attributes counted as often as referred to.
MAX_EXPANDED_BYTES: Final = 1 << 20
#: Attributes that one evaluation may look into, repeated visits counted.
_MAX_EXPANSIONS: Final = 5_000
_MAX_REFERENCE_DEPTH: Final = 150
#: Texts up to this size are remembered.
_CACHED_BYTES: Final = 2048
_CACHED_TEXTS: Final = 4096
#: A longer constraint is expensive by its length alone.
_MAX_CHEAP_BYTES: Final = 1 << 16

#: Functions whose time and result are linear in their arguments.
CHEAP_FUNCTIONS: Final = frozenset(
    """
    isundefined iserror isstring isinteger isreal isboolean islist isclassad
    isabstime isreltime ifthenelse size toupper tolower strcat substr strcmp stricmp
    int real string bool time floor ceiling ceil round abs pow quantize random
    interval formattime abstime reltime currenttime gettime min max sum avg
    member identicalmember anycompare allcompare split splitusername splitslotname
    stringlistmember stringlistimember stringlistsize stringlistsum
    stringlistavg stringlistmin stringlistmax versioncmp version_gt version_ge
    version_lt version_le version_eq version_in_range
    """.split()
)


class TooExpensive(ExpressionError):
    """An evaluation would go beyond what this thread may spend on it."""


@dataclass(frozen=True, slots=True)
class OtherValue:
    """A value that is no literal: a list, a record, a time.

    Args:
        kind: ``list``, ``record`` or ``time``.
    """

    kind: str


Value: TypeAlias = LiteralValue | OtherValue


class AttributeSource(Protocol):
    """What expressions are evaluated over. A ``dict`` is one."""

    def get(self, name: str, /) -> bytes | None:
        """The expression text of an attribute, by its name in lower case."""


class _Nothing:
    """The ad without attributes."""

    def get(self, name: str, /) -> bytes | None:
        """Nothing is here."""
        del name


def _library() -> ModuleType:
    """The ClassAd library.

    Raises:
        ExpressionsUnavailable: It is not installed.
    """
    try:
        import classad2
    except ImportError as missing:
        raise ExpressionsUnavailable(
            "this ClassAd expression needs the htcondor package, which is not "
            "installed (it exists for Linux only): pip install htcondor"
        ) from missing
    module: ModuleType = classad2
    return module


def expressions_available() -> bool:
    """Whether the ClassAd library is installed."""
    try:
        _library()
    except ExpressionsUnavailable:
        return False
    return True


def _new_text(converted: bytes) -> str:
    """Text for the library, which takes UTF-8 alone."""
    return converted.decode("utf-8", "replace")


def _make_tree(syntax: Syntax) -> Any:  # noqa: ANN401 - the library has no types
    """The library's tree of an expression.

    Raises:
        ExpressionError: The library does not accept it.
        ExpressionsUnavailable: There is no library.
    """
    library = _library()
    try:
        return library.ExprTree(_new_text(syntax.converted))
    except library.ClassAdException as refused:
        raise ExpressionError("not a ClassAd expression") from refused


# What is remembered about a text.


@dataclass(frozen=True, slots=True)
class _Facts:
    """What evaluation needs to know about an attribute's expression."""

    converted: str
    references: tuple[str, ...]
    is_cheap: bool
    end: int


def _read_facts(text: bytes) -> _Facts | None:
    """The facts about an expression; ``None`` for a text that is none."""
    try:
        syntax = read_syntax(text)
        try:
            _make_tree(syntax)
        except ExpressionsUnavailable:
            # Our own reading has to do: nothing will be evaluated here anyway.
            pass
    except ExpressionError:
        return None
    return _Facts(
        converted=_new_text(syntax.converted),
        references=syntax.references,
        is_cheap=syntax.functions <= CHEAP_FUNCTIONS,
        end=syntax.end,
    )


_remembered_facts = lru_cache(maxsize=_CACHED_TEXTS)(_read_facts)


def _facts(text: bytes) -> _Facts | None:
    """As :func:`_read_facts`, from memory for short texts."""
    if len(text) <= _CACHED_BYTES:
        return _remembered_facts(text)
    return _read_facts(text)


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
    return _facts(text) is not None


def canonical_expression(text: bytes) -> bytes | None:
    """A right-hand side as it may be stored and passed on.

    Returns:
        The text itself where every reader can read all of it; the literal in
        HTCondor's own spelling where only some can (``010``, ``3.``); the expression
        without what follows it and would be ignored (``10K``, ``foo bar``);
        ``None`` where there is no expression.
    """
    value = parse_literal(text)
    if not isinstance(value, NotLiteral):
        return text if _is_plain(text, value) else format_literal(value)
    facts = _facts(text)
    if facts is None:
        return None
    return text[: facts.end] if text[facts.end :].strip() else text


def internal_references(text: bytes) -> frozenset[str]:
    """The attributes of the same ad that an expression names, in lower case.

    References through nested records count; ``TARGET.x`` does not. A literal, and
    a text that is no expression, names nothing.
    """
    if not isinstance(parse_literal(text), NotLiteral):
        return frozenset()
    facts = _facts(text)
    return frozenset() if facts is None else frozenset(facts.references)


# Evaluation by the library.


class _Gathering:
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
            facts = _facts(text)
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
    return _new_text(text)


def _value_of(result: object) -> Value:
    """The library's answer as one of our values."""
    if isinstance(result, (bool, int, float, str)):
        library = _library()
        if isinstance(result, library.Value):
            return UNDEFINED if result == library.Value.Undefined else ERROR
        return result
    if isinstance(result, list):
        return OtherValue("list")
    return OtherValue("record" if isinstance(result, Mapping) else "time")


def _run(tree: Any, ad_text: str, target_text: str | None = None) -> Value:  # noqa: ANN401
    """Evaluate a tree over an ad in new syntax."""
    library = _library()
    try:
        scope = library.ClassAd(ad_text)
        if target_text is None:
            return _value_of(tree.eval(scope))
        return _value_of(tree.eval(scope, library.ClassAd(target_text)))
    except (library.ClassAdException, ValueError, OverflowError):
        # Depth or steps exceeded, or a string cut within a character.
        return ERROR


# The public evaluations.


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
        self._tree: Any = None
        if self._compiled is None:
            self._tree = _make_tree(syntax)
        constant = self._compiled.constant if self._compiled is not None else None
        #: Whether every ad matches.
        self.always_true: Final = constant is not None and _is_match(constant)
        #: Attributes of the ad that the constraint names, in lower case.
        self.references: Final = frozenset(syntax.references)
        #: Whether it must not be evaluated on the reactor's thread.
        self.is_expensive: Final = (
            not syntax.functions <= CHEAP_FUNCTIONS or len(text) > _MAX_CHEAP_BYTES
        )
        #: Attributes, in lower case, that must equal a string in every ad that matches.
        #: The comparison ignores case, unless the constraint says otherwise.
        self.equalities: Final[Mapping[str, str]] = dict(
            self._compiled.equalities if self._compiled is not None else ()
        )
        #: Attribute and string pairs; if there are any, every ad that matches has
        #: at least one of these attributes equal to its string.
        self.alternatives: Final = (
            self._compiled.alternatives if self._compiled is not None else ()
        )

    @property
    def is_compiled(self) -> bool:
        """Whether ads with nothing but literals need no library."""
        return self._compiled is not None

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
            self._tree = _make_tree(self._syntax)
        gathering = _Gathering(source, self._now, allow_expensive=allow_expensive)
        return _run(
            self._tree, gathering.gather(self._syntax.references, len(self.text))
        )

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
        return value != 0.0 and value == value  # noqa: PLR0124 - false for NaN
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
    try:
        constraint = parse_constraint(text, now)
    except ExpressionError:
        return ERROR
    if target is None:
        return constraint.evaluate(source, allow_expensive=allow_expensive)
    return _evaluate_pair(text, source, target, now, allow_expensive)


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
    text: bytes,
    source: AttributeSource,
    target: AttributeSource,
    now: int,
    allow_expensive: bool,
) -> Value:
    """Evaluation with a target."""
    syntax = read_syntax(text)
    if not (syntax.functions <= CHEAP_FUNCTIONS or allow_expensive):
        raise TooExpensive("an expression uses an expensive function")
    size = len(text)
    own = _Gathering(_Both(source, target), now, allow_expensive=allow_expensive)
    other = _Gathering(target, now, allow_expensive=allow_expensive)
    own_text = own.gather(syntax.references, size)
    other_text = other.gather(tuple(syntax.target_references), size)
    return _run(_make_tree(syntax), own_text, other_text)


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
