"""Tests of ``condor_twisted.protocols.datagram_port``."""

from __future__ import annotations

import errno
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols.datagram_port import REST_SECONDS, DatagramPortReader

SOURCE = ("127.0.0.1", 40_000)


class FakeSocket:
    """Holds what has come."""

    def __init__(self) -> None:
        self.waiting: list[bytes | OSError] = []

    def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
        """The next datagram, or what the system says instead."""
        if not self.waiting:
            raise BlockingIOError
        first = self.waiting.pop(0)
        if isinstance(first, OSError):
            raise first
        return first, SOURCE


class FakePort:
    """A UDP port, as far as its reader touches it."""

    def __init__(self, clock: Clock) -> None:
        self.socket = FakeSocket()
        self.reactor = clock
        self.connected = True
        self.watched = True
        self.lost: list[Any] = []

    def doRead(self) -> None:
        """Is replaced."""

    def connectionLost(self, reason: Any = None) -> None:
        """The port is closed."""
        self.connected = False
        self.lost.append(reason)

    def stopReading(self) -> None:
        """Do not watch the socket."""
        self.watched = False

    def startReading(self) -> None:
        """Watch the socket."""
        self.watched = True


class DatagramPortReaderTests(SynchronousTestCase):
    """A port that is watched, or read in turns."""

    def setUp(self) -> None:
        """A port that takes four datagrams per turn."""
        self.clock = Clock()
        self.port = FakePort(self.clock)
        self.received: list[bytes] = []
        self.reader = DatagramPortReader(self.port, self.receive, 4)

    def receive(self, datagram: bytes, source: object) -> None:
        """Take a datagram; one of them is too much."""
        if datagram == b"bad":
            raise ValueError("a bad datagram")
        self.received.append(datagram)

    def come(self, *datagrams: bytes | OSError) -> None:
        """Let datagrams come; the reactor calls if the port is watched."""
        self.port.socket.waiting.extend(datagrams)
        if self.port.watched:
            self.port.doRead()

    def rest(self) -> None:
        """Have the port rest."""
        self.come(b"1")
        self.come(b"2")
        self.assertTrue(self.reader.is_resting)
        self.assertFalse(self.port.watched)

    def test_now_and_then(self) -> None:
        """What comes now and then is read at once, and the port stays watched."""
        for number in range(3):
            self.come(b"%d" % number)
            self.assertEqual(len(self.received), number + 1)
            self.clock.advance(REST_SECONDS)
        self.assertTrue(self.port.watched)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_busy_port_rests(self) -> None:
        """What comes in a rest is read behind it, all together."""
        self.rest()
        self.come(b"3")
        self.come(b"4")
        self.assertEqual(self.received, [b"1", b"2"])
        self.clock.advance(REST_SECONDS)
        self.assertEqual(self.received, [b"1", b"2", b"3", b"4"])
        self.assertTrue(self.reader.is_resting)

    def test_rest_without_datagrams(self) -> None:
        """When nothing came, the port is watched again."""
        self.rest()
        self.clock.advance(REST_SECONDS)
        self.assertTrue(self.port.watched)
        self.assertFalse(self.reader.is_resting)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.come(b"3")
        self.assertEqual(self.received[-1], b"3")

    def test_mnh_3_7_full_turn(self) -> None:
        """More than a turn takes is read in the next one, without a rest."""
        self.rest()
        self.come(*(b"%d" % number for number in range(10)))
        seen: list[int] = []

        def look() -> None:
            seen.append(len(self.received))
            if len(self.received) < 12:
                self.clock.callLater(0, look)

        self.clock.callLater(REST_SECONDS, look)
        self.clock.advance(REST_SECONDS)
        self.assertEqual(seen, [2 + 4, 2 + 8, 2 + 10])
        self.assertTrue(self.reader.is_resting)

    def test_full_turn_of_a_watched_port(self) -> None:
        """A port that has more to read stays watched."""
        self.come(b"1")
        self.come(*(b"%d" % number for number in range(6)))
        self.assertTrue(self.port.watched)
        self.assertEqual(len(self.received), 1 + 4)
        self.port.doRead()
        self.assertEqual(len(self.received), 1 + 6)

    def test_read_waiting(self) -> None:
        """Whoever needs to know reads what waits; the rest goes on."""
        self.rest()
        self.come(b"3")
        self.reader.read_waiting()
        self.assertEqual(self.received, [b"1", b"2", b"3"])
        self.assertTrue(self.reader.is_resting)
        self.clock.advance(REST_SECONDS)
        self.port.socket.waiting.append(b"4")
        self.reader.read_waiting()
        self.assertEqual(self.received, [b"1", b"2", b"3"])

    def test_port_closes_in_a_rest(self) -> None:
        """Nothing is left of a port that is closed."""
        self.rest()
        self.port.connectionLost("closed")
        self.assertEqual(self.port.lost, ["closed"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_mnh_10_15_errors_of_others(self) -> None:
        """What a datagram of ours brought back is passed over."""
        self.come(OSError(errno.ECONNREFUSED, "refused"), b"1")
        self.assertEqual(self.received, [b"1"])

    def test_socket_is_gone(self) -> None:
        """An error of the socket itself is told to the reactor."""
        with self.assertRaises(OSError):
            self.come(OSError(errno.EBADF, "bad descriptor"))

    def test_receiver_raises(self) -> None:
        """What a receiver raises behind a rest does not end the reading."""
        self.rest()
        self.come(b"bad", b"3")
        with self.assertRaises(ValueError):
            self.clock.advance(REST_SECONDS)
        self.assertTrue(self.port.watched)
        self.port.doRead()
        self.assertEqual(self.received, [b"1", b"2", b"3"])
