"""The process that evaluates expensive constraints.

It reads work orders from its standard input and writes answers to its standard output,
each behind its length in four bytes, until its input ends. It holds no ads and no
secrets. Each evaluation has half a second of CPU time, and the process a bounded
memory: what goes beyond ends the process, and its parent refuses the query.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from typing import BinaryIO

from condor_twisted.daemons.collector.state.work import carry_out

__all__ = ["EVALUATION_SECONDS", "main", "serve"]

EVALUATION_SECONDS = 0.5
_MEMORY_BYTES = 1 << 30
_MAX_ORDER_BYTES = 64 << 20
#: ``PR_SET_PDEATHSIG`` of ``prctl(2)``.
_SET_PARENT_DEATH_SIGNAL = 1


def _restrict() -> None:
    """Give up what an evaluation must not have."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for limit in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        _, hard = resource.getrlimit(limit)
        wanted = _MEMORY_BYTES
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (wanted, hard))
    # The default action ends the process, even inside the library.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _end_with_parent() -> None:
    """Do not go on for a collector that is no more, however it ended."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL))
    if os.getppid() != parent:
        raise SystemExit(1)


def _set_budget() -> None:
    signal.setitimer(signal.ITIMER_PROF, EVALUATION_SECONDS)


def _read_exactly(source: BinaryIO, count: int) -> bytes | None:
    data = source.read(count)
    return data if len(data) == count else None


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Carry out orders until there are no more."""
    while (head := _read_exactly(source, 4)) is not None:
        size = int.from_bytes(head, "big")
        if size > _MAX_ORDER_BYTES:
            return
        order = _read_exactly(source, size)
        if order is None:
            return
        answer = carry_out(order, _set_budget)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sink.write(len(answer).to_bytes(4, "big") + answer)
        sink.flush()


def main() -> None:
    """Be a worker."""
    _end_with_parent()
    _restrict()
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
