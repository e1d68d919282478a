"""Tests of ``condor_twisted.daemoncore.signals``."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.signals import Signals
from condor_twisted.errors import LocalProtocolError


class SignalsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.soon: list[Callable[..., object]] = []
        self.happened: list[str] = []
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
