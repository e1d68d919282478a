"""Where a process logs that is run by its DaemonCore command line.

Source: ``src/condor_utils/dprintf_config.cpp: dprintf_config, dprintf_set_tool_debug``;
``src/condor_daemon_core.V6/daemon_core_main.cpp: handle_log_append``.
"""

from __future__ import annotations

from typing import Final

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.logs.files import RotatingLog, StreamLog
from condor_twisted.daemoncore.logs.lines import CondorLogObserver, DebugFlags
from condor_twisted.daemoncore.logs.setup import log_path, open_log
from condor_twisted.daemoncore.program.command_line import CommandLine
from condor_twisted.errors import ConfigError

__all__ = ["TerminalLog", "log_assignments", "open_process_logs"]

_STANDARD_ERROR: Final = 2


class TerminalLog(StreamLog):
    """Standard error in place of a log file."""

    def __init__(self, descriptor: int = _STANDARD_ERROR) -> None:
        super().__init__(descriptor)


def log_assignments(
    settings: Settings, line: CommandLine
) -> tuple[tuple[str, str], ...]:
    """What the command line says about the log's place, as knobs.

    Args:
        settings: Read with ``LOG`` as the command line has it.
        line: The command line.
    """
    path = log_path(settings)
    if line.log_suffix is None or path is None:
        return ()
    knob = f"{settings.subsystem}_LOG"
    if settings.local_name is not None:
        knob = f"{settings.local_name}.{knob}"
    return ((knob, f"{path}.{line.log_suffix}"),)


def open_process_logs(settings: Settings, line: CommandLine) -> list[CondorLogObserver]:
    """Open the logs; the first one is the daemon's own.

    Where no place is configured, the log goes to standard error.

    Raises:
        ConfigError: A log cannot be opened.
    """
    flags = DebugFlags.from_settings(settings)
    observer: CondorLogObserver | None = None
    if not line.log_to_terminal and not line.without_log:
        observer = open_log(settings)
    if observer is None and not line.without_log:
        observer = CondorLogObserver(TerminalLog(), flags)
    found = [] if observer is None else [observer]
    if line.second_log is not None:
        found.append(_open_second(settings, line.second_log, flags))
    return found


def _open_second(settings: Settings, text: str, flags: DebugFlags) -> CondorLogObserver:
    """``[flags,]file``: the flags end at the last comma."""
    words, comma, path = settings.expand(text).rpartition(",")
    log = RotatingLog(path.strip())
    try:
        log.open()
    except OSError as error:
        raise ConfigError(f"cannot open the log {path}: {error.strerror}") from error
    return CondorLogObserver(log, DebugFlags.parse(words) if comma else flags)
