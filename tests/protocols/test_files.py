"""Tests of ``condor_twisted.protocols.files``."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import LimitExceeded, MalformedMessage, RemoteProtocolError
from condor_twisted.protocols.files import CHUNK_BYTES, FileReceiver, FileSender
from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.messages import MessageReader, MessageWriter
from condor_twisted.wire.stream_frames import StreamFramer


class Stream:
    """Both ends of a stream: what is sent is there to be received."""

    def __init__(self, *, allows_raw: bool, key: bytes | None = None) -> None:
        self.allows_raw = allows_raw
        self.cipher = None if key is None else CfbCipher("3DES", key)
        self.sent: list[bytes] = []
        self.framed = b""
        self._framer = StreamFramer()

    def send_message(self, payload: bytes) -> None:
        self.sent.append(payload)
        self.framed += self._framer.frame_message(payload)

    def send_parts(self, parts: Iterable[bytes]) -> Deferred[None]:
        self.send_message(b"".join(parts))
        return succeed(None)

    def send_raw(self, parts: Iterable[bytes]) -> Deferred[None]:
        cipher = self.raw_cipher()
        for part in parts:
            data = part if cipher is None else cipher.encrypt(part)
            self.sent.append(data)
            self.framed += data
        return succeed(None)

    def raw_cipher(self) -> CfbCipher | None:
        return None if self.cipher is None else self.cipher.for_message()

    def receive_message(self) -> Deferred[MessageReader]:
        return succeed(MessageReader(self.sent.pop(0)))

    def receive_raw(self, count_bytes: int) -> Deferred[bytes]:
        data = self.sent.pop(0)
        if len(data) > count_bytes:
            self.sent.insert(0, data[count_bytes:])
        return succeed(data[:count_bytes])


def reading(data: bytes) -> Any:
    """A function that gives the next bytes of some data."""
    return io.BytesIO(data).read


class FileTests(SynchronousTestCase):
    def send(self, stream: Stream, *files: bytes) -> None:
        """Send files with a name in front of each, and a number behind them."""

        async def all_of_them() -> None:
            sender = FileSender(stream, MessageWriter)
            for number, data in enumerate(files):
                sender.put_string(f"file {number}")
                await sender.send(len(data), reading(data))
            sender.put_int(7)
            sender.finish()

        self.successResultOf(Deferred.fromCoroutine(all_of_them()))

    def receive(self, stream: Stream, count: int) -> list[bytes]:
        """Receive them again."""

        async def all_of_them() -> list[bytes]:
            receiver = FileReceiver(stream)
            found = []
            for number in range(count):
                name = (await receiver.items()).get_string()
                self.assertEqual(name, f"file {number}")
                found.append(b"".join([each async for each in receiver.receive()]))
            items = await receiver.items()
            self.assertEqual(items.get_int(), 7)
            items.end_of_message()
            return found

        outcome = Deferred.fromCoroutine(all_of_them())
        received: list[bytes] = self.successResultOf(outcome)
        return received

    def test_round_trips(self) -> None:
        """Files of every size come as they were sent, on every kind of stream."""
        files = (
            *(b"0123456789", b"", b"x", b"a" * CHUNK_BYTES, b""),
            b"b" * (2 * CHUNK_BYTES + 5),
        )
        for stream in (
            Stream(allows_raw=True),
            Stream(allows_raw=True, key=bytes(range(24))),
            Stream(allows_raw=False),
        ):
            self.send(stream, *files)
            self.assertEqual(self.receive(stream, len(files)), list(files))
            self.assertEqual(stream.sent, [])

    def test_layout(self) -> None:
        """The bytes are those of HTCondor's put_file."""
        for data, expected in (
            (b"0123456789", "0100000008000000000000000a30313233343536373839"),
            (b"", "010000000800000000000000000100000008000000000000029a"),
        ):
            stream = Stream(allows_raw=True)

            async def send(stream: Stream = stream, data: bytes = data) -> None:
                sender = FileSender(stream, MessageWriter)
                await sender.send(len(data), reading(data))
                sender.finish()

            self.successResultOf(Deferred.fromCoroutine(send()))
            self.assertEqual(stream.framed.hex(), expected)

    def test_shrinking_file(self) -> None:
        """What a file lost meanwhile is made up for with zero bytes."""
        stream = Stream(allows_raw=False)

        async def send() -> None:
            sender = FileSender(stream, MessageWriter)
            sender.put_string("file 0")
            await sender.send(10, reading(b"short"))
            sender.put_int(7)
            sender.finish()

        self.successResultOf(Deferred.fromCoroutine(send()))
        self.assertEqual(self.receive(stream, 1), [b"short\0\0\0\0\0"])

    def refused(self, error: type[RemoteProtocolError], *messages: bytes) -> None:
        """Check what becomes of messages that are no file."""
        stream = Stream(allows_raw=False)
        stream.sent = list(messages)

        async def receive() -> None:
            async for _ in FileReceiver(stream, limit_bytes=1000).receive():
                pass

        outcome = Deferred.fromCoroutine(receive())
        self.failureResultOf(outcome, error)

    def test_mnh_0_2_bad_sizes(self) -> None:
        """Sizes are checked before anything is awaited."""

        def numbers(*values: int) -> bytes:
            writer = MessageWriter()
            for value in values:
                writer.put_int(value)
            return writer.end_of_message()

        self.refused(LimitExceeded, numbers(-1, 1))
        self.refused(LimitExceeded, numbers(1001, 1))
        self.refused(LimitExceeded, numbers(10, 0))
        self.refused(LimitExceeded, numbers(10, 1 << 30))
        self.refused(MalformedMessage, numbers(10, 5), b"1234")
        self.refused(MalformedMessage, numbers(0, 1), numbers(667))
        self.refused(MalformedMessage, b"\0")
