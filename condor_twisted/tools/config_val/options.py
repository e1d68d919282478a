"""What the command line of ``config-val`` says.

Source: ``src/condor_tools/config_val.cpp: main``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Final

from condor_twisted.config.writing import WritingOptions
from condor_twisted.tools.option_table import (
    Option,
    UsageError,
    match_option,
    take_values,
)

__all__ = ["USAGE", "USE", "ConfigValOptions", "parse_options"]

#: Begins a word that is a template; no name has a blank.
USE: Final = "use "

_OPTIONS: Final = (
    Option("name", 1, values=("a daemon",)),
    Option("address", 1, values=("an address",)),
    Option("pool", 1, values=("a collector",)),
    Option("local-name", 2, values=("a name",)),
    Option("subsystem", 3, values=("a subsystem",)),
    Option("master", 2),
    Option("schedd", 2),
    Option("startd", 2),
    Option("collector", 3),
    Option("negotiator", 3),
    Option("set", 2),
    Option("unset", 3),
    Option("rset", 3),
    Option("runset", 5),
    Option("mixedcase", 2),
    Option("raw", 3),
    Option("default", 3),
    Option("config", 2),
    Option("verbose", 1, detail=True),
    Option("dump", 1),
    Option("stats", 4),
    Option("expanded", 2),
    Option("macro", 3, detail=True),
    Option("evaluate", 2),
    Option("unused", 4),
    Option("used", 2),
    Option("summary", 3, detail=True),
    Option("writeconfig", 3, detail=True, values=("a file",)),
    Option("trace", 2),
    Option("root-config", 4, values=("a file",)),
    Option("debug", 2, detail=True),
    Option("help", 2),
    Option("version", 3),
)
_DAEMONS: Final = frozenset({"master", "schedd", "startd", "collector", "negotiator"})
_EDITS: Final = frozenset({"set", "unset", "rset", "runset"})
_FLAGS: Final = frozenset(
    {
        *("mixedcase", "raw", "default", "dump", "stats", "expanded"),
        *("evaluate", "used", "unused", "trace", "help", "version"),
    }
)
#: What ``-writeconfig`` knows, and how many letters of each are enough.
_WRITING_WORDS: Final = {
    "comment": 3,
    "default": 3,
    "matches_default": 5,
    "detected": 3,
    "environment": 3,
    "only": 4,
    "file": 4,
    "duplicate": 3,
    "source": 3,
    "sort": 3,
    "upgrade": 3,
}
_WRITING_FLAGS: Final = {
    "default": "defaults",
    "matches_default": "matching",
    "detected": "detected",
    "environment": "environment",
    "only": "only",
    "duplicate": "duplicates",
    "source": "origins",
    "sort": "by_name",
}
_WRITTEN_AS_COMMENTS: Final = frozenset(
    {"default", "matches_default", "detected", "environment"}
)
_TEXTS: Final = {
    "name": "name",
    "address": "address",
    "pool": "pool",
    "local-name": "local_name",
    "subsystem": "subsystem",
    "root-config": "file",
}

USAGE: Final = """\
Usage: condor-twisted config-val [OPTIONS] NAME...
       condor-twisted config-val [WHERE] -set|-unset|-rset|-runset SETTING...
       condor-twisted config-val use CATEGORY[:TEMPLATE]

What is shown of each name; its value by default:
  -raw                 the value as it is written
  -default             the compiled-in default
  -verbose             where it is from and how it is written, too
  -verbose:use         how often it was used as well (of a daemon)
  -dump                all names, or those that match the regular expressions NAME;
                       raw, or -expanded, or -default, and with -verbose all of it
  -summary[:detected]  what files and environment set
  -macro[:path]        NAME is a text, whose macros are expanded
  -trace               each value that a later one has replaced, too
  -used, -unused       only what the daemon has used, or has not (with -dump)
  -stats               how large a daemon's configuration is

The configuration of this host:
  -config FILE, -root-config FILE
                       instead of CONDOR_CONFIG and the usual files
  -config              says which files there are
  -writeconfig[:WHAT,...] FILE
                       writes it to a file, or - for standard output; WHAT is what the
                       file has: file, environment, default, detected,
                       matches_default (what was set to its default); only these;
                       duplicate, upgrade (nothing obsolete), source, sort; comment
                       makes comments of what is named behind it
  -subsystem NAME      as this daemon reads it; TOOL by default
  -local-name NAME     and by this name

WHERE, the configuration that a daemon uses:
  -address ADDRESS     the daemon at this sinful string
  -name NAME           the daemon of this name
  -pool COLLECTOR      host, host:port or a sinful string
  -master -schedd -startd -collector -negotiator
  -evaluate            the value as an expression, with the daemon's ad

Changes, which count from the daemon's next reconfiguration on:
  -set "NAME = VALUE"  for good          -unset NAME   forget that
  -rset "NAME = VALUE" until it ends     -runset NAME  forget that
  -mixedcase           keep the name's letters as they are
"""


@dataclass(slots=True)
class ConfigValOptions:
    """A command line."""

    #: Names, settings, or templates with `USE` in front.
    words: list[str] = field(default_factory=list)
    name: str | None = None
    address: str | None = None
    pool: str | None = None
    local_name: str | None = None
    subsystem: str = "TOOL"
    file: str | None = None
    daemon: str | None = None
    #: ``set``, ``unset``, ``rset`` or ``runset``.
    edit: str | None = None
    sources: bool = False
    verbose: bool = False
    use_counts: bool = False
    summary: bool = False
    detected: bool = False
    trace: bool = False
    #: Where the configuration is written; ``-`` for standard output.
    written_file: str | None = None
    writing: WritingOptions = field(default_factory=WritingOptions)
    #: What is written without names and values that are obsolete.
    without_obsolete: bool = False
    macro: bool = False
    macro_path: bool = False
    mixedcase: bool = False
    raw: bool = False
    default: bool = False
    dump: bool = False
    stats: bool = False
    expanded: bool = False
    evaluate: bool = False
    used: bool = False
    unused: bool = False
    help: bool = False
    version: bool = False

    @property
    def is_remote(self) -> bool:
        """Whether a daemon is asked."""
        return (
            self.name is not None
            or self.address is not None
            or self.daemon is not None
            or self.edit is not None
        )


def parse_options(arguments: list[str]) -> ConfigValOptions:
    """Read a command line.

    Raises:
        UsageError: It cannot be understood.
    """
    options = ConfigValOptions()
    at = 0
    while at < len(arguments):
        argument = arguments[at]
        at += 1
        if not argument.startswith("-"):
            if argument.lower() == "use":
                options.words.append(f"{USE}{''.join(arguments[at : at + 1])}")
                if at >= len(arguments) or arguments[at].startswith("-"):
                    raise UsageError(
                        "use should be followed by a category or category:option "
                        "argument"
                    )
                at += 1
            else:
                options.words.append(argument)
            continue
        match = match_option(argument, _OPTIONS)
        if match is None:
            raise UsageError(f"{argument} is not a valid argument")
        values = take_values(arguments, at - 1, match)
        at += len(values)
        if match.option.name == "config":
            at += _take_file(options, arguments[at : at + 1])
        else:
            _apply(options, match.option.name, match.detail, values)
    _check(options)
    return options


def _take_file(options: ConfigValOptions, following: list[str]) -> int:
    """How many words belong to ``-config``: a file that is there, or none."""
    if following and (os.sep in following[0] or os.path.isfile(following[0])):
        options.file = following[0]
        return 1
    options.sources = True
    return 0


def _apply(
    options: ConfigValOptions, name: str, detail: str | None, values: tuple[str, ...]
) -> None:
    if name in _TEXTS:
        setattr(options, _TEXTS[name], values[0])
    elif name in _DAEMONS:
        options.daemon = name
    elif name in _EDITS:
        options.edit = name
    elif name in _FLAGS:
        setattr(options, name, True)
    elif name == "verbose":
        _apply_verbose(options, detail or "")
    elif name == "summary":
        options.summary = True
        options.detected = bool(detail) and "detected".startswith(detail or "")
    elif name == "writeconfig":
        options.written_file = values[0]
        _apply_writing(options, detail)
    elif name == "macro":
        options.macro = True
        options.macro_path = detail is not None and detail.startswith("path")


def _apply_verbose(options: ConfigValOptions, detail: str) -> None:
    options.verbose = True
    for word in detail.replace(":", ",").split(","):
        if word == "terse":
            options.verbose = False
        elif word in ("us", "usa", "usag", "usage", "use"):
            options.use_counts = True
        elif word:
            raise UsageError(f"-verbose:{word} is not available here")


def _apply_writing(options: ConfigValOptions, detail: str | None) -> None:
    if detail is None:
        options.writing = WritingOptions(matching=True, comment_matching=True)
        return
    flags: dict[str, bool] = {}
    as_comments = False
    for word in re.split("[:,]", detail):
        name = next(
            (
                name
                for name, least in _WRITING_WORDS.items()
                if len(word) >= least and name.startswith(word)
            ),
            None,
        )
        if name == "comment":
            as_comments = True
        elif name == "file":
            flags["only"] = False
        elif name == "upgrade":
            options.without_obsolete = True
        elif name is not None:
            flag = _WRITING_FLAGS[name]
            flags[flag] = True
            if as_comments and name in _WRITTEN_AS_COMMENTS:
                flags[f"comment_{flag}"] = True
        elif word:
            raise UsageError(f"-writeconfig:{word} is not available")
    options.writing = WritingOptions(**flags)


def _check(options: ConfigValOptions) -> None:
    if options.verbose and options.default:
        raise UsageError("-default cannot be used with -verbose")
    if options.summary and options.written_file is not None:
        raise UsageError("-writeconfig cannot be used with -summary")
    if options.help or options.version:
        return
    if options.written_file is not None and options.is_remote:
        raise UsageError("-writeconfig is for the configuration of this host")
    if options.pool is not None and options.name is None and options.address is None:
        raise UsageError("you must specify -name with -pool")
    nothing = not options.words
    if nothing and (
        options.sources
        or options.summary
        or options.dump
        or options.written_file is not None
    ):
        return
    if nothing and not (options.stats and options.is_remote):
        raise UsageError("nothing to show")
