"""Tests of ``condor_twisted.protocols.reli_sock``."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from condor_twisted.errors import (
    LimitExceeded,
    LocalProtocolError,
    MalformedMessage,
    PeerClosed,
)
from condor_twisted.protocols.deadlines import NEVER, DeadlineSweep
from condor_twisted.protocols.protections import protection_for
from condor_twisted.protocols.reli_sock import (
    UNREAD_LIMIT_BYTES,
    WRITE_PROGRESS_SECONDS,
    ReliSockProtocol,
)
from condor_twisted.security.keys import CryptoMethod, SessionKey
from condor_twisted.security.steps import EnableProtection
from condor_twisted.testing.pump import Pump, connect
from condor_twisted.wire.ciphers import CfbProtection, Md5Protection
from condor_twisted.wire.stream_frames import StreamFramer
from tests.counting import calls_of


class Owner:
    """Keeps what it is told and the messages that come."""

    def __init__(self, channel: ReliSockProtocol) -> None:
        self.channel = channel
        channel.owner = self
        self.events: list[object] = []
        self.messages: list[bytes] = []

    def connected(self) -> None:
        self.events.append("connected")

    def channel_failed(self, failure: Failure) -> None:
        self.events.append(failure.type)

    def channel_late(self) -> None:
        self.events.append("late")

    def channel_closed(self, reason: Failure) -> None:
        self.events.append("closed")

    def listen(self) -> None:
        """Take every message."""
        self.channel.receiver = self.messages.append


def frame(payload: bytes, end: int = 1) -> bytes:
    """One frame in clear."""
    return struct.pack(">BI", end, len(payload)) + payload


class ReliSockTestCase(SynchronousTestCase):
    """Two channels in memory, joined by a pump."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.sweep = DeadlineSweep(self.clock)
        self.near, self.far = self.make_channel(), self.make_channel()
        self.client, self.server = Owner(self.near), Owner(self.far)
        self.near_end, self.far_end = connect(self.near, self.far)
        self.pump = Pump()
        self.pump.add(self.near_end, self.far_end)
        self.server.listen()

    def make_channel(self) -> ReliSockProtocol:
        """A channel that is not connected."""
        return ReliSockProtocol(StreamFramer(), self.sweep, self.clock)

    def pass_time(self, seconds: int) -> None:
        """Let time pass, second by second, bytes moving in between."""
        for _ in range(seconds):
            self.clock.advance(1)
            self.pump.flush()

    def tearDown(self) -> None:
        self.sweep.stop()


class MessagesTests(ReliSockTestCase):
    def test_interfaces(self) -> None:
        """A channel is what Twisted expects."""
        verifyObject(IProtocol, self.near)
        verifyObject(IPushProducer, self.near)

    def test_messages_arrive_in_order(self) -> None:
        """Messages come whole and in order, whatever the pieces of the stream."""
        self.pump.chunk_bytes = 3
        for payload in (b"a", b"bb" * 10, b"c" * 5000):
            self.near.send_message(payload)
        self.pump.flush()
        self.assertEqual(self.server.messages, [b"a", b"bb" * 10, b"c" * 5000])

    def test_mnh_10_3_thousand_messages_in_one_segment(self) -> None:
        """A thousand messages in one segment are handled by a loop."""
        self.far.dataReceived(frame(b"x") * 1000)
        self.clock.advance(0)
        self.assertEqual(len(self.server.messages), 1000)

    def test_mnh_0_1_others_get_their_turn(self) -> None:
        """One connection's messages are not all handled in one turn."""
        self.far.dataReceived(frame(b"x") * 1300)
        self.assertEqual(len(self.server.messages), 500)
        self.far.dataReceived(frame(b"last"))
        self.assertEqual(len(self.server.messages), 500)
        others: list[int] = []
        self.clock.callLater(0, lambda: others.append(len(self.server.messages)))
        self.clock.advance(0)
        self.assertEqual(others, [1000])
        self.assertEqual(len(self.server.messages), 1301)
        self.assertEqual(self.server.messages[-1], b"last")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_mnh_10_2_fifty_thousand_tiny_frames(self) -> None:
        """Frames of one byte cost a few steps each."""
        self.far.raise_limits()
        self.far.receiver = self.server.messages.append
        data = frame(b"x", 0) * 50_000 + frame(b"y")

        def arrive() -> None:
            for start in range(0, len(data), 1000):
                self.far.dataReceived(data[start : start + 1000])

        calls, _ = calls_of(arrive)
        self.assertEqual(len(self.server.messages[0]), 50_001)
        self.assertLess(calls, 12 * 50_000)

    def test_nobody_listens(self) -> None:
        """Messages wait while nobody wants them, and are delivered on resuming."""
        self.far.receiver = None
        self.far.dataReceived(frame(b"a") + frame(b"b"))
        self.assertEqual(self.server.messages, [])
        self.server.listen()
        self.far.resume()
        self.assertEqual(self.server.messages, [b"a", b"b"])

    def test_receiver_may_stop_after_each(self) -> None:
        """A receiver that turns busy gets nothing further until it resumes."""

        def one(message: bytes) -> None:
            self.server.messages.append(message)
            self.far.stop_receiving()

        self.far.receiver = one
        self.far.dataReceived(frame(b"a") + frame(b"b"))
        self.assertEqual(self.server.messages, [b"a"])
        self.far.receiver = one
        self.far.resume()
        self.assertEqual(self.server.messages, [b"a", b"b"])

    def test_receive_one(self) -> None:
        """One message is pulled when it is wanted; later ones stay."""
        self.far.receiver = None
        self.assertIsNone(self.far.receive_one(self.server.messages.append))
        self.far.dataReceived(frame(b"a") + frame(b"b"))
        self.assertEqual(self.server.messages, [b"a"])
        self.assertEqual(self.far.receive_one(self.server.messages.append), b"b")

    def test_mnh_1_6_reading_stops_when_nobody_takes(self) -> None:
        """A busy connection buffers at most 1 MiB and a segment, then stops reading."""
        self.far.receiver = None
        self.far.raise_limits()
        piece = frame(b"x" * 65_531)
        for _ in range(16):
            self.far.dataReceived(piece)
            self.assertTrue(self.far_end.reading)
        self.assertEqual(16 * len(piece), UNREAD_LIMIT_BYTES - 5)
        self.far.dataReceived(piece)
        self.assertFalse(self.far_end.reading)
        self.server.listen()
        self.far.resume()
        self.assertEqual(len(self.server.messages), 17)
        self.assertTrue(self.far_end.reading)

    def test_mnh_10_1_bad_input_ends_the_connection(self) -> None:
        """Bytes that are no frame abort, and the owner hears why, once."""
        self.near_end.write(b"GET / HTTP/1.1\r\n\r\n")
        self.pump.flush()
        self.assertEqual(self.server.events, ["connected", MalformedMessage, "closed"])
        self.assertTrue(self.far_end.aborted)

    def test_mnh_10_1_receiver_that_raises(self) -> None:
        """Whatever a receiver raises is caught in one place."""

        def bad(message: bytes) -> None:
            raise RecursionError("deep")

        self.far.receiver = bad
        self.near.send_message(b"x")
        self.pump.flush()
        self.assertEqual(self.server.events, ["connected", RecursionError, "closed"])

    def test_mnh_1_1_oversized_frame(self) -> None:
        """A frame over 1 MiB closes at once, before its body."""
        self.near_end.write(struct.pack(">BI", 1, 1_048_577))
        self.pump.flush()
        self.assertEqual(self.server.events, ["connected", LimitExceeded, "closed"])

    def test_messages_of_before_the_end_can_still_be_taken(self) -> None:
        """What arrived before the close is not lost by it."""
        self.far.receiver = None
        self.near.send_message(b"a")
        self.near.lose()
        self.pump.flush()
        self.assertEqual(self.server.events, ["connected", "closed"])
        self.assertEqual(self.far.receive_one(self.server.messages.append), b"a")


class WritingTests(ReliSockTestCase):
    def parts(self, count: int, size: int) -> Iterator[bytes]:
        """Pieces of a message, counted as they are asked for."""
        self.asked = 0
        for _ in range(count):
            self.asked += 1
            yield b"p" * size

    def test_long_messages_go_out_in_frames(self) -> None:
        """A message longer than a part is streamed, and arrives whole."""
        self.far.raise_limits()
        self.near.send_message(b"m" * 3_000_000)
        self.near.send_message(b"behind")
        self.pump.flush()
        self.assertEqual(
            [len(message) for message in self.server.messages], [3_000_000, 6]
        )
        self.assertGreater(self.near_end.written.count(b"\0\0\x04\0\0"), 5)

    def test_empty_messages_cannot_be_sent(self) -> None:
        """An empty message is a mistake, told where it is made."""
        self.assertRaises(LocalProtocolError, self.near.send_message, b"")

    def test_parts(self) -> None:
        """A message made piece by piece arrives as one."""
        self.far.raise_limits()
        done = self.near.send_parts(self.parts(5, 100_000))
        self.near.send_message(b"behind")
        self.pump.flush()
        self.successResultOf(done)
        self.assertEqual(
            [len(message) for message in self.server.messages], [500_000, 6]
        )

    def test_large_parts_are_cut(self) -> None:
        """A piece beyond the size of a frame is cut."""
        self.far.raise_limits()
        done = self.near.send_parts([b"p" * 2_500_000, b"q"])
        self.pump.flush()
        self.successResultOf(done)
        self.assertEqual(len(self.server.messages[0]), 2_500_001)

    def test_mnh_1_20_parts_are_asked_for_as_the_peer_reads(self) -> None:
        """A peer that does not read makes us hold little, however long the answer."""
        self.near_end.stalled = True
        done = self.near.send_parts(self.parts(1000, 100_000))
        self.pump.flush()
        self.assertLess(self.asked, 5)
        self.assertLess(len(self.near_end.outgoing), 4 * 1024 * 1024)
        self.far.raise_limits()
        self.near_end.stalled = False
        self.pump.chunk_bytes = 65_536
        for _ in range(200):
            self.pump.step()
        self.assertLess(self.asked, 200)
        done.addErrback(lambda _: None)

    def test_mnh_2_4_peer_that_does_not_read(self) -> None:
        """A peer without progress is dropped after 60 s, and not before."""
        self.near_end.stalled = True
        done = self.near.send_parts(self.parts(100, 100_000))
        self.pass_time(int(WRITE_PROGRESS_SECONDS) - 1)
        self.assertTrue(self.near.is_open)
        self.pass_time(3)
        self.assertFalse(self.near.is_open)
        self.failureResultOf(done, PeerClosed)
        self.assertEqual(self.client.events, ["connected", "closed"])

    def test_mnh_2_4_progress_counts(self) -> None:
        """A peer that reads now and then is not dropped."""
        self.far.raise_limits()
        self.near_end.stalled = True
        done = self.near.send_parts(self.parts(6, 100_000))
        for _ in range(8):
            self.pass_time(50)
            self.near_end.stalled = False
            self.pump.step()
            self.near_end.stalled = True
        self.near_end.stalled = False
        self.pump.flush()
        self.successResultOf(done)
        self.assertEqual(len(self.server.messages), 1)

    def test_mnh_10_9_unread_answers_stop_the_reading(self) -> None:
        """A peer that only sends and never reads its answers is not served on."""
        self.far_end.stalled = True
        answered: list[int] = []

        def answer(message: bytes) -> None:
            answered.append(1)
            self.far.send_message(b"a" * 1000)

        self.far.receiver = answer
        for _ in range(100):
            self.far.dataReceived(frame(b"q") * 10)
        self.clock.advance(0)
        self.assertLess(len(answered), 200)
        self.far_end.stalled = False
        self.pump.flush()
        self.assertEqual(len(answered), 1000)

    def test_waiting_for_a_turn(self) -> None:
        """An empty piece gives the reactor a turn before the next is asked for."""
        self.far.raise_limits()
        done = self.near.send_parts(iter([b"", b"a", b"", b"", b"b"]))
        self.pump.flush()
        self.assertNoResult(done)
        for _ in range(4):
            self.clock.advance(0)
            self.pump.flush()
        self.successResultOf(done)
        self.assertEqual(self.server.messages, [b"ab"])

    def test_failing_parts(self) -> None:
        """Half a message is never taken for a whole one: the connection is aborted."""

        def bad() -> Iterator[bytes]:
            yield b"a" * 10
            yield b"b" * 10
            raise ValueError("cannot go on")

        done = self.near.send_parts(bad())
        self.pump.flush()
        self.failureResultOf(done, ValueError)
        self.assertEqual(self.server.messages, [])
        self.assertTrue(self.near_end.aborted)

    def test_no_part_at_all(self) -> None:
        """A message without any piece cannot be sent."""
        self.failureResultOf(self.near.send_parts([]), LocalProtocolError)

    def test_parts_to_nobody(self) -> None:
        """After the end, parts fail and messages vanish."""
        self.near.abort()
        self.pump.flush()
        self.failureResultOf(self.near.send_parts([b"x"]), PeerClosed)
        self.near.send_message(b"x")
        self.near.lose()
        self.near.abort()

    def test_generator_is_closed_with_the_connection(self) -> None:
        """What makes the pieces is told when nobody wants them any more."""
        closed: list[bool] = []

        def endless() -> Iterator[bytes]:
            try:
                while True:
                    yield b"x" * 100_000
            finally:
                closed.append(True)

        done = self.near.send_parts(endless())
        self.near_end.stalled = True
        self.far.abort()
        self.pump.flush()
        self.failureResultOf(done, PeerClosed)
        self.assertEqual(closed, [True])


class EndingTests(ReliSockTestCase):
    def test_lose_sends_what_is_queued(self) -> None:
        """A graceful close comes behind everything queued."""
        self.far.raise_limits()
        done = self.near.send_parts(b"x" * 100_000 for _ in range(10))
        self.near.lose()
        self.assertFalse(self.near.is_open)
        self.pump.flush()
        self.successResultOf(done)
        self.assertEqual([len(each) for each in self.server.messages], [1_000_000])
        self.assertEqual(self.server.events, ["connected", "closed"])
        self.assertEqual(self.client.events, ["connected", "closed"])

    def test_mnh_2_4_lingering_is_bounded(self) -> None:
        """A close that the peer does not let us finish is finished for it."""
        self.near_end.stalled = True
        self.near.send_message(b"x" * 1000)
        self.near.lose()
        self.pass_time(int(WRITE_PROGRESS_SECONDS) - 1)
        self.assertEqual(self.client.events, ["connected"])
        self.pass_time(3)
        self.assertEqual(self.client.events, ["connected", "closed"])

    def test_nothing_is_read_after_losing(self) -> None:
        """Who closes does not listen any more."""
        self.far.lose()
        self.far.dataReceived(frame(b"x"))
        self.assertEqual(self.server.messages, [])

    def test_mnh_2_9_deadline(self) -> None:
        """The owner's deadline is told once, and not when it was taken back."""
        self.far.set_deadline(5)
        self.pass_time(7)
        self.assertEqual(self.server.events, ["connected", "late"])
        self.far.set_deadline(self.clock.seconds() + 5)
        self.far.set_deadline(NEVER)
        self.pass_time(7)
        self.assertEqual(self.server.events, ["connected", "late"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_mnh_2_3_partial_message_on_a_kept_connection(self) -> None:
        """A message that begins must end in time; silence between messages is fine."""
        self.far.partial_seconds = 20.0
        self.far.dataReceived(frame(b"whole"))
        self.pass_time(100)
        self.far.dataReceived(frame(b"part")[:7])
        self.pass_time(10)
        self.far.dataReceived(frame(b"part")[7:8])  # a trickle does not help
        self.pass_time(9)
        self.assertNotIn("late", self.server.events)
        self.pass_time(3)
        self.assertIn("late", self.server.events)

    def test_mnh_2_3_deadline_ends_with_the_message(self) -> None:
        """A message that is whole in time has no deadline any more."""
        self.far.partial_seconds = 20.0
        self.far.dataReceived(frame(b"part")[:7])
        self.pass_time(15)
        self.far.dataReceived(frame(b"part")[7:])
        self.pass_time(60)
        self.assertNotIn("late", self.server.events)
        self.assertEqual(self.server.messages, [b"part"])


class ProtectionTests(ReliSockTestCase):
    def protect(self, method: CryptoMethod, encrypt: bool, authenticate: bool) -> None:
        """Switch the same protection on at both ends."""
        key = SessionKey(method, bytes(range(32))[: method.key_length_bytes])
        step = EnableProtection(key, encrypt, authenticate)
        self.near.enable_protection(step)
        self.far.enable_protection(step)

    def test_every_protection(self) -> None:
        """Each cipher carries messages both ways and does not show them."""
        for method in CryptoMethod:
            for encrypt, authenticate in ((True, True), (True, False), (False, True)):
                self.setUp()
                self.protect(method, encrypt, authenticate)
                self.near.send_message(b"a message of some length")
                self.pump.flush()
                self.assertEqual(self.server.messages, [b"a message of some length"])
                hidden = encrypt or method is CryptoMethod.AES
                self.assertEqual(self.near.encrypted, hidden)
                self.assertEqual(b"message" not in self.near_end.written, hidden)

    def test_protections(self) -> None:
        """What a key protects follows its cipher and the two switches."""
        key = SessionKey(CryptoMethod.TRIPLE_DES, bytes(24))
        kinds: list[Any] = [
            protection_for(EnableProtection(key, *switches))
            for switches in ((True, True), (False, True), (False, False))
        ]
        self.assertIsInstance(kinds[0][0], CfbProtection)
        self.assertIsNone(kinds[0][1])
        self.assertIsInstance(kinds[1][0], Md5Protection)
        self.assertEqual(kinds[1][1].algorithm, "3DES")
        self.assertIsNone(kinds[2][0])
        self.assertEqual(kinds[2][1].algorithm, "3DES")

    def test_pipelined_messages_are_read_protected(self) -> None:
        """What came behind the last clear frame belongs to the protected stream."""
        key = SessionKey(CryptoMethod.AES, bytes(32))
        step = EnableProtection(key, True, True)
        self.near.send_message(b"clear")
        self.near.enable_protection(step)
        self.near.send_message(b"protected")

        def first(message: bytes) -> None:
            self.server.messages.append(message)
            self.far.enable_protection(step)
            self.server.listen()

        self.far.receiver = first
        self.far.dataReceived(bytes(self.near_end.outgoing))
        self.assertEqual(self.server.messages, [b"clear", b"protected"])

    def test_mnh_4_19_plain_frame_behind_protection(self) -> None:
        """A clear frame on a protected stream ends the connection."""
        self.protect(CryptoMethod.AES, True, True)
        self.near_end.write(frame(b"clear text that is long enough to be a frame"))
        self.pump.flush()
        self.assertEqual(self.server.messages, [])
        self.assertEqual(self.server.events[1:], [MalformedMessage, "closed"])
