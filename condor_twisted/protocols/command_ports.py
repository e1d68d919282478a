"""The command ports: TCP and UDP under one number, and how their sockets are set up.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: BindAnyCommandPort``.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from condor_twisted.protocols.datagram_port import (
    DATAGRAM_READ_BYTES,
    DatagramPortReader,
)

__all__ = [
    "CommandPorts",
    "SocketOptions",
    "adopt_command_sockets",
    "listen_for_commands",
    "set_connection_options",
]

_log = Logger()

_SAME_PORT_ATTEMPTS: Final = 50


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """How command sockets are set up.

    Args:
        backlog: SOCKET_LISTEN_BACKLOG.
        accepts_per_turn: MAX_ACCEPTS_PER_CYCLE.
        datagrams_per_turn: MAX_UDP_MSGS_PER_CYCLE.
        keep_alive_seconds: TCP_KEEPALIVE_INTERVAL: below 0 nothing, 0 the system's
            times.
        stream_buffer_bytes: Send and receive buffers of connections; 0 leaves the
            system's.
        datagram_buffer_bytes: Receive buffer of the UDP port; 0 leaves the system's.
    """

    backlog: int = 4096
    accepts_per_turn: int = 8
    datagrams_per_turn: int = 100
    keep_alive_seconds: int = 360
    stream_buffer_bytes: int = 0
    datagram_buffer_bytes: int = 0


@dataclass(slots=True)
class CommandPorts:
    """A TCP port and the UDP port of the same number.

    Args:
        stream: The TCP port.
        datagrams: The UDP port, if there is one.
        others: Ports of other families of addresses.
        endpoint_id: Our name behind a shared port: then ``stream`` is an
            `EndpointPort`, which has neither an address nor a number.
    """

    stream: IListeningPort
    datagrams: IListeningPort | None
    others: tuple[IListeningPort, ...] = ()
    endpoint_id: str | None = None

    @property
    def host(self) -> str:
        """The address that is bound; a wildcard where all are."""
        host: str = self.stream.getHost().host  # type: ignore[attr-defined]
        return host

    @property
    def port(self) -> int:
        """The number of both."""
        number: int = self.stream.getHost().port  # type: ignore[attr-defined]
        return number

    def close(self) -> Deferred[Any]:
        """Close both; fires when they are closed, and never fails."""
        first = (self.stream, self.datagrams)
        ports = [each for each in (*first, *self.others) if each is not None]
        return DeferredList(
            [_closing(each) for each in ports], consumeErrors=True
        ).addCallback(lambda _: None)

    def pause(self) -> None:
        """Accept no connection for now; datagrams go on."""
        for port in self._streams():
            pause = getattr(port, "pauseProducing", None)
            if pause is not None:
                pause()

    def resume(self) -> None:
        """Accept again."""
        for port in self._streams():
            resume = getattr(port, "resumeProducing", None)
            if resume is not None and getattr(port, "connected", True):
                resume()

    def _streams(self) -> list[IListeningPort]:
        others = [each for each in self.others if not hasattr(each, "maxThroughput")]
        return [self.stream, *others]


def _closing(port: IListeningPort) -> Deferred[Any]:
    stopped = port.stopListening()
    if isinstance(stopped, Deferred):
        return stopped
    done: Deferred[Any] = Deferred()
    done.callback(None)
    return done


def listen_for_commands(
    reactor: Any,
    port: int,
    interface: str,
    factory: Any,
    datagrams: Any = None,
    options: SocketOptions = SocketOptions(),
    port_range: tuple[int, int] | None = None,
) -> CommandPorts:
    """Open a command port: TCP, and UDP of the same number.

    Args:
        reactor: Where.
        port: The number; 0 for any free one.
        interface: The address to bind; ``""`` for all.
        factory: Builds a protocol per connection.
        datagrams: The protocol for datagrams; ``None`` for no UDP port.
        options: How the sockets are set up.
        port_range: Where to look for a free number, both ends included; anywhere by
            default.

    Raises:
        CannotListenError: The port is taken, or nothing in the range is free.
    """
    if port:
        candidates = [port]
    elif port_range is not None:
        candidates = _from_somewhere(*port_range)
    else:
        candidates = [0] * _SAME_PORT_ATTEMPTS
    error: CannotListenError | None = None
    for number in candidates:
        try:
            stream = reactor.listenTCP(number, factory, options.backlog, interface)
        except CannotListenError as problem:
            error = problem
            continue
        if datagrams is None:
            _set_up_stream_port(stream, options)
            return CommandPorts(stream, None)
        try:
            other = reactor.listenUDP(
                stream.getHost().port, datagrams, interface, DATAGRAM_READ_BYTES
            )
        except CannotListenError as problem:
            error = problem
            stream.stopListening()
            continue
        reader = _set_up_datagram_port(other, datagrams, options)
        _set_up_stream_port(stream, options, [reader])
        return CommandPorts(stream, other)
    assert error is not None
    raise error


def adopt_command_sockets(
    reactor: Any,
    streams: Sequence[socket.socket],
    receivers: Sequence[socket.socket],
    factory: Any,
    datagrams: Any = None,
    options: SocketOptions = SocketOptions(),
) -> CommandPorts:
    """Serve command sockets that somebody else has opened: our parent.

    Args:
        reactor: Where.
        streams: Listening sockets; the first one's port is what others are told.
        receivers: Bound UDP sockets of the same ports. All of these are closed here;
            the reactor has copies.
        factory: Builds a protocol per connection.
        datagrams: The protocol for datagrams; ``None`` for no UDP: those sockets are
            closed and not used.
        options: How the sockets are set up.
    """
    found: list[IListeningPort] = []
    readers: list[DatagramPortReader | None] = []
    for receiver in receivers:
        if datagrams is not None:
            protocol = datagrams if not found else datagrams.another()
            port = reactor.adoptDatagramPort(
                receiver.fileno(), receiver.family, protocol, DATAGRAM_READ_BYTES
            )
            readers.append(_set_up_datagram_port(port, protocol, options))
            found.append(port)
        receiver.close()
    streams = sorted(streams, key=lambda each: each.family != socket.AF_INET)
    ports: list[IListeningPort] = []
    for each in streams:
        port = reactor.adoptStreamPort(each.fileno(), each.family, factory)
        _set_up_stream_port(port, options, readers)
        ports.append(port)
        each.close()
    number = _port_number(ports[0])
    first = next((each for each in found if _port_number(each) == number), None)
    others = (*ports[1:], *(each for each in found if each is not first))
    return CommandPorts(ports[0], first, others)


def _port_number(port: Any) -> int:
    number: int = port.getHost().port
    return number


def _from_somewhere(low: int, high: int) -> list[int]:
    """Every number of a range, from one in the middle on.

    Source: ``src/condor_io/sock.cpp: Sock::bindWithin``.
    """
    import time

    start = low + (time.time_ns() // 1000 * 73) % (high - low + 1)
    return [*range(start, high + 1), *range(low, start)]


def _set_up_stream_port(
    port: Any,
    options: SocketOptions,
    datagrams: Iterable[DatagramPortReader | None] = (),
) -> None:
    """Options of a listening socket; on Linux accepted sockets inherit them."""
    listening: socket.socket | None = getattr(port, "socket", None)
    if listening is None or not hasattr(port, "numberAccepts"):
        return  # not a socket of the operating system
    if listening.family in (socket.AF_INET, socket.AF_INET6):
        if options.stream_buffer_bytes > 0:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                with contextlib.suppress(OSError):
                    listening.setsockopt(
                        socket.SOL_SOCKET, option, options.stream_buffer_bytes
                    )
        set_connection_options(listening, options.keep_alive_seconds)
    from condor_twisted.protocols.command_transport import CommandPortReader

    # Who sends datagrams and then connects expects them to be taken in this order.
    first = [each.read_waiting for each in datagrams if each is not None]
    port.doRead = CommandPortReader(port, options.accepts_per_turn, first)


def set_connection_options(connection: socket.socket, keep_alive_seconds: int) -> None:
    """TCP_NODELAY, and keep-alive as HTCondor has it.

    Source: ``src/condor_io/sock.cpp: Sock::set_keepalive``.
    """
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if keep_alive_seconds < 0:
        return
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if keep_alive_seconds == 0:
        return
    for name, value in (
        ("TCP_KEEPIDLE", keep_alive_seconds),
        ("TCP_KEEPCNT", 5),
        ("TCP_KEEPINTVL", 5),
        ("TCP_USER_TIMEOUT", (keep_alive_seconds + 25) * 1000),
    ):
        option = getattr(socket, name, None)
        if option is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, option, value)


#: Whether accepted connections have their options from the listening socket.
OPTIONS_ARE_INHERITED: Final = sys.platform.startswith("linux")


def _set_up_datagram_port(
    port: Any, protocol: Any, options: SocketOptions
) -> DatagramPortReader | None:
    """A large receive buffer, and a fair share of each turn."""
    receiving: socket.socket | None = getattr(port, "socket", None)
    if receiving is None or not hasattr(port, "maxThroughput"):
        return None  # not a socket of the operating system
    if options.datagram_buffer_bytes > 0:
        size = options.datagram_buffer_bytes
        forced = getattr(
            socket, "SO_RCVBUFFORCE", 33 if OPTIONS_ARE_INHERITED else None
        )
        try:
            if forced is None:
                raise OSError
            receiving.setsockopt(socket.SOL_SOCKET, forced, size)
        except OSError:  # not allowed: what the system's limit lets us have
            with contextlib.suppress(OSError):
                receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    return DatagramPortReader(
        port, protocol.datagramReceived, options.datagrams_per_turn
    )
