"""A message on its way out, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from condor_twisted.errors import LocalProtocolError

__all__ = ["PART_BYTES", "OutgoingParts"]

#: Longer messages and pieces are cut into frames of this size.
PART_BYTES: Final = 262_144


class OutgoingParts:
    """A message on its way out, piece by piece; one piece is held back.

    Which piece is the last is known only when there is no further one, and a frame
    cannot be empty; so each piece waits for its successor.

    Args:
        parts: The pieces.
        encode: For bytes outside of any message: what they look like on the stream.
    """

    __slots__ = ("_held", "_iterator", "_rest", "done", "encode", "waits")

    def __init__(
        self,
        parts: Iterable[bytes],
        encode: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self.encode = encode
        self._iterator: Iterator[bytes] = iter(parts)
        self._held = b""
        self._rest = memoryview(b"")
        #: Whether the last answer ``b""`` asked for a turn of the reactor.
        self.waits = False
        self.done: Deferred[None] = Deferred()

    def next_part(self) -> bytes | None:
        """A piece that is not the last; ``b""`` for none yet; ``None`` at the end."""
        self.waits = False
        if self._rest:
            piece = bytes(self._rest[:PART_BYTES])
            self._rest = self._rest[PART_BYTES:]
        else:
            try:
                piece = next(self._iterator)
            except StopIteration:
                return None
            if not piece:
                self.waits = True
                return b""
            if len(piece) > PART_BYTES:
                self._rest = memoryview(piece)[PART_BYTES:]
                piece = piece[:PART_BYTES]
        ready, self._held = self._held, piece
        return ready

    def last_part(self) -> bytes:
        """The piece that was held back.

        Raises:
            LocalProtocolError: If there was no piece at all.
        """
        if not self._held:
            raise LocalProtocolError("a CEDAR message cannot be empty")
        return self._held

    def end(self, failure: Failure | None) -> None:
        """Tell whoever waits, once."""
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()
        if self.done.called:
            return
        if failure is None:
            self.done.callback(None)
        else:
            self.done.errback(failure)
