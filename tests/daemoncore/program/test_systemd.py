"""Tests of ``condor_twisted.daemoncore.program.systemd``."""

from __future__ import annotations

import os
import socket
import tempfile

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.program.systemd import SystemdNotifier, find_systemd


class SystemdTests(SynchronousTestCase):
    def setUp(self) -> None:
        directory = tempfile.mkdtemp()  # the name of a socket is to be short
        self.addCleanup(os.rmdir, directory)
        self.path = os.path.join(directory, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(self.path)
        self.addCleanup(os.unlink, self.path)
        self.socket.setblocking(False)
        self.clock = Clock()

    def find(self, **environment: str) -> SystemdNotifier:
        """What is there, with a socket."""
        environment["NOTIFY_SOCKET"] = self.path
        found = find_systemd(environment, self.clock, "Serving")
        assert found is not None
        self.assertEqual(environment, {})
        return found

    def heard(self) -> list[bytes]:
        """What systemd has heard since."""
        notices = []
        while True:
            try:
                notices.append(self.socket.recv(4096))
            except BlockingIOError:
                return notices

    def test_life(self) -> None:
        """systemd hears that we are ready, and that we stop."""
        notifier = self.find()
        notifier.begin()
        self.assertEqual(self.heard(), [b"READY=1\nSTATUS=Serving"])
        self.clock.advance(1000)
        notifier.renew()
        self.assertEqual(self.heard(), [])
        notifier.end()
        self.assertEqual(self.heard(), [b"STOPPING=1"])

    def test_watchdog(self) -> None:
        """With a watchdog, a sign of life comes thrice in its time."""
        notifier = self.find(WATCHDOG_USEC="9000000", WATCHDOG_PID=str(os.getpid()))
        notifier.begin()
        self.heard()
        self.clock.advance(2.9)
        self.assertEqual(self.heard(), [])
        self.clock.advance(0.1)
        self.assertEqual(self.heard(), [b"WATCHDOG=1"])
        notifier.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_intervals(self) -> None:
        """Signs of life are no rarer than each ten seconds where they would be rare."""
        for microseconds, seconds in (
            ("60000000", 20.0),
            ("90000000", 10.0),
            ("1000", 1.0),
            ("junk", 0.0),
        ):
            found = self.find(WATCHDOG_USEC=microseconds)
            self.assertEqual(found.interval_seconds, seconds)

    def test_somebody_elses_watchdog(self) -> None:
        """A watchdog that watches another process does not watch us."""
        found = self.find(WATCHDOG_USEC="9000000", WATCHDOG_PID="1")
        self.assertEqual(found.interval_seconds, 0.0)

    def test_no_systemd(self) -> None:
        """Without a socket, or with a name that is none, nobody is told."""
        for environment in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "relative"}):
            self.assertIsNone(find_systemd(dict(environment), self.clock, ""))

    def test_nobody_listens(self) -> None:
        """A socket where nobody listens harms nothing."""
        SystemdNotifier(self.clock, self.path + ".gone", 0, "").begin()

    def test_abstract_name(self) -> None:
        """A name that begins with @ is an abstract one."""
        name = f"condor_twisted-test-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            try:
                receiver.bind(f"\0{name}")
            except OSError:
                return
            SystemdNotifier(self.clock, f"@{name}", 0, "").notify("READY=1")
            self.assertEqual(receiver.recv(100), b"READY=1")
