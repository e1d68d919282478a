"""Command lines in HTCondor's style: ``-x`` and ``--x``, prefixes, ``-x:detail``.

An option with one dash may be shortened down to the length that its row allows; with
two dashes it is spelled out. The first row that fits wins, so the order of rows
matters.

Source: ``src/condor_utils/match_prefix.cpp``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = [
    "Match",
    "Option",
    "UsageError",
    "daemon_type",
    "match_option",
    "read_arguments",
    "take_values",
]

#: The types of daemons that ``-type`` knows.
_DAEMON_TYPES: Final = frozenset(
    {"collector", "master", "negotiator", "schedd", "startd"}
)


class UsageError(Exception):
    """A command line that cannot be understood; the text is for the user."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Args:
        name: Its full name, without dashes.
        minimum: How many of its letters are needed.
        detail: Whether ``:detail`` may follow.
        values: What each further argument is.
    """

    name: str
    minimum: int = 1
    detail: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """An argument that is an option.

    Args:
        option: Which.
        detail: What stands behind its colon; ``None`` without one.
    """

    option: Option
    detail: str | None = None


def match_option(argument: str, options: Iterable[Option]) -> Match | None:
    """The option that an argument is, or ``None``."""
    if not argument.startswith("-") or argument in ("-", "--"):
        return None
    whole = argument.startswith("--")
    text = argument.lstrip("-") if whole else argument[1:]
    for option in options:
        name, colon, detail = text.partition(":") if option.detail else (text, "", "")
        needed = len(option.name) if whole else option.minimum
        if len(name) >= needed and name and option.name.startswith(name):
            return Match(option, detail if colon else None)
    return None


def take_values(arguments: list[str], at: int, match: Match) -> tuple[str, ...]:
    """The further arguments of an option.

    Args:
        arguments: The command line.
        at: Where the option stands.
        match: The option.

    Raises:
        UsageError: There are too few.
    """
    wanted = match.option.values
    values = tuple(arguments[at + 1 : at + 1 + len(wanted)])
    if len(values) < len(wanted):
        raise UsageError(
            f"-{match.option.name} needs {' and '.join(wanted[len(values) :])}"
        )
    return values


def read_arguments(
    arguments: list[str], options: Sequence[Option]
) -> Iterator[tuple[str, Match | None, tuple[str, ...]]]:
    """Each argument as it stands, the option that it is, and that one's values.

    Args:
        arguments: The command line.
        options: What may be there.

    Raises:
        UsageError: An option has too few values.
    """
    at = 0
    while at < len(arguments):
        match = match_option(arguments[at], options)
        values = () if match is None else take_values(arguments, at, match)
        yield arguments[at], match, values
        at += 1 + len(values)


def daemon_type(text: str) -> str:
    """A type of daemon in lower case, however it was given.

    Raises:
        UsageError: There is none of that name.

    Source: ``src/condor_daemon_client/daemon_types.cpp: stringToDaemonType``.
    """
    found = text.lower()
    if found not in _DAEMON_TYPES:
        raise UsageError(f"unrecognized daemon type: {text}")
    return found
