"""Tests of ``bench.wire``."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bench.wire import (
    PACKET_BODY_BYTES,
    count_ads,
    encode_ad,
    encode_int,
    encode_string,
    frame_message,
    parse_ad,
    split_messages,
)


class PacketTests(SynchronousTestCase):
    """What a message looks like on a clear stream."""

    def test_golden_int(self) -> None:
        """An int alone is the packet that the real library sends."""
        expected = bytes.fromhex("0100000008000000000000ea6a")
        self.assertEqual(frame_message(encode_int(60010)), expected)

    def test_golden_headers_of_two_packets(self) -> None:
        """5,000 bytes are cut where the real library cuts them."""
        data = frame_message(bytes(5000))
        second = 5 + PACKET_BODY_BYTES
        self.assertEqual(data[:5].hex(), "0000000ffb")
        self.assertEqual(data[second : second + 5].hex(), "010000038d")

    def test_exact_fill_has_no_empty_packet(self) -> None:
        """A payload that fills its packet is not followed by an empty one."""
        data = frame_message(bytes(2 * PACKET_BODY_BYTES))
        self.assertEqual(len(data), 2 * (5 + PACKET_BODY_BYTES))
        self.assertEqual(split_messages(data), [bytes(2 * PACKET_BODY_BYTES)])

    @given(st.lists(st.binary(min_size=1, max_size=50)), st.integers(1, 20))
    @settings(deadline=None, max_examples=50)
    def test_round_trip(self, payloads: list[bytes], body_bytes: int) -> None:
        """Messages come back from their packets, whatever the packets' size."""
        data = b"".join(frame_message(payload, body_bytes) for payload in payloads)
        self.assertEqual(split_messages(data), payloads)

    def test_cut_off(self) -> None:
        """A stream that ends inside a message is an error at every offset."""
        data = frame_message(b"payload", 3)
        for size in range(1, len(data)):
            self.assertRaises(ValueError, split_messages, data[:size])


class AdTests(SynchronousTestCase):
    """Ads in both forms."""

    def test_clear(self) -> None:
        """On a clear stream a secret follows its marker and counts once."""
        ad = encode_ad([b"A = 1"], [b"ClaimId = x"])
        self.assertEqual(ad, encode_int(2) + b"A = 1\0ZKM\0ClaimId = x\0\0\0")

    def test_encrypted(self) -> None:
        """On an encrypted stream every string has its length before it."""
        ad = encode_ad([b"A = 1"], [b"B = 2"], encrypted=True)
        strings = (b"A = 1", b"B = 2", b"", b"")
        expected = b"".join(encode_string(text, encrypted=True) for text in strings)
        self.assertEqual(ad, encode_int(2) + expected)

    def test_round_trip(self) -> None:
        """Both forms are read back alike, and the end is found."""
        for encrypted in (False, True):
            ad = encode_ad([b"Name = 1", b"b=2"], [b"C = 3"], encrypted=encrypted)
            attributes, end = parse_ad(ad + b"rest", encrypted=encrypted)
            self.assertEqual(attributes, {"name": "1", "b": "2", "c": "3"})
            self.assertEqual(end, len(ad))

    def test_cut_off(self) -> None:
        """An ad that ends too early is an error."""
        self.assertRaises(ValueError, parse_ad, encode_int(1) + b"A = 1")

    def test_count_ads(self) -> None:
        """The ads of a reply are counted to its final 0."""
        ad = encode_int(1) + encode_ad([b"A = 1"])
        self.assertEqual(count_ads(ad * 3 + encode_int(0)), 3)
        self.assertEqual(count_ads(encode_int(0)), 0)

    def test_count_ads_cut_off(self) -> None:
        """A reply without its final 0 is an error."""
        reply = encode_int(1) + encode_ad([b"A = 1"])
        self.assertRaises(ValueError, count_ads, reply)
