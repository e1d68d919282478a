"""``if``, ``elif``, ``else``, ``endif`` in a configuration.

A condition is a number, a truth word, a comparison of the version, or ``defined``
with a name or a metaknob; each may have ``!`` in front. Anything else is an error:
conditions are no expressions.

Source: config.cpp, Test_config_if_expression, Evaluate_config_if, ConfigIfStack.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from condor_twisted.config.definitions import Definitions
from condor_twisted.config.metaknobs import MetaknobTable
from condor_twisted.errors import ConfigError

__all__ = ["ConditionStack", "evaluate_condition"]

_LIMIT_DEPTH: Final = 63
_KEYWORD = re.compile(r"(if|elif|else|endif)(?:\s+(.*))?\Z", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_NAME = re.compile(r"[A-Za-z0-9_./]+\Z")
_VERSION = re.compile(
    r"version\s+(!?)([<=>]?=?)\s*[vV]?([0-9]{1,6})\.([0-9]{1,6})"
    r"(?:\.([0-9]{1,6}))?[A-Za-z0-9.\s]*\Z",
    re.IGNORECASE,
)
_OLDEST_VERSION: Final = 6
_WORDS: Final = {
    "true": True,
    "yes": True,
    "t": True,
    "false": False,
    "no": False,
    "f": False,
}


def evaluate_condition(
    text: str, definitions: Definitions, metaknobs: MetaknobTable
) -> bool:
    """Whether a condition holds.

    Args:
        text: What stands behind ``if``.
        definitions: What is defined so far, for one reader.
        metaknobs: What ``defined use`` asks.

    Raises:
        ConfigError: The text is no condition.
    """
    expanded = definitions.expand(text).strip()
    condition, inverted = expanded, False
    if expanded.startswith("!"):
        condition, inverted = expanded[1:].strip(), True
    if not condition and "$" in text:
        return inverted
    value = _evaluate(condition, definitions, metaknobs)
    if value is None:
        raise ConfigError(
            f"{text!r} is not a condition: it has to be a number, true or false, "
            "a comparison with version, or defined NAME"
        )
    return value != inverted


def _evaluate(
    condition: str, definitions: Definitions, metaknobs: MetaknobTable
) -> bool | None:
    if _NUMBER.match(condition):
        return float(condition) != 0
    word = condition.lower()
    if word in _WORDS:
        return _WORDS[word]
    if re.match(r"version\b", word):
        return _compare_version(condition, definitions)
    if re.match(r"defined(\s|\Z)", word):
        return _is_defined(condition[7:].strip(), definitions, metaknobs)
    return None


def _compare_version(condition: str, definitions: Definitions) -> bool:
    match = _VERSION.match(condition)
    if match is None or int(match[3]) < _OLDEST_VERSION:
        raise ConfigError(f"{condition!r}: the version literal is invalid")
    default = definitions.defaults.get("CONDOR_VERSION")
    own = tuple(
        int(each) for each in (default.value if default else "0.0.0").split(".")
    )
    other = (int(match[3]), int(match[4]), int(match[5]) if match[5] else own[2])
    negated, sign = bool(match[1]), match[2]
    result = (
        ("<" in sign and own < other)
        or (">" in sign and own > other)
        or (("=" in sign or not sign) and own == other)
    )
    return result != negated


def _is_defined(
    name: str, definitions: Definitions, metaknobs: MetaknobTable
) -> bool | None:
    if not name:
        return False
    if name.lower().startswith("use "):
        wanted = name[4:].strip()
        if re.search(r"\s", wanted):
            raise ConfigError(f"defined use {wanted}: blanks are not allowed in there")
        category, _, knob = wanted.partition(":")
        if not metaknobs.has_category(category):
            return False
        return not knob or metaknobs.get(category, knob) is not None
    if not _NAME.match(name) and not _NUMBER.match(name):
        return None
    if _NUMBER.match(name) or name.lower() in ("true", "false"):
        return True
    value = definitions.lookup(name)
    return bool(value) or (value is None and name.lower() in _WORDS)


@dataclass(slots=True)
class _Level:
    """One ``if``: whether its present branch, and whether any branch, is taken."""

    enclosing: bool
    taken: bool
    any_taken: bool
    in_else: bool = False


class ConditionStack:
    """The nesting of conditions around the present line."""

    def __init__(self) -> None:
        self._levels: list[_Level] = []

    @property
    def depth(self) -> int:
        """How many conditions are open."""
        return len(self._levels)

    @property
    def enabled(self) -> bool:
        """Whether the present line counts."""
        return not self._levels or (
            self._levels[-1].enclosing and self._levels[-1].taken
        )

    def take(self, line: str, evaluate: Callable[[str], bool]) -> bool:
        """Act on a line if it is one of the keywords.

        Args:
            line: A line without blanks around it.
            evaluate: Decides a condition; asked only where the outcome matters.

        Returns:
            Whether the line was a keyword.

        Raises:
            ConfigError: The keyword stands in a wrong place.
        """
        match = _KEYWORD.match(line)
        if match is None:
            return False
        keyword, condition = match[1].lower(), match[2] or ""
        if keyword == "if":
            if len(self._levels) >= _LIMIT_DEPTH:
                raise ConfigError("if is nested too deep")
            enclosing = self.enabled
            holds = enclosing and evaluate(condition)
            self._levels.append(_Level(enclosing, holds, holds))
            return True
        if not self._levels:
            raise ConfigError(f"{keyword} without matching if")
        level = self._levels[-1]
        if keyword == "endif":
            self._levels.pop()
        elif level.in_else:
            raise ConfigError(f"{keyword} is not allowed after else")
        elif keyword == "else":
            level.in_else = True
            level.taken = not level.any_taken
        else:
            level.taken = (
                level.enclosing and not level.any_taken and evaluate(condition)
            )
            level.any_taken = level.any_taken or level.taken
        return True
