"""Families of processes: a child, its descendants, and how to reach them all.

A process is one of the family

* that is a child of a member, or was one when somebody looked before;
* that is in the session or process group which the child began;
* whose environment has the child's marker, ``_CONDOR_ANCESTOR_<forker>``.

So a process that leaves its session, whose parents have gone, and that nobody saw
before, is still known by its environment. What is in a family is looked up in
``/proc``, or with ``psutil`` where there is none, in a thread: nothing here waits.

Before a family is killed its members are stopped, over and over until no new ones
turn up, so that none can fork its way out. A process is only signalled while it still
is the one that was looked at.

Source: ``src/condor_procd/proc_family.cpp: ProcFamily::spree``,
``src/condor_procd/environment_tracker.cpp``, ``src/condor_utils/pidenvid.cpp``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from twisted.logger import Logger

from condor_twisted.errors import LocalProtocolError

__all__ = ["Family", "FamilyUsage", "Process", "members_of", "read_processes"]

_log = Logger()

_MAX_ENVIRONMENT_BYTES: Final = 1 << 20
#: How often a family is looked at while it is being stopped.
_MAX_ROUNDS: Final = 20


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this machine, at one moment.

    Args:
        process_id: Its id.
        parent_id: Its parent's.
        group_id: Its process group.
        session_id: Its session.
        started: When it started, in a unit of the system's: with the id, it says
            which process this is.
        cpu_seconds: What it has used, in user and system mode.
        resident_bytes: What it holds of the memory.
        marked: Whether its environment has the marker that was asked for.
    """

    process_id: int
    parent_id: int
    group_id: int
    session_id: int
    started: float
    cpu_seconds: float = 0.0
    resident_bytes: int = 0
    marked: bool = False

    @property
    def identity(self) -> tuple[int, float]:
        """Which process this is, whatever gets its id later."""
        return (self.process_id, self.started)


@dataclass(frozen=True, slots=True)
class FamilyUsage:
    """What a family of processes uses.

    Args:
        processes_count: How many live.
        cpu_seconds: What those that live have used.
        resident_bytes: What they hold of the memory.
        max_resident_bytes: The most that was seen so far.
    """

    processes_count: int
    cpu_seconds: float
    resident_bytes: int
    max_resident_bytes: int


def members_of(
    processes: Mapping[int, Process],
    root: int,
    known: frozenset[tuple[int, float]],
    own: int,
) -> dict[int, Process]:
    """The family of a process, among all that there are.

    Args:
        processes: All processes, by id.
        root: The child from which the family descends, dead or alive.
        known: Members that were seen before.
        own: Our own process, which is never a member.
    """
    children: dict[int, list[Process]] = {}
    for each in processes.values():
        children.setdefault(each.parent_id, []).append(each)
    waiting = [
        each
        for each in processes.values()
        if each.process_id == root
        or each.identity in known
        or each.marked
        or root in (each.group_id, each.session_id)
    ]
    found: dict[int, Process] = {}
    while waiting:
        member = waiting.pop()
        if member.process_id in found or member.process_id in (own, 1):
            continue
        found[member.process_id] = member
        waiting += children.get(member.process_id, ())
    return found


def read_processes(marker: tuple[str, str]) -> dict[int, Process]:
    """All processes that can be seen; this takes a while.

    Args:
        marker: The variable and the value to look for in their environments.
    """
    if os.path.isdir("/proc/self"):
        return {each.process_id: each for each in _from_proc(marker)}
    return {each.process_id: each for each in _from_psutil(marker)}


def _from_proc(marker: tuple[str, str]) -> Iterator[Process]:
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    wanted = "=".join(marker).encode() if marker[0] else b""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The name is in parentheses and may hold anything.
                fields = file.read(4096).rpartition(b")")[2].split()
            marked = False
            if wanted:
                with (
                    contextlib.suppress(OSError),
                    open(f"/proc/{name}/environ", "rb") as file,
                ):
                    environment = file.read(_MAX_ENVIRONMENT_BYTES)
                    marked = wanted in environment.split(b"\0")
        except OSError:
            continue  # it has gone
        if len(fields) < 22 or fields[0] in (b"Z", b"X"):
            continue
        yield Process(
            int(name),
            int(fields[1]),
            int(fields[2]),
            int(fields[3]),
            float(fields[19]),
            (int(fields[11]) + int(fields[12])) / ticks,
            int(fields[21]) * page,
            marked,
        )


def _from_psutil(marker: tuple[str, str]) -> Iterator[Process]:
    try:
        import psutil
    except ImportError:
        return  # then a family is its process group
    for each in psutil.process_iter():
        try:
            with each.oneshot():
                times, memory = each.cpu_times(), each.memory_info()
                marked = False
                with contextlib.suppress(psutil.Error):
                    marked = bool(marker[0]) and (
                        each.environ().get(marker[0]) == marker[1]
                    )
                yield Process(
                    each.pid,
                    each.ppid(),
                    os.getpgid(each.pid),
                    os.getsid(each.pid),
                    each.create_time(),
                    times.user + times.system,
                    memory.rss,
                    marked,
                )
        except (psutil.Error, OSError):
            continue


def _signal(process: Process, number: int) -> bool:
    """Signal a process, if it still is the one that was looked at."""
    opened = None
    if hasattr(os, "pidfd_open"):
        try:
            opened = os.pidfd_open(process.process_id)
        except ProcessLookupError:
            return False
        except OSError:
            opened = None  # an old kernel
    try:
        if sys.platform.startswith("linux") and not _is_same(process):
            return False
        if opened is not None:
            signal.pidfd_send_signal(opened, number)
        else:
            os.kill(process.process_id, number)
    except OSError as error:
        if not isinstance(error, ProcessLookupError):
            _log.warn(
                "Signal {number} cannot be sent to pid {pid}: {error}",
                number=number,
                pid=process.process_id,
                error=str(error),
            )
        return False
    finally:
        if opened is not None:
            os.close(opened)
    return True


def _is_same(process: Process) -> bool:
    try:
        with open(f"/proc/{process.process_id}/stat", "rb") as file:
            fields = file.read(4096).rpartition(b")")[2].split()
        return float(fields[19]) == process.started
    except (OSError, IndexError, ValueError):
        return False


@dataclass(slots=True)
class Family:
    """One child's family.

    Args:
        root: The child's process id.
        marker: The variable and the value in its descendants' environments.
        defer: Runs a function that may block, in a thread; gives a `Deferred`.
        read: Gives all processes.
    """

    root: int
    marker: tuple[str, str]
    defer: Callable[..., Any]
    read: Callable[[tuple[str, str]], dict[int, Process]] = read_processes
    _known: frozenset[tuple[int, float]] = field(default=frozenset(), init=False)
    _max_resident_bytes: int = field(default=0, init=False)

    async def look(self) -> dict[int, Process]:
        """The members that live now; they are remembered."""
        processes = await self.defer(self.read, self.marker)
        found = members_of(processes, self.root, self._known, os.getpid())
        self._known = frozenset(each.identity for each in found.values())
        resident = sum(each.resident_bytes for each in found.values())
        self._max_resident_bytes = max(self._max_resident_bytes, resident)
        return found

    async def usage(self) -> FamilyUsage:
        """What the family uses now."""
        found = (await self.look()).values()
        return FamilyUsage(
            len(found),
            sum(each.cpu_seconds for each in found),
            sum(each.resident_bytes for each in found),
            self._max_resident_bytes,
        )

    async def send_signal(self, number: int) -> int:
        """Send every member a signal; how many got it.

        Raises:
            LocalProtocolError: The number is none of the system's.
        """
        if not 0 < number <= 64:
            raise LocalProtocolError(f"signal {number} is none of the system's")
        found = await self.look()
        return sum(_signal(each, number) for each in found.values())

    async def suspend(self) -> int:
        """Stop every member, those that they start meanwhile, too; how many."""
        stopped: set[tuple[int, float]] = set()
        for _ in range(_MAX_ROUNDS):
            found = await self.look()
            fresh = [each for each in found.values() if each.identity not in stopped]
            if not fresh:
                break
            for each in fresh:
                _signal(each, signal.SIGSTOP)
                stopped.add(each.identity)
        return len(stopped)

    async def resume(self) -> int:
        """Have every member go on; how many."""
        return await self.send_signal(signal.SIGCONT)

    async def kill(self) -> int:
        """End every member; how many."""
        await self.suspend()
        return await self.send_signal(signal.SIGKILL)
