"""Tests of ``condor_twisted.daemoncore.events.signal_delivery``."""

from __future__ import annotations

import os
import signal
from typing import Any

from condor_twisted.daemoncore import Daemon
from condor_twisted.daemoncore.events.signal_delivery import Relative, SignalSender
from condor_twisted.errors import LocalProtocolError
from tests.daemoncore.kit import DaemonTestCase


class SignalSenderTests(DaemonTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.daemon = self.start(Daemon(self.settings(), self.reactor))
        self.other = self.start(Daemon(self.settings(), self.reactor))
        self.got: list[int] = []
        for number in (101, 60009, signal.SIGUSR1):
            self.other.signals.subscribe(number, lambda n=number: self.got.append(n))  # type: ignore[misc]
        self.kills: list[int] = []
        self.kill_works = True
        self.relatives: dict[int, Relative] = {}
        self.sender = SignalSender(
            self.daemon.signals,
            self.relatives.get,
            self.daemon.runtime._opener,
            lambda: self.daemon.settings,
        )

    def kill(self, number: int) -> bool:
        self.kills.append(number)
        return self.kill_works

    def relative(
        self, address: str | None = None, *, is_gone: bool = False
    ) -> Relative:
        found = Relative(4242, address, None, is_gone, self.kill)
        self.relatives[4242] = found
        return found

    def send(self, process_id: int, number: int) -> bool:
        done = self.sender.send(process_id, number)
        self.reactor.flush()
        sent: bool = self.successResultOf(done)
        return sent

    def test_to_ourselves(self) -> None:
        """In memory, in a later turn, and only what has a handler."""
        got: list[int] = []
        self.daemon.signals.subscribe(101, lambda: got.append(101))
        self.assertTrue(self.send(os.getpid(), 101))
        self.assertEqual(got, [101])
        self.assertFalse(self.send(os.getpid(), 102))
        self.assertFalse(self.send(os.getpid(), signal.SIGCONT))
        sent: list[Any] = []
        self.patch(os, "kill", lambda *arguments: sent.append(arguments))
        self.assertTrue(self.send(os.getpid(), signal.SIGSTOP))
        self.assertEqual(sent, [(os.getpid(), signal.SIGSTOP)])

    def test_to_a_plain_child(self) -> None:
        """By the system; what only DaemonCore has needs a command port."""
        self.relative()
        self.assertTrue(self.send(4242, signal.SIGTERM))
        self.assertEqual(self.kills, [signal.SIGTERM])
        with self.assertRaisesRegex(LocalProtocolError, "needs a command port"):
            self.sender.send(4242, 101)

    def test_to_a_daemon(self) -> None:
        """Usual ones by the system, DaemonCore's own by a command."""
        self.relative(str(self.other.address))
        self.assertTrue(self.send(4242, signal.SIGUSR1))
        self.assertEqual(self.kills, [signal.SIGUSR1])
        self.assertTrue(self.send(4242, 101))
        self.assertTrue(self.send(4242, 60009))
        self.assertEqual(self.got, [101, 60009])

    def test_never_by_the_system(self) -> None:
        """All that a command can do is done by one, if the configuration says so."""
        self.daemon.settings = self.settings(NEVER_USE_KILL_FOR_DC_SIGNALS="True")
        self.relative(str(self.other.address))
        self.assertTrue(self.send(4242, signal.SIGUSR1))
        self.assertEqual((self.kills, self.got), ([], [signal.SIGUSR1]))
        self.assertTrue(self.send(4242, signal.SIGKILL))
        self.assertEqual(self.kills, [signal.SIGKILL])

    def test_when_the_system_refuses(self) -> None:
        """A usual one goes as a command then; the others cannot."""
        self.kill_works = False
        self.relative(str(self.other.address))
        self.assertTrue(self.send(4242, signal.SIGUSR1))
        self.assertEqual(self.got, [signal.SIGUSR1])
        self.assertFalse(self.send(4242, signal.SIGSTOP))

    def test_by_datagram(self) -> None:
        """Commands may go by UDP."""
        self.daemon.settings = self.settings(USE_UDP_FOR_DC_SIGNALS="True")
        self.relative(str(self.other.address))
        server = self.other.server
        assert server is not None
        self.assertTrue(self.send(4242, 101))
        self.assertEqual(server.counters.datagrams, 1)

    def test_nobody_there(self) -> None:
        """A daemon that cannot be reached is a line in the log."""
        self.relative("<127.0.0.1:1>")
        self.assertFalse(self.send(4242, 101))
        self.assertEqual(len(self.logged("cannot be sent to pid 4242")), 1)

    def test_one_that_has_ended(self) -> None:
        """A child that is not reaped gets nothing."""
        self.relative(is_gone=True)
        self.assertFalse(self.send(4242, signal.SIGTERM))
        self.assertEqual(self.kills, [])

    def test_others(self) -> None:
        """Any process, by the system; groups of processes never."""
        sent: list[Any] = []

        def kill(pid: int, number: int) -> None:
            sent.append((pid, number))
            if pid == 4243:
                raise ProcessLookupError("gone")

        self.patch(os, "kill", kill)
        self.assertTrue(self.send(4244, signal.SIGTERM))
        self.assertFalse(self.send(4243, signal.SIGTERM))
        self.assertEqual(len(sent), 2)
        for pid in (0, -1, -9, -4242):
            self.assertRaises(LocalProtocolError, self.sender.send, pid, 15)
        self.assertEqual(len(sent), 2)

    def test_to_our_parent(self) -> None:
        """A parent is a relative, too."""
        relative = Relative.of_parent(4242, str(self.other.address))
        self.relatives[4242] = relative
        self.assertTrue(self.send(4242, 101))
        self.assertEqual(self.got, [101])
        self.assertIsNone(Relative.of_parent(1, "").address)
