"""What the environment of a process tells of the daemons around it.

A DaemonCore process has its parent's address there, a job its starter. Only the user
of a process, and root, may look.

Source: ``src/condor_who/who.cpp: scrape_pid_environ_for_info,
determine_address_from_pid_environ``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from condor_twisted.errors import RemoteProtocolError
from condor_twisted.wire.inheritance import INHERIT_VARIABLE, Inheritance

__all__ = ["DaemonProcess", "read_process", "startd_processes"]

_PROC: Final = "/proc"
_STARTD: Final = b"condor_startd"
_MAX_BYTES: Final = 1 << 20
_SCRATCH = re.compile(r"dir_([0-9]+)\Z")


@dataclass(frozen=True, slots=True)
class DaemonProcess:
    """A process that is a daemon.

    Args:
        process_ids: Its number here, and in each namespace that it is in besides.
        parent_address: Where its parent takes commands.
        is_starter: Whether it is a starter, whose parent is the startd.
    """

    process_ids: frozenset[int]
    parent_address: str
    is_starter: bool


def read_process(process_id: int, proc: str = _PROC) -> DaemonProcess | None:
    """Look at a daemon, or at the starter of a job.

    Args:
        process_id: Its number, or a job's.
        proc: Where processes show.

    Returns:
        ``None`` for a process that is neither, or has no parent that takes commands.

    Raises:
        OSError: There is no such process, or it is not ours to look at.
    """
    variables = _variables(process_id, proc)
    if INHERIT_VARIABLE not in variables:
        starter_id = _starter_of(variables)
        if starter_id is None:
            return None
        process_id, variables = starter_id, _variables(starter_id, proc)
    try:
        inherited = Inheritance.parse(variables.get(INHERIT_VARIABLE, ""))
    except RemoteProtocolError:
        return None
    if not inherited.parent_address:
        return None
    return DaemonProcess(
        frozenset(_numbers(process_id, proc)),
        inherited.parent_address,
        "_CONDOR_EXECUTE" in variables,
    )


def startd_processes(proc: str = _PROC) -> list[int]:
    """The numbers of all startds that run."""
    found: list[int] = []
    numbers = [each for each in os.listdir(proc) if each.isascii() and each.isdigit()]
    for entry in sorted(numbers, key=int):
        try:
            with open(os.path.join(proc, entry, "cmdline"), "rb") as file:
                program = file.read(4096).split(b"\0", 1)[0]
        except OSError:
            continue  # it has just ended
        if _STARTD in program:
            found.append(int(entry))
    return found


def _variables(process_id: int, proc: str) -> Mapping[str, str]:
    with open(os.path.join(proc, str(process_id), "environ"), "rb") as file:
        text = file.read(_MAX_BYTES).decode("utf-8", "surrogateescape")
    pairs = (entry.partition("=") for entry in text.split("\0"))
    return {name: value for name, _, value in pairs}


def _starter_of(variables: Mapping[str, str]) -> int | None:
    """The starter of a job, as the job's environment names it."""
    number = variables.get("CONDOR_STARTER_PID", "")
    if number.isascii() and number.isdigit():
        return int(number)
    scratch = _SCRATCH.search(variables.get("_CONDOR_SCRATCH_DIR", ""))
    return None if scratch is None else int(scratch[1])


def _numbers(process_id: int, proc: str) -> Iterator[int]:
    """A process's numbers in all namespaces that it is in."""
    yield process_id
    with open(os.path.join(proc, str(process_id), "status"), "rb") as file:
        for line in file:
            if line.startswith(b"NSpid:"):
                yield from map(int, line.split()[1:])
