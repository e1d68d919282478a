"""``DC_FETCH_LOG`` and ``DC_PURGE_LOG``: a daemon's logs and histories from afar.

The name of a log is a subsystem, with an extension of the file or without one:
``STARTER.slot1`` is the file of ``STARTER_LOG`` with ``.slot1`` behind it. Nothing but
plain files is ever sent, and no log from outside of ``LOG``.

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: handle_fetch_log,
handle_fetch_log_history, handle_fetch_log_history_dir,
handle_fetch_log_history_purge``.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from condor_twisted.errors import ConfigError
from condor_twisted.protocols.files import FileSender
from condor_twisted.protocols.log_text import escaped
from condor_twisted.protocols.requests import CommandRequest

if TYPE_CHECKING:
    from condor_twisted.daemoncore.daemon import Daemon

__all__ = ["LogCommands", "open_log_file"]

_log = Logger()

# The kinds of DC_FETCH_LOG.
PLAIN: Final = 0
HISTORY: Final = 1
HISTORY_DIRECTORY: Final = 2
# What it answers.
SUCCESS: Final = 0
NO_NAME: Final = 1
CANNOT_OPEN: Final = 2
BAD_KIND: Final = 3

_NAME = re.compile(r"([A-Za-z0-9_-]{1,128})((?:\.[A-Za-z0-9_-]+)*)\Z")
_MAX_NAME: Final = 256
_JOB_HISTORIES: Final = "STARTD.PER_JOB_HISTORY_DIR"
_ROTATED = re.compile(r"\.(?:old|[0-9]{8}T[0-9]{6})\Z")


def open_log_file(path: str, directory: str | None = None) -> tuple[int, int]:
    """Open a plain file for reading.

    Args:
        path: Where it is.
        directory: What it has to lie in, once links are followed; anywhere if ``None``.

    Returns:
        The descriptor and the file's size.

    Raises:
        OSError: It is not there, not plain, or not in the directory.
    """
    real = os.path.realpath(path)
    if directory is not None:
        base = os.path.realpath(directory)
        if os.path.commonpath([base, real]) != base:
            raise PermissionError(f"{path} is not in {directory}")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(real, flags)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise PermissionError(f"{path} is no plain file")
    return descriptor, status.st_size


@contextlib.contextmanager
def _opened(path: str, directory: str | None = None) -> Iterator[tuple[int, int]]:
    descriptor, size = open_log_file(path, directory)
    try:
        yield descriptor, size
    finally:
        os.close(descriptor)


class LogCommands:
    """The commands of one daemon.

    Args:
        daemon: Whose logs these are.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    async def fetch_log(self, request: CommandRequest) -> None:
        """Send a log, a history, or a directory of histories."""
        reader = request.reader()
        kind = reader.get_int()
        name = reader.get_string()
        reader.end_of_message()
        sender = request.file_sender()
        if kind == PLAIN:
            await self._plain(sender, name)
        elif kind == HISTORY:
            await self._history(sender, name)
        elif kind == HISTORY_DIRECTORY:
            await self._history_directory(sender)
        else:
            sender.put_int(BAD_KIND)
        sender.finish()

    async def _plain(self, sender: FileSender, name: str) -> None:
        path = self._log_path(name)
        if path is None:
            _log.warn(
                "A log named {name} was asked for; there is none",
                name=escaped(name[:_MAX_NAME]),
            )
            sender.put_int(NO_NAME)
            return
        try:
            directory = self._daemon.settings.text("LOG")
            with _opened(path, directory) as (descriptor, size):
                sender.put_int(SUCCESS)
                await sender.send(size, partial(os.read, descriptor))
        except OSError as error:
            _log.warn("{path} cannot be sent: {error}", path=path, error=str(error))
            sender.put_int(CANNOT_OPEN)

    def _log_path(self, name: str) -> str | None:
        """The file that a name means; ``None`` if it means nothing."""
        match = _NAME.match(name) if len(name) <= _MAX_NAME else None
        if match is None:
            return None
        try:
            path = self._daemon.settings.text(f"{match[1]}_LOG")
        except ConfigError:
            return None
        return None if path is None else path + match[2]

    async def _history(self, sender: FileSender, name: str) -> None:
        knob = "STARTD_HISTORY" if name == "STARTD_HISTORY" else "HISTORY"
        path = self._daemon.settings.text(knob)
        if path is None:
            sender.put_int(BAD_KIND)
            return
        sender.put_int(SUCCESS)
        for each in _history_files(path):
            with contextlib.suppress(OSError), _opened(each) as (descriptor, size):
                await sender.send(size, partial(os.read, descriptor))

    async def _history_directory(self, sender: FileSender) -> None:
        directory = self._daemon.settings.text(_JOB_HISTORIES)
        if directory is None:
            sender.put_int(BAD_KIND)
            return
        for name in sorted(_names_in(directory)):
            path = os.path.join(directory, name)
            with (
                contextlib.suppress(OSError),
                _opened(path, directory) as (descriptor, size),
            ):
                sender.put_int(1)
                sender.put_string(name)
                await sender.send(size, partial(os.read, descriptor))
        sender.put_int(0)

    def purge_log(self, request: CommandRequest) -> None:
        """Remove the histories of single jobs that are older than a time."""
        reader = request.reader()
        cutoff_unix = reader.get_int()
        reader.end_of_message()
        directory = self._daemon.settings.text(_JOB_HISTORIES)
        if directory is not None:
            removed = _purge(directory, cutoff_unix)
            _log.info(
                "{count} files older than {cutoff} were removed from {directory}",
                count=removed,
                cutoff=cutoff_unix,
                directory=directory,
            )
        writer = request.writer()
        writer.put_int(0 if directory is None else 1)
        request.reply(writer.end_of_message())


def _names_in(directory: str) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listdir(directory)
    return []


def _history_files(path: str) -> list[str]:
    """A history and its rotated files, the oldest first."""
    directory, name = os.path.split(path)
    older = [
        each
        for each in _names_in(directory or ".")
        if each.startswith(name) and _ROTATED.fullmatch(each[len(name) :])
    ]
    # ".old" is older than any date: it is what is left of the time before them.
    older.sort(key=lambda each: (not each.endswith(".old"), each))
    return [*(os.path.join(directory, each) for each in older), path]


def _purge(directory: str, cutoff_unix: int) -> int:
    """Remove plain files last changed before a time; how many there were."""
    removed = 0
    for name in _names_in(directory):
        path = os.path.join(directory, name)
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) and status.st_mtime < cutoff_unix:
                os.unlink(path)
                removed += 1
    return removed
