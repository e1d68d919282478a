"""Files on a CEDAR stream, as ``put_file`` and ``get_file`` move them.

The size comes in a message, behind whatever the sender has put into it. How the data
follow hangs on the stream:

clear, MD5, 3DES, Blowfish
    outside of any message; with 3DES and Blowfish encrypted by a keystream of their own
AES
    as messages of 262144 bytes, the last one shorter; the size is followed by that
    number

An empty file is followed by the integer 666 instead, in front of whatever the next
message has.

Source: ``src/condor_io/reli_sock.cpp: put_file, get_file``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final, Protocol, runtime_checkable

from twisted.internet.defer import Deferred

from condor_twisted.errors import LimitExceeded, MalformedMessage
from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.messages import MessageReader, MessageWriter

__all__ = ["CHUNK_BYTES", "FileReceiver", "FileSender", "SendingChannel"]

CHUNK_BYTES: Final = 262_144
_MAX_CHUNK_BYTES: Final = 16 << 20
_MAX_FILE_BYTES: Final = 1 << 40
_EMPTY_FILE: Final = 666


@runtime_checkable
class SendingChannel(Protocol):
    """The sending side of a stream; a `ReliSockProtocol` is one."""

    @property
    def allows_raw(self) -> bool:
        """Whether data stand outside of messages."""

    def send_message(self, payload: bytes) -> None:
        """Queue one message."""

    def send_parts(self, parts: Iterable[bytes]) -> Deferred[None]:
        """Send one message piece by piece."""

    def send_raw(self, parts: Iterable[bytes]) -> Deferred[None]:
        """Send bytes outside of messages."""


class ReceivingChannel(Protocol):
    """The receiving side of a stream; a `ClientChannel` is one."""

    @property
    def allows_raw(self) -> bool:
        """Whether data stand outside of messages."""

    def raw_cipher(self) -> CfbCipher | None:
        """What encrypts the data of one file that stand outside of messages."""

    def receive_message(self) -> Deferred[MessageReader]:
        """Wait for the next message."""

    def receive_raw(self, count_bytes: int) -> Deferred[bytes]:
        """Wait for bytes outside of messages."""


class FileSender:
    """Sends files, and items before, between and behind them.

    Args:
        channel: Where they go.
        make_writer: Gives a writer for one message on that channel.
    """

    def __init__(
        self, channel: SendingChannel, make_writer: Callable[[], MessageWriter]
    ) -> None:
        self._channel = channel
        self._make_writer = make_writer
        self._items: MessageWriter | None = None

    def put_int(self, value: int) -> None:
        """Put an integer into the message that is under way."""
        self._writer().put_int(value)

    def put_string(self, value: str) -> None:
        """Put a string into the message that is under way."""
        self._writer().put_string(value)

    async def send(self, size_bytes: int, read: Callable[[int], bytes]) -> None:
        """Send one file.

        Args:
            size_bytes: How long it is; what is missing of it in the end becomes
                zero bytes, because the peer waits for as many.
            read: Gives up to that many further bytes; nothing at the end.

        Raises:
            PeerClosed: The peer has gone.
        """
        channel = self._channel
        self.put_int(size_bytes)
        if not channel.allows_raw:
            self.put_int(CHUNK_BYTES)
        self.finish()
        if not size_bytes:
            self.put_int(_EMPTY_FILE)
        elif channel.allows_raw:
            await channel.send_raw(_chunks(size_bytes, read))
        else:
            for chunk in _chunks(size_bytes, read):
                await channel.send_parts([chunk])

    def finish(self) -> None:
        """Send the message that is under way, if there is anything in it."""
        items, self._items = self._items, None
        if items is not None:
            self._channel.send_message(items.end_of_message())

    def _writer(self) -> MessageWriter:
        if self._items is None:
            self._items = self._make_writer()
        return self._items


def _chunks(size_bytes: int, read: Callable[[int], bytes]) -> Iterable[bytes]:
    left = size_bytes
    while left:
        wanted = min(left, CHUNK_BYTES)
        data = read(wanted)
        while data and len(data) < wanted and (more := read(wanted - len(data))):
            data += more
        yield data.ljust(wanted, b"\0")
        left -= wanted


class FileReceiver:
    """Receives files, and items before, between and behind them.

    Args:
        channel: Where they come from.
        limit_bytes: Longer files are refused.
    """

    def __init__(
        self, channel: ReceivingChannel, limit_bytes: int = _MAX_FILE_BYTES
    ) -> None:
        self._channel = channel
        self._limit_bytes = limit_bytes
        self._items: MessageReader | None = None

    async def items(self) -> MessageReader:
        """The message that is under way, at its next item."""
        if self._items is None:
            self._items = await self._channel.receive_message()
        return self._items

    async def receive(self) -> AsyncIterator[bytes]:
        """Receive one file, whose size is the next item.

        Yields:
            Its data in pieces; take all of them.

        Raises:
            RemoteProtocolError: What comes is no file.
        """
        channel = self._channel
        reader = await self.items()
        size, chunk_bytes = reader.get_int(), 0
        if not 0 <= size <= self._limit_bytes:
            raise LimitExceeded("bytes of a file", self._limit_bytes, size)
        if not channel.allows_raw:
            chunk_bytes = reader.get_int()
            if size and not 1 <= chunk_bytes <= _MAX_CHUNK_BYTES:
                raise LimitExceeded(
                    "bytes of a file's chunk", _MAX_CHUNK_BYTES, chunk_bytes
                )
        reader.end_of_message()
        self._items = None
        if not size:
            if (await self.items()).get_int() != _EMPTY_FILE:
                raise MalformedMessage("an empty file is not followed by 666")
        elif chunk_bytes:
            while size:
                data = await self._chunk(min(size, chunk_bytes))
                size -= len(data)
                yield data
        else:
            cipher = channel.raw_cipher()
            while size:
                data = await channel.receive_raw(min(size, CHUNK_BYTES))
                size -= len(data)
                yield data if cipher is None else cipher.decrypt(data)

    async def _chunk(self, wanted: int) -> bytes:
        message = await self._channel.receive_message()
        if message.remaining != wanted:
            raise MalformedMessage(
                f"a file's chunk has {message.remaining} bytes instead of {wanted}"
            )
        return message.get_bytes(wanted)
