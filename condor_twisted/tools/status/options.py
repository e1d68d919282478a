"""The command line of ``status``.

Source: ``src/condor_status.V6/status.cpp: firstPass, secondPass``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from condor_twisted.tools.option_table import (
    Match,
    Option,
    UsageError,
    match_option,
    take_values,
)
from condor_twisted.tools.status.autoformat import (
    autoformat_columns,
    format_column,
    require_expression,
    take_attributes,
)
from condor_twisted.tools.status.modes import Choice
from condor_twisted.tools.status.print_mask import PrintMask

__all__ = ["StatusOptions", "parse_options"]

#: In the order of HTCondor's parser: a short form means the first that fits.
_OPTIONS: Final = (
    Option("avail", 2),
    Option("pool", 1, values=("a collector",)),
    Option("ads", 2, detail=True, values=("a file",)),
    Option("format", 1, values=("a format", "an attribute")),
    Option("autoformat", 5, detail=True),
    Option("af", 2, detail=True),
    Option("aaf", 3, detail=True),
    Option("print-format", 2, detail=True, values=("a file",)),
    Option("wide", 3, detail=True),
    Option("natural", 3, detail=True),
    Option("target", 4, values=("a file",)),
    Option("constraint", 3, values=("an expression",)),
    Option("annex-slots", 5),
    Option("annex-name", 10, values=("a name",)),
    Option("direct", 3, values=("a daemon's name",)),
    Option("diagnose", 3, detail=True),
    Option("debug", 2, detail=True),
    Option("defrag", 3),
    Option("help", 1),
    Option("limit", 2, values=("a number",)),
    Option("long", 1, detail=True),
    Option("xml", 1),
    Option("json", 2),
    Option("group-by", 5),
    Option("attributes", 2, values=("a list of attributes",)),
    Option("claimed", 2),
    Option("data", 2),
    Option("run", 1),
    Option("cod", 3),
    Option("gpus", 3),
    Option("java", 1),
    Option("absent", 2),
    Option("offline", 2),
    Option("merge", 5, values=("a file",)),
    Option("vm", 2),
    Option("slots", 2),
    Option("compact", 3),
    Option("nocompact", 5),
    Option("server", 2),
    Option("state", 4),
    Option("broken", 4),
    Option("lvm", 3, detail=True),
    Option("healthy", 4, detail=True),
    Option("snapshot", 4, detail=True),
    Option("statistics", 5, values=("a category",)),
    Option("startd", 4),
    Option("schedd", 2),
    Option("grid", 1),
    Option("subsystem", 4, values=("a kind of ads",)),
    Option("multiple", 4, detail=True, values=("kinds of ads",)),
    Option("license", 2),
    Option("storage", 3),
    Option("negotiator", 1),
    Option("generic", 2),
    Option("any", 2),
    Option("sort", 2, values=("an expression",)),
    Option("submitters", 4),
    Option("master", 1),
    Option("collector", 3),
    Option("world", 1),
    Option("ckptsrvr", 2),
    Option("totals", 1),
    Option("expert", 1),
    Option("version", 3),
    # HTCondor's tool has no such modes of its own; it is what others call them.
    Option("accounting", 3),
    Option("name", 4, values=("a name",)),
)
_REFUSED: Final = frozenset(
    (
        "aaf",
        "print-format",
        "target",
        "annex-slots",
        "annex-name",
        "diagnose",
        "group-by",
        "cod",
        "gpus",
        "merge",
        "broken",
        "lvm",
        "healthy",
    )
)
_MODE_OPTIONS: Final = {
    "avail": "available",
    "claimed": "claimed",
    "defrag": "defrag",
    "grid": "grid",
    "license": "license",
    "storage": "storage",
    "negotiator": "negotiator",
    "generic": "generic",
    "any": "any",
    "submitters": "submitters",
    "master": "master",
    "collector": "collector",
    "world": "collector",
    "ckptsrvr": "checkpoint servers",
    "startd": "startd",
    "accounting": "accounting",
}
_SUBSYSTEMS: Final = {
    "schedd": "schedd",
    "submitters": "submitters",
    "slots": "slots",
    "machine": "slots",
    "startd": "startd",
    "defrag": "defrag",
    "grid": "grid",
    "accounting": "accounting",
    "negotiator": "negotiator",
    "master": "master",
    "collector": "collector",
    "generic": "generic",
    "had": "had",
}
_LONG_FORMS: Final = {"long": "long", "xml": "xml", "json": "json", "new": "new"}
_NO_SORT: Final = ("false", "0", "no", "none")


@dataclass(slots=True)
class StatusOptions:
    """What a command line asks for.

    Args:
        mode: What is listed.
        style: How.
        mask: The columns of ``-format`` and ``-af``.
        attributes: What ``-attributes`` names, in any case of letters.
        constraints: What ads must fulfil, all of it.
        names: Names or machines, of which ads must have one.
        sort: What is sorted by; ``None`` for not at all.
        pool: The collectors.
        direct: The daemon that is asked itself.
        ads_file: Where ads are read instead.
        kind: The generic kind of ads.
        several: Kinds of ads, with commas.
        statistics: What statistics are asked for.
        snapshot: Statistics as they were published last.
        limit: How many ads at most; 0 for all.
        only_totals: No rows.
        explicit: The columns are not the tool's own.
        compact: One row for a machine.
        java: Hosts with Java.
        vm: Hosts with virtual machines.
        absent: Ads that are kept of hosts that went.
        offline: Hosts with offline universes.
        wide: Nothing is cut.
        width: A width that was asked for; 0 for none.
        hash_order: Whole ads in no order.
        help: What is asked is how to use this.
        version: What is asked is which version this is.
    """

    mode: str = "slots"
    style: str = "slots"
    mask: PrintMask = field(default_factory=lambda: PrintMask(has_headings=False))
    attributes: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    sort: list[str] | None = field(default_factory=list)
    pool: str | None = None
    direct: str | None = None
    ads_file: str | None = None
    kind: str | None = None
    several: str | None = None
    statistics: str | None = None
    snapshot: str | None = None
    limit: int = 0
    only_totals: bool = False
    explicit: bool = False
    compact: bool = False
    java: bool = False
    vm: bool = False
    absent: bool = False
    offline: bool = False
    wide: bool = False
    width: int = 0
    hash_order: bool = False
    help: bool = False
    version: bool = False


def parse_options(arguments: list[str]) -> StatusOptions:
    """Read a command line.

    Raises:
        UsageError: It cannot be understood, or asks for what is not there.
    """
    return _Parser(arguments).parse()


class _Parser:
    """One pass over the arguments."""

    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments
        self._at = 0
        self._options = StatusOptions()
        self._choice = Choice()
        self._no_sort = False
        self._actions: dict[str, Callable[[Match, tuple[str, ...], str], None]] = {
            "pool": self._pool,
            "ads": self._ads,
            "format": self._format,
            "autoformat": self._autoformat,
            "af": self._autoformat,
            "wide": self._wide,
            "constraint": self._constraint,
            "direct": self._direct,
            "limit": self._limit,
            "long": self._long,
            "xml": self._whole,
            "json": self._whole,
            "attributes": self._attributes,
            "data": self._data,
            "run": self._run,
            "slots": self._slots,
            "server": self._slot_style,
            "state": self._slot_style,
            "snapshot": self._snapshot,
            "statistics": self._statistics,
            "schedd": self._schedd,
            "subsystem": self._subsystem,
            "multiple": self._multiple,
            "sort": self._sort,
            "totals": self._totals,
            "name": self._name,
        }

    def parse(self) -> StatusOptions:
        """The whole command line."""
        options = self._options
        while self._at < len(self._arguments):
            argument = self._arguments[self._at]
            match = match_option(argument, _OPTIONS)
            if match is not None:
                self._option(match, argument)
            elif argument.startswith("-"):
                raise UsageError(f"there is no option {argument}")
            else:
                options.names.append(argument)
            self._at += 1
        options.mode, options.style = self._choice.finish()
        if self._no_sort:
            options.sort = None
        if options.compact and options.mode not in ("slots", "available", "claimed"):
            raise UsageError("-compact shows slots, and nothing else")
        return options

    def _option(self, match: Match, argument: str) -> None:
        name = match.option.name
        if name in _REFUSED:
            raise UsageError(f"-{name} is not available here")
        values = take_values(self._arguments, self._at, match)
        self._at += len(values)
        action = self._actions.get(name)
        if action is not None:
            action(match, values, argument)
        elif name in _MODE_OPTIONS:
            self._choice.set_mode(_MODE_OPTIONS[name], argument)
        elif name == "nocompact":
            self._options.compact = False
        elif hasattr(self._options, name):
            # -compact, -java, -vm, -absent, -offline, -help, -version
            setattr(self._options, name, True)

    # One method for each option that does more.

    def _pool(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        self._options.pool = values[0]

    def _ads(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        if match.detail not in (None, "", "long", "auto"):
            raise UsageError("-ads reads ads in the long form only")
        self._options.ads_file = values[0]

    def _format(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        format_column(self._options.mask, *values)
        self._explicit("custom", argument)

    def _autoformat(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        attributes, following = take_attributes(self._arguments, self._at + 1, argument)
        self._at = following - 1
        autoformat_columns(self._options.mask, match.detail or "", attributes)
        self._explicit("custom", argument)

    def _explicit(self, style: str, argument: str) -> None:
        self._options.explicit = True
        self._choice.set_style(style, argument)

    def _wide(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        self._options.wide = True
        if match.detail is not None:
            if not match.detail.isdigit():
                raise UsageError("-wide: takes a number")
            self._options.width = int(match.detail)
            self._options.wide = self._options.width > 100

    def _constraint(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        require_expression(values[0])
        self._options.constraints.append(values[0])

    def _direct(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        self._options.direct = values[0]

    def _limit(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        try:
            self._options.limit = max(0, int(values[0]))
        except ValueError:
            raise UsageError("-limit takes a number") from None

    def _long(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        style = "long"
        for word in (match.detail or "").replace(",", " ").split():
            if word == "nosort":
                self._options.hash_order = True
            elif word in _LONG_FORMS:
                style = _LONG_FORMS[word]
            else:
                raise UsageError(f"-long: knows long, xml, json and new, not {word}")
        self._choice.set_style(style, argument)

    def _whole(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        self._choice.set_style(match.option.name, argument)

    def _attributes(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        self._options.attributes += [
            word.strip() for word in values[0].split(",") if word.strip()
        ]

    def _data(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        instead = self._choice.mode in ("schedd", "schedd data")
        self._choice.set_mode("schedd data", argument, instead=instead)

    def _run(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        if self._choice.mode in ("slots", "claimed"):
            self._choice.set_mode("claimed", argument, instead=True)
        else:
            instead = self._choice.mode == "schedd"
            self._choice.set_mode("schedd run", argument, instead=instead)

    def _slots(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        self._choice.set_mode("slots", argument)
        self._options.compact = False

    def _slot_style(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        self._choice.set_style(match.option.name, argument)

    def _snapshot(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        self._options.snapshot = match.detail or "1"

    def _statistics(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        self._options.statistics = values[0]

    def _schedd(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        if self._choice.mode == "claimed":
            self._choice.set_mode("schedd run", argument, instead=True)
        elif self._choice.mode not in ("schedd", "schedd data", "schedd run"):
            self._choice.set_mode("schedd", argument)

    def _subsystem(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        kind = values[0]
        if kind.startswith("-"):
            raise UsageError("-subsystem needs a kind of ads")
        mode = _SUBSYSTEMS.get(kind)
        if mode is None:
            self._options.kind = kind
        self._choice.set_mode(mode or "other", kind)

    def _multiple(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        self._options.several = values[0]

    def _sort(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        if values[0].lower() in _NO_SORT:
            self._no_sort = True
            return
        require_expression(values[0])
        assert self._options.sort is not None
        self._options.sort.append(values[0])
        self._options.constraints.append(f"{values[0]} =!= UNDEFINED")

    def _totals(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        self._options.only_totals = True
        self._options.explicit = True

    def _name(self, match: Match, values: tuple[str, ...], argument: str) -> None:
        self._options.names.append(values[0])
