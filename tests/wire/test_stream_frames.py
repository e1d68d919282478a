"""Tests of ``condor_twisted.wire.stream_frames``."""

from __future__ import annotations

import itertools
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
)
from condor_twisted.wire.ciphers import (
    AesGcmProtection,
    CfbCipher,
    CfbProtection,
    Md5Protection,
)
from condor_twisted.wire.messages import MessageReader
from condor_twisted.wire.stream_frames import (
    MAX_FRAME_BYTES,
    FrameLimits,
    StreamFramer,
)
from tests.counting import calls_of
from tests.wire.cedar_vectors import Vector, sequence, vector

KEY = bytes(range(24))


def is_clear(recorded: Vector) -> bool:
    """Tell whether a frame of an AES sequence went before the key was set."""
    body = recorded.meaning.removeprefix("body after decryption (or as sent): ")
    return body == recorded.data[5:].hex() or (
        recorded.meaning in ("int 60010", "string b'hello'")
    )


def always(data: bytes) -> Callable[[int], bytes]:
    """Return a source of random bytes that gives ``data``, cut to size."""

    def random_bytes(count: int) -> bytes:
        return data[:count]

    return random_bytes


def protect(framer: StreamFramer, kind: str) -> None:
    """Enable a protection by its short name."""
    cipher = CfbCipher("3DES", KEY)
    if kind == "aes":
        framer.enable_protection(AesGcmProtection(bytes(32), always(bytes(16))))
    elif kind == "md5":
        framer.enable_protection(Md5Protection(KEY))
    elif kind == "3des":
        framer.enable_protection(CfbProtection(cipher))
    elif kind == "both":
        framer.enable_protection(CfbProtection(cipher, Md5Protection(KEY)))


class RecordedAesTests(SynchronousTestCase):
    """Conversations under AES-GCM that HTCondor recorded, both directions."""

    def assert_replays(self, name: str) -> None:
        """Receive the conversation at both ends, and send it again as recorded."""
        frames = sequence(name)
        clear = [frame for frame in frames if is_clear(frame)]
        protected = frames[len(clear) :]
        bases = {
            direction: next(
                frame.data[5:21] for frame in protected if frame.direction == direction
            )
            for direction in {frame.direction for frame in protected}
        }
        ends = {"c2s": StreamFramer(), "s2c": StreamFramer()}
        for number, frame in enumerate(frames):
            if number == len(clear):
                for direction, end in ends.items():
                    base = bases.get(direction, bytes(16))
                    end.enable_protection(AesGcmProtection(frame.key, always(base)))
            sender = ends[frame.direction]
            receiver = ends["s2c" if frame.direction == "c2s" else "c2s"]
            receiver.receive_data(frame.data)
            message = receiver.next_message()
            self.assertIsNotNone(message)
            self.assertEqual(sender.frame_message(message or b""), frame.data)

    def test_client_first(self) -> None:
        """The client sends the first encrypted frame."""
        self.assert_replays("AES-GCM A")

    def test_nothing_in_clear(self) -> None:
        """A direction that carried nothing counts as 32 zero bytes."""
        self.assert_replays("AES-GCM B")

    def test_server_first(self) -> None:
        """The server sends the first encrypted frame."""
        self.assert_replays("AES-GCM C")

    def test_daemon_sessions(self) -> None:
        """Two whole conversations with a collector, handshake included."""
        self.assert_replays("AES daemon session 1")
        self.assert_replays("AES daemon session 3")


class FramingTests(SynchronousTestCase):
    """Clear frames, in any pieces."""

    def test_one_frame(self) -> None:
        """A message that fits is one frame, up to 1 MiB."""
        for size in (1, 4091, 1 << 20):
            payload = b"x" * size
            data = StreamFramer().frame_message(payload)
            self.assertEqual(data, struct.pack(">BI", 1, size) + payload)

    def test_several_frames(self) -> None:
        """A longer one takes as many as it needs."""
        payload = bytes(range(256)) * 8192
        data = StreamFramer().frame_message(payload + b"!")
        self.assertEqual(data[:5], b"\0\0\x10\0\0")
        self.assertEqual(data[-6:], b"\1\0\0\0\1!")
        framer = StreamFramer()
        framer.raise_limits()
        framer.receive_data(data)
        self.assertEqual(framer.next_message(), payload + b"!")

    def test_recorded_frames(self) -> None:
        """The sizes that HTCondor's library sends are taken."""
        headers = vector("multi-packet message headers").data
        data = headers[:5] + b"a" * 4091 + headers[5:] + b"b" * 909
        framer = StreamFramer()
        framer.receive_data(data)
        self.assertEqual(framer.next_message(), b"a" * 4091 + b"b" * 909)

    def test_parts(self) -> None:
        """A message may be sent part by part."""
        framer = StreamFramer()
        data = framer.frame_part(b"abc", last=False)
        self.assertTrue(framer.sending)
        with self.assertRaises(LocalProtocolError):
            framer.frame_message(b"other")
        data += framer.frame_part(b"d", last=True)
        self.assertFalse(framer.sending)
        self.assertEqual(data, b"\0\0\0\0\3abc\1\0\0\0\1d")
        framer.receive_data(data)
        self.assertEqual(framer.next_message(), b"abcd")

    def test_pieces(self) -> None:
        """In pieces a part is the same bytes, and nothing long was copied."""
        for forgets in (False, True):
            framer = StreamFramer()
            if forgets:
                framer.forget_transcript()
            long = b"x" * 100_000
            pieces = framer.frame_pieces(long, last=False)
            self.assertEqual(any(piece is long for piece in pieces), forgets)
            self.assertTrue(framer.sending)
            pieces += framer.frame_pieces(b"y" * (MAX_FRAME_BYTES + 1), last=True)
            self.assertFalse(framer.sending)
            reader = StreamFramer()
            reader.receive_data(b"".join(pieces))
            message = reader.next_message() or b""
            self.assertEqual(message, long + b"y" * (MAX_FRAME_BYTES + 1))
            with self.assertRaises(LocalProtocolError):
                framer.frame_pieces(b"", last=True)

    def test_protected_pieces(self) -> None:
        """Under each protection pieces and whole frames are the same bytes."""
        for kind in ("aes", "md5", "3des", "both"):
            whole, pieced, receiver = (StreamFramer() for _ in range(3))
            for end in (whole, pieced, receiver):
                protect(end, kind)
            sent = b""
            for size in (1, 100_000, MAX_FRAME_BYTES - 32, MAX_FRAME_BYTES):
                last = size == MAX_FRAME_BYTES
                pieces = b"".join(pieced.frame_pieces(b"x" * size, last))
                self.assertEqual(whole.frame_part(b"x" * size, last), pieces, kind)
                self.assertEqual(pieced.sending, not last)
                sent += pieces
            receiver.raise_limits()
            receiver.receive_data(sent)
            message = receiver.next_message()
            assert message is not None
            self.assertEqual(message.count(b"x"), 2 * MAX_FRAME_BYTES + 99_969)
            with self.assertRaises(LocalProtocolError):
                pieced.frame_pieces(b"", True)

    def test_nothing_empty_is_sent(self) -> None:
        """There is no empty message, and no empty frame to end one with."""
        framer = StreamFramer()
        with self.assertRaises(LocalProtocolError):
            framer.frame_message(b"")
        framer.frame_part(b"abc", last=False)
        with self.assertRaises(LocalProtocolError):
            framer.frame_part(b"", last=True)

    def test_three_ways_to_arrive(self) -> None:
        """Whole, byte by byte, and with more behind it, a message is the same."""
        data = b"\0\0\0\0\3abc\1\0\0\0\1d"
        framer = StreamFramer()
        framer.receive_data(data)
        self.assertEqual(framer.next_message(), b"abcd")
        self.assertFalse(framer.receiving)
        for position in range(len(data)):
            self.assertIsNone(framer.next_message())
            self.assertEqual(framer.receiving, position > 0)
            framer.receive_data(data[position : position + 1])
        self.assertEqual(framer.next_message(), b"abcd")
        framer.receive_data(data + data[:7])
        self.assertEqual(framer.next_message(), b"abcd")
        self.assertIsNone(framer.next_message())
        self.assertEqual(framer.buffered_bytes, 7)
        framer.receive_data(data[7:])
        self.assertEqual(framer.next_message(), b"abcd")
        self.assertEqual(framer.buffered_bytes, 0)

    def test_a_buffer_that_never_empties(self) -> None:
        """What was consumed is given back while more keeps coming."""
        frame = b"\1\0\0\0\3abc"
        framer = StreamFramer()
        framer.receive_data(frame[:3])
        framer.receive_data(frame[3:] + frame * 5)
        for _ in range(100):
            self.assertEqual(framer.next_message(), b"abc")
            framer.receive_data(frame)
        self.assertEqual(framer.buffered_bytes, 6 * len(frame))
        self.assertLess(len(framer._buffer), 20 * len(frame))

    @settings(deadline=None, max_examples=80)
    @given(
        st.lists(
            st.lists(st.binary(min_size=1, max_size=12), min_size=1, max_size=4),
            max_size=6,
        ),
        st.lists(st.integers(1, 30), min_size=1, max_size=10),
        st.sampled_from(["clear", "aes", "md5", "3des", "both"]),
    )
    def test_round_trip(
        self, messages: list[list[bytes]], sizes: list[int], kind: str
    ) -> None:
        """However messages are cut and the stream is, they arrive whole."""
        sender, receiver = StreamFramer(), StreamFramer()
        for end in (sender, receiver):
            protect(end, kind)
        data = b"".join(
            sender.frame_part(part, last=number == len(parts))
            for parts in messages
            for number, part in enumerate(parts, 1)
        )
        received: list[bytes] = []
        for size in itertools.cycle(sizes):
            if not data:
                break
            receiver.receive_data(data[:size])
            data = data[size:]
            while (message := receiver.next_message()) is not None:
                received.append(message)
        self.assertEqual(received, [b"".join(parts) for parts in messages])
        self.assertFalse(receiver.receiving)

    @settings(deadline=None, max_examples=100)
    @given(
        st.lists(st.binary(max_size=40), max_size=4),
        st.sampled_from(["clear", "aes", "md5", "3des", "both"]),
    )
    def test_mnh_0_1_any_bytes(self, pieces: list[bytes], kind: str) -> None:
        """Whatever arrives, the framer waits, delivers or says what is wrong."""
        framer = StreamFramer()
        protect(framer, kind)
        try:
            for piece in pieces:
                framer.receive_data(piece)
                while framer.next_message() is not None:
                    pass
        except RemoteProtocolError as error:
            with self.assertRaises(type(error)):
                framer.next_message()


class LimitTests(SynchronousTestCase):
    """What a peer may not send."""

    def assert_refused(
        self, data: bytes, error: type[Exception], limits: FrameLimits | None = None
    ) -> None:
        """Expect the error, from then on, whatever the framer is asked."""
        framer = StreamFramer(limits or FrameLimits())
        framer.receive_data(data)
        for _ in range(2):
            with self.assertRaises(error):
                framer.next_message()
        for call in (
            lambda: framer.receive_data(b"\1\0\0\0\1x"),
            lambda: framer.frame_message(b"x"),
            lambda: framer.take_raw(1),
            lambda: protect(framer, "md5"),
        ):
            with self.assertRaises(error):
                call()
        self.assertEqual(framer.buffered_bytes, 0)

    def test_mnh_1_1_frame_length(self) -> None:
        """A frame of 1 MiB is taken; of one more, the header suffices to refuse."""
        framer = StreamFramer()
        framer.receive_data(b"\1\0\x10\0\0" + bytes(1 << 20))
        self.assertEqual(framer.next_message(), bytes(1 << 20))
        self.assert_refused(b"\1\0\x10\0\1", LimitExceeded)

    def test_mnh_1_2_no_length(self) -> None:
        """A frame without a body, or with a negative length, is refused."""
        for flag in (b"\0", b"\1"):
            self.assert_refused(flag + bytes(4), LimitExceeded)
            self.assert_refused(flag + b"\x80\0\0\0", LimitExceeded)
            self.assert_refused(flag + b"\xff\xff\xff\xff", LimitExceeded)
        self.assert_refused(
            vector("decode zero length packet is rejected").data, LimitExceeded
        )

    def test_mnh_1_3_end_flag(self) -> None:
        """1 to 10 end a message, 0 does not, all others are refused."""
        for flag in range(256):
            frame = bytes((flag,)) + b"\0\0\0\1x"
            if flag > 10:
                self.assert_refused(frame, MalformedMessage)
            else:
                framer = StreamFramer()
                framer.receive_data(frame)
                self.assertEqual(framer.next_message(), b"x" if flag else None)
        for what in (
            "decode end flag 11 is rejected",
            "decode negative end flag is rejected",
        ):
            self.assert_refused(vector(what).data, MalformedMessage)

    def test_partial_headers_are_judged(self) -> None:
        """What cannot become a header is refused before it is whole."""
        self.assert_refused(b"G", MalformedMessage)
        self.assert_refused(b"\1\x01", LimitExceeded)
        self.assert_refused(b"\1\0\x11", LimitExceeded)
        framer = StreamFramer()
        for byte in b"\1\0\x10\0":
            framer.receive_data(bytes((byte,)))
            self.assertIsNone(framer.next_message())

    def test_mnh_1_4_message_length_before_authorization(self) -> None:
        """2 MiB in all, and 1024 frames, are taken; one more of either is not."""
        half = b"\0\0\x10\0\0" + bytes(1 << 20)
        framer = StreamFramer()
        framer.receive_data(half + b"\1" + half[1:])
        self.assertEqual(framer.next_message(), bytes(2 << 20))
        self.assert_refused(half + half + b"\1\0\0\0\1", LimitExceeded)
        small = b"\0\0\0\0\1x"
        framer.receive_data(small * 1023 + b"\1" + small[1:])
        self.assertEqual(framer.next_message(), b"x" * 1024)
        self.assert_refused(small * 1024, LimitExceeded)

    def test_mnh_1_5_message_length_after_authorization(self) -> None:
        """The raised limits hold at the limit and one beyond it."""
        limits = FrameLimits(
            message_bytes=1,
            message_frames=1,
            raised_message_bytes=10,
            raised_message_frames=5,
        )
        for frames, taken in [
            (b"\0\0\0\0\4abcd\1\0\0\0\6abcdef", True),
            (b"\0\0\0\0\4abcd\1\0\0\0\7abcdefg", False),
            (b"\0\0\0\0\1x" * 4 + b"\1\0\0\0\1x", True),
            (b"\0\0\0\0\1x" * 5 + b"\1\0\0\0\1x", False),
        ]:
            framer = StreamFramer(limits)
            framer.raise_limits()
            framer.receive_data(frames)
            if taken:
                self.assertIsNotNone(framer.next_message())
            else:
                with self.assertRaises(LimitExceeded):
                    framer.next_message()
        self.assertEqual(FrameLimits().raised_message_bytes, 64 << 20)
        self.assertEqual(FrameLimits().raised_message_frames, 65_536)

    def test_frame_limit_may_be_lower(self) -> None:
        """A server may take shorter frames only."""
        self.assert_refused(b"\1\0\0\0\5", LimitExceeded, FrameLimits(frame_bytes=4))

    def test_mnh_10_2_small_pieces(self) -> None:
        """Neither many small frames nor a slow large one cost more than they are."""
        framer = StreamFramer()
        framer.raise_limits()
        framer.receive_data(b"\0\0\0\0\1a" * 49_999 + b"\1\0\0\0\1b")
        calls, tiny = calls_of(framer.next_message)
        self.assertEqual(tiny, b"a" * 49_999 + b"b")
        self.assertLess(calls, 12 * 50_000)
        framer.receive_data(b"\1\0\0\0\1a" * 50_000)
        count = 0
        while framer.next_message() is not None:
            count += 1
        self.assertEqual(count, 50_000)
        data = b"\1\0\x10\0\0" + bytes(1 << 20)
        for position in range(len(data)):
            framer.receive_data(data[position : position + 1])
            message = framer.next_message()
        self.assertEqual(message, bytes(1 << 20))


class RawTests(SynchronousTestCase):
    """Bytes outside of frames."""

    def test_file_behind_its_size(self) -> None:
        """A reply and a file in one segment, as DC_FETCH_LOG sends them."""
        framer = StreamFramer()
        framer.receive_data(vector("DC_FETCH_LOG reply, clear").data)
        reader = MessageReader(framer.next_message() or b"")
        self.assertEqual((reader.get_int(), reader.get_int()), (0, 10))
        self.assertEqual(framer.take_raw(6), b"hello ")
        self.assertEqual(framer.take_raw(100), b"log\n")
        self.assertEqual(framer.take_raw(100), b"")
        framer.receive_data(b"\1\0\0\0\1x")
        self.assertEqual(framer.next_message(), b"x")

    def test_recorded_files(self) -> None:
        """Files with offset, limit, permissions, and empty ones."""
        for what, numbers, content in [
            ("put_file plain 10 bytes", [10], b"0123456789"),
            ("put_file plain offset 4", [6], b"456789"),
            ("put_file plain max_bytes 3", [3], b"012"),
            ("put_file with_permissions 0640", [0o640, 10], b"0123456789"),
            ("put_file plain empty", [0, 666], b""),
            ("put_file missing file", [0, 666], b""),
            ("put_file with_permissions missing file", [0x1000000, 0, 666], b""),
        ]:
            data = vector(what).data
            framer = StreamFramer()
            framer.receive_data(data)
            sent = b""
            for number in numbers:
                payload = framer.next_message() or b""
                self.assertEqual(MessageReader(payload).get_int(), number, what)
                sent += StreamFramer().frame_message(payload)
            self.assertEqual(framer.take_raw(len(data)), content, what)
            self.assertEqual(sent + content, data)

    def test_refused(self) -> None:
        """No raw bytes in mid-message, on AES-GCM, or in negative numbers."""
        framer = StreamFramer()
        framer.receive_data(b"\0\0\0\0\1x")
        self.assertIsNone(framer.next_message())
        with self.assertRaises(LocalProtocolError):
            framer.take_raw(1)
        framer = StreamFramer()
        with self.assertRaises(LocalProtocolError):
            framer.take_raw(-1)
        protect(framer, "aes")
        with self.assertRaises(LocalProtocolError):
            framer.take_raw(1)

    def test_recorded_file_on_aes(self) -> None:
        """A file under AES-GCM comes in messages of its chunk size."""
        recorded = vector("put_file AES")
        framer = StreamFramer()
        framer.enable_protection(AesGcmProtection(recorded.key, always(bytes(16))))
        framer.receive_data(recorded.data)
        reader = MessageReader(framer.next_message() or b"")
        self.assertEqual((reader.get_int(), reader.get_int()), (10, 262144))
        self.assertEqual(framer.next_message(), b"0123456789")


class ProtectionTests(SynchronousTestCase):
    """When a protection starts, and what it is bound to."""

    def test_bytes_behind_the_last_clear_message(self) -> None:
        """What came in the same segment belongs to the protected stream."""
        client, server = StreamFramer(), StreamFramer()
        request = client.frame_message(b"request")
        server.receive_data(request)
        server.next_message()
        reply = server.frame_message(b"reply")
        protect(server, "aes")
        client.receive_data(reply + server.frame_message(b"first"))
        self.assertEqual(client.next_message(), b"reply")
        protect(client, "aes")
        self.assertEqual(client.next_message(), b"first")
        server.receive_data(client.frame_message(b"second"))
        self.assertEqual(server.next_message(), b"second")

    def test_mnh_4_18_any_change_in_clear_is_noticed(self) -> None:
        """One changed byte of the handshake, either way, ends the stream."""
        for direction in (0, 1):
            ends = StreamFramer(), StreamFramer()
            for number, payload in enumerate((b"request", b"reply")):
                sender, receiver = ends[number], ends[1 - number]
                data = bytearray(sender.frame_message(payload))
                data[-1] ^= number == direction
                receiver.receive_data(bytes(data))
                receiver.next_message()
            for end in ends:
                protect(end, "aes")
            ends[1].receive_data(ends[0].frame_message(b"x"))
            with self.assertRaises(MalformedMessage):
                ends[1].next_message()

    def test_long_transcripts(self) -> None:
        """Hundreds of clear frames are digested as one stream."""
        client, server = StreamFramer(), StreamFramer()
        for number in range(200):
            sender, receiver = (client, server) if number % 3 else (server, client)
            receiver.receive_data(sender.frame_message(b"%d" % number))
            receiver.next_message()
        for end in (client, server):
            protect(end, "aes")
        server.receive_data(client.frame_message(b"x"))
        self.assertEqual(server.next_message(), b"x")

    def test_clear_bytes_before_aes(self) -> None:
        """AES-GCM starts behind 1 MiB - 1 clear bytes, and not behind 1 MiB."""
        for size, taken in ((1 << 20) - 1, True), (1 << 20, False):
            client, server = StreamFramer(), StreamFramer()
            server.receive_data(client.frame_message(bytes(size)))
            server.next_message()
            if taken:
                protect(client, "aes")
                protect(server, "aes")
                server.receive_data(client.frame_message(b"x"))
                self.assertEqual(server.next_message(), b"x")
            else:
                with self.assertRaises(LocalProtocolError):
                    protect(client, "aes")
                with self.assertRaises(LimitExceeded):
                    protect(server, "aes")

    def test_only_between_messages(self) -> None:
        """In mid-message, either way, nothing starts."""
        framer = StreamFramer()
        framer.frame_part(b"x", last=False)
        for kind in ("aes", "md5"):
            with self.assertRaises(LocalProtocolError):
                protect(framer, kind)
        framer = StreamFramer()
        framer.receive_data(b"\0\0\0\0\1x\1\0\0")
        framer.next_message()
        for kind in ("aes", "md5"):
            with self.assertRaises(LocalProtocolError):
                protect(framer, kind)

    def test_forgotten_transcript(self) -> None:
        """Without its transcript AES-GCM cannot start; the others can."""
        framer = StreamFramer()
        framer.forget_transcript()
        with self.assertRaises(LocalProtocolError):
            protect(framer, "aes")
        protect(framer, "md5")
        with self.assertRaises(LocalProtocolError):
            protect(framer, "aes")
        protect(framer, "both")

    def test_nothing_is_kept_of_a_forgotten_transcript(self) -> None:
        """Messages of any size go on without one."""
        client, server = StreamFramer(), StreamFramer()
        for end in (client, server):
            end.forget_transcript()
            end.raise_limits()
        for size in (1, (1 << 20) + 1):
            server.receive_data(client.frame_message(bytes(size)))
            self.assertEqual(server.next_message(), bytes(size))

    def test_restarted_transcript(self) -> None:
        """Behind a connecting preamble only what follows is digested."""
        client, server = StreamFramer(), StreamFramer()
        client.frame_message(b"to the shared port server")
        client.restart_transcript()
        server.receive_data(client.frame_message(b"request"))
        server.next_message()
        protect(client, "aes")
        protect(server, "aes")
        server.receive_data(client.frame_message(b"x"))
        self.assertEqual(server.next_message(), b"x")
        with self.assertRaises(LocalProtocolError):
            client.restart_transcript()

    def test_mnh_4_19_clear_after_aes(self) -> None:
        """A clear frame behind the key ends the connection, and no other key comes."""
        framer = StreamFramer()
        protect(framer, "aes")
        framer.receive_data(StreamFramer().frame_message(b"x" * 40))
        with self.assertRaises(MalformedMessage):
            framer.next_message()
        for kind in ("aes", "md5"):
            framer = StreamFramer()
            protect(framer, "aes")
            with self.assertRaises(LocalProtocolError):
                protect(framer, kind)

    def test_large_messages_under_aes(self) -> None:
        """Frames stay within 1 MiB with all that encryption adds."""
        client, server = StreamFramer(), StreamFramer()
        for end in (client, server):
            protect(end, "aes")
        for size in ((1 << 20) - 32, (1 << 20) - 16, 1 << 20, (2 << 20) - 100):
            server.receive_data(client.frame_message(b"x" * size))
            self.assertEqual(server.next_message(), b"x" * size)

    def test_state(self) -> None:
        """The framer tells what protects it."""
        for kind, encrypted in (("aes", True), ("md5", False), ("3des", True)):
            framer = StreamFramer()
            self.assertIsNone(framer.protection)
            self.assertFalse(framer.encrypted)
            protect(framer, kind)
            self.assertIsNotNone(framer.protection)
            self.assertEqual(framer.encrypted, encrypted)


def frame(body: bytes, end_flag: int) -> bytes:
    """One frame in clear."""
    return struct.pack(">BI", end_flag, len(body)) + body


class PieceTests(SynchronousTestCase):
    def test_pieces(self) -> None:
        """In pieces, each frame's body comes at once, and the last one says so."""
        framer = StreamFramer()
        framer.deliver_pieces()
        framer.receive_data(frame(b"one", 0) + frame(b"two", 0)[:4])
        self.assertEqual(framer.next_message(), b"one")
        self.assertFalse(framer.message_ended)
        self.assertIsNone(framer.next_message())
        framer.receive_data(frame(b"two", 0)[4:] + frame(b"end", 1))
        self.assertEqual(framer.next_message(), b"two")
        self.assertEqual(framer.next_message(), b"end")
        self.assertTrue(framer.message_ended)

    def test_a_long_message_in_pieces(self) -> None:
        """The limit on messages does not count for pieces; that on frames does."""
        limits = FrameLimits(frame_bytes=10, message_bytes=15, message_frames=2)
        framer = StreamFramer(limits)
        framer.deliver_pieces()
        for _ in range(5):
            framer.receive_data(frame(b"0123456789", 0))
            self.assertEqual(framer.next_message(), b"0123456789")
        framer.receive_data(frame(b"0123456789A", 0))
        self.assertRaises(LimitExceeded, framer.next_message)

    def test_whole_messages_end(self) -> None:
        """A whole message has ended."""
        framer = StreamFramer()
        framer.receive_data(frame(b"a", 0) + frame(b"b", 1))
        self.assertEqual(framer.next_message(), b"ab")
        self.assertTrue(framer.message_ended)
