"""The command line of ``condor-twisted ping``.

Source: ``src/condor_tools/ping.cpp: main``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from condor_twisted.constants.command_names import find_command
from condor_twisted.tools.option_table import (
    Option,
    UsageError,
    daemon_type,
    read_arguments,
)

__all__ = ["PingOptions", "parse_options"]

#: What ALL stands for, in the order in which it is asked.
ALL_LEVELS: Final = (
    "ALLOW",
    "READ",
    "WRITE",
    "NEGOTIATOR",
    "ADMINISTRATOR",
    "OWNER",
    "CONFIG",
    "DAEMON",
    "ADVERTISE_STARTD",
    "ADVERTISE_SCHEDD",
    "ADVERTISE_MASTER",
)
_OPTIONS: Final = (
    Option("help", 1),
    Option("quiet", 1),
    Option("table", 2),
    Option("verbose", 1),
    Option("explain", 1),
    Option("config", 1, values=("a file",)),
    Option("pool", 1, values=("a collector",)),
    Option("name", 1, values=("a daemon's name",)),
    Option("subsystem", 3, values=("a kind of daemon",)),
    Option("type", 4, values=("a kind of daemon",)),
    Option("address", 1, values=("an address",)),
    Option("version", 4),
    Option("debug", 1, detail=True),
)
_MODES: Final = ("quiet", "table", "verbose")


@dataclass(slots=True)
class PingOptions:
    """What the command line asks for.

    Args:
        items: Each level or command as it was given, with its number.
        mode: ``sentence``, ``quiet``, ``table`` or ``verbose``.
        explain: Whether every decision is explained.
        address: The daemon's address.
        pool: The collector that knows the daemon.
        name: The daemon's name.
        daemon_type: The daemon's kind, in lower case.
        config: The configuration to read, instead of the usual one.
        debug: Whether standard error tells what happens.
        help: Whether only the usage is shown.
        version: Whether only the version is shown.
        defaulted: Whether nothing says what is asked about.
    """

    items: list[tuple[str, int]] = field(default_factory=list)
    mode: str = "sentence"
    explain: bool = False
    address: str | None = None
    pool: str | None = None
    name: str | None = None
    daemon_type: str = "schedd"
    config: str | None = None
    debug: bool = False
    help: bool = False
    version: bool = False
    defaulted: bool = False


def parse_options(arguments: list[str]) -> PingOptions:
    """Understand a command line.

    Raises:
        UsageError: It makes no sense.
    """
    options = PingOptions()
    words: list[str] = []
    for argument, match, values in read_arguments(arguments, _OPTIONS):
        if match is not None:
            _take(options, match.option.name, values)
        elif argument.startswith("-") and argument != "-":
            raise UsageError(f"Unknown argument: {argument}")
        else:
            words += ALL_LEVELS if argument.upper() == "ALL" else (argument,)
    if options.address is not None and (options.pool or options.name):
        raise UsageError("-address cannot be used with -pool or -name.")
    name, pool = options.name, options.pool
    if options.daemon_type == "collector" and name and pool and name != pool:
        raise UsageError(f"-pool {pool} and -name {name} name two collectors")
    options.defaulted = not words
    for word in words or ("WRITE",):
        number = find_command(word)
        if number is None:
            raise UsageError(f'Could not understand TOKEN "{word}".')
        options.items.append((word, number))
    return options


def _take(options: PingOptions, name: str, values: tuple[str, ...]) -> None:
    if name in _MODES:
        if options.mode != "sentence":
            raise UsageError("only one output mode may be specified.")
        options.mode = name
    elif name in ("subsystem", "type"):
        options.daemon_type = daemon_type(values[0])
    elif values:
        setattr(options, name, values[0])
    else:
        setattr(options, name, True)
