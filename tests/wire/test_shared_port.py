"""Tests of ``condor_twisted.wire.shared_port``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.commands import Command
from condor_twisted.errors import LimitExceeded, RemoteProtocolError
from condor_twisted.wire.messages import MessageWriter
from condor_twisted.wire.shared_port import (
    MAX_REQUEST_BYTES,
    PASS_SOCKET,
    FirstBytes,
    SharedPortRequest,
    is_endpoint_id,
    read_first_bytes,
)
from condor_twisted.wire.sinful import SinfulAddress
from tests.protocols.kit import frame

REAL_REQUEST = bytes.fromhex(
    "0100000040000000000000004b666f726569676e5f32353139305f3233323900"
    "544553544552203c3132372e302e302e313a313e0000000000000000140000000000000000"
)


def request(
    endpoint_id: str = "startd_1",
    requester: str = "",
    *further: str,
    count: int | None = None,
) -> bytes:
    """The payload of a request, with what nobody reads."""
    writer = MessageWriter()
    writer.put_int(Command.SHARED_PORT_CONNECT)
    writer.put_string(endpoint_id)
    writer.put_string(requester)
    writer.put_int(20)
    writer.put_int(len(further) if count is None else count)
    for each in further:
        writer.put_string(each)
    return writer.end_of_message()


class RequestTests(SynchronousTestCase):
    def test_layout(self) -> None:
        """A real client's request is read, and written byte for byte."""
        expected = SharedPortRequest("foreign_25190_2329", "TESTER <127.0.0.1:1>", 20)
        self.assertEqual(SharedPortRequest.parse(REAL_REQUEST[5:]), expected)
        self.assertEqual(frame(expected.serialize()), REAL_REQUEST)

    def test_handing_on(self) -> None:
        """What announces a descriptor is what a real server sends."""
        self.assertEqual(PASS_SOCKET.hex(), "0100000008000000000000004c")

    def test_further_arguments(self) -> None:
        """Up to a hundred further strings are passed over; more are refused."""
        found = SharedPortRequest.parse(request("a", "b", *["c" * 500] * 100))
        self.assertEqual(found, SharedPortRequest("a", "b", 20))
        for count in (-(2**31), 101, 2**31 - 1):
            with self.assertRaises(LimitExceeded):
                SharedPortRequest.parse(request(count=count if count >= 0 else 101))
        with self.assertRaises(RemoteProtocolError):
            SharedPortRequest.parse(request(count=1))

    def test_limits(self) -> None:
        """Texts at their limit are taken, longer ones are not."""
        long = "n" * 1023
        self.assertEqual(SharedPortRequest.parse(request(long, long)).requester, long)
        for payload in (
            request("i" * 1024),
            request("i", "n" * 1024),
            request("i", "n", "f" * 512),
        ):
            with self.assertRaises(LimitExceeded):
                SharedPortRequest.parse(payload)

    def test_broken(self) -> None:
        """What ends too early, goes on too long or is another command is refused."""
        payload = request("startd_1", "TOOL")
        for broken in (
            *(payload[:end] for end in range(len(payload))),
            payload + b"\0",
            (76).to_bytes(8, "big") + payload[8:],
            payload[:8] + b"no end",
        ):
            with self.assertRaises(RemoteProtocolError):
                SharedPortRequest.parse(broken)

    def test_own_request(self) -> None:
        """A daemon that asks for itself through the port is known by its name."""
        own = SinfulAddress.parse("<192.0.2.1:9618?noUDP>")
        for requester, expected in (
            ("STARTD <192.0.2.1:9618?sock=startd_1>", True),
            ("STARTD <192.0.2.1:9618?sock=startd_2>", False),
            ("STARTD <192.0.2.2:9618?sock=startd_1>", False),
            ("STARTD <192.0.2.1:9619?sock=startd_1>", False),
            ("STARTD <192.0.2.1:9618", False),
            ("TOOL", False),
        ):
            asked = SharedPortRequest("startd_1", requester)
            self.assertEqual(asked.comes_from(own), expected, requester)


class EndpointIdTests(SynchronousTestCase):
    def test_names(self) -> None:
        """Letters, digits and three marks make a name."""
        for good in ("collector", "self", "startd_1_ab12", "a.b-c", "x" * 64, "..a"):
            self.assertTrue(is_endpoint_id(good), good)

    def test_no_names(self) -> None:
        """A name leads nowhere else, and fits into an address."""
        for bad in ("", ".", "..", "../x", "a/b", "/x", "a\0b", "a b", "é", "x" * 65):
            self.assertFalse(is_endpoint_id(bad), bad)
        self.assertFalse(is_endpoint_id("a\n"))


class FirstBytesTests(SynchronousTestCase):
    def test_requests(self) -> None:
        """A request is found when it is whole, and what is behind it is not read."""
        for end in range(len(REAL_REQUEST)):
            self.assertIsNone(read_first_bytes(REAL_REQUEST[:end]))
        for behind in (b"", b"\x01", REAL_REQUEST):
            found = read_first_bytes(REAL_REQUEST + behind)
            assert found is not None
            assert found.request is not None
            self.assertEqual(found.request.endpoint_id, "foreign_25190_2329")
            self.assertEqual(found.request_bytes, len(REAL_REQUEST))

    def test_several_frames(self) -> None:
        """A request may come in several frames."""
        payload = request("startd_1")
        parts = [payload[:8], payload[8:20], payload[20:]]
        data = b"".join(
            bytes([number == 2]) + len(part).to_bytes(4, "big") + part
            for number, part in enumerate(parts)
        )
        self.assertIsNone(read_first_bytes(data[:-1]))
        found = read_first_bytes(data + b"more")
        assert found is not None
        self.assertEqual(found.request, SharedPortRequest("startd_1", "", 20))
        self.assertEqual(found.request_bytes, len(data))

    def test_wrong_frames(self) -> None:
        """Headers that cannot be are refused at once, without their bodies."""
        number = (75).to_bytes(8, "big")
        many = b"\0\0\0\0\x01x" * 64
        for data in (
            b"\x0b\0\0\0\x08" + number,
            b"\x01\0\0\0\0" + number,
            b"\x01" + (MAX_REQUEST_BYTES - 4).to_bytes(4, "big") + number,
            b"\x01\xff\xff\xff\xff" + number,
            b"\0\0\0\0\x08" + number + many,
        ):
            with self.assertRaises(RemoteProtocolError):
                read_first_bytes(data)

    def test_commands(self) -> None:
        """Anything else is a command, by all 64 bits of its number."""
        for number in (60010, 2**32 + 75, -1):
            data = frame(number.to_bytes(8, "big", signed=True))
            self.assertEqual(read_first_bytes(data), FirstBytes(number))

    def test_web(self) -> None:
        """HTTP and TLS are told apart from commands."""
        for data in (
            b"GET / HTTP/1.1\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\3",
        ):
            data = data.ljust(13, b"\0")
            found = read_first_bytes(data)
            assert found is not None
            self.assertTrue(found.is_web)
