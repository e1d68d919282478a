"""Tests of ``condor_twisted.protocols.command_ports``."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase, TestCase

from condor_twisted.protocols.command_ports import (
    SocketOptions,
    listen_for_commands,
)
from condor_twisted.testing.reactor import MemoryReactor


class ListeningTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactor()
        self.factory = Factory.forProtocol(Protocol)
        self.factory.noisy = False

    def listen(self, port: int = 0, **options: Any) -> Any:
        """Open a port with both transports."""
        return listen_for_commands(
            self.reactor, port, "127.0.0.1", self.factory, DatagramProtocol(), **options
        )

    def test_one_number_for_both(self) -> None:
        """TCP and UDP have the same number, given or free."""
        for asked in (9618, 0):
            ports = self.listen(asked)
            self.assertEqual(ports.datagrams.getHost().port, ports.port)
            self.assertTrue(ports.port == asked or not asked)
            self.assertEqual(ports.host, "127.0.0.1")
            self.successResultOf(ports.close())
        self.assertEqual(self.reactor.stream_ports, {})
        self.assertEqual(self.reactor.datagram_ports, {})

    def test_free_number_that_udp_has_not(self) -> None:
        """A free TCP number whose UDP twin is taken is given back."""
        self.reactor.listenUDP(20002, DatagramProtocol(), "127.0.0.1")
        self.reactor.listenUDP(20003, DatagramProtocol(), "127.0.0.1")
        self.reactor._next_port = 20001
        ports = self.listen()
        self.assertEqual(ports.port, 20004)
        self.assertEqual(len(self.reactor.stream_ports), 1)

    def test_busy_port(self) -> None:
        """A port that somebody has is an error, and nothing stays open."""
        self.reactor.listenUDP(9618, DatagramProtocol(), "127.0.0.1")
        self.assertRaises(CannotListenError, self.listen, 9618)
        self.assertEqual(self.reactor.stream_ports, {})
        self.listen(9700)
        self.assertRaises(CannotListenError, self.listen, 9700)

    def test_range(self) -> None:
        """A range is searched for a free number, and no other is taken."""
        found = {self.listen(port_range=(9700, 9702)).port for _ in range(3)}
        self.assertEqual(found, {9700, 9701, 9702})
        self.assertRaises(CannotListenError, self.listen, port_range=(9700, 9702))

    def test_without_udp(self) -> None:
        """A daemon without UDP has a TCP port alone."""
        ports = listen_for_commands(self.reactor, 9618, "127.0.0.1", self.factory)
        self.assertIsNone(ports.datagrams)
        ports.pause()
        self.assertTrue(self.reactor.stream_ports[("127.0.0.1", 9618)].paused)
        ports.resume()
        self.assertFalse(self.reactor.stream_ports[("127.0.0.1", 9618)].paused)


class Collect(DatagramProtocol):
    """Keeps datagrams; says when enough have come."""

    def __init__(self, enough: int) -> None:
        self.received: list[bytes] = []
        self.enough = enough
        self.done: Deferred[None] = Deferred()

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.received.append(datagram)
        if len(self.received) == self.enough:
            self.done.callback(None)


class RealPortTests(TestCase):
    """Options of real sockets."""

    timeout = 20

    def listen(self, datagrams: Any, options: SocketOptions) -> Any:
        """A real port on loopback."""
        from twisted.internet import reactor

        factory = Factory.forProtocol(Protocol)
        factory.noisy = False
        ports = listen_for_commands(
            reactor, 0, "127.0.0.1", factory, datagrams, options
        )
        self.addCleanup(ports.close)
        return ports

    def test_stream_options(self) -> None:
        """No delay, keep-alive as HTCondor has it, buffers as asked for."""
        ports = self.listen(
            Collect(1), SocketOptions(keep_alive_seconds=360, stream_buffer_bytes=65536)
        )
        listening = ports.stream.socket
        wanted = [
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 360),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 5),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
            (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 385_000),
        ]
        for level, option, value in wanted:
            found = listening.getsockopt(level, option)
            self.assertEqual(found, value, (level, option))
        size = listening.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self.assertGreaterEqual(size, 65536)

    def test_mnh_1_22_accepts_per_turn(self) -> None:
        """One turn accepts a limited number of connections."""
        ports = self.listen(Collect(1), SocketOptions(accepts_per_turn=3))
        clients = [
            socket.create_connection(("127.0.0.1", ports.port)) for _ in range(10)
        ]
        for client in clients:
            self.addCleanup(client.close)
        accepted: list[Any] = []

        def build(address: Any) -> None:
            accepted.append(address)  # and turn it away

        ports.stream.factory.buildProtocol = build
        for expected in (3, 6, 9, 10):
            ports.stream.doRead()
            self.assertEqual(len(accepted), expected)

    def test_mnh_3_7_datagrams_per_turn(self) -> None:
        """One turn takes a limited number of datagrams; none is lost."""
        collect = Collect(25)
        ports = self.listen(
            collect, SocketOptions(datagrams_per_turn=10, datagram_buffer_bytes=500_000)
        )
        size = ports.datagrams.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self.assertGreaterEqual(size, 200_000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(25):
                sender.sendto(b"%d" % number, ("127.0.0.1", ports.port))
        for expected in (10, 20, 25, 25):
            ports.datagrams.doRead()
            self.assertEqual(len(collect.received), expected)
        self.assertEqual(collect.received[24], b"24")

    def test_mnh_10_15_refused_datagrams(self) -> None:
        """An error that a datagram of ours brought back does not stop the port."""
        collect = Collect(1)
        ports = self.listen(collect, SocketOptions())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.bind(("127.0.0.1", 0))
            nobody = gone.getsockname()
        ports.datagrams.write(b"x", nobody)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"hello", ("127.0.0.1", ports.port))
        return collect.done.addCallback(  # type: ignore[return-value]
            lambda _: self.assertEqual(collect.received, [b"hello"])
        )
