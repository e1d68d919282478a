"""Tests of ``condor_twisted.protocols.commands`` and ``client_channel``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError
from twisted.internet.protocol import DatagramProtocol

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    AuthorizationDenied,
    CommandRefused,
    HandshakeTimedOut,
    LocalProtocolError,
    MalformedMessage,
    PeerClosed,
)
from condor_twisted.protocols.client_channel import ClientChannel
from condor_twisted.protocols.commands import CommandOpener, open_command
from condor_twisted.protocols.requests import CommandRequest
from condor_twisted.protocols.safe_sock import SafeSockProtocol
from condor_twisted.security.commands import CommandRules
from condor_twisted.security.negotiation import CommandStart
from condor_twisted.security.sessions.shared import join_family, make_family
from condor_twisted.wire.sinful import SinfulAddress
from tests.protocols.kit import (
    SECURE,
    SINFUL,
    QuietFactory,
    ServerTestCase,
    frame,
    make_security,
)


class ClientTestCase(ServerTestCase):
    """A client and a server in memory."""

    def setUp(self) -> None:
        super().setUp()
        self.client = self.opener()

    def flushed(self, outcome: Deferred[Any]) -> Deferred[Any]:
        """Let everything move."""
        self.reactor.flush()
        return outcome

    def open(self, number: int, **options: Any) -> ClientChannel:
        """Open a command that can be opened."""
        outcome = self.flushed(self.client.open(SINFUL, number, **options))
        channel: ClientChannel = self.successResultOf(outcome)
        return channel

    def far_end(self, channel: ClientChannel) -> Any:
        """The server's transport of a channel."""
        transport: Any = channel.channel.transport
        return transport.peer

    def echo(self, request: CommandRequest) -> None:
        """Answer with what came."""
        self.requests.append(request)
        writer = request.writer()
        writer.put_string(request.reader().get_string())
        request.reply(writer.end_of_message())

    def ask(self, channel: ClientChannel, text: str) -> str:
        """Send a string and return the answer."""
        writer = channel.writer()
        writer.put_string(text)
        channel.send_message(writer.end_of_message())
        reader = self.successResultOf(self.flushed(channel.receive_message()))
        answer: str = reader.get_string()
        reader.end_of_message()
        return answer


class RawClientTests(ClientTestCase):
    def test_raw_command(self) -> None:
        """Where our policy wants no negotiation, the command is raw."""
        self.serve(5, handler=self.echo)
        channel = self.open(5)
        self.assertIsNone(channel.session)
        self.assertFalse(channel.encrypted)
        self.assertEqual(self.ask(channel, "hello"), "hello")
        self.assertEqual(self.requests[0].payload[:8], b"\0" * 7 + b"\5")

    def test_command_without_payload(self) -> None:
        """A raw command without payload is its number alone."""
        self.serve(60011, Permission.ALLOW)
        channel = self.open(60011)
        channel.send_no_payload()
        channel.send_no_payload()  # the number goes once
        self.reactor.flush()
        self.assertEqual([each.payload[8:] for each in self.requests], [b""])

    def test_payload_in_parts(self) -> None:
        """A raw command's payload may be streamed."""
        self.serve(5)
        channel = self.open(5)
        sent = channel.send_parts(iter([b"one", b"two"]))
        self.reactor.flush()
        self.successResultOf(sent)
        self.assertEqual([each.payload[8:] for each in self.requests], [b"onetwo"])

    def test_answer_of_before_the_close(self) -> None:
        """An answer that came with the close can still be read; then it is over."""
        self.serve(5, handler=lambda request: request.reply(b"x"))
        channel = self.open(5)
        channel.send_no_payload()
        self.reactor.flush()
        self.assertFalse(channel.is_open)
        reader = self.successResultOf(channel.receive_message())
        self.assertEqual(reader.get_bytes(1), b"x")
        self.failureResultOf(channel.receive_message(), PeerClosed)
        self.assertRaises(PeerClosed, channel.send_message, b"x")

    def test_server_that_just_closes(self) -> None:
        """No answer but a close is `PeerClosed`."""
        channel = self.open(77)
        channel.send_no_payload()
        answer = channel.receive_message()
        self.reactor.flush()
        self.failureResultOf(answer, PeerClosed)

    def test_mnh_2_9_answer_that_does_not_come(self) -> None:
        """An answer has a deadline, and the connection is closed with it."""
        waits: Deferred[None] = Deferred(lambda _: None)
        self.serve(5, handler=lambda request: waits)
        channel = self.open(5)
        channel.send_no_payload()
        answer = channel.receive_message(timeout_seconds=10)
        self.pass_time(9)
        self.assertNoResult(answer)
        self.pass_time(3)
        self.failureResultOf(answer, HandshakeTimedOut)
        self.assertFalse(channel.is_open)

    def test_answer_in_time(self) -> None:
        """An answer just before its deadline ends the deadline."""
        held: list[CommandRequest] = []
        waits: Deferred[None] = Deferred()

        def hold(request: CommandRequest) -> Deferred[None]:
            held.append(request)
            return waits

        self.serve(5, handler=hold)
        channel = self.open(5)
        channel.send_no_payload()
        answer = channel.receive_message(timeout_seconds=10)
        self.pass_time(9)
        held[0].reply(b"x")
        self.reactor.flush()
        self.successResultOf(answer)
        self.pass_time(10)
        self.assertTrue(channel.is_open)
        channel.abort()

    def test_mnh_2_9_cancelling_closes(self) -> None:
        """Who cancels the wait for an answer closes the connection."""
        self.serve(5, keeps_stream=True)
        channel = self.open(5)
        channel.send_no_payload()
        answer = channel.receive_message()
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        self.reactor.flush()
        self.assertEqual(self.server.connections, {})

    def test_two_waiters(self) -> None:
        """Only one may wait for a message."""
        channel = self.open(5)
        first = channel.receive_message()
        self.failureResultOf(channel.receive_message(), LocalProtocolError)
        channel.abort()
        self.reactor.flush()
        self.failureResultOf(first, PeerClosed)

    def test_bad_answers(self) -> None:
        """Bytes that are no CEDAR fail the wait, now or later."""
        for ask_first in (True, False):
            channel = self.open(5)
            answer = channel.receive_message() if ask_first else None
            self.far_end(channel).write(b"HTTP/1.1 400 Bad Request\r\n")
            self.reactor.flush()
            if answer is None:
                answer = channel.receive_message()
            self.failureResultOf(answer, MalformedMessage)
            self.reactor.flush()
            self.assertFalse(channel.is_open)

    def test_long_answers(self) -> None:
        """An answer of many megabytes in one message arrives."""
        self.serve(
            5, handler=lambda request: request.reply_parts([b"x" * 250_000] * 300)
        )
        channel = self.open(5)
        channel.send_no_payload()
        answer = channel.receive_message()
        self.reactor.flush()
        self.assertEqual(self.successResultOf(answer).remaining, 75_000_000)


class ConnectingTests(ClientTestCase):
    def test_nobody_listens(self) -> None:
        """A refused connection is Twisted's error."""
        outcome = self.client.open("<192.0.2.99:1>", 5)
        self.failureResultOf(self.flushed(outcome), ConnectionRefusedError)

    def test_addresses_that_are_none(self) -> None:
        """An address that cannot be dialled fails the Deferred."""
        self.failureResultOf(self.client.open("<no:address:here>", 5), MalformedMessage)
        for text in ("<192.0.2.7>", "<192.0.2.7:0>", "<>"):
            outcome = self.flushed(self.client.open(text, 5))
            self.failureResultOf(outcome, ConnectError)

    def test_best_of_several_addresses(self) -> None:
        """The address list decides, not the primary address."""
        self.serve(5, handler=self.echo)
        text = "<203.0.113.1:1?addrs=192.0.2.7-9618>"
        channel = self.successResultOf(self.flushed(self.client.open(text, 5)))
        self.assertEqual(self.ask(channel, "x"), "x")

    def test_parsed_address(self) -> None:
        """An address may be given parsed."""
        address = SinfulAddress.parse(SINFUL)
        channel = self.successResultOf(self.flushed(self.client.open(address, 5)))
        self.assertEqual(channel.address, address)
        channel.abort()

    def test_cancelling_while_connecting(self) -> None:
        """Cancelling before the connection stands ends the attempt."""
        self.reactor.silent.add(("192.0.2.50", 1))
        outcome = self.client.open("<192.0.2.50:1>", 5)
        self.reactor.flush()
        outcome.cancel()
        self.failureResultOf(outcome)

    def test_function(self) -> None:
        """One command can be opened without keeping an opener."""
        outcome = open_command(
            self.reactor, SINFUL, 5, self.client.security, self.host, raw=True
        )
        channel = self.successResultOf(self.flushed(outcome))
        channel.abort()
        self.reactor.flush()


class NegotiatingClientTests(ClientTestCase):
    knobs: Mapping[str, str] = SECURE

    def test_negotiated(self) -> None:
        """Where our policy wants a negotiation, there is a session."""
        self.serve(5, handler=self.echo)
        channel = self.open(5)
        assert channel.session is not None
        assert channel.peer is not None
        self.assertTrue(channel.encrypted)
        self.assertEqual(channel.peer.address, "192.0.2.7")
        self.assertIn("alice", channel.session.own_user or "")
        self.assertEqual(self.ask(channel, "hello"), "hello")

    def test_mnh_4_7_sessions_belong_to_an_address(self) -> None:
        """A session is kept under the very text that was dialled."""
        self.serve(5)
        self.open(5).abort()
        self.assertTrue(self.open(5).resumed)
        same_place = "<192.0.2.7:9618?alias=other>"
        outcome = self.flushed(self.client.open(same_place, 5))
        self.assertFalse(self.successResultOf(outcome).resumed)

    def test_fresh_session_on_demand(self) -> None:
        """A caller may want a new session."""
        self.serve(5)
        self.open(5).abort()
        self.assertFalse(self.open(5, start=CommandStart(5, fresh=True)).resumed)

    def test_denied(self) -> None:
        """A denied command fails with what the server says."""
        self.serve(60005, Permission.ADMINISTRATOR)
        outcome = self.flushed(self.client.open(SINFUL, 60005))
        failure = self.failureResultOf(outcome, AuthorizationDenied)
        self.assertIn("DENIED", str(failure.value))
        self.reactor.flush()
        self.assertEqual(self.server.connections, {})

    def test_unknown_command(self) -> None:
        """A server that closes instead of answering has refused."""
        outcome = self.flushed(self.client.open(SINFUL, 77))
        failure = self.failureResultOf(outcome, CommandRefused)
        self.assertIn("77", str(failure.value))

    def test_mnh_2_1_server_that_is_silent(self) -> None:
        """A handshake that gets no answer ends at its deadline."""
        self.serve(5)
        self.client.handshake_seconds = 10.0
        outcome = self.client.open(SINFUL, 5)
        self.reactor.advance(0)
        for transport in self.reactor.traffic.transports:
            transport.stalled = True
        self.pass_time(9)
        self.assertNoResult(outcome)
        self.pass_time(3)
        self.failureResultOf(outcome, HandshakeTimedOut)
        self.pass_time(120)

    def test_timeout_of_one_command(self) -> None:
        """A caller's own timeout bounds connecting, and the handshake."""
        self.serve(5)
        outcome = self.client.open(SINFUL, 5, timeout_seconds=3)
        self.reactor.advance(0)
        for transport in self.reactor.traffic.transports:
            transport.stalled = True
        self.pass_time(2)
        self.assertNoResult(outcome)
        self.pass_time(3)
        error = self.failureResultOf(outcome, HandshakeTimedOut).value
        self.assertEqual(str(error), "the handshake did not finish within 3 s")

    def test_mnh_2_9_cancelling_a_handshake(self) -> None:
        """Cancelling in the middle of a handshake closes the connection."""
        self.serve(5)
        for steps in range(1, 6):
            outcome = self.client.open(SINFUL, 5, start=CommandStart(5, fresh=True))
            self.reactor.advance(0)
            for _ in range(steps):
                self.reactor.traffic.step()
            if outcome.called:
                self.successResultOf(outcome).abort()
            else:
                outcome.cancel()
                self.failureResultOf(outcome, CancelledError)
            self.reactor.flush()
            self.assertEqual(self.server.connections, {})

    def test_server_that_speaks_nonsense(self) -> None:
        """An answer that is no ad fails the opening."""
        self.serve(5)
        outcome = self.client.open(SINFUL, 5)
        self.reactor.advance(0)
        far = self.reactor.traffic.transports[-1]
        far.write(frame(b"\0" * 4))
        self.reactor.flush()
        self.failureResultOf(outcome, MalformedMessage)
        self.reactor.flush()


class DatagramClientTests(ClientTestCase):
    def listen(self) -> list[bytes]:
        """A UDP port that keeps what comes."""
        received: list[bytes] = []

        class Keep(DatagramProtocol):
            def datagramReceived(self, datagram: bytes, addr: Any) -> None:
                received.append(datagram)

        self.reactor.listenUDP(9618, Keep(), "192.0.2.7", 65536)
        return received

    def test_raw_datagram(self) -> None:
        """A raw datagram is the command and its items."""
        received = self.listen()
        sent = self.client.send_datagram(SINFUL, 5, lambda w: w.put_string("x"))
        self.successResultOf(self.flushed(sent))
        self.assertEqual(received, [b"\0" * 7 + b"\5x\0"])

    def test_fragments_outside_of_loopback(self) -> None:
        """A long message leaves in datagrams of the configured size."""
        received = self.listen()
        sent = self.client.send_datagram(SINFUL, 5, lambda w: w.put_bytes(b"x" * 5000))
        self.successResultOf(self.flushed(sent))
        self.assertEqual(max(map(len, received)), 1000)
        self.assertEqual(len(received), 6)

    def test_addresses_without_udp(self) -> None:
        """Who cannot take datagrams is not sent any."""
        for text, error in (
            ("<192.0.2.7:9618?noUDP>", LocalProtocolError),
            ("<192.0.2.7:9618?sock=x>", LocalProtocolError),
            ("<name.example:9618>", ConnectError),
            ("<192.0.2.7>", ConnectError),
        ):
            self.failureResultOf(self.client.send_datagram(text, 5), error)

    def test_ports_are_closed(self) -> None:
        """An opener that closes gives its port back."""
        sent = self.client.send_datagram(SINFUL, 5)
        self.successResultOf(self.flushed(sent))
        self.assertEqual(len(self.reactor.datagram_ports), 1)
        self.successResultOf(self.client.close())
        self.assertEqual(self.reactor.datagram_ports, {})


class DatagramSessionTests(ClientTestCase):
    knobs: Mapping[str, str] = SECURE

    def test_askers_for_one_session_share_it(self) -> None:
        """Datagrams that need the same session wait for one connection."""
        self.serve(0, Permission.WRITE, udp=True)
        sent = [self.client.send_datagram(SINFUL, 0) for _ in range(5)]
        self.reactor.flush()
        for each in sent:
            self.successResultOf(each)
        self.assertEqual(self.server.counters.connections, 1)

    def test_no_session_no_datagram(self) -> None:
        """Where no session can be made, every asker hears of it."""
        sent = [self.client.send_datagram(SINFUL, 77) for _ in range(2)]
        self.reactor.flush()
        for each in sent:
            self.failureResultOf(each, CommandRefused)
        self.assertIsInstance(self.client, CommandOpener)


class FamilyTests(ServerTestCase):
    """Commands between processes of one family, where nobody else may do anything."""

    knobs: Mapping[str, str] = {
        **SECURE,
        "ALLOW_READ": "nobody@nowhere",
        "ALLOW_DAEMON": "nobody@nowhere",
    }

    def relative(self, *, knows: bool = True, **knobs: str) -> CommandOpener:
        """A client of the server's family, on the server's host."""
        family = make_family(self.security)
        self.reactor.listenTCP(9618, QuietFactory(self.server), 50, "127.0.0.1")
        self.reactor.listenUDP(
            9618,
            SafeSockProtocol(
                self.server.message_received, self.server.sweep, self.server.folded
            ),
            "127.0.0.1",
        )
        security = make_security(
            self.reactor, {**self.knobs, **knobs}, CommandRules(), "STARTD"
        )
        join_family(security, family)
        if not knows:
            self.security.incoming.remove(family.session_id)
        opener = CommandOpener(self.reactor, security, self.host)
        self.addCleanup(self.reactor.flush)
        self.addCleanup(opener.close)
        return opener

    def tell(self, opener: CommandOpener, number: int) -> Deferred[None]:
        """Tell the server something."""
        told = opener.tell(
            "<127.0.0.1:9618>", number, lambda writer: writer.put_string("x")
        )
        self.reactor.flush()
        return told

    def test_stream(self) -> None:
        """A relative needs no negotiation, and may what relatives may."""
        self.serve(5, Permission.DAEMON)
        self.successResultOf(self.tell(self.relative(), 5))
        [request] = self.requests
        self.assertEqual(request.peer.user, "condor@family")
        self.assertEqual(request.reader().get_string(), "x")

    def test_datagram(self) -> None:
        """So does one that sends datagrams: they are encrypted."""
        self.serve(5, Permission.DAEMON, udp=True)
        sent = self.relative().send_datagram(
            "<127.0.0.1:9618>", 5, lambda writer: writer.put_string("x")
        )
        self.reactor.flush()
        self.successResultOf(sent)
        [request] = self.requests
        self.assertEqual(request.peer.user, "condor@family")
        self.assertTrue(request.encrypted)

    def test_without_negotiation(self) -> None:
        """A policy that wants no negotiation does not keep relatives apart."""
        self.serve(5, Permission.DAEMON)
        opener = self.relative(
            SEC_CLIENT_NEGOTIATION="OPTIONAL",
            SEC_CLIENT_AUTHENTICATION="OPTIONAL",
            SEC_CLIENT_ENCRYPTION="OPTIONAL",
            SEC_CLIENT_INTEGRITY="OPTIONAL",
        )
        self.successResultOf(self.tell(opener, 5))
        self.assertEqual(self.requests[0].peer.user, "condor@family")

    def test_stranger(self) -> None:
        """Who does not know the family's session is negotiated with, from then on."""
        self.serve(5, Permission.ALLOW)
        opener = self.relative(knows=False)
        for _ in range(2):
            self.successResultOf(self.tell(opener, 5))
        self.assertEqual(
            [request.peer.user for request in self.requests], ["alice@example"] * 2
        )
        self.assertEqual(len(self.logged("negotiate anew")), 1)
