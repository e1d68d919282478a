"""What the run says: one line per check, the count at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from interop.compare import Difference
from interop.errors import InteropError
from interop.explanations import explain

__all__ = ["Report"]

_SHOWN_DIFFERENCES = 20


class Report:
    """Counts checks and prints them as they end.

    Args:
        differences_file: Gets every difference without an explanation; the terminal
            gets the first ones of each comparison.
    """

    def __init__(self, differences_file: Path) -> None:
        self._differences_file = differences_file
        self.passed_count = 0
        self.failed_count = 0
        self._started = time.monotonic()

    def section(self, title: str) -> None:
        """Print a heading with the time since the start."""
        print(f"\n== {title} (at {time.monotonic() - self._started:.0f} s)", flush=True)

    def check(self, name: str, holds: bool, detail: str = "") -> bool:
        """Record one check.

        Args:
            name: What should hold, as a reader understands it.
            holds: Whether it does.
            detail: What was seen; printed when it does not hold.

        Returns:
            ``holds``.
        """
        if holds:
            self.passed_count += 1
            print(f"ok    {name}", flush=True)
        else:
            self.failed_count += 1
            print(f"FAIL  {name}", flush=True)
            for line in detail.strip().splitlines():
                print(f"      {line}", flush=True)
        return holds

    def differences(self, name: str, found: Sequence[Difference]) -> bool:
        """Record a comparison: it holds when every difference has an explanation."""
        unexplained = [item for item in found if explain(item) is None]
        reasons: dict[str, int] = {}
        for item in found:
            if (reason := explain(item)) is not None:
                reasons[reason] = reasons.get(reason, 0) + 1
        expected = ", ".join(f"{reason} ({n})" for reason, n in sorted(reasons.items()))
        label = f"{name} [differs as expected: {expected}]" if expected else name
        shown = [str(item) for item in unexplained[:_SHOWN_DIFFERENCES]]
        if len(unexplained) > len(shown):
            more = len(unexplained) - len(shown)
            shown.append(f"... and {more} more in {self._differences_file.name}")
        if unexplained:
            with self._differences_file.open("a", encoding="utf-8") as file:
                file.writelines(f"{item}\n" for item in unexplained)
        return self.check(label, not unexplained, "\n".join(shown))

    @contextmanager
    def guarded(self, name: str) -> Iterator[None]:
        """Make a step that cannot be done a failed check, and go on after it."""
        try:
            yield
        except (InteropError, ValueError) as error:
            self.check(name, False, str(error))
