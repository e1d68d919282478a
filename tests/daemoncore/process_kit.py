"""What the tests of child processes share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from condor_twisted.daemoncore import Daemon
from condor_twisted.daemoncore.children.child import Child, ExitStatus
from condor_twisted.daemoncore.children.child_start import READY
from condor_twisted.daemoncore.children.inheritance import Legacy
from condor_twisted.daemoncore.children.processes import Processes, ProcessSettings
from condor_twisted.daemoncore.children.spawn_options import SpawnOptions
from condor_twisted.daemoncore.events.handlers import HandlerRunner
from condor_twisted.errors import SpawnFailed
from condor_twisted.testing.reactor import MemoryProcess, MemoryReactor
from tests.daemoncore.kit import DaemonTestCase

PLAIN = SpawnOptions()


class NothingInherited:
    """Children get nothing from their parent."""

    def __init__(self) -> None:
        self.forgotten_count = 0

    def __call__(self) -> NothingInherited:
        return self

    def prepare(self, options: SpawnOptions) -> Legacy:
        def forget() -> None:
            self.forgotten_count += 1

        return Legacy({"TOLD": "yes"}, _forget=forget)


class _ProcessTests:
    """Children, their reapers, and what is logged."""

    def set_up(self, clock: Any, environment: dict[str, str] | None = None) -> None:
        self.reaped: list[tuple[int, str]] = []
        self.runner = HandlerRunner(clock.callLater)
        self.bequest = NothingInherited()
        self.ended: list[Child] = []
        self.processes = Processes(
            clock,
            clock.seconds,
            self.runner,
            self.bequest,
            ProcessSettings(max_children=2000, spawns_per_second=2000),
            dict(os.environ) if environment is None else environment,
            self.ended.append,
        )
        self.events = EventLoggingObserver()
        globalLogPublisher.addObserver(self.events)

    def reaper(self, child: Child, status: ExitStatus) -> None:
        """Note a child's end."""
        self.reaped.append((child.pid, str(status)))

    def logged(self, part: str) -> list[str]:
        """The lines that were logged and hold a text."""
        lines = [formatEvent(event) for event in self.events]
        return [line for line in lines if part in line]


class MemoryProcessTestCase(_ProcessTests, SynchronousTestCase):
    """Children in memory: the test says what they do."""

    def setUp(self) -> None:
        self.reactor = MemoryReactor()
        self.set_up(self.reactor)
        self.addCleanup(globalLogPublisher.removeObserver, self.events)

    def spawn(
        self, options: SpawnOptions = PLAIN, reaper: Any = None
    ) -> tuple[Deferred[Child], MemoryProcess]:
        """Start a child that has not executed its program."""
        done = self.processes.spawn(
            "/bin/program", (), options, reaper=reaper or self.reaper
        )
        return done, self.reactor.processes[-1]

    def report(self, process: MemoryProcess, report: bytes = READY) -> None:
        """The new process reports, and the report ends."""
        descriptor = int(process.args[-1])
        if report:
            process.protocol.childDataReceived(descriptor, report)
        process.protocol.childConnectionLost(descriptor)

    def start(
        self, options: SpawnOptions = PLAIN, reaper: Any = None
    ) -> tuple[Child, MemoryProcess]:
        """Start a child."""
        done, process = self.spawn(options, reaper)
        self.report(process)
        child: Child = self.successResultOf(done)
        return child, process


class RealProcessTestCase(_ProcessTests, TestCase):
    """Children of the operating system."""

    timeout = 60

    def setUp(self) -> None:
        self.set_up(reactor)
        self.addCleanup(globalLogPublisher.removeObserver, self.events)
        self.addCleanup(self.processes.close)

    async def run_shell(
        self, script: str, options: SpawnOptions = PLAIN
    ) -> tuple[Child, ExitStatus]:
        """Run a shell script to its end."""
        child = await self.processes.spawn(
            "/bin/sh", ["sh", "-c", script], options, reaper=self.reaper
        )
        return child, await child.exited()

    async def spawn_failure(
        self,
        program: str,
        arguments: Sequence[str] = (),
        options: SpawnOptions = PLAIN,
    ) -> SpawnFailed:
        """How a start fails."""
        started = self.processes.spawn(program, arguments, options, reaper=self.reaper)
        error = await self.assertFailure(started, SpawnFailed)
        return cast(SpawnFailed, error)

    async def settle(self) -> None:
        """Wait until no process is left that the reactor waits for."""
        from twisted.internet import process
        from twisted.internet.task import deferLater

        while process.reapProcessHandlers:
            await deferLater(reactor, 0.01, lambda: None)

    async def reaped_count(self, count: int) -> None:
        """Wait until so many reapers were called."""
        from twisted.internet.task import deferLater

        while len(self.reaped) < count:
            await deferLater(reactor, 0.01, lambda: None)


def every(function: Callable[..., Any]) -> Callable[..., Deferred[Any]]:
    """Make a coroutine test one that trial waits for."""

    def run(*arguments: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(function(*arguments))

    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return run


class ParentTestCase(DaemonTestCase):
    """A daemon in memory whose children are in memory, too."""

    def setUp(self) -> None:
        super().setUp()
        self.daemon = self.start(Daemon(self.settings(), self.reactor))

    def spawn(
        self,
        options: SpawnOptions = PLAIN,
        program: str = "/bin/program",
    ) -> Child:
        """Start a child, which runs from then on."""
        done = self.daemon.spawn(program, (), options)
        process = self.reactor.processes[-1]
        descriptor = int(process.args[-1])
        process.protocol.childDataReceived(descriptor, b"R")
        process.protocol.childConnectionLost(descriptor)
        child: Child = self.successResultOf(done)
        self.addCleanup(self.exit, process)
        return child

    def exit(self, process: MemoryProcess) -> None:
        """Have a child end, if it has not ended."""
        if not process.ended:
            process.exit(0, 9)
            self.reactor.advance(0)
