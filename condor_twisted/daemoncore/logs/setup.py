"""The logs that a daemon's configuration asks for.

``SUBSYS_LOG`` is the main one, ``SUBSYS_CATEGORY_LOG`` one more for a single category;
each with its limit, its old files and perhaps a lock. ``SUBSYS_LOG_FORMAT = JSON``
writes objects instead of HTCondor's lines.

Source: ``src/condor_utils/dprintf_config.cpp: dprintf_config``.
"""

from __future__ import annotations

import os
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall

from condor_twisted.config.settings import Settings
from condor_twisted.config.values import read_log_limit
from condor_twisted.daemoncore.logs.files import (
    LogSink,
    RotatingLog,
    StreamLog,
    SystemLog,
)
from condor_twisted.daemoncore.logs.lines import (
    CATEGORIES,
    CondorLogObserver,
    DebugFlags,
)
from condor_twisted.errors import ConfigError

__all__ = ["LogCare", "has_log_directory", "log_path", "open_log", "reopen_logs"]

_STREAMS: Final = {"1>": 1, "2>": 2}
_TIME_FORMAT: Final = "%m/%d/%y %H:%M:%S"
_SHORTEST_TOUCH_SECONDS: Final = 1


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
    """The logs that the settings ask for, opened; ``None`` for none.

    Raises:
        ConfigError: One cannot be opened, or its limit makes no sense.
    """
    path = log_path(settings)
    if path is None:
        return None
    main = _sink(settings, settings.subsystem, path, begins=True)
    touched = _last_touched(main)
    observer = CondorLogObserver(
        main,
        DebugFlags.from_settings(settings),
        secondaries=_secondaries(settings, begins=True),
    )
    observer.last_touched_unix = touched
    _apply_format(observer, settings)
    for sink in observer.sinks():
        _open(sink)
    return observer


def reopen_logs(observer: CondorLogObserver, settings: Settings) -> None:
    """Follow a changed configuration: other files, limits and formats.

    What cannot be opened is left as a log that drops its lines and tries again.

    Raises:
        ConfigError: A limit makes no sense; everything stays as it was.
    """
    path = log_path(settings)
    if path is None:
        return
    main = _sink(settings, settings.subsystem, path, begins=False)
    if isinstance(observer.log, StreamLog):
        main = observer.log  # the command line may have said so
    secondaries = _secondaries(settings, begins=False)
    for sink in observer.sinks():
        sink.close()
    observer.log, observer.secondaries = main, secondaries
    _apply_format(observer, settings)


class LogCare:
    """Touches the logs of a daemon every TOUCH_LOG_INTERVAL seconds.

    Args:
        observer: The logs.
        reactor: For the time.
    """

    def __init__(self, observer: CondorLogObserver, reactor: Any) -> None:
        self._observer = observer
        self._reactor = reactor
        self._seconds = 0
        self._call: IDelayedCall | None = None

    def start(self, settings: Settings) -> None:
        """Begin, or go on with another interval."""
        self.stop()
        seconds = settings.integer("TOUCH_LOG_INTERVAL", 60)
        self._seconds = max(seconds, _SHORTEST_TOUCH_SECONDS)
        self._call = self._reactor.callLater(self._seconds, self._touch)

    def stop(self) -> None:
        """End it."""
        call, self._call = self._call, None
        if call is not None and call.active():
            call.cancel()

    def _touch(self) -> None:
        self._call = self._reactor.callLater(self._seconds, self._touch)
        for sink in self._observer.sinks():
            sink.touch()


def _apply_format(observer: CondorLogObserver, settings: Settings) -> None:
    time_format = settings.text("DEBUG_TIME_FORMAT", _TIME_FORMAT).strip('"')
    observer.time_format = time_format
    if settings.boolean("LOGS_USE_TIMESTAMP", False):
        observer.time_format = "%s"
    shape = settings.text(f"{settings.subsystem}_LOG_FORMAT", "")
    if shape.upper() not in ("", "JSON", "TEXT"):
        raise ConfigError(
            f"{settings.subsystem}_LOG_FORMAT = {shape}: it is JSON or TEXT"
        )
    observer.as_json = shape.upper() == "JSON"


def _secondaries(settings: Settings, *, begins: bool) -> dict[str, LogSink]:
    """The logs of single categories, by category."""
    found: dict[str, LogSink] = {}
    for category in CATEGORIES:
        name = f"{settings.subsystem}_{category.removeprefix('D_')}"
        path = settings.text(f"{name}_LOG")
        if path is not None:
            found[category] = _sink(settings, name, path, begins=begins)
    return found


def _sink(settings: Settings, name: str, path: str, *, begins: bool) -> LogSink:
    """One log, not yet opened.

    Args:
        settings: The configuration.
        name: What its knobs are called after.
        path: Where it is.
        begins: Whether the process starts, and not only reads its configuration.
    """
    subsystem = settings.subsystem
    if path.upper() == "SYSLOG" or settings.boolean("LOG_TO_SYSLOG", False):
        return SystemLog(f"condor_{subsystem.lower()}")
    if path in _STREAMS:
        return StreamLog(_STREAMS[path])
    limit = settings.text(f"MAX_{name}_LOG")
    if limit is None:
        limit = settings.text("MAX_DEFAULT_LOG", "10 Mb")
    read = read_log_limit(limit, settings.surroundings.evaluate)
    if read is None:
        raise ConfigError(f"MAX_{name}_LOG = {limit} is neither a size nor a time")
    amount, is_seconds = read
    return RotatingLog(
        path,
        0 if is_seconds else amount,
        settings.integer(f"MAX_NUM_{name}_LOG", 1),
        amount if is_seconds else 0,
        lock_path=settings.text(f"{subsystem}_LOCK"),
        locks_always=settings.boolean("LOCK_DEBUG_LOG_TO_APPEND", False),
        truncates=begins and settings.boolean(f"TRUNC_{name}_LOG_ON_OPEN", False),
    )


def _last_touched(sink: LogSink) -> float | None:
    """When a log was changed last; ``None`` where there is none yet."""
    if not isinstance(sink, RotatingLog):
        return None
    try:
        status = os.stat(sink.path)
    except OSError:
        return None
    return max(status.st_mtime, status.st_ctime)


def _open(sink: LogSink) -> None:
    path = getattr(sink, "path", "")
    try:
        os.makedirs(os.path.dirname(path) or ".", mode=0o755, exist_ok=True)
        sink.open()
    except OSError as error:
        raise ConfigError(f"cannot open the log {path}: {error.strerror}") from error
