"""HTCondor's logs: categories, line format, rotation.

Code logs with ``twisted.logger`` and may name a category
(``log.debug("...", category="D_COMMAND")``); a `CondorLogObserver` writes what a
daemon's ``<SUBSYS>_DEBUG`` wants into its ``<SUBSYS>_LOG``.

An event costs more than a small command, so code that may log for each of them asks
`DebugFlags.wants` once and keeps the answer.

A log that cannot be written never stops a daemon: lines are dropped and counted, and
the file is tried again after a minute.

Source: ``src/condor_utils/dprintf.cpp``, ``dprintf_config.cpp``, ``log_rotate.cpp``.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable
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
from condor_twisted.config.values import read_log_limit
from condor_twisted.daemoncore.file_owner import NO_LINKS, give_to_directory_owner
from condor_twisted.errors import ConfigError

__all__ = [
    "CATEGORIES",
    "CondorLogObserver",
    "DebugFlags",
    "RotatingLog",
    "has_log_directory",
    "log_path",
    "open_log",
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
#: How long a log that cannot be written is left alone.
RETRY_SECONDS: Final = 60.0
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
    elif name == "D_FULLDEBUG":
        levels["D_ALWAYS"] = 2 if level else 1
    elif name in CATEGORIES:
        kept = min(levels.get(name, 0), 1)  # what is on stays on, but not verbose
        levels[name] = max(kept, min(level, 2))


class RotatingLog:
    """A log file that is renamed away when it gets too large.

    Args:
        path: The file.
        max_bytes: Its size limit; 0 for none.
        keep_count: How many old files stay.
        period_seconds: How long one file is used, where time and not size counts.
        seconds: The monotonic clock.
        unix_time: The wall clock, for names of old files and for periods.
    """

    def __init__(
        self,
        path: str,
        max_bytes: int = 10 * 1024 * 1024,
        keep_count: int = 1,
        period_seconds: int = 0,
        *,
        seconds: Callable[[], float] = time.monotonic,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.keep_count = keep_count
        self.period_seconds = period_seconds
        #: How many lines could not be written.
        self.dropped_count = 0
        self._seconds = seconds
        self._unix_time = unix_time
        self._handle: int | None = None
        self._size_bytes = 0
        self._period = 0
        self._retry_at = 0.0

    def open(self) -> None:
        """Open the file, as the first write would.

        Raises:
            OSError: It cannot be opened.
        """
        if self._handle is not None:
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            flags |= NO_LINKS
        self._handle = os.open(self.path, flags, 0o644)
        give_to_directory_owner(self._handle, self.path)
        status = os.fstat(self._handle)
        self._size_bytes = status.st_size
        if self.period_seconds:
            self._period = int(status.st_mtime) // self.period_seconds

    def close(self) -> None:
        """Close the file; a later write opens it again."""
        if self._handle is not None:
            with contextlib.suppress(OSError):
                os.close(self._handle)
            self._handle = None

    def write(self, data: bytes, header: Callable[[], str] = str) -> None:
        """Write one record, whole, after rotating if the file is full.

        Args:
            data: The record with its newline.
            header: What stands in front of the lines about the rotation.
        """
        if self._handle is None and self._seconds() < self._retry_at:
            self.dropped_count += 1
            return
        try:
            self.open()
            if self._is_full():
                self._rotate(header)
            assert self._handle is not None, "it was opened"
            if self.dropped_count:
                lost = f"{header()}{self.dropped_count} lines could not be logged\n"
                os.write(self._handle, lost.encode())
                self.dropped_count = 0
            self._size_bytes += os.write(self._handle, data)
        except OSError:
            self.dropped_count += 1
            self.close()
            self._retry_at = self._seconds() + RETRY_SECONDS

    def touch(self) -> None:
        """Change the file's time, so that others see that we live."""
        with contextlib.suppress(OSError):
            os.chmod(self.path, 0o644)

    def _is_full(self) -> bool:
        if self.period_seconds and self._size_bytes:
            return int(self._unix_time()) // self.period_seconds > self._period
        return bool(self.max_bytes) and self._size_bytes >= self.max_bytes

    def _rotate(self, header: Callable[[], str]) -> None:
        assert self._handle is not None, "an open file is rotated"
        if self.keep_count <= 1:
            old = f"{self.path}.old"
        else:
            stamp = time.strftime("%Y%m%dT%H%M%S", time.localtime(self._unix_time()))
            old = f"{self.path}.{stamp}"
        last = (
            f"{header()}MaxLog = {self.max_bytes} bytes, length = {self._size_bytes}\n"
            f'{header()}Saving log file to "{old}"\n'
        )
        os.write(self._handle, last.encode())
        os.replace(self.path, old)
        self.close()
        self.open()
        first = f"{header()}Now in new log file {self.path}\n".encode()
        self._size_bytes += os.write(self._handle, first)
        self._remove_old_ones()

    def _remove_old_ones(self) -> None:
        """Keep as many old files as wanted; the oldest stamped one is ``.old``."""
        directory, name = os.path.split(self.path)
        stamped = re.compile(re.escape(name) + r"\.[0-9]{8}T[0-9]{6}\Z")
        with contextlib.suppress(OSError):
            found = sorted(
                each for each in os.listdir(directory or ".") if stamped.match(each)
            )
            older = os.path.exists(f"{self.path}.old")
            while found and len(found) + older > max(self.keep_count, 1):
                os.replace(os.path.join(directory, found.pop(0)), f"{self.path}.old")
                older = True


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
        log: The file.
        flags: What is written, and what stands in front.
        time_format: A ``strftime`` format.
        process_id: Ours.
    """

    def __init__(
        self,
        log: RotatingLog,
        flags: DebugFlags,
        time_format: str = "%m/%d/%y %H:%M:%S",
        process_id: int | None = None,
    ) -> None:
        self.log = log
        self.flags = flags
        self._time_format = time_format
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
        if not self.flags.wants(category, verbose):
            return
        text = eventAsText(event, includeTimestamp=False, includeSystem=False)
        self.write(text, category, verbose, event.get("log_time"))

    def write(
        self,
        text: str,
        category: str = "D_ALWAYS",
        verbose: bool = False,
        when: float | None = None,
    ) -> None:
        """Write text; each line of it gets a header."""
        header = self._header(category, verbose, time.time() if when is None else when)
        lines = text.rstrip("\n").split("\n")
        data = "".join(f"{header}{line}\n" for line in lines)
        encoded = data.encode("utf-8", "backslashreplace")
        if len(encoded) > LINE_LIMIT_BYTES:
            encoded = encoded[:LINE_LIMIT_BYTES] + b"...\n"
        self.log.write(encoded, self._plain_header)

    def _plain_header(self) -> str:
        return self._header("D_ALWAYS", False, time.time())

    def _header(self, category: str, verbose: bool, when: float) -> str:
        headers = self.flags.headers
        second = int(when)
        if second != self._second:
            self._second = second
            self._second_text = (
                str(second)
                if "D_TIMESTAMP" in headers
                else time.strftime(self._time_format, time.localtime(second))
            )
        text = self._second_text
        if headers:
            if "D_SUB_SECOND" in headers:
                text += f".{int((when - second) * 1000):03d}"
            if "D_FDS" in headers:
                text += f" (fd:{self.log._handle or 0})"
            if "D_PID" in headers:
                text += f" (pid:{self._process_id})"
            if "D_CAT" in headers:
                shown = "D_ALWAYS" if category == "D_STATUS" else category
                text += f" ({shown}{':2' if verbose else ''})"
        return text + " "


def has_log_directory(settings: Settings) -> bool:
    """Whether somebody has configured where logs and address files are.

    Whoever writes what is compiled in anyhow (``LOG = $(LOCAL_DIR)/log``) has said
    nothing; then it counts whether LOCAL_DIR says something.
    """
    found = settings.find("LOG")
    if found is None or not found.value:
        return False
    if found.definition is not None:
        return True
    base = settings.find("LOCAL_DIR")
    return base is not None and base.definition is not None


def log_path(settings: Settings) -> str | None:
    """Where a daemon logs; ``None`` where nobody configured a place.

    Source: ``src/condor_utils/dprintf_config.cpp: dprintf_config``.
    """
    subsystem, local = settings.subsystem, settings.local_name
    name = f"{subsystem}_LOG" if local is None else f"{local}.{subsystem}_LOG"
    configured = has_log_directory(settings)
    found = settings.find(name)
    if found is not None and found.value:
        if found.definition is None and not configured:
            return None
        return settings.text(name)
    if not configured:
        return None
    words = (local or subsystem).split("_")
    stem = "".join(word[:1].upper() + word[1:].lower() for word in words)
    return os.path.join(settings.text("LOG", ""), f"{stem}Log")


def open_log(settings: Settings) -> CondorLogObserver | None:
    """The log that the settings ask for, opened; ``None`` for none.

    Raises:
        ConfigError: It cannot be opened, or its limit makes no sense.
    """
    path = log_path(settings)
    if path is None:
        return None
    subsystem = settings.subsystem
    limit = settings.text(f"MAX_{subsystem}_LOG")
    if limit is None:
        limit = settings.text("MAX_DEFAULT_LOG", "10 Mb")
    read = read_log_limit(limit, settings.surroundings.evaluate)
    if read is None:
        raise ConfigError(f"MAX_{subsystem}_LOG = {limit} is neither a size nor a time")
    amount, is_seconds = read
    keep = settings.integer(f"MAX_NUM_{subsystem}_LOG", 1)
    log = (
        RotatingLog(path, 0, keep, amount)
        if is_seconds
        else RotatingLog(path, amount, keep)
    )
    try:
        os.makedirs(os.path.dirname(path) or ".", mode=0o755, exist_ok=True)
        log.open()
    except OSError as error:
        raise ConfigError(f"cannot open the log {path}: {error.strerror}") from error
    time_format = settings.text("DEBUG_TIME_FORMAT", "%m/%d/%y %H:%M:%S").strip('"')
    return CondorLogObserver(log, DebugFlags.from_settings(settings), time_format)
