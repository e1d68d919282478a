"""Tests of ``condor_twisted.daemons.shared_port.door``."""

from __future__ import annotations

from typing import Any
from unittest import mock

from twisted.internet.address import IPv4Address
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.command_table import CommandTable
from condor_twisted.daemons.shared_port.door import Routes, SharedPortDoor
from condor_twisted.protocols.command_server import CommandServer
from condor_twisted.protocols.command_transport import WatchedTransport
from condor_twisted.protocols.endpoint_sockets import PassingFailed, connected_pair
from condor_twisted.protocols.host_steps import Host
from condor_twisted.protocols.log_text import FoldedLog
from condor_twisted.security.commands import CommandRules
from condor_twisted.testing.reactor import MemoryReactor, blocking_at_once
from condor_twisted.wire.shared_port import MAX_REQUEST_BYTES, SharedPortRequest
from condor_twisted.wire.sinful import SinfulAddress
from tests.protocols.kit import OPEN, frame, make_security

OWN = SinfulAddress.parse("<192.0.2.1:9618?noUDP>")
SERVED = 60045
UNKNOWN = frame((60010).to_bytes(8, "big") + b"an ad")


class FakeSockets:
    """Hands nothing on, but notes what it should."""

    def __init__(self) -> None:
        self.passed: list[tuple[Any, str]] = []
        self.error: PassingFailed | None = None

    def pass_on(self, connection: Any, endpoint_id: str) -> None:
        if self.error is not None:
            raise self.error
        self.passed.append((connection, endpoint_id))


class FakeTransport:
    """A connection of which nothing was read; it is its own socket and protocol."""

    def __init__(self, unread: bytes) -> None:
        self.unread = unread
        self.before: list[bytes] = []
        self.socket = self.protocol = self

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.9", 4711)

    def recv(self, count: int) -> bytes:
        taken, self.unread = self.unread[:count], self.unread[count:]
        return taken

    def take_before(self, data: bytes) -> None:
        self.before.append(data)


def request(endpoint_id: str, requester: str = "TOOL") -> bytes:
    return frame(SharedPortRequest(endpoint_id, requester, 20).serialize())


class DoorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.events = EventLoggingObserver()
        self.sockets = FakeSockets()
        sockets: Any = self.sockets
        self.door = SharedPortDoor(
            sockets,
            lambda number: number == SERVED,
            lambda: OWN,
            FoldedLog(Logger("tests", observer=self.events), lambda: 0.0),
        )
        self.door.routes = Routes("collector")

    def look(self, data: bytes) -> tuple[bool | None, FakeTransport]:
        transport: Any = FakeTransport(data)
        return self.door.look(transport, data[: self.door.peek_bytes]), transport

    def passed_to(self) -> list[str]:
        return [endpoint_id for _, endpoint_id in self.sockets.passed]

    def refused(self, data: bytes, why: str) -> None:
        """See that a connection is closed, unread, and that the log says why."""
        self.events._events.clear()
        verdict, _ = self.look(data)
        self.assertIs(verdict, False)
        self.assertEqual(self.sockets.passed, [])
        lines = [formatEvent(event) for event in self.events]
        self.assertTrue(any(why in line for line in lines), lines)

    def test_named(self) -> None:
        """A daemon that is named gets what is behind the request."""
        verdict, transport = self.look(request("startd_1") + UNKNOWN)
        self.assertIs(verdict, False)
        self.assertEqual(self.sockets.passed, [(transport, "startd_1")])
        self.assertEqual(transport.unread, UNKNOWN)
        self.assertEqual(self.door.counters.succeeded, 1)
        self.assertEqual(self.door.counters.pending_peak, 1)

    def test_incomplete(self) -> None:
        """Nothing happens until a request is whole."""
        whole = request("startd_1")
        for end in range(len(whole)):
            verdict, transport = self.look(whole[:end])
            self.assertIsNone(verdict)
            self.assertEqual(transport.unread, whole[:end])

    def test_itself(self) -> None:
        """What is for ``self`` is served here, the request a part of the stream."""
        verdict, transport = self.look(request("self") + UNKNOWN)
        self.assertIs(verdict, True)
        self.assertEqual(transport.before, [request("self")])
        self.assertEqual(transport.unread, UNKNOWN)
        self.assertEqual(self.sockets.passed, [])

    def test_unnamed(self) -> None:
        """What names nobody is for the default daemon, as it is."""
        verdict, transport = self.look(UNKNOWN)
        self.assertIs(verdict, False)
        self.assertEqual(self.passed_to(), ["collector"])
        self.assertEqual(transport.unread, UNKNOWN)

    def test_own_commands(self) -> None:
        """A command that the shared port daemon serves is its own."""
        verdict, transport = self.look(frame(SERVED.to_bytes(8, "big")))
        self.assertIs(verdict, True)
        self.assertEqual(transport.before, [])
        for other in (SERVED + 2**32, -1):
            self.look(frame(other.to_bytes(8, "big", signed=True)))
        self.assertEqual(self.passed_to(), ["collector"] * 2)

    def test_nobody_by_default(self) -> None:
        """Without a default daemon what names nobody is closed."""
        self.door.routes = Routes()
        self.refused(UNKNOWN, "SHARED_PORT_DEFAULT_ID")

    def test_web(self) -> None:
        """HTTP and TLS go to a daemon of their own, if there is one."""
        get = b"GET /index HTTP/1.1\r\n\r\n"
        self.look(get)
        self.door.routes = Routes("collector", "http_api")
        self.look(get)
        self.look(b"\x16\x03\x01" + bytes(20))
        self.look(UNKNOWN)
        expected = ["collector", "http_api", "http_api", "collector"]
        self.assertEqual(self.passed_to(), expected)

    def test_unsafe_names(self) -> None:
        """No name leads to another place than an endpoint's."""
        for name in ("../x", "/tmp/x", "a/b", "..", ".", "", "x" * 65, "a b", "é"):
            self.refused(request(name), "no endpoint can have")
        self.assertEqual(self.door.counters.failed, 9)

    def test_no_daemon(self) -> None:
        """A daemon that is not there, or has no room, is counted and told of."""
        self.sockets.error = PassingFailed("startd_1", "nobody")
        self.refused(request("startd_1", "TOOL\n<evil>"), "TOOL\\x0a")
        self.sockets.error = PassingFailed("startd_1", "no room", busy=True)
        self.assertIs(self.look(request("startd_1"))[0], False)
        counters = self.door.counters
        self.assertEqual((counters.failed, counters.blocked), (2, 1))

    def test_loop(self) -> None:
        """A daemon that asks for itself is refused."""
        asker = "STARTD <192.0.2.1:9618?sock=startd_1>"
        self.refused(request("startd_1", asker), "asks for itself")

    def test_bad_requests(self) -> None:
        """A request that is none is refused, and one without an end."""
        number = (75).to_bytes(8, "big")
        self.refused(frame(number + b"no end"), "closed")
        self.refused(b"\0\0\0\xf0\0" + number + bytes(MAX_REQUEST_BYTES), "closed")


class RoutesTests(SynchronousTestCase):
    def routes(self, **knobs: str) -> Routes:
        return Routes.from_settings(Settings.from_assignments(knobs, "SHARED_PORT"))

    def test_collector(self) -> None:
        """The collector is the default where it is behind the port."""
        self.assertEqual(self.routes(USE_SHARED_PORT="True"), Routes("collector"))
        self.assertEqual(self.routes(USE_SHARED_PORT="False"), Routes())
        self.assertEqual(
            self.routes(USE_SHARED_PORT="True", COLLECTOR_USES_SHARED_PORT="False"),
            Routes(),
        )

    def test_configured(self) -> None:
        """Others may be named."""
        found = self.routes(
            USE_SHARED_PORT="False",
            SHARED_PORT_DEFAULT_ID="schedd",
            SHARED_PORT_HTTP_FORWARDING_ID="metricd",
        )
        self.assertEqual(found, Routes("schedd", "metricd"))
        found = self.routes(USE_SHARED_PORT="False", DAEMON_LIST="MASTER, HTTP_API")
        self.assertEqual(found, Routes(None, "http_api"))


class Undecided:
    """A door that never knows."""

    peek_bytes = 100

    def look(self, transport: object, data: bytes) -> bool | None:
        return None


class DeadlineTests(SynchronousTestCase):
    def test_mnh_2_1(self) -> None:
        """Who does not say whom he wants within 20 s is dropped, whatever he sends."""
        reactor = MemoryReactor()
        security = make_security(reactor, OPEN, CommandRules(), "SHARED_PORT")
        host = Host(reactor, blocking_at_once)
        server = CommandServer(CommandTable(), security, host, reactor)
        self.addCleanup(server.close)
        server.door = Undecided()
        near, far = connected_pair("127.0.0.1")
        self.addCleanup(near.close)
        peer = near.getsockname()
        port: Any = mock.Mock(factory=server, accepted=[])
        protocol: Any = server.buildProtocol(IPv4Address("TCP", *peer))
        transport = WatchedTransport(far, protocol, peer, port, 0, reactor)
        protocol.makeConnection(transport)
        for _ in range(19):
            near.send(b"\x01")
            transport.doRead()
            reactor.advance(1)
            self.assertTrue(transport.connected)
        reactor.advance(2)
        reactor.flush()
        self.assertFalse(transport.connected)
        self.assertEqual((server.connections, server.unproven), ({}, {}))
