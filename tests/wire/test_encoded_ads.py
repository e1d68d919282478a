"""Tests of ``condor_twisted.wire.encoded_ads``, and of ads in messages."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import (
    LimitExceeded,
    LocalProtocolError,
    MalformedMessage,
    RemoteProtocolError,
)
from condor_twisted.wire import encoded_ads
from condor_twisted.wire.ciphers import CfbCipher, Md5Protection
from condor_twisted.wire.encoded_ads import (
    EncodedAd,
    check_attribute_line,
    decode_prefixed_ad,
    encode_prefixed,
    split_clear_ad,
)
from condor_twisted.wire.messages import MessageReader, MessageWriter
from condor_twisted.wire.stream_frames import StreamFramer
from tests.wire.cedar_vectors import sequence, vector

KEY = bytes(range(24))
FORMS = (False, True)


def message(
    *ads: bytes, encrypted: bool = False, types: tuple[bytes, ...] = (b"", b"")
) -> bytes:
    """Return a message of ads whose lines are taken as they are, however odd."""
    pieces: list[bytes] = []
    for body in ads:
        lines = body.split(b"\0")[:-1]
        pieces.append(struct.pack(">q", len(lines)))
        for text in (*lines, *types):
            if encrypted:
                pieces.append(struct.pack(">q", len(text) + 1))
            pieces.append(text + b"\0")
    return b"".join(pieces)


def decoded(
    payload: bytes, offset: int = 0, *, encrypted: bool, limit: int = 1000
) -> tuple[EncodedAd, int]:
    """Decode one ad in the form asked for."""
    decode = decode_prefixed_ad if encrypted else split_clear_ad
    return decode(payload, offset, limit)


def exactly(payload: bytes, encrypted: bool) -> tuple[EncodedAd, int] | None:
    """Decode one ad string by string; ``None`` if it is none."""
    read = (
        encoded_ads.read_prefixed_string if encrypted else encoded_ads.read_clear_string
    )
    try:
        (count,) = struct.unpack_from(">q", payload)
        return encoded_ads._read_exactly(
            payload, 8, count, read, encoded_ads._secret_reader(payload, read)
        )
    except RemoteProtocolError:
        return None


class RecordedAdTests(SynchronousTestCase):
    """Ads of HTCondor's own tools and daemons."""

    def test_update(self) -> None:
        """An update with a secret in clear and an expression of each kind."""
        reader = MessageReader(vector("UDP UPDATE_AD_GENERIC, small ad").data)
        self.assertEqual(reader.get_int(), 58)
        ad = reader.get_ad()
        reader.end_of_message()
        self.assertEqual(ad.count, 12)
        self.assertEqual(ad.body.count(0), 11)
        self.assertTrue(ad.body.startswith(b'B = true\0C = [ x = 1; y = "z" ]\0'))
        (secret,) = ad.secret_lines
        self.assertTrue(secret.startswith(b"ClaimId = "))

    def test_query_and_reply(self) -> None:
        """Ads come back byte for byte, alone or among other items."""
        framer = StreamFramer()
        framer.receive_data(vector("TCP QUERY_GENERIC_ADS").data)
        reader = MessageReader(framer.next_message() or b"")
        self.assertEqual(reader.get_int(), 74)
        query = reader.get_ad()
        reader.end_of_message()
        writer = MessageWriter()
        writer.put_int(74)
        writer.put_ad(query.body, query.secret_lines)
        self.assertEqual(
            StreamFramer().frame_message(writer.end_of_message()),
            vector("TCP QUERY_GENERIC_ADS").data,
        )
        framer.receive_data(vector("query reply, one projected ad").data)
        reader = MessageReader(framer.next_message() or b"")
        self.assertEqual(reader.get_int(), 1)
        self.assertEqual(
            reader.get_ad(), EncodedAd(2, b'MyType = "Generic"\0Name = "v1"\0')
        )
        self.assertEqual(reader.get_int(), 0)
        reader.end_of_message()

    def test_two_messages_on_one_connection(self) -> None:
        """An update and a NOP behind it."""
        framer = StreamFramer()
        framer.receive_data(vector("TCP UPDATE_AD_GENERIC and NOP").data)
        reader = MessageReader(framer.next_message() or b"")
        self.assertEqual(reader.get_int(), 58)
        self.assertEqual(reader.get_ad().count, 12)
        reader.end_of_message()
        self.assertEqual(MessageReader(framer.next_message() or b"").get_int(), 60011)

    def test_encrypted_secret_in_a_clear_ad(self) -> None:
        """A claim id behind a marker, under a key that encrypts nothing else."""
        frame = sequence("MD5 daemon session")[-1]
        framer = StreamFramer()
        framer.enable_protection(Md5Protection(frame.key))
        framer.receive_data(frame.data)
        payload = framer.next_message() or b""
        reader = MessageReader(payload, secrets=CfbCipher("3DES", frame.key))
        ad = reader.get_ad()
        reader.end_of_message()
        self.assertEqual(ad.count, 4)
        self.assertEqual(len(ad.secret_lines), 1)
        self.assertTrue(ad.secret_lines[0].startswith(b"ClaimId = "))
        writer = MessageWriter(secrets=CfbCipher("3DES", frame.key))
        writer.put_ad(ad.body, ad.secret_lines)
        self.assertEqual(writer.end_of_message(), payload)


class AdTests(SynchronousTestCase):
    """Ads in both forms, by the quick and by the exact way."""

    def test_forms(self) -> None:
        """The clear form comes out of either, with the offset behind the ad."""
        body = b'A = 1\0Name = "x"\0'
        for encrypted in FORMS:
            for odd_types in ((b"", b""), (b"Job", b""), (b"", b"Machine")):
                payload = message(body, encrypted=encrypted, types=odd_types)
                for tail in (b"", b"\0", b"junk", bytes(8)):
                    ad, end = decoded(payload + tail, encrypted=encrypted)
                    self.assertEqual(ad, EncodedAd(2, body))
                    self.assertEqual(end, len(payload))

    def test_null_types(self) -> None:
        """Type strings may be NULL."""
        payload = struct.pack(">q", 1) + b"A = 1\0\xad\xad"
        self.assertEqual(split_clear_ad(payload), (EncodedAd(1, b"A = 1\0"), 16))

    def test_empty_ad(self) -> None:
        """An ad without attributes is one."""
        for encrypted in FORMS:
            payload = message(b"", encrypted=encrypted)
            ad, end = decoded(payload, encrypted=encrypted)
            self.assertEqual((ad, end), (EncodedAd(0, b""), len(payload)))
            with self.assertRaises(MalformedMessage):
                decoded(payload[:-1], encrypted=encrypted)

    def test_two_ads(self) -> None:
        """A public and a private ad in one message, of any sizes."""
        for first in (1, 2, 255, 256, 300):
            for second in (0, 1, 255, 256, 300):
                bodies = [
                    b"".join(b"A%d = %d\0" % (i, i) for i in range(count))
                    for count in (first, second)
                ]
                for encrypted in FORMS:
                    payload = message(*bodies, encrypted=encrypted)
                    ad, end = decoded(payload, encrypted=encrypted)
                    self.assertEqual(ad, EncodedAd(first, bodies[0]))
                    ad, end = decoded(payload, end, encrypted=encrypted)
                    self.assertEqual(ad, EncodedAd(second, bodies[1]))
                    self.assertEqual(end, len(payload))

    def test_many_ads(self) -> None:
        """A reply of many ads is read in time that grows with its length only."""
        body = b"".join(b"Attribute%d = %d\0" % (i, i) for i in range(40))
        for encrypted in FORMS:
            writer = MessageWriter(encrypted)
            for _ in range(3000):
                writer.put_int(1)
                writer.put_ad(body)
            writer.put_int(0)
            reader = MessageReader(writer.end_of_message(), encrypted=encrypted)
            count = 0
            while reader.get_int():
                self.assertEqual(reader.get_ad(), EncodedAd(40, body))
                count += 1
            reader.end_of_message()
            self.assertEqual(count, 3000)

    def test_usual_ads_take_the_quick_way(self) -> None:
        """Neither the exact reader nor a doubt is in the way of a usual ad."""
        body = (
            b'MyType = "Machine"\0Name = "slot1@host"\0Cpus = 8\0'
            b"START = TARGET.x == 1\0rank = 0.0\0_condor_x = foo\0"
        )
        for tail in (b"", message(b"A = 1\0")):
            payload = message(body) + tail
            self.assertEqual(encoded_ads._cut_clear_from_end(payload, 8, 6), body)
            payload = message(body, encrypted=True) + tail
            self.assertEqual(encoded_ads.cut_prefixed(payload, 8, 6), body)
        self.assertTrue(encoded_ads._lines_are_plain(body, 6))

    def test_odd_but_right_lines(self) -> None:
        """Blanks, signs and long texts that leave a doubt are right all the same."""
        long_value = b'A = "%s"\0' % (b"x" * 9000)
        for body in (
            b" A = 1 \0",
            b"\tA =1\0",
            b"bad bad = 1\0",
            b"A=1\0",
            b"A = x =\0",
            b"A = \t\0",
            b"foo = bar\0",
            b"A = caf\xc3\xad\0",
            b"A\xad = 1\0",
            long_value,
            b"A = 1\0" + long_value + b"B = 2\0",
        ):
            for encrypted in FORMS:
                payload = message(body, encrypted=encrypted)
                ad, end = decoded(payload, encrypted=encrypted)
                self.assertEqual((ad.body, end), (body, len(payload)))

    def test_lines_that_are_none(self) -> None:
        """A line without ``=``, name or value spoils the ad, wherever it stands."""
        good = b'Name = "x"\0Cpus = 1\0'
        for line in (
            b"Foo",
            b"Foo =",
            b"Foo =  ",
            b"= 3",
            b" = 3",
            b" \t\r= 3",
            b"",
            b"\xad",
            b"\xadA = 1",
            b"=",
        ):
            for body in (
                line + b"\0",
                good + line + b"\0",
                line + b"\0" + good,
                good + line + b"\0" + good,
            ):
                for encrypted in FORMS:
                    payload = message(body, encrypted=encrypted)
                    with self.assertRaises(MalformedMessage, msg=f"{body!r}"):
                        decoded(payload, encrypted=encrypted)

    def test_mnh_0_5_the_error_does_not_show_the_line(self) -> None:
        """The error says what is wrong, and nothing of the line itself."""
        with self.assertRaisesRegex(MalformedMessage, r"line of 10 bytes has no '='"):
            split_clear_ad(message(b"no equals\n\0"))
        payload = struct.pack(">q", 1) + b"ZKM\0hidden thing\0\0\0"
        with self.assertRaises(MalformedMessage) as caught:
            split_clear_ad(payload)
        self.assertNotIn("hidden", str(caught.exception))

    def test_secrets_without_a_key(self) -> None:
        """The marker is understood in any position, in clear and encrypted."""
        for encrypted in FORMS:
            for lines in ((b"ZKM", b"S = 1", b"A = 1"), (b"A = 1", b"ZKM", b"S = 1")):
                payload = message(b"\0".join(lines) + b"\0", encrypted=encrypted)
                payload = struct.pack(">q", 2) + payload[8:]
                ad, end = decoded(payload, encrypted=encrypted)
                self.assertEqual(ad, EncodedAd(2, b"A = 1\0", (b"S = 1",)))
                self.assertEqual(end, len(payload))

    def test_secret_lines_are_sent_hidden_or_plain(self) -> None:
        """The marker is written exactly where a key hides what follows it."""
        for encrypted in FORMS:
            writer = MessageWriter(encrypted)
            writer.put_ad(b"A = 1\0", [b"S = 2"])
            self.assertEqual(
                writer.end_of_message(),
                message(b"A = 1\0S = 2\0", encrypted=encrypted),
            )
        writer = MessageWriter(secrets=CfbCipher("BLOWFISH", KEY))
        writer.put_ad(b"A = 1\0", [b"S = 2", b"T = 3"])
        payload = writer.end_of_message()
        self.assertIn(b"ZKM\0", payload)
        self.assertNotIn(b"S = 2", payload)
        reader = MessageReader(payload, secrets=CfbCipher("BLOWFISH", KEY))
        self.assertEqual(
            reader.get_ad(), EncodedAd(3, b"A = 1\0", (b"S = 2", b"T = 3"))
        )
        reader.end_of_message()

    def test_no_repr_shows_an_ad(self) -> None:
        """An ad's repr says how large it is."""
        ad = EncodedAd(2, b'ClaimId = "xyz"\0', (b"Key = 1",))
        self.assertNotIn("xyz", repr(ad))
        self.assertNotIn("Key", repr(ad))

    def test_mnh_1_7_attribute_count(self) -> None:
        """One attribute over the limit refuses the ad."""
        for encrypted in FORMS:
            payload = message(b"A = 1\0B = 2\0", encrypted=encrypted)
            self.assertEqual(decoded(payload, encrypted=encrypted, limit=2)[0].count, 2)
            with self.assertRaises(LimitExceeded) as caught:
                decoded(payload, encrypted=encrypted, limit=1)
            self.assertEqual((caught.exception.limit, caught.exception.value), (1, 2))
        self.assertEqual(encoded_ads.MAX_ATTRIBUTES, 100_000)

    def test_mnh_1_10_hostile_counts(self) -> None:
        """A count is refused before anything is read by it."""
        for encrypted in FORMS:
            for count in (-1, -(2**63), 2**63 - 1, 2**32, 100_001):
                payload = struct.pack(">q", count) + b"A = 1\0\0\0"
                with self.assertRaises(LimitExceeded):
                    decoded(payload, encrypted=encrypted, limit=100_000)
            for count in (2, 3, 4, 100_000):
                payload = message(b"A = 1\0", encrypted=encrypted)
                payload = struct.pack(">q", count) + payload[8:]
                with self.assertRaises(MalformedMessage):
                    decoded(payload, encrypted=encrypted, limit=100_000)

    def test_mnh_1_9_line_and_name_length(self) -> None:
        """A line of 1 MiB and a name of 4 KiB are taken, one byte more is not."""
        for encrypted in FORMS:
            for name, value in ((4096, 1), (4096, 5000), (1, (1 << 20) - 2)):
                line = b"n" * name + b"=" + b"9" * value
                for body in (line + b"\0", b"A = 1\0" + line + b"\0B = 2\0"):
                    payload = message(body, encrypted=encrypted)
                    self.assertEqual(
                        decoded(payload, encrypted=encrypted)[0].body, body
                    )
            for line in (b"n" * 4097 + b"=1", b"n=" + b"9" * ((1 << 20) - 1)):
                for body in (line + b"\0", b"A = 1\0" + line + b"\0B = 2\0"):
                    payload = message(body, encrypted=encrypted)
                    with self.assertRaises(LimitExceeded):
                        decoded(payload, encrypted=encrypted)

    def test_mnh_1_11_lengths_in_an_ad(self) -> None:
        """Every length is compared with its string, in the quick way too."""
        body = b"A = 1\0Bc = 22\0D = 3\0"
        payload = message(body, encrypted=True)
        for position in range(8, len(payload)):
            for change in (1, 0x80):
                damaged = bytearray(payload)
                damaged[position] ^= change
                wanted = exactly(bytes(damaged), True)
                try:
                    got = decode_prefixed_ad(bytes(damaged))
                except RemoteProtocolError:
                    got = None
                self.assertEqual(got, wanted, f"byte {position}")
        with self.assertRaises(MalformedMessage):
            decode_prefixed_ad(
                struct.pack(">q", 1)
                + struct.pack(">q", 12)
                + b"A = 1\0B = 2\0"
                + (struct.pack(">q", 1) + b"\0") * 2
            )

    def test_truncation(self) -> None:
        """A message that ends within the ad is refused at each length."""
        body = b"A = 1\0Bc = 22\0"
        for encrypted in FORMS:
            payload = message(body, encrypted=encrypted)
            for size in range(len(payload)):
                with self.assertRaises(RemoteProtocolError):
                    decoded(payload[:size], encrypted=encrypted)

    @settings(deadline=None, max_examples=200)
    @given(
        st.booleans(),
        st.integers(0, 4),
        st.lists(st.sampled_from([b"A", b" ", b"=", b"\0", b"\xad", b"e1", b"ZKM\0"])),
        st.binary(max_size=12),
    )
    def test_quick_and_exact_agree(
        self, encrypted: bool, count: int, pieces: list[bytes], tail: bytes
    ) -> None:
        """On any bytes at all both ways give the same ad, or none."""
        body = b"".join(pieces)
        payload = message(body + b"\0", encrypted=encrypted)
        payload = struct.pack(">q", count) + payload[8:] + tail
        wanted = exactly(payload, encrypted)
        try:
            got = decoded(payload, encrypted=encrypted)
        except RemoteProtocolError:
            got = None
        self.assertEqual(got, wanted)

    @settings(deadline=None, max_examples=100)
    @given(
        st.booleans(),
        st.lists(
            st.tuples(
                st.from_regex(rb"\A[A-Za-z_][A-Za-z0-9_]{0,10}\Z"),
                st.binary(min_size=1, max_size=30).filter(
                    lambda value: 0 not in value and value.strip(b" ") != b""
                ),
            ),
            max_size=8,
        ),
    )
    def test_round_trip(
        self, encrypted: bool, pairs: list[tuple[bytes, bytes]]
    ) -> None:
        """What is put as lines is got as the same lines."""
        body = b"".join(name + b" = " + value + b"\0" for name, value in pairs)
        writer = MessageWriter(encrypted)
        writer.put_ad(body)
        reader = MessageReader(writer.end_of_message(), encrypted=encrypted)
        self.assertEqual(reader.get_ad(), EncodedAd(len(pairs), body))
        reader.end_of_message()


class PrefixTests(SynchronousTestCase):
    """From the clear form to that of an encrypted stream."""

    def test_encode_prefixed(self) -> None:
        """Each line gets its length, of any number of bytes."""
        for sizes in ((), (1,), (0, 3), (255, 256, 8190, 8191, 8192, 70_000)):
            lines = [b"x" * size for size in sizes]
            body = b"".join(line + b"\0" for line in lines)
            expected = b"".join(
                struct.pack(">q", len(line) + 1) + line + b"\0" for line in lines
            )
            self.assertEqual(encode_prefixed(body), expected)

    def test_last_nul(self) -> None:
        """A body whose last line does not end is our mistake."""
        with self.assertRaises(LocalProtocolError):
            encode_prefixed(b"A = 1")

    def test_check_attribute_line(self) -> None:
        """A plain line passes; that of a secret is not shown when it does not."""
        check_attribute_line(b"A = 1")
        with self.assertRaisesRegex(
            MalformedMessage, "a secret.s line of 10 bytes has no value"
        ):
            check_attribute_line(b"ClaimId = ", secret=True)
