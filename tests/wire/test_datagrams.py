"""Tests of ``condor_twisted.wire.datagrams``."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import (
    LimitExceeded,
    LocalProtocolError,
    MalformedMessage,
    RemoteProtocolError,
)
from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.datagrams import (
    MAX_DATAGRAM_BYTES,
    MessageId,
    Reassembler,
    ReassemblyLimits,
    SafeMessage,
    SafeMessageHeader,
    protect_message,
    split_message,
)
from condor_twisted.wire.messages import MessageReader
from tests.wire.cedar_vectors import sequence, vector, vectors

KEY = bytes(range(24))
ID = MessageId(1, 2, 3, 4)


def number(index: int) -> MessageId:
    """Return the id of another message."""
    return MessageId(1, 2, 3, index)


def delivered(reassembler: Reassembler, datagrams: list[bytes]) -> list[bytes]:
    """Return the payloads of the messages that the datagrams complete."""
    messages = [reassembler.receive(datagram, 0.0) for datagram in datagrams]
    return [message.payload for message in messages if message is not None]


def id_of(datagram: bytes) -> MessageId:
    """Return the id in a fragment."""
    return MessageId(
        int.from_bytes(datagram[13:17], "big"),
        int.from_bytes(datagram[17:19], "big"),
        int.from_bytes(datagram[19:23], "big"),
        int.from_bytes(datagram[23:25], "big"),
    )


class RecordedTests(SynchronousTestCase):
    """Datagrams of HTCondor's library and tools."""

    def test_short_message(self) -> None:
        """A short message is the codec's bytes, in and out."""
        data = vector("UDP short message").data
        message = Reassembler().receive(data, 0.0)
        self.assertEqual(message, SafeMessage(data))
        self.assertEqual(split_message(data, 1000, ID), [data])
        reader = MessageReader(data)
        self.assertEqual((reader.get_int(), reader.get_string()), (60000, "hi"))

    def test_fragmented_update(self) -> None:
        """An update of 63 attributes in three datagrams, in any order."""
        datagrams = [v.data for v in sequence("udpfrag2")]
        for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
            (payload,) = delivered(Reassembler(), [datagrams[i] for i in order])
            reader = MessageReader(payload)
            self.assertEqual(reader.get_int(), 58)
            self.assertEqual(reader.get_ad().count, 63)
            reader.end_of_message()
            self.assertEqual(
                split_message(payload, 1000, id_of(datagrams[0])), datagrams
            )

    def test_fragmented_and_protected(self) -> None:
        """The security header is in fragment 0 alone; the MAC covers all."""
        datagrams = [v.data for v in sequence("udpfrag1")]
        reassembler = Reassembler()
        self.assertIsNone(reassembler.receive(datagrams[1], 0.0))
        message = reassembler.receive(datagrams[0], 0.0)
        self.assertIsNotNone(message)
        if message is None:
            return
        self.assertTrue(message.verify_mac(KEY))
        cipher = CfbCipher("3DES", KEY)
        content = (bytes(range(256)) * 6)[:1500]
        self.assertEqual(message.decrypt(cipher), content)
        again = protect_message(
            content,
            encryption_key_id="host:1:2:3",
            cipher=cipher,
            mac_key_id="host:1:2:3",
            mac_key=KEY,
        )
        self.assertEqual(again, message)
        self.assertEqual(
            split_message(again.payload, 1000, id_of(datagrams[0]), again.header),
            datagrams,
        )

    def test_malformed(self) -> None:
        """What HTCondor drops is dropped, with a reason."""
        dropped = vectors("UDP malformed")
        self.assertEqual(len(dropped), 7)
        for bad in dropped[:-1]:
            reassembler = Reassembler()
            with self.assertRaises(MalformedMessage, msg=bad.what):
                reassembler.receive(bad.data, 0.0)
            self.assertEqual(reassembler.unfinished_count, 0)

    def test_no_flags(self) -> None:
        """A security header that says nothing is none."""
        data = vector("UDP malformed: CRAP with flags 0").data
        message = Reassembler().receive(data, 0.0)
        self.assertEqual(message, SafeMessage(data[10:]))


class SplitTests(SynchronousTestCase):
    """Messages to datagrams."""

    def test_boundary_of_the_short_form(self) -> None:
        """975 bytes go as they are; 976 need fragments, none of which is too short."""
        self.assertEqual(len(split_message(bytes(975), 1000, ID)), 1)
        for size, sizes in [
            (976, [997, 29]),
            (977, [998, 29]),
            (978, [999, 29]),
            (979, [1000, 29]),
            (1950, [1000, 1000]),
            (1951, [1000, 997, 29]),
        ]:
            datagrams = split_message(bytes(size), 1000, ID)
            self.assertEqual([len(datagram) for datagram in datagrams], sizes)

    def test_header_of_a_fragment(self) -> None:
        """Magic, last flag, sequence number, length and id, in this order."""
        first, second = split_message(
            bytes(1000), 1000, MessageId(0x01020304, 0x0506, 0x0708090A, 0x0B0C)
        )
        identity = "0102030405060708090a0b0c"
        self.assertEqual(
            first[:25].hex(), b"MaGic6.0".hex() + "00" + "0000" + "03cf" + identity
        )
        self.assertEqual(
            second[:25].hex(), b"MaGic6.0".hex() + "01" + "0001" + "0019" + identity
        )

    def test_fragment_sizes_out_of_range(self) -> None:
        """Sizes that cannot be are taken for the nearest that can, or the default."""
        for size in (0, -1):
            self.assertEqual(
                split_message(bytes(5000), size, ID),
                split_message(bytes(5000), 1000, ID),
            )
        self.assertEqual(
            split_message(bytes(200_000), 10**9, ID),
            split_message(bytes(200_000), 59_974, ID),
        )
        for datagram in split_message(bytes(100), 1, ID):
            self.assertGreaterEqual(len(datagram), 29)

    def test_no_later_fragment_begins_with_the_magic_word(self) -> None:
        """Receivers would cut it off as a security header."""
        payload = bytes(975) + b"CRAP" + bytes(100)
        datagrams = split_message(payload, 1000, ID)
        self.assertEqual(datagrams[1][25:30], b"\0CRAP")
        self.assertEqual(delivered(Reassembler(), datagrams), [payload])
        # The word at the very end, where the tail rule moves the boundary to it.
        payload = bytes(974) + b"CRAP"
        datagrams = split_message(payload, 1000, ID)
        self.assertEqual(datagrams[1][25:], b"\0CRAP")
        self.assertEqual(delivered(Reassembler(), datagrams), [payload])

    def test_long_key_ids(self) -> None:
        """The security header stays in one piece, whatever the fragment size."""
        header = SafeMessageHeader(encryption_key_id="s" * 300)
        datagrams = split_message(bytes(2000), 50, ID, header)
        self.assertGreater(len(datagrams), 2)
        reassembler = Reassembler()
        messages = [reassembler.receive(datagram, 0.0) for datagram in datagrams]
        self.assertEqual(messages[-1], SafeMessage(bytes(2000), header))

    def test_what_cannot_be_sent(self) -> None:
        """A message that every receiver would drop is not sent."""
        for payload in (b"", bytes(7), b"CRAP" + bytes(8), b"MaGic6.0" + bytes(30)):
            with self.assertRaises(LocalProtocolError):
                split_message(payload, 1000, ID)
        with self.assertRaises(LocalProtocolError):
            split_message(bytes(65537 * 8), 33, ID)
        with self.assertRaises(LocalProtocolError):
            split_message(
                bytes(8), 1000, ID, SafeMessageHeader(encryption_key_id="x" * 60_000)
            )

    def test_message_ids(self) -> None:
        """The number counts up and wraps; all else stays."""
        first = MessageId.random(lambda count: bytes(range(1, count + 1)))
        self.assertEqual(first, MessageId(0x01020304, 0x0506, 0x0708090A, 0x0B0C))
        self.assertEqual(
            first.next(), MessageId(0x01020304, 0x0506, 0x0708090A, 0x0B0D)
        )
        self.assertEqual(MessageId(1, 2, 3, 0xFFFF).next(), MessageId(1, 2, 3, 0))

    @settings(deadline=None, max_examples=80)
    @given(
        st.integers(8, 3000),
        st.integers(20, 400),
        st.sampled_from([b"\0", b"CRAP", b"\0CRAP", b"xCRAPCRAP"]),
        st.booleans(),
        st.randoms(use_true_random=False),
    )
    def test_round_trip(
        self,
        size: int,
        fragment_bytes: int,
        filling: bytes,
        protected: bool,
        order: random.Random,
    ) -> None:
        """However a message is cut, shuffled and doubled, it arrives once."""
        payload = b"\0" + (filling * size)[: size - 1]
        header = SafeMessageHeader()
        if protected:
            header = SafeMessageHeader("mac id", b"m" * 16, "key id")
        datagrams = split_message(payload, fragment_bytes, ID, header)
        for sequence_number, datagram in enumerate(datagrams):
            if len(datagrams) > 1:
                self.assertGreaterEqual(len(datagram), 29)
                if sequence_number:
                    self.assertFalse(datagram.startswith(b"CRAP", 25))
        order.shuffle(datagrams)
        reassembler = Reassembler()
        messages = []
        for datagram in datagrams[:-1]:
            messages.append(reassembler.receive(datagram, 0.0))
            if len(datagrams) > 1:
                messages.append(reassembler.receive(datagram, 0.0))
        self.assertEqual([m for m in messages if m is not None], [])
        self.assertEqual(
            reassembler.receive(datagrams[-1], 0.0), SafeMessage(payload, header)
        )
        self.assertEqual(reassembler.unfinished_count, 0)


class ReassemblyTests(SynchronousTestCase):
    """Datagrams to messages."""

    def test_interleaved(self) -> None:
        """Messages are told apart by their ids."""
        ones = split_message(b"1" * 3000, 1000, number(1))
        twos = split_message(b"2" * 3000, 1000, number(2))
        mixed = [d for pair in zip(ones, twos, strict=True) for d in pair]
        self.assertEqual(delivered(Reassembler(), mixed), [b"1" * 3000, b"2" * 3000])

    def test_duplicates(self) -> None:
        """Of two fragments in one place the first counts."""
        first, second = split_message(b"a" * 1000, 1000, ID)
        forged = first[:25] + b"b" * (len(first) - 25)
        self.assertEqual(
            delivered(Reassembler(), [first, forged, second]), [b"a" * 1000]
        )

    def test_lost_fragment(self) -> None:
        """What is not whole is not delivered."""
        datagrams = split_message(b"a" * 3000, 1000, ID)
        del datagrams[1]
        reassembler = Reassembler()
        self.assertEqual(delivered(reassembler, datagrams), [])
        self.assertEqual(reassembler.unfinished_count, 1)

    def test_contradictions(self) -> None:
        """A fragment behind the last, or another last, drops the message."""
        datagrams = split_message(b"a" * 5000, 1000, ID)
        short = split_message(b"a" * 3000, 1000, ID)
        for one, other in [
            (short[-1], datagrams[4]),
            (datagrams[-1], short[-1]),
            (short[-1], datagrams[-1]),
            (datagrams[4], short[-1]),
        ]:
            reassembler = Reassembler()
            reassembler.receive(one, 0.0)
            with self.assertRaises(MalformedMessage):
                reassembler.receive(other, 0.0)
            self.assertEqual(reassembler.unfinished_count, 0)

    def test_length_field_is_ignored(self) -> None:
        """The datagram itself says how long it is."""
        datagrams = split_message(b"a" * 1000, 1000, ID)
        datagrams = [d[:11] + b"\0\1" + d[13:] for d in datagrams]
        self.assertEqual(delivered(Reassembler(), datagrams), [b"a" * 1000])

    def test_short_fragments_are_dropped(self) -> None:
        """Fewer than four bytes of payload are none."""
        datagram = split_message(b"a" * 1000, 1000, ID)[0]
        for size in range(8, 29):
            with self.assertRaises(MalformedMessage):
                Reassembler().receive(datagram[:size], 0.0)
        self.assertIsNone(Reassembler().receive(datagram[:29], 0.0))

    def test_mnh_1_24_datagram_length(self) -> None:
        """60,000 bytes are taken; more are dropped whole."""
        message = Reassembler().receive(bytes(MAX_DATAGRAM_BYTES), 0.0)
        self.assertEqual(message, SafeMessage(bytes(60_000)))
        with self.assertRaises(LimitExceeded):
            Reassembler().receive(bytes(MAX_DATAGRAM_BYTES + 1), 0.0)

    def test_mnh_1_25_defaults(self) -> None:
        """The limits are those of the table."""
        self.assertEqual(
            ReassemblyLimits(),
            ReassemblyLimits(256, 16 << 20, 1 << 20, 1000, 10.0, 20.0),
        )

    def test_mnh_1_25_message_count(self) -> None:
        """One message too many and the oldest goes."""
        reassembler = Reassembler(ReassemblyLimits(messages=3))
        messages = [split_message(b"a" * 1000, 1000, number(i)) for i in range(4)]
        for first, _second in messages[:3]:
            reassembler.receive(first, 0.0)
        self.assertEqual((reassembler.unfinished_count, reassembler.given_up), (3, 0))
        reassembler.receive(messages[3][0], 0.0)
        self.assertEqual((reassembler.unfinished_count, reassembler.given_up), (3, 1))
        seconds = [second for _first, second in messages[1:]]
        self.assertEqual(len(delivered(reassembler, seconds)), 3)

    def test_mnh_1_25_bytes_in_all(self) -> None:
        """Memory is bounded, the cost of small fragments included."""
        reassembler = Reassembler(ReassemblyLimits(bytes=10_000))
        for index in range(50):
            reassembler.receive(split_message(b"a" * 2000, 1000, number(index))[0], 0.0)
        self.assertEqual(reassembler.unfinished_count, 5)
        self.assertEqual(reassembler.given_up, 45)
        tiny = split_message(b"a" * 4000, 33, ID)
        for datagram in tiny[:-1]:
            reassembler.receive(datagram, 0.0)
        self.assertLess(reassembler.unfinished_count, 2)

    def test_mnh_1_25_message_bytes(self) -> None:
        """A message at its limit is taken; one byte more drops it."""
        for size, taken in ((2000, True), (2001, False)):
            reassembler = Reassembler(ReassemblyLimits(message_bytes=2000))
            datagrams = split_message(bytes(size), 1000, ID)
            if taken:
                self.assertEqual(delivered(reassembler, datagrams), [bytes(size)])
            else:
                with self.assertRaises(LimitExceeded):
                    delivered(reassembler, datagrams)
            self.assertEqual(reassembler.unfinished_count, 0)

    def test_mnh_1_26_sequence_numbers(self) -> None:
        """A number beyond the most fragments drops the message, and costs nothing."""
        limits = ReassemblyLimits(message_fragments=3)
        datagrams = split_message(b"a" * 3900, 1000, ID)
        self.assertEqual(len(datagrams), 4)
        reassembler = Reassembler(limits)
        reassembler.receive(datagrams[0], 0.0)
        self.assertIsNone(reassembler.receive(datagrams[2], 0.0))
        with self.assertRaises(LimitExceeded):
            reassembler.receive(datagrams[3], 0.0)
        self.assertEqual(reassembler.unfinished_count, 0)
        fits = split_message(b"a" * 2900, 1000, ID)
        self.assertEqual(delivered(reassembler, fits), [b"a" * 2900])

    def test_mnh_1_25_gap(self) -> None:
        """Ten seconds after its last fragment a message is given up, not before."""
        first, second, third = split_message(b"a" * 2500, 1000, ID)
        reassembler = Reassembler()
        self.assertIsNone(reassembler.next_expiry_seconds)
        reassembler.receive(first, 100.0)
        self.assertEqual(reassembler.next_expiry_seconds, 110.0)
        self.assertIsNone(reassembler.receive(second, 109.9))
        self.assertEqual(reassembler.expire(110.0), 0)
        self.assertEqual(reassembler.next_expiry_seconds, 119.9)
        self.assertIsNotNone(reassembler.receive(third, 119.8))
        self.assertIsNone(reassembler.next_expiry_seconds)
        reassembler.receive(first, 200.0)
        self.assertEqual(reassembler.expire(209.9), 0)
        self.assertEqual(reassembler.expire(210.0), 1)
        self.assertEqual((reassembler.unfinished_count, reassembler.given_up), (0, 1))

    def test_mnh_1_25_age(self) -> None:
        """Twenty seconds after its first fragment a message is given up anyway."""
        datagrams = split_message(b"a" * 4500, 1000, ID)
        reassembler = Reassembler()
        for index, now_seconds in enumerate((0.0, 9.0, 18.0)):
            reassembler.receive(datagrams[index], now_seconds)
        self.assertEqual(reassembler.expire(19.9), 0)
        # Without a timer, too: the late fragment begins a message of its own.
        self.assertIsNone(reassembler.receive(datagrams[3], 20.0))
        self.assertEqual((reassembler.unfinished_count, reassembler.given_up), (1, 1))
        self.assertIsNone(reassembler.receive(datagrams[4], 20.0))

    @settings(deadline=None, max_examples=100)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from([b"", b"MaGic6.0", b"MaGic6.0\0\0\0", b"CRAP\0\3"]),
                st.binary(max_size=40),
            ),
            max_size=6,
        )
    )
    def test_mnh_0_1_any_bytes(self, pieces: list[tuple[bytes, bytes]]) -> None:
        """Whatever arrives is kept, delivered or refused with a reason."""
        reassembler = Reassembler()
        for index, (begin, rest) in enumerate(pieces):
            try:
                reassembler.receive(begin + rest, float(index))
            except RemoteProtocolError as error:
                self.assertNotEqual(str(error), "")
        reassembler.expire(1000.0)
        self.assertEqual(reassembler.unfinished_count, 0)
        self.assertEqual(reassembler._cost_bytes, 0)
