"""A daemon as a program: DaemonCore's command line, signals and exit status.

A console script is two lines::

    def main() -> None:
        run_daemon(Greeter)

Exit statuses: 0 after a shutdown, 1 where the start failed, 44 where the log cannot be
opened, 99 where the daemon asks not to be started again (`Daemon.stay_down`).

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: dc_main``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, NoReturn

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger, globalLogBeginner

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.configuration.dynamic_directories import (
    make_dynamic_directories,
)
from condor_twisted.daemoncore.configuration.reading import (
    Configuration,
    ConfigurationRequest,
    read_configuration,
)
from condor_twisted.daemoncore.configuration.remote import RemoteConfiguration
from condor_twisted.daemoncore.daemon import Daemon
from condor_twisted.daemoncore.logs.lines import CondorLogObserver
from condor_twisted.daemoncore.logs.process import log_assignments, open_process_logs
from condor_twisted.daemoncore.logs.setup import has_log_directory
from condor_twisted.daemoncore.program.background import Background, go_to_background
from condor_twisted.daemoncore.program.command_line import (
    CommandLine,
    CommandLineError,
    parse_command_line,
    take_no_options,
)
from condor_twisted.daemoncore.program.pid_file import (
    PidFile,
    read_pid_file,
    stop_process,
)
from condor_twisted.daemoncore.program.systemd import find_systemd
from condor_twisted.errors import ConfigError
from condor_twisted.wire.versions import ANNOUNCED_PLATFORM, ANNOUNCED_VERSION

__all__ = ["RunLimit", "configuration_request", "run_daemon", "take_no_options"]

_log = Logger()

FAILED_STATUS: Final = 1
#: The log could not be written.
NO_LOG_STATUS: Final = 44
_UMASK: Final = 0o022
_HELD_BACK: Final = ("SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2")


class RunLimit:
    """Stops a daemon gracefully after some time (``-runfor``).

    Args:
        daemon: Which.
        seconds: After how long.
    """

    def __init__(self, daemon: Daemon, seconds: float) -> None:
        self._daemon = daemon
        self._seconds = seconds
        self._timer: IDelayedCall | None = None

    def begin(self) -> None:
        """The time begins."""
        self._timer = self._daemon.reactor.callLater(
            self._seconds, self._daemon.stop_gracefully
        )

    def renew(self) -> None:
        """The time goes on."""

    def end(self) -> None:
        """It is over anyhow."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


def run_daemon(
    daemon: type[Daemon],
    arguments: Sequence[str] | None = None,
    take_options: Callable[[Sequence[str]], dict[str, Any]] = take_no_options,
) -> NoReturn:
    """Run a daemon until it is stopped, then end the process.

    Args:
        daemon: The daemon's class.
        arguments: The command line with the program's name; the process's own by
            default.
        take_options: Makes arguments for the class of what is left of the command
            line; it raises `CommandLineError` for what makes no sense.

    Raises:
        SystemExit: With the exit status.
    """
    _hold_signals_back()
    given = list(sys.argv if arguments is None else arguments)
    daemon.before_initialization(given)
    try:
        line = parse_command_line(given[1:])
        more = {} if line.wants_version else take_options(line.rest)
    except CommandLineError as error:
        _fail(f"DaemonCore: ERROR: {error}")
    if line.wants_version:
        print(ANNOUNCED_VERSION, ANNOUNCED_PLATFORM, sep="\n")
        raise SystemExit(0)
    os.umask(_UMASK)
    background = Background()
    try:
        status = _Process(daemon, line, background).run(more)
    except ConfigError as error:
        background.release(FAILED_STATUS)
        _fail(f"ERROR: {' '.join(str(error).split())}")
    sys.stdout.flush()
    raise SystemExit(status)


def configuration_request(subsystem: str, line: CommandLine) -> ConfigurationRequest:
    """How a configuration is read for a command line.

    A master calls every daemon that HTCondor does not know by its own name
    (``-local-name SKELETON``). Such a daemon has the knobs of its subsystem, and
    none that have the same name once more in front.
    """
    local_name = line.local_name
    if local_name is not None and local_name.upper() == subsystem:
        local_name = None
    assignments: list[tuple[str, str]] = []
    if line.log_directory is not None:
        assignments.append(("LOG", os.path.abspath(line.log_directory)))
    file = line.config_file
    if file is not None and "|" not in file and file.lower() != "only_env":
        file = os.path.abspath(file)
    return ConfigurationRequest(subsystem, local_name, file, tuple(assignments))


class _Process:
    """The one daemon of this process."""

    def __init__(
        self, daemon: type[Daemon], line: CommandLine, background: Background
    ) -> None:
        self._daemon = daemon
        self._line = line
        self._background = background
        self._request = configuration_request(daemon.subsystem, line)
        self._remote = RemoteConfiguration(daemon.subsystem)

    def _read(self) -> Configuration:
        return read_configuration(self._request, self._remote)

    def run(self, more: dict[str, Any]) -> int:
        """Start, serve, and stop; the exit status."""
        line = self._line
        if self._request.file is not None:
            os.environ["CONDOR_CONFIG"] = self._request.file
        configuration = self._read()
        if line.kill_file is not None:
            self._stop_other(configuration.settings, line.kill_file)
            return 0
        if line.foreground is False:
            self._background = go_to_background()
        configuration = self._settle_places(configuration)
        observers = self._open_logs(configuration.settings)
        _go_to_log_directory(configuration.settings)
        globalLogBeginner.beginLoggingTo(
            observers, redirectStandardIO=not line.log_to_terminal
        )
        if not line.quiet:
            for warning in configuration.warnings:
                _log.warn("{warning}", warning=warning)
        try:
            made = self._make(configuration.settings, observers, more)
            return self._serve(made)
        except (ConfigError, CannotListenError, OSError) as error:
            _log.error("The daemon cannot start: {error}", error=str(error))
            raise ConfigError(str(error)) from error

    def _stop_other(self, settings: Settings, path: str) -> None:
        """``-k``: relative names are in the log's directory."""
        stop_process(read_pid_file(os.path.join(settings.text("LOG", ""), path)))

    def _settle_places(self, configuration: Configuration) -> Configuration:
        """Where the log and, with ``-dynamic``, other directories are."""
        line, settings = self._line, configuration.settings
        if line.dynamic_directories and make_dynamic_directories(
            settings, os.getpid(), os.environ
        ):
            configuration = self._read()
            settings = configuration.settings
        named = log_assignments(settings, line)
        if named:
            assignments = (*self._request.assignments, *named)
            self._request = replace(self._request, assignments=assignments)
            configuration = self._read()
        return configuration

    def _open_logs(self, settings: Settings) -> list[CondorLogObserver]:
        try:
            return open_process_logs(settings, self._line)
        except ConfigError as error:
            self._background.release(NO_LOG_STATUS)
            _fail(f"ERROR: {error}", NO_LOG_STATUS)

    def _make(
        self,
        settings: Settings,
        observers: list[CondorLogObserver],
        more: dict[str, Any],
    ) -> Daemon:
        from twisted.internet import reactor

        line = self._line
        made = self._daemon(
            settings,
            reactor,
            load_settings=lambda: self._read().settings,
            port=line.port,
            remote_configuration=self._remote,
            **more,
        )
        made.log_observer = observers[0] if observers else None
        made.endpoint_name = line.endpoint_name
        made.own_process()
        if line.pid_file is not None:
            pid_file = PidFile(line.pid_file, os.getpid())
            try:
                pid_file.write()
            except OSError as error:
                raise ConfigError(
                    f"cannot write the pid file {line.pid_file}: {error.strerror}"
                ) from error
            made.facilities.insert(0, pid_file)
        if line.run_minutes is not None:
            made.facilities.append(RunLimit(made, line.run_minutes * 60))
        systemd = find_systemd(os.environ, reactor, "Serving commands")
        if systemd is not None and made.inherited is None:
            made.facilities.append(systemd)
        return made

    def _serve(self, made: Daemon) -> int:
        reactor = made.reactor
        try:
            made.privilegedStartService()
            made.startService()
        except BaseException:
            for each in made.facilities:
                each.end()
            raise
        self._background.release()
        reactor.addSystemEventTrigger("before", "shutdown", _stopped(made))
        reactor.run()
        return made.exit_status


def _go_to_log_directory(settings: Settings) -> None:
    """Work where the log is, as every daemon does; stay where there is none."""
    directory = settings.text("LOG")
    if directory and has_log_directory(settings):
        sys.argv[0] = os.path.abspath(sys.argv[0])  # the banner says where we are
        with contextlib.suppress(OSError):
            os.chdir(directory)


def _stopped(made: Daemon) -> Any:
    return lambda: made.stopService() if made.running else None


def _hold_signals_back() -> None:
    """Have signals wait until the daemon can take them.

    A DaemonCore parent starts us with all of them blocked; the daemon unblocks them
    when its handlers are there.
    """
    if hasattr(signal, "pthread_sigmask"):
        numbers = {getattr(signal, name) for name in _HELD_BACK}
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)


def _fail(text: str, status: int = FAILED_STATUS) -> NoReturn:
    """End the process with one line on standard error."""
    out = sys.__stderr__
    if out is not None:
        out.write(f"{os.path.basename(sys.argv[0])}: {text}\n")
        out.flush()
    raise SystemExit(status)
