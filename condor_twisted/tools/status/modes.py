"""What is listed, and in which style; how options choose and contradict each other.

Source: ``src/condor_status.V6/setflags.cpp``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from condor_twisted.tools.option_table import UsageError
from condor_twisted.tools.status.totals import (
    CheckpointServerTotals,
    DaemonTotals,
    RunTotals,
    ScheddTotals,
    ServerTotals,
    SlotTotals,
    StateTotals,
    SubmitterTotals,
)
from condor_twisted.tools.status.totals_table import Totals

__all__ = ["LONG_STYLES", "MODES", "TOTALS", "Choice", "Mode"]

#: Styles that show whole ads.
LONG_STYLES: Final = ("long", "xml", "json", "new")
#: Styles in the order in which a later one may replace an earlier one.
_ORDER: Final = {
    style: rank
    for rank, style in enumerate(
        (
            "slots",
            "server",
            "state",
            "claimed",
            "startd",
            "schedd",
            "schedd data",
            "schedd run",
            "submitters",
            "master",
            "collector",
            "checkpoint servers",
            "grid",
            "storage",
            "negotiator",
            "defrag",
            "accounting",
            "any",
            "custom",
            *LONG_STYLES,
        )
    )
}
#: The totals of styles that have any.
TOTALS: Final[dict[str, type[Totals]]] = {
    "slots": SlotTotals,
    "server": ServerTotals,
    "claimed": RunTotals,
    "state": StateTotals,
    "schedd": ScheddTotals,
    "submitters": SubmitterTotals,
    "checkpoint servers": CheckpointServerTotals,
    "startd": DaemonTotals,
}


@dataclass(frozen=True, slots=True)
class Mode:
    """What is listed.

    Args:
        kind: The kind of ads.
        style: The style, unless another is asked for.
        daemon: The daemon that ``-direct`` asks.
    """

    kind: str
    style: str
    daemon: str | None = None


MODES: Final = {
    "slots": Mode("Machine", "slots", "Startd"),
    "available": Mode("Machine", "slots", "Startd"),
    "claimed": Mode("Machine", "claimed", "Startd"),
    "startd": Mode("StartD", "startd", "Startd"),
    "schedd": Mode("Scheduler", "schedd", "Schedd"),
    "schedd data": Mode("Scheduler", "schedd data", "Schedd"),
    "schedd run": Mode("Scheduler", "schedd run", "Schedd"),
    "submitters": Mode("Submitter", "submitters", "Schedd"),
    "master": Mode("DaemonMaster", "master", "Master"),
    "collector": Mode("Collector", "collector"),
    "checkpoint servers": Mode("CkptServer", "checkpoint servers"),
    "grid": Mode("Grid", "grid"),
    "license": Mode("License", "long"),
    "storage": Mode("Storage", "storage"),
    "negotiator": Mode("Negotiator", "negotiator", "Negotiator"),
    "defrag": Mode("Defrag", "defrag"),
    "accounting": Mode("Accounting", "accounting", "Negotiator"),
    "generic": Mode("Generic", "any"),
    "any": Mode("Any", "any"),
    "other": Mode("Generic", "any"),
    "had": Mode("HAD", "any"),
}


class Choice:
    """The mode and the style that a command line chooses."""

    def __init__(self) -> None:
        self.mode: str | None = None
        self.style: str | None = None
        self._mode_argument = ""
        self._style_argument = ""

    def set_mode(self, mode: str, argument: str, *, instead: bool = False) -> None:
        """Choose what is listed.

        Args:
            mode: A name of `MODES`.
            argument: The option that wants it.
            instead: Whatever was chosen before.

        Raises:
            UsageError: Something else was chosen before.
        """
        if self.mode is not None and not instead:
            if argument != self._mode_argument:
                raise UsageError(f"{argument} contradicts {self._mode_argument}")
            return
        self.mode, self._mode_argument = mode, argument
        self.set_style(MODES[mode].style, argument)

    def set_style(self, style: str, argument: str) -> None:
        """Choose how it is listed.

        Raises:
            UsageError: It cannot be listed so.
        """
        whole = style in LONG_STYLES
        if self.style is not None and not whole:
            if (self.style in LONG_STYLES or self.style == "custom") and (
                style != "custom"
            ):
                return
            if _ORDER[self.style] > _ORDER[style]:
                raise UsageError(f"{argument} contradicts {self._style_argument}")
        self.style, self._style_argument = style, argument

    def finish(self) -> tuple[str, str]:
        """The mode and the style, the usual ones where none was chosen."""
        mode = self.mode or "slots"
        return mode, self.style or MODES[mode].style
