"""`condor_twisted.security.handshake.pod_ads`."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.literals import ERROR, UNDEFINED, LiteralValue
from condor_twisted.errors import (
    LimitExceeded,
    MalformedMessage,
    RemoteProtocolError,
)
from condor_twisted.security.handshake.pod_ads import (
    PodAd,
    parse_pod_message,
    put_pod_ad,
    read_pod_ad,
)
from condor_twisted.wire.messages import MessageReader, MessageWriter
from tests.security.recordings import (
    load_vector,
)


def message(*lines: bytes, encrypted: bool = False) -> bytes:
    """An ad of these lines."""
    writer = MessageWriter(encrypted)
    writer.put_ad(b"".join(line + b"\0" for line in lines))
    return writer.end_of_message()


def read(payload: bytes, encrypted: bool = False) -> PodAd:
    """Read a message of one ad."""
    reader = MessageReader(payload, encrypted=encrypted)
    ad = read_pod_ad(reader)
    reader.end_of_message()
    return ad


class ReadTests(SynchronousTestCase):
    """Ads from strangers."""

    def test_literals(self) -> None:
        """Each kind of literal is read in both forms of a stream."""
        for encrypted in (False, True):
            ad = read(
                message(
                    b'S = "text"',
                    b"I = -5",
                    b"R=1.5",
                    b"B = TRUE",
                    b"U = undefined",
                    b"E = error",
                    encrypted=encrypted,
                ),
                encrypted,
            )
            self.assertEqual(ad.string("s"), "text")
            self.assertEqual(ad.integer("I"), -5)
            self.assertEqual(ad.literal("r"), 1.5)
            self.assertIs(ad.boolean("b"), True)
            self.assertIs(ad.literal("U"), UNDEFINED)
            self.assertIs(ad.literal("E"), ERROR)
            self.assertEqual(sorted(ad), ["b", "e", "i", "r", "s", "u"])

    def test_wrong_type_is_missing(self) -> None:
        """A getter of another type has no answer."""
        ad = read(message(b"B = true", b'S = "1"', b"I = 1"))
        self.assertIsNone(ad.integer("B"))
        self.assertIsNone(ad.integer("S"))
        self.assertIsNone(ad.boolean("I"))
        self.assertIsNone(ad.string("I"))
        self.assertIsNone(ad.literal("missing"))

    def test_last_duplicate_wins(self) -> None:
        """Of two attributes of one name in any case the last counts."""
        self.assertEqual(read(message(b"A = 1", b"a = 2")).integer("A"), 2)

    def test_says_yes(self) -> None:
        """Only the word YES is yes."""
        ad = read(message(b'A = "yes"', b"B = true", b'C = "Y"'))
        self.assertTrue(ad.says_yes("A"))
        self.assertFalse(ad.says_yes("B"))
        self.assertFalse(ad.says_yes("C"))
        self.assertFalse(ad.says_yes("D"))

    def test_bounded_string(self) -> None:
        """A string at its limit passes, one byte more does not."""
        ad = read(message(b'A = "' + "äb".encode() + b'"'))
        self.assertEqual(ad.bounded_string("A", 3), "äb")
        self.assertRaises(LimitExceeded, ad.bounded_string, "A", 2)
        self.assertIsNone(ad.bounded_string("B", 2))

    def test_mnh_1_8_literals_only(self) -> None:
        """Expressions, lists, records, calls and what has no name are refused."""
        for line in (
            b"A = 1 + 1",
            b"A = foo",
            b"A = {1}",
            b"A = [x = 1]",
            b"A = time()",
            b'A = "x" "y"',
            b'A = "x',
            b"A =",
            b" = 1",
            b"A B = 1",
            b"1A = 1",
            b"A",
        ):
            with self.subTest(line=line):
                self.assertRaises(RemoteProtocolError, read, message(line))

    def test_mnh_1_8_no_secret_marker(self) -> None:
        """A secret has no place in a negotiation."""
        writer = MessageWriter()
        writer.put_int(1)
        writer.put_string("ZKM")
        writer.put_string("A = 1")
        writer.put_string("")
        writer.put_string("")
        self.assertRaises(MalformedMessage, read, writer.end_of_message())

    def test_mnh_1_7_attribute_count(self) -> None:
        """A hundred attributes pass, one more does not."""
        lines = [b"A%d = 1" % number for number in range(101)]
        self.assertEqual(len(list(read(message(*lines[:100])))), 100)
        self.assertRaises(LimitExceeded, read, message(*lines))

    def test_mnh_1_10_negative_count(self) -> None:
        """A negative count is refused before anything is made of it."""
        payload = b"\xff" * 8 + message(b"A = 1")[8:]
        self.assertRaises(RemoteProtocolError, read, payload)

    def test_truncated(self) -> None:
        """Cut anywhere, the message is refused."""
        payload = message(b'A = "b"', b"C = 1")
        for length in range(len(payload)):
            self.assertRaises(RemoteProtocolError, read, payload[:length])

    @given(st.binary(max_size=120))
    @settings(deadline=None, max_examples=200)
    def test_only_documented_errors(self, payload: bytes) -> None:
        """Whatever comes, it is an ad or a ``RemoteProtocolError``."""
        for encrypted in (False, True):
            try:
                read(payload, encrypted)
            except RemoteProtocolError:
                continue


def exact(payload: bytes) -> dict[str, object] | None:
    """What the exact reader finds, or nothing where it refuses."""
    try:
        ad = read(payload)
    except RemoteProtocolError:
        return None
    return {name: ad.literal(name) for name in ad}


def quick(payload: bytes) -> dict[str, object] | None:
    """What the quick reader finds, or nothing where it refuses."""
    try:
        ad = parse_pod_message(payload)
    except RemoteProtocolError:
        return None
    return {name: ad.literal(name) for name in ad}


class QuickReaderTests(SynchronousTestCase):
    """The reader of whole messages."""

    def test_recorded(self) -> None:
        """Recorded ads are read as the exact reader reads them."""
        for name in ("claimtobe", "resume", "fs", "nothing-negotiated"):
            for connection in load_vector(name)["connections"]:
                for packet in connection["packets"][:2]:
                    payload = bytes.fromhex(packet["payload"])
                    if packet["dir"] == "C>S":
                        payload = payload[8:]
                    self.assertIsNotNone(quick(payload))
                    self.assertEqual(quick(payload), exact(payload))

    def test_truncated_and_damaged(self) -> None:
        """Each cut and each changed byte is judged as by the exact reader."""
        payload = message(b'Ab = "b"', b"C = -1", b"D=true", b"E  =  0")
        for length in range(len(payload) + 1):
            self.assertEqual(quick(payload[:length]), exact(payload[:length]))
        for index in range(len(payload)):
            for value in b'\0\1"\\=Aa1 -\n\xad\xff':
                changed = payload[:index] + bytes((value,)) + payload[index + 1 :]
                self.assertEqual(quick(changed), exact(changed))

    def test_counts(self) -> None:
        """The number of attributes has to be the one that is announced."""
        lines = [b"A%d = 1" % number for number in range(101)]
        self.assertEqual(len(quick(message(*lines[:100])) or ()), 100)
        self.assertIsNone(quick(message(*lines)))
        self.assertEqual(quick(message()), {})

    def test_long(self) -> None:
        """A long ad is read, too."""
        payload = message(b'A = "' + b"x" * 10_000 + b'"')
        self.assertEqual(quick(payload), exact(payload))

    @given(
        st.lists(
            st.one_of(
                st.sampled_from(
                    [b'A = "x"', b"B = 12", b"C=true", b"D = TRUE", b"E = 1.5", b""]
                ),
                st.binary(max_size=9).map(lambda text: text.replace(b"\0", b"")),
            ),
            max_size=5,
        ),
        st.binary(max_size=3),
    )
    @settings(deadline=None, max_examples=200)
    def test_as_the_exact_reader(self, lines: list[bytes], rest: bytes) -> None:
        """Whatever the lines are, both readers agree."""
        payload = message(*lines) + rest
        self.assertEqual(quick(payload), exact(payload))


class PutTests(SynchronousTestCase):
    """Ads that we send."""

    def test_orders(self) -> None:
        """A whole ad goes by length and name, a resume by name."""
        pairs: list[tuple[str, LiteralValue]] = [
            ("User", "u"),
            ("Sid", "s"),
            ("ReturnCode", "r"),
            ("Nonce", "n"),
        ]
        for by_name, names in (
            (False, [b"Sid", b"User", b"Nonce", b"ReturnCode"]),
            (True, [b"Nonce", b"ReturnCode", b"Sid", b"User"]),
        ):
            writer = MessageWriter()
            put_pod_ad(writer, pairs, by_name=by_name)
            body = MessageReader(writer.end_of_message()).get_ad().body
            found = [line.partition(b" ")[0] for line in body.split(b"\0")[:-1]]
            self.assertEqual(found, names)

    @given(
        st.dictionaries(
            st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True).map(str.lower),
            st.one_of(
                st.booleans(),
                st.integers(-(2**63), 2**63 - 1),
                st.text(
                    st.characters(exclude_categories=["Cs", "Cc"]), max_size=9
                ).filter(lambda text: not text.endswith("\\") and '\\"' not in text),
            ),
            max_size=9,
        ),
        st.booleans(),
    )
    @settings(deadline=None, max_examples=100)
    def test_round_trip(self, values: dict[str, LiteralValue], encrypted: bool) -> None:
        """What was put is read."""
        writer = MessageWriter(encrypted)
        put_pod_ad(writer, values.items())
        ad = read(writer.end_of_message(), encrypted)
        self.assertEqual({name: ad.literal(name) for name in ad}, values)
