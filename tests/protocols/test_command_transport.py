"""Tests of ``condor_twisted.protocols.command_transport``, over socket pairs."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import main
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from condor_twisted.protocols.command_server import ServerCounters
from condor_twisted.protocols.command_transport import (
    CommandPortReader,
    CommandTransport,
    Door,
    WatchedTransport,
)

LONG = bytes(1 << 20)


class Answering(Protocol):
    """Answers what it gets with what it was told, then closes if it was told so."""

    transport: CommandTransport

    def __init__(self, answers: tuple[bytes, ...] = (), end: str = "") -> None:
        self.answers = answers
        self.end = end
        self.received = b""
        self.lost: list[Failure] = []

    def dataReceived(self, data: bytes) -> None:
        """Answer and end."""
        self.received += data
        for answer in self.answers:
            self.transport.write(answer)
        if self.end:
            getattr(self.transport, self.end)()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        """Remember why."""
        self.lost.append(reason)


@implementer(IPushProducer)
class Producer:
    """Notes what its consumer wants of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        """Note it."""
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        """Note it."""
        self.calls.append("resume")

    def stopProducing(self) -> None:
        """Note it."""
        self.calls.append("stop")


class FakeFactory:
    """Counts how often it was told that nobody can be accepted."""

    def __init__(self) -> None:
        self.counters = ServerCounters()
        self.rests_count = 0
        self.door: Door | None = None

    def descriptors_short(self) -> None:
        self.rests_count += 1


class FakePort:
    """As much of a listening port as accepted transports and their reader know."""

    _realPortNumber = 9618  # noqa: N815

    def __init__(self, reactor: Any) -> None:
        self.accepted: list[CommandTransport] = []
        self.numberAccepts = 100
        self.transport: Any = None
        self.waiting: list[tuple[socket.socket, Protocol]] = []
        self.reactor = reactor
        self.accepts: list[int] = []
        self.factory = FakeFactory()

    def doRead(self) -> None:
        """Accept what waits."""
        self.accepts.append(self.numberAccepts)
        while self.waiting:
            connection, protocol = self.waiting.pop(0)
            peer = ("127.0.0.1", 4711)
            transport = self.transport(
                connection, protocol, peer, self, 0, self.reactor
            )
            protocol.makeConnection(transport)


class TransportCase(SynchronousTestCase):
    """A transport at one end of a socket pair, the test at the other."""

    def setUp(self) -> None:
        """Make a reactor that only takes notes."""
        self.reactor = MemoryReactorClock()
        self.port = FakePort(self.reactor)

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Two connected sockets; the peer's end never blocks."""
        ours, peer = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(peer.close)
        peer.setblocking(False)
        return ours, peer

    def connect(self, protocol: Protocol) -> tuple[CommandTransport, socket.socket]:
        """A transport that serves ``protocol``, and the peer's end."""
        ours, peer = self.pair()
        transport = CommandTransport(
            ours, protocol, ("127.0.0.1", 4711), self.port, 0, self.reactor
        )
        protocol.makeConnection(transport)
        return transport, peer

    def drain(self, transport: CommandTransport, peer: socket.socket) -> bytes:
        """Let Twisted write all it has while the peer reads."""
        parts: list[bytes] = []
        while True:
            writes = transport in self.reactor.getWriters()
            why = transport.doWrite() if writes else None
            try:
                parts.append(peer.recv(1 << 20))
            except BlockingIOError:
                if not writes:
                    return b"".join(parts)
            if why is not None:
                transport.connectionLost(Failure(why))


class AnswerTests(TransportCase):
    """Writing during a read."""

    def test_short_answers_go_out_as_one(self) -> None:
        """Short answers are there after the read, without a turn for writing."""
        transport, peer = self.connect(Answering((b"one ", b"two")))
        peer.send(b"question")
        self.assertIsNone(transport.doRead())
        self.assertEqual(peer.recv(100), b"one two")
        self.assertEqual(self.reactor.getWriters(), [])

    def test_long_answers_keep_their_order(self) -> None:
        """A long write takes what was written before it along, Twisted's way."""
        transport, peer = self.connect(Answering((b"one ", LONG, b" two")))
        peer.send(b"question")
        self.assertIsNone(transport.doRead())
        self.assertEqual(self.reactor.getWriters(), [transport])
        self.assertEqual(self.drain(transport, peer), b"one " + LONG + b" two")

    def test_many_short_answers_are_bounded(self) -> None:
        """Short answers that add up to a long one go Twisted's way as well."""
        transport, peer = self.connect(Answering((bytes(30_000),) * 5))
        peer.send(b"question")
        self.assertIsNone(transport.doRead())
        self.assertEqual(self.reactor.getWriters(), [transport])
        self.assertEqual(len(self.drain(transport, peer)), 150_000)

    def test_full_socket(self) -> None:
        """What the operating system does not take is written when it has room."""
        transport, peer = self.connect(Answering((bytes(60_000),)))
        sent = 0
        transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for _ in range(4):
            peer.send(b"question")
            self.assertIsNone(transport.doRead())
            sent += 60_000
        self.assertEqual(self.reactor.getWriters(), [transport])
        self.assertEqual(len(self.drain(transport, peer)), sent)

    def test_write_outside_of_a_read(self) -> None:
        """Without a read a write is Twisted's."""
        transport, peer = self.connect(Answering())
        transport.write(b"news")
        self.assertEqual(self.reactor.getWriters(), [transport])
        self.assertEqual(self.drain(transport, peer), b"news")
        peer.send(b"question")
        transport.writeSequence([b"a", b"b"])
        self.assertEqual(self.drain(transport, peer), b"ab")

    def test_long_pieces(self) -> None:
        """Long pieces leave at once; the producer goes on in the next turn."""
        transport, peer = self.connect(Answering())
        transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
        producer = Producer()
        transport.registerProducer(producer, True)
        transport.writeSequence([b"head", bytes(100_000)])
        self.assertEqual(len(peer.recv(1 << 20)), 100_004)
        self.assertEqual(producer.calls, ["pause"])
        self.assertEqual(self.drain(transport, peer), b"")
        self.assertEqual(producer.calls, ["pause", "resume"])

    def test_long_pieces_into_a_full_socket(self) -> None:
        """What the operating system does not take of them keeps its order."""
        transport, peer = self.connect(Answering())
        producer = Producer()
        transport.registerProducer(producer, True)
        for number in range(3):
            transport.writeSequence([b"%d" % number, LONG])
        sent = b"".join(b"%d" % number + LONG for number in range(3))
        self.assertEqual(self.drain(transport, peer), sent)
        self.assertEqual(producer.calls[-1], "resume")

    def test_long_pieces_to_a_peer_that_has_gone(self) -> None:
        """The next turn finds out."""
        transport, peer = self.connect(Answering())
        peer.close()
        transport.writeSequence([b"head", LONG])
        self.assertIs(transport.doWrite(), main.CONNECTION_LOST)

    def test_peer_gone(self) -> None:
        """An answer to a peer that has gone is found out by the next write."""
        transport, peer = self.connect(Answering((b"answer",)))
        peer.send(b"question")
        peer.close()
        self.assertIsNone(transport.doRead())
        self.assertEqual(self.reactor.getWriters(), [transport])
        self.assertIs(transport.doWrite(), main.CONNECTION_LOST)


class CloseTests(TransportCase):
    """Closing during a read."""

    def test_closes_after_the_answer(self) -> None:
        """A connection with nothing left to write ends with its read."""
        protocol = Answering((b"answer",), "loseConnection")
        transport, peer = self.connect(protocol)
        peer.send(b"question")
        self.assertIs(transport.doRead(), main.CONNECTION_DONE)
        self.assertEqual(peer.recv(100), b"answer")
        self.assertEqual(self.reactor.getReaders(), [])
        transport.connectionLost(Failure(main.CONNECTION_DONE))
        self.assertEqual(peer.recv(100), b"")
        self.assertEqual(len(protocol.lost), 1)

    def test_closes_after_a_long_answer(self) -> None:
        """A connection with something left to write ends after that."""
        protocol = Answering((LONG,), "loseConnection")
        transport, peer = self.connect(protocol)
        peer.send(b"question")
        self.assertIsNone(transport.doRead())
        self.assertEqual(protocol.lost, [])
        received = self.drain_to_end(transport, peer)
        self.assertEqual(len(received), len(LONG))
        self.assertEqual(len(protocol.lost), 1)

    def test_closes_after_a_full_socket(self) -> None:
        """An answer that was taken in part is completed before the close."""
        protocol = Answering((bytes(60_000),), "loseConnection")
        transport, peer = self.connect(protocol)
        transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        peer.send(b"question")
        self.assertIsNone(transport.doRead())
        self.assertEqual(len(self.drain_to_end(transport, peer)), 60_000)

    def test_nothing_is_written_behind_a_close(self) -> None:
        """What is written behind a close is dropped, as Twisted drops it."""
        protocol = Answering((b"answer",), "loseConnection")
        transport, peer = self.connect(protocol)
        protocol.end = ""
        received = protocol.dataReceived

        def closing_first(data: bytes) -> None:
            transport.loseConnection()
            received(data)

        protocol.dataReceived = closing_first  # type: ignore[method-assign]
        peer.send(b"question")
        self.assertIs(transport.doRead(), main.CONNECTION_DONE)
        self.assertRaises(BlockingIOError, peer.recv, 100)

    def test_abort_drops_the_answer(self) -> None:
        """Nothing of an answer goes out once the connection is aborted."""
        protocol = Answering((b"answer",), "abortConnection")
        transport, peer = self.connect(protocol)
        peer.send(b"question")
        self.assertIsNone(transport.doRead())
        self.reactor.advance(0)
        self.assertEqual(len(protocol.lost), 1)
        self.assertNotEqual(peer.recv(100), b"answer")

    def test_close_outside_of_a_read(self) -> None:
        """Without a read a close is Twisted's."""
        protocol = Answering()
        transport, peer = self.connect(protocol)
        transport.write(b"bye")
        transport.loseConnection()
        self.assertEqual(self.drain_to_end(transport, peer), b"bye")
        self.assertEqual(len(protocol.lost), 1)

    def drain_to_end(self, transport: CommandTransport, peer: socket.socket) -> bytes:
        """Let Twisted write, and read until the connection is closed."""
        parts: list[bytes] = []
        while True:
            if transport in self.reactor.getWriters():
                why = transport.doWrite()
                if why is not None:
                    self.reactor.removeWriter(transport)
                    transport.connectionLost(Failure(why))
            try:
                part = peer.recv(1 << 20)
            except BlockingIOError:
                continue
            if not part:
                return b"".join(parts)
            parts.append(part)


class AcceptTests(TransportCase):
    """Reading what came with a connection."""

    def test_reads_at_once(self) -> None:
        """A question that came with the connection is answered in the same turn."""
        reader = CommandPortReader(self.port, 8)
        ours, peer = self.pair()
        peer.send(b"question")
        protocol = Answering((b"answer",), "loseConnection")
        self.port.waiting.append((ours, protocol))
        reader()
        self.assertEqual(peer.recv(100), b"answer")
        self.assertEqual(peer.recv(100), b"")
        self.assertEqual(len(protocol.lost), 1)
        self.assertIsNotNone(protocol.lost[0].check(ConnectionDone))
        self.assertEqual(self.reactor.getReaders(), [])

    def test_waits_for_a_later_question(self) -> None:
        """A connection without a question stays, and is read when one comes."""
        reader = CommandPortReader(self.port, 8)
        ours, peer = self.pair()
        protocol = Answering((b"answer",))
        self.port.waiting.append((ours, protocol))
        reader()
        (transport,) = self.reactor.getReaders()
        self.assertEqual(protocol.received, b"")
        peer.send(b"question")
        self.assertIsNone(transport.doRead())
        self.assertEqual(peer.recv(100), b"answer")

    def test_peer_that_went_at_once(self) -> None:
        """A connection that was closed by its peer ends in the same turn."""
        reader = CommandPortReader(self.port, 8)
        ours, peer = self.pair()
        peer.close()
        protocol = Answering()
        self.port.waiting.append((ours, protocol))
        reader()
        self.assertEqual(len(protocol.lost), 1)
        self.assertEqual(self.reactor.getReaders(), [])

    def test_protocol_that_raises(self) -> None:
        """An error of one protocol is logged and leaves the others served."""
        reader = CommandPortReader(self.port, 8)
        bad, good = Answering(), Answering((b"answer",))

        def raise_error(data: bytes) -> None:
            raise ValueError("a mistake")

        bad.dataReceived = raise_error  # type: ignore[method-assign]
        peers = []
        for protocol in (bad, good):
            ours, peer = self.pair()
            peer.send(b"question")
            peers.append(peer)
            self.port.waiting.append((ours, protocol))
        reader()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertIsNotNone(bad.lost[0].check(ConnectionLost))
        self.assertEqual(peers[1].recv(100), b"answer")

    def test_accepts_are_bounded(self) -> None:
        """No turn accepts more than it was told, nor more than Twisted would."""
        reader = CommandPortReader(self.port, 8)
        reader()
        self.port.numberAccepts = 3
        reader()
        self.assertEqual(self.port.accepts, [8, 3])

    def test_accepts_without_a_bound(self) -> None:
        """Without a bound Twisted decides."""
        reader = CommandPortReader(self.port, 0)
        reader()
        self.assertEqual(self.port.accepts, [100])

    def test_mnh_8_1_nobody_can_be_accepted(self) -> None:
        """When the system lets nobody in, the port rests instead of trying on."""
        reader = CommandPortReader(self.port, 8)
        for _ in range(4):
            reader()
        self.assertEqual(self.port.factory.rests_count, 0)
        reader()
        self.assertEqual(self.port.factory.rests_count, 1)

    def test_mnh_8_1_who_is_turned_away_was_accepted(self) -> None:
        """Peers over a limit of ours do not make the port rest."""
        reader = CommandPortReader(self.port, 8)

        def turn_away() -> None:
            self.port.factory.counters.connections_refused += 1

        reader._accept = turn_away
        for _ in range(20):
            reader()
        self.assertEqual(self.port.factory.rests_count, 0)


class FakeDoor:
    """Says of each connection what it was told to."""

    peek_bytes = 100

    def __init__(self) -> None:
        self.verdict: bool | None = None
        self.seen: list[bytes] = []

    def look(self, transport: WatchedTransport, data: bytes) -> bool | None:
        """Note what has come."""
        self.seen.append(data)
        return self.verdict


class WatchedTests(TransportCase):
    """A door at which somebody looks first."""

    def setUp(self) -> None:
        """Put a door into the port."""
        super().setUp()
        self.door = FakeDoor()
        self.port.factory.door = self.door
        CommandPortReader(self.port, 8)
        self.assertIs(self.port.transport, WatchedTransport)

    def connect(self, protocol: Protocol) -> tuple[CommandTransport, socket.socket]:
        """A transport with a door before it."""
        ours, peer = self.pair()
        transport = WatchedTransport(
            ours, protocol, ("127.0.0.1", 4711), self.port, 0, self.reactor
        )
        protocol.makeConnection(transport)
        return transport, peer

    def test_served(self) -> None:
        """What is served is read from its first byte on, and only looked at once."""
        protocol = Answering((b"answer",))
        transport, peer = self.connect(protocol)
        self.door.verdict = True
        peer.send(b"one")
        self.assertIsNone(transport.doRead())
        peer.send(b"two")
        self.assertIsNone(transport.doRead())
        self.assertEqual(protocol.received, b"onetwo")
        self.assertEqual(self.door.seen, [b"one"])
        self.assertEqual(peer.recv(100), b"answeranswer")

    def test_not_yet(self) -> None:
        """Until there is more, it looks again now and then, not all the time."""
        protocol = Answering()
        transport, peer = self.connect(protocol)
        peer.send(b"o")
        self.assertIsNone(transport.doRead())
        self.assertNotIn(transport, self.reactor.getReaders())
        self.reactor.advance(0.05)
        self.assertIn(transport, self.reactor.getReaders())
        peer.send(b"ne")
        self.assertIsNone(transport.doRead())
        self.assertEqual((protocol.received, self.door.seen), (b"", [b"o", b"one"]))
        transport.connectionLost(Failure(main.CONNECTION_DONE))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_somebody_elses(self) -> None:
        """A connection that somebody else has stays alive when ours is closed."""
        protocol = Answering()
        transport, peer = self.connect(protocol)
        other = transport.socket.dup()
        self.addCleanup(other.close)
        self.door.verdict = False
        peer.send(b"unread")
        self.assertIs(transport.doRead(), main.CONNECTION_DONE)
        transport.connectionLost(Failure(main.CONNECTION_DONE))
        self.assertEqual(other.recv(100), b"unread")
        other.send(b"answer")
        self.assertEqual(peer.recv(100), b"answer")
        self.assertEqual((protocol.received, len(protocol.lost)), (b"", 1))

    def test_ended(self) -> None:
        """A peer that goes away without a word is nobody's."""
        transport, peer = self.connect(Answering())
        self.assertIsNone(transport.doRead())
        peer.close()
        self.assertIs(transport.doRead(), main.CONNECTION_DONE)
        transport.socket.close()
        self.assertIs(transport.doRead(), main.CONNECTION_LOST)
        self.assertEqual(self.door.seen, [])
