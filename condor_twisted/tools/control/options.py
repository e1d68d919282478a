"""What the command line of ``off``, ``on``, ``restart`` and ``reconfig`` says.

Source: ``src/condor_tools/tool.cpp: main``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from condor_twisted.tools.option_table import (
    Option,
    UsageError,
    match_option,
    take_values,
)

__all__ = ["ControlOptions", "parse_options", "usage"]

_ONE: Final = ("another argument",)
_OPTIONS: Final = (
    Option("version", 1),
    Option("help", 1),
    Option("peaceful", 2),
    Option("pool", 1, values=_ONE),
    Option("full", 2),
    Option("fast", 2),
    Option("force-graceful", 2),
    Option("debug", 1, detail=True),
    Option("daemon", 2, values=_ONE),
    Option("drain", 2),
    Option("quick", 1),
    Option("reason", 3, values=_ONE),
    Option("check", 2, values=_ONE),
    Option("start", 5, values=_ONE),
    Option("exec", 2, values=_ONE),
    Option("graceful", 1),
    Option("addr", 2, values=_ONE),
    Option("all", 2),
    Option("annex-name", 10, values=("an annex name",)),
    Option("annex-slots", 11),
    Option("name", 2, values=_ONE),
    Option("negotiator", 2),
    Option("master", 1),
    Option("constraint", 3, values=_ONE),
    Option("collector", 3),
    Option("kbdd", 1),
    Option("schedd", 2),
    Option("startd", 2),
    Option("subsystem", 2, values=_ONE),
)
_DAEMONS: Final = frozenset(
    {"negotiator", "master", "collector", "kbdd", "schedd", "startd"}
)
_AMBIGUOUS: Final = {
    "-f": "-full or -fast",
    "-a": "-addr or -all",
    "-n": "-name or -negotiator",
    "-co": "-collector or -constraint",
    "-s": "-subsystem, -startd or -schedd",
}
_HOW: Final = {
    "peaceful": ("off", "restart"),
    "fast": ("off", "restart"),
    "force-graceful": ("off",),
    "full": ("reconfig",),
}
_DRAINING: Final = frozenset({"reason", "check", "start", "exec"})
_WHAT: Final = {
    "off": "turn daemons off; all but the master if none is named",
    "on": "turn daemons on",
    "restart": "restart daemons; all of a host if none is named",
    "reconfig": "have daemons read their configuration again",
}
_USAGE: Final = """\
Usage: condor-twisted {tool} [OPTIONS] [TARGET...]

  {what}

Targets; this host's own master by default:
  HOST, -name NAME    daemons of this name
  <ADDRESS>, -addr A  the daemon at this sinful string
  -all                every host of the pool
  -constraint EXPR    daemons whose ads fulfil this
  -annex-name NAME, -annex-slots
  -pool COLLECTOR     host, host:port or a sinful string; COLLECTOR_HOST by default

Daemons:
  -daemon NAME, -subsystem NAME
  -master -startd -schedd -collector -negotiator -kbdd
"""
_USAGE_HOW: Final = """
How:
  -graceful           jobs get the configured time (default)
  -fast               now
  -peaceful           jobs get all the time that they want
"""
_USAGE_FORCE: Final = """\
  -force-graceful     graceful after all, where peaceful was asked for
"""
_USAGE_DRAIN: Final = """
Draining:
  -drain              drain the host's slots first
  -quick              without the time that jobs were promised
  -reason TEXT -check EXPR -start EXPR
"""


@dataclass(slots=True)
class ControlOptions:
    """A command line.

    Args:
        tool: ``off``, ``on``, ``restart`` or ``reconfig``.
    """

    tool: str
    targets: list[str] = field(default_factory=list)
    pool: str | None = None
    constraint: str | None = None
    all: bool = False
    #: The daemon that is meant; ``None`` where nobody said.
    daemon: str | None = None
    #: ``graceful``, ``fast``, ``peaceful`` or ``force-graceful``.
    how: str = "graceful"
    drain: bool = False
    quick: bool = False
    reason: str | None = None
    check: str | None = None
    start: str | None = None
    exec: str | None = None
    help: bool = False
    version: bool = False


def usage(tool: str) -> str:
    """What ``-help`` prints."""
    text = _USAGE.format(tool=tool, what=_WHAT[tool])
    if tool in _HOW["fast"]:
        text += _USAGE_HOW
    if tool in _HOW["force-graceful"]:
        text += _USAGE_FORCE
    return text + (_USAGE_DRAIN if tool != "on" else "")


def parse_options(tool: str, arguments: list[str]) -> ControlOptions:
    """Read a command line.

    Args:
        tool: Which of the four.
        arguments: What stands behind it.

    Raises:
        UsageError: It cannot be understood.
    """
    options = ControlOptions(tool)
    at = 0
    while at < len(arguments):
        argument = arguments[at]
        at += 1
        if not argument.startswith("-"):
            options.targets.append(argument)
            continue
        if argument in _AMBIGUOUS:
            raise UsageError(
                f'ambiguous parameter: "{argument}": say {_AMBIGUOUS[argument]}'
            )
        match = match_option(argument, _OPTIONS)
        if match is None:
            raise UsageError(f'invalid argument "{argument}"')
        values = take_values(arguments, at - 1, match)
        at += len(values)
        _apply(options, match.option.name, values)
    if options.constraint is not None and options.targets:
        raise UsageError(
            "use of -constraint or -annex conflicts with other arguments containing "
            "names or addresses"
        )
    return options


def _apply(options: ControlOptions, name: str, values: tuple[str, ...]) -> None:
    tool = options.tool
    if name in _HOW and tool not in _HOW[name]:
        raise UsageError(f'"-{name}" is not valid with {tool}')
    if name in _DRAINING and not options.drain:
        raise UsageError(f'"-{name}" is not valid with {tool} without -drain')
    if name in ("drain", "quick") and tool == "on":
        raise UsageError(f'invalid argument "-{name}"')
    if name in ("fast", "peaceful", "force-graceful", "graceful"):
        options.how = name
    elif name in ("addr", "name"):
        if values[0].startswith("-"):
            raise UsageError(f"-{name} requires another argument")
        options.targets.append(values[0])
    elif name in ("daemon", "subsystem") or name in _DAEMONS:
        if options.daemon is not None:
            raise UsageError("can only specify one daemon flag")
        options.daemon = values[0] if values else name
    elif name in ("constraint", "annex-name", "annex-slots"):
        _constrain(options, name, values)
    elif name not in ("full", "debug"):
        setattr(options, name, values[0] if values else True)


def _constrain(options: ControlOptions, name: str, values: tuple[str, ...]) -> None:
    if name == "constraint":
        if options.constraint is not None:
            raise UsageError("only one -constraint argument is allowed")
        options.constraint = values[0]
        return
    annex = "IsAnnex"
    if values:
        escaped = values[0].replace("\\", "\\\\").replace('"', '\\"')
        annex = f'AnnexName =?= "{escaped}"'
    if options.constraint is not None:
        annex = f"({options.constraint}) && ({annex})"
    options.constraint = annex
    if options.tool == "off" and options.daemon is None:
        options.daemon = "master"
