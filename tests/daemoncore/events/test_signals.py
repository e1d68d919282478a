"""Tests of ``condor_twisted.daemoncore.events.signals``."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.events.handlers import HandlerRunner
from condor_twisted.daemoncore.events.signals import Signals
from condor_twisted.errors import LocalProtocolError


class SignalsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.soon: list[Callable[..., object]] = []
        self.happened: list[object] = []
        self.signals = Signals(self.soon.append)
        self.signals.subscribe(signal.SIGHUP, lambda: self.happened.append("hup"))
        self.signals.subscribe(signal.SIGTERM, lambda: self.happened.append("term"))

    def turn(self) -> None:
        """A turn of the reactor."""
        soon, self.soon[:] = list(self.soon), []
        for function in soon:
            function()

    def test_mnh_8_6_delivered_in_a_later_turn_once(self) -> None:
        """Two thousand arrivals before a turn are one call, in that turn."""
        for _ in range(2000):
            self.assertTrue(self.signals.raise_signal(signal.SIGHUP))
        self.assertEqual(self.happened, [])
        self.assertEqual(len(self.soon), 1)
        self.turn()
        self.assertEqual(self.happened, ["hup"])
        self.signals.raise_signal(signal.SIGHUP)
        self.turn()
        self.assertEqual(self.happened, ["hup", "hup"])

    def test_mnh_5_16_numbers_without_a_handler(self) -> None:
        """A number that nobody handles does nothing but a line in the log."""
        for number in (9, 0, -1, 10**9, signal.SIGUSR1):
            self.assertFalse(self.signals.handles(number))
            self.assertFalse(self.signals.raise_signal(number))
        self.assertEqual(self.soon, [])

    def test_one_handler(self) -> None:
        """A signal has one handler."""
        self.assertRaises(
            LocalProtocolError, self.signals.subscribe, signal.SIGHUP, self.turn
        )

    def test_failing_handler(self) -> None:
        """A handler that raises does not keep the others from running."""

        def bad() -> None:
            raise RuntimeError("bad")

        self.signals.subscribe(1000, bad)
        self.signals.subscribe(1001, lambda: self.happened.append("after"))
        self.signals.raise_signal(1000)
        self.signals.raise_signal(1001)
        self.turn()
        self.assertEqual(self.happened, ["after"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_signals_of_the_system(self) -> None:
        """Installed, they come from the system, blocked ones too; restored, not."""
        before = signal.getsignal(signal.SIGHUP)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        self.signals.install()
        self.addCleanup(self.signals.restore)
        os.kill(os.getpid(), signal.SIGHUP)
        self.assertEqual(self.happened, [])
        self.turn()
        self.assertEqual(self.happened, ["hup"])
        self.signals.restore()
        self.assertEqual(signal.getsignal(signal.SIGHUP), before)

    def test_what_can_have_a_handler(self) -> None:
        """Numbers of the system that mean something else have none."""
        for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT, signal.SIGSEGV):
            with self.assertRaisesRegex(LocalProtocolError, "cannot have a handler"):
                self.signals.subscribe(number, self.turn)
        self.signals.subscribe(signal.SIGUSR1, self.turn)
        self.signals.subscribe(100, self.turn)

    def test_order_of_registration(self) -> None:
        """What is pending is delivered in the order in which it was subscribed."""
        for number in (300, 200, 100):
            self.signals.subscribe(number, lambda n=number: self.happened.append(n))  # type: ignore[misc]
        for number in (100, 200, 300, signal.SIGHUP):
            self.signals.raise_signal(number)
        self.turn()
        self.assertEqual(self.happened, ["hup", 300, 200, 100])

    def test_several_handlers(self) -> None:
        """Further handlers are called, too, until they are taken away."""

        def also() -> None:
            self.happened.append("also")

        self.signals.subscribe(signal.SIGHUP, also, also=True)
        self.signals.raise_signal(signal.SIGHUP)
        self.turn()
        self.signals.unsubscribe(signal.SIGHUP, also)
        self.signals.raise_signal(signal.SIGHUP)
        self.turn()
        self.assertEqual(self.happened, ["hup", "also", "hup"])
        self.assertRaises(
            LocalProtocolError, self.signals.unsubscribe, signal.SIGHUP, also
        )

    def test_blocking(self) -> None:
        """A blocked signal waits, once, and comes when it is unblocked."""
        self.signals.block(signal.SIGHUP)
        self.signals.raise_signal(signal.SIGHUP)
        self.signals.raise_signal(signal.SIGHUP)
        self.signals.raise_signal(signal.SIGTERM)
        self.turn()
        self.assertEqual(self.happened, ["term"])
        self.signals.unblock(signal.SIGHUP)
        self.assertEqual(self.happened, ["term"])
        self.turn()
        self.turn()
        self.assertEqual(self.happened, ["term", "hup"])
        self.assertRaises(LocalProtocolError, self.signals.block, 999)
        self.assertRaises(LocalProtocolError, self.signals.unblock, 999)

    def test_raised_by_a_handler(self) -> None:
        """What a handler raises, itself even, comes in the next turn."""

        def again() -> None:
            self.happened.append("again")
            if len(self.happened) < 3:
                self.signals.raise_signal(500)

        self.signals.subscribe(500, again)
        self.signals.raise_signal(500)
        for expected in (1, 2, 3, 3):
            self.turn()
            self.assertEqual(len(self.happened), expected)

    def test_waiting_handlers(self) -> None:
        """Handlers may be coroutine functions; what they raise is logged."""
        waiting: Deferred[None] = Deferred()

        async def handler() -> None:
            await waiting
            raise RuntimeError("bad")

        clock = Clock()
        signals = Signals(self.soon.append, HandlerRunner(clock.callLater))
        signals.subscribe(500, handler)
        signals.raise_signal(500)
        self.turn()
        waiting.callback(None)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_children_of_the_reactor(self) -> None:
        """SIGCHLD reaches whoever waits for processes, and then our handler."""
        before = signal.signal(
            signal.SIGCHLD, lambda number, frame: self.happened.append("reactor")
        )
        self.addCleanup(signal.signal, signal.SIGCHLD, before or signal.SIG_DFL)
        self.signals.install()
        self.addCleanup(self.signals.restore)
        self.signals.subscribe(signal.SIGCHLD, lambda: self.happened.append("ours"))
        os.kill(os.getpid(), signal.SIGCHLD)
        self.turn()
        self.assertEqual(self.happened, ["reactor", "ours"])

    def test_reactor_that_takes_sigchld_later(self) -> None:
        """Installed again, the one who waits for processes by now is called."""
        before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.addCleanup(signal.signal, signal.SIGCHLD, before or signal.SIG_DFL)
        self.signals.subscribe(signal.SIGCHLD, lambda: self.happened.append("ours"))
        self.signals.install()
        self.addCleanup(self.signals.restore)
        signal.signal(
            signal.SIGCHLD, lambda number, frame: self.happened.append("reactor")
        )
        self.signals.install()
        self.signals.install()
        os.kill(os.getpid(), signal.SIGCHLD)
        self.turn()
        self.assertEqual(self.happened, ["reactor", "ours"])
