"""Reads and writes the files of a configuration: keys, passwords, tokens, maps.

A secret is read only where nobody but root and ourselves could have read or written
its file. It is written so that a crash at any moment leaves the old file or the new
one.

Source: ``src/condor_utils/secure_file.cpp``, ``src/condor_utils/store_cred.cpp``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from typing import Final

from condor_twisted.security.tokens.token import scramble

__all__ = ["SecretFiles", "create_signing_key", "write_secret"]

MAX_SECRET_BYTES: Final = 64 << 10
MAX_TEXT_BYTES: Final = 16 << 20
_SIGNING_KEY_BYTES: Final = 64


class SecretFiles:
    """Reads files for `condor_twisted.security.credentials`."""

    def read_secret(self, path: str) -> bytes | None:
        """A secret file's content; ``None`` where it is not a secret of ours alone."""
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            handle = os.open(path, flags)
        except (OSError, ValueError):
            return None
        try:
            before = os.fstat(handle)
            if not _is_secret(before):
                return None
            with os.fdopen(handle, "rb", closefd=False) as file:
                content = file.read(MAX_SECRET_BYTES + 1)
            after = os.fstat(handle)
        except OSError:
            return None
        finally:
            os.close(handle)
        if len(content) > MAX_SECRET_BYTES or _moment(before) != _moment(after):
            return None
        return content

    def read_text(self, path: str) -> str | None:
        """A file's text; ``None`` if it cannot be read or is longer than 16 MiB."""
        try:
            with open(path, "rb") as file:
                content = file.read(MAX_TEXT_BYTES + 1)
        except (OSError, ValueError):
            return None
        if len(content) > MAX_TEXT_BYTES:
            return None
        return content.decode("utf-8", "replace")

    def directory_files(self, path: str, exclude: str) -> tuple[str, ...] | None:
        """The paths of a directory's files, in order; ``None`` if it is none."""
        names = self.secret_names(path, exclude)
        return None if names is None else tuple(os.path.join(path, n) for n in names)

    def secret_names(self, directory: str, exclude: str) -> tuple[str, ...] | None:
        """The names of a directory's files; ``None`` if it cannot be listed."""
        try:
            left_out = re.compile(exclude) if exclude else None
            with os.scandir(directory) as entries:
                return tuple(
                    sorted(
                        entry.name
                        for entry in entries
                        if (left_out is None or left_out.search(entry.name) is None)
                        and not entry.is_dir()
                    )
                )
        except (OSError, ValueError, re.error):
            return None

    def is_readable(self, path: str) -> bool:
        """Whether a file can be read."""
        return os.access(path, os.R_OK)


def _is_secret(status: os.stat_result) -> bool:
    """Whether nobody but root and ourselves could have touched a file."""
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_uid in (0, os.geteuid())
        and stat.S_IMODE(status.st_mode) & 0o077 == 0
        and status.st_size <= MAX_SECRET_BYTES
    )


def _moment(status: os.stat_result) -> tuple[int, int, int]:
    """What changes when a file changes."""
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size


def write_secret(path: str, content: bytes, *, replace: bool = True) -> bool:
    """Write a secret file, mode 0600, whole or not at all.

    Args:
        path: The file.
        content: What shall be in it.
        replace: Whether a file that is there is replaced.

    Returns:
        Whether it was written: ``False`` where a file is there that shall stay.

    Raises:
        OSError: It cannot be written; what was there is there still.
    """
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        if replace:
            os.replace(temporary, path)
        else:
            try:
                os.link(temporary, path)
            except FileExistsError:
                return False
            finally:
                os.unlink(temporary)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_directory(directory or ".")
    return True


def _sync_directory(directory: str) -> None:
    """Make a new name in a directory survive a crash."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF):
            raise
    finally:
        os.close(handle)


def create_signing_key(path: str) -> bool:
    """Make a signing key where there is none.

    Args:
        path: Its file.

    Returns:
        Whether one was made now.

    Raises:
        OSError: It cannot be written.
    """
    if os.path.lexists(path):
        return False
    content = scramble(secrets.token_bytes(_SIGNING_KEY_BYTES))
    return write_secret(path, content, replace=False)
