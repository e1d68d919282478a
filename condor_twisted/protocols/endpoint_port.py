"""The command port of a daemon behind a shared port: connections come as descriptors.

The shared port daemon connects to our UNIX socket, sends one message, and with one more
byte the descriptor of a connection that it has accepted. From then on that is a
connection like any other: its peer's address is the real one, and so is every limit.

Source: ``src/condor_io/shared_port_endpoint.cpp: SharedPortEndpoint::DoListenerAccept,
ReceiveSocket``.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IListeningPort,
    IReadDescriptor,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from condor_twisted.protocols.command_ports import (
    SocketOptions,
    set_connection_options,
)
from condor_twisted.protocols.command_transport import CommandTransport, read_at_once
from condor_twisted.wire.shared_port import PASS_SOCKET

__all__ = ["EndpointPort"]

_log = Logger()

#: How long whoever connects may take until the descriptor is here.
_HANDOVER_SECONDS: Final = 20.0
#: So many may be about to hand something over.
_MAX_HANDOVERS: Final = 200
_WHOLE_BYTES: Final = len(PASS_SOCKET) + 1
_MAX_DESCRIPTORS: Final = 4


@implementer(IReadDescriptor)
class _Handover:
    """One connection of a shared port daemon's, which brings one descriptor."""

    def __init__(self, port: EndpointPort, carrier: socket.socket) -> None:
        self._port = port
        self._carrier = carrier
        self._received = b""
        self._descriptors: list[int] = []
        self._timer: IDelayedCall | None = None

    def begin(self) -> None:
        """Read what is there; wait for the rest."""
        self.doRead()
        if self._carrier.fileno() >= 0:
            reactor = self._port.reactor
            reactor.addReader(self)
            self._timer = reactor.callLater(
                _HANDOVER_SECONDS, self._end, "nothing whole came in time"
            )

    def fileno(self) -> int:
        """Part of ``IReadDescriptor``."""
        return self._carrier.fileno()

    def logPrefix(self) -> str:
        """Part of ``IReadDescriptor``."""
        return "shared port endpoint"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor has given it up."""
        self.close()

    def doRead(self) -> None:
        """Take what is there."""
        wanted = _WHOLE_BYTES - len(self._received)
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        try:
            data, found, _flags, _from = socket.recv_fds(
                self._carrier, wanted, _MAX_DESCRIPTORS, flags
            )
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error.strerror or "the connection broke")
            return
        self._descriptors += found
        self._received += data
        if not PASS_SOCKET.startswith(self._received[: len(PASS_SOCKET)]):
            self._end("something else came")
        elif len(self._received) == _WHOLE_BYTES:
            self._complete()
        elif not data:
            self._end("it ended too early")

    def _complete(self) -> None:
        if len(self._descriptors) != 1:
            self._end(f"{len(self._descriptors)} descriptors came with it")
            return
        descriptor = self._descriptors.pop()
        self.close()
        self._port.take(descriptor)

    def _end(self, why: str) -> None:
        self.close()
        self._port.refused(why)

    def close(self) -> None:
        """Close what is open."""
        descriptors, self._descriptors = self._descriptors, []
        for each in descriptors:
            os.close(each)
        if self._carrier.fileno() >= 0:
            self._port.reactor.removeReader(self)
            self._carrier.close()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._port.handovers.discard(self)


@implementer(IListeningPort, IReadDescriptor)
class EndpointPort:
    """Serves the connections that a shared port daemon hands to us.

    Args:
        reactor: Where.
        listening: Our UNIX socket, which is ours from now on.
        factory: Builds a protocol per connection.
        options: How the connections are set up.
        accepts_per_turn: SHARED_ENDPOINT_MAX_ACCEPTS_PER_CYCLE.

    Attributes:
        received_count: How many connections came.
        failed_count: How many times something else came.
    """

    def __init__(
        self,
        reactor: Any,
        listening: socket.socket,
        factory: Any,
        options: SocketOptions,
        accepts_per_turn: int,
    ) -> None:
        self.reactor = reactor
        self.factory = factory
        self.received_count = 0
        self.failed_count = 0
        #: Those from which a descriptor is still to come.
        self.handovers: set[_Handover] = set()
        #: What `CommandTransport` and Twisted's ``Server`` ask their port for.
        self.accepted: list[CommandTransport] = []
        self._realPortNumber = 0
        self._listening = listening
        self._options = options
        self._accepts_per_turn = accepts_per_turn or 100
        listening.setblocking(False)
        self._factory_started = False
        self.startListening()

    # A port, as `CommandPorts` has them.

    def startListening(self) -> None:
        """It listens from the beginning."""
        if not self._factory_started:
            self._factory_started = True
            self.factory.doStart()
            self.reactor.addReader(self)

    def stopListening(self) -> Deferred[None]:
        """Close it, and remove its file if it is one; connections stay."""
        if self._listening.fileno() < 0:
            return succeed(None)
        for each in list(self.handovers):
            each.close()
        self.replace(None)
        self.factory.doStop()
        return succeed(None)

    def getHost(self) -> IAddress:
        """No address of the network."""
        return IPv4Address("TCP", "", 0)

    def pauseProducing(self) -> None:
        """Accept nothing for now."""
        if self._listening.fileno() >= 0:
            self.reactor.removeReader(self)

    def resumeProducing(self) -> None:
        """Accept again."""
        if self._listening.fileno() >= 0:
            self.reactor.addReader(self)

    # The socket's file.

    @property
    def path(self) -> str | None:
        """Where its file is; ``None`` for an abstract name, or when it is closed."""
        if self._listening.fileno() < 0:
            return None
        name = self._listening.getsockname()
        return name if isinstance(name, str) and name else None

    def replace(self, listening: socket.socket | None) -> None:
        """Listen at another socket: our file has vanished, or shall be elsewhere.

        Args:
            listening: The new one; ``None`` only closes.
        """
        path = self.path
        self.reactor.removeReader(self)
        if path is not None and (listening is None or listening.getsockname() != path):
            with contextlib.suppress(OSError):
                os.unlink(path)
        self._listening.close()
        if listening is not None:
            self._listening = listening
            self.reactor.addReader(self)

    # What the reactor calls.

    def fileno(self) -> int:
        """Part of ``IReadDescriptor``."""
        return self._listening.fileno()

    def logPrefix(self) -> str:
        """Part of ``IReadDescriptor``."""
        return "shared port endpoint"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor has given it up."""

    def doRead(self) -> None:
        """Accept some."""
        for _ in range(self._accepts_per_turn):
            try:
                carrier, _name = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self.refused(error.strerror or "accept failed")
                self.factory.descriptors_short()
                return
            carrier.setblocking(False)
            if len(self.handovers) >= _MAX_HANDOVERS:
                carrier.close()
                self.refused("too many are about to hand something over")
                continue
            handover = _Handover(self, carrier)
            self.handovers.add(handover)
            handover.begin()

    def refused(self, why: str) -> None:
        """Count and log what was no connection."""
        self.failed_count += 1
        self.factory.folded.warn(
            "endpoint",
            "",
            "SharedPortEndpoint: no connection was received: {error}",
            error=why,
        )

    def take(self, descriptor: int) -> None:
        """Serve a connection that came as a descriptor."""
        found = _adopted(descriptor)
        if found is None:
            self.refused("the descriptor is not a connection by TCP")
            return
        connection, peer = found
        kind: Callable[..., IAddress] = IPv4Address if len(peer) == 2 else IPv6Address
        protocol = self.factory.buildProtocol(kind("TCP", *peer))
        if protocol is None:
            connection.close()
            return
        self.received_count += 1
        self._set_up(connection)
        transport = CommandTransport(
            connection, protocol, peer, self, self.received_count, self.reactor
        )
        self.accepted.clear()
        protocol.makeConnection(transport)
        if transport.connected:
            read_at_once(transport)

    def _set_up(self, connection: socket.socket) -> None:
        set_connection_options(connection, self._options.keep_alive_seconds)
        size = self._options.stream_buffer_bytes
        if size > 0:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                with contextlib.suppress(OSError):
                    connection.setsockopt(socket.SOL_SOCKET, option, size)


def _adopted(descriptor: int) -> tuple[socket.socket, Any] | None:
    """A connection by TCP with its peer; closed if it is anything else."""
    try:
        connection = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return None
    try:
        if connection.type != socket.SOCK_STREAM or connection.family not in (
            socket.AF_INET,
            socket.AF_INET6,
        ):
            raise OSError("another kind of socket")
        peer = connection.getpeername()
        connection.setblocking(False)
        connection.set_inheritable(False)
    except OSError:
        connection.close()
        return None
    return connection, peer
