"""The templates that a ``use CATEGORY : NAME`` statement applies.

``metaknobs.config`` holds them as text, each under a ``[CATEGORY.NAME]`` line.
Arguments are put in as text before a template is parsed: ``$(0)`` is all of them,
``$(1)`` the first, ``$(1:text)`` with a default, ``$(1?)`` whether it is there,
``$(0#)`` how many there are, ``$(2+)`` the second and all behind it.

Source: config.cpp, read_meta_config and expand_meta_args.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from condor_twisted.config.package_data import package_text
from condor_twisted.errors import ConfigError

__all__ = [
    "Metaknob",
    "MetaknobTable",
    "MetaknobUse",
    "apply_arguments",
    "compiled_in_metaknobs",
    "parse_uses",
    "read_templates",
]

_HEADING = re.compile(r"\[([A-Za-z]+)\.([A-Za-z0-9_]+)\]\s*\Z")
_ARGUMENT = re.compile(r"\$\(([0-9]{1,4})([?#+]?)(?::((?:\([^)]*\)|[^()])*))?\)")
_LIMIT_NESTING: Final = 25
_LIMIT_REPLACEMENTS: Final = 1000
_CLOSING: Final = {"(": ")", "[": "]"}


@dataclass(frozen=True, slots=True)
class Metaknob:
    """One template.

    Args:
        category: ``ROLE``, ``FEATURE``, ``POLICY``, ``SECURITY``, ...
        name: In the spelling of the table.
        text: Statements of the configuration language.
    """

    category: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class MetaknobUse:
    """One template that a ``use`` statement names, with its arguments as text."""

    name: str
    arguments: str


class MetaknobTable:
    """Templates by category and name, in any case of letters."""

    def __init__(self, metaknobs: Mapping[tuple[str, str], Metaknob]) -> None:
        self._metaknobs = dict(metaknobs)

    def __iter__(self) -> Iterator[Metaknob]:
        return iter(self._metaknobs.values())

    def get(self, category: str, name: str) -> Metaknob | None:
        """The template of this category and name."""
        return self._metaknobs.get((category.lower(), name.lower()))

    def has_category(self, category: str) -> bool:
        """Whether there is any template of this category."""
        return any(key[0] == category.lower() for key in self._metaknobs)

    def names(self, category: str) -> list[str]:
        """The names of one category, in order of the alphabet."""
        return sorted(
            (
                each.name
                for key, each in self._metaknobs.items()
                if key[0] == category.lower()
            ),
            key=str.lower,
        )


def read_templates(text: str) -> MetaknobTable:
    """Read a file of templates.

    Raises:
        ConfigError: There is text in front of the first heading.
    """
    found: dict[tuple[str, str], Metaknob] = {}
    heading: tuple[str, str] | None = None
    lines: list[str] = []

    def finish() -> None:
        if heading is not None:
            key = (heading[0].lower(), heading[1].lower())
            found[key] = Metaknob(*heading, "\n".join(lines).strip("\n"))

    for number, line in enumerate(text.split("\n"), 1):
        match = _HEADING.match(line)
        if match is not None:
            finish()
            heading, lines = (match[1], match[2]), []
        elif heading is not None:
            lines.append(line)
        elif line.strip() and not line.startswith("#"):
            raise ConfigError("text in front of the first heading", None, number)
    finish()
    return MetaknobTable(found)


@functools.lru_cache(maxsize=1)
def compiled_in_metaknobs() -> MetaknobTable:
    """The templates that come with the package, read once."""
    return read_templates(package_text("condor_twisted.config", "metaknobs.config"))


def _closing(text: str, start: int, depth: int = _LIMIT_NESTING) -> int:
    """Where the bracket at ``start`` is closed, or -1."""
    if depth < 0:
        return -1
    wanted = _CLOSING[text[start]]
    position = start + 1
    while position < len(text) and text[position] != wanted:
        if text[position] in _CLOSING:
            position = _closing(text, position, depth - 1)
            if position < 0:
                return -1
        position += 1
    return position if position < len(text) else -1


def parse_uses(text: str) -> list[MetaknobUse]:
    """Split what stands behind ``use CATEGORY :`` into templates and arguments."""
    uses: list[MetaknobUse] = []
    position = 0
    while True:
        position += len(text[position:]) - len(text[position:].lstrip(" \t\n,"))
        match = re.compile(r"[^\s,(]+").match(text, position)
        if match is None:
            return uses
        position = match.end()
        position += len(text[position:]) - len(text[position:].lstrip())
        arguments = ""
        if text[position : position + 1] == "(":
            end = _closing(text, position)
            if end >= 0:
                arguments = text[position + 1 : end]
                position = end
            position += 1
        uses.append(MetaknobUse(match[0], arguments))


def apply_arguments(template: str, arguments: str) -> str:
    """Put arguments into a template.

    Raises:
        ConfigError: An argument brings itself in again without end.
    """
    items = [each.strip() for each in arguments.split(",") if each.strip()]
    for _ in range(_LIMIT_REPLACEMENTS):
        match = _ARGUMENT.search(template)
        if match is None:
            return template
        value = _argument(int(match[1]), match[2], match[3], items, arguments)
        template = template[: match.start()] + value + template[match.end() :]
    raise ConfigError("the arguments of a template do not come to an end")


def _argument(
    index: int, suffix: str, default: str | None, items: list[str], everything: str
) -> str:
    if index == 0:
        value = str(len(items)) if suffix in ("#", "+") else everything.strip()
    elif suffix in ("#", "+"):
        skipped = re.match(rf"(?:[,\s]*[^,]+){{{index - 1}}}", everything)
        rest = "" if skipped is None else everything[skipped.end() :]
        value = rest.removeprefix(",").strip() or (default or "").strip()
    elif index <= len(items):
        value = items[index - 1]
    else:
        value = (default or "").strip()
    if suffix == "?":
        return "1" if value else "0"
    return value
