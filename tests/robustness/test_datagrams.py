"""Attacks over UDP against a whole collector in memory."""

from __future__ import annotations

import random
import struct

from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector.commands import ACKNOWLEDGED, QUERIES
from condor_twisted.wire.datagrams import MessageId, split_message
from fuzz import seeds
from tests.counting import calls_of
from tests.robustness.kit import HouseTestCase, query, update


class DatagramTests(HouseTestCase):
    def test_mnh_3_1_junk(self) -> None:
        """Thirty thousand junk datagrams cost little, and nothing is stored."""
        chance = random.Random(1)
        junk = [chance.randbytes(chance.randrange(1, 1400)) for _ in range(300)]
        junk += [b"MaGic6.0" + each for each in junk[:100]]

        def arrive() -> None:
            for number in range(30_000):
                self.house.udp_port.deliver(
                    junk[number % len(junk)], (f"198.51.100.{number % 200}", 4000)
                )

        calls, _ = calls_of(arrive)
        self.assertLess(calls, 100 * 30_000)
        datagrams = self.house.collector.datagrams
        assert datagrams is not None
        self.assertLessEqual(datagrams.unfinished_count, 256)
        self.assert_serves()

    def test_mnh_7_4_lines_about_junk(self) -> None:
        """Junk from thousands of made-up addresses makes a bounded log."""
        self.house.lines.clear()
        for number in range(5000):
            source = f"10.{number >> 8}.{number & 255}.1"
            self.house.udp_port.deliver(b"junk", (source, 4000))
        self.assertLessEqual(len(self.house.lines), 250)

    def test_mnh_5_4_wrong_transport(self) -> None:
        """What answers does nothing over UDP, and sends nothing."""
        asked = self.house.collector.state.statistics
        before = str(asked.publish(1.0))
        for number in (*QUERIES, *ACKNOWLEDGED):
            self.house.datagram(query(b'Name = "udp"', number=number))
        self.assertEqual(self.house.udp_port.sent, [])
        self.assertEqual(str(asked.publish(1.0)), before)

    def test_mnh_6_5_nothing_is_sent_to_named_addresses(self) -> None:
        """An address in a datagram's body gets nothing."""
        line = b'MyAddress = "<203.0.113.9:9618>"'
        for number in (
            Command.UPDATE_MASTER_AD,
            Command.UPDATE_STARTD_AD,
            Command.INVALIDATE_MASTER_ADS,
            Command.QUERY_MASTER_ADS,
        ):
            self.house.datagram(update(b'Name = "n"', line, number=number))
        self.assertEqual(self.house.udp_port.sent, [])
        self.assertEqual(self.reactor.tcpClients, [])

    def test_mnh_1_25_fragments_without_end(self) -> None:
        """Messages that never become whole fill a bounded store, and go by a timer."""
        for number in range(2000):
            pieces = split_message(
                update(b'Name = "f%d"' % number, b'P = "' + b"x" * 3000 + b'"'),
                1000,
                MessageId(0x0100007F, 4711, 1_800_000_000, number),
            )
            self.assertGreater(len(pieces), 1)
            self.house.udp_port.deliver(pieces[0], ("198.51.100.1", 4000))
        datagrams = self.house.collector.datagrams
        assert datagrams is not None
        self.assertLessEqual(datagrams.unfinished_count, 256)
        for _ in range(25):
            self.reactor.advance(1)
        self.assertEqual(datagrams.unfinished_count, 0)

    def test_mnh_4_21_recorded_datagrams_again(self) -> None:
        """Datagrams under sessions of another life do nothing, however often."""
        stored = self.house.collector.state.store.count
        for name, data in seeds.datagrams().items():
            if not name.startswith("security-udp"):
                continue
            for _ in range(3):
                self.house.datagram(data)
        self.assertEqual(self.house.collector.state.store.count, stored)

    def test_mnh_10_5_tables_with_keys_of_peers(self) -> None:
        """Whatever peers name, what is remembered of them stays bounded."""
        server = self.house.collector.server
        assert server is not None
        payload = update(b'Name = "kept1"')
        for number in range(20_000):
            source = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            self.house.udp_port.deliver(payload, (source, 4000))
        for number in range(5000):
            data = struct.pack(">q", 100_000 + number)
            self.house.udp_port.deliver(data, ("10.0.0.1", 4000))
        self.assertLessEqual(len(server._raw_udp), 16_384)
        self.assertLessEqual(len(server.folded._windows), 4097)
        self.assertLessEqual(len(self.house.collector._senders), 4096)
