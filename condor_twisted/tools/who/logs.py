"""What the logs of a host's daemons say of them.

Each log tells the process, the program, the command address, and the exit status of
whoever wrote it last; a starter's tells its job's process, too. A daemon's address file
in the same directory knows better where it is: a master that starts its shared port has
logged no address by which others reach it.

Source: ``src/condor_who/who.cpp: query_log_dir, scan_logs_for_info,
scan_a_log_for_info``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from condor_twisted.client.daemons import address_in_file

__all__ = ["DaemonTrace", "job_processes", "scan_log", "scan_logs"]

#: So much of a log's end is looked at.
_TAIL_BYTES: Final = 4 << 20
_NAMES: Final = {"Start": "Startd", "Sched": "Schedd"}
_LOG_NAME = re.compile(
    r"(StarterLog\.(?P<slot>[\w-]+)|(?P<name>[A-Z][A-Za-z0-9_]*)Log)\Z"
)
_ADDRESS_FILE = re.compile(r"\.([a-z][a-z0-9_]*)_address\Z")
_START = re.compile(r" \*\* \S+ \(CONDOR_(\w+)\) STARTING UP")
_PROGRAM = re.compile(r" \*\* (/\S+)\Z")
_PID = re.compile(r" \*\* PID = ([0-9]+)")
_ADDRESS = re.compile(r" DaemonCore: command socket at (<\S+>)")
#: A master that starts its shared port has no other; later ones have it besides.
_PRIVATE_ADDRESS = re.compile(r" DaemonCore: private command socket at (<\S+>)")
_EXIT = re.compile(r"\*\*\*\* .* EXITING WITH STATUS ([0-9]+)")
_JOB = re.compile(r"(?:Job|Starting a .* job with ID:?) ([0-9]+\.[0-9]+)")
_JOB_PID = re.compile(r"Create_Process succeeded, pid=([0-9]+)")


@dataclass(slots=True)
class DaemonTrace:
    """What one log says.

    Args:
        name: The daemon, after its log: ``Master``, ``Slot1_1``, ...
        log: The log's file name.
    """

    name: str
    log: str
    subsystem: str = ""
    pid: int | None = None
    program: str = ""
    address: str | None = None
    exit_status: int | None = None
    job_pids: dict[str, int] = field(default_factory=dict)

    @property
    def is_daemon(self) -> bool:
        """Whether it is a daemon that others talk to, and not a job's."""
        is_known = self.pid is not None or self.address is not None
        return is_known and not self.log.startswith(("StarterLog", "ShadowLog"))

    @property
    def is_running(self) -> bool:
        """Whether it can be called, as far as its files tell."""
        return self.address is not None and self.exit_status is None


def scan_logs(directory: str) -> list[DaemonTrace]:
    """Read every daemon's files of a directory, in the order of the logs' names.

    Daemons that have an address file there, and their log elsewhere, come last.

    Raises:
        OSError: The directory cannot be read.
    """
    found: list[DaemonTrace] = []
    entries = sorted(os.listdir(directory))
    for entry in entries:
        match = _LOG_NAME.match(entry)
        if match is None:
            continue
        stem = match["slot"] or match["name"]
        name = _NAMES.get(stem, stem[:1].upper() + stem[1:])
        trace = DaemonTrace(name, entry)
        try:
            with open(os.path.join(directory, entry), "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL_BYTES))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            continue
        scan_log(trace, text.split("\n"))
        found.append(trace)
    for entry in entries:
        match = _ADDRESS_FILE.match(entry)
        if match is not None:
            _take_address(found, match[1].upper(), os.path.join(directory, entry))
    return found


def job_processes(traces: Iterable[DaemonTrace]) -> dict[str, int]:
    """The processes of jobs that run, by the jobs' ids; as their starters' logs say."""
    found: dict[str, int] = {}
    for trace in traces:
        if trace.log.startswith("StarterLog") and trace.exit_status is None:
            found.update(trace.job_pids)
    return found


def _take_address(traces: list[DaemonTrace], subsystem: str, path: str) -> None:
    address = address_in_file(path)
    if address is None:
        return
    for trace in traces:
        if trace.subsystem == subsystem:
            trace.address = address
            return
    name = "".join(word.capitalize() for word in subsystem.split("_"))
    traces.append(DaemonTrace(name, "", subsystem, address=address))


def scan_log(trace: DaemonTrace, lines: Iterable[str]) -> None:
    """Take from a log's lines what they say; the last start counts."""
    job = ""
    for line in lines:
        if (match := _START.search(line)) is not None:
            trace.subsystem = match[1]
            trace.pid = trace.exit_status = trace.address = None
            trace.program = ""
            trace.job_pids.clear()
        elif (match := _PID.search(line)) is not None:
            trace.pid = int(match[1])
        elif (match := _ADDRESS.search(line)) is not None:
            trace.address = match[1]
        elif (match := _PRIVATE_ADDRESS.search(line)) is not None:
            trace.address = trace.address or match[1]
        elif (match := _EXIT.search(line)) is not None:
            trace.exit_status = int(match[1])
        elif (match := _JOB_PID.search(line)) is not None:
            trace.job_pids[job] = int(match[1])
        elif (match := _JOB.search(line)) is not None:
            job = match[1]
        elif not trace.program and (match := _PROGRAM.search(line)) is not None:
            trace.program = match[1]
