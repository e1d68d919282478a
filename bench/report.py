"""The table: figures side by side, ratio with its spread, target and verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.rows import Sample

__all__ = ["HEADER", "Goal", "format_row", "goal_met", "ratio_spread"]

_WIDTHS = (40, 10, 10, 20, 8, 6, 19)
_COLUMNS = ("operation", "real", "ours", "ratio (spread)", "target", "met", "wall/op")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a row is to reach.

    Attributes:
        ratio: of ours to the real collector's figure, at most.
        absolute: our figure, at most; used where no ratio is set.
    """

    ratio: float | None = None
    absolute: float | None = None


def ratio_spread(
    ours: Sequence[Sample], real: Sequence[Sample]
) -> tuple[float, float, float] | None:
    """Divide round by round.

    Returns:
        The median ratio, the lowest and the highest, or ``None`` where a round of
        the real collector gave nothing to divide by or there is no pair of rounds.
    """
    pairs = list(zip(ours, real, strict=False))
    if not pairs or any(second.value <= 0 for _, second in pairs):
        return None
    ratios = [first.value / second.value for first, second in pairs]
    return median(ratios), min(ratios), max(ratios)


def goal_met(goal: Goal, ours: Sequence[Sample], real: Sequence[Sample]) -> bool | None:
    """Tell whether ours reaches the goal, or ``None`` if that cannot be said."""
    if not ours:
        return None
    if goal.ratio is not None:
        spread = ratio_spread(ours, real)
        return None if spread is None else spread[0] <= goal.ratio
    if goal.absolute is not None:
        return _middle(ours) <= goal.absolute
    return None


def format_row(
    title: str,
    unit: str,
    goal: Goal,
    ours: Sequence[Sample],
    real: Sequence[Sample],
) -> str:
    """Make one line of the table."""
    spread = ratio_spread(ours, real)
    ratio = "-" if spread is None else "{:.2f} ({:.2f}-{:.2f})".format(*spread)
    if goal.ratio is not None:
        target = f"<= {goal.ratio:.2f}"
    elif goal.absolute is not None:
        target = f"<= {goal.absolute:.0f}"
    else:
        target = "-"
    met = {True: "yes", False: "NO", None: "-"}[goal_met(goal, ours, real)]
    cells = (
        f"{title} [{unit}]",
        _figure(real),
        _figure(ours),
        ratio,
        target,
        met,
        f"{_wall(real)} / {_wall(ours)}",
    )
    return _line(cells) + _losses(ours, real)


def _line(cells: Sequence[str]) -> str:
    padded = [cells[0].ljust(_WIDTHS[0])]
    padded += [
        cell.rjust(width) for cell, width in zip(cells[1:], _WIDTHS[1:], strict=True)
    ]
    return " ".join(padded).rstrip()


def _middle(samples: Sequence[Sample]) -> float:
    return median(sample.value for sample in samples)


def _figure(samples: Sequence[Sample]) -> str:
    if not samples:
        return "-"
    value = _middle(samples)
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _wall(samples: Sequence[Sample]) -> str:
    if not samples:
        return "-"
    seconds = median(sample.wall_seconds / sample.operations for sample in samples)
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e3:.1f} ms"


def _losses(ours: Sequence[Sample], real: Sequence[Sample]) -> str:
    if all(sample.lost is None for sample in (*ours, *real)):
        return ""
    return f"  lost: real {_lost(real)}, ours {_lost(ours)}"


def _lost(samples: Sequence[Sample]) -> str:
    sent = sum(sample.operations for sample in samples)
    if not sent:
        return "-"
    return f"{sum(sample.lost or 0 for sample in samples) / sent:.1%}"


HEADER = _line(_COLUMNS)
