"""Tests of ``condor_twisted.wire.messages``."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.messages import (
    MessageReader,
    MessageWriter,
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
        for what, value in [
            ("put unsigned int", 4294967295),
            ("put unsigned short", 65535),
        ]:
            self.assert_written(what, lambda w, n=value: w.put_uint(n))
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
