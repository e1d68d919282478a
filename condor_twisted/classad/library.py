"""The door to ``classad2``, HTCondor's own ClassAd library.

No other module imports it, and this one does so only when it is needed: the package
runs without it, except that expressions cannot be evaluated.

Half of the language's functions (``split``, ``stringListMember``, ...) are there only
after the library has read a text in old syntax, and then it looks for an HTCondor
configuration, too. So that is done once, when the library is loaded, and without one:
what an expression means depends neither on what was evaluated before nor on the host.

Source: ``src/python-bindings/classad2``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any, Final, TypeAlias

from condor_twisted.classad.literals import ERROR, UNDEFINED, LiteralValue
from condor_twisted.classad.syntax import Syntax
from condor_twisted.errors import ExpressionError, ExpressionsUnavailable

__all__ = [
    "OtherValue",
    "Value",
    "accepts_line",
    "expressions_available",
    "library",
    "make_tree",
    "new_text",
    "run",
]

#: Keeps the library from configuration files, and from asking DNS who we are.
_WITHOUT_CONFIGURATION: Final = {
    "CONDOR_CONFIG": "ONLY_ENV",
    "_condor_NO_DNS": "True",
    "_condor_DEFAULT_DOMAIN_NAME": "invalid",
    "_condor_NETWORK_INTERFACE": "127.0.0.1",
}


@dataclass(frozen=True, slots=True)
class OtherValue:
    """A value that is no literal: a list, a record, a time.

    Args:
        kind: ``list``, ``record`` or ``time``.
    """

    kind: str


Value: TypeAlias = LiteralValue | OtherValue


@lru_cache(maxsize=1)
def library() -> ModuleType:
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
    before = {name: os.environ.get(name) for name in _WITHOUT_CONFIGURATION}
    os.environ.update(_WITHOUT_CONFIGURATION)
    try:
        module.parseNext("A = 1\n", module.ParserType.Old)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return module


def accepts_line(text: bytes) -> bool:
    """Whether the library reads a right-hand side in old syntax.

    Args:
        text: A right-hand side without newlines, of a size and nesting that are known
            to be harmless.

    Raises:
        ExpressionsUnavailable: There is no library.
    """
    module = library()
    line = f"A = {new_text(text)}\n"
    try:
        ad = module.parseNext(line, module.ParserType.Old)
    except module.ClassAdException:
        return False
    return ad is not None and len(ad) == 1


def expressions_available() -> bool:
    """Whether the ClassAd library is installed."""
    try:
        library()
    except ExpressionsUnavailable:
        return False
    return True


def new_text(converted: bytes) -> str:
    """Text for the library, which takes UTF-8 alone."""
    return converted.decode("utf-8", "replace")


def make_tree(syntax: Syntax) -> Any:
    """The library's tree of an expression.

    Raises:
        ExpressionError: The library does not accept it.
        ExpressionsUnavailable: There is no library.
    """
    module = library()
    try:
        return module.ExprTree(new_text(syntax.converted))
    except module.ClassAdException as refused:
        raise ExpressionError("not a ClassAd expression") from refused


def _value_of(result: object) -> Value:
    """The library's answer as one of our values."""
    exceptional = library().Value
    if isinstance(result, exceptional):
        return UNDEFINED if result == exceptional.Undefined else ERROR
    if isinstance(result, (bool, int, float, str)):
        return result
    if isinstance(result, list):
        return OtherValue("list")
    return OtherValue("record" if isinstance(result, Mapping) else "time")


def run(tree: Any, ad_text: str, target_text: str | None = None) -> Value:
    """Evaluate a tree over an ad in new syntax."""
    module = library()
    try:
        scope = module.ClassAd(ad_text)
        if target_text is None:
            return _value_of(tree.eval(scope))
        return _value_of(tree.eval(scope, module.ClassAd(target_text)))
    except (module.ClassAdException, ValueError, OverflowError):
        # Depth or steps exceeded, or a string cut within a character.
        return ERROR
