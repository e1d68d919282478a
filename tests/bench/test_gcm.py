"""Tests of ``bench.gcm``, with a conversation of the real 25.14.1 library."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidTag
from twisted.trial.unittest import SynchronousTestCase

from bench.gcm import GcmStream
from bench.wire import encode_int

KEY = bytes(range(32))
CLEAR_SENT = bytes.fromhex("0100000008000000000000ea6a")
CLEAR_RECEIVED = bytes.fromhex("010000000668656c6c6f00")
SENT = [
    bytes.fromhex(text)
    for text in (
        "0100000028666f778ab7fd7cae666d75a1522f667347ab593efc6532c3f10f329a8386db7a"
        "c43eb8140f4f48ef",
        "0100000019ab711b41d5215d057b0dbf6253808fe1f61c40408efde28e73",
    )
]
SENT_PLAIN = [encode_int(421), encode_int(1) + b"\0"]
RECEIVED = [
    bytes.fromhex(text)
    for text in (
        "010000003228ec63b54cc8c13358938a01b8499bce856c382b72851fd63bb2d3914b8974578"
        "83a634d07652e1cf8990f8a880e15b45d6d",
        "010000002008b47a0a4795ba05ff441c6c2658bcb3a21307968b9685f5ec33de95fd9f6a9e",
    )
]


def recorded_client() -> GcmStream:
    """Return the stream of the recorded conversation's client."""
    return GcmStream(
        KEY,
        SENT[0][5:21],
        hashlib.sha256(CLEAR_SENT).digest(),
        hashlib.sha256(CLEAR_RECEIVED).digest(),
    )


class RecordedTests(SynchronousTestCase):
    """The recorded conversation, from the client's side."""

    def test_seal(self) -> None:
        """What the client sends is what the library sent, packet after packet."""
        stream = recorded_client()
        self.assertEqual([stream.seal(plain) for plain in SENT_PLAIN], SENT)

    def test_open(self) -> None:
        """What the server sent is read, packet after packet."""
        stream = recorded_client()
        first = stream.open_packet(RECEIVED[0][:5], RECEIVED[0][5:])
        self.assertEqual(first, encode_int(10) + b"reply one\0")
        second = stream.open_packet(RECEIVED[1][:5], RECEIVED[1][5:])
        self.assertEqual(second, encode_int(0x3FFFFFFF) + encode_int(1))

    def test_damaged(self) -> None:
        """A damaged packet is not read, wherever the damage is."""
        for position in range(len(RECEIVED[0])):
            damaged = bytearray(RECEIVED[0])
            damaged[position] ^= 1
            self.assertRaises(
                InvalidTag,
                recorded_client().open_packet,
                bytes(damaged[:5]),
                bytes(damaged[5:]),
            )


class PacketsTests(SynchronousTestCase):
    """Messages of several packets."""

    def test_every_packet_counts(self) -> None:
        """The peer opens packet after packet of a message cut into three."""
        ours = GcmStream(KEY, bytes(16), None, None)
        theirs = GcmStream(KEY, bytes(16), None, None)
        data = ours.seal(b"abcdefgh", 3)
        parts = []
        ends = []
        while data:
            size = int.from_bytes(data[1:5], "big")
            parts.append(theirs.open_packet(data[:5], data[5 : 5 + size]))
            ends.append(data[0])
            data = data[5 + size :]
        self.assertEqual(parts, [b"abc", b"def", b"gh"])
        self.assertEqual(ends, [0, 0, 1])

    def test_counter_wraps(self) -> None:
        """The counter in the IV wraps without touching the bytes behind it."""
        base = b"\xff\xff\xff\xff" + bytes(range(12))
        ours = GcmStream(KEY, base, None, None)
        theirs = GcmStream(KEY, bytes(16), None, None)
        for plain in (b"first", b"second"):
            sealed = ours.seal(plain)
            self.assertEqual(theirs.open_packet(sealed[:5], sealed[5:]), plain)
