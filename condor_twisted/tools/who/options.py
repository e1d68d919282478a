"""What the command line of ``who`` says.

Source: ``src/condor_who/who.cpp: parse_args``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from condor_twisted.classad.expressions import check_expression
from condor_twisted.tools.option_table import (
    Option,
    UsageError,
    match_option,
    take_values,
)
from condor_twisted.tools.status.autoformat import (
    autoformat_columns,
    format_column,
    take_attributes,
)
from condor_twisted.tools.status.print_mask import PrintMask

__all__ = ["USAGE", "WhoOptions", "parse_options"]

_OPTIONS: Final = (
    Option("help", 1),
    Option("version", 3),
    Option("verbose", 1),
    Option("debug", 1, detail=True),
    Option("daemons", 3),
    Option("quickdaemons", 4),
    Option("wait-for-ready", 4, detail=True, values=("an expression",)),
    Option("address", 4, values=("an address",)),
    Option("logdir", 3, values=("a directory",)),
    Option("pid", 3, values=("a process id",)),
    Option("allpids", 2),
    Option("long", 1),
    Option("wide", 1),
    Option("constraint", 3, values=("an expression",)),
    Option("format", 1, values=("a format", "an attribute")),
    Option("autoformat", 5, detail=True),
    Option("af", 2, detail=True),
)
_LISTS: Final = frozenset({"autoformat", "af"})
USAGE: Final = """\
Usage: condor-twisted who [OPTIONS]

Without options: the jobs that run on this host.
  -long                whole ads of their slots
  -format FORMAT ATTR  attributes of their slots instead, as status prints them
  -af[:LETTERS] ATTR...
  -constraint EXPR     only those whose slots fulfil this
  -address ADDRESS     ask the startd at this sinful string
  -logdir DIR          look for daemons in the logs of this directory, instead of LOG
  -pid PID             the startd that this process is, or belongs to; may be repeated
  -allpids             all startds that run
  -verbose             say which logs there are, too

  -daemons             the daemons of this host; with -quick without asking them
  -quick               what the master says of its daemons; takes -format and -af, too
  -wait-for-ready[:SECONDS] EXPR
                       the same, once this is true of it: 'IsReady', 'STARTD_State ==
                       "Ready"', ...; a master that is not there yet is waited for
"""


@dataclass(slots=True)
class WhoOptions:
    """A command line."""

    daemons: bool = False
    quick: bool = False
    requirements: str | None = None
    wait_seconds: int = 0
    address: str | None = None
    directories: list[str] = field(default_factory=list)
    process_ids: list[int] = field(default_factory=list)
    all_processes: bool = False
    constraint: str | None = None
    #: The columns of ``-format`` and ``-af``; without any, each listing has its own.
    mask: PrintMask = field(default_factory=lambda: PrintMask(has_headings=False))
    long: bool = False
    verbose: bool = False
    help: bool = False
    version: bool = False


def parse_options(arguments: list[str]) -> WhoOptions:
    """Read a command line.

    Raises:
        UsageError: It cannot be understood.
    """
    options = WhoOptions()
    at = 0
    while at < len(arguments):
        argument = arguments[at]
        match = match_option(argument, _OPTIONS)
        if match is None:
            raise UsageError(f"{argument} is not a valid argument")
        values = take_values(arguments, at, match)
        at += 1 + len(values)
        if match.option.name in _LISTS:
            attributes, at = take_attributes(arguments, at, argument)
            autoformat_columns(options.mask, match.detail or "", attributes)
        else:
            _apply(options, match.option.name, match.detail, values)
    for text in (options.requirements, options.constraint):
        if text is not None and not check_expression(text.encode()):
            raise UsageError(f"{text!r} is not an expression")
    return options


def _apply(
    options: WhoOptions, name: str, detail: str | None, values: tuple[str, ...]
) -> None:
    if name == "quickdaemons":
        options.quick = True
    elif name == "wait-for-ready":
        options.quick = True
        options.requirements = values[0]
        options.wait_seconds = _seconds(detail)
    elif name == "logdir":
        options.directories.append(values[0])
    elif name == "pid":
        options.process_ids.append(_process_id(values[0]))
    elif name == "allpids":
        options.all_processes = True
    elif name == "format":
        format_column(options.mask, *values)
    elif name in ("address", "constraint"):
        setattr(options, name, values[0])
    elif name not in ("debug", "wide"):
        setattr(options, name, True)


def _process_id(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or not int(text):
        raise UsageError(f"-pid {text}: not a process id")
    return int(text)


def _seconds(detail: str | None) -> int:
    if detail is None:
        return 0
    if not (detail.isascii() and detail.isdigit()) or len(detail) > 6:
        raise UsageError(f"-wait-for-ready:{detail}: not a number of seconds")
    return int(detail)
