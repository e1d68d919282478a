"""Pid files: who runs, for whoever wants to stop it.

Layout: the process id in decimal, and a newline.

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: drop_pid_file, clean_files,
do_kill``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from condor_twisted.daemoncore.ports.address_file import replace_file
from condor_twisted.errors import ConfigError

__all__ = ["PidFile", "read_pid_file", "stop_process"]

_log = Logger()

_MAX_BYTES: Final = 64
_POLL_SECONDS: Final = 0.2


class PidFile:
    """The pid file of a running daemon, one of its facilities.

    Args:
        path: Where it is.
        process_id: Ours.
    """

    def __init__(self, path: str, process_id: int) -> None:
        self.path = path
        self._process_id = process_id

    def write(self) -> None:
        """Write it, whatever an old one said.

        Raises:
            OSError: It cannot be written.
        """
        replace_file(self.path, f"{self._process_id}\n".encode("ascii"))

    def begin(self) -> None:
        """It was written before anything else; see that it is still there."""
        self.renew()

    def renew(self) -> None:
        """Write it again where it is gone or somebody else's."""
        try:
            if read_pid_file(self.path) == self._process_id:
                return
        except ConfigError:
            pass
        try:
            self.write()
        except OSError as error:
            _log.error(
                "The pid file {path} cannot be written: {error}",
                path=self.path,
                error=error.strerror,
            )

    def end(self) -> None:
        """Remove it, if it is still ours."""
        with contextlib.suppress(ConfigError, OSError):
            if read_pid_file(self.path) == self._process_id:
                os.unlink(self.path)


def read_pid_file(path: str) -> int:
    """The process id in a pid file.

    Raises:
        ConfigError: There is none; the error says what is there.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(_MAX_BYTES).strip()
    except OSError as error:
        raise ConfigError(f"cannot read the pid file {path}: {error.strerror}") from (
            error
        )
    if not text.isdigit() or len(text) > 10 or int(text) <= 1:
        raise ConfigError(f"the pid file {path} holds no process id")
    return int(text)


def stop_process(
    process_id: int,
    *,
    kill: Callable[[int, int], None] = os.kill,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Ask a process to stop gracefully, and wait until it is gone.

    Args:
        process_id: Which.
        kill: Sends a signal.
        sleep: Waits.

    Raises:
        ConfigError: There is no such process, or it is not ours to stop.
    """
    try:
        kill(process_id, signal.SIGTERM)
    except OSError as error:
        why = "there is none" if error.errno == errno.ESRCH else error.strerror
        raise ConfigError(
            f"cannot stop the process with pid {process_id}: {why}"
        ) from (error)
    while True:
        try:
            kill(process_id, 0)
        except OSError:
            return
        sleep(_POLL_SECONDS)
