"""Sockets as text: how a CEDAR socket is told to a child process.

Layout: every field ends with ``*``::

    socket      descriptor, state, timeout, tried authentication, length of the user,
                length of the version, user, version
    ReliSock    socket, special, peer, crypto, message, digest key
    SafeSock    socket, special, peer
    crypto      ``0``, or 2 x key bytes, cipher, mode, (AES: state in hexadecimal,) key
    message     four header flags, n, (n > 0: the header digest in hexadecimal)
    digest key  ``0``, or 2 x key bytes, key
    endpoint    full name of a shared port endpoint, ReliSock

The user and the version have lengths, so they may hold any character. Blanks of the
version are written as ``_``. What is read is written again byte for byte.

Source: ``src/condor_io/sock.cpp: Sock::serialize, serializeCryptoInfo, serializeMdInfo,
serializeMsgInfo``; ``src/condor_io/reli_sock.cpp: ReliSock::serialize``;
``src/condor_io/shared_port_endpoint.cpp: SharedPortEndpoint::serialize``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from condor_twisted.errors import MalformedMessage

__all__ = [
    "SerializedCrypto",
    "SerializedEndpoint",
    "SerializedSocket",
    "SocketState",
]

_AES: Final = 3
_MAX_TEXT_BYTES: Final = 4096
_NUMBER = re.compile(r"-?[0-9]{1,10}\Z")
_HEXADECIMAL = re.compile(r"(?:[0-9A-F]{2})*\Z")


class SocketState(IntEnum):
    """What a socket was doing when it was written down."""

    VIRGIN = 0
    ASSIGNED = 1
    BOUND = 2
    CONNECTED = 3
    WRITING = 4
    READING = 5
    SPECIAL = 6
    CONNECT_PENDING = 7
    CONNECT_PENDING_RETRY = 8
    REVERSE_CONNECT_PENDING = 9


class _Fields:
    """Reads fields that end with ``*``."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def text(self) -> str:
        end = self._text.find("*", self._position)
        if end < 0:
            raise MalformedMessage("a serialized socket that ends too early")
        found = self._text[self._position : end]
        self._position = end + 1
        return found

    def number(self) -> int:
        text = self.text()
        if _NUMBER.match(text) is None:
            raise MalformedMessage("a serialized socket with a field that is no number")
        return int(text)

    def counted(self, length: int) -> str:
        end = self._position + length
        if not 0 <= length <= _MAX_TEXT_BYTES or self._text[end : end + 1] != "*":
            raise MalformedMessage("a serialized socket with a wrong length")
        found = self._text[self._position : end]
        self._position = end + 1
        return found

    def hexadecimal(self, length: int | None = None) -> bytes:
        text = self.text()
        if _HEXADECIMAL.match(text) is None or (
            length is not None and len(text) != length
        ):
            raise MalformedMessage("a serialized socket with a field that is no key")
        return bytes.fromhex(text)

    def rest(self) -> str:
        return self._text[self._position :]

    def end(self) -> None:
        if self._position != len(self._text):
            raise MalformedMessage("a serialized socket that goes on behind its end")


@dataclass(frozen=True, slots=True)
class SerializedCrypto:
    """The encryption of a connected socket.

    Args:
        protocol: The cipher's number.
        mode: Whether it is switched on.
        key: The key.
        state: Counters and initial values of AES.
    """

    protocol: int
    mode: int
    key: bytes = field(repr=False)
    state: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        state = f"{self.state.hex().upper()}*" if self.protocol == _AES else ""
        key = self.key.hex().upper()
        return f"{len(key)}*{self.protocol}*{self.mode}*{state}{key}*"

    @classmethod
    def _read(cls, fields: _Fields) -> SerializedCrypto | None:
        length = fields.number()
        if length == 0:
            return None
        protocol, mode = fields.number(), fields.number()
        state = fields.hexadecimal() if protocol == _AES else b""
        return cls(protocol, mode, fields.hexadecimal(length), state)


@dataclass(frozen=True, slots=True)
class SerializedSocket:
    """One socket as a parent describes it to its child.

    Args:
        descriptor: Its file descriptor, which the child has inherited.
        is_stream: TCP or a UNIX socket (ReliSock), not UDP (SafeSock).
        state: What it was doing; a number that may not be in `SocketState`.
        timeout_seconds: Its timeout; 0 is to be ignored.
        tried_authentication: Authentication was run on it.
        user: Who is at its other end, if that was proved.
        version: The ``$CondorVersion$`` of its other end.
        special: 1 where a stream listens.
        peer: Its other end's sinful string.
        crypto: Its encryption, if it is connected and has one.
        header_flags: Which headers of the messages under way were sent and read.
        header_digest: What has to be authenticated with the first message.
        digest_key: The key of its MACs.
    """

    descriptor: int
    is_stream: bool
    state: int
    timeout_seconds: int = 0
    tried_authentication: int = 0
    user: str = ""
    version: str = ""
    special: int = 0
    peer: str = ""
    crypto: SerializedCrypto | None = None
    header_flags: tuple[int, int, int, int] = (0, 0, 0, 0)
    header_digest: bytes = field(default=b"", repr=False)
    digest_key: bytes = field(default=b"", repr=False)

    @classmethod
    def listening(cls, descriptor: int) -> SerializedSocket:
        """A stream that listens."""
        return cls(descriptor, True, SocketState.SPECIAL, special=1)

    @classmethod
    def bound_datagrams(cls, descriptor: int) -> SerializedSocket:
        """A UDP socket that is bound."""
        return cls(descriptor, False, SocketState.BOUND)

    @property
    def is_listening(self) -> bool:
        """Whether it is a stream that listens."""
        return (
            self.is_stream and self.state == SocketState.SPECIAL and (self.special == 1)
        )

    @classmethod
    def parse(cls, text: str, *, is_stream: bool) -> SerializedSocket:
        """Read one socket.

        Args:
            text: Its text.
            is_stream: What it was announced as.

        Raises:
            MalformedMessage: It is none.
        """
        fields = _Fields(text)
        found = cls._read(fields, is_stream)
        fields.end()
        return found

    @classmethod
    def _read(cls, fields: _Fields, is_stream: bool) -> SerializedSocket:
        descriptor, state, timeout, tried = (fields.number() for _ in range(4))
        if descriptor < 0:
            raise MalformedMessage("a serialized socket without a descriptor")
        user_length, version_length = fields.number(), fields.number()
        user = fields.counted(user_length)
        version = fields.counted(version_length).replace("_", " ")
        special, peer = fields.number(), fields.text()
        start = cls(
            descriptor, is_stream, state, timeout, tried, user, version, special, peer
        )
        if not is_stream:
            return start
        crypto = SerializedCrypto._read(fields)
        flags = (fields.number(), fields.number(), fields.number(), fields.number())
        digest_length = fields.number()
        digest = fields.hexadecimal(2 * digest_length) if digest_length else b""
        key_length = fields.number()
        key = fields.hexadecimal(key_length) if key_length else b""
        return cls(
            descriptor,
            is_stream,
            state,
            timeout,
            tried,
            user,
            version,
            special,
            peer,
            crypto,
            flags,
            digest,
            key,
        )

    def serialize(self) -> str:
        """Its text; with keys, so it belongs nowhere but into a child's environment."""
        numbers = (
            self.descriptor,
            self.state,
            self.timeout_seconds,
            self.tried_authentication,
            len(self.user),
            len(self.version),
        )
        text = "".join(f"{number}*" for number in numbers)
        text += f"{self.user}*{self.version.replace(' ', '_')}*"
        text += f"{self.special}*{self.peer}*"
        if not self.is_stream:
            return text
        text += "0*" if self.crypto is None else str(self.crypto)
        text += "".join(f"{flag}*" for flag in self.header_flags)
        text += f"{len(self.header_digest)}*"
        if self.header_digest:
            text += f"{self.header_digest.hex().upper()}*"
        key = self.digest_key.hex().upper()
        return f"{text}{len(key)}*{key}*" if key else f"{text}0*"


@dataclass(frozen=True, slots=True)
class SerializedEndpoint:
    """The endpoint at which a child takes connections that a shared port passes on.

    Args:
        full_name: The directory or the cookie, a slash, and the endpoint's id.
        listener: The UNIX socket.
    """

    full_name: str = field(repr=False)
    listener: SerializedSocket

    @property
    def endpoint_id(self) -> str:
        """What ``sock=`` of the daemon's address says."""
        return self.full_name.rpartition("/")[2]

    @classmethod
    def parse(cls, text: str) -> SerializedEndpoint:
        """Read an endpoint.

        Raises:
            MalformedMessage: It is none.
        """
        fields = _Fields(text)
        name = fields.text()
        return cls(name, SerializedSocket.parse(fields.rest(), is_stream=True))

    def serialize(self) -> str:
        """Its text."""
        return f"{self.full_name}*{self.listener.serialize()}"
