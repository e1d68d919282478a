"""The file of known hosts, and the question whether a host shall become one.

Lines are only ever appended, each by one write, so that several processes, HTCondor's
own among them, can use one file.

Source: ``src/condor_io/ca_utils.cpp``.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
import time
from typing import Final, TextIO

from twisted.logger import Logger

from condor_twisted.security.host_requests import (
    ConfirmServer,
    KnownHost,
    ReadKnownHost,
    RecordKnownHost,
)
from condor_twisted.security.tls.known_hosts import find_known_host, format_known_host

__all__ = ["KnownHosts", "ask_user"]

_log = Logger()

#: A file as long as this gets no more lines: whoever answers in a host's name could
#: else fill the disk, a certificate at a time.
MAX_FILE_BYTES: Final = 4 << 20
ANSWER_SECONDS: Final = 60.0
_DIRECTORY_MODE: Final = 0o755
_FILE_MODE: Final = 0o644
_MAX_ANSWER_BYTES: Final = 64

#: What says that a file has changed.
_Mark = tuple[int, int, int]


class KnownHosts:
    """Files of known hosts, read again when they change; safe in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: dict[str, tuple[_Mark, str]] = {}

    def find(self, step: ReadKnownHost) -> KnownHost | None:
        """The first line about a host; ``None`` without one. May block."""
        with self._lock:
            return find_known_host(self._text(step.path), step.host)

    def record(self, step: RecordKnownHost) -> bool:
        """Append a line that is not there yet; whether it is there. May block."""
        line = format_known_host(step.known)
        with self._lock:
            text = self._text(step.path)
            if line in text.splitlines():
                return True
            if len(text) + len(line) > MAX_FILE_BYTES:
                _log.warn("{path} has too many lines already", path=step.path)
                return False
            begins = "" if not text or text.endswith("\n") else "\n"
            try:
                _append(step.path, f"{begins}{line}\n".encode())
            except (OSError, ValueError) as error:
                _log.debug(
                    "{host} cannot be written down in {path}: {error}",
                    host=step.known.host,
                    path=step.path,
                    error=error,
                )
                return False
            return True

    def _text(self, path: str) -> str:
        """What is in a file; empty where it cannot be read, or is none."""
        try:
            with open(path, "rb", opener=_open_at_once) as file:
                status = os.fstat(file.fileno())
                mark = (status.st_ino, status.st_mtime_ns, status.st_size)
                known = self._read.get(path)
                if known is not None and known[0] == mark:
                    return known[1]
                text = file.read(MAX_FILE_BYTES).decode("utf-8", "replace")
        except (OSError, ValueError):
            self._read.pop(path, None)
            return ""
        self._read = {path: (mark, text)}
        return text


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for anybody, should it be a pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _append(path: str, data: bytes) -> None:
    """Write behind the end of a file, which is made where there is none.

    Raises:
        OSError: It cannot be written, or not all of it was.
    """
    directory = os.path.dirname(path)
    if directory:
        os.makedirs(directory, _DIRECTORY_MODE, exist_ok=True)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(path, flags, _FILE_MODE)
    try:
        if os.write(handle, data) != len(data):
            raise OSError("a part of the line alone could be written")
        os.fsync(handle)
    finally:
        os.close(handle)


def ask_user(
    step: ConfirmServer, answers: TextIO | None = None, says: TextIO | None = None
) -> bool:
    """Ask at the terminal whether to trust a server. Blocks for a minute at most.

    Args:
        step: Which server.
        answers: Where the answer comes from; standard input.
        says: Where the question goes; standard error.
    """
    answers, says = answers or sys.stdin, says or sys.stderr
    kind = "CA certificate" if step.is_authority else "certificate"
    subject = "".join(each if each.isprintable() else "?" for each in step.subject)
    says.write(
        f"The remote host {step.host} presented an untrusted {kind} with the "
        f"following fingerprint:\nSHA-256: {step.fingerprint}\nSubject: {subject}\n"
        "Would you like to trust this server for current and future communications?\n"
    )
    until = time.monotonic() + ANSWER_SECONDS
    while True:
        says.write("Please type 'yes' or 'no':\n")
        says.flush()
        answer = None
        with contextlib.suppress(OSError, ValueError):
            answer = _read_line(answers, until)
        if not answer:
            return False
        if answer.strip() in ("yes", "no"):
            return answer.strip() == "yes"


def _read_line(stream: TextIO, until: float) -> str | None:
    """A line of a terminal; ``None`` where none comes in time."""
    left = until - time.monotonic()
    if left <= 0 or not select.select([stream], [], [], left)[0]:
        return None
    return os.read(stream.fileno(), _MAX_ANSWER_BYTES).decode("utf-8", "replace")
