"""Functions beside the daemon: in a thread, or in a process of their own.

Both end like child processes do: with an `ExitStatus`, which a reaper gets. A function
returns its exit code, or ``None`` for 0; one that raises has failed with code 1, and
the log says how.

A process gets the function by its name (``package.module:function``) and strings as its
arguments, in a new interpreter: a daemon that runs is never copied. A thread gets any
function, shares everything with the daemon, and cannot be ended from outside.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::Create_Thread``.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from condor_twisted.daemoncore.children.child import Child, ExitStatus, Reaper
from condor_twisted.daemoncore.children.processes import Processes
from condor_twisted.daemoncore.children.spawn_options import SpawnOptions
from condor_twisted.daemoncore.events.handlers import HandlerRunner, describe_handler
from condor_twisted.errors import LocalProtocolError

__all__ = ["Thread", "ThreadReaper", "Threads", "main"]

_log = Logger()

_MODULE: Final = "condor_twisted.daemoncore.children.threads"
_FAILED: Final = 1


class Thread:
    """A function that runs in a thread.

    Attributes:
        thread_id: Counts from 1; it is no process id.
        name: What log lines call it.
        status: How it ended; ``None`` until then.
    """

    def __init__(self, thread_id: int, name: str) -> None:
        self.thread_id = thread_id
        self.name = name
        self.status: ExitStatus | None = None
        self._exited: list[Deferred[ExitStatus]] = []

    def exited(self) -> Deferred[ExitStatus]:
        """Wait for its end; a new `Deferred` each time, which never fails."""
        done: Deferred[ExitStatus] = Deferred(lambda each: self._exited.remove(each))
        if self.status is None:
            self._exited.append(done)
        else:
            done.callback(self.status)
        return done

    def end(self, status: ExitStatus) -> None:
        """It has ended."""
        self.status = status
        waiting, self._exited = self._exited, []
        for each in waiting:
            each.callback(status)


#: What is called with a thread and how it ended.
ThreadReaper = Callable[[Thread, ExitStatus], object]


class Threads:
    """Runs functions beside one daemon.

    Args:
        processes: Starts processes.
        defer: Runs a function in a thread of the reactor's pool, with a `Deferred`.
        call_later: The reactor's.
        runner: Runs reapers.
    """

    def __init__(
        self,
        processes: Processes,
        defer: Callable[..., Deferred[Any]],
        call_later: Callable[..., Any],
        runner: HandlerRunner,
    ) -> None:
        self._processes = processes
        self._defer = defer
        self._call_later = call_later
        self._runner = runner
        self._count = 0
        self._threads: dict[int, Thread] = {}

    def __len__(self) -> int:
        return len(self._threads)

    def create_thread(
        self,
        function: Callable[..., int | None],
        *arguments: Any,
        reaper: ThreadReaper | None = None,
    ) -> Thread:
        """Run a function in a thread of the reactor's pool.

        Args:
            function: What runs; it must not touch the daemon or the reactor.
            *arguments: What it gets.
            reaper: Called in the reactor's own thread with the `Thread` and its
                `ExitStatus`, after this method has returned.

        Returns:
            The thread.
        """
        self._count += 1
        thread = Thread(self._count, describe_handler(function))
        self._threads[thread.thread_id] = thread

        def ended(result: int | Failure | None) -> None:
            if isinstance(result, Failure):
                _log.failure("thread {name} failed", result, name=thread.name)
                code = _FAILED
            else:
                code = 0 if result is None else int(result) & 0xFF
            # Never before whoever started it knows the thread.
            self._call_later(0, self._reap, thread, ExitStatus(code << 8), reaper)

        self._defer(function, *arguments).addBoth(ended)
        return thread

    def create_process(
        self,
        function: str,
        *arguments: str,
        options: SpawnOptions = SpawnOptions(),  # noqa: B008 -- frozen
        reaper: Reaper | None = None,
    ) -> Deferred[Child]:
        """Run a function in a process of its own.

        Args:
            function: ``package.module:function``, importable there as it is here.
            *arguments: What it gets.
            options: How the process is started.
            reaper: As in `Processes.spawn`.

        Returns:
            A `Deferred` of the `Child`, as that of `Processes.spawn`.

        Raises:
            LocalProtocolError: The name is not of that form.
        """
        module, colon, name = function.partition(":")
        if not (colon and module and name.isidentifier()):
            raise LocalProtocolError(f"{function} is not package.module:function")
        paths = [os.path.abspath(path or ".") for path in sys.path]
        environment = {
            **(options.environment or {}),
            "PYTHONPATH": os.pathsep.join(paths),
        }
        return self._processes.spawn(
            sys.executable,
            [sys.executable, "-m", _MODULE, function, *arguments],
            replace(options, environment=environment),
            reaper=reaper,
        )

    def _reap(
        self, thread: Thread, status: ExitStatus, reaper: ThreadReaper | None
    ) -> None:
        thread.end(status)
        if reaper is not None:
            what = f"reaper {describe_handler(reaper)} of thread {thread.name}"
            self._runner.run(what, reaper, thread, status)
        self._threads.pop(thread.thread_id, None)


def main(arguments: list[str]) -> int:
    """Be the process of one function: its name, and its arguments.

    Returns:
        The exit code.
    """
    module, _, name = arguments[0].partition(":")
    result = getattr(importlib.import_module(module), name)(*arguments[1:])
    return 0 if result is None else int(result) & 0xFF


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
