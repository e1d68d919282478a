"""What went over a sandbox's network to and from one port, as a packet capture.

`capture` runs this module as a program in the sandbox's network. It writes the format
that ``tcpdump`` and Wireshark read; `read_capture` makes conversations of that.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from interop.errors import PeerDidNotStart
from interop.peers import our_environment
from interop.sandbox import Sandbox, wait_until

__all__ = ["FILE_HEADER", "Capture", "Conversation", "capture", "read_capture"]

FILE_HEADER = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, 1)
"""What a capture of whole Ethernet frames begins with."""
_RECORD = struct.Struct("=IIII")
_ETHERNET_BYTES = 14
_IPV4 = 0x0800
_BUFFER_BYTES = 32 << 20
_START_SECONDS = 20
_SYN, _ACK = 0x02, 0x10


@dataclass(slots=True)
class Conversation:
    """One TCP connection.

    Args:
        client_port: Where it came from.
        data: What was sent, in order: ``C`` for the client or ``S``, and bytes.
    """

    client_port: int
    data: list[tuple[Literal["C", "S"], bytes]] = field(default_factory=list)

    @property
    def turns(self) -> str:
        """Who spoke, one letter for as long as the other one said nothing."""
        spoken = ""
        for direction, _ in self.data:
            if not spoken.endswith(direction):
                spoken += direction
        return spoken


@dataclass(slots=True)
class Capture:
    """What was captured.

    Args:
        conversations: The connections, in the order in which they were opened.
        datagrams: What came to the port by UDP.
    """

    conversations: list[Conversation] = field(default_factory=list)
    datagrams: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def capture(sandbox: Sandbox, port: int, file: Path) -> Iterator[None]:
    """Record a port's traffic for the length of a ``with`` block.

    Args:
        sandbox: In whose network.
        port: Of TCP and UDP.
        file: Where to; complete once the block has ended.

    Raises:
        PeerDidNotStart: Nothing can be recorded here.
    """
    command = [sys.executable, "-m", "interop.capture", str(port), str(file)]
    log = file.with_suffix(".log")
    with sandbox.daemon(sandbox.beside(command), log, our_environment()):
        if not wait_until(file.exists, _START_SECONDS, every_seconds=0.05):
            raise PeerDidNotStart("the capture", log.read_text(errors="replace"))
        yield


def read_capture(file: Path, port: int) -> Capture:
    """Read what `capture` wrote.

    Args:
        file: The capture.
        port: The server's port.
    """
    seen = Capture()
    open_now: dict[int, Conversation] = {}
    expected: dict[tuple[int, str], int] = {}
    for packet in _packets(file.read_bytes()):
        header_bytes = (packet[0] & 15) * 4
        protocol, rest = packet[9], packet[header_bytes : _total_bytes(packet)]
        if protocol == socket.IPPROTO_UDP:
            if int.from_bytes(rest[2:4], "big") == port:
                seen.datagrams.append(rest[8:])
            continue
        segment = _segment(rest)
        from_client = segment.destination == port
        client_port = segment.source if from_client else segment.destination
        if segment.flags & (_SYN | _ACK) == _SYN:
            open_now[client_port] = Conversation(client_port)
            seen.conversations.append(open_now[client_port])
            expected = {
                key: at for key, at in expected.items() if key[0] != client_port
            }
        if client_port not in open_now or not segment.data:
            continue
        direction: Literal["C", "S"] = "C" if from_client else "S"
        at = expected.get((client_port, direction), segment.sequence)
        if segment.sequence != at:
            continue  # sent once more
        expected[client_port, direction] = (at + len(segment.data)) % 2**32
        open_now[client_port].data.append((direction, segment.data))
    return seen


def _packets(text: bytes) -> Iterator[bytes]:
    """The IP packets of a capture."""
    position = len(FILE_HEADER)
    while position + _RECORD.size <= len(text):
        length = _RECORD.unpack_from(text, position)[2]
        position += _RECORD.size
        frame = text[position : position + length]
        if len(frame) == length:
            yield frame[_ETHERNET_BYTES:]
        position += length


def _total_bytes(packet: bytes) -> int:
    return int.from_bytes(packet[2:4], "big") or len(packet)


class _Segment(NamedTuple):
    """One TCP segment."""

    source: int
    destination: int
    sequence: int
    flags: int
    data: bytes


def _segment(text: bytes) -> _Segment:
    source, destination, sequence, _, offset, flags = struct.unpack_from(
        "!HHIIBB", text
    )
    return _Segment(source, destination, sequence, flags, text[(offset >> 4) * 4 :])


def _is_wanted(frame: bytes, port: int) -> bool:
    if len(frame) < _ETHERNET_BYTES + 20:
        return False
    packet = frame[_ETHERNET_BYTES:]
    if packet[9] not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        return False
    ports = packet[(packet[0] & 15) * 4 :][:4]
    return port.to_bytes(2, "big") in (ports[:2], ports[2:])


def _main(port: int, path: Path) -> None:
    """Record until SIGTERM, and then what has come until then."""
    stopping = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    # Bound to one protocol, the socket sees what comes, and not what goes as well.
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_IPV4))
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    tap.bind(("lo", _IPV4))
    tap.settimeout(0.1)
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb", buffering=0) as file:
        file.write(FILE_HEADER)
        unfinished.rename(path)
        while True:
            try:
                frame = tap.recv(0x40000)
            except TimeoutError:
                if stopping:
                    return
                continue
            if _is_wanted(frame, port):
                now = time.time_ns() // 1000
                head = _RECORD.pack(now // 10**6, now % 10**6, len(frame), len(frame))
                file.write(head + frame)


if __name__ == "__main__":
    _main(int(sys.argv[1]), Path(sys.argv[2]))
