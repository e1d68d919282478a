"""Tests of ``condor_twisted.daemoncore.statistics.waiting``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from itertools import count
from typing import Any
from unittest import skipUnless

from twisted.internet.selectreactor import SelectReactor
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.recent import RecentProbe
from condor_twisted.daemoncore.statistics.waiting import (
    MeasuredPoller,
    PollerWatch,
    ThreadWatch,
)


class _Poller:
    """Waits as long as the test says, and finds as many descriptors."""

    def __init__(self, reactor: _Reactor) -> None:
        self._reactor = reactor
        self.registered: list[int] = []

    def poll(self, timeout: float, ready_count: int = 0) -> list[tuple[int, int]]:
        self._reactor.now += timeout
        return [(number, 1) for number in range(ready_count)]

    def register(self, number: int) -> None:
        self.registered.append(number)


class _Reactor:
    """Has a poller, a clock, and a beginning."""

    def __init__(self, running: bool = True) -> None:
        self.now = 1000.0
        self._poller: Any = _Poller(self)
        self._running = running
        self._begins: list[Callable[[], object]] = []

    def seconds(self) -> float:
        return self.now

    def callWhenRunning(self, function: Callable[[], object]) -> None:
        if self._running:
            function()
        else:
            self._begins.append(function)

    def run(self) -> None:
        """The first turn begins."""
        for function in self._begins:
            function()

    def turn(self, waiting: float, busy: float, ready_count: int = 1) -> None:
        """One turn: it waits, and is busy."""
        self._poller.poll(waiting, ready_count)
        self.now += busy


def _watch(reactor: _Reactor) -> PollerWatch:
    watch = PollerWatch.on(reactor, reactor.seconds)
    assert watch is not None
    return watch


class PollerWatchTests(SynchronousTestCase):
    def test_waiting(self) -> None:
        """Waiting is what the poller takes; the rest of the time is not."""
        reactor = _Reactor()
        watch = _watch(reactor)
        reactor.turn(3.0, 1.0, 2)
        reactor.turn(0.5, 0.5, 1)
        self.assertEqual(watch.elapsed_seconds(), 5.0)
        self.assertEqual(watch.waiting_seconds(), 3.5)
        self.assertEqual(watch.ready_count, 3)

    def test_start(self) -> None:
        """What passes before the reactor runs belongs to no turn."""
        reactor = _Reactor(running=False)
        watch = _watch(reactor)
        reactor.now += 10.0
        reactor.run()
        reactor.turn(3.0, 1.0)
        self.assertEqual((watch.elapsed_seconds(), watch.waiting_seconds()), (4.0, 3.0))

    def test_poller_is_given_back(self) -> None:
        """The reactor has its own poller again, once nobody looks at it."""
        reactor = _Reactor()
        own = reactor._poller
        first, second = _watch(reactor), _watch(reactor)
        reactor._poller.register(7)
        self.assertEqual(own.registered, [7])
        self.assertIs(reactor._poller.poller, own)
        reactor.turn(2.0, 0.0)
        first.close()
        reactor.turn(2.0, 0.0)
        self.assertEqual(second.waiting_seconds(), 4.0)
        second.close()
        self.assertIs(reactor._poller, own)

    def test_later_watch(self) -> None:
        """A watch knows of nothing that was before it."""
        reactor = _Reactor()
        _watch(reactor)
        reactor.turn(5.0, 5.0, 5)
        late = _watch(reactor)
        reactor.turn(1.0, 1.0, 1)
        self.assertEqual(late.elapsed_seconds(), 2.0)
        self.assertEqual(late.waiting_seconds(), 1.0)
        self.assertEqual(late.ready_count, 1)

    def test_cycles(self) -> None:
        """Turns are measured one by one where somebody wants that."""
        reactor = _Reactor()
        watch = _watch(reactor)
        reactor.turn(9.0, 9.0)
        probe = RecentProbe(5)
        self.assertTrue(watch.measure_cycles(probe))
        reactor.turn(1.0, 2.0)
        reactor.turn(3.0, 0.0)
        self.assertEqual((probe.overall.count, probe.overall.total), (2, 6.0))
        self.assertEqual((probe.overall.minimum, probe.overall.maximum), (1.0, 5.0))
        watch.measure_cycles(None)
        reactor.turn(1.0, 1.0)
        self.assertEqual(probe.overall.count, 2)
        self.assertEqual(watch.waiting_seconds(), 14.0)

    def test_no_poller(self) -> None:
        """A reactor without a poller stays as it is."""
        self.assertIsNone(PollerWatch.on(object(), lambda: 0.0))

    @skipUnless(sys.platform == "linux", "only Linux has epoll")
    def test_reactors_of_twisted(self) -> None:
        """One that polls is measured, and works as before; one that selects is not."""
        from twisted.internet.epollreactor import EPollReactor

        reactor = EPollReactor()
        self.addCleanup(self.close, reactor)
        ticks = count()
        watch = PollerWatch.on(reactor, lambda: float(next(ticks)))
        assert watch is not None
        self.assertIsInstance(reactor._poller, MeasuredPoller)
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        got: list[bytes] = []

        class Reader:
            def fileno(self) -> int:
                return reader

            def logPrefix(self) -> str:
                return "reader"

            def doRead(self) -> None:
                got.append(os.read(reader, 10))

        stream = Reader()
        reactor.addReader(stream)
        os.write(writer, b"x")
        before = watch.waiting_seconds()
        reactor.doIteration(5)
        self.assertEqual(got, [b"x"])
        self.assertEqual(watch.ready_count, 1)
        self.assertEqual(watch.waiting_seconds() - before, 1.0)
        reactor.removeReader(stream)
        watch.close()
        self.assertNotIsInstance(reactor._poller, MeasuredPoller)

        other = SelectReactor()
        self.addCleanup(self.close, other)
        self.assertIsNone(PollerWatch.on(other, lambda: 0.0))

    def close(self, reactor: Any) -> None:
        """Close what a reactor that never ran has opened."""
        reactor.removeAll()
        if reactor.waker is not None:
            reactor.waker.connectionLost(None)
        poller = getattr(reactor, "_poller", None)
        if poller is not None:
            poller.close()


class ThreadWatchTests(SynchronousTestCase):
    def test_cpu(self) -> None:
        """What the thread did not compute, it waited."""
        now, used = 100.0, 5.0
        watch = ThreadWatch(lambda: now, lambda: used)
        now, used = 110.0, 7.5
        self.assertEqual(watch.elapsed_seconds(), 10.0)
        self.assertEqual(watch.waiting_seconds(), 7.5)
        self.assertIsNone(watch.ready_count)
        self.assertFalse(watch.measure_cycles(RecentProbe(5)))
        used = 200.0
        self.assertEqual(watch.waiting_seconds(), 0.0)
        watch.close()
