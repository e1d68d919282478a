"""How rarely a process of ours looks for garbage."""

from __future__ import annotations

import gc
from typing import Final

__all__ = ["collect_rarely", "keep_what_is_there"]

#: More objects than the imports of any program make.
_IMPORTED_COUNT: Final = 100_000


def collect_rarely() -> None:
    """Let a program import what it needs without looking for garbage meanwhile.

    Hundreds of modules leave next to none, and a tenth of the time of a start would go
    into looking. Only for a process that is ours, before its imports.
    """
    gc.set_threshold(_IMPORTED_COUNT, 20, 100)


def keep_what_is_there() -> None:
    """Never look at what there is by now, and seldom at what comes.

    A daemon holds many objects that live long; collecting them again and again would
    cost more than serving does. What it has read at its start is not looked at even
    once: next to nothing of it is garbage.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
