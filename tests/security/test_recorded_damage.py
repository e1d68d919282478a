"""Every recorded conversation, both sides: replayed, and each message of it damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import PeerClosed, RemoteProtocolError, SecurityError
from tests.security.recordings import (
    RECORDINGS,
    Played,
    load_vector,
    prepare_recording,
)
from tests.security.test_negotiation import play_client, play_server

_HEADER_BYTES = 5
_POSITIONS = 9
#: Ciphers that do not cover what was said in clear before them.
_UNBOUND = ("3des", "blowfish")

Tamper = Callable[[int, bytes], bytes]


def _positions(first: int, end: int) -> list[int]:
    """Some places between two, evenly, the outermost among them."""
    count = min(_POSITIONS, end - first)
    return [
        first + (end - 1 - first) * each // max(1, count - 1) for each in range(count)
    ]


def _cut(frame: bytes, length: int) -> bytes:
    """A frame with a shorter message in it."""
    body = frame[_HEADER_BYTES : _HEADER_BYTES + length]
    return frame[:1] + length.to_bytes(4, "big") + body


def _changed(frame: bytes, at: int) -> bytes:
    """A frame with one byte changed."""
    return frame[:at] + bytes((frame[at] ^ 0x41,)) + frame[at + 1 :]


def _outcome(played: Played[Any], whole: Played[Any]) -> BaseException | None:
    """The error that a conversation ended in; the client has closed after it all."""
    side = played.side
    if side is None:
        return played.broken or PeerClosed("the first message never came")
    if not side.done:
        side.peer_closed()
        assert side.done, "a handshake goes on without its peer"
    if len(played.left_over) < len(whole.left_over):
        return played.broken or side.error or PeerClosed("what follows never came")
    return played.broken or side.error


class RecordedDamageTests(SynchronousTestCase):
    """Recordings of all that happens."""

    def play(
        self, name: str, index: int, server: bool, tamper: Tamper | None = None
    ) -> Played[Any]:
        """Play one side of one connection, after those before it."""
        recording = prepare_recording(self, name, server)
        play: Callable[..., Played[Any]] = play_server if server else play_client
        for before in range(index):
            play(recording, before)
        if tamper is not None:
            recording.tamper = tamper
        return play(recording, index)

    def sides(self) -> Iterator[tuple[str, int, bool]]:
        """Every side of every recorded connection."""
        for name in RECORDINGS:
            for index in range(len(load_vector(name)["connections"])):
                yield name, index, True
                yield name, index, False

    def test_byte_for_byte(self) -> None:
        """Each side sends what it sent when it was recorded."""
        self.assertEqual(len(RECORDINGS), 31)
        for side in self.sides():
            with self.subTest(side=side):
                self.assertEqual(self.play(*side).differences, [])

    def test_cut(self) -> None:
        """Any message that ends too soon is a documented error."""
        for side in self.sides():
            whole = self.play(*side)
            for number, frame in enumerate(whole.frames[: whole.taken_count]):
                for length in _positions(0, len(frame) - _HEADER_BYTES):
                    with self.subTest(side=side, number=number, length=length):
                        error = self.damage(side, whole, number, _cut, length)[0]
                        self.assertIsInstance(
                            error, RemoteProtocolError | SecurityError
                        )

    def test_changed(self) -> None:
        """A byte that changed is a documented error, or else separates both sides.

        Where the change says nothing to us, what we send under AES is not what the
        other side expects: its key covers what both have heard.
        """
        for side in self.sides():
            whole = self.play(*side)
            for number, frame in enumerate(whole.frames):
                for at in _positions(0, len(frame)):
                    with self.subTest(side=side, number=number, at=at):
                        error, played = self.damage(side, whole, number, _changed, at)
                        if error is None:
                            self.assertTrue(played.differences or side[0] in _UNBOUND)
                        else:
                            self.assertIsInstance(
                                error, RemoteProtocolError | SecurityError
                            )

    def damage(
        self,
        side: tuple[str, int, bool],
        whole: Played[Any],
        number: int,
        how: Callable[[bytes, int], bytes],
        at: int,
    ) -> tuple[BaseException | None, Played[Any]]:
        """Play a side with one frame damaged; its error, and the play."""

        def tamper(which: int, frame: bytes) -> bytes:
            return how(frame, at) if which == number else frame

        played = self.play(*side, tamper)
        return _outcome(played, whole), played
