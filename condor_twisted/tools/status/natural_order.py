"""The order of names in listings: numbers within them count as numbers.

``slot2`` comes before ``slot10``; of numbers with leading zeros the one with more zeros
comes first. `natural_key` gives a key that sorts as HTCondor compares.

Source: ``src/classad/natural_cmp.cpp: natural_cmp``.
"""

from __future__ import annotations

import re
from typing import TypeAlias

__all__ = ["NaturalKey", "natural_key"]

NaturalKey: TypeAlias = tuple[tuple[int, ...], ...]

_DIGITS = re.compile(rb"[0-9]+")
_ZERO = 0x30


def _characters(data: bytes) -> list[tuple[int, ...]]:
    """Bytes as C's signed characters."""
    return [(code - 256 if code > 127 else code,) for code in data]


def natural_key(text: bytes) -> NaturalKey:
    """The sort key of a text without NUL."""
    key: list[tuple[int, ...]] = []
    at = 0
    for match in _DIGITS.finditer(text):
        key += _characters(text[at : match.start()])
        digits = match[0]
        at = match.end()
        # The last digit is not a leading zero, even if it is one.
        zeros = len(digits) - len(digits[:-1].lstrip(b"0")) - 1
        if zeros:
            # More zeros first; among as many, character by character.
            key.append((_ZERO, -zeros, 0))
            key += _characters(digits)
        else:
            key.append((_ZERO, 0, len(digits), *digits))
    key += _characters(text[at:])
    # Behind the end stands the NUL, which is more than a negative character.
    key.append((0,))
    return tuple(key)
