"""Tests of ``condor_twisted.testing.reactor``."""

from __future__ import annotations

from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import (
    CannotListenError,
    ConnectionRefusedError,
    ProcessDone,
    ProcessTerminated,
    UserError,
)
from twisted.internet.interfaces import (
    IListeningPort,
    IProcessTransport,
    IReactorProcess,
    IReactorUDP,
)
from twisted.internet.protocol import (
    DatagramProtocol,
    Factory,
    ProcessProtocol,
    Protocol,
)
from twisted.internet.threads import deferToThreadPool
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from condor_twisted.testing.reactor import MemoryReactor, blocking_at_once


class Echo(Protocol):
    """Sends back what comes."""

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(b"echo " + data)


class Keep(Protocol):
    """Keeps what comes."""

    received = b""

    def dataReceived(self, data: bytes) -> None:
        self.received += data


class Datagrams(DatagramProtocol):
    """Keeps datagrams."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, Any]] = []

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.received.append((datagram, addr))


class Exits(ProcessProtocol):
    """Keeps how a child ended."""

    reason: Any = None

    def processEnded(self, reason: Any) -> None:
        self.reason = reason


def factory(protocol: type[Protocol]) -> Any:
    """A factory that says nothing."""
    made = Factory.forProtocol(protocol)
    made.noisy = False
    return made


class MemoryReactorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactor()

    def connect(self, port: int) -> Any:
        """Connect to a port of the reactor."""
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", port)
        return endpoint.connect(factory(Keep))

    def test_interfaces(self) -> None:
        """What Twisted's reactor in memory has not, this one has."""
        verifyObject(IReactorUDP, self.reactor)
        verifyObject(IReactorProcess, self.reactor)
        port = self.reactor.listenTCP(1, factory(Echo))
        verifyObject(IListeningPort, port)

    def test_streams(self) -> None:
        """A client reaches the factory that listens, with addresses that fit."""
        port = self.reactor.listenTCP(0, factory(Echo), interface="127.0.0.1")
        outcome = self.connect(port.getHost().port)
        self.reactor.flush()
        client = self.successResultOf(outcome)
        client.transport.write(b"hello")
        self.reactor.flush()
        self.assertEqual(client.received, b"echo hello")
        self.assertEqual(client.transport.getPeer().port, port.getHost().port)

    def test_refused(self) -> None:
        """Nobody listening, a paused port and a closed one refuse."""
        port = self.reactor.listenTCP(9618, factory(Echo))
        port.pauseProducing()
        for _ in range(2):
            outcome = self.connect(9618)
            self.reactor.flush()
            self.failureResultOf(outcome, ConnectionRefusedError)
            port.stopListening()
            port.stopListening()

    def test_silence(self) -> None:
        """A silent address neither answers nor refuses; giving up works."""
        self.reactor.silent.add(("127.0.0.1", 7))
        outcome = self.connect(7)
        self.reactor.flush()
        self.assertNoResult(outcome)
        outcome.cancel()
        self.failureResultOf(outcome)
        connector = self.reactor.connectTCP("127.0.0.1", 7, _ClientFactory())
        connector.disconnect()
        self.assertEqual(connector.factory.failed, [UserError])

    def test_taken_ports(self) -> None:
        """A port is taken until it is closed, for one address or all."""
        port = self.reactor.listenTCP(9618, factory(Echo))
        for interface in ("", "127.0.0.1"):
            self.assertRaises(
                CannotListenError,
                *(self.reactor.listenTCP, 9618, factory(Echo)),
                interface=interface,
            )
        self.reactor.listenUDP(9618, Datagrams())
        port.stopListening()
        self.reactor.listenTCP(9618, factory(Echo))

    def test_datagrams(self) -> None:
        """Datagrams reach the port they are sent to, and others nobody."""
        receiver = Datagrams()
        self.reactor.listenUDP(9618, receiver, "127.0.0.1")
        sender = self.reactor.listenUDP(0, Datagrams(), "127.0.0.1")
        sender.write(b"hello", ("127.0.0.1", 9618))
        sender.write(b"nobody", ("127.0.0.1", 1))
        self.assertEqual(receiver.received, [])
        self.reactor.flush()
        source = ("127.0.0.1", sender.getHost().port)
        self.assertEqual(receiver.received, [(b"hello", source)])

    def test_processes(self) -> None:
        """A child does what the test says, and its protocol hears of it."""
        for status, expected in ((0, ProcessDone), (3, ProcessTerminated)):
            protocol = Exits()
            child = self.reactor.spawnProcess(protocol, b"/bin/x", [b"x"], {})
            verifyObject(IProcessTransport, child)
            child.signalProcess("TERM")
            child.write(b"a")
            child.writeSequence([b"b", b"c"])
            child.writeToChild(3, b"d")
            self.assertEqual(child.written, [(0, b"a"), (0, b"bc"), (3, b"d")])
            child.exit(status)
            self.assertIs(protocol.reason.type, expected)
            self.assertEqual(child.signals, ["TERM"])

    def test_threads(self) -> None:
        """What would run in a thread runs at once, errors included."""
        outcome = deferToThreadPool(
            self.reactor,  # type: ignore[arg-type]
            self.reactor.getThreadPool(),  # type: ignore[arg-type]
            divmod,
            7,
            2,
        )
        self.assertEqual(self.successResultOf(outcome), (3, 1))
        failing = deferToThreadPool(
            self.reactor,  # type: ignore[arg-type]
            self.reactor.getThreadPool(),  # type: ignore[arg-type]
            divmod,
            7,
            0,
        )
        self.failureResultOf(failing, ZeroDivisionError)
        self.assertEqual(self.successResultOf(blocking_at_once(abs, -1)), 1)
        called: list[int] = []
        self.reactor.callFromThread(called.append, 1)
        self.reactor.callInThread(called.append, 2)
        self.assertEqual(called, [1, 2])

    def test_time_and_bytes(self) -> None:
        """Flushing runs what is due, and no later call."""
        called: list[str] = []
        self.reactor.callLater(0, called.append, "now")
        later = self.reactor.callLater(1, called.append, "later")
        self.reactor.flush()
        self.assertEqual(called, ["now"])
        later.cancel()


class _ClientFactory:
    def __init__(self) -> None:
        self.failed: list[Any] = []

    def doStart(self) -> None:
        pass

    def doStop(self) -> None:
        pass

    def startedConnecting(self, connector: Any) -> None:
        pass

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        self.failed.append(reason.type)
