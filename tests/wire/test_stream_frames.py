"""Tests of ``condor_twisted.wire.stream_frames``."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.wire.ciphers import AesGcmProtection
from condor_twisted.wire.stream_frames import StreamFramer
from tests.wire.cedar_vectors import Vector, sequence


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
