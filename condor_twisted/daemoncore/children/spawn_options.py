"""How a child process is started: every parameter of Create_Process, with its default.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::Create_Process``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from condor_twisted.wire.serialized_sockets import SerializedSocket

__all__ = [
    "ANY_PORT",
    "DaemonCoreOptions",
    "FamilyOptions",
    "SpawnOptions",
    "Stdio",
    "Stream",
]

#: Any free port.
ANY_PORT: Final = 0


class Stream(Enum):
    """Where one of a child's standard streams leads, besides a descriptor of ours."""

    #: To ``/dev/null``.
    NULL = "null"
    #: Nowhere: the descriptor is closed.
    CLOSED = "closed"
    #: To us: written with `Child.write_stdin`, or captured.
    PIPE = "pipe"


#: A standard stream: one of `Stream`, or a descriptor of ours that the child gets.
Stdio = Stream | int


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyOptions:
    """That a child's descendants are followed, and how.

    Args:
        snapshot_seconds: How often the family is looked at, so that members are known
            even after their parents have gone.
        cgroup: The directory of a control group that the child enters; made if it is
            missing.
    """

    snapshot_seconds: float = 60.0
    cgroup: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonCoreOptions:
    """That a child is a DaemonCore process, and what it gets as such.

    It gets a session with us, and command sockets that we have bound already, so that
    its address is known before it runs.

    Args:
        port: Its command port: `ANY_PORT`, or a number.
        udp: Whether it has a UDP port of the same number.
        interface: The address to bind; our own by default.
        endpoint: The id of its endpoint behind this host's shared port, instead of a
            port of its own. The shared port daemon has to be of our tree of
            processes, since the names of endpoints are known there alone.
        not_responding_seconds: From its start on, a heartbeat is missed after so long;
            by default nothing is missed before the first one has come.
        name: What it is called where DC_QUERY_READY lists our daemons, such as
            ``STARTD``; after its program by default.
    """

    port: int = ANY_PORT
    udp: bool = True
    interface: str | None = None
    endpoint: str | None = None
    not_responding_seconds: float | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnOptions:
    """How a child process is started.

    Args:
        environment: Variables on top of ours, or all there are.
        inherit_environment: Whether the child has our variables, too. What DaemonCore
            itself tells it comes in any case, but for ``inheritance``.
        inheritance: Whether ``CONDOR_INHERIT`` is set.
        directory: Its working directory, entered as its user; ours by default.
        stdin: Its standard input.
        stdout: Its standard output.
        stderr: Its standard error.
        capture_bytes: How much of a piped output is kept; then the pipe is closed, so
            that a flood ends in SIGPIPE. PIPE_BUFFER_MAX by default.
        output_received: Gets a descriptor (1 or 2) and each piece of piped output,
            which is not kept then.
        descriptors: Further descriptors of ours that it gets, under the same numbers.
        sockets: Descriptions of CEDAR sockets among these, as they stand in
            ``CONDOR_INHERIT``; a DaemonCore process takes three at most.
        daemon: Makes it a DaemonCore process.
        family_session: Whether a child that is no daemon may act as one of our family
            of processes.
        family: Has its descendants followed.
        new_session: Whether it begins a session of its own (``setsid``); as
            USE_PROCESS_GROUPS says by default where it has a family, else not.
        process_group: Whether it begins a process group of its own.
        nice: Added to our own niceness, -20 to 19.
        limits: Resource limits by name, without ``RLIMIT_``: soft and hard, or one
            number for both; in the system's units, -1 for none.
        user: The name or id of the user that it is for good; ours by default.
        group: The group's id; the user's own by default.
        groups: Further groups; the user's own by default.
        umask: Its file mode mask; ours by default.
        affinity: The processors that it may use; ours by default.
        blocked_signals: Its signal mask. ``None``: for a daemon everything, so that
            no signal is lost before it has handlers (it unblocks them itself), for
            any other process nothing.
        suspended: Whether it waits just before the program is executed, until
            `Child.resume`; an error of the execution is its exit with status 1 then.
        exit_signal: What it gets when our own daemon ends; 0 leaves it alone.
    """

    environment: Mapping[str, str] | None = None
    inherit_environment: bool = True
    inheritance: bool = True
    directory: str | None = None
    stdin: Stdio = Stream.NULL
    stdout: Stdio = Stream.NULL
    stderr: Stdio = Stream.NULL
    capture_bytes: int | None = None
    output_received: Callable[[int, bytes], object] | None = None
    descriptors: tuple[int, ...] = ()
    sockets: tuple[SerializedSocket, ...] = ()
    daemon: DaemonCoreOptions | None = None
    family_session: bool = False
    family: FamilyOptions | None = None
    new_session: bool | None = None
    process_group: bool = False
    nice: int = 0
    limits: Mapping[str, int | tuple[int, int]] | None = None
    user: str | int | None = None
    group: int | None = None
    groups: tuple[int, ...] | None = None
    umask: int | None = None
    affinity: frozenset[int] = frozenset()
    blocked_signals: frozenset[int] | None = None
    suspended: bool = False
    exit_signal: int = 9
