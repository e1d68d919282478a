"""The recorded bytes of HTCondor 25.14.1 that tests of this folder compare with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent.parent / "vectors" / "cedar.json"


@dataclass(frozen=True, slots=True)
class Vector:
    """One recorded message, frame or datagram."""

    what: str
    direction: str
    data: bytes
    meaning: str
    key: bytes
    sequence: str


@cache
def cedar_vectors() -> tuple[Vector, ...]:
    """Return all vectors that are bytes, in their order."""
    return tuple(
        Vector(
            entry["what"],
            entry["direction"],
            bytes.fromhex(entry["hex"]),
            entry["meaning"],
            bytes.fromhex(entry.get("key", "")),
            entry.get("sequence", ""),
        )
        for entry in json.loads(_FILE.read_text())
        if entry["direction"] != "parse"
    )


def vector(what: str) -> Vector:
    """Return the only vector of this name."""
    (found,) = (v for v in cedar_vectors() if v.what == what)
    return found


def vectors(what: str) -> list[Vector]:
    """Return the vectors whose name begins so, at least one."""
    found = [v for v in cedar_vectors() if v.what.startswith(what)]
    if not found:
        raise LookupError(what)
    return found


def sequence(name: str) -> list[Vector]:
    """Return the vectors of one recorded conversation."""
    found = [v for v in cedar_vectors() if v.sequence == name]
    if not found:
        raise LookupError(name)
    return found
