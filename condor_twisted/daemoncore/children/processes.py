"""Child processes: started, watched, reaped.

* `Processes.spawn` gives a `Child` when the program is executed, or fails with the
  ``errno`` of what did not work. No reaper is called before that.
* A reaper is called once for each child, in the order in which they ended, in a turn
  of the reactor of its own. Until it is done, the process id belongs to that child: a
  new process that the system gives the same id is taken back and started again.
* At most so many children run at once, and at most so many are started in a second:
  further ones wait, or are refused.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::Create_Process,
Register_Reaper, HandleProcessExit, HandleDC_SIGCHLD``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.children import child_start
from condor_twisted.daemoncore.children.child import Child, ExitStatus, Reaper
from condor_twisted.daemoncore.children.child_protocol import ChildProtocol
from condor_twisted.daemoncore.children.inheritance import Bequest, Legacy
from condor_twisted.daemoncore.children.spawn_options import SpawnOptions
from condor_twisted.daemoncore.children.spawn_orders import (
    ANCESTOR,
    make_order,
    map_descriptors,
)
from condor_twisted.daemoncore.events.handlers import HandlerRunner, describe_handler
from condor_twisted.daemoncore.program.own_process import have_descriptors
from condor_twisted.errors import LocalProtocolError, SpawnFailed

__all__ = ["ProcessSettings", "Processes"]

_log = Logger()

#: What starting a process takes.
_DESCRIPTORS_OF_A_START: Final = 16
#: How often a start is tried again because of a process id that is not free.
MAX_PID_COLLISION_RETRY: Final = 9
#: How long children may take to end by themselves when the daemon stops.
CLOSE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """What the configuration says about children.

    Args:
        max_children: So many children may run at once (``MAX_CHILD_PROCESSES``).
        spawns_per_second: So many are started in a second
            (``MAX_CHILD_SPAWNS_PER_SECOND``).
        capture_bytes: PIPE_BUFFER_MAX.
        max_reaps_per_turn: MAX_REAPS_PER_CYCLE; 0 for all.
        process_groups: USE_PROCESS_GROUPS.
        kill_on_exit: ``<SUBSYS>_KILL_CHILDREN_ON_EXIT``, DEFAULT_KILL_CHILDREN_ON_EXIT.
    """

    max_children: int = 200
    spawns_per_second: int = 50
    capture_bytes: int = 10_240
    max_reaps_per_turn: int = 0
    process_groups: bool = True
    kill_on_exit: bool = True

    @classmethod
    def from_settings(cls, settings: Settings) -> ProcessSettings:
        """Read them.

        Raises:
            ConfigError: A value has no sense.
        """
        usual = cls()
        default_kill = settings.boolean("DEFAULT_KILL_CHILDREN_ON_EXIT", True)
        return cls(
            settings.integer("MAX_CHILD_PROCESSES", usual.max_children),
            max(
                1,
                settings.integer(
                    "MAX_CHILD_SPAWNS_PER_SECOND", usual.spawns_per_second
                ),
            ),
            max(1, settings.integer("PIPE_BUFFER_MAX", usual.capture_bytes)),
            max(0, settings.integer("MAX_REAPS_PER_CYCLE", 0)),
            settings.boolean("USE_PROCESS_GROUPS", True),
            settings.boolean(
                f"{settings.subsystem}_KILL_CHILDREN_ON_EXIT", default_kill
            ),
        )


class Processes:
    """The child processes of one daemon.

    Args:
        reactor: Starts processes and tells time.
        seconds: The clock of timers.
        runner: Runs reapers.
        bequest: Makes what children are told and get.
        settings: What the configuration says.
        environment: The variables that children have from us.
        ended: Called with each child when its reaper is done.

    Attributes:
        default_reaper: Reaps children that have no reaper of their own.
    """

    def __init__(
        self,
        reactor: Any,
        seconds: Callable[[], float],
        runner: HandlerRunner,
        bequest: Callable[[], Bequest],
        settings: ProcessSettings = ProcessSettings(),
        environment: Mapping[str, str] = os.environ,
        ended: Callable[[Child], object] | None = None,
    ) -> None:
        self.settings = settings
        self.default_reaper: Reaper | None = None
        self._reactor = reactor
        self._seconds = seconds
        self._runner = runner
        self._bequest = bequest
        self._environment = environment
        self._ended = ended
        self._children: dict[int, Child] = {}
        self._turns: dict[Deferred[None], IDelayedCall] = {}
        self._next_start_at = float("-inf")
        self._exits: deque[tuple[Child, ExitStatus]] = deque()
        self._reap: IDelayedCall | None = None
        self._closing = False

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._children.values()))

    def find(self, process_id: int) -> Child | None:
        """The child of a process id, until its reaper is done."""
        return self._children.get(process_id)

    def spawn(
        self,
        program: str,
        arguments: Sequence[str] = (),
        options: SpawnOptions = SpawnOptions(),  # noqa: B008 -- frozen
        *,
        reaper: Reaper | None = None,
    ) -> Deferred[Child]:
        """Start a child process.

        Args:
            program: What is executed: a path, or a name that the child's ``PATH``
                leads to.
            arguments: All of them, the program's own name first; by default that
                alone.
            options: How it is started.
            reaper: Called with the child and an `ExitStatus` when it has ended;
                `default_reaper` by default.

        Returns:
            A `Deferred` of the `Child`, which fires when the program is executed. It
            fails with `SpawnFailed`, or one of its subclasses `ProgramNotFound`,
            `ProgramNotPermitted`, `ProgramNotExecutable` and `ArgumentsTooLong`;
            nothing is left of the child then, and no reaper is called.
        """
        return Deferred.fromCoroutine(
            self._spawn(program, tuple(arguments) or (program,), options, reaper)
        )

    def close(self) -> Deferred[None]:
        """End the children, each with its exit signal, and hard if that is not enough.

        Returns:
            A `Deferred` that fires when they have ended and their reapers are done,
            or when the others were killed after `CLOSE_SECONDS`; at once, if children
            outlive their parent here (KILL_CHILDREN_ON_EXIT).
        """
        self._closing = True
        turns, self._turns = self._turns, {}
        for turn, call in turns.items():
            call.cancel()
            turn.callback(None)
        doomed: list[Child] = []
        for child in self:
            number = child.options.exit_signal if self.settings.kill_on_exit else 0
            if child.is_running and number:
                child.kill(number)
                doomed.append(child)
        done: Deferred[None] = Deferred()

        def late() -> None:
            for child in doomed:
                child.shut_down_fast()
            done.callback(None)

        limit = self._reactor.callLater(CLOSE_SECONDS, late)

        def ended(_: object) -> None:
            if limit.active():
                limit.cancel()
                done.callback(None)

        DeferredList([child.exited() for child in doomed]).addCallback(ended)
        return done.addCallback(lambda _: self._reap_all())

    # Starting.

    async def _spawn(
        self,
        program: str,
        arguments: tuple[str, ...],
        options: SpawnOptions,
        reaper: Reaper | None,
    ) -> Child:
        self._check_open()
        if len(self._children) + len(self._turns) >= self.settings.max_children:
            raise SpawnFailed(
                program,
                errno.EAGAIN,
                f"{self.settings.max_children} child processes run already",
                advice="raise MAX_CHILD_PROCESSES if this is meant",
            )
        await self._turn()
        for _ in range(1 + MAX_PID_COLLISION_RETRY):
            child = await self._start(program, arguments, options, reaper)
            if child is not None:
                return child
        raise SpawnFailed(
            program,
            errno.EAGAIN,
            "getting a process id that no unreaped child has",
        )

    def _check_open(self) -> None:
        if self._closing:
            raise LocalProtocolError("the daemon stops; it starts no process any more")

    async def _turn(self) -> None:
        """Wait until a further process may be started."""
        rate = self.settings.spawns_per_second
        now = self._seconds()
        # A whole second's worth may start at once, then they are spread.
        at = max(self._next_start_at, now - 1.0) + 1.0 / rate
        self._next_start_at = at
        if at > now:
            turn: Deferred[None] = Deferred(lambda _: call.cancel())
            call = self._reactor.callLater(at - now, turn.callback, None)
            self._turns[turn] = call
            try:
                await turn
            finally:
                self._turns.pop(turn, None)
            self._check_open()

    async def _start(
        self,
        program: str,
        arguments: tuple[str, ...],
        options: SpawnOptions,
        reaper: Reaper | None,
    ) -> Child | None:
        """Start it once; ``None`` if its process id is not free."""
        legacy = self._bequest().prepare(options)
        try:
            child = Child(program, options, reaper, legacy)
            protocol = self._launch(program, child, legacy)
            if child.pid in self._children:
                _log.warn(
                    "Process id {pid} belongs to a child that is not reaped; starting "
                    "{program} again",
                    pid=child.pid,
                    program=program,
                )
                protocol.take_back()
                protocol.started.addErrback(lambda _: None)
                legacy.forget()
                return None
            self._children[child.pid] = child
            try:
                order = make_order(
                    program,
                    arguments,
                    options,
                    self._environment,
                    legacy.variables,
                    self._marker_of(child),
                    self.settings.process_groups,
                )
                protocol.give_order(order, _piped(options))
                legacy.close_sockets()
                await protocol.started
            except BaseException:
                protocol.take_back()
                protocol.started.addErrback(lambda _: None)
                self._children.pop(child.pid, None)
                raise
        except BaseException:
            legacy.forget()
            raise
        _log.info("Started process {pid}: {program}", pid=child.pid, program=program)
        self._schedule_reaping()
        return child

    def _launch(self, program: str, child: Child, legacy: Legacy) -> ChildProtocol:
        """Have the reactor start a process that waits for its order."""
        options = child.options
        if not sys.executable:
            raise SpawnFailed(program, 0, "this program does not know its interpreter")
        if not have_descriptors(_DESCRIPTORS_OF_A_START):
            reason = os.strerror(errno.EMFILE)
            raise SpawnFailed(program, errno.EMFILE, "opening pipes", reason)
        with contextlib.ExitStack() as opened:
            null = os.open(os.devnull, os.O_RDWR)
            opened.callback(os.close, null)
            mapped, order_descriptor, report_descriptor = map_descriptors(
                options, legacy.descriptors, null
            )
            protocol = ChildProtocol(
                self._reactor,
                program,
                order_descriptor,
                report_descriptor,
                options.capture_bytes or self.settings.capture_bytes,
                options.output_received,
                options.suspended,
                lambda status: self._exited(child, status),
            )
            command = [
                sys.executable,
                "-I",
                "-S",
                child_start.__file__,
                str(order_descriptor),
                str(report_descriptor),
            ]
            try:
                transport = self._reactor.spawnProcess(
                    protocol, sys.executable, command, env=os.environ, childFDs=mapped
                )
            except OSError as error:
                raise SpawnFailed(
                    program, error.errno or 0, "fork", error.strerror or ""
                ) from error
        process_id = transport.pid
        if process_id is None:
            raise SpawnFailed(program, 0, "the new process ended at once")
        child.begin(protocol, process_id)
        return protocol

    def _marker_of(self, child: Child) -> tuple[int, int, int]:
        """Who forked, when, and a number that nobody guesses."""
        import time

        forker, forked_unix = os.getpid(), int(time.time())
        chance = secrets.randbits(32)
        value = f"{child.pid}:{forked_unix}:{chance}"
        child.marker = (ANCESTOR.format(forker), value)
        return forker, forked_unix, chance

    # Reaping.

    def _exited(self, child: Child, wait_status: int) -> None:
        """Twisted has waited for a child."""
        status = child.end(wait_status)
        if self._children.get(child.pid) is not child:
            child.tell_exited()
            return  # it never became a child
        self._exits.append((child, status))
        self._schedule_reaping()

    def _schedule_reaping(self) -> None:
        if self._exits and (self._reap is None or not self._reap.active()):
            self._reap = self._reactor.callLater(0, self._reap_some)

    def _reap_some(self) -> None:
        limit = self.settings.max_reaps_per_turn
        for _ in range(limit or len(self._exits)):
            if not self._exits:
                return
            self._reap_one(*self._exits.popleft())
        self._schedule_reaping()

    def _reap_all(self) -> None:
        if self._reap is not None and self._reap.active():
            self._reap.cancel()
        while self._exits:
            self._reap_one(*self._exits.popleft())

    def _reap_one(self, child: Child, status: ExitStatus) -> None:
        _log.info("DaemonCore: pid {pid} {status}", pid=child.pid, status=str(status))
        child.tell_exited()
        reaper = child.reaper or self.default_reaper
        done = None
        if reaper is not None:
            what = f"reaper {describe_handler(reaper)} of pid {child.pid}"
            done = self._runner.run(what, reaper, child, status)
        if done is None:
            self._forget(child)
        else:
            done.addCallback(lambda _: self._forget(child))

    def _forget(self, child: Child) -> None:
        """The reaper is done: the process id is free."""
        if self._children.get(child.pid) is child:
            del self._children[child.pid]
        if child.legacy is not None:
            child.legacy.forget()
        if self._ended is not None:
            self._ended(child)


def _piped(options: SpawnOptions) -> set[int]:
    from condor_twisted.daemoncore.children.spawn_options import Stream

    outputs = {1: options.stdout, 2: options.stderr}
    return {number for number, where in outputs.items() if where is Stream.PIPE}
