"""Tests of ``condor_twisted.wire.inheritance``."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import RemoteProtocolError
from condor_twisted.wire.inheritance import Inheritance
from condor_twisted.wire.serialized_sockets import SerializedSocket

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "inheritance.json").read_text()
)["inherit"]
OWN_PORTS = VECTORS["dc_child_own_ports"]["CONDOR_INHERIT"]


class InheritanceTests(SynchronousTestCase):
    def test_own_ports(self) -> None:
        """A child with its own ports gets a stream and the datagrams of its port."""
        found = Inheritance.parse(OWN_PORTS)
        self.assertEqual(found.parent_id, 15874)
        self.assertEqual(
            found.parent_address, "<127.0.0.1:16201?addrs=127.0.0.1-16201&alias=vm>"
        )
        self.assertEqual(found.passed, ())
        self.assertIsNone(found.endpoint)
        self.assertEqual(
            found.command_sockets,
            (SerializedSocket.listening(13), SerializedSocket.bound_datagrams(14)),
        )

    def test_shared_port(self) -> None:
        """A child behind a shared port gets an endpoint and no sockets."""
        text = VECTORS["dc_child_shared_port"]["CONDOR_INHERIT"]
        found = Inheritance.parse(text)
        assert found.endpoint is not None
        self.assertEqual(found.endpoint.endpoint_id, "foreign_25190_2329")
        self.assertEqual(found.command_sockets, ())

    def test_other_children(self) -> None:
        """A child that is no DaemonCore process gets nothing but the parent."""
        found = Inheritance.parse(VECTORS["non_dc_child"]["CONDOR_INHERIT"])
        self.assertEqual((found.parent_id, found.command_sockets), (25190, ()))

    def test_byte_for_byte(self) -> None:
        """What real parents wrote is written again as it was."""
        for name, variables in VECTORS.items():
            with self.subTest(name):
                text = variables["CONDOR_INHERIT"]
                self.assertEqual(Inheritance.parse(text).serialize(), text)

    def test_passed_sockets_and_no_address(self) -> None:
        """Sockets may be passed, and a parent may take no commands."""
        given_down = Inheritance(
            7, "", (SerializedSocket.listening(5), SerializedSocket.bound_datagrams(6))
        )
        text = given_down.serialize()
        self.assertTrue(text.startswith("7  1 5*6*"))
        self.assertEqual(Inheritance.parse(text), given_down)

    def test_truncated(self) -> None:
        """Any part of a value short of the whole is refused."""
        for end in range(len(OWN_PORTS)):
            with self.subTest(end=end), self.assertRaises(RemoteProtocolError):
                Inheritance.parse(OWN_PORTS[:end])

    def test_wrong_values(self) -> None:
        """What no parent writes is refused with an error that says what it is."""
        for text, part in (
            ("", "process id"),
            ("-1 <1.2.3.4:5> 0 0", "process id"),
            ("0 <1.2.3.4:5> 0 0", "process id"),
            ("99999999999 <1.2.3.4:5> 0 0", "process id"),
            ("7 <1.2.3.4:5> 0 0 more", "behind its end"),
            ("7 <1.2.3.4:5> 3 x 0 0", "neither"),
            ("7 <1.2.3.4:5> 1", "ends before a socket"),
            ("7 <1.2.3.4:5> 0", "before its last 0"),
            ("7 <1.2.3.4:5> " + "2 1*2*0*0*0*0***0** " * 65 + "0 0", "64"),
            ("7" * 70_000, "65536"),
        ):
            with self.subTest(text=text[:40]):
                error = self.assertRaises(RemoteProtocolError, Inheritance.parse, text)
                self.assertIn(part, str(error))

    @given(st.text(alphabet="0123 *<>:SharedPot", max_size=80))
    def test_any_text(self, text: str) -> None:
        """Any text is understood or refused, never anything else."""
        try:
            found = Inheritance.parse(text)
        except RemoteProtocolError:
            return
        self.assertEqual(Inheritance.parse(found.serialize()), found)
