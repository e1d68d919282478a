"""ReliSock frames: a stream of bytes into whole messages, and back.

A message is the bodies of consecutive frames, up to and including one whose end flag
is set. Items know nothing of frames. ``StreamFramer`` holds both directions of one
connection, because a protection binds them together: the first encrypted frame
authenticates all that went in clear, both ways.

Bytes come in with ``receive_data``; ``next_message`` parses one message at a time.
So when a message makes the caller enable a protection or take raw bytes, whatever
arrived behind it in the same segment is still there, unparsed.

Layout:
    ====== ====== =================================================================
    offset bytes  meaning
    ====== ====== =================================================================
    0      1      end flag: 0 means that more frames of this message follow; 1 (and
                  2 to 10, which nobody sends) ends it
    1      4      length of the body, big-endian, 1 to 1 MiB
    5      16     MAC, with MD5 integrity only; not in the length
    ...    length body; with AES-GCM: IV base (first frame), ciphertext, tag
    ====== ====== =================================================================

Source: ``src/condor_io/reli_sock.cpp: RcvMsg::rcv_packet, SndMsg::snd_packet``.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Final

from condor_twisted.errors import (
    LimitExceeded,
    LocalProtocolError,
    MalformedMessage,
    RemoteProtocolError,
)
from condor_twisted.wire.ciphers import (
    FRAME_HEADER_BYTES,
    UNUSED_DIRECTION,
    FrameProtection,
)

__all__ = ["MAX_CLEAR_BYTES", "MAX_FRAME_BYTES", "FrameLimits", "StreamFramer"]

MAX_FRAME_BYTES: Final = 1 << 20
"""The longest body of a frame that any HTCondor takes."""

MAX_CLEAR_BYTES: Final = 1 << 20
"""From so many clear bytes in one direction on, AES-GCM cannot start any more.

HTCondor's two ends do not digest the same bytes then.
"""

_HEADER: Final = struct.Struct(">BI")
_MAX_END_FLAG: Final = 10
# Frames a transcript keeps as they are before it hashes them.
_KEPT_CHUNKS: Final = 64


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """What a framer takes from its peer.

    Args:
        frame_bytes: The longest body of a frame.
        message_bytes: The longest message, as the peer is unknown.
        message_frames: The most frames of a message, as the peer is unknown.
        raised_message_bytes: The longest message after ``raise_limits``.
        raised_message_frames: The most frames of a message after ``raise_limits``.
    """

    frame_bytes: int = MAX_FRAME_BYTES
    message_bytes: int = 2 << 20
    message_frames: int = 1024
    raised_message_bytes: int = 64 << 20
    raised_message_frames: int = 65_536


class _Transcript:
    """SHA-256 over the clear frames of one direction, computed when asked for.

    Most connections never ask, or ask after a handful of frames: so the frames are
    kept, and hashed early only where they are many.
    """

    __slots__ = ("_chunks", "_digest", "body_bytes")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._digest: hashlib._Hash | None = None
        self.body_bytes = 0

    def add(self, frames: bytes, body_bytes: int) -> None:
        """Append whole frames whose bodies have ``body_bytes`` bytes in all."""
        self.body_bytes += body_bytes
        if self.body_bytes >= MAX_CLEAR_BYTES:
            self._chunks.clear()  # it can serve nobody any more
            return
        self._chunks.append(frames)
        if len(self._chunks) > _KEPT_CHUNKS:
            self._fold()

    def digest(self) -> bytes:
        """Return the digest, or zero bytes where nothing went in clear."""
        if not self.body_bytes:
            return UNUSED_DIRECTION
        self._fold()
        assert self._digest is not None
        return self._digest.digest()

    def _fold(self) -> None:
        if self._digest is None:
            self._digest = hashlib.sha256()
        self._digest.update(b"".join(self._chunks))
        self._chunks.clear()


class StreamFramer:
    """Both directions of one connection: bytes to messages, messages to bytes.

    Args:
        limits: What to take from the peer.

    After a ``RemoteProtocolError`` the framer is dead: every method raises the same
    error again, for there is no way to find the next frame.
    """

    __slots__ = (
        "_buffer",
        "_collected_bytes",
        "_ended",
        "_error",
        "_limits",
        "_max_bytes",
        "_max_frames",
        "_offset",
        "_parts",
        "_piecewise",
        "_protection",
        "_received",
        "_sending",
        "_sent",
    )

    def __init__(self, limits: FrameLimits = FrameLimits()) -> None:
        self._limits = limits
        self._max_bytes = limits.message_bytes
        self._max_frames = limits.message_frames
        self._buffer: bytes | bytearray = b""
        self._offset = 0
        self._parts: list[bytes] = []
        self._collected_bytes = 0
        self._piecewise = False
        self._ended = True
        self._sending = False
        self._protection: FrameProtection | None = None
        self._sent: _Transcript | None = _Transcript()
        self._received: _Transcript | None = _Transcript()
        self._error: RemoteProtocolError | None = None

    # -- state -----------------------------------------------------------------

    @property
    def buffered_bytes(self) -> int:
        """How many received bytes no frame has claimed yet."""
        return len(self._buffer) - self._offset

    @property
    def receiving(self) -> bool:
        """Whether a message has begun to arrive and is not whole.

        Once ``next_message`` has returned ``None``: before, whole messages count too.
        """
        return bool(self._parts) or self._offset < len(self._buffer)

    @property
    def sending(self) -> bool:
        """Whether a message has been sent in part."""
        return self._sending

    @property
    def protection(self) -> FrameProtection | None:
        """What protects the messages from now on."""
        return self._protection

    @property
    def encrypted(self) -> bool:
        """Whether crypto mode is on: strings have a length in front."""
        return self._protection is not None and self._protection.encrypts

    def raise_limits(self, message_bytes: int | None = None) -> None:
        """Take large messages from now on: the peer may send them.

        Args:
            message_bytes: How large they may be; by default as the limits say.
        """
        raised = self._limits.raised_message_bytes
        if message_bytes is not None:
            raised = min(raised, message_bytes)
        self._max_bytes = max(self._max_bytes, raised)
        self._max_frames = self._limits.raised_message_frames

    # -- receiving -------------------------------------------------------------

    def deliver_pieces(self) -> None:
        """Give messages in pieces from now on: each frame's body as it arrives.

        For a message that is used as it comes and is longer than anybody wants to
        hold. `message_ended` tells which piece is the last. The limits on whole
        messages do not count for it.
        """
        self._piecewise = True

    @property
    def message_ended(self) -> bool:
        """Whether what ``next_message`` returned last ended its message."""
        return self._ended

    def receive_data(self, data: bytes) -> None:
        """Take bytes that arrived, in pieces of any size."""
        if self._error is not None:
            raise self._error
        buffer = self._buffer
        unclaimed = len(buffer) - self._offset
        if not unclaimed:
            self._buffer = data
            self._offset = 0
            return
        if unclaimed <= len(data):  # so that no byte is copied again and again
            self._buffer = _cut(buffer, self._offset, len(buffer)) + data
            self._offset = 0
            return
        if isinstance(buffer, bytearray):
            if self._offset > len(buffer) // 2:
                del buffer[: self._offset]
                self._offset = 0
        else:
            buffer = self._buffer = bytearray(buffer[self._offset :])
            self._offset = 0
        buffer += data

    def next_message(self) -> bytes | None:
        """Return the next message, or ``None`` until more bytes are here.

        Raises:
            MalformedMessage: If a frame cannot be one, or is not authentic.
            LimitExceeded: If a frame or the message is too large, as soon as that is
                known.
        """
        if self._error is not None:
            raise self._error
        try:
            return self._parse()
        except RemoteProtocolError as error:
            self._error = error
            self._buffer = b""
            self._offset = 0
            self._parts.clear()
            raise

    def _parse(self) -> bytes | None:
        """Consume frames until a message is whole or bytes are missing."""
        protection = self._protection
        header_bytes = (
            FRAME_HEADER_BYTES if protection is None else protection.header_bytes
        )
        buffer = self._buffer
        size = len(buffer)
        start = self._offset
        while start < size:
            if size - start < FRAME_HEADER_BYTES:
                self._check_partial_header(_cut(buffer, start, size))
                return None
            end_flag, length = _HEADER.unpack_from(buffer, start)
            if end_flag > _MAX_END_FLAG:
                raise MalformedMessage(f"a frame has the end flag {end_flag}")
            if not 1 <= length <= self._limits.frame_bytes:
                raise LimitExceeded(
                    "bytes of a frame", self._limits.frame_bytes, length
                )
            collected = self._collected_bytes + length
            if collected > self._max_bytes and not self._piecewise:
                raise LimitExceeded("bytes of a message", self._max_bytes, collected)
            body_start = start + header_bytes
            stop = body_start + length
            if stop > size:
                return None
            body = _cut(buffer, body_start, stop)
            if protection is not None:
                body = protection.open(_cut(buffer, start, body_start), body)
            elif self._received is not None:
                self._received.add(_cut(buffer, start, stop), length)
            self._offset = start = stop
            if end_flag or self._piecewise:
                self._ended = end_flag != 0
                return self._completed(body)
            self._parts.append(body)
            self._collected_bytes = collected
            if len(self._parts) >= self._max_frames:
                raise LimitExceeded("frames of a message", self._max_frames)
        return None

    def _completed(self, body: bytes) -> bytes:
        """Return the message that ends with this body."""
        if self._offset == len(self._buffer):
            self._buffer = b""
            self._offset = 0
        if not self._parts:
            return body
        self._parts.append(body)
        message = b"".join(self._parts)
        self._parts.clear()
        self._collected_bytes = 0
        return message

    def _check_partial_header(self, header: bytes) -> None:
        """Refuse a header that cannot become right, whatever follows.

        Source: ``src/condor_io/reli_sock.cpp: RcvMsg::rcv_packet``, which takes the
        missing bytes for zeros too.
        """
        end_flag, length = _HEADER.unpack(header.ljust(FRAME_HEADER_BYTES, b"\0"))
        if end_flag > _MAX_END_FLAG:
            raise MalformedMessage(f"a frame has the end flag {end_flag}")
        if length > self._limits.frame_bytes:
            raise LimitExceeded("bytes of a frame", self._limits.frame_bytes, length)

    def take_raw(self, count_bytes: int) -> bytes:
        """Take received bytes that stand outside of frames, as file data do.

        Args:
            count_bytes: The most bytes to take.

        Returns:
            What is here of them; more may come with ``receive_data``.

        Raises:
            LocalProtocolError: If a message is half read, or the stream is one on
                which no raw bytes exist.
        """
        if self._error is not None:
            raise self._error
        if self._parts:
            raise LocalProtocolError("raw bytes are wanted in the middle of a message")
        if self._protection is not None and not self._protection.allows_raw:
            raise LocalProtocolError("no raw bytes exist on an AES-GCM stream")
        if count_bytes < 0:
            raise LocalProtocolError(f"{count_bytes} raw bytes are wanted")
        stop = min(self._offset + count_bytes, len(self._buffer))
        data = _cut(self._buffer, self._offset, stop)
        self._offset = stop
        return data

    # -- sending ---------------------------------------------------------------

    def frame_message(self, payload: bytes) -> bytes:
        """Return the bytes that carry a message: one frame, if it fits into one.

        Raises:
            LocalProtocolError: If the message is empty, or another one is half sent.
        """
        if self._sending:
            raise LocalProtocolError("another message has been sent in part only")
        return self.frame_part(payload, last=True)

    def frame_part(self, part: bytes, last: bool) -> bytes:
        """Return the bytes that carry the next part of a message.

        Args:
            part: At least one byte: there is no empty frame to end a message with.
            last: Whether the message ends with this part.

        Raises:
            LocalProtocolError: If the part is empty.
        """
        if self._error is not None:
            raise self._error
        if not part:
            raise LocalProtocolError("an empty message, or part of one, cannot be sent")
        self._sending = not last
        return self._frames(part, int(last))

    def frame_pieces(self, part: bytes, last: bool) -> tuple[bytes, ...]:
        """The same as ``frame_part``, in pieces: what is long need not be copied."""
        protection = self._protection
        growth = 0 if protection is None else protection.growth_bytes
        if (
            self._sent is None
            and self._error is None
            and 0 < len(part) <= MAX_FRAME_BYTES - growth
        ):
            self._sending = not last
            if protection is not None:
                return protection.seal(int(last), part)
            return _HEADER.pack(int(last), len(part)), part
        return (self.frame_part(part, last),)

    def _frames(self, part: bytes, end_flag: int) -> bytes:
        """Return a frame, or several for what does not fit into one."""
        frames: list[bytes] = []
        protection = self._protection
        start = 0
        while start < len(part):
            room = MAX_FRAME_BYTES
            if protection is not None:
                room -= protection.growth_bytes
            piece = part[start : start + room]
            start += len(piece)
            flag = end_flag if start == len(part) else 0
            if protection is not None:
                frames += protection.seal(flag, piece)
            else:
                frames.append(_HEADER.pack(flag, len(piece)) + piece)
                if self._sent is not None:
                    self._sent.add(frames[-1], len(piece))
        return b"".join(frames)

    # -- protection ------------------------------------------------------------

    def enable_protection(self, protection: FrameProtection) -> None:
        """Protect all messages from now on, those to send and those to receive.

        Received bytes that no message has claimed yet belong to the protected
        stream already.

        Args:
            protection: A new one, with the state of this connection alone.

        Raises:
            LocalProtocolError: If a message is half sent or half received, if
                AES-GCM is on already, or if the transcript is needed but was given
                up, or we sent too much in clear.
            LimitExceeded: If the transcript is needed and the peer sent too much in
                clear.
        """
        if self._error is not None:
            raise self._error
        if self._sending or self._parts:
            raise LocalProtocolError("a protection starts between messages only")
        if self._protection is not None and self._protection.wants_transcript:
            raise LocalProtocolError("an AES-GCM stream stays as it is")
        if protection.wants_transcript:
            protection.start(*self._digests())
        else:
            protection.start(UNUSED_DIRECTION, UNUSED_DIRECTION)
        self._protection = protection
        self.forget_transcript()

    def restart_transcript(self) -> None:
        """Begin the transcript anew, as both ends do behind a connecting preamble.

        A shared port server and a CCB broker use up the first message of what then
        becomes a connection to somebody else.

        Source: ``src/condor_io/shared_port_client.cpp``, ``ccb_client.cpp``.
        """
        if self._protection is not None or self._sending or self._parts:
            raise LocalProtocolError("the transcript cannot begin anew here")
        self._sent = _Transcript()
        self._received = _Transcript()

    def forget_transcript(self) -> None:
        """Keep no transcript: no handshake comes any more."""
        self._sent = None
        self._received = None

    def _digests(self) -> tuple[bytes, bytes]:
        """Return the digests of what was sent and received in clear."""
        sent, received = self._sent, self._received
        if sent is None or received is None:
            raise LocalProtocolError("the transcript for AES-GCM has been given up")
        if sent.body_bytes >= MAX_CLEAR_BYTES:
            raise LocalProtocolError(
                f"{sent.body_bytes} bytes were sent in clear; AES-GCM needs less "
                f"than {MAX_CLEAR_BYTES}"
            )
        if received.body_bytes >= MAX_CLEAR_BYTES:
            raise LimitExceeded(
                "clear bytes before AES-GCM", MAX_CLEAR_BYTES - 1, received.body_bytes
            )
        return sent.digest(), received.digest()


def _cut(buffer: bytes | bytearray, start: int, stop: int) -> bytes:
    """Return a stretch of the buffer as ``bytes``, copied once."""
    if isinstance(buffer, bytes):
        return buffer[start:stop]
    with memoryview(buffer) as view:
        return bytes(view[start:stop])
