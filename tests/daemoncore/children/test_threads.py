"""Tests of ``condor_twisted.daemoncore.children.threads``."""

from __future__ import annotations

import io
import sys
import time
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.children.child import ExitStatus
from condor_twisted.daemoncore.children.spawn_options import SpawnOptions, Stream
from condor_twisted.daemoncore.children.threads import Thread, Threads, main
from condor_twisted.daemoncore.events.handlers import HandlerRunner
from condor_twisted.errors import LocalProtocolError
from condor_twisted.testing.reactor import MemoryReactor, blocking_at_once
from tests.daemoncore.process_kit import (
    MemoryProcessTestCase,
    RealProcessTestCase,
    every,
)


def add(first: str, second: str) -> int:
    """What a process of its own runs in these tests."""
    print(first, second)
    return int(first) + int(second)


def fail() -> None:
    """A function that fails."""
    raise RuntimeError("bad")


class ThreadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactor()
        runner = HandlerRunner(self.reactor.callLater)
        self.waiting: list[tuple[Deferred[Any], Any]] = []
        self.threads = Threads(
            None,  # type: ignore[arg-type]
            blocking_at_once,
            self.reactor.callLater,
            runner,
        )
        self.reaped: list[tuple[Thread, ExitStatus]] = []

    def reap(self, thread: Thread, status: ExitStatus) -> None:
        self.reaped.append((thread, status))

    def test_exit_code(self) -> None:
        """What a function returns is its exit code; its reaper comes afterwards."""
        for returned, code in ((None, 0), (0, 0), (7, 7), (256 + 3, 3)):
            thread = self.threads.create_thread(
                lambda value: value,
                returned,
                reaper=self.reap,
            )
            self.assertIsNone(thread.status)
            exited = thread.exited()
            self.reactor.advance(0)
            self.assertEqual(self.successResultOf(exited).exit_code, code)
            self.assertEqual(self.successResultOf(thread.exited()).exit_code, code)
            self.assertIs(self.reaped[-1][0], thread)
        self.assertEqual(len(self.reaped), 4)
        self.assertEqual([each.thread_id for each, _ in self.reaped], [1, 2, 3, 4])
        self.assertEqual(len(self.threads), 0)

    def test_raising(self) -> None:
        """A function that raises has failed, and the log says how."""
        thread = self.threads.create_thread(fail, reaper=self.reap)
        self.reactor.advance(0)
        assert thread.status is not None
        self.assertEqual(thread.status.exit_code, 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_main(self) -> None:
        """A function is called by its name, with strings."""
        here = __name__
        self.patch(sys, "stdout", io.StringIO())
        self.assertEqual(main([f"{here}:add", "2", "3"]), 5)
        self.assertRaises(RuntimeError, main, [f"{here}:fail"])
        self.assertEqual(main(["os.path:exists", "/"]), 1)
        self.assertEqual(main(["gc:enable"]), 0)


class RefusedTests(MemoryProcessTestCase):
    def test_names(self) -> None:
        """What is no name of a function is refused."""
        threads = Threads(
            self.processes, blocking_at_once, self.reactor.callLater, self.runner
        )
        for name in ("", "module", "module:", ":function", "module:not a name"):
            self.assertRaises(LocalProtocolError, threads.create_process, name)


class RealTests(RealProcessTestCase):
    def make(self) -> Threads:
        from twisted.internet import reactor
        from twisted.internet.threads import deferToThread

        return Threads(self.processes, deferToThread, reactor.callLater, self.runner)

    @every
    async def test_in_a_process(self) -> None:
        """A function runs in a process of its own, and ends as a child does."""
        threads = self.make()
        child = await threads.create_process(
            f"{__name__}:add",
            "2",
            "40",
            options=SpawnOptions(stdout=Stream.PIPE),
            reaper=self.reaper,
        )
        status = await child.exited()
        self.assertEqual((status.exit_code, child.stdout), (42, b"2 40\n"))
        child = await threads.create_process(
            f"{__name__}:fail", options=SpawnOptions(stderr=Stream.PIPE)
        )
        self.assertEqual((await child.exited()).exit_code, 1)
        self.assertIn(b"RuntimeError: bad", child.stderr)

    @every
    async def test_in_a_thread(self) -> None:
        """A function runs beside the reactor."""
        reaped: Deferred[Thread] = Deferred()
        thread = self.make().create_thread(
            lambda: int(time.monotonic() > 0),
            reaper=lambda thread, status: reaped.callback(thread),
        )
        self.assertIs(await reaped, thread)
        assert thread.status is not None
        self.assertEqual(thread.status.exit_code, 1)
