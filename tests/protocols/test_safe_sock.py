"""Tests of ``condor_twisted.protocols.safe_sock``."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols.deadlines import DeadlineSweep
from condor_twisted.protocols.log_text import FoldedLog
from condor_twisted.protocols.safe_sock import SafeSockProtocol
from condor_twisted.wire.datagrams import (
    MessageId,
    ReassemblyLimits,
    SafeMessage,
    split_message,
)
from tests.counting import calls_of


class SafeSockTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.sweep = DeadlineSweep(self.clock)
        self.events = EventLoggingObserver()
        self.messages: list[tuple[bytes, str, int]] = []
        self.udp = self.make(ReassemblyLimits())

    def make(self, limits: ReassemblyLimits) -> SafeSockProtocol:
        """A port with limits."""
        folded = FoldedLog(Logger(observer=self.events), self.clock.seconds)
        return SafeSockProtocol(self.received, self.sweep, folded, limits)

    def received(self, message: SafeMessage, address: str, port: int) -> None:
        self.messages.append((message.payload, address, port))

    def receive(self, datagram: bytes) -> None:
        """A datagram comes."""
        self.udp.datagramReceived(datagram, ("198.51.100.1", 1234))

    def fragments(self, payload: bytes, size: int = 1000) -> list[bytes]:
        """The datagrams of a long message."""
        return split_message(payload, size, MessageId.random(os.urandom))

    def test_short_message(self) -> None:
        """A datagram without a header is a message, with where it came from."""
        self.receive(b"\0" * 7 + b"\5text")
        self.assertEqual(self.messages, [(b"\0" * 7 + b"\5text", "198.51.100.1", 1234)])

    def test_fragments_in_any_order(self) -> None:
        """Fragments make one message, whatever their order."""
        payload = os.urandom(5000)
        for datagram in reversed(self.fragments(payload)):
            self.receive(datagram)
        self.assertEqual([each[0] for each in self.messages], [payload])
        self.assertEqual(self.udp.unfinished_count, 0)

    def test_mnh_1_25_unfinished_messages_expire_by_a_timer(self) -> None:
        """What never becomes whole goes after 10 s, without further datagrams."""
        self.receive(self.fragments(b"x" * 5000)[0])
        self.assertEqual(self.udp.unfinished_count, 1)
        for _ in range(9):
            self.clock.advance(1)
        self.assertEqual(self.udp.unfinished_count, 1)
        for _ in range(3):
            self.clock.advance(1)
        self.assertEqual(self.udp.unfinished_count, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_mnh_1_25_bounded(self) -> None:
        """Unfinished messages beyond the limit push the oldest out."""
        self.udp = self.make(ReassemblyLimits(messages=4))
        for _ in range(10):
            self.receive(self.fragments(b"x" * 5000)[0])
        self.assertEqual(self.udp.unfinished_count, 4)
        self.sweep.stop()

    def test_mnh_1_24_datagrams_that_are_too_long(self) -> None:
        """60,000 bytes are taken, one more is dropped whole."""
        self.receive(b"x" * 60_000)
        self.receive(b"x" * 60_001)
        self.assertEqual(len(self.messages), 1)
        self.assertEqual(self.udp.dropped_count, 1)

    def test_broken_datagrams(self) -> None:
        """What is no message is dropped, with a folded line, and nothing raises."""
        for datagram in (
            b"",
            b"short",
            b"MaGic6.0",
            b"CRAP\0\2\0\0\xff\xff" + b"x" * 9,
        ):
            self.receive(datagram)
        self.assertEqual(self.messages, [])
        self.assertEqual(self.udp.dropped_count, 4)
        for _ in range(100):
            self.receive(b"bad")
        self.assertLess(len(self.events), 20)

    def test_mnh_0_1_receiver_that_raises(self) -> None:
        """Whatever goes wrong behind it, the port goes on."""

        def bad(message: SafeMessage, address: str, port: int) -> None:
            raise MemoryError

        self.udp._receiver = bad
        self.receive(b"x" * 8)
        self.assertEqual(len(self.flushLoggedErrors(MemoryError)), 1)

    def test_mnh_10_15_refused_datagrams_of_ours(self) -> None:
        """An ICMP answer to something we sent means nothing."""
        self.udp.connectionRefused()

    def test_closing_the_port(self) -> None:
        """A port that closes does not time anything any more."""
        self.receive(self.fragments(b"x" * 5000)[0])
        self.udp.stopProtocol()
        for _ in range(3):
            self.clock.advance(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_mnh_3_1_thirty_thousand_junk_datagrams(self) -> None:
        """A flood of junk is dropped quickly and quietly."""

        def flood() -> None:
            for number in range(30_000):
                self.receive(b"MaGic6.0" + number.to_bytes(4, "big") * 6)

        calls, _ = calls_of(flood)
        self.assertLess(calls, 60 * 30_000)
        self.assertLess(len(self.events), 50)
        self.assertLess(self.udp.unfinished_count, 257)
        self.sweep.stop()

    @given(st.lists(st.binary(max_size=200), max_size=20))
    @settings(deadline=None, max_examples=50)
    def test_anything_may_come(self, datagrams: list[bytes]) -> None:
        """No sequence of datagrams raises."""
        self.udp = self.make(ReassemblyLimits())
        for datagram in datagrams:
            self.receive(datagram)
            self.receive(b"MaGic6.0" + datagram)
            self.receive(b"CRAP" + datagram)
        self.sweep.stop()
