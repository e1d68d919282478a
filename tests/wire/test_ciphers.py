"""Tests of ``condor_twisted.wire.ciphers``."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

import condor_twisted
from condor_twisted.errors import LocalProtocolError, MalformedMessage
from condor_twisted.wire.ciphers import (
    UNUSED_DIRECTION,
    AesGcmProtection,
    CfbCipher,
    CfbProtection,
    Md5Protection,
    md5_mac,
)
from condor_twisted.wire.messages import MessageReader, MessageWriter
from condor_twisted.wire.stream_frames import StreamFramer
from tests.wire.cedar_vectors import sequence, vector

AES_KEY = bytes(range(32))
KEY = bytes(range(24))
SENT = hashlib.sha256(b"sent").digest()
RECEIVED = hashlib.sha256(b"received").digest()


def always(data: bytes) -> Callable[[int], bytes]:
    """Return a source of random bytes that gives ``data``, cut to size."""

    def random_bytes(count: int) -> bytes:
        return data[:count]

    return random_bytes


def aes_pair(base: bytes = bytes(16)) -> tuple[AesGcmProtection, AesGcmProtection]:
    """Return both ends of a stream."""
    sender = AesGcmProtection(AES_KEY, always(base))
    sender.start(SENT, RECEIVED)
    receiver = AesGcmProtection(AES_KEY, always(bytes(16)))
    receiver.start(RECEIVED, SENT)
    return sender, receiver


def sealed(
    protection: AesGcmProtection | Md5Protection | CfbProtection,
    end: int,
    content: bytes,
) -> bytes:
    """Make one frame."""
    return b"".join(protection.seal(end, content))


def opened(protection: AesGcmProtection | Md5Protection, frame: bytes) -> bytes:
    """Open one frame."""
    size = protection.header_bytes
    return protection.open(frame[:size], frame[size:])


class AesGcmTests(SynchronousTestCase):
    """AES-GCM frames, good ones and all kinds of bad ones."""

    def test_layout(self) -> None:
        """The first frame has the IV base, later ones have not."""
        base = bytes(range(100, 116))
        sender, receiver = aes_pair(base)
        self.assertEqual(sender.growth_bytes, 32)
        first = sealed(sender, 0, b"abc")
        self.assertEqual(first[:21], struct.pack(">BI", 0, 35) + base)
        self.assertEqual(sender.growth_bytes, 16)
        second = sealed(sender, 1, b"abc")
        self.assertEqual(second[:5], struct.pack(">BI", 1, 19))
        self.assertEqual(len(second), 5 + 19)
        self.assertEqual(opened(receiver, first), b"abc")
        self.assertEqual(opened(receiver, second), b"abc")

    def test_mnh_4_17_short_frames(self) -> None:
        """A frame without room for IV, tag and content is refused unseen."""
        for size in range(1, 33):
            _sender, receiver = aes_pair()
            with self.assertRaises(MalformedMessage):
                receiver.open(struct.pack(">BI", 1, size), bytes(size))
        for size in range(1, 17):
            sender, receiver = aes_pair()
            opened(receiver, sealed(sender, 1, b"x"))
            with self.assertRaises(MalformedMessage):
                receiver.open(struct.pack(">BI", 1, size), bytes(size))

    def test_mnh_4_17_every_byte_counts(self) -> None:
        """No flipped bit of a first or later frame goes through."""
        for frames_before in (0, 1):
            size = len(self.one_frame(frames_before)[1])
            for position in range(size):
                receiver, frame = self.one_frame(frames_before)
                damaged = bytearray(frame)
                damaged[position] ^= 0x40
                with self.assertRaises(MalformedMessage, msg=f"byte {position}"):
                    opened(receiver, bytes(damaged))

    def one_frame(self, frames_before: int) -> tuple[AesGcmProtection, bytes]:
        """Return a receiver and the frame it would open next."""
        sender, receiver = aes_pair()
        for _ in range(frames_before):
            opened(receiver, sealed(sender, 1, b"before"))
        return receiver, sealed(sender, 1, b"content")

    def test_mnh_4_18_digests_are_bound(self) -> None:
        """Another transcript in either direction breaks the first frame."""
        for digests in (
            (SENT, RECEIVED),
            (RECEIVED, UNUSED_DIRECTION),
            (UNUSED_DIRECTION, SENT),
            (UNUSED_DIRECTION, UNUSED_DIRECTION),
        ):
            sender, _receiver = aes_pair()
            receiver = AesGcmProtection(AES_KEY, always(bytes(16)))
            receiver.start(*digests)
            with self.assertRaises(MalformedMessage):
                opened(receiver, sealed(sender, 1, b"x"))

    def test_mnh_4_19_order(self) -> None:
        """A repeated, skipped or clear frame does not open."""
        sender, receiver = aes_pair()
        first, second, third = (sealed(sender, 1, b"x") for _ in range(3))
        opened(receiver, first)
        for wrong in (first, third, struct.pack(">BI", 1, 20) + bytes(20)):
            with self.assertRaises(MalformedMessage):
                opened(receiver, wrong)
        self.assertEqual(opened(receiver, second), b"x")
        with self.assertRaises(MalformedMessage):
            opened(receiver, second)

    def test_mnh_4_19_the_counter_ends(self) -> None:
        """The last counter is used, and none after it."""
        sender, receiver = aes_pair()
        opened(receiver, sealed(sender, 1, b"x"))
        sender._send_count = receiver._receive_count = 2**32 - 2
        last = sealed(sender, 1, b"x")
        self.assertEqual(opened(receiver, last), b"x")
        with self.assertRaises(LocalProtocolError):
            sealed(sender, 1, b"x")
        with self.assertRaises(MalformedMessage):
            opened(receiver, last)

    def test_iv_wraps_in_its_first_word(self) -> None:
        """The count is added to four bytes, and no carry leaves them."""
        base = b"\xff\xff\xff\xff" + bytes(range(12))
        sender, receiver = aes_pair(base)
        opened(receiver, sealed(sender, 1, b"x"))
        frame = sealed(sender, 1, b"y")
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        iv = bytes(4) + base[4:]
        self.assertEqual(AESGCM(AES_KEY).decrypt(iv, frame[5:], frame[:5]), b"y")
        self.assertEqual(opened(receiver, frame), b"y")

    def test_misuse(self) -> None:
        """A wrong key, a second connection, or no transcript is our mistake."""
        with self.assertRaises(LocalProtocolError):
            AesGcmProtection(KEY, always(bytes(16)))
        sender, _receiver = aes_pair()
        with self.assertRaises(LocalProtocolError):
            sender.start(SENT, RECEIVED)
        fresh = AesGcmProtection(AES_KEY, always(bytes(16)))
        with self.assertRaises(LocalProtocolError):
            sealed(fresh, 1, b"x")
        with self.assertRaises(LocalProtocolError):
            fresh.open(struct.pack(">BI", 1, 40), bytes(40))

    @settings(deadline=None, max_examples=40)
    @given(st.lists(st.binary(min_size=1, max_size=50), max_size=6))
    def test_round_trip(self, contents: list[bytes]) -> None:
        """Frames open in the order they were sealed."""
        sender, receiver = aes_pair()
        frames = [sealed(sender, 1, content) for content in contents]
        self.assertEqual([opened(receiver, frame) for frame in frames], contents)


class LegacyTests(SynchronousTestCase):
    """3DES, Blowfish and MD5, as HTCondor's library wrote them."""

    def payload(self, encrypted: bool) -> bytes:
        """Return the message of the recorded frames."""
        writer = MessageWriter(encrypted)
        writer.put_int(421)
        writer.put_string("hello")
        return writer.end_of_message()

    def assert_replays(
        self, what: str, make: Callable[[], CfbProtection | Md5Protection]
    ) -> None:
        """Send and receive a recorded message, twice over one connection."""
        recorded = vector(what).data
        framer = StreamFramer()
        framer.enable_protection(make())
        payload = self.payload(framer.encrypted)
        for _ in range(2):
            self.assertEqual(framer.frame_message(payload), recorded)
            framer.receive_data(recorded)
            received = framer.next_message() or b""
            self.assertEqual(received, payload)
            reader = MessageReader(received, encrypted=framer.encrypted)
            self.assertEqual((reader.get_int(), reader.get_string()), (421, "hello"))

    def test_3des(self) -> None:
        """3DES, every message from the zero IV."""
        self.assert_replays("3DES message", lambda: CfbProtection(self.des(KEY)))

    def test_3des_folds_its_key(self) -> None:
        """What exceeds 24 bytes is folded into the begin."""
        self.assert_replays(
            "3DES key of 32 bytes folded to 24 message",
            lambda: CfbProtection(self.des(AES_KEY)),
        )

    def test_blowfish(self) -> None:
        """Blowfish takes the key as it is."""
        self.assert_replays(
            "BLOWFISH message", lambda: CfbProtection(CfbCipher("BLOWFISH", KEY))
        )

    def test_md5(self) -> None:
        """A MAC and no encryption."""
        self.assert_replays("MD5 MAC message", lambda: Md5Protection(KEY))

    def test_3des_and_md5(self) -> None:
        """The MAC is over the ciphertext."""
        self.assert_replays(
            "3DES + MD5 message",
            lambda: CfbProtection(self.des(KEY), Md5Protection(KEY)),
        )

    def test_a_recorded_session(self) -> None:
        """A conversation with a collector that turns integrity on."""
        frames = sequence("MD5 daemon session")
        ends = {"c2s": StreamFramer(), "s2c": StreamFramer()}
        for frame in frames:
            receiver = ends["s2c" if frame.direction == "c2s" else "c2s"]
            if "frame 0" in frame.what:
                for end in ends.values():
                    end.enable_protection(Md5Protection(frame.key))
            receiver.receive_data(frame.data)
            payload = receiver.next_message() or b""
            self.assertEqual(ends[frame.direction].frame_message(payload), frame.data)

    def des(self, key: bytes) -> CfbCipher:
        """Return 3DES under a key."""
        return CfbCipher("3DES", key)

    def test_short_3des_key_repeats(self) -> None:
        """A key of fewer than 24 bytes is repeated."""
        short = b"0123456789"
        self.assertEqual(
            self.des(short).encrypt(b"text"),
            self.des(b"012345678901234567890123").encrypt(b"text"),
        )

    def test_put_file_3des(self) -> None:
        """File data behind a size message have a keystream of their own."""
        recorded = vector("put_file 3DES").data
        cipher = self.des(KEY)
        framer = StreamFramer()
        framer.enable_protection(CfbProtection(cipher))
        framer.receive_data(recorded)
        self.assertEqual(MessageReader(framer.next_message() or b"").get_int(), 10)
        data = cipher.for_message().decrypt(framer.take_raw(10))
        self.assertEqual(data, b"0123456789")

    def test_put_file_md5(self) -> None:
        """File data have no MAC."""
        framer = StreamFramer()
        framer.enable_protection(Md5Protection(KEY))
        framer.receive_data(vector("put_file MD5").data)
        self.assertEqual(MessageReader(framer.next_message() or b"").get_int(), 10)
        self.assertEqual(framer.take_raw(10), b"0123456789")

    def test_keystream_runs_through_a_message(self) -> None:
        """Frames of one message share the keystream; the next starts afresh."""
        protection = CfbProtection(self.des(KEY))
        frames = [sealed(protection, end, b"abcde") for end in (0, 1, 1)]
        whole = self.des(KEY).encrypt(b"abcdeabcde")
        self.assertEqual(
            [frame[5:] for frame in frames], [whole[:5], whole[5:], whole[:5]]
        )
        self.assertEqual(
            [protection.open(frame[:5], frame[5:]) for frame in frames],
            [b"abcde"] * 3,
        )

    def test_bad_mac(self) -> None:
        """A flipped bit in MAC or body is refused, with and without encryption."""
        for make in (
            lambda: Md5Protection(KEY),
            lambda: CfbProtection(self.des(KEY), Md5Protection(KEY)),
        ):
            frame = sealed(make(), 1, b"content")
            for position in range(5, len(frame)):
                damaged = bytearray(frame)
                damaged[position] ^= 1
                with self.assertRaises(MalformedMessage):
                    make().open(bytes(damaged[:21]), bytes(damaged[21:]))
            with self.assertRaises(MalformedMessage):
                Md5Protection(KEY[::-1]).open(frame[:21], frame[21:])

    def test_mac_of_parts(self) -> None:
        """The MAC of parts is that of the whole, behind the key."""
        expected = hashlib.md5(KEY + b"abcdef").digest()
        self.assertEqual(md5_mac(KEY, b"abc", b"def"), expected)

    @settings(deadline=None, max_examples=40)
    @given(
        st.sampled_from(["3DES", "BLOWFISH"]),
        st.lists(st.binary(max_size=20), max_size=6),
    )
    def test_cipher_round_trip(self, algorithm: str, pieces: list[bytes]) -> None:
        """However the bytes are cut, the keystream is one."""
        cipher = CfbCipher("3DES" if algorithm == "3DES" else "BLOWFISH", KEY)
        encrypted = b"".join(map(cipher.encrypt, pieces))
        whole = b"".join(pieces)
        self.assertEqual(cipher.for_message().encrypt(whole), encrypted)
        self.assertEqual(cipher.decrypt(encrypted), whole)

    def test_misuse(self) -> None:
        """An empty key or an unknown cipher is our mistake."""
        with self.assertRaises(LocalProtocolError):
            Md5Protection(b"")
        with self.assertRaises(LocalProtocolError):
            CfbCipher("3DES", b"")
        with self.assertRaises(LocalProtocolError):
            CfbCipher("ROT13", KEY)  # type: ignore[arg-type]


class QuietTests(SynchronousTestCase):
    """What does not show, and what does not load."""

    def test_mnh_0_5_no_repr_shows_a_key(self) -> None:
        """The names of the algorithms are all."""
        cipher = CfbCipher("BLOWFISH", KEY)
        for shown, expected in [
            (AesGcmProtection(AES_KEY, always(bytes(16))), "AES-256-GCM"),
            (Md5Protection(KEY), "MD5"),
            (cipher, "BLOWFISH"),
            (CfbProtection(cipher, Md5Protection(KEY)), "BLOWFISH MD5"),
            (CfbProtection(cipher), "BLOWFISH"),
        ]:
            self.assertEqual(repr(shown), f"<{type(shown).__name__} {expected}>")

    def test_import_is_cheap(self) -> None:
        """Without a cipher in use, no cryptography is loaded."""
        program = (
            "import sys, condor_twisted.wire.datagrams, "
            "condor_twisted.wire.stream_frames;"
            "print([m for m in sys.modules if m.split('.')[0] == 'cryptography'])"
        )
        root = Path(condor_twisted.__file__).parent.parent
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=root,
            stdout=subprocess.PIPE,
            check=True,
        )
        self.assertEqual(done.stdout, b"[]\n")
