"""Tests of ``condor_twisted.protocols.server_connection``."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred

from condor_twisted.config.settings import Settings
from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import PeerClosed
from condor_twisted.protocols.requests import CommandRequest
from condor_twisted.security.commands import DC_AUTHENTICATE
from condor_twisted.security.handshake.pod_ads import put_pod_ad
from condor_twisted.security.sessions.shared import make_child_session
from condor_twisted.wire.ciphers import AesGcmProtection
from condor_twisted.wire.messages import MessageWriter
from condor_twisted.wire.stream_frames import StreamFramer
from tests.protocols.kit import SECURE, RawClient, ServerTestCase, frame, raw


def messages(client: RawClient) -> list[bytes]:
    """The whole messages that a client has received."""
    framer = StreamFramer()
    framer.receive_data(bytes(client.received))
    found = []
    while (message := framer.next_message()) is not None:
        found.append(message)
    return found


class RawCommandTests(ServerTestCase):
    def test_command_and_payload_in_one_message(self) -> None:
        """A raw command runs with what stands behind it; then the server closes."""
        self.serve(5)
        client, _, far = self.connect()
        client.send(raw(5, b"text\0"))
        self.reactor.flush()
        (request,) = self.requests
        self.assertEqual(request.reader().get_string(), "text")
        self.assertEqual(request.command, 5)
        self.assertEqual(request.transport, "tcp")
        self.assertEqual(request.peer.user, "unauthenticated@unmapped")
        self.assertEqual(request.peer.address, "198.51.100.1")
        self.assertTrue(client.closed)
        self.assertFalse(far.aborted)
        self.assertEqual(self.server.connections, {})

    def test_any_pieces(self) -> None:
        """A command may come byte by byte and in several frames."""
        self.serve(5)
        self.reactor.traffic.chunk_bytes = 1
        client, _, _ = self.connect()
        client.send(frame(b"\0\0\0", 0) + frame(b"\0\0\0\0\5te", 0) + frame(b"xt\0"))
        self.reactor.flush()
        self.assertEqual(self.requests[0].reader().get_string(), "text")

    def test_answer(self) -> None:
        """An answer arrives before the close."""

        def answer(request: CommandRequest) -> None:
            writer = request.writer()
            writer.put_int(7)
            request.reply(writer.end_of_message())

        self.serve(5, handler=answer)
        client, _, _ = self.connect()
        client.send(raw(5))
        self.reactor.flush()
        self.assertEqual(messages(client), [struct.pack(">q", 7)])
        self.assertTrue(client.closed)

    def test_mnh_5_3_numbers_count_in_full(self) -> None:
        """2**32 + 5 is not 5, nor is a negative number anything."""
        self.serve(5)
        for number in (2**32 + 5, -5, 5 - 2**63):
            client, _, _ = self.connect()
            client.send(raw(number))
            self.reactor.flush()
            self.assertTrue(client.closed)
        self.assertEqual(self.requests, [])
        self.assertEqual(self.server.counters.commands_unknown, 3)
        self.assertIn("(UNREGISTERED COMMAND!)", self.logged(str(2**32 + 5))[0])

    def test_message_too_short_for_a_command(self) -> None:
        """A first message of fewer than eight bytes closes the connection."""
        client, _, _ = self.connect()
        client.send(frame(b"\0\0\0\5"))
        self.reactor.flush()
        self.assertTrue(client.closed)
        self.assertEqual(self.server.counters.protocol_errors, 1)

    def test_mnh_6_1_garbage_is_not_answered(self) -> None:
        """Bytes that are no CEDAR close without an answer, with one line logged."""
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"\xff" * 100):
            client, _, far = self.connect()
            client.send(data)
            self.reactor.flush()
            self.assertTrue(client.closed)
            self.assertEqual(bytes(far.written), b"")
        self.assertEqual(len(self.logged("Connection from 198.51.100.1:40000")), 3)

    def test_payload_over_its_limit(self) -> None:
        """A payload beyond the registration's limit is refused; at it, it is taken."""
        self.serve(5, max_payload_bytes=100)
        for size, closed_early in ((100, False), (101, True)):
            client, _, far = self.connect()
            client.send(raw(5, b"x" * size))
            self.reactor.flush()
            self.assertEqual(far.aborted, closed_early)
        self.assertEqual(len(self.requests), 1)


class HandlerTests(ServerTestCase):
    def test_asynchronous_handlers(self) -> None:
        """A Deferred or a coroutine keeps the connection until it is done."""
        waits: list[Deferred[None]] = []

        def later(request: CommandRequest) -> Deferred[None]:
            waits.append(Deferred())
            return waits[-1]

        async def coroutine(request: CommandRequest) -> None:
            await later(request)
            request.reply(b"done now")

        self.serve(5, handler=later)
        self.serve(6, handler=coroutine)
        for number in (5, 6):
            client, _, _ = self.connect()
            client.send(raw(number))
            self.reactor.flush()
            self.assertFalse(client.closed)
            waits[-1].callback(None)
            self.reactor.flush()
            self.assertTrue(client.closed)
        self.assertEqual(messages(client), [b"done now"])

    def test_mnh_3_3_handler_that_raises(self) -> None:
        """One error line with traceback, one count, a closed connection; no more."""

        def bad(request: CommandRequest) -> None:
            raise ZeroDivisionError("a bug of ours")

        async def worse(request: CommandRequest) -> None:
            raise KeyError("another")

        self.serve(5, handler=bad)
        self.serve(6, handler=worse)
        self.serve(7)
        for number in (5, 6, 7):
            client, _, far = self.connect()
            client.send(raw(number))
            self.reactor.flush()
            self.assertTrue(client.closed)
            self.assertEqual(bytes(far.written), b"")  # 6.4: nothing is told
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertEqual(self.server.counters.handler_errors, 2)
        self.assertEqual(len(self.requests), 1)

    def test_mnh_3_4_bad_payload_is_an_ordinary_refusal(self) -> None:
        """A payload that cannot be read is no error of ours."""

        def parse(request: CommandRequest) -> None:
            request.reader().get_string()

        self.serve(5, handler=parse)
        client, _, _ = self.connect()
        client.send(raw(5, b"no end"))
        self.reactor.flush()
        self.assertTrue(client.closed)
        self.assertEqual(self.server.counters.handler_errors, 0)
        self.assertEqual(self.server.counters.protocol_errors, 1)
        self.assertEqual(len(self.logged("is refused")), 1)

    def test_mnh_0_6_peer_that_goes_away(self) -> None:
        """A handler whose peer goes away is cancelled, and nothing is logged."""
        cancelled: list[bool] = []

        def waits(request: CommandRequest) -> Deferred[None]:
            return Deferred(lambda _: cancelled.append(True))

        self.serve(5, handler=waits)
        client, near, _ = self.connect()
        client.send(raw(5))
        self.reactor.flush()
        near.loseConnection()
        self.reactor.flush()
        self.assertEqual(cancelled, [True])
        self.assertEqual(self.server.counters.handler_errors, 0)

    def test_peer_that_goes_away_during_an_answer(self) -> None:
        """An answer that nobody takes any more fails in the handler, quietly."""
        failed: list[object] = []

        async def endless(request: CommandRequest) -> None:
            try:
                await request.reply_parts(b"x" * 60_000 for _ in range(10_000))
            except PeerClosed as error:
                failed.append(error)
                raise

        self.serve(5, handler=endless)
        client, near, far = self.connect()
        far.stalled = True
        client.send(raw(5))
        self.reactor.flush()
        near.abortConnection()
        self.reactor.flush()
        self.assertEqual(len(failed), 1)
        self.assertEqual(self.server.counters.handler_errors, 0)

    def test_reply_after_the_end(self) -> None:
        """A handler that answers too late has no effect, and no error."""
        held: list[CommandRequest] = []
        waits: Deferred[None] = Deferred(lambda _: None)

        def hold(request: CommandRequest) -> Deferred[None]:
            held.append(request)
            return waits

        self.serve(5, handler=hold)
        client, near, _ = self.connect()
        client.send(raw(5))
        self.reactor.flush()
        near.loseConnection()
        self.reactor.flush()
        held[0].reply(b"too late")
        self.failureResultOf(held[0].reply_parts([b"x"]), PeerClosed)


class KeptConnectionTests(ServerTestCase):
    def test_further_commands(self) -> None:
        """A kept connection serves raw commands, one after the other."""
        self.serve(0, Permission.WRITE, keeps_stream=True)
        self.serve(60011, Permission.ALLOW)
        client, _, _ = self.connect()
        client.send(raw(0, b"a") + raw(0, b"b"))
        self.reactor.flush()
        client.send(raw(0, b"c"))
        self.reactor.flush()
        self.assertEqual(
            [each.payload[8:] for each in self.requests], [b"a", b"b", b"c"]
        )
        self.assertFalse(client.closed)
        client.send(raw(60011))  # how a client lets go politely
        self.reactor.flush()
        self.assertTrue(client.closed)
        self.assertEqual(len(self.requests), 4)

    def test_handler_may_keep_the_connection(self) -> None:
        """A handler keeps the connection for itself by saying so."""

        def keep(request: CommandRequest) -> None:
            self.requests.append(request)
            request.keep_open()

        self.serve(5, handler=keep)
        client, _, _ = self.connect()
        client.send(raw(5) + raw(5))
        self.reactor.flush()
        self.assertEqual(len(self.requests), 2)
        self.assertFalse(client.closed)

    def test_one_command_at_a_time(self) -> None:
        """A pipelined command waits until the one before is done, and is not lost."""
        waits: list[Deferred[None]] = []

        def slow(request: CommandRequest) -> Deferred[None]:
            self.requests.append(request)
            waits.append(Deferred())
            return waits[-1]

        self.serve(5, handler=slow, keeps_stream=True)
        client, _, _ = self.connect()
        client.send(raw(5, b"1") + raw(5, b"2"))
        self.reactor.flush()
        self.assertEqual(len(self.requests), 1)
        waits[0].callback(None)
        self.assertEqual(len(self.requests), 2)
        waits[1].callback(None)
        client.send(raw(5, b"3"))
        self.reactor.flush()
        self.assertEqual(len(self.requests), 3)

    def test_mnh_4_9_every_command_is_asked_about(self) -> None:
        """A kept connection does not carry the right of its first command over."""
        self.serve(0, Permission.WRITE, keeps_stream=True)
        self.serve(60005, Permission.ADMINISTRATOR)
        client, _, _ = self.connect()
        client.send(raw(0) + raw(60005))
        self.reactor.flush()
        self.assertEqual([each.command for each in self.requests], [0])
        self.assertTrue(client.closed)
        self.assertEqual(len(self.logged("PERMISSION DENIED")), 1)

    def test_mnh_9_5_new_lists_hold_for_kept_connections(self) -> None:
        """After a reconfiguration a kept connection is asked about again."""
        self.serve(0, Permission.WRITE, keeps_stream=True)
        client, _, _ = self.connect()
        client.send(raw(0))
        self.reactor.flush()
        knobs = {**self.knobs, "DENY_WRITE": "198.51.100.1"}
        self.security.reconfigure(Settings.from_assignments(knobs, "COLLECTOR"))
        self.server.forget_admissions()
        client.send(raw(0))
        self.reactor.flush()
        self.assertTrue(client.closed)
        self.assertEqual(len(self.requests), 1)

    def test_mnh_2_5_idle_connections_stay(self) -> None:
        """A kept connection may be silent for as long as it likes."""
        self.serve(0, Permission.WRITE, keeps_stream=True)
        client, _, _ = self.connect()
        client.send(raw(0))
        self.reactor.flush()
        self.pass_time(600)
        self.assertFalse(client.closed)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_mnh_2_3_half_a_message_on_a_kept_connection(self) -> None:
        """A message that begins on a kept connection must end within 20 s."""
        self.serve(0, Permission.WRITE, keeps_stream=True)
        client, _, _ = self.connect()
        client.send(raw(0))
        self.reactor.flush()
        self.pass_time(100)
        client.send(raw(0, b"x" * 100)[:50])
        self.pass_time(19)
        self.assertFalse(client.closed)
        self.pass_time(3)
        self.assertTrue(client.closed)


class DeadlineTests(ServerTestCase):
    def test_mnh_2_1_first_message(self) -> None:
        """The first whole message comes within 20 s of the accept."""
        self.serve(5)
        client, _, _ = self.connect()
        self.pass_time(19)
        self.assertFalse(client.closed)
        self.pass_time(2)
        self.assertTrue(client.closed)
        self.assertEqual(len(self.logged("nothing whole came in time")), 1)

    def test_mnh_2_1_bytes_do_not_restart_it(self) -> None:
        """A byte now and then does not buy time, and nobody else waits."""
        self.serve(5)
        data = raw(5, b"x" * 100)
        client, _, _ = self.connect()
        for position in range(15):
            client.send(data[position : position + 1])
            self.pass_time(1)
        other, _, _ = self.connect()
        other.send(raw(5))
        self.reactor.flush()
        self.assertEqual(len(self.requests), 1)
        self.pass_time(7)
        self.assertTrue(client.closed)

    def test_mnh_2_4_peer_that_does_not_read_its_answer(self) -> None:
        """Who does not read a long answer is dropped after 60 s."""
        self.serve(
            5, handler=lambda request: request.reply_parts([b"x" * 200_000] * 100)
        )
        client, _, far = self.connect()
        far.stalled = True
        client.send(raw(5))
        self.pass_time(59)
        self.assertFalse(client.closed)
        self.pass_time(4)
        self.assertTrue(client.closed)


class NegotiationTests(ServerTestCase):
    """Handshakes with our own client; recorded ones are tested with security."""

    knobs: Mapping[str, str] = SECURE

    def open(self, opener: Any, number: int, **options: Any) -> Any:
        """Open a command with our own client."""
        outcome = opener.open("<192.0.2.7:9618>", number, **options)
        self.reactor.flush()
        return outcome

    def test_new_session(self) -> None:
        """The command behind a handshake has identity and encryption."""

        def answer(request: CommandRequest) -> None:
            self.requests.append(request)
            writer = request.writer()
            writer.put_string("hello " + request.reader().get_string())
            request.reply(writer.end_of_message())

        self.serve(5, handler=answer)
        channel = self.successResultOf(self.open(self.opener(), 5))
        writer = channel.writer()
        writer.put_string("bob")
        channel.send_message(writer.end_of_message())
        answered = channel.receive_message()
        self.reactor.flush()
        self.assertEqual(self.successResultOf(answered).get_string(), "hello bob")
        (request,) = self.requests
        self.assertEqual(request.peer.method, "CLAIMTOBE")
        self.assertTrue(request.peer.encrypted)
        self.assertTrue(request.encrypted)
        self.assertEqual(request.offset, 0)
        self.assertEqual(self.server.connections, {})

    def test_resumed_session(self) -> None:
        """A second command resumes the session, and its payload proves the key."""
        self.serve(5)
        opener = self.opener()
        for resumed in (False, True):
            channel = self.successResultOf(self.open(opener, 5))
            self.assertIs(channel.resumed, resumed)
            channel.send_message(b"payload")
            self.reactor.flush()
        self.assertEqual([each.payload for each in self.requests], [b"payload"] * 2)
        self.assertEqual(self.requests[1].peer.user, self.requests[0].peer.user)

    def test_session_that_the_server_forgot(self) -> None:
        """The client negotiates anew by itself, once."""
        self.serve(5)
        opener = self.opener()
        self.successResultOf(self.open(opener, 5)).abort()
        self.security.incoming.remove_where(lambda session: True)
        channel = self.successResultOf(self.open(opener, 5))
        self.assertFalse(channel.resumed)
        channel.send_message(b"payload")
        self.reactor.flush()
        self.assertEqual(len(self.requests), 1)
        self.assertEqual(len(self.logged("has to negotiate anew")), 1)

    def test_command_without_payload_runs_at_once(self) -> None:
        """Where the client sends nothing further, nothing further is waited for."""
        self.serve(60011, Permission.READ, has_payload=False)
        self.successResultOf(self.open(self.opener(), 60011))
        self.assertEqual(len(self.requests), 1)
        self.assertEqual(self.requests[0].payload, b"")

    def test_kept_connection_of_a_session(self) -> None:
        """Further commands come raw, in the same protection and identity."""
        self.serve(0, Permission.WRITE, keeps_stream=True)
        channel = self.successResultOf(self.open(self.opener(), 0))
        channel.send_message(b"first")
        channel.send_message((0).to_bytes(8, "big") + b"second")
        self.reactor.flush()
        self.assertEqual(
            [each.payload[each.offset :] for each in self.requests],
            [b"first", b"second"],
        )
        self.assertEqual(self.requests[1].peer, self.requests[0].peer)
        self.assertTrue(self.requests[1].encrypted)

    def test_mnh_4_5_raw_command_where_negotiation_is_required(self) -> None:
        """A raw command is refused where its level requires more."""
        self.serve(5)
        client, _, _ = self.connect()
        client.send(raw(5))
        self.reactor.flush()
        self.assertTrue(client.closed)
        self.assertEqual(self.requests, [])
        self.assertEqual(len(self.logged("PERMISSION DENIED")), 1)

    def test_mnh_7_3_denied_after_the_handshake(self) -> None:
        """A sound handshake without the right is denied, and logged once."""
        self.serve(60005, Permission.ADMINISTRATOR)
        self.failureResultOf(self.open(self.opener(), 60005))
        self.assertEqual(self.requests, [])
        (line,) = self.logged("PERMISSION DENIED")
        for part in ("192.0.2.7", "60005", "COMMAND_60005", "ADMINISTRATOR", "TCP"):
            self.assertIn(part, line)
        self.assertIn("none is set of ALLOW_ADMINISTRATOR_COLLECTOR, ", line)

    def test_mnh_2_1_handshake_deadline(self) -> None:
        """A handshake that stands still ends 120 s after the accept."""
        self.serve(5)
        client = self.stand_still(200)
        self.pass_time(118)
        self.assertFalse(client.closed)
        self.pass_time(4)
        self.assertTrue(client.closed)
        self.assertEqual(self.server.counters.handshakes_failed, 1)
        self.assertEqual(len(self.logged("did not finish within 120 s")), 1)

    def test_authentication_deadline(self) -> None:
        """Authentication ends after what its level's knob says."""
        self.serve(5)
        client = self.stand_still(30)
        self.pass_time(28)
        self.assertFalse(client.closed)
        self.pass_time(4)
        self.assertTrue(client.closed)
        self.assertEqual(
            len(self.logged("authentication did not finish within 30 s")), 1
        )

    def stand_still(self, authentication_seconds: int) -> RawClient:
        """Begin a handshake that goes as far as authentication, and no further."""
        knobs = {
            **self.knobs,
            "SEC_READ_AUTHENTICATION_TIMEOUT": str(authentication_seconds),
        }
        self.security.reconfigure(Settings.from_assignments(knobs, "COLLECTOR"))
        opener = self.opener()
        client = RawClient()
        _, _, far = self.connect(client)
        recorded: list[bytes] = []
        outcome = opener.open("<192.0.2.7:9618>", 5)
        self.reactor.advance(0)
        for transport in self.reactor.traffic.transports:
            if transport.outgoing and transport is not client.transport:
                recorded.append(bytes(transport.outgoing))
        outcome.addErrback(lambda _: None)
        outcome.cancel()
        client.send(recorded[0])  # the first message of a good client, then silence
        self.reactor.flush()
        self.assertNotEqual(bytes(far.written), b"")
        return client

    def test_mnh_2_3_payload_behind_the_handshake(self) -> None:
        """The payload comes within 20 s of the handshake's end."""
        self.serve(5)
        channel = self.successResultOf(self.open(self.opener(), 5))
        self.pass_time(19)
        self.assertTrue(channel.is_open)
        self.pass_time(3)
        self.assertFalse(channel.is_open)
        self.assertEqual(self.requests, [])

    def test_mnh_0_6_peer_that_leaves_during_the_handshake(self) -> None:
        """A client that leaves in the middle costs nothing and logs nothing."""
        self.serve(5)
        outcome = self.opener().open("<192.0.2.7:9618>", 5)
        outcome.addErrback(lambda _: None)
        self.reactor.advance(0)
        self.reactor.traffic.step()
        outcome.cancel()
        self.reactor.flush()
        self.assertEqual(self.server.connections, {})
        self.assertEqual(self.server.counters.handshakes_failed, 0)

    def test_mnh_6_1_handshakes_that_make_no_sense(self) -> None:
        """An unreadable first ad closes without an answer, with one line each."""
        self.serve(5)
        start = DC_AUTHENTICATE.to_bytes(8, "big")
        for ad in (b"", b"\xff" * 8, b"\0" * 7 + b"\1Command = 5\0", b"x" * 1000):
            client, _, far = self.connect()
            client.send(frame(start + ad))
            self.reactor.flush()
            self.assertTrue(client.closed)
            self.assertEqual(bytes(far.written), b"")
        self.assertEqual(self.server.counters.handshakes_failed, 4)
        self.assertEqual(len(self.logged("DC_AUTHENTICATE: no session")), 4)

    def test_mnh_4_17_wrong_key(self) -> None:
        """A payload under a wrong key closes the connection and runs nothing."""
        self.serve(5)
        channel = self.successResultOf(self.open(self.opener(), 5))
        transport: Any = channel.channel.transport
        transport.write(frame(b"\0" * 64))
        self.reactor.flush()
        self.assertFalse(channel.is_open)
        self.assertEqual(self.requests, [])
        self.assertEqual(self.server.counters.protocol_errors, 1)


class WithoutAnswerTests(ServerTestCase):
    """A parent's signal in a session of ours, to which it wants no answer."""

    knobs: Mapping[str, str] = {**SECURE, "ALLOW_READ": "nobody@nowhere"}

    def signal(self, nonce: str) -> bytes:
        """Everything that a parent sends at once: a resume, and a protected payload."""
        claim = make_child_session(self.security, [7])
        session = self.security.incoming.find(claim.session_id, 0)
        assert session is not None
        assert session.key is not None
        writer = MessageWriter()
        writer.put_int(DC_AUTHENTICATE)
        put_pod_ad(
            writer,
            [
                ("UseSession", "YES"),
                ("Sid", session.id),
                ("Command", 7),
                ("Nonce", nonce),
                ("ResumeResponse", False),
            ],
        )
        framer = StreamFramer()
        sent = framer.frame_message(writer.end_of_message())
        framer.enable_protection(AesGcmProtection(session.key.data, os.urandom))
        payload = MessageWriter(encrypted=True)
        payload.put_int(15)
        return sent + framer.frame_message(payload.end_of_message())

    def test_signal(self) -> None:
        """The signal arrives, and nothing is sent back."""
        self.serve(7)
        client, _, _ = self.connect()
        client.send(self.signal("fresh"))
        self.reactor.flush()
        self.assertEqual(
            [request.reader().get_int() for request in self.requests], [15]
        )
        self.assertEqual(self.requests[0].peer.user, "condor@child")
        self.assertEqual(bytes(client.received), b"")

    def test_mnh_4_21_replay_without_answer(self) -> None:
        """The same bytes again are refused, with one line."""
        self.serve(7)
        signal = self.signal("fresh")
        for _ in range(3):
            client, _, _ = self.connect()
            client.send(signal)
            self.reactor.flush()
        self.assertEqual(len(self.requests), 1)
        self.assertTrue(self.logged("what came before"))

    def test_mnh_4_21_other_nonce(self) -> None:
        """The nonce cannot be changed: the first protected frame is bound to it."""
        self.serve(7)
        signal = self.signal("fresh")
        client, _, _ = self.connect()
        client.send(signal.replace(b"fresh", b"frash"))
        self.reactor.flush()
        self.assertEqual(self.requests, [])
        self.assertTrue(client.closed)
