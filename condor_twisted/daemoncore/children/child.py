"""A child process as its parent sees it, and how it ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from condor_twisted.daemoncore.children.child_protocol import ChildProtocol
from condor_twisted.daemoncore.children.spawn_options import SpawnOptions
from condor_twisted.errors import LocalProtocolError
from condor_twisted.wire.sinful import SinfulAddress

if TYPE_CHECKING:
    from condor_twisted.daemoncore.children.inheritance import Legacy

__all__ = ["Child", "ExitStatus", "Reaper"]

_log = Logger()


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a child process, or a thread, ended.

    Args:
        wait_status: The system's raw wait status.
        was_not_responding: It was killed because its heartbeats did not come.
    """

    wait_status: int
    was_not_responding: bool = False

    @property
    def exit_code(self) -> int | None:
        """Its own exit code; ``None`` if a signal ended it."""
        if not os.WIFEXITED(self.wait_status):
            return None
        return os.WEXITSTATUS(self.wait_status)

    @property
    def signal(self) -> int | None:
        """The signal that ended it, if one did."""
        if not os.WIFSIGNALED(self.wait_status):
            return None
        return os.WTERMSIG(self.wait_status)

    @property
    def core_dumped(self) -> bool:
        """Whether it left a core file."""
        return os.WIFSIGNALED(self.wait_status) and os.WCOREDUMP(self.wait_status)

    def __str__(self) -> str:
        if self.signal is not None:
            core = " (core dumped)" if self.core_dumped else ""
            return f"died on signal {self.signal}{core}"
        return f"exited with status {self.exit_code}"


class Child:
    """One child process.

    Attributes:
        pid: Its process id; it is nobody else's until the reaper has returned.
        program: What was executed.
        options: How it was started.
        marker: The variable and the value by which its descendants are known.
        command_address: Where it takes commands, if it is a DaemonCore process.
        status: How it ended; ``None`` until then.
        was_not_responding: It is being killed because its heartbeats do not come.
        responding_until: When its next heartbeat is missed, by the clock of timers;
            ``None`` while nothing is expected of it.
        heartbeats_count: How many heartbeats have come.
        ready_state: What it has said of itself by DC_SET_READY, ``Ready`` above all;
            ``None`` until then.
    """

    def __init__(
        self,
        program: str,
        options: SpawnOptions,
        reaper: Reaper | None,
        legacy: Legacy | None,
    ) -> None:
        self.pid = 0
        self.program = program
        self.options = options
        self.reaper = reaper
        self.legacy = legacy
        self.marker = ("", "")
        self.status: ExitStatus | None = None
        self.was_not_responding = False
        self.responding_until: float | None = None
        self.heartbeats_count = 0
        self.ready_state: str | None = None
        self._protocol: ChildProtocol | None = None
        self._exited: list[Deferred[ExitStatus]] = []

    def __repr__(self) -> str:
        return f"<Child {self.pid} {self.program!r}>"

    @property
    def command_address(self) -> SinfulAddress | None:
        """Where it takes commands."""
        return None if self.legacy is None else self.legacy.address

    @property
    def session_id(self) -> str | None:
        """The id of the session that it shares with us alone."""
        return None if self.legacy is None else self.legacy.session_id

    @property
    def is_running(self) -> bool:
        """Whether it has not ended, as far as anybody knows."""
        return self.status is None

    @property
    def stdout(self) -> bytes:
        """What was captured of its standard output."""
        return self._captured(1)

    @property
    def stderr(self) -> bytes:
        """What was captured of its standard error."""
        return self._captured(2)

    def exited(self) -> Deferred[ExitStatus]:
        """Wait for its end.

        Returns:
            A new `Deferred` each time, which fires with how it ended before the
            reaper is called; at once if it has ended. Cancelling it leaves the child
            alone.
        """

        def give_up(deferred: Deferred[ExitStatus]) -> None:
            self._exited.remove(deferred)

        done: Deferred[ExitStatus] = Deferred(give_up)
        if self.status is not None:
            done.callback(self.status)
        else:
            self._exited.append(done)
        return done

    def write_stdin(self, data: bytes) -> None:
        """Write to its standard input, which is a pipe.

        Raises:
            LocalProtocolError: It is none.
        """
        self._piped_input().write(data)

    def close_stdin(self) -> None:
        """End its standard input.

        Raises:
            LocalProtocolError: It is no pipe.
        """
        self._piped_input().close_input()

    def suspend(self) -> bool:
        """Stop it; whether that could be done."""
        return self.kill(signal.SIGSTOP)

    def resume(self) -> bool:
        """Have it go on; whether that could be done."""
        return self.kill(signal.SIGCONT)

    def shut_down_gracefully(self) -> bool:
        """Ask it to end (SIGTERM); ``True`` if it has ended already."""
        return not self.is_running or self.kill(signal.SIGTERM)

    def shut_down_fast(self, *, want_core: bool = False) -> bool:
        """End it (SIGKILL); ``True`` if it has ended already.

        Args:
            want_core: By SIGABRT, which leaves a core file and may be ignored.
        """
        number = signal.SIGABRT if want_core else signal.SIGKILL
        return not self.is_running or self.kill(number)

    def kill(self, number: int) -> bool:
        """Send it a signal of the operating system.

        Returns:
            ``False`` if it has ended, or belongs to somebody else by now; the log
            says so.
        """
        if self._protocol is None or self.status is not None:
            return False
        try:
            return self._protocol.send_signal(int(number))
        except OSError as error:
            _log.warn(
                "Signal {number} cannot be sent to child {pid}: {error}",
                number=int(number),
                pid=self.pid,
                error=str(error),
            )
            return False

    # What the table of processes does.

    def begin(self, protocol: ChildProtocol, process_id: int) -> None:
        """There is a process."""
        self._protocol = protocol
        self.pid = process_id

    def end(self, wait_status: int) -> ExitStatus:
        """The process has ended."""
        self.status = ExitStatus(wait_status, self.was_not_responding)
        self.responding_until = None
        return self.status

    def tell_exited(self) -> None:
        """Fire what waits for the end."""
        assert self.status is not None, "it has ended"
        waiting, self._exited = self._exited, []
        for each in waiting:
            each.callback(self.status)

    def _captured(self, descriptor: int) -> bytes:
        if self._protocol is None:
            return b""
        return bytes(self._protocol.output.get(descriptor, b""))

    def _piped_input(self) -> ChildProtocol:
        from condor_twisted.daemoncore.children.spawn_options import Stream

        if self.options.stdin is not Stream.PIPE or self._protocol is None:
            raise LocalProtocolError(
                f"the standard input of child {self.pid} is no pipe; spawn it "
                "with stdin=Stream.PIPE"
            )
        return self._protocol


#: What is called with a child and how it ended; it may return a `Deferred`, or be a
#: coroutine function.
Reaper = Callable[[Child, ExitStatus], object]
