"""Tests of ``condor_twisted.protocols.command_server``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.protocols.command_server import CommandServer, ServerLimits
from condor_twisted.protocols.requests import CommandRequest
from condor_twisted.protocols.safe_sock import SafeSockProtocol
from condor_twisted.security.peer import Transport, raw_peer
from condor_twisted.wire.messages import MessageWriter
from tests.protocols.kit import OPEN, SECURE, ServerTestCase, raw


def number_bytes(number: int) -> bytes:
    """A command number as a message begins with it."""
    return number.to_bytes(8, "big", signed=True)


class LimitsTests(ServerTestCase):
    limits = ServerLimits(connections=5, unproven_per_address=3)

    def build(self, address: str) -> Any:
        """What the server makes of one more connection."""
        return self.server.buildProtocol(IPv4Address("TCP", address, 40000))

    def test_mnh_1_22_connections_of_one_address(self) -> None:
        """The fourth unproven connection of an address is turned away."""
        self.serve(0, keeps_stream=True)
        clients = [self.connect()[0] for _ in range(3)]
        self.assertIsNone(self.build("198.51.100.1"))
        self.assertIsNotNone(self.build("198.51.100.2"))
        clients[0].send(raw(0))
        self.reactor.flush()  # a command was admitted: that one counts no more
        self.assertIsNotNone(self.build("198.51.100.1"))
        self.assertEqual(len(self.logged("connections of one address")), 1)

    def test_mnh_1_22_connections_in_all(self) -> None:
        """Beyond the limit in all, the newest is turned away."""
        for number in range(5):
            self.connect(address=f"198.51.100.{number}")
        self.assertIsNone(self.build("198.51.100.9"))
        self.assertEqual(self.server.counters.connections_refused, 1)

    def test_mnh_2_5_idle_connections_go_first(self) -> None:
        """A kept connection that is idle makes room for a new one."""
        self.serve(0, keeps_stream=True)
        clients = [self.connect(address=f"198.51.100.{n}")[0] for n in range(5)]
        clients[2].send(raw(0))
        self.reactor.flush()
        self.assertIsNotNone(self.build("198.51.100.9"))
        self.reactor.flush()
        self.assertEqual([each.closed for each in clients].index(True), 2)

    def test_mnh_0_6_nothing_stays_of_a_connection(self) -> None:
        """Connections that ended are not counted anywhere."""
        for _ in range(20):
            _, near, _ = self.connect()
            near.loseConnection()
            self.reactor.flush()
        self.assertEqual(self.server.connections, {})
        self.assertEqual(self.server.unproven, {})

    def test_mnh_1_23_descriptors(self) -> None:
        """A connection with a descriptor too high is dropped, and said so."""
        short: list[bool] = []
        self.server.descriptor_limit = 100
        self.server.descriptors_short = lambda: short.append(True)
        protocol = self.build("198.51.100.1")

        class Transport:
            aborted = False

            def __init__(self, number: int) -> None:
                self.number = number

            def fileno(self) -> int:
                return self.number

            def abortConnection(self) -> None:
                self.aborted = True

        fine, high = Transport(99), Transport(100)
        protocol.makeConnection(fine)
        self.build("198.51.100.1").makeConnection(high)
        self.assertEqual((fine.aborted, high.aborted, short), (False, True, [True]))

    def test_closing_closes_everything(self) -> None:
        """A server that closes leaves no connection and no timer."""
        client, _, _ = self.connect()
        self.server.close()
        self.reactor.flush()
        self.assertTrue(client.closed)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class AdmissionTests(ServerTestCase):
    knobs: Mapping[str, str] = {
        **OPEN,
        "ALLOW_READ": "*.good.example",
        "ALLOW_WRITE": "198.51.100.*",
        "ALLOW_DAEMON": "192.0.2.99",  # it implies both
    }

    def setUp(self) -> None:
        super().setUp()
        self.waiting: list[tuple[Deferred[Any], Callable[[], Any]]] = []
        self.slow = False

    def run_blocking(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if not self.slow:
            return super().run_blocking(function, *arguments)
        outcome: Deferred[Any] = Deferred()
        self.waiting.append((outcome, lambda: function(*arguments)))
        return outcome

    def answer_names(self) -> None:
        """Let the look-ups that wait end."""
        waiting, self.waiting = self.waiting, []
        for outcome, function in waiting:
            outcome.callback(function())
        self.reactor.flush()

    def test_mnh_5_1_host_names(self) -> None:
        """A host name decides where a list says so, looked up while others go on."""
        self.slow = True
        self.names = lambda address: (
            ("a.good.example",) if address.endswith(".1") else ("b.bad.example",)
        )
        self.serve(5, Permission.READ)
        self.serve(0, Permission.WRITE)
        good, _, _ = self.connect(address="203.0.113.1")
        bad, _, _ = self.connect(address="203.0.113.2")
        for client in (good, bad):
            client.send(raw(5))
        self.reactor.flush()
        self.assertEqual(self.requests, [])
        other, _, _ = self.connect(address="198.51.100.7")
        other.send(raw(0))
        self.reactor.flush()
        self.assertEqual(len(self.requests), 1)
        self.answer_names()
        self.assertEqual(
            [each.peer.address for each in self.requests],
            ["198.51.100.7", "203.0.113.1"],
        )
        self.assertEqual(self.requests[1].peer.host_names, ("a.good.example",))
        self.assertTrue(bad.closed)
        (line,) = self.logged("PERMISSION DENIED")
        self.assertIn("b.bad.example", line)

    def test_whole_command_of_a_peer_that_left(self) -> None:
        """An update that came whole counts, though its sender left meanwhile."""
        self.slow = True
        self.names = lambda address: ("a.good.example",)
        self.serve(5, Permission.READ)
        client, near, _ = self.connect(address="203.0.113.1")
        client.send(raw(5, b"update"))
        self.reactor.flush()
        near.loseConnection()
        self.reactor.flush()
        self.assertTrue(client.closed)
        self.answer_names()
        self.assertEqual([each.payload[8:] for each in self.requests], [b"update"])

    def test_datagram_waits_for_names(self) -> None:
        """A datagram's sender is looked up as well."""
        self.slow = True
        self.names = lambda address: ("a.good.example",)
        self.serve(5, Permission.READ, udp=True)
        udp = SafeSockProtocol(
            self.server.message_received, self.server.sweep, self.server.folded
        )
        udp.datagramReceived(number_bytes(5), ("203.0.113.1", 1))
        self.assertEqual(self.requests, [])
        self.answer_names()
        self.assertEqual(len(self.requests), 1)

    def test_levels_that_a_handler_asks_about(self) -> None:
        """Names are known before a handler runs that asks about such a level."""
        held: list[bool] = []
        self.names = lambda address: ("a.good.example",)
        self.serve(
            0,
            Permission.WRITE,
            lambda request: held.append(request.holds(Permission.READ)),
            also_asks=(Permission.READ,),
        )
        client, _, _ = self.connect(address="198.51.100.1")
        client.send(raw(0))
        self.reactor.flush()
        self.assertEqual(held, [True])

    def test_mnh_0_4_names_that_nobody_looked_up(self) -> None:
        """Without the names, a level that depends on them is not held."""
        peer = raw_peer("203.0.113.9", 1, Transport.TCP)
        self.assertFalse(self.server.holds(Permission.READ, peer))
        self.names = lambda address: ("a.good.example",)
        outcome = self.host.names.names("203.0.113.9")
        assert isinstance(outcome, Deferred)
        self.successResultOf(outcome)
        self.assertTrue(self.server.holds(Permission.READ, peer))
        self.assertFalse(self.server.holds(Permission.ADMINISTRATOR, peer))

    def test_admissions_are_asked_for_again(self) -> None:
        """What host names allowed is asked again after a minute."""
        self.names = lambda address: ("a.good.example",)
        self.serve(5, Permission.READ)
        for seconds, names in ((0, "a.good.example"), (200, "a.bad.example")):
            self.names = lambda address, names=names: (names,)  # type: ignore[misc]
            self.reactor.advance(seconds)
            client, _, _ = self.connect(address="203.0.113.1")
            client.send(raw(5))
            self.reactor.flush()
        self.assertEqual(len(self.requests), 1)
        self.assertEqual(self.server.counters.commands_denied, 1)

    def test_mnh_1_27_kept_admissions_are_bounded(self) -> None:
        """Many addresses do not make the memory of admissions grow without end."""
        self.serve(0, Permission.WRITE, udp=True)
        registration = self.table.find(0)
        assert registration is not None
        for number in range(20_000):
            peer = raw_peer(f"198.51.{number >> 8}.{number & 255}", 1, Transport.UDP)
            self.server._keep_admission(registration, peer)
        self.assertLess(len(self.server._raw_udp), 16_385)


class DatagramTests(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.udp = SafeSockProtocol(
            self.server.message_received, self.server.sweep, self.server.folded
        )

    def receive(self, data: bytes, address: str = "198.51.100.1") -> None:
        """A datagram comes."""
        self.udp.datagramReceived(data, (address, 40000))

    def test_raw_command(self) -> None:
        """A datagram is a command and its payload."""
        self.serve(0, Permission.WRITE, udp=True)
        for text in (b"one\0", b"two\0"):
            self.receive(number_bytes(0) + text)
        self.assertEqual(
            [each.reader().get_string() for each in self.requests], ["one", "two"]
        )
        self.assertEqual(self.requests[0].transport, "udp")
        self.assertEqual(self.requests[0].peer.transport, Transport.UDP)
        self.assertEqual(self.server.counters.datagrams, 2)

    def test_mnh_5_4_commands_that_do_not_come_by_udp(self) -> None:
        """A command without UDP is dropped before its handler, and logged."""
        self.serve(5, Permission.READ)
        self.receive(number_bytes(5))
        self.assertEqual(self.requests, [])
        self.assertEqual(len(self.logged("does not come by UDP")), 1)

    def test_mnh_5_4_commands_that_come_by_udp_only(self) -> None:
        """The other way round as well."""
        self.serve(5, Permission.READ, tcp=False, udp=True)
        client, _, _ = self.connect()
        client.send(raw(5))
        self.reactor.flush()
        self.assertTrue(client.closed)
        self.assertEqual(self.requests, [])

    def test_mnh_6_5_nothing_is_answered(self) -> None:
        """A handler cannot answer a datagram."""
        failures: list[Any] = []

        def answer(request: CommandRequest) -> None:
            for attempt in (request.writer, lambda: request.reply(b"x")):
                try:
                    attempt()
                except Exception as error:
                    failures.append(type(error))
            failures.append(self.failureResultOf(request.reply_parts([b"x"])).type)

        self.serve(5, udp=True, handler=answer)
        self.receive(number_bytes(5))
        self.assertEqual(
            [each.__name__ for each in failures], ["LocalProtocolError"] * 3
        )

    def test_unknown_and_refused(self) -> None:
        """Unknown commands, and those without the right, are dropped and logged."""
        self.serve(60005, Permission.ADMINISTRATOR, udp=True)
        self.receive(number_bytes(60005))
        self.receive(number_bytes(77))
        self.receive(number_bytes(2**32))
        self.assertEqual(self.requests, [])
        self.assertEqual(len(self.logged("PERMISSION DENIED")), 1)
        self.assertEqual(len(self.logged("UNREGISTERED")), 2)

    def test_payload_limit(self) -> None:
        """A payload beyond its limit is dropped."""
        self.serve(5, udp=True, max_payload_bytes=10)
        self.receive(number_bytes(5) + b"x" * 10)
        self.receive(number_bytes(5) + b"x" * 11)
        self.assertEqual(len(self.requests), 1)
        self.assertEqual(self.udp.dropped_count, 1)

    def test_mnh_3_3_handlers_that_fail(self) -> None:
        """A handler that raises, at once or later, is counted; the port goes on."""

        def bad(request: CommandRequest) -> None:
            raise ZeroDivisionError

        async def worse(request: CommandRequest) -> None:
            raise KeyError

        self.serve(5, udp=True, handler=bad)
        self.serve(6, udp=True, handler=worse)
        self.serve(7, udp=True)
        for number in (5, 6, 7):
            self.receive(number_bytes(number))
        self.assertEqual(self.server.counters.handler_errors, 2)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError, KeyError)), 2)
        self.assertEqual(len(self.requests), 1)

    def test_protected_datagram_of_nobody(self) -> None:
        """A datagram under a session that is not known is dropped with a line."""
        self.serve(5, udp=True)
        self.receive(b"CRAP\0\2\0\0\0\4sid1" + b"x" * 40)
        self.receive(number_bytes(60010) + b"\0" * 8)
        self.assertEqual(self.requests, [])
        self.assertEqual(self.udp.dropped_count, 2)


class SessionDatagramTests(ServerTestCase):
    knobs: Mapping[str, str] = SECURE

    def setUp(self) -> None:
        super().setUp()
        udp = SafeSockProtocol(
            self.server.message_received, self.server.sweep, self.server.folded
        )
        self.reactor.listenUDP(9618, udp, "192.0.2.7", 65536)

    def test_session_first_then_datagrams(self) -> None:
        """A client makes a session over TCP, then its datagrams run under it."""
        self.serve(0, Permission.WRITE, udp=True)
        opener = self.opener()
        for text in ("one", "two" * 30_000):

            def write(writer: MessageWriter, text: str = text) -> None:
                writer.put_string(text)

            sent = opener.send_datagram("<192.0.2.7:9618>", 0, write)
            self.reactor.flush()
            self.successResultOf(sent)
        texts = [each.reader().get_string() for each in self.requests]
        self.assertEqual(texts, ["one", "two" * 30_000])
        self.assertEqual({each.peer.method for each in self.requests}, {"CLAIMTOBE"})
        self.assertTrue(self.requests[0].encrypted)
        self.assertEqual(self.server.counters.connections, 1)

    def test_mnh_4_6_raw_datagram_where_more_is_required(self) -> None:
        """A raw datagram for a level that requires authentication is dropped."""
        self.serve(0, Permission.WRITE, udp=True)
        sent = self.opener().send_datagram("<192.0.2.7:9618>", 0, raw=True)
        self.reactor.flush()
        self.successResultOf(sent)
        self.assertEqual(self.requests, [])
        self.assertEqual(len(self.logged("PERMISSION DENIED")), 1)

    def test_mnh_4_9_session_without_the_right(self) -> None:
        """A session that was made for one command does not serve a higher one."""
        self.serve(0, Permission.WRITE, udp=True)
        self.serve(60005, Permission.ADMINISTRATOR, udp=True)
        opener = self.opener()
        self.successResultOf(self.flushed(opener.send_datagram("<192.0.2.7:9618>", 0)))
        (session,) = opener.security.outgoing
        opener.security.outgoing.map_commands(
            session, "<192.0.2.7:9618>", iter([60005])
        )
        sent = opener.send_datagram("<192.0.2.7:9618>", 60005)
        self.successResultOf(self.flushed(sent))
        self.assertEqual([each.command for each in self.requests], [0])
        self.assertEqual(len(self.logged("PERMISSION DENIED")), 1)

    def flushed(self, outcome: Deferred[Any]) -> Deferred[Any]:
        """Let everything move."""
        self.reactor.flush()
        return outcome


class LoggingTests(ServerTestCase):
    def test_commands_are_logged_on_demand(self) -> None:
        """Each command has a line if that is wanted, and none otherwise."""
        self.serve(5)
        for wanted, count in ((False, 0), (True, 1)):
            self.server.log_commands = wanted
            client, _, _ = self.connect()
            client.send(raw(5))
            self.reactor.flush()
            self.assertEqual(len(self.logged("Calling HandleReq")), count)
        self.assertIn("command 5 (COMMAND_5)", self.logged("Calling HandleReq")[0])


class FactoryTests(SynchronousTestCase):
    def test_is_a_factory(self) -> None:
        """Twisted's ports ask a factory for these."""
        for name in ("buildProtocol", "doStart", "doStop"):
            self.assertTrue(callable(getattr(CommandServer, name)))
