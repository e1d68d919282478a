"""States and activities of slots, and the two letters that stand for them.

Source: ``src/condor_utils/condor_state.cpp``,
``src/condor_utils/print_format_tables.cpp: digest_state_and_activity``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = [
    "ACTIVITIES",
    "SEVERAL",
    "STATES",
    "activity_letter",
    "common",
    "state_letter",
]

STATES: Final = {
    "None": "",
    "Owner": "O",
    "Unclaimed": "U",
    "Matched": "M",
    "Claimed": "C",
    "Preempting": "P",
    "Shutdown": "S",
    "Delete": "X",
    "Backfill": "F",
    "Drained": "D",
}
ACTIVITIES: Final = {
    "None": "",
    "Idle": "i",
    "Busy": "b",
    "Retiring": "r",
    "Vacating": "v",
    "Suspended": "s",
    "Benchmarking": "e",
    "Killing": "k",
    "Cleaning": "c",
}
#: Several states, or activities, at once.
SEVERAL: Final = "#"


def state_letter(state: str | None) -> str:
    """A state's letter; a blank for none."""
    return STATES.get(state or "", "") or " "


def activity_letter(activity: str | None) -> str:
    """An activity's letter; a blank for none."""
    return ACTIVITIES.get(activity or "", "") or " "


def common(names: Iterable[str], known: dict[str, str], winner: str) -> str | None:
    """What states, or activities, have in common.

    Args:
        names: What they are; unknown names do not count.
        known: The names with their letters.
        winner: The one that decides where it meets another.

    Returns:
        The name that all share or that decides, `SEVERAL`, or ``None`` for none.
    """
    found: str | None = None
    for name in names:
        if name not in known or name == found:
            continue
        if found is None or found == "None":
            found = name
        elif name == winner:
            return name
        else:
            found = SEVERAL
    return None if found == "None" else found
