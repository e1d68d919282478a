"""The first program of every child process: it prepares, and becomes the real one.

Run as a plain script by a bare interpreter (``python -I -S``), so it imports only what
is built in or nearly so. It reads an order from one descriptor, does what only the new
process itself can do, and executes the program that the order names. On the other
descriptor, which closes by itself when that succeeds, it reports:

``R``                          everything is prepared; the program is executed next
``R``? errno (int) operation   what failed, in the machine's own byte order

An order is ``name=value`` fields, each with a NUL behind it; a name may come again.

The process id stays the same throughout. The parent waits for the end of the report:
so it knows the error of a failed execution, and nothing runs before the parent has the
process id.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: CreateProcessForkit::exec``.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing these takes as long as starting the interpreter
    from collections.abc import Iterable
    from typing import Any, Final

__all__ = ["READY", "decode_report", "encode_order"]

READY: Final = b"R"
_ERROR_BYTES: Final = 4
_ANCESTOR: Final = b"_CONDOR_ANCESTOR_%d"
#: What a DaemonCore child finds unblocked: faults cannot wait.
_FAULTS: Final = ("SIGSEGV", "SIGABRT", "SIGILL", "SIGBUS", "SIGFPE", "SIGTRAP")


def encode_order(fields: Iterable[tuple[str, bytes]]) -> bytes:
    """An order as bytes.

    Raises:
        ValueError: A value has a NUL in it.
    """
    order = bytearray()
    for name, value in fields:
        if b"\0" in value:
            raise ValueError(f"a NUL in the {name}")
        order += name.encode() + b"=" + value + b"\0"
    return bytes(order)


class _Order:
    """An order that was read."""

    def __init__(self, received: bytes) -> None:
        self._fields: dict[str, list[bytes]] = {}
        for field in received.split(b"\0")[:-1]:
            name, _, value = field.partition(b"=")
            self._fields.setdefault(name.decode(), []).append(value)

    def all(self, name: str) -> list[bytes]:
        return self._fields.get(name, [])

    def one(self, name: str) -> bytes | None:
        found = self._fields.get(name)
        return None if found is None else found[0]

    def integer(self, name: str) -> int | None:
        found = self.one(name)
        return None if found is None else int(found)

    def integers(self, name: str) -> list[int] | None:
        found = self.one(name)
        return None if found is None else [int(each) for each in found.split()]


def decode_report(report: bytes) -> tuple[bool, int, str]:
    """Whether everything was prepared, the errno or 0, and what failed."""
    ready = report.startswith(READY)
    rest = report[len(READY) :] if ready else report
    if len(rest) < _ERROR_BYTES:
        return ready, 0, ""
    operation = rest[_ERROR_BYTES:].decode("ascii", "replace")
    return ready, int.from_bytes(rest[:_ERROR_BYTES], sys.byteorder), operation


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


def _become(user: bytes, group: int | None, groups: list[int] | None) -> None:
    """Be another user for good: one by name, or by number behind a ``#``."""
    import pwd

    number = int(user[1:]) if user.startswith(b"#") else None
    entry: Any = None
    if number is None:
        entry = pwd.getpwnam(os.fsdecode(user))
    elif group is None or groups is None:
        entry = pwd.getpwuid(number)
    user_id = entry.pw_uid if number is None else number
    if group is None:
        group = entry.pw_gid
    if os.geteuid() == 0:
        if groups is None:
            os.initgroups(entry.pw_name, group)
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


def _prepare(order: _Order) -> None:
    if order.one("session") is not None:
        _attempt("setsid", os.setsid)
    elif order.one("group_leader") is not None:
        _attempt("setpgid", os.setpgid, 0, 0)
    if (directory := order.one("cgroup")) is not None:
        _attempt("entering the control group", _enter_control_group, directory)
    if nice := order.integer("nice"):
        _attempt("nice", os.nice, nice)
    if affinity := order.integers("affinity"):
        _attempt("sched_setaffinity", os.sched_setaffinity, 0, affinity)
    for limit in order.all("limit"):
        _attempt("setrlimit", _set_limit, *map(int, limit.split()))
    if (user := order.one("user")) is not None:
        group, groups = order.integer("group"), order.integers("groups")
        _attempt("setuid", _become, user, group, groups)
    if (mask := order.integer("umask")) is not None:
        os.umask(mask)
    if (directory := order.one("directory")) is not None:
        _attempt("chdir", os.chdir, directory)
    for descriptor in order.integers("closed") or ():
        os.close(descriptor)


def _execute(order: _Order) -> None:
    variables = (each.partition(b"=") for each in order.all("variable"))
    environment = {name: value for name, _, value in variables}
    forker, forked_at, chance = order.integers("ancestor") or (0, 0, 0)
    environment[_ANCESTOR % forker] = b"%d:%d:%d" % (os.getpid(), forked_at, chance)
    executable = order.one("executable") or b""
    arguments = order.all("argument")
    if b"/" in executable:
        os.execve(executable, arguments, environment)  # noqa: S606 -- the point
    os.execvpe(executable, arguments, environment)  # noqa: S606


def _main() -> None:
    order_descriptor, report_descriptor = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(report_descriptor, False)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        received = _read_all(order_descriptor)
        if not received:
            os._exit(1)  # the parent has changed its mind
        order = _Order(received)
        _prepare(order)
        suspended = order.one("suspended") is not None
        if suspended:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCONT])
        os.write(report_descriptor, READY)
        if suspended:  # waits for the signal, however early it comes
            signal.sigwait([signal.SIGCONT])
        _restore_signals(order.integers("blocked"))
        _attempt("exec", _execute, order)
    except _Failed as failed:
        number = failed.error_number.to_bytes(_ERROR_BYTES, sys.byteorder)
        os.write(report_descriptor, number + failed.operation.encode())
    os._exit(1)


if __name__ == "__main__":
    _main()
