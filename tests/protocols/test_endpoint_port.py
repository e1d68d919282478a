"""Tests of ``condor_twisted.protocols.endpoint_port``, with sockets of the system."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock
from twisted.logger import Logger, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols.command_ports import SocketOptions
from condor_twisted.protocols.command_transport import CommandTransport
from condor_twisted.protocols.endpoint_port import EndpointPort
from condor_twisted.protocols.endpoint_sockets import EndpointSockets, connected_pair
from condor_twisted.protocols.log_text import FoldedLog
from condor_twisted.wire.shared_port import PASS_SOCKET


class Echo(Protocol):
    """Says back what it hears."""

    transport: CommandTransport | None

    def __init__(self, address: IPv4Address) -> None:
        self.address = address

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(b"you said " + data)


class EchoFactory:
    """What a command server is for a port."""

    def __init__(self, observer: EventLoggingObserver) -> None:
        self.made: list[Echo] = []
        self.is_full = False
        self.started_count = 0
        self.rests_count = 0
        self.folded = FoldedLog(Logger("tests", observer=observer), lambda: 0.0)

    def doStart(self) -> None:
        self.started_count += 1

    def doStop(self) -> None:
        self.started_count -= 1

    def descriptors_short(self) -> None:
        self.rests_count += 1

    def buildProtocol(self, address: IPv4Address) -> Echo | None:
        if self.is_full:
            return None
        self.made.append(Echo(address))
        return self.made[-1]


class EndpointPortTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="ctw-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.sockets = EndpointSockets(None, str(self.directory))
        self.reactor = MemoryReactorClock()
        self.events = EventLoggingObserver()
        self.factory = EchoFactory(self.events)
        self.port = EndpointPort(
            self.reactor,
            self.sockets.listen("one"),
            self.factory,
            SocketOptions(stream_buffer_bytes=4096),
            8,
        )
        self.addCleanup(self.port.stopListening)
        self.addCleanup(self.hang_up)

    def hang_up(self) -> None:
        """End the connections that are served."""
        for each in self.factory.made:
            if each.transport is not None and each.transport.connected:
                each.transport.connectionLost(Failure(ConnectionDone()))

    def pair(self) -> tuple[socket.socket, socket.socket]:
        near, far = connected_pair("127.0.0.1")
        near.settimeout(5)
        self.addCleanup(near.close)
        self.addCleanup(far.close)
        return near, far

    def carrier(self) -> socket.socket:
        """A connection of somebody who claims to be a shared port daemon."""
        found = socket.socket(socket.AF_UNIX)
        found.connect(str(self.directory / "one"))
        self.addCleanup(found.close)
        return found

    def logged(self, part: str) -> int:
        return sum(part in formatEvent(event) for event in self.events)

    def test_connection(self) -> None:
        """A connection that was handed over is served at once, as its peer's."""
        near, far = self.pair()
        near.send(b"hello")
        self.sockets.pass_on(far, "one")
        far.close()
        self.port.doRead()
        self.assertEqual(near.recv(100), b"you said hello")
        (served,) = self.factory.made
        host, port = near.getsockname()
        self.assertEqual(served.address, IPv4Address("TCP", host, port))
        assert served.transport is not None
        self.assertEqual(served.transport.getPeer().port, port)
        self.assertEqual(self.port.received_count, 1)
        self.assertEqual(self.port.handovers, set())

    def test_in_pieces(self) -> None:
        """The header may come in pieces, and the descriptor with any of its bytes."""
        near, far = self.pair()
        carrier = self.carrier()
        carrier.send(PASS_SOCKET[:7])
        self.port.doRead()
        (handover,) = self.port.handovers
        self.assertIn(handover, self.reactor.getReaders())
        carrier.send(PASS_SOCKET[7:])
        handover.doRead()
        handover.doRead()
        self.assertEqual(self.factory.made, [])
        socket.send_fds(carrier, [b"\0"], [far.fileno()])
        handover.doRead()
        self.assertEqual(len(self.factory.made), 1)
        self.assertNotIn(handover, self.reactor.getReaders())
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        near.send(b"x")

    def test_something_else(self) -> None:
        """What is no connection is closed and counted; the next one is served."""
        _, far = self.pair()
        with open(os.devnull, "rb") as file, socket.socket(socket.AF_UNIX) as unix:
            for data, descriptors in (
                (b"\x01\0\0\0\x08" + (75).to_bytes(8, "big") + b"\0", [far.fileno()]),
                (b"GET / HTTP/1.1", [far.fileno()]),
                (PASS_SOCKET + b"\0", []),
                (PASS_SOCKET + b"\0", [far.fileno(), far.fileno()]),
                (PASS_SOCKET + b"\0", [file.fileno()]),
                (PASS_SOCKET + b"\0", [unix.fileno()]),
            ):
                before = self.port.failed_count
                socket.send_fds(self.carrier(), [data], descriptors)
                self.port.doRead()
                self.assertEqual(self.port.failed_count, before + 1, data)
        self.assertEqual(self.factory.made, [])
        self.assertEqual(self.port.handovers, set())
        self.sockets.pass_on(far, "one")
        self.port.doRead()
        self.assertEqual(len(self.factory.made), 1)

    def test_too_early(self) -> None:
        """Whoever goes away in between has handed nothing over."""
        carrier = self.carrier()
        carrier.send(PASS_SOCKET[:5])
        carrier.close()
        self.port.doRead()
        for handover in list(self.port.handovers):
            handover.doRead()
        self.assertEqual(self.port.handovers, set())
        self.assertEqual(self.logged("ended too early"), 1)

    def test_too_late(self) -> None:
        """Whoever says nothing is not waited for."""
        self.carrier()
        self.port.doRead()
        self.reactor.advance(19)
        self.assertEqual(len(self.port.handovers), 1)
        self.reactor.advance(2)
        self.assertEqual(self.port.handovers, set())
        self.assertEqual(self.logged("in time"), 1)

    def test_accepts(self) -> None:
        """At most so many connections are taken in one turn."""
        carriers = [self.carrier() for _ in range(10)]
        self.port.doRead()
        self.assertEqual(len(self.port.handovers), 8)
        self.port.doRead()
        self.assertEqual(len(self.port.handovers), len(carriers))

    def test_full(self) -> None:
        """A server that takes nobody more closes what it gets."""
        self.factory.is_full = True
        near, far = self.pair()
        self.sockets.pass_on(far, "one")
        far.close()
        self.port.doRead()
        self.assertEqual(near.recv(1), b"")

    def test_pause(self) -> None:
        """Nobody is accepted during a pause."""
        self.port.pauseProducing()
        self.assertNotIn(self.port, self.reactor.getReaders())
        self.port.resumeProducing()
        self.assertIn(self.port, self.reactor.getReaders())

    def test_end(self) -> None:
        """Its end closes what was begun, and takes the file away."""
        self.carrier()
        self.port.doRead()
        self.successResultOf(self.port.stopListening())
        self.successResultOf(self.port.stopListening())
        self.assertEqual(list(self.directory.iterdir()), [])
        self.assertEqual(self.factory.started_count, 0)
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.port.resumeProducing()
        self.assertIsNone(self.port.path)

    def test_another_socket(self) -> None:
        """A socket whose file has vanished is replaced."""
        (self.directory / "one").unlink()
        self.port.replace(self.sockets.listen("one"))
        _, far = self.pair()
        self.sockets.pass_on(far, "one")
        self.port.doRead()
        self.assertEqual(len(self.factory.made), 1)
        self.assertEqual(self.port.path, str(self.directory / "one"))
