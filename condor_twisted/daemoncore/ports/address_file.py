"""Address files: where a daemon is, for whoever has no collector to ask.

Layout:
    Three lines: the sinful string, ``$CondorVersion: ... $``,
    ``$CondorPlatform: ... $``. Lines ``Attr = value`` may follow.

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: drop_addr_file,
clean_files``; ``src/condor_daemon_client/daemon.cpp: Daemon::readAddressFile``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from twisted.logger import Logger

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.logs.setup import has_log_directory
from condor_twisted.daemoncore.program.file_owner import give_to_directory_owner
from condor_twisted.wire.versions import ANNOUNCED_PLATFORM, ANNOUNCED_VERSION

__all__ = ["AddressFile", "AddressFiles", "replace_file"]

_log = Logger()


def replace_file(path: str, data: bytes, mode: int = 0o644) -> None:
    """Write a file so that a reader, or a crash, finds the old content or the new.

    Args:
        path: The file; ``path.new`` beside it is used and renamed.
        data: The whole content.
        mode: Its permission bits, set when the new file is made.

    Raises:
        OSError: The old file, if any, is whole.
    """
    new = path + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    handle = os.open(new, flags, mode)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            give_to_directory_owner(out.fileno(), path)
            os.fsync(out.fileno())
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    _sync_directory(os.path.dirname(path) or ".")


def _sync_directory(path: str) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class AddressFile:
    """One address file of a running daemon.

    Args:
        path: Where it is.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._written: bytes | None = None

    def write(self, address: str, extra_lines: Sequence[str] = ()) -> None:
        """Write it, unless it says the same already.

        Raises:
            OSError: It cannot be written; an old one stays whole.
        """
        lines = (address, ANNOUNCED_VERSION, ANNOUNCED_PLATFORM, *extra_lines)
        data = "".join(f"{line}\n" for line in lines).encode()
        if data != self._written or not os.path.exists(self.path):
            replace_file(self.path, data)
            self._written = data

    def remove(self) -> None:
        """Remove it, if it is still the one we wrote."""
        written, self._written = self._written, None
        if written is None:
            return
        with contextlib.suppress(OSError):
            with open(self.path, "rb") as current:
                ours = current.read(len(written) + 1) == written
            if ours:
                os.unlink(self.path)


class AddressFiles:
    """All address files of a daemon: the one asked for, the one the settings name.

    Args:
        asked: A file that has to be written; ``None`` for none.
    """

    def __init__(self, asked: str | None) -> None:
        self._asked = asked
        self._files: dict[str, AddressFile] = {}

    def write(self, settings: Settings, address: str) -> None:
        """Write them, and remove those that are not named any more.

        Raises:
            OSError: The one that was asked for cannot be written. One that only the
                settings name is worth an error line.
        """
        wanted = (self._asked, _named_by_settings(settings))
        paths = list(dict.fromkeys(path for path in wanted if path))
        for path in [each for each in self._files if each not in paths]:
            self._files.pop(path).remove()
        for path in paths:
            file = self._files.setdefault(path, AddressFile(path))
            try:
                file.write(address)
            except OSError as error:
                if path == self._asked:
                    raise
                _log.error(
                    "Can't write address file {path}: {error}",
                    path=path,
                    error=error.strerror,
                )

    def remove(self) -> None:
        """Remove those that are ours."""
        while self._files:
            self._files.popitem()[1].remove()


def _named_by_settings(settings: Settings) -> str | None:
    """The address file that the settings name.

    Compiled-in names lie in the LOG directory: without one that somebody configured
    there is no such file.
    """
    name = f"{settings.subsystem}_ADDRESS_FILE"
    if settings.local_name is not None:
        name = f"{settings.local_name}.{name}"
    found = settings.find(name)
    if found is None or not found.value:
        return None
    if found.definition is None and not has_log_directory(settings):
        return None
    return settings.text(name)
