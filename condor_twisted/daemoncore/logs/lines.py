"""HTCondor's logs: categories and line format.

Code logs with ``twisted.logger`` and may name a category
(``log.debug("...", category="D_COMMAND")``); a `CondorLogObserver` writes what a
daemon's ``<SUBSYS>_DEBUG`` wants into its ``<SUBSYS>_LOG``.

An event costs more than a small command, so code that may log for each of them asks
`DebugFlags.wants` once and keeps the answer.

Source: ``src/condor_utils/dprintf.cpp``, ``dprintf_config.cpp``.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    eventAsText,
)
from zope.interface import implementer

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.logs.files import LogSink

__all__ = [
    "CATEGORIES",
    "CondorLogObserver",
    "DebugFlags",
]

CATEGORIES: Final = (
    *("D_ALWAYS", "D_ERROR", "D_STATUS", "D_ZKM", "D_JOB", "D_MACHINE", "D_CONFIG"),
    *("D_PROTOCOL", "D_PRIV", "D_DAEMONCORE", "D_FULLDEBUG", "D_SECURITY"),
    *("D_COMMAND", "D_MATCH", "D_NETWORK", "D_KEYBOARD", "D_PROCFAMILY", "D_IDLE"),
    *("D_THREADS", "D_ACCOUNTANT", "D_SYSCALLS", "D_CRON", "D_HOSTNAME"),
    *("D_PERF_TRACE", "D_LOAD", "D_25", "D_26", "D_AUDIT", "D_TEST", "D_STATS"),
    *("D_MATERIALIZE", "D_DYE"),
)
_HEADERS: Final = {
    **{name: name for name in ("D_PID", "D_FDS", "D_SUB_SECOND", "D_TIMESTAMP")},
    **dict.fromkeys(("D_CAT", "D_CATEGORY", "D_LEVEL"), "D_CAT"),
    **{name: name for name in ("D_IDENT", "D_BACKTRACE", "D_NOHEADER")},
}
_FLAG = re.compile(r"([-+]?)([A-Za-z_0-9]+?)(?::([0-9]))?\Z")
_ALWAYS_ON: Final = ("D_ALWAYS", "D_ERROR", "D_STATUS")
#: Longer lines are cut.
LINE_LIMIT_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class DebugFlags:
    """Which categories are logged, how much of each, and what stands in front.

    Args:
        levels: 1 or 2 (verbose) by category.
        headers: Header flags that are on.
    """

    levels: dict[str, int]
    headers: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, *texts: str | None) -> DebugFlags:
        """Read debug flags: ``D_COMMAND D_SECURITY:2, -D_PID``; later texts add.

        Unknown names are ignored.
        """
        levels = dict.fromkeys(_ALWAYS_ON, 1)
        headers: set[str] = set()
        for text in texts:
            for word in re.split(r"[\s,|]+", text or ""):
                match = _FLAG.match(word)
                if match is None:
                    continue
                sign, name, digit = match.groups()
                name = name.upper()
                if not name.startswith("D_"):
                    name = f"D_{name}"
                level = 0 if sign == "-" else int(digit or 1)
                _apply(levels, headers, name, level)
        return cls(levels, frozenset(headers))

    @classmethod
    def from_settings(cls, settings: Settings) -> DebugFlags:
        """The flags of a daemon: ALL_DEBUG, then its own or the default ones."""
        own = settings.text(f"{settings.subsystem}_DEBUG")
        if own is None:
            own = settings.text("DEFAULT_DEBUG")
        return cls.parse(settings.text("ALL_DEBUG"), own)

    def describe(self) -> str:
        """The flags as a daemon tells them when it starts."""
        shown = [
            f"{name}:2" if level > 1 else name
            for name in CATEGORIES
            if (level := self.levels.get(name, 0))
        ]
        return " ".join([*shown, *sorted(self.headers)])

    def wants(self, category: str, verbose: bool = False) -> bool:
        """Whether lines of a category are logged."""
        if category == "D_FULLDEBUG":
            category, verbose = "D_ALWAYS", True
        return self.levels.get(category, 0) > int(verbose)


def _apply(levels: dict[str, int], headers: set[str], name: str, level: int) -> None:
    if name in ("D_ALL", "D_ANY"):
        for category in CATEGORIES:
            _apply(levels, headers, category, level)
        if name == "D_ALL":
            for header in ("D_PID", "D_FDS", "D_CAT"):
                _apply(levels, headers, header, level)
    elif name in _HEADERS:
        (headers.add if level else headers.discard)(_HEADERS[name])
    elif name == "D_FAILURE":
        _apply(levels, headers, "D_ERROR", level)
    elif name == "D_FULLDEBUG":
        levels["D_ALWAYS"] = 2 if level else 1
    elif name in CATEGORIES:
        kept = min(levels.get(name, 0), 1)  # what is on stays on, but not verbose
        levels[name] = max(kept, min(level, 2))


#: Categories of events that name none, by level.
_BY_LEVEL: Final = {
    LogLevel.debug: ("D_ALWAYS", True),
    LogLevel.info: ("D_ALWAYS", False),
    LogLevel.warn: ("D_ALWAYS", False),
    LogLevel.error: ("D_ERROR", False),
    LogLevel.critical: ("D_ERROR", False),
}


@implementer(ILogObserver)
class CondorLogObserver:
    """Writes events as HTCondor writes log lines.

    Args:
        log: Where the lines go.
        flags: What is written, and what stands in front.
        time_format: A ``strftime`` format.
        process_id: Ours.
        secondaries: Further logs, each for the category that is its name.
        as_json: Write one JSON object a line: ``time`` (ISO 8601 with the zone),
            ``category``, ``verbose``, ``pid`` and ``text``.

    Attributes:
        written_count: How many events were written.
    """

    def __init__(
        self,
        log: LogSink,
        flags: DebugFlags,
        time_format: str = "%m/%d/%y %H:%M:%S",
        process_id: int | None = None,
        *,
        secondaries: Mapping[str, LogSink] | None = None,
        as_json: bool = False,
    ) -> None:
        self.log = log
        self.flags = flags
        self.secondaries: Mapping[str, LogSink] = secondaries or {}
        self.time_format = time_format
        self.as_json = as_json
        self.written_count = 0
        #: When the log was last changed before we opened it, in Unix time.
        self.last_touched_unix: float | None = None
        self._process_id = os.getpid() if process_id is None else process_id
        self._second = 0
        self._second_text = ""

    def __call__(self, event: LogEvent) -> None:
        """Write one event, if its category is wanted."""
        level = event.get("log_level", LogLevel.info)
        category, verbose = _BY_LEVEL.get(level, ("D_ALWAYS", False))
        named = event.get("category")
        if named is not None and level not in (LogLevel.error, LogLevel.critical):
            category, verbose = named, event.get("verbose", False)
        wanted = self.flags.wants(category, verbose)
        secondary = self.secondaries.get(category) if self.secondaries else None
        if not wanted and (secondary is None or verbose):
            return
        self.written_count += 1
        text = eventAsText(event, includeTimestamp=False, includeSystem=False)
        when = event.get("log_time")
        if secondary is not None:
            secondary.write(
                self._record(text, category, verbose, when), self._plain_header
            )
        if wanted:
            self.write(text, category, verbose, when)

    def sinks(self) -> list[LogSink]:
        """Every log there is."""
        return [self.log, *self.secondaries.values()]

    def write(
        self,
        text: str,
        category: str = "D_ALWAYS",
        verbose: bool = False,
        when: float | None = None,
    ) -> None:
        """Write text; each line of it gets a header."""
        self.log.write(self._record(text, category, verbose, when), self._plain_header)

    def _record(
        self, text: str, category: str, verbose: bool, when: float | None
    ) -> bytes:
        """A text as it is written."""
        when = time.time() if when is None else when
        if self.as_json:
            return self._json(text, category, verbose, when)
        header = self._header(category, verbose, when)
        lines = text.rstrip("\n").split("\n")
        data = "".join(f"{header}{line}\n" for line in lines)
        encoded = data.encode("utf-8", "backslashreplace")
        if len(encoded) > LINE_LIMIT_BYTES:
            encoded = encoded[:LINE_LIMIT_BYTES] + b"...\n"
        return encoded

    def _json(self, text: str, category: str, verbose: bool, when: float) -> bytes:
        zone = time.strftime("%z", time.localtime(when))
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(when))
        record = {
            "time": f"{moment}.{int(when % 1 * 1000):03d}{zone}",
            "category": category,
            "verbose": verbose,
            "pid": self._process_id,
            "text": text.rstrip("\n")[:LINE_LIMIT_BYTES],
        }
        return json.dumps(record, ensure_ascii=True).encode() + b"\n"

    def _plain_header(self) -> str:
        return "" if self.as_json else self._header("D_ALWAYS", False, time.time())

    def _header(self, category: str, verbose: bool, when: float) -> str:
        headers = self.flags.headers
        second = int(when)
        if second != self._second:
            self._second = second
            self._second_text = (
                str(second)
                if "D_TIMESTAMP" in headers
                else time.strftime(self.time_format, time.localtime(second))
            )
        text = self._second_text
        if headers:
            if "D_SUB_SECOND" in headers:
                text += f".{int((when - second) * 1000):03d}"
            if "D_FDS" in headers:
                text += f" (fd:{self.log.descriptor})"
            if "D_PID" in headers:
                text += f" (pid:{self._process_id})"
            if "D_CAT" in headers:
                shown = "D_ALWAYS" if category == "D_STATUS" else category
                text += f" ({shown}{':2' if verbose else ''})"
        return text + " "
