"""Tests of ``condor_twisted.wire.serialized_sockets``."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import MalformedMessage
from condor_twisted.wire.serialized_sockets import (
    SerializedCrypto,
    SerializedEndpoint,
    SerializedSocket,
    SocketState,
)

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "inheritance.json").read_text()
)["serialized"]
CONNECTED = SerializedSocket(
    7,
    True,
    SocketState.CONNECTED,
    20,
    1,
    "alice@example",
    "$CondorVersion: 25.14.1 2026-10-16 $",
    0,
    "<192.0.2.7:9618>",
    SerializedCrypto(3, 1, bytes(range(32)), bytes(40)),
    (1, 1, 0, 0),
    b"digest",
    b"key of the MAC!!",
)


class SerializedSocketTests(SynchronousTestCase):
    def test_listening_socket_of_a_real_parent(self) -> None:
        """What a real parent wrote is read, and written again byte for byte."""
        text = VECTORS["listening_relisock"]
        found = SerializedSocket.parse(text, is_stream=True)
        self.assertEqual(found, SerializedSocket.listening(13))
        self.assertTrue(found.is_listening)
        self.assertEqual(found.serialize(), text)

    def test_datagram_socket_of_a_real_parent(self) -> None:
        """The same for UDP."""
        text = VECTORS["bound_safesock"]
        found = SerializedSocket.parse(text, is_stream=False)
        self.assertEqual(found, SerializedSocket.bound_datagrams(14))
        self.assertFalse(found.is_listening)
        self.assertEqual(found.serialize(), text)

    def test_endpoint_of_a_real_parent(self) -> None:
        """The same for a shared port's endpoint."""
        text = VECTORS["shared_port_endpoint"]
        found = SerializedEndpoint.parse(text)
        self.assertEqual(found.endpoint_id, "foreign_25190_2329")
        self.assertEqual(found.listener, SerializedSocket.listening(12))
        self.assertEqual(found.serialize(), text)

    def test_connected_socket(self) -> None:
        """A connected socket keeps its other end, its key and its counters."""
        text = CONNECTED.serialize()
        self.assertIn("*64*3*1*" + "00" * 40 + "*000102", text)
        self.assertEqual(SerializedSocket.parse(text, is_stream=True), CONNECTED)

    def test_no_secret_is_shown(self) -> None:
        """A connected socket's key and an endpoint's cookie are in no ``repr``."""
        self.assertNotIn("key of", repr(CONNECTED))
        self.assertNotIn(bytes(range(32)).hex(), repr(CONNECTED).lower())
        self.assertNotIn("x02", repr(CONNECTED))
        endpoint = SerializedEndpoint("cafe/one", SerializedSocket.listening(3))
        self.assertNotIn("cafe", repr(endpoint))

    def test_truncated(self) -> None:
        """A text that ends anywhere before its end is refused."""
        text = CONNECTED.serialize()
        for end in range(len(text)):
            with self.subTest(end=end), self.assertRaises(MalformedMessage):
                SerializedSocket.parse(text[:end], is_stream=True)

    def test_wrong_fields(self) -> None:
        """What is no number, no key, no length or no end is refused."""
        for text in (
            "",
            "x*6*0*0*0*0***1**0*0*0*0*0*0*0*",
            "-1*6*0*0*0*0***1**0*0*0*0*0*0*0*",
            "13*6*0*0*-1*0***1**0*0*0*0*0*0*0*",
            "13*6*0*0*9999*0***1**0*0*0*0*0*0*0*",
            "13*6*0*0*0*0***1**0*0*0*0*0*0*0*more",
            "13*6*0*0*0*0***1**4*1*1*XX*0*0*0*0*0*0*",
            "13*6*0*0*0*0***1**4*1*1*AAAAAA*0*0*0*0*0*0*",
            "13*6*0*0*0*0***1**0*0*0*0*0*-5*0*",
            "99999999999*6*0*0*0*0***1**0*0*0*0*0*0*0*",
        ):
            with self.subTest(text=text), self.assertRaises(MalformedMessage):
                SerializedSocket.parse(text, is_stream=True)

    @given(st.text(alphabet="0123456789*_AF<>-", max_size=80), st.booleans())
    def test_any_text(self, text: str, is_stream: bool) -> None:
        """Any text is a socket or refused, never anything else."""
        try:
            found = SerializedSocket.parse(text, is_stream=is_stream)
        except MalformedMessage:
            return
        again = SerializedSocket.parse(found.serialize(), is_stream=is_stream)
        self.assertEqual(again, found)
