"""What is said around a shared port: which daemon is meant, and a socket handed on.

Layout:
    The request, one message in clear before anything else, never answered::

        int 75, string endpoint's id, string who asks (for logs), int seconds that the
        shared port daemon may take (-1: any), int n, n strings that nobody reads

    What a shared port daemon sends to an endpoint: the message ``int 76``, then one
    byte with the descriptor of the connection.

Source: ``src/condor_io/shared_port_client.cpp: SharedPortClient::sendSharedPortID,
SharedPortIdIsValid``; ``src/condor_io/shared_port_server.cpp:
SharedPortServer::HandleConnectRequest``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from condor_twisted.constants.commands import Command
from condor_twisted.errors import LimitExceeded, MalformedMessage, RemoteProtocolError
from condor_twisted.wire.messages import MessageReader, MessageWriter
from condor_twisted.wire.sinful import SinfulAddress

__all__ = [
    "MAX_ENDPOINT_ID_CHARACTERS",
    "MAX_REQUEST_BYTES",
    "OWN_ENDPOINT",
    "PASS_SOCKET",
    "FirstBytes",
    "SharedPortRequest",
    "is_endpoint_id",
    "read_first_bytes",
]

#: The endpoint of the shared port daemon itself.
OWN_ENDPOINT: Final = "self"
#: What announces a descriptor; a byte that carries it follows.
PASS_SOCKET: Final = b"\x01\0\0\0\x08" + int(Command.SHARED_PORT_PASS_SOCK).to_bytes(
    8, "big"
)
#: A request that is longer is none: id, name and a hundred further strings fit.
MAX_REQUEST_BYTES: Final = 61_440
#: So that a name with a cookie or a directory in front fits into a socket's address.
MAX_ENDPOINT_ID_CHARACTERS: Final = 64

_ID = re.compile(rf"[A-Za-z0-9_.-]{{1,{MAX_ENDPOINT_ID_CHARACTERS}}}\Z")
_MAX_TEXT_BYTES: Final = 1023
_MAX_FURTHER_TEXT_BYTES: Final = 511
_MAX_FURTHER_COUNT: Final = 100
_HEADER_BYTES: Final = 5
_NUMBER_BYTES: Final = 8
_MAX_END_FLAG: Final = 10
_MAX_FRAMES: Final = 64
_TLS_HANDSHAKE: Final = b"\x16\x03"
_HTTP = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE) ")


def is_endpoint_id(text: str) -> bool:
    """Whether a text can be an endpoint's id, and names nothing but a socket."""
    return _ID.match(text) is not None and text not in (".", "..")


@dataclass(frozen=True, slots=True)
class SharedPortRequest:
    """Which daemon behind a shared port a connection is for.

    Args:
        endpoint_id: ``sock=`` of the daemon's address.
        requester: Who asks, for logs: a subsystem and a sinful string by custom.
        seconds: How long the shared port daemon may take; -1 for any time.
    """

    endpoint_id: str
    requester: str = ""
    seconds: int = -1

    def serialize(self) -> bytes:
        """The payload of the message."""
        writer = MessageWriter()
        writer.put_int(Command.SHARED_PORT_CONNECT)
        writer.put_string(self.endpoint_id)
        writer.put_string(self.requester)
        writer.put_int(self.seconds)
        writer.put_int(0)
        return writer.end_of_message()

    @classmethod
    def parse(cls, payload: bytes) -> SharedPortRequest:
        """Read a request; its id may be none (`is_endpoint_id`).

        Raises:
            RemoteProtocolError: The message is none.
        """
        reader = MessageReader(payload)
        if reader.get_int() != Command.SHARED_PORT_CONNECT:
            raise MalformedMessage("not a request for a daemon behind a shared port")
        endpoint_id = _text(reader, _MAX_TEXT_BYTES)
        requester = _text(reader, _MAX_TEXT_BYTES)
        seconds = reader.get_int32()
        further = reader.get_int32()
        if not 0 <= further <= _MAX_FURTHER_COUNT:
            raise LimitExceeded(
                "further arguments of a shared port request",
                _MAX_FURTHER_COUNT,
                further,
            )
        for _ in range(further):
            _text(reader, _MAX_FURTHER_TEXT_BYTES)
        reader.end_of_message()
        return cls(endpoint_id, requester, seconds)

    def comes_from(self, own_address: SinfulAddress) -> bool:
        """Whether the daemon that is meant asks for itself, through this port.

        Args:
            own_address: Where the shared port daemon is.
        """
        start = self.requester.find("<")
        if start < 0:
            return False
        try:
            asker = SinfulAddress.parse(self.requester[start:])
        except RemoteProtocolError:
            return False
        return asker.shared_port_id == self.endpoint_id and (
            asker.host,
            asker.port_number,
        ) == (own_address.host, own_address.port_number)


def _text(reader: MessageReader, limit_bytes: int) -> str:
    found = reader.get_string_bytes()
    if len(found) > limit_bytes:
        raise LimitExceeded(
            "bytes of a text in a shared port request", limit_bytes, len(found)
        )
    return found.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class FirstBytes:
    """What a connection begins with.

    Args:
        command: The number where a command's is; of anything, if it is no command.
        is_web: It looks like HTTP or TLS.
        request: The whole message, if it is a request for an endpoint.
        request_bytes: How many bytes of the connection are that message.
    """

    command: int
    is_web: bool = False
    request: SharedPortRequest | None = None
    request_bytes: int = 0


def read_first_bytes(data: bytes) -> FirstBytes | None:
    """Look at what a connection begins with.

    Args:
        data: Its first bytes, `MAX_REQUEST_BYTES` at most.

    Returns:
        What is there; ``None`` until there is more.

    Raises:
        RemoteProtocolError: It begins like a request for an endpoint and is none.

    Source: ``src/condor_daemon_core.V6/daemon_command.cpp:
    DaemonCommandProtocol::ReadHeader``.
    """
    if len(data) < _HEADER_BYTES + _NUMBER_BYTES:
        return None
    number = data[_HEADER_BYTES : _HEADER_BYTES + _NUMBER_BYTES]
    command = int.from_bytes(number, "big", signed=True)
    if command != Command.SHARED_PORT_CONNECT:
        is_web = data.startswith(_TLS_HANDSHAKE) or _HTTP.match(data) is not None
        return FirstBytes(command, is_web)
    payload, position = bytearray(), 0
    for _ in range(_MAX_FRAMES):
        header = data[position : position + _HEADER_BYTES]
        if len(header) < _HEADER_BYTES:
            break
        size = int.from_bytes(header[1:], "big")
        if header[0] > _MAX_END_FLAG or not size:
            raise MalformedMessage("a shared port request with a wrong header")
        position += _HEADER_BYTES + size
        if position > MAX_REQUEST_BYTES:
            raise LimitExceeded(
                "bytes of a shared port request", MAX_REQUEST_BYTES, position
            )
        if len(data) < position:
            break
        payload += data[position - size : position]
        if header[0]:
            found = SharedPortRequest.parse(bytes(payload))
            return FirstBytes(command, False, found, position)
    else:
        raise LimitExceeded("frames of a shared port request", _MAX_FRAMES, _MAX_FRAMES)
    return None
