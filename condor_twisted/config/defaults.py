"""The compiled-in defaults of HTCondor 25.14.

``param_defaults.json`` holds, for every knob, the raw default, its type (``string``
when none is named) and the range of a number. A name with a dot is a default for
one subsystem only; ``null`` means that the knob has no default, an empty one that
the default is nothing.

Source: param_info.in; values compared with ``condor_config_val -dump -raw``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from condor_twisted.config.package_data import package_text

__all__ = [
    "NO_DEFAULTS",
    "DefaultTable",
    "KnobDefault",
    "compiled_in_defaults",
    "same_value",
]


@dataclass(frozen=True, slots=True)
class KnobDefault:
    """One knob of the default table.

    Args:
        name: The knob in the table's spelling.
        value: Raw text; empty also where there is no default.
        type: ``string``, ``path``, ``bool``, ``int``, ``long`` or ``double``.
        minimum: Lowest value allowed, for numbers.
        maximum: Highest value allowed, for numbers.
        has_default: Whether there is one, perhaps an empty one.
    """

    name: str
    value: str
    type: str = "string"
    minimum: float | None = None
    maximum: float | None = None
    has_default: bool = True


class DefaultTable:
    """Defaults by name, in any case of letters.

    Args:
        entries: What ``param_defaults.json`` says of each name; read when it is asked
            for, as few of them are.
    """

    def __init__(self, entries: Mapping[str, Mapping[str, str | None]]) -> None:
        self._unread = {name.lower(): (name, each) for name, each in entries.items()}
        self._read: dict[str, KnobDefault] = {}

    def __iter__(self) -> Iterator[KnobDefault]:
        return filter(None, map(self.get, self._unread))

    def __len__(self) -> int:
        return len(self._unread)

    def get(self, name: str) -> KnobDefault | None:
        """The entry of exactly this name, prefix included."""
        key = name.lower()
        found = self._read.get(key)
        if found is None and (entry := self._unread.get(key)) is not None:
            found = self._read[key] = _read_entry(*entry)
        return found

    def for_name(self, name: str) -> KnobDefault | None:
        """The entry of a name that may carry a subsystem or local name."""
        found = self.get(name)
        if found is None and "." in name:
            found = self.get(name.partition(".")[2])
        return found


NO_DEFAULTS = DefaultTable({})


def same_value(left: str, right: str) -> bool:
    """Whether two raw values count as equal; truth values do in any case.

    Source: config.cpp, same_param_value.
    """
    if left == right:
        return True
    return left.lower() == right.lower() and left.lower() in ("true", "false")


def _read_entry(name: str, entry: Mapping[str, str | None]) -> KnobDefault:
    low, _, high = (entry.get("range") or ",").partition(",")
    default = entry["default"]
    return KnobDefault(
        name,
        default or "",
        entry.get("type") or "string",
        _limit(low),
        _limit(high),
        default is not None,
    )


def _limit(text: str) -> float | None:
    return float(text) if text.strip() else None


@functools.lru_cache(maxsize=1)
def compiled_in_defaults() -> DefaultTable:
    """The table, read once from the package's own data."""
    text = package_text("condor_twisted.config", "param_defaults.json")
    return DefaultTable(json.loads(text))
