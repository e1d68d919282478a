"""Finding and expanding macros: ``$(X)``, ``$ENV(X)``, ``$INT(X)`` and the rest.

Values are kept as they were written and expanded whenever somebody asks. One
expansion replaces the first macro in the text, looks again from the start, and so
on until nothing is left; ``$(DOLLAR)`` is replaced last, which is what
protects a dollar sign. What is not a macro (``$$(X)``, ``cost$5``, an unknown
function) stays as it is.

HTCondor loops for ever on ``A = $(B)``, ``B = $(A)``; here it is a ConfigError.

Source: config.cpp, next_config_macro, expand_macro, expand_self_macro.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from condor_twisted.config.macro_functions import FUNCTIONS, is_filename_function
from condor_twisted.config.surroundings import Surroundings
from condor_twisted.errors import ConfigError

__all__ = ["Macro", "MacroContext", "expand", "expand_self", "find_macro"]

_LIMIT_REPLACEMENTS: Final = 10_000
_LIMIT_CHARACTERS: Final = 1 << 20
_LIMIT_DEPTH: Final = 40

_PREFIX = re.compile(r"\$(\$?[A-Za-z0-9_]*)")
_NAME_BODY = re.compile(
    r"([A-Za-z0-9_./]*)(?::((?:\([^)]*\)|[A-Za-z0-9_./$ ,\\:])*))?\)"
)
_ANY_BODY = re.compile(r"([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Macro:
    """One macro in a text: ``text[start:end]`` is ``$function(name:default)``."""

    start: int
    end: int
    function: str
    name: str
    default: str | None


@dataclass(slots=True)
class MacroContext:
    """One reader's view: how names are looked up, and in which surroundings."""

    lookup: Callable[[str], str | None]
    surroundings: Surroundings = field(default_factory=Surroundings)
    depth: int = 0

    def expand(self, text: str) -> str:
        """Expand inside an expansion, for a function's argument."""
        self.depth += 1
        try:
            if self.depth > _LIMIT_DEPTH:
                raise ConfigError(f"{text!r} refers to itself without end")
            return expand(text, self)
        finally:
            self.depth -= 1


def find_macro(text: str, start: int, wanted: Callable[[Macro], bool]) -> Macro | None:
    """The first macro at or behind ``start`` that ``wanted`` accepts."""
    position = start
    while True:
        match = _PREFIX.search(text, position)
        if match is None:
            return None
        position = match.end()
        if text[position : position + 1] != "(":
            continue
        function = match[1]
        body_at = position + 1
        if function in ("", "ENV"):
            body = _NAME_BODY.match(text, body_at)
            position = body_at
        elif function in FUNCTIONS or is_filename_function(function):
            body = _ANY_BODY.match(text, body_at)
            position = body_at
        else:
            continue
        if body is None:
            continue
        default = body[2] if function in ("", "ENV") else None
        macro = Macro(match.start(), body.end(), function, body[1], default)
        if wanted(macro):
            return macro
        position = body.end() - 1


def _is_dollar(macro: Macro) -> bool:
    return (
        not macro.function and macro.default is None and macro.name.upper() == "DOLLAR"
    )


def expand(text: str, context: MacroContext) -> str:
    """Replace every macro in ``text`` by its value.

    Args:
        text: A raw value.
        context: Lookup and surroundings.

    Raises:
        ConfigError: A function failed, or the text grows without end.
    """
    if "$" not in text:
        return text
    for _ in range(_LIMIT_REPLACEMENTS):
        macro = find_macro(text, 0, lambda found: not _is_dollar(found))
        if macro is None:
            break
        value = _value_of(macro, context)
        text = text[: macro.start] + value + text[macro.end :]
        if len(text) > _LIMIT_CHARACTERS:
            raise ConfigError("a macro expands beyond all bounds")
    else:
        raise ConfigError(f"{text[:60]!r} refers to itself without end")
    while (macro := find_macro(text, 0, _is_dollar)) is not None:
        text = text[: macro.start] + "$" + text[macro.end :]
    return text


def expand_self(
    text: str, name: str, context: MacroContext, prefixes: tuple[str, ...] = ()
) -> str:
    """Replace only the references of a value to the name it is assigned to.

    Args:
        text: The raw value.
        name: The name on the left; inside ``SUBSYS.X``, ``$(X)`` counts as well.
        context: Lookup and surroundings.
        prefixes: Local name and subsystem of the reader.
    """
    if "$" not in text:
        return text
    own = {name.lower()}
    for prefix in prefixes:
        if name.lower().startswith(prefix.lower() + ".") and name[len(prefix) + 1 :]:
            own.add(name[len(prefix) + 1 :].lower())
            break

    def is_own(macro: Macro) -> bool:
        if macro.function and not is_filename_function(macro.function):
            return False
        return macro.name.lower() in own

    for _ in range(_LIMIT_REPLACEMENTS):
        macro = find_macro(text, 0, is_own)
        if macro is None:
            return text
        value = _value_of(macro, context)
        text = text[: macro.start] + value + text[macro.end :]
        if len(text) > _LIMIT_CHARACTERS:
            break
    raise ConfigError(f"the value of {name} refers to itself without end")


def _value_of(macro: Macro, context: MacroContext) -> str:
    """The text that takes a macro's place."""
    if macro.function == "":
        return context.lookup(macro.name) or macro.default or ""
    if macro.function == "ENV":
        value = context.surroundings.environment.get(macro.name)
        if value is None:
            return "UNDEFINED" if macro.default is None else macro.default
        return value
    function = FUNCTIONS.get(macro.function)
    if function is None:
        function = FUNCTIONS["F"]
    return function(macro.function, macro.name, context)
