"""The first program of every child process: it prepares, and becomes the real one.

Run as a plain script by a bare interpreter (``python -I -S``), so it imports only what
is built in or nearly so. It reads an order from one descriptor, does what only the new
process itself can do, and executes the program that the order names. On the other
descriptor, which closes by itself when that succeeds, it reports:

``R``                          everything is prepared; the program is executed next
``R``? errno (int) operation   what failed, in the machine's own byte order

The process id stays the same throughout. The parent waits for the end of the report:
so it knows the error of a failed execution, and nothing runs before the parent has the
process id.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: CreateProcessForkit::exec``.
"""

from __future__ import annotations

import marshal
import os
import signal
import struct
import sys
from typing import Any, Final

__all__ = ["READY", "decode_report", "encode_order"]

READY: Final = b"R"
_ERROR: Final = struct.Struct("=i")
_ANCESTOR: Final = b"_CONDOR_ANCESTOR_%d"
#: What a DaemonCore child finds unblocked: faults cannot wait.
_FAULTS: Final = ("SIGSEGV", "SIGABRT", "SIGILL", "SIGBUS", "SIGFPE", "SIGTRAP")


def encode_order(order: dict[str, Any]) -> bytes:
    """An order as bytes; both sides are the same interpreter."""
    return marshal.dumps(order)


def decode_report(report: bytes) -> tuple[bool, int, str]:
    """Whether everything was prepared, the errno or 0, and what failed."""
    ready = report.startswith(READY)
    rest = report[len(READY) :] if ready else report
    if len(rest) < _ERROR.size:
        return ready, 0, ""
    operation = rest[_ERROR.size :].decode("ascii", "replace")
    return ready, _ERROR.unpack_from(rest)[0], operation


class _Failed(Exception):
    def __init__(self, error_number: int, operation: str) -> None:
        super().__init__(error_number, operation)
        self.error_number = error_number
        self.operation = operation


def _read_all(descriptor: int) -> bytes:
    parts: list[bytes] = []
    while True:
        part = os.read(descriptor, 1 << 20)
        if not part:
            os.close(descriptor)
            return b"".join(parts)
        parts.append(part)


def _attempt(operation: str, function: Any, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except OSError as error:
        raise _Failed(error.errno or 0, operation) from error
    except (KeyError, ValueError, OverflowError) as error:
        raise _Failed(22, operation) from error  # EINVAL


def _set_limit(number: int, soft: int, hard: int) -> None:
    import resource

    try:
        resource.setrlimit(number, (soft, hard))
    except ValueError as error:
        raise OSError(1, "not allowed to raise the hard limit") from error  # EPERM


def _become(user: Any, group: Any, groups: list[int] | None) -> None:
    """Be another user for good."""
    import pwd

    name: Any = None
    user_id = user
    if isinstance(user, str) or group is None or groups is None:
        entry = pwd.getpwnam(user) if isinstance(user, str) else pwd.getpwuid(user)
        name, user_id = entry.pw_name, entry.pw_uid
        group = entry.pw_gid if group is None else group
    if os.geteuid() == 0:
        if groups is None:
            os.initgroups(name, group)
        else:
            os.setgroups(groups)
    os.setgid(group)
    os.setuid(user_id)
    if os.getuid() != user_id or os.geteuid() != user_id:
        raise OSError(1, "still another user")  # EPERM


def _enter_control_group(directory: bytes) -> None:
    os.makedirs(directory, exist_ok=True)
    file = os.open(os.path.join(directory, b"cgroup.procs"), os.O_WRONLY)
    try:
        os.write(file, b"%d" % os.getpid())
    finally:
        os.close(file)


def _restore_signals(blocked: list[int] | None) -> None:
    """Defaults for what this interpreter ignores, and the mask that was asked for."""
    for name in ("SIGPIPE", "SIGXFSZ", "SIGXFZ"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_DFL)
    if blocked is None:
        faults = {getattr(signal, name, 0) for name in _FAULTS}
        signal.pthread_sigmask(
            signal.SIG_SETMASK, signal.valid_signals() - faults - {0}
        )
    else:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _prepare(order: dict[str, Any]) -> None:
    if order["session"]:
        _attempt("setsid", os.setsid)
    elif order["process_group"]:
        _attempt("setpgid", os.setpgid, 0, 0)
    if order["cgroup"] is not None:
        _attempt("entering the control group", _enter_control_group, order["cgroup"])
    if order["nice"]:
        _attempt("nice", os.nice, order["nice"])
    if order["affinity"]:
        _attempt("sched_setaffinity", os.sched_setaffinity, 0, order["affinity"])
    for limit in order["limits"]:
        _attempt("setrlimit", _set_limit, *limit)
    if order["user"] is not None:
        _attempt("setuid", _become, order["user"], order["group"], order["groups"])
    if order["umask"] is not None:
        os.umask(order["umask"])
    if order["directory"] is not None:
        _attempt("chdir", os.chdir, order["directory"])
    for descriptor in order["closed"]:
        os.close(descriptor)


def _execute(order: dict[str, Any]) -> None:
    environment: dict[bytes, bytes] = order["environment"]
    forker, forked_at, chance = order["ancestor"]
    environment[_ANCESTOR % forker] = b"%d:%d:%d" % (os.getpid(), forked_at, chance)
    executable: bytes = order["executable"]
    if b"/" in executable:
        os.execve(executable, order["arguments"], environment)  # noqa: S606 -- the point
    os.execvpe(executable, order["arguments"], environment)  # noqa: S606


def _main() -> None:
    order_descriptor, report_descriptor = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(report_descriptor, False)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        received = _read_all(order_descriptor)
        if not received:
            os._exit(1)  # the parent has changed its mind
        order = marshal.loads(received)  # noqa: S302 -- from our own parent
        _prepare(order)
        os.write(report_descriptor, READY)
        if order["suspended"]:
            os.kill(os.getpid(), signal.SIGSTOP)
        _restore_signals(order["blocked"])
        _attempt("exec", _execute, order)
    except _Failed as failed:
        report = _ERROR.pack(failed.error_number) + failed.operation.encode()
        os.write(report_descriptor, report)
    os._exit(1)


if __name__ == "__main__":
    _main()
