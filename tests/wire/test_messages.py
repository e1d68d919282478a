"""Tests of ``condor_twisted.wire.messages``."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import (
    LimitExceeded,
    LocalProtocolError,
    MalformedMessage,
    RemoteProtocolError,
    TrailingData,
)
from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.messages import (
    MessageReader,
    MessageWriter,
    narrow_signed,
)
from condor_twisted.wire.stream_frames import StreamFramer
from tests.wire.cedar_vectors import vector, vectors

KEY = bytes(range(24))

_WIRE_INT = st.integers(-(2**63), 2**63 - 1)
_WIRE_TEXT = st.binary(max_size=40).filter(lambda text: 0 not in text)


def written(fill: Callable[[MessageWriter], None], encrypted: bool = False) -> bytes:
    """Return the message that ``fill`` writes."""
    writer = MessageWriter(encrypted)
    fill(writer)
    return writer.end_of_message()


def putting_int(value: int) -> Callable[[MessageWriter], None]:
    """Return a function that writes ``value``."""

    def fill(writer: MessageWriter) -> None:
        writer.put_int(value)

    return fill


def unframed(data: bytes) -> bytes:
    """Return the one message of a clear stream."""
    framer = StreamFramer()
    framer.receive_data(data)
    message = framer.next_message()
    if message is None:
        raise AssertionError("no whole message")
    return message


class RecordedEncodingTests(SynchronousTestCase):
    """What HTCondor's library wrote is what we write."""

    def assert_written(
        self, what: str, *fills: Callable[[MessageWriter], None]
    ) -> None:
        """Compare the vectors named ``what``, in order, with what is put."""
        recorded = vectors(what)
        self.assertEqual(len(recorded), len(fills))
        for expected, fill in zip(recorded, fills, strict=True):
            frame = StreamFramer().frame_message(written(fill))
            self.assertEqual(frame, expected.data, expected.meaning)

    def test_chars(self) -> None:
        """A char is one byte."""
        self.assert_written("put char", lambda w: w.put_char(ord("A")))
        self.assert_written("put unsigned char", lambda w: w.put_char(255))

    def test_integers(self) -> None:
        """Every signed type is eight bytes, sign-extended."""
        values = {
            "put int": [0, 1, -1, 421, 60010, 2147483647, -2147483648],
            "put short": [-2],
            "put long": [-5, 9223372036854775807, -9223372036854775808],
        }
        for what, numbers in values.items():
            self.assert_written(what, *map(putting_int, numbers))

    def test_unsigned_integers(self) -> None:
        """Every unsigned type is eight bytes, extended by zeros."""
        self.assert_written("put unsigned int", lambda w: w.put_uint(4294967295))
        self.assert_written("put unsigned short", lambda w: w.put_uint(65535))
        self.assert_written("put unsigned long", *[lambda w: w.put_uint(2**64 - 1)] * 2)

    def test_doubles(self) -> None:
        """A double is a fraction and an exponent; what is not finite is lost."""
        values = [
            *(0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 100.0, 3.14, 0.1, 0.9999999999999999),
            *(1e300, 1e-300, 5e-324, math.inf, -math.inf, math.nan),
        ]
        self.assert_written(
            "put double", *[lambda w, x=x: w.put_double(x) for x in values]
        )
        single = struct.unpack("<f", struct.pack("<f", 3.14))[0]
        self.assert_written("put float", lambda w: w.put_double(single))

    def test_strings(self) -> None:
        """A clear string is its bytes and one NUL; NULL has its own byte."""
        self.assert_written(
            "put string",
            lambda w: w.put_string(""),
            lambda w: w.put_string("hello"),
            lambda w: w.put_string("caf\xe9"),
            lambda w: w.put_string(b"\xad"),
            lambda w: w.put_string(""),
        )
        self.assert_written("put_nullstr NULL", lambda w: w.put_nullstr(None))
        self.assert_written("put_secret, no key", lambda w: w.put_secret("secret"))
        self.assert_written("put_bytes", lambda w: w.put_bytes(b"\0\1\2"))

    def test_mixed_message(self) -> None:
        """Items follow each other without anything between."""

        def fill(writer: MessageWriter) -> None:
            writer.put_int(442)
            writer.put_string("abc")
            writer.put_double(0.5)
            writer.put_int(-7)

        self.assert_written("mixed message", fill)

    def test_one_secret_on_a_clear_stream(self) -> None:
        """With a key and without encryption, the secret alone is encrypted."""
        recorded = unframed(
            vector("3DES key present, crypto mode off, one secret").data
        )
        writer = MessageWriter(secrets=CfbCipher("3DES", KEY))
        writer.put_int(421)
        writer.put_string("hello")
        writer.put_secret("sek")
        self.assertEqual(writer.end_of_message(), recorded)
        reader = MessageReader(recorded, secrets=CfbCipher("3DES", KEY))
        self.assertEqual(reader.get_int(), 421)
        self.assertEqual(reader.get_string(), "hello")
        self.assertEqual(reader.get_secret(), "sek")
        reader.end_of_message()


class RecordedDecodingTests(SynchronousTestCase):
    """What HTCondor's library read from given bytes is what we read."""

    def reader(self, what: str) -> MessageReader:
        """Return a reader for the message of a vector."""
        return MessageReader(unframed(vector(what).data))

    def test_integers_are_cut(self) -> None:
        """A reader of a narrow type takes the lower bits and nothing else."""
        reader = self.reader("decode int wider than 32 bits is truncated")
        self.assertEqual(reader.get_int32(), 0)
        reader.end_of_message()
        reader = self.reader("decode int 2**31 wraps")
        self.assertEqual(reader.get_int32(), -2147483648)
        reader = self.reader("decode garbage in the upper half is ignored")
        self.assertEqual(reader.get_int32(), 1)
        reader = self.reader("decode unsigned from -1")
        self.assertEqual(reader.get_uint() & 0xFFFFFFFF, 4294967295)
        reader = self.reader("decode short truncates")
        self.assertEqual(narrow_signed(reader.get_int(), 16), 4464)

    def test_int_from_four_bytes(self) -> None:
        """There is no integer of four bytes."""
        reader = self.reader("decode int from 4 bytes fails")
        with self.assertRaises(MalformedMessage):
            reader.get_int()

    def test_trailing_bytes(self) -> None:
        """What is left at the end is an error of its own, after the data are read."""
        reader = self.reader("decode trailing bytes: get ok, end_of_message fails")
        self.assertEqual(reader.get_int32(), 5)
        with self.assertRaises(TrailingData) as caught:
            reader.end_of_message()
        self.assertEqual(caught.exception.count_bytes, 2)

    def test_string_without_nul(self) -> None:
        """A string ends inside its message."""
        reader = self.reader("decode string without NUL fails")
        with self.assertRaises(MalformedMessage):
            reader.get_string()

    def test_null_marker(self) -> None:
        """The NULL byte is one byte, whatever follows, and an empty string."""
        reader = self.reader("decode string marker 0xAD read as string gives empty")
        self.assertEqual(reader.get_string(), "")
        reader.end_of_message()
        reader = self.reader("decode 0xAD then text: empty, rest left over")
        self.assertEqual(reader.get_string(), "")
        self.assertEqual(reader.remaining, 4)
        reader = self.reader("decode nullstr marker")
        self.assertIsNone(reader.get_nullstr())
        reader.end_of_message()

    def test_doubles(self) -> None:
        """A double comes back with the bits that were sent."""
        reader = self.reader("decode double 2.0 as sent by exact frac 0x7fffffff")
        self.assertEqual(reader.get_double(), 2.0)
        reader = self.reader("decode double 1.0 does not survive")
        self.assertEqual(reader.get_double(), 0.9999999995343387)

    def test_frames_divide_anywhere(self) -> None:
        """Items know nothing of the frames they came in."""
        reader = self.reader("decode string split over two packets")
        self.assertEqual(reader.get_string(), "abc")
        reader = self.reader("decode int split over two packets")
        self.assertEqual(reader.get_int(), 9)
        reader = self.reader("decode end flag 10 ends a message")
        self.assertEqual(reader.get_int(), 1)


class CodecTests(SynchronousTestCase):
    """Items go in and come out, on clear and on encrypted streams."""

    @settings(deadline=None, max_examples=60)
    @given(
        st.booleans(),
        _WIRE_INT,
        st.integers(0, 2**64 - 1),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        _WIRE_TEXT.filter(lambda text: not text.startswith(b"\xad")),
        st.binary(max_size=20),
        st.integers(0, 255),
    )
    def test_round_trip(
        self,
        encrypted: bool,
        number: int,
        unsigned: int,
        text: str,
        raw: bytes,
        data: bytes,
        char: int,
    ) -> None:
        """What is put in order is got in order, and nothing is left."""
        writer = MessageWriter(encrypted)
        writer.put_int(number)
        writer.put_uint(unsigned)
        writer.put_string(text)
        writer.put_string(raw)
        writer.put_nullstr(None)
        writer.put_nullstr(text)
        writer.put_bytes(data)
        writer.put_char(char)
        writer.put_secret(text)
        reader = MessageReader(writer.end_of_message(), encrypted=encrypted)
        self.assertEqual(reader.get_int(), number)
        self.assertEqual(reader.get_uint(), unsigned)
        self.assertEqual(reader.get_string(), text)
        self.assertEqual(reader.get_string_bytes(), raw)
        self.assertIsNone(reader.get_nullstr())
        self.assertEqual(reader.get_nullstr(), text)
        self.assertEqual(reader.get_bytes(len(data)), data)
        self.assertEqual(reader.get_char(), char)
        self.assertFalse(reader.at_end())
        self.assertEqual(reader.get_secret(), text)
        self.assertTrue(reader.at_end())
        reader.end_of_message()

    @settings(deadline=None, max_examples=60)
    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_double_round_trip(self, number: float) -> None:
        """A double keeps 30 bits of its fraction."""
        payload = written(lambda w: w.put_double(number))
        received = MessageReader(payload).get_double()
        self.assertLessEqual(abs(received - number), abs(number) * 2**-29 + 5e-324)

    def test_double_of_a_hostile_exponent(self) -> None:
        """An exponent beyond a double's range saturates as in C."""
        for fraction, exponent, expected in [
            (2**30, 2**31 - 1, math.inf),
            (-(2**30), 5000, -math.inf),
            (2**30, -(2**31), 0.0),
        ]:
            payload = struct.pack(">qq", fraction, exponent)
            self.assertEqual(MessageReader(payload).get_double(), expected)

    def test_mnh_10_8_text_is_kept_byte_for_byte(self) -> None:
        """A string that is no UTF-8 goes out again as it came in."""
        reader = MessageReader(b"\xff\xfeab\0")
        text = reader.get_string()
        self.assertEqual(written(lambda w: w.put_string(text)), b"\xff\xfeab\0")

    def test_mnh_1_10_counts_are_checked_first(self) -> None:
        """A count outside of the message is refused before anything uses it."""
        for count in (-1, -(2**63)):
            with self.assertRaises(LimitExceeded):
                MessageReader(bytes(8)).get_bytes(count)
        for count in (9, 2**63 - 1):
            with self.assertRaises(MalformedMessage):
                MessageReader(bytes(8)).get_bytes(count)
        self.assertEqual(MessageReader(bytes(8)).get_bytes(8), bytes(8))

    def test_mnh_1_11_encrypted_string(self) -> None:
        """A prefixed string is at least its NUL, in the message, and ends in it."""
        for length, text, error in [
            (0, b"", LimitExceeded),
            (-1, b"a\0", LimitExceeded),
            (-(2**63), b"a\0", LimitExceeded),
            (10_000_001, b"a\0", LimitExceeded),
            (10_000_000, b"a\0", MalformedMessage),
            (3, b"a\0", MalformedMessage),
            (2, b"ab", MalformedMessage),
            (4, b"a\0b\0", MalformedMessage),
            (3, b"\xadab", MalformedMessage),
        ]:
            payload = struct.pack(">q", length) + text
            with self.assertRaises(error, msg=f"{length} {text!r}"):
                MessageReader(payload, encrypted=True).get_string()
        with self.assertRaises(MalformedMessage):
            MessageReader(bytes(7), encrypted=True).get_string()

    def test_prefixed_null(self) -> None:
        """NULL has a length of 1; a longer string that begins so is NULL too."""
        payload = written(lambda w: w.put_nullstr(None), encrypted=True)
        self.assertEqual(payload, struct.pack(">q", 1) + b"\xad")
        self.assertIsNone(MessageReader(payload, encrypted=True).get_nullstr())
        self.assertEqual(MessageReader(payload, encrypted=True).get_string(), "")
        payload = struct.pack(">q", 3) + b"\xada\0"
        self.assertIsNone(MessageReader(payload, encrypted=True).get_nullstr())

    def test_secret_damage(self) -> None:
        """A secret under a wrong key or cut short is refused, and not shown."""
        writer = MessageWriter(secrets=CfbCipher("3DES", KEY))
        writer.put_secret("the secret")
        payload = writer.end_of_message()
        reader = MessageReader(payload, secrets=CfbCipher("3DES", KEY[::-1]))
        with self.assertRaises(RemoteProtocolError):
            reader.get_secret()
        for size in range(len(payload)):
            reader = MessageReader(payload[:size], secrets=CfbCipher("3DES", KEY))
            with self.assertRaises(RemoteProtocolError):
                reader.get_secret()

    def test_a_secret_cipher_is_idle_on_an_encrypted_stream(self) -> None:
        """Where all is encrypted, a secret is a string like any other."""
        cipher = CfbCipher("3DES", KEY)
        writer = MessageWriter(True, secrets=cipher)
        writer.put_secret("abc")
        payload = writer.end_of_message()
        self.assertEqual(payload, struct.pack(">q", 4) + b"abc\0")
        reader = MessageReader(payload, encrypted=True, secrets=cipher)
        self.assertEqual(reader.get_secret(), "abc")

    def test_what_cannot_be_sent(self) -> None:
        """Our own mistakes are errors of their own kind."""
        for fill in (
            putting_int(2**63),
            putting_int(-(2**63) - 1),
            lambda w: w.put_uint(-1),
            lambda w: w.put_uint(2**64),
            lambda w: w.put_char(256),
            lambda w: w.put_char(-1),
            lambda w: w.put_string("a\0b"),
            lambda w: w.put_string(b"\0"),
            lambda w: w.put_string("\ud800"),
            lambda w: w.put_ad(b"A = 1"),
            lambda w: None,
        ):
            with self.assertRaises(LocalProtocolError):
                written(fill)
        for offset in (-1, 9):
            with self.assertRaises(LocalProtocolError):
                MessageReader(bytes(8), offset)

    def test_positions(self) -> None:
        """A reader begins where it is told, and tells where it is."""
        reader = MessageReader(bytes(8) + b"ab\0cd", 8)
        self.assertEqual((reader.position, reader.remaining), (8, 5))
        reader.get_string()
        self.assertEqual((reader.position, reader.remaining), (11, 2))

    @settings(deadline=None, max_examples=150)
    @given(
        st.booleans(),
        st.booleans(),
        st.binary(max_size=120),
        st.lists(st.integers(0, 9), min_size=1, max_size=8),
    )
    def test_mnh_0_1_any_bytes(
        self, encrypted: bool, key: bool, payload: bytes, calls: list[int]
    ) -> None:
        """Whatever arrives, a reader answers or raises what it says it raises."""
        cipher = CfbCipher("3DES", KEY) if key else None
        reader = MessageReader(payload, encrypted=encrypted, secrets=cipher)
        getters: list[Callable[[], object]] = [
            reader.get_char,
            reader.get_int,
            reader.get_int32,
            reader.get_uint,
            reader.get_double,
            reader.get_string,
            reader.get_nullstr,
            reader.get_secret,
            reader.get_ad,
            reader.end_of_message,
        ]
        for call in calls:
            try:
                getters[call]()
            except RemoteProtocolError:
                return
            self.assertGreaterEqual(reader.remaining, 0)
