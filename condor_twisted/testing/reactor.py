"""A reactor in memory, with time in the test's hand.

`MemoryReactor` is Twisted's ``MemoryReactorClock`` plus what daemons need of it:
TCP connections that really reach the factories listening in the same reactor, UDP
ports, child processes and threads that run at once. Nothing moves until `flush`
(bytes) or ``advance`` (time).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import (
    CannotListenError,
    ConnectionRefusedError,
    ProcessDone,
    ProcessTerminated,
    UserError,
)
from twisted.internet.interfaces import (
    IConnector,
    IListeningPort,
    IProcessTransport,
    IReactorProcess,
    IReactorUDP,
    IUDPTransport,
)
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from zope.interface import implementer

from condor_twisted.testing.pump import MemoryTransport, Pump, connect

__all__ = ["MemoryDatagramPort", "MemoryProcess", "MemoryReactor", "MemoryStreamPort"]

_FIRST_FREE_PORT = 20000


def blocking_at_once(function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
    """Run a function that may block here and now, instead of in a thread."""
    return maybeDeferred(function, *arguments)


@implementer(IListeningPort)
class MemoryStreamPort:
    """A listening TCP port in memory."""

    def __init__(
        self, reactor: MemoryReactor, address: IPv4Address, factory: Any
    ) -> None:
        self.reactor = reactor
        self.address = address
        self.factory = factory
        self.paused = False
        factory.doStart()

    def startListening(self) -> None:
        """It listens from the beginning."""

    def stopListening(self) -> Deferred[None]:
        """Close the port; connections stay."""
        if self.reactor.stream_ports.pop(_key(self.address), None) is not None:
            self.factory.doStop()
        return succeed(None)

    def getHost(self) -> IPv4Address:
        """Where it listens."""
        return self.address

    def pauseProducing(self) -> None:
        """Accept nothing for now."""
        self.paused = True

    def resumeProducing(self) -> None:
        """Accept again."""
        self.paused = False


@implementer(IUDPTransport)
class MemoryDatagramPort:
    """A UDP port in memory; what it sends is kept in ``sent``."""

    def __init__(
        self,
        reactor: MemoryReactor,
        address: IPv4Address,
        protocol: Any,
        max_packet_bytes: int,
    ) -> None:
        self.reactor = reactor
        self.address = address
        self.protocol = protocol
        self.max_packet_bytes = max_packet_bytes
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        protocol.makeConnection(self)

    def write(self, packet: bytes, addr: tuple[str, int] | None = None) -> None:
        """Send a datagram; a port of the same reactor gets it with `flush`."""
        assert addr is not None
        self.sent.append((bytes(packet), addr))
        self.reactor.datagrams.append((bytes(packet), _key(self.address), addr))

    def deliver(self, datagram: bytes, source: tuple[str, int]) -> None:
        """Receive a datagram now."""
        self.protocol.datagramReceived(datagram[: self.max_packet_bytes], source)

    def connect(self, host: str, port: int) -> None:
        """Not modelled: CEDAR's ports are never connected."""
        raise NotImplementedError

    def getHost(self) -> IPv4Address:
        """Where it listens."""
        return self.address

    def startListening(self) -> None:
        """It listens from the beginning."""

    def stopListening(self) -> Deferred[None]:
        """Close the port."""
        if self.reactor.datagram_ports.pop(_key(self.address), None) is not None:
            self.protocol.doStop()
        return succeed(None)

    def setBroadcastAllowed(self, enabled: bool) -> None:
        """Accepted."""

    def getBroadcastAllowed(self) -> bool:
        """Always off."""
        return False


@implementer(IProcessTransport)
class MemoryProcess:
    """A child process in memory: the test says what it does.

    Args:
        protocol: The ``ProcessProtocol``.
        pid: Its process id.
    """

    def __init__(
        self,
        protocol: Any,
        pid: int,
        executable: bytes | str,
        args: Sequence[bytes | str],
        env: Mapping[Any, Any] | None,
        options: dict[str, Any],
    ) -> None:
        self.protocol = protocol
        self.pid: int | None = pid
        self.executable = executable
        self.args = args
        self.env = env
        self.options = options
        self.signals: list[str | int] = []
        self.written: list[tuple[int, bytes]] = []
        self.ended = False
        protocol.makeConnection(self)

    def write(self, data: bytes) -> None:
        """Write to its standard input."""
        self.written.append((0, data))

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Write several pieces to its standard input."""
        self.write(b"".join(data))

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """Write to one of its descriptors."""
        self.written.append((childFD, data))

    def closeStdin(self) -> None:
        """Accepted."""

    def closeStdout(self) -> None:
        """Accepted."""

    def closeStderr(self) -> None:
        """Accepted."""

    def closeChildFD(self, descriptor: int) -> None:
        """Accepted."""

    def loseConnection(self) -> None:
        """Accepted."""

    def getPeer(self) -> Any:
        """Who: the process itself."""
        return ("process", self.pid)

    def getHost(self) -> Any:
        """As `getPeer`."""
        return ("process", self.pid)

    def signalProcess(self, signalID: str | int) -> None:
        """Note a signal."""
        self.signals.append(signalID)

    def exit(self, status: int = 0, signal: int | None = None) -> None:
        """End it: the protocol hears of it as from a real child."""
        self.ended = True
        self.pid = None
        reason = Failure(
            ProcessDone(0)
            if status == 0 and signal is None
            else ProcessTerminated(status, signal)
        )
        self.protocol.processExited(reason)
        self.protocol.processEnded(reason)


@implementer(IConnector)
class _MemoryConnector:
    def __init__(self, address: IPv4Address, factory: Any) -> None:
        self.address = address
        self.factory = factory
        self.state = "connecting"
        self.transport: MemoryTransport | None = None

    def connect(self) -> None:
        raise NotImplementedError

    def stopConnecting(self) -> None:
        if self.state == "connecting":
            self.state = "disconnected"
            self.factory.clientConnectionFailed(self, Failure(UserError()))
            self.factory.doStop()

    def disconnect(self) -> None:
        if self.state == "connecting":
            self.stopConnecting()
        elif self.transport is not None:
            self.transport.loseConnection()

    def getDestination(self) -> IPv4Address:
        return self.address


@implementer(IReactorUDP, IReactorProcess)
class MemoryReactor(MemoryReactorClock):
    """A reactor without sockets, processes, threads or real time.

    Args:
        chunk_bytes: How much of a stream is delivered at a time.
    """

    def __init__(self, chunk_bytes: int | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.traffic = Pump(chunk_bytes)
        self.traffic.more.append(self._deliver_datagram)
        self.stream_ports: dict[tuple[str, int], MemoryStreamPort] = {}
        self.datagram_ports: dict[tuple[str, int], MemoryDatagramPort] = {}
        self.datagrams: deque[tuple[bytes, tuple[str, int], tuple[str, int]]] = deque()
        self.processes: list[MemoryProcess] = []
        #: Addresses that neither answer nor refuse.
        self.silent: set[tuple[str, int]] = set()
        self._next_port = _FIRST_FREE_PORT
        self._next_source = 50000
        self._next_pid = 1000

    def flush(self) -> None:
        """Move every byte and datagram until nothing moves, and run what is due."""
        while True:
            self.traffic.flush()
            if not any(
                call.getTime() <= self.seconds() for call in self.getDelayedCalls()
            ):
                return
            self.advance(0)

    def callFromThread(
        self, callable: Callable[..., Any], *args: Any, **kw: Any
    ) -> None:
        """Run a call at once."""
        callable(*args, **kw)

    def callInThread(self, callable: Callable[..., Any], *args: Any, **kw: Any) -> None:
        """Run a call at once; there are no threads here."""
        callable(*args, **kw)

    def getThreadPool(self) -> MemoryReactor:
        """Something that runs calls at once, as far as ``deferToThreadPool`` asks."""
        return self

    def callInThreadWithCallback(
        self,
        onResult: Callable[[bool, Any], None] | None,
        func: Callable[..., Any],
        *args: Any,
        **kw: Any,
    ) -> None:
        """Run a call at once and tell of its outcome."""
        try:
            outcome: tuple[bool, Any] = (True, func(*args, **kw))
        except Exception:
            outcome = (False, Failure())
        if onResult is not None:
            onResult(*outcome)

    def listenTCP(
        self, port: int, factory: Any, backlog: int = 50, interface: str = ""
    ) -> Any:
        """Listen; port 0 takes a free one, a taken one is an error."""
        key = self._claim(self.stream_ports, port, interface)
        found = MemoryStreamPort(self, IPv4Address("TCP", *key), factory)
        self.stream_ports[key] = found
        return found

    def listenUDP(
        self,
        port: int,
        protocol: Any,
        interface: str = "",
        maxPacketSize: int = 8192,
    ) -> Any:
        """Listen for datagrams; ports as `listenTCP`."""
        key = self._claim(self.datagram_ports, port, interface)
        found = MemoryDatagramPort(
            self, IPv4Address("UDP", *key), protocol, maxPacketSize
        )
        self.datagram_ports[key] = found
        return found

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: Any,
        timeout: float = 30,
        bindAddress: Any = None,
    ) -> Any:
        """Connect to a factory that listens in this reactor; refused without one."""
        connector = _MemoryConnector(IPv4Address("TCP", host, port), factory)
        factory.doStart()
        factory.startedConnecting(connector)
        if (host, port) not in self.silent:
            self.callLater(0, self._connect, connector)
        return connector

    def spawnProcess(
        self,
        processProtocol: Any,
        executable: bytes | str,
        args: Sequence[bytes | str] = (),
        env: Mapping[Any, Any] | None = None,
        path: bytes | str | None = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool | tuple[int, int, str] = False,
        childFDs: Mapping[int, int | str] | None = None,
    ) -> Any:
        """Start a child that does what the test says."""
        options = {"path": path, "uid": uid, "gid": gid, "childFDs": childFDs}
        self._next_pid += 1
        child = MemoryProcess(
            processProtocol, self._next_pid, executable, args, env, options
        )
        self.processes.append(child)
        return child

    def _claim(
        self, taken: Mapping[tuple[str, int], object], port: int, interface: str
    ) -> tuple[str, int]:
        host = interface or "0.0.0.0"  # noqa: S104 -- what Twisted shows for "all"
        if port == 0:
            self._next_port += 1
            return (host, self._next_port)
        if (host, port) in taken or ("0.0.0.0", port) in taken:  # noqa: S104
            raise CannotListenError(interface, port, OSError(98, "in use"))
        return (host, port)

    def _connect(self, connector: _MemoryConnector) -> None:
        if connector.state != "connecting":
            return
        address = connector.address
        port = self.stream_ports.get(_key(address)) or self.stream_ports.get(
            ("0.0.0.0", address.port)  # noqa: S104
        )
        self._next_source += 1
        source = IPv4Address("TCP", address.host, self._next_source)
        server = (
            None if port is None or port.paused else port.factory.buildProtocol(source)
        )
        if server is None:
            connector.state = "disconnected"
            connector.factory.clientConnectionFailed(
                connector, Failure(ConnectionRefusedError())
            )
            connector.factory.doStop()
            return
        client = connector.factory.buildProtocol(address)
        if client is None:
            return
        connector.state = "connected"
        near, far = connect(client, server, _key(source), _key(address))
        connector.transport = near
        self.traffic.add(near, far)

    def _deliver_datagram(self) -> bool:
        if not self.datagrams:
            return False
        datagram, source, target = self.datagrams.popleft()
        port = self.datagram_ports.get(target) or self.datagram_ports.get(
            ("0.0.0.0", target[1])  # noqa: S104
        )
        if port is not None:
            host = target[0] if source[0] == "0.0.0.0" else source[0]  # noqa: S104
            port.deliver(datagram, (host, source[1]))
        return True


def _key(address: IPv4Address) -> tuple[str, int]:
    return (address.host, address.port)
