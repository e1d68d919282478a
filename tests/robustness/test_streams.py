"""Attacks over TCP against a whole collector in memory."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Mapping
from typing import ClassVar

from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector.commands import QUERIES
from fuzz.house import OPEN, frame
from tests.counting import calls_of
from tests.robustness.kit import HouseTestCase, query, server_end, update


class FloodTests(HouseTestCase):
    def test_mnh_0_2_claims_take_no_memory(self) -> None:
        """What a peer only announces is not allocated."""
        claims = [
            struct.pack(">BI", 1, 1 << 20),
            frame(struct.pack(">qq", Command.UPDATE_MASTER_AD, 99_999)),
            frame(struct.pack(">qq", Command.UPDATE_MASTER_AD, (1 << 63) - 1)),
            frame(struct.pack(">qq", Command.UPDATE_MASTER_AD, -1)),
            frame(struct.pack(">qq", Command.QUERY_MASTER_ADS, 1 << 40)),
        ]
        for claim in claims:
            self.house.stream(claim)
        tracemalloc.start()
        try:
            for _ in range(20):
                for claim in claims:
                    self.house.stream(claim)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        self.assertLess(peak, 1 << 20)

    def test_mnh_1_10_numbers_in_ads(self) -> None:
        """Counts below nothing and beyond everything refuse the ad, and only it."""
        for count in (-1, -(1 << 63), 100_001, 1 << 32, (1 << 32) + 1, (1 << 63) - 1):
            for number in (Command.UPDATE_MASTER_AD, Command.QUERY_MASTER_ADS):
                payload = struct.pack(">qq", number, count) + b'Name = "x"\0\0\0'
                self.assertEqual(self.house.stream(frame(payload)), b"", count)
        self.assertNotIn("x", self.house.names())

    def test_mnh_1_7_attributes(self) -> None:
        """100,000 attributes are an ad, one more is none."""
        lines = [b'Name = "big"', *(b"A%d = %d" % (n, n) for n in range(99_999))]
        client = self.intrude()
        client.send(frame(update(b'Name = "first"')))
        client.send(frame(update(*lines[:40_000])) + frame(update(*lines[:39_999])))
        self.reactor.flush()
        self.assertIn("big", self.house.names())
        client.send(frame(update(*lines, b"Extra = 1")[: 1 << 20]))
        self.reactor.flush()
        self.assertTrue(client.closed)

    def test_mnh_2_2_half_a_header(self) -> None:
        """Peers that begin a header and fall silent delay nobody, and end in 20 s."""
        idlers = [self.intrude(f"198.51.100.{n % 50}") for n in range(500)]
        for number, idler in enumerate(idlers):
            idler.send(b"\1\0\0\0\5"[: number % 5])
        self.reactor.flush()
        self.assert_serves()
        self.reactor.advance(19)
        self.reactor.flush()
        self.assertFalse(any(idler.closed for idler in idlers))
        self.reactor.advance(2)
        self.reactor.flush()
        self.assertTrue(all(idler.closed for idler in idlers))

    def test_mnh_2_1_one_byte_at_a_time(self) -> None:
        """A peer that sends a byte a second does not get more time by that."""
        client = self.intrude()
        data = frame(query())
        for at in range(25):
            client.send(data[at : at + 1])
            self.reactor.flush()
            self.reactor.advance(1)
            self.reactor.flush()
        self.assertTrue(client.closed)
        self.assertEqual(client.received, b"")

    def test_mnh_1_22_one_address_does_not_lock_others_out(self) -> None:
        """The 201st silent connection of an address is closed; others are served."""
        for _ in range(200):
            self.intrude()
        self.assertIsNone(self.house.intrude())
        self.assert_serves()

    def test_mnh_1_4_small_frames_before_authorization(self) -> None:
        """A message of a thousand one-byte frames is one too many."""
        payload = query()
        tiny = [frame(payload[at : at + 1], 0) for at in range(len(payload) - 1)]
        data = b"".join(tiny) + frame(payload[-1:])
        self.assertNotEqual(self.house.stream(data), b"")
        self.assertEqual(self.house.stream(frame(b"\0", 0) * 1100), b"")

    def test_mnh_10_2_fifty_thousand_one_byte_frames(self) -> None:
        """They are a message once the peer is authorized, and a few steps each."""
        client = self.intrude()
        client.send(frame(update(b'Name = "a"')))
        self.reactor.flush()
        payload = update(b'Name = "tiny"', b'Pad = "' + b"x" * 49_960 + b'"')
        tiny = [frame(payload[at : at + 1], 0) for at in range(len(payload) - 1)]
        self.assertGreaterEqual(len(tiny), 50_000)
        data = b"".join(tiny) + frame(payload[-1:])

        def arrive() -> None:
            client.send(data)
            self.reactor.flush()

        calls, _ = calls_of(arrive)
        self.assertLess(calls, 12 * len(tiny))
        self.assertIn("tiny", self.house.names())

    def test_mnh_10_3_pipelined_commands(self) -> None:
        """A thousand updates, a query and more behind it in one segment."""
        updates = b"".join(
            frame(update(b'Name = "p%d"' % number)) for number in range(1000)
        )
        client = self.intrude()
        client.send(updates + frame(query()) + frame(update(b'Name = "after"')))
        self.reactor.flush()
        self.assertIn("p999", self.house.names())
        self.assertTrue(client.closed)
        self.assertIn(b"p999", client.received)
        # The query ends the connection; what came behind it was never a command.
        self.assertNotIn("after", self.house.names())

    def test_mnh_1_5_query_payloads_are_bounded_as_they_come(self) -> None:
        """A negotiated query may not bring more than queries may bring."""
        opened = self.opener().open(
            str(self.house.collector.address), Command.QUERY_MASTER_ADS
        )
        self.reactor.flush()
        channel = self.successResultOf(opened)
        channel.send_message(bytes((4 << 20) + 100))
        self.reactor.flush()
        self.assertFalse(channel.is_open)
        # Of a message, not of a payload: it was refused before it was whole.
        self.assertTrue(
            any("bytes of a message" in line for line in self.house.lines),
            self.house.lines,
        )


class PeerTests(HouseTestCase):
    def test_mnh_1_20_peers_that_never_read(self) -> None:
        """So much waits for them and no more; then they are dropped."""
        for number in range(300):
            self.house.advertise(f"fill{number}", b'Pad = "' + b"x" * 20_000 + b'"')
        stalled = [self.intrude() for _ in range(6)]
        for client in stalled:
            server_end(client).stalled = True
            client.send(frame(query()))
        self.reactor.flush()
        for client in stalled:
            self.assertLess(len(server_end(client).outgoing), 1 << 20)
        self.assert_serves()
        for _ in range(62):
            self.reactor.advance(1)
        self.reactor.flush()
        self.assertTrue(all(client.closed for client in stalled))
        self.assertTrue(all(server_end(client).aborted for client in stalled))

    def test_mnh_10_10_bad_peers_are_broken_off(self) -> None:
        """Nobody waits until a hostile or late peer has read what is left."""
        bad = self.intrude()
        bad.send(b"\xff\xff\xff\xff\xff")
        late = self.intrude()
        unknown = self.intrude()
        unknown.send(frame(update(b'Name = "x"', number=4711)))
        self.reactor.flush()
        for _ in range(21):
            self.reactor.advance(1)
        self.reactor.flush()
        for client in (bad, late, unknown):
            self.assertTrue(server_end(client).aborted)

    def test_mnh_0_6_peers_that_leave_at_any_moment(self) -> None:
        """Whatever part of a message was sent, nothing stays of its sender."""
        data = frame(update(b'Name = "n"', b"A = 1"))
        for length in range(len(data)):
            self.house.stream(data[:length], aborts=length % 2 == 0)
        server = self.house.collector.server
        assert server is not None
        self.assertEqual(len(server.connections), 0)
        self.assertNotIn("n", self.house.names())

    def test_mnh_5_3_numbers_that_look_like_commands(self) -> None:
        """Numbers beyond 32 bits, and negative ones, are no commands."""
        for number in (2, 7, *QUERIES):
            for wrong in (number + (1 << 32), -number, number - (1 << 32), ~number):
                if wrong == 0 or self.house.collector.table.find(wrong) is not None:
                    continue
                payload = query(b'Name = "wrong"', number=wrong)
                self.assertEqual(self.house.stream(frame(payload)), b"")
                self.house.datagram(payload)
        self.assertNotIn("wrong", self.house.names())
        self.assertTrue(any("UNREGISTERED" in line for line in self.house.lines))

    def test_mnh_0_3_order_of_the_questions(self) -> None:
        """Unknown comes before payload, on both transports."""
        junk = struct.pack(">qq", 4711, -5) + b"\xff" * 40
        for give in (self.house.stream, self.house.datagram):
            self.house.lines.clear()
            self.reactor.advance(2)
            give(frame(junk) if give == self.house.stream else junk)
            self.assertEqual(len(self.house.lines), 1, self.house.lines)
            self.assertIn("UNREGISTERED", self.house.lines[0])

    def test_mnh_6_1_answers_to_garbage(self) -> None:
        """Garbage is not answered by a single byte."""
        for garbage in (
            b"GET / HTTP/1.0\r\n\r\n",
            b"\x16\x03\x01\x02\0\1\0\1\xfc\3\3",
            b"SSH-2.0-x\r\n",
            bytes(100),
            b"\xff" * 100,
            frame(b"\0"),
            frame(bytes(7)),
            frame(b"\x7f" * 8),
        ):
            self.assertEqual(self.house.stream(garbage), b"")


class DeniedTests(HouseTestCase):
    knobs: ClassVar[Mapping[str, str]] = {
        **OPEN,
        "ALLOW_ADVERTISE_MASTER": "",
        "ALLOW_DAEMON": "",
    }

    def test_mnh_0_3_right_before_payload(self) -> None:
        """Who may not is refused before the payload is looked at."""
        junk = struct.pack(">qq", Command.UPDATE_MASTER_AD, -5) + b"\xff" * 40
        for give, data in (
            (self.house.stream, frame(junk)),
            (self.house.datagram, junk),
        ):
            self.house.lines.clear()
            self.reactor.advance(2)
            give(data)
            self.assertEqual(len(self.house.lines), 1, self.house.lines)
            self.assertIn("PERMISSION DENIED", self.house.lines[0])

    def test_mnh_7_3_raw_refusals_are_logged(self) -> None:
        """The line has command, transport, peer, identity, level and reason."""
        payload = update(b'Name = "x"')
        self.house.stream(frame(payload))
        self.house.datagram(payload, "198.51.100.7")
        lines = [line for line in self.house.lines if "PERMISSION DENIED" in line]
        self.assertEqual(len(lines), 2)
        for line, transport, address in (
            (lines[0], "TCP", "198.51.100.1"),
            (lines[1], "UDP", "198.51.100.7"),
        ):
            for part in (
                transport,
                address,
                "2 (UPDATE_MASTER_AD)",
                "unauthenticated@unmapped",
                "ADVERTISE_MASTER",
                "reason",
            ):
                self.assertIn(part, line)
