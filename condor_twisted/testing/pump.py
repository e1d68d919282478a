"""In-memory transports: two protocols joined, their bytes moved on demand.

`MemoryTransport` behaves as Twisted's TCP transport does where that matters to a
protocol: it pauses a push producer that writes more than 64 kB, resumes it when the
bytes have gone, holds what arrives while reading is paused, and tells of the close
only after the bytes before it. Nothing moves until `Pump.flush` (or `Pump.step`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IConsumer, IPushProducer, ITCPTransport
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["MemoryTransport", "Pump", "connect"]

#: As `twisted.internet.abstract.FileDescriptor.bufferSize`.
_BUFFER_BYTES = 2**16
#: `Pump.flush` gives up after so many rounds, rather than hang.
_ROUNDS_LIMIT = 100_000


@implementer(ITCPTransport, IPushProducer, IConsumer)
class MemoryTransport:
    """One end of a connection in memory.

    Args:
        here: Our address.
        there: The peer's address.
    """

    def __init__(self, here: IPv4Address, there: IPv4Address) -> None:
        self.here = here
        self.there = there
        self.peer: MemoryTransport | None = None
        self.protocol: Any = None
        self.connected = True
        self.disconnecting = False
        self.aborted = False
        self.reading = True
        #: Whether the peer takes nothing: a client that does not read its answer.
        self.stalled = False
        #: What was written and not delivered yet.
        self.outgoing = bytearray()
        #: Everything ever written.
        self.written = bytearray()
        self._producer: Any = None
        self._producer_streams = False
        self._producer_paused = False
        self._close: Failure | None = None

    # What protocols call.

    def write(self, data: bytes) -> None:
        """Queue bytes; a push producer is paused past 64 kB."""
        assert isinstance(data, (bytes, bytearray, memoryview)), type(data)
        if not self.connected or self.disconnecting:
            return
        self.outgoing += data
        self.written += data
        if (
            self._producer is not None
            and self._producer_streams
            and not self._producer_paused
            and len(self.outgoing) > _BUFFER_BYTES
        ):
            self._producer_paused = True
            self._producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Queue several pieces."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close once everything has gone out."""
        self.disconnecting = True

    def abortConnection(self) -> None:
        """Close now; what was queued is lost."""
        self.aborted = True
        self.disconnecting = True
        self.outgoing.clear()
        self._close = Failure(ConnectionAborted())

    def loseWriteConnection(self) -> None:
        """Not modelled: CEDAR never half-closes."""
        raise NotImplementedError

    def pauseProducing(self) -> None:
        """Stop delivering to the protocol."""
        self.reading = False

    def resumeProducing(self) -> None:
        """Deliver again."""
        self.reading = True

    def stopProducing(self) -> None:
        """Close."""
        self.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Ask a producer for bytes; as Twisted's, one at a time."""
        if self._producer is not None:
            raise RuntimeError("a producer is registered already")
        if not self.connected:
            producer.stopProducing()
            return
        self._producer = producer
        self._producer_streams = streaming
        self._producer_paused = False
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self._producer = None

    def getPeer(self) -> IPv4Address:
        """The peer's address."""
        return self.there

    def getHost(self) -> IPv4Address:
        """Our address."""
        return self.here

    def getTcpNoDelay(self) -> bool:
        """Always on."""
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Accepted; memory does not wait."""

    def getTcpKeepAlive(self) -> bool:
        """Always off."""
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Accepted."""

    # What the pump calls.

    def deliver(self, chunk_bytes: int | None = None) -> bool:
        """Move bytes to the peer, or the close behind them; whether anything moved."""
        peer = self.peer
        if not self.connected or peer is None:
            return False
        if self._close is not None:
            self._lost(self._close)
            peer._peer_closed(clean=False)
            return True
        if self.outgoing:
            if self.stalled or not peer.connected or not peer.reading:
                return False
            size = len(self.outgoing) if chunk_bytes is None else chunk_bytes
            data = bytes(self.outgoing[:size])
            del self.outgoing[:size]
            if peer._close is None:
                peer.protocol.dataReceived(data)
            self._drained()
            return True
        if self._drained():
            return True
        if self.disconnecting and self._producer is None:
            self._lost(Failure(ConnectionDone()))
            peer._peer_closed(clean=True)
            return True
        return False

    def _drained(self) -> bool:
        """Ask the producer for more once everything has gone; whether it was asked."""
        if (
            self.outgoing
            or self._producer is None
            or (self._producer_streams and not self._producer_paused)
        ):
            return False
        self._producer_paused = False
        self._producer.resumeProducing()
        return True

    def _peer_closed(self, clean: bool) -> None:
        if not self.connected:
            return
        self.outgoing.clear()
        self._lost(Failure(ConnectionDone() if clean else ConnectionLost()))

    def _lost(self, reason: Failure) -> None:
        self.connected = False
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        self.protocol.connectionLost(reason)


def connect(
    client: Any,
    server: Any,
    client_address: tuple[str, int] = ("127.0.0.1", 40000),
    server_address: tuple[str, int] = ("127.0.0.1", 9618),
) -> tuple[MemoryTransport, MemoryTransport]:
    """Join a client protocol and a server protocol.

    Returns:
        The client's transport and the server's; both protocols are connected.
    """
    there = IPv4Address("TCP", *client_address)
    here = IPv4Address("TCP", *server_address)
    near, far = MemoryTransport(there, here), MemoryTransport(here, there)
    near.peer, far.peer = far, near
    near.protocol, far.protocol = client, server
    server.makeConnection(far)
    client.makeConnection(near)
    return near, far


class Pump:
    """Moves bytes between any number of in-memory transports.

    Args:
        chunk_bytes: How much is delivered at a time; everything by default.
    """

    def __init__(self, chunk_bytes: int | None = None) -> None:
        self.chunk_bytes = chunk_bytes
        self.transports: list[MemoryTransport] = []
        #: Called in each round, to move what is not a transport; says whether it did.
        self.more: list[Callable[[], bool]] = []

    def add(self, *transports: MemoryTransport) -> None:
        """Look after these as well."""
        self.transports.extend(transports)

    def step(self) -> bool:
        """One round; whether anything moved."""
        moved = False
        for transport in list(self.transports):
            if transport.deliver(self.chunk_bytes):
                moved = True
        for also in self.more:
            if also():
                moved = True
        self.transports = [each for each in self.transports if each.connected]
        return moved

    def flush(self) -> None:
        """Rounds until nothing moves.

        Raises:
            RuntimeError: If the two sides talk without end.
        """
        for _ in range(_ROUNDS_LIMIT):
            if not self.step():
                return
        raise RuntimeError("the two sides talk without end")
