"""What macros may know of the world, and of the reader they are expanded for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from condor_twisted.config.arithmetic import Evaluate, evaluate_arithmetic

__all__ = ["MacroReader", "Surroundings"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The world as far as a configuration sees it; everything is handed in.

    Args:
        environment: What ``$ENV(X)`` reads.
        evaluate: Evaluates expressions for ``$INT $REAL $STRING $EVAL`` and for
            numeric knobs.
        random_below: A random integer in ``[0, bound)``; without it a random
            macro is a ConfigError.
        working_directory: What ``$Ff(X)`` makes names absolute with.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    evaluate: Evaluate = evaluate_arithmetic
    random_below: Callable[[int], int] | None = None
    working_directory: str | None = None


class MacroReader(Protocol):
    """One reader's view while a text is expanded."""

    @property
    def surroundings(self) -> Surroundings:
        """The world that functions may look at."""

    def lookup(self, name: str) -> str | None:
        """The raw value of a name for this reader, or ``None``."""

    def expand(self, text: str) -> str:
        """Expand a text inside an expansion."""
