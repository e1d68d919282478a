"""What security needs of a configuration."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Knobs"]


class Knobs(Protocol):
    """A configuration as `condor_twisted.security` sees it.

    `condor_twisted.config` has such an object; so may an application.
    """

    @property
    def subsystem(self) -> str:
        """Whose configuration this is: ``COLLECTOR``, ``TOOL``, ..."""

    def text(self, name: str) -> str | None:
        """The value of a knob, or ``None`` where it has none."""

    def spelling_of(self, name: str) -> str | None:
        """A knob as it was written, with its prefix; ``None`` without a value."""

    def source_of(self, name: str) -> str | None:
        """Where a knob's value was written; ``None`` without a value."""

    def integer(self, name: str, default: int) -> int:
        """The value of a knob as an integer, or ``default`` where it has none."""

    def boolean(self, name: str, default: bool) -> bool:
        """The value of a knob as a truth value, or ``default`` where it has none."""
