"""The files that a daemon logs into: rotated, locked, reopened.

A log that cannot be written never stops a daemon: lines are dropped and counted, and
the file is tried again after a minute.

Source: ``src/condor_utils/dprintf.cpp``, ``log_rotate.cpp``.
"""

from __future__ import annotations

import contextlib
import os
import re
import syslog
import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from condor_twisted.daemoncore.program.file_owner import (
    NO_LINKS,
    give_to_directory_owner,
)

__all__ = ["LogSink", "RotatingLog", "StreamLog", "SystemLog"]

#: How long a log that cannot be written is left alone.
RETRY_SECONDS: Final = 60.0


class LogSink(Protocol):
    """Where the lines of a log go."""

    #: How many lines could not be written.
    dropped_count: int

    @property
    def descriptor(self) -> int:
        """The descriptor in use, 0 for none."""

    def open(self) -> None:
        """Open what has to be; ``OSError`` where that fails."""

    def close(self) -> None:
        """Close it; a later write opens it again."""

    def write(self, data: bytes, header: Callable[[], str] = str) -> None:
        """Write one record, whole; never fails."""

    def touch(self) -> None:
        """Show others that we live, and follow a file that was renamed."""


class StreamLog:
    """A log that goes to a descriptor of the process, as ``2>`` says.

    Args:
        descriptor: 1 or 2.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.dropped_count = 0

    def open(self) -> None:
        """The process has it open."""

    def close(self) -> None:
        """It stays the process's."""

    def write(self, data: bytes, header: Callable[[], str] = str) -> None:
        """Write one record; what cannot be written is counted."""
        try:
            os.write(self.descriptor, data)
        except OSError:
            self.dropped_count += 1

    def touch(self) -> None:
        """There is no file."""


class SystemLog:
    """A log that goes to the system's log service.

    Args:
        identity: What it calls us.
    """

    descriptor = 0

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self.dropped_count = 0

    def open(self) -> None:
        """Say who we are."""
        syslog.openlog(self._identity, syslog.LOG_PID, syslog.LOG_DAEMON)

    def close(self) -> None:
        """Nothing stays open that matters."""

    def write(self, data: bytes, header: Callable[[], str] = str) -> None:
        """Write one record, line by line."""
        for line in data.decode("utf-8", "replace").splitlines():
            syslog.syslog(syslog.LOG_INFO, line.replace("\0", ""))

    def touch(self) -> None:
        """There is no file."""


class RotatingLog:
    """A log file that is renamed away when it gets too large.

    Args:
        path: The file.
        max_bytes: Its size limit; 0 for none.
        keep_count: How many old files stay.
        period_seconds: How long one file is used, where time and not size counts.
        seconds: The monotonic clock.
        unix_time: The wall clock, for names of old files and for periods.
        lock_path: A file that is locked while this one is rotated, for several
            processes that log into it; none by default.
        locks_always: Lock for every record, too.
        truncates: Begin with an empty file.
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
        lock_path: str | None = None,
        locks_always: bool = False,
        truncates: bool = False,
    ) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.keep_count = keep_count
        self.period_seconds = period_seconds
        #: How many lines could not be written.
        self.dropped_count = 0
        self.lock_path = lock_path
        self.locks_always = locks_always
        self._truncates = truncates
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
        if self._truncates:
            flags |= os.O_TRUNC
            self._truncates = False
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            flags |= NO_LINKS
        self._handle = os.open(self.path, flags, 0o644)
        give_to_directory_owner(self._handle, self.path)
        status = os.fstat(self._handle)
        self._size_bytes = status.st_size
        if self.period_seconds:
            self._period = int(status.st_mtime) // self.period_seconds

    @property
    def descriptor(self) -> int:
        """The descriptor in use, 0 for none."""
        return self._handle or 0

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
                with self._locked() as held:
                    if held:
                        self._rotate_once(header)
            assert self._handle is not None, "it was opened"
            if self.dropped_count:
                lost = f"{header()}{self.dropped_count} lines could not be logged\n"
                os.write(self._handle, lost.encode())
                self.dropped_count = 0
            if self.locks_always:
                with self._locked():
                    self._size_bytes += os.write(self._handle, data)
            else:
                self._size_bytes += os.write(self._handle, data)
        except OSError:
            self.dropped_count += 1
            self.close()
            self._retry_at = self._seconds() + RETRY_SECONDS

    def touch(self) -> None:
        """Change the file's time, so that others see that we live.

        A file that was renamed or removed is left, and a new one begun.
        """
        if self._handle is not None and not self._is_ours():
            self.close()
            with contextlib.suppress(OSError):
                self.open()
        with contextlib.suppress(OSError):
            os.utime(self.path)

    def _is_ours(self) -> bool:
        """Whether the open file is still the one at the path."""
        assert self._handle is not None, "it is open"
        try:
            there = os.stat(self.path)
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(self._handle))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[bool]:
        """Hold the lock, if there is one; tells whether nobody else has it.

        A daemon never waits for it: who has it rotates for all of us.
        """
        if self.lock_path is None:
            yield True
            return
        import fcntl

        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            handle = os.open(self.lock_path, flags, 0o644)
        except OSError:
            yield True  # a lock that cannot be had must not stop the log
            return
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True
        finally:
            os.close(handle)

    def _rotate_once(self, header: Callable[[], str]) -> None:
        """Rotate, unless another process did it already."""
        if self._is_ours():
            self._rotate(header)
            return
        self.close()
        self.open()

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
