"""`interop.capture`: conversations out of packets."""

from __future__ import annotations

import struct
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from interop.capture import FILE_HEADER, read_capture

_PORT = 9618
_SYN, _ACK = 0x02, 0x10
_TCP, _UDP = 6, 17


def _record(protocol: int, body: bytes) -> bytes:
    """A record of a frame with an IP packet in it."""
    ip = struct.pack("!BBH5xB10x", 0x45, 0, 20 + len(body), protocol)
    frame = bytes(12) + b"\x08\0" + ip + body
    return struct.pack("=IIII", 0, 0, len(frame), len(frame)) + frame


def _tcp(
    source: int, destination: int, sequence: int, data: bytes = b"", flags: int = _ACK
) -> bytes:
    head = struct.pack("!HHIIBB6x", source, destination, sequence, 0, 0x50, flags)
    return _record(_TCP, head + data)


def _udp(destination: int, data: bytes) -> bytes:
    return _record(_UDP, struct.pack("!HHHH", 40000, destination, 0, 0) + data)


class CaptureTests(SynchronousTestCase):
    """What is read out of a file."""

    def write(self, *records: bytes) -> Path:
        """A capture of these records."""
        file = Path(self.mktemp())
        file.write_bytes(FILE_HEADER + b"".join(records))
        return file

    def test_turns(self) -> None:
        """A turn lasts for as long as the other side says nothing."""
        last = 2**32 - 2
        seen = read_capture(
            self.write(
                _tcp(40000, _PORT, last - 1, flags=_SYN),
                _tcp(_PORT, 40000, 6, flags=_SYN | _ACK),
                _tcp(40000, _PORT, last, b"one"),
                _tcp(40000, _PORT, 1, b"two"),
                _tcp(_PORT, 40000, 7, b"answer"),
                _tcp(_PORT, 40000, 7, b"answer"),
                _tcp(40000, _PORT, 4),
                _tcp(40000, _PORT, 4, b"bye"),
            ),
            _PORT,
        )
        [conversation] = seen.conversations
        self.assertEqual(conversation.turns, "CSC")
        self.assertEqual(
            conversation.data,
            [("C", b"one"), ("C", b"two"), ("S", b"answer"), ("C", b"bye")],
        )

    def test_connections(self) -> None:
        """A port that is used again is another connection; an old one is left out."""
        seen = read_capture(
            self.write(
                _tcp(40001, _PORT, 5, b"from before"),
                _tcp(40000, _PORT, 1, flags=_SYN),
                _tcp(40000, _PORT, 2, b"first"),
                _tcp(40002, _PORT, 1, flags=_SYN),
                _tcp(40000, _PORT, 77, flags=_SYN),
                _tcp(40000, _PORT, 78, b"second"),
            ),
            _PORT,
        )
        self.assertEqual(
            [(each.client_port, each.turns) for each in seen.conversations],
            [(40000, "C"), (40002, ""), (40000, "C")],
        )

    def test_datagrams(self) -> None:
        """Datagrams that came to the port, whole; a record cut short is left out."""
        file = self.write(_udp(_PORT, b"ad"), _udp(40000, b"no"), _udp(_PORT, b"cut"))
        file.write_bytes(file.read_bytes()[:-1])
        self.assertEqual(read_capture(file, _PORT).datagrams, [b"ad"])
