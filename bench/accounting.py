"""What the system says of a process: CPU time of its whole tree, and its memory.

CPU time is counted to the nanosecond by the kernel's ``task-clock`` counter, which
every child inherits and which keeps what ended children used. Where that counter is
not permitted, ``/proc/<pid>/stat`` is read instead, whose unit for ended children is
a tick of 10 ms.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
import time
from pathlib import Path

__all__ = ["CpuCounter", "parse_rss_bytes", "parse_stat_ticks", "rss_bytes"]

_SYSCALL_NUMBERS = {"x86_64": 298, "aarch64": 241}
_ATTRIBUTE_BYTES = 112
_SOFTWARE = 1
_TASK_CLOCK = 1
_INHERIT = 1 << 1
_CLOSE_ON_EXEC = 8
_NANOSECONDS = 1_000_000_000
_QUIET_SHARE = 0.01
_LOOK_SECONDS = 0.02


class CpuCounter:
    """The CPU time that a process and its descendants have used.

    Args:
        pid: a process that has just been started.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._counter = _open_task_clock(pid)

    @property
    def exact(self) -> bool:
        """Whether ended children are counted to the nanosecond."""
        return self._counter is not None

    def nanoseconds(self) -> int:
        """Return the user and system time used so far."""
        if self._counter is not None:
            return int(struct.unpack("=Q", os.read(self._counter, 8))[0])
        return sum(map(_from_stat, _tree(self._pid)))

    def wait_until_quiet(self, limit_seconds: float = 30.0) -> None:
        """Wait until the tree stops working."""
        deadline = time.monotonic() + limit_seconds
        before = self.nanoseconds()
        while time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            now = self.nanoseconds()
            if now - before < _LOOK_SECONDS * _QUIET_SHARE * _NANOSECONDS:
                return
            before = now

    def close(self) -> None:
        """Give the counter back."""
        if self._counter is not None:
            os.close(self._counter)
            self._counter = None


def rss_bytes(pid: int) -> int:
    """Return the resident memory of one process."""
    return parse_rss_bytes(Path(f"/proc/{pid}/status").read_text())


def parse_rss_bytes(status: str) -> int:
    """Read ``VmRSS`` out of the text of ``/proc/<pid>/status``.

    Raises:
        ValueError: if it is not there: the process has ended.
    """
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no VmRSS: the process has ended")


def parse_stat_ticks(stat: str) -> int:
    """Add up user and system ticks, ended children's included.

    Args:
        stat: the text of ``/proc/<pid>/stat``. The command's name in it stands in
            parentheses and may hold blanks and parentheses.
    """
    fields = stat.rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))


def _from_stat(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return parse_stat_ticks(stat) * _NANOSECONDS // os.sysconf("SC_CLK_TCK")


def _tree(pid: int) -> list[int]:
    found = [pid]
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for path in Path(f"/proc/{pid}/task").iterdir():
            for child in (path / "children").read_text().split():
                found += _tree(int(child))
    return found


def _open_task_clock(pid: int) -> int | None:
    number = _SYSCALL_NUMBERS.get(platform.machine())
    if number is None:
        return None
    attribute = struct.pack(
        "=IIQQQQQ", _SOFTWARE, _ATTRIBUTE_BYTES, _TASK_CLOCK, 0, 0, 0, _INHERIT
    )
    buffer = ctypes.create_string_buffer(attribute, _ATTRIBUTE_BYTES)
    descriptor = ctypes.CDLL(None, use_errno=True).syscall(
        number, buffer, pid, -1, -1, ctypes.c_ulong(_CLOSE_ON_EXEC)
    )
    return int(descriptor) if descriptor >= 0 else None
