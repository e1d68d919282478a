"""Read what ``condor_ping -verbose`` prints, and find which facts differ.

Pure, as `interop.compare` is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from interop.compare import Difference

__all__ = ["Facts", "compare_facts", "parse_verbose"]

Facts = dict[str, str]
"""One instruction's facts by name; a failed one has ``Result`` and ``Error``."""

_FAILED = re.compile(r"(\S+) failed!")
_FACT = re.compile(r"([A-Z][A-Za-z ]+): +(.*)")
_SHARED_ERROR = re.compile(r"(SECMAN|AUTHENTICATE):\d+:")


def parse_verbose(text: str) -> dict[str, Facts]:
    """Give the facts of each instruction, in order.

    Of an error, the lines that come from the negotiation and the choice of methods
    count; what one method says of itself is left out, since it names its own steps.

    Raises:
        ValueError: A block is neither facts nor a failure, or an instruction comes
            twice.
    """
    found: dict[str, Facts] = {}
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line.strip()]
        if not lines:
            continue
        failed = _FAILED.fullmatch(lines[0])
        if failed is not None:
            name, facts = failed[1], _failure(lines[1:])
        else:
            facts = dict(_fact(line) for line in lines)
            name = facts.pop("Instruction", "")
        if not name or name in found:
            raise ValueError(f"not one instruction's facts: {block!r}")
        found[name] = facts
    return found


def compare_facts(query: str, expected: str, actual: str) -> list[Difference]:
    """Compare two outputs of ``-verbose``, instruction by instruction."""
    left, right = parse_verbose(expected), parse_verbose(actual)
    return [
        Difference(query, name, field, before, after)
        for name in _both(left, right)
        for field in _both(left.get(name, {}), right.get(name, {}))
        for before, after in (
            (left.get(name, {}).get(field), right.get(name, {}).get(field)),
        )
        if before != after
    ]


def _failure(lines: list[str]) -> Facts:
    errors = [line for line in lines if _SHARED_ERROR.match(line)]
    return {"Result": "failed", "Error": "\n".join(errors)}


def _fact(line: str) -> tuple[str, str]:
    match = _FACT.fullmatch(line.rstrip())
    if match is None:
        raise ValueError(f"not a fact: {line!r}")
    return match[1], match[2]


def _both(left: Iterable[str], right: Iterable[str]) -> list[str]:
    return list(dict.fromkeys((*left, *right)))
