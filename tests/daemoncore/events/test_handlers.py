"""Tests of ``condor_twisted.daemoncore.events.handlers``."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.events.handlers import (
    HandlerKind,
    HandlerRunner,
    describe_handler,
)


class HandlerRunnerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.runner = HandlerRunner(self.clock.callLater, 300)
        self.events = EventLoggingObserver()
        globalLogPublisher.addObserver(self.events)
        self.addCleanup(globalLogPublisher.removeObserver, self.events)

    def logged(self, part: str) -> list[str]:
        return [line for line in map(formatEvent, self.events) if part in line]

    def test_done_at_once(self) -> None:
        """A handler that returns is done, whatever it returns."""
        got: list[int] = []
        self.assertIsNone(self.runner.run("it", got.append, 5))
        self.assertIsNone(self.runner.run("it", lambda: 7))
        self.assertEqual(got, [5])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_raising(self) -> None:
        """What a handler raises is logged, and nothing else comes of it."""

        def bad() -> None:
            raise RuntimeError("bad")

        self.assertIsNone(self.runner.run("the handler", bad))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(len(self.logged("the handler failed")), 1)

    def test_measured(self) -> None:
        """A handler that is measured runs as any, until it returns or waits."""
        clock = Clock()
        runner = HandlerRunner(clock.callLater, seconds=clock.seconds)
        waits: Deferred[None] = Deferred()

        def handler() -> Deferred[None]:
            clock.advance(2.0)
            return waits

        done = runner.run_as(HandlerKind.TIMER, "h", "timer h", handler)
        assert done is not None
        clock.advance(5.0)
        waits.callback(None)
        self.assertIs(self.successResultOf(done), True)
        times = runner.times[HandlerKind.TIMER]
        self.assertEqual((times.count, times.seconds), (1, 2.0))
        self.assertEqual(runner.times[HandlerKind.SIGNAL].count, 0)

    def test_waiting(self) -> None:
        """A Deferred, or a coroutine, is waited for; its failure is logged."""
        first: Deferred[str] = Deferred()
        second: Deferred[str] = Deferred()

        async def coroutine() -> None:
            await second

        done = self.runner.run("first", lambda: first)
        also = self.runner.run("second", coroutine)
        assert done is not None
        assert also is not None
        self.assertEqual(len(self.runner), 2)
        self.assertNoResult(done)
        first.callback("well")
        second.errback(RuntimeError("bad"))
        self.assertIs(self.successResultOf(done), True)
        self.assertIs(self.successResultOf(also), False)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_never_firing(self) -> None:
        """One that never comes back is named once, and cancelled at the end."""
        never: Deferred[str] = Deferred()
        done = self.runner.run("the slow one", lambda: never)
        assert done is not None
        self.clock.advance(299)
        self.assertEqual(self.logged("not finished"), [])
        self.clock.advance(1)
        self.clock.advance(100000)
        self.assertEqual(
            self.logged("not finished"),
            [
                "the slow one has not finished after 300 s; nothing else waits for it",
            ],
        )
        self.runner.close()
        self.assertIs(self.successResultOf(done), False)
        self.assertEqual(len(self.runner), 0)

    def test_names(self) -> None:
        """Functions, methods and objects have names for the log."""
        self.assertIn("test_names", describe_handler(self.test_names))
        self.assertEqual(describe_handler(self.runner), "HandlerRunner")  # type: ignore[arg-type]
