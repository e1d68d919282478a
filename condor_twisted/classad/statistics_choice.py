"""Which statistics an ad shows: what STATISTICS_TO_PUBLISH says, in a file or a query.

A list of ``COLLECTION:OPTIONS``. The collection is a name, such as ``DC``, or ``ALL``
or ``DEFAULT``, which stand for each; the last item that means a collection counts. The
options are letters: a digit is the level (0 nothing, 1 usual, 2 verbose), ``R`` adds
the sums over the last while, ``Z`` leaves out handlers that never ran; ``!`` turns the
letters behind it around. ``NONE`` and ``DEFAULT`` may stand alone.

Source: ``src/condor_utils/generic_stats.cpp: generic_stats_ParseConfigString``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

__all__ = ["NOTHING", "StatisticsChoice", "read_choice"]

_SEPARATORS: Final = re.compile(r"[,\s]+")
_EVERY: Final = frozenset(("default", "all"))


@dataclass(frozen=True, slots=True)
class StatisticsChoice:
    """What is shown of one collection.

    Args:
        level: 0 for what every ad has, 1 for the usual, 2 for all; 3 is as 2.
        recent: Whether sums over the last while are shown.
        nonzero_only: Whether what never happened is left out, where that is much.
        problems: Options that mean nothing, each with its item.
    """

    level: int = 0
    recent: bool = False
    nonzero_only: bool = False
    problems: tuple[str, ...] = ()


NOTHING: Final = StatisticsChoice()


def read_choice(
    text: str | None, names: Sequence[str], usual: StatisticsChoice
) -> StatisticsChoice:
    """Read what is wanted of a collection.

    Args:
        text: What STATISTICS_TO_PUBLISH says; ``None`` where nobody set it.
        names: What the collection is called.
        usual: What is shown unless somebody says otherwise, and what every item starts
            from.
    """
    if text is None or text.strip().lower() == "default":
        return usual
    if text.strip().lower() in ("", "none"):
        return NOTHING
    wanted = {name.lower() for name in names} | _EVERY
    found = NOTHING
    problems: list[str] = []
    for item in filter(None, _SEPARATORS.split(text)):
        name, _, options = item.partition(":")
        if name.lower() not in wanted:
            continue
        found = _read_options(options, usual)
        if found.problems:
            problems.append(f"option {found.problems[0]!r} in {item!r}")
    return replace(found, problems=tuple(problems))


def _read_options(options: str, usual: StatisticsChoice) -> StatisticsChoice:
    if options.lower() == "none":
        return NOTHING
    level, recent, nonzero_only = usual.level, usual.recent, usual.nonzero_only
    value, problem = True, ""
    for letter in options.lower():
        if letter in "0123":
            level = int(letter)
        elif letter == "!":
            value = False
        elif letter == "r":
            recent = value
        elif letter == "z":
            nonzero_only = value
        elif letter not in "dl" and not problem:
            # D shows the insides of HTCondor's own counters, L what nobody looks at.
            problem = letter
    return StatisticsChoice(level, recent, nonzero_only, (problem,) if problem else ())
