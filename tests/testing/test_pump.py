"""Tests of ``condor_twisted.testing.pump``."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ITCPTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from condor_twisted.testing.pump import MemoryTransport, Pump, connect


class Talker:
    """A protocol that keeps what happens."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.lost: type[BaseException] | None = None
        self.transport: Any = None

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)

    def connectionLost(self, reason: Any) -> None:
        self.lost = reason.type


class Producer:
    """A producer that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        self.told.append("stop")


class PumpTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.client, self.server = Talker(), Talker()
        self.near, self.far = connect(self.client, self.server)
        self.pump = Pump()
        self.pump.add(self.near, self.far)

    def test_transport(self) -> None:
        """A transport in memory has a TCP transport's methods and addresses."""
        verifyObject(ITCPTransport, self.near)
        self.assertEqual(self.near.getPeer(), self.far.getHost())
        self.assertEqual(self.near.getHost(), self.far.getPeer())

    def test_nothing_moves_by_itself(self) -> None:
        """Bytes move when the pump is asked to, in the pieces it was told."""
        self.near.write(b"hello")
        self.near.writeSequence([b" ", b"world"])
        self.assertEqual(self.server.received, [])
        self.pump.chunk_bytes = 4
        self.pump.flush()
        self.assertEqual(self.server.received, [b"hell", b"o wo", b"rld"])

    def test_closing(self) -> None:
        """A close comes behind what was written, at both ends."""
        self.near.write(b"bye")
        self.near.loseConnection()
        self.near.write(b"too late")
        self.pump.flush()
        self.assertEqual(self.server.received, [b"bye"])
        self.assertEqual((self.client.lost, self.server.lost), (ConnectionDone,) * 2)
        self.assertEqual(self.pump.transports, [])

    def test_aborting(self) -> None:
        """An abort loses what was written."""
        self.near.write(b"lost")
        self.near.abortConnection()
        self.pump.flush()
        self.assertEqual(self.server.received, [])
        self.assertEqual(self.client.lost, ConnectionAborted)
        self.assertEqual(self.server.lost, ConnectionLost)

    def test_paused_reading(self) -> None:
        """Who does not read gets nothing until it does."""
        self.far.pauseProducing()
        self.near.write(b"x")
        self.pump.flush()
        self.assertEqual(self.server.received, [])
        self.far.resumeProducing()
        self.pump.flush()
        self.assertEqual(self.server.received, [b"x"])

    def test_push_producer(self) -> None:
        """A push producer is paused past 64 kB and resumed when all has gone."""
        producer = Producer()
        self.near.registerProducer(producer, True)
        self.near.write(b"x" * 65_536)
        self.assertEqual(producer.told, [])
        self.near.write(b"x")
        self.assertEqual(producer.told, ["pause"])
        self.pump.flush()
        self.assertEqual(producer.told, ["pause", "resume"])
        self.assertRaises(RuntimeError, self.near.registerProducer, producer, True)
        self.near.unregisterProducer()
        self.near.loseConnection()
        self.pump.flush()
        self.near.registerProducer(producer, True)
        self.assertEqual(producer.told[-1], "stop")

    def test_pull_producer(self) -> None:
        """A pull producer is asked at once, and whenever all has gone."""
        producer = Producer()
        self.near.registerProducer(producer, False)
        self.assertEqual(producer.told, ["resume"])
        self.near.write(b"x")
        self.pump.step()
        self.assertEqual(producer.told, ["resume", "resume"])
        self.far.abortConnection()
        self.pump.step()
        self.assertEqual(producer.told[-1], "stop")

    def test_endless_talk(self) -> None:
        """Two sides that never stop are an error, not a hang."""

        def echo(data: bytes) -> None:
            self.far.write(data)

        self.server.dataReceived = echo  # type: ignore[method-assign]
        self.client.dataReceived = (  # type: ignore[method-assign]
            lambda data: self.near.write(data)
        )
        self.near.write(b"ping")
        self.assertRaises(RuntimeError, self.pump.flush)

    def test_unconnected(self) -> None:
        """A transport without a peer delivers nothing."""
        alone = MemoryTransport(self.near.here, self.near.there)
        self.assertFalse(alone.deliver())
