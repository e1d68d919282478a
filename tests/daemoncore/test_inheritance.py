"""Tests of ``condor_twisted.daemoncore.inheritance``."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.inheritance import Inherited, take_inheritance
from condor_twisted.security.commands import CommandRules
from condor_twisted.testing.reactor import MemoryReactor
from condor_twisted.wire.inheritance import Inheritance
from condor_twisted.wire.serialized_sockets import (
    SerializedEndpoint,
    SerializedSocket,
)
from tests.protocols.kit import SECURE, make_security

PRIVATE = json.loads(
    (Path(__file__).parents[1] / "vectors" / "inheritance.json").read_text()
)["inherit"]["dc_child_own_ports"]["CONDOR_PRIVATE_INHERIT"]
PARENT = "<127.0.0.1:16201?addrs=127.0.0.1-16201&alias=vm>"


class InheritanceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nothing has been logged."""
        self.events = EventLoggingObserver()
        globalLogPublisher.addObserver(self.events)
        self.addCleanup(globalLogPublisher.removeObserver, self.events)

    def logged(self) -> str:
        """What was logged, as text."""
        return "\n".join(formatEvent(event) for event in self.events)

    def bound(self, kind: socket.SocketKind, listening: bool = True) -> int:
        """A descriptor that is handed down."""
        made = socket.socket(socket.AF_INET, kind)
        made.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM and listening:
            made.listen()
        descriptor = made.detach()

        def close() -> None:
            with contextlib.suppress(OSError):  # somebody may have taken it
                os.close(descriptor)

        self.addCleanup(close)
        return descriptor

    def take(self, *sockets: SerializedSocket, private: str = "") -> Inherited | None:
        """What a child takes out of its environment."""
        text = Inheritance(17, PARENT, command_sockets=sockets).serialize()
        environment = {
            "CONDOR_INHERIT": text,
            "CONDOR_PRIVATE_INHERIT": private,
            "PATH": "/bin",
        }
        found = take_inheritance(environment)
        self.assertEqual(environment, {"PATH": "/bin"})
        if found is not None:
            self.addCleanup(found.close)
        return found

    def test_no_parent(self) -> None:
        """Without a parent there is nothing."""
        self.assertIsNone(take_inheritance({}))
        self.assertIsNone(take_inheritance({"CONDOR_INHERIT": " "}))
        self.assertEqual(self.logged(), "")

    def test_sockets(self) -> None:
        """A listening stream and a bound datagram socket become ours alone."""
        stream, datagrams = (
            self.bound(socket.SOCK_STREAM),
            self.bound(socket.SOCK_DGRAM),
        )
        found = self.take(
            SerializedSocket.listening(stream),
            SerializedSocket.bound_datagrams(datagrams),
        )
        assert found is not None
        self.assertEqual((found.parent_id, found.parent_address), (17, PARENT))
        self.assertEqual([each.fileno() for each in found.streams], [stream])
        self.assertEqual([each.fileno() for each in found.datagrams], [datagrams])
        self.assertFalse(found.streams[0].get_inheritable())
        self.assertFalse(found.streams[0].getblocking())

    def test_wrong_descriptors(self) -> None:
        """A descriptor that is something else is left alone, and said to be wrong."""
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        self.addCleanup(os.close, write_end)
        for wrong in (
            SerializedSocket.listening(read_end),
            SerializedSocket.listening(self.bound(socket.SOCK_STREAM, False)),
            SerializedSocket.listening(self.bound(socket.SOCK_DGRAM)),
            SerializedSocket.bound_datagrams(self.bound(socket.SOCK_STREAM)),
            SerializedSocket.bound_datagrams(read_end),
            SerializedSocket.listening(10_000),
        ):
            self.forget()
            found = self.take(
                SerializedSocket.listening(self.bound(socket.SOCK_STREAM)), wrong
            )
            assert found is not None
            self.assertEqual((found.streams, found.datagrams), ([], []), wrong)
            self.assertEqual(found.parent_id, 17)
            self.assertIn("opening others", self.logged())
            if wrong.descriptor != 10_000:
                os.fstat(wrong.descriptor)

    def test_endpoint(self) -> None:
        """An endpoint behind a shared port has to listen, too."""
        made = socket.socket(socket.AF_UNIX)
        self.addCleanup(made.close)
        made.bind(f"\0condor_twisted-{os.getpid()}-{id(self)}")
        endpoint = SerializedEndpoint(
            "cookie/skeleton", SerializedSocket.listening(made.fileno())
        )
        text = Inheritance(17, PARENT, endpoint=endpoint).serialize()
        found = take_inheritance({"CONDOR_INHERIT": text})
        assert found is not None
        self.assertIsNone(found.endpoint)
        made.listen()
        found = take_inheritance({"CONDOR_INHERIT": text})
        assert found is not None
        self.assertEqual(found.endpoint, endpoint)

    def test_nonsense(self) -> None:
        """A variable that makes no sense is named, and there is no parent."""
        for text in ("x", "17 <127.0.0.1:1> 0", "17 <no:address:at all> 0 0"):
            self.forget()
            environment = {"CONDOR_INHERIT": text}
            self.assertIsNone(take_inheritance(environment))
            self.assertEqual(environment, {})
            self.assertIn("CONDOR_INHERIT is of no use", self.logged())

    def test_sessions(self) -> None:
        """The parent's sessions are kept; the family's where it is wanted."""
        for knobs, family in (({}, True), ({"SEC_USE_FAMILY_SESSION": "False"}, False)):
            security = make_security(
                MemoryReactor(), {**SECURE, **knobs}, CommandRules(), "SKELETON"
            )
            found = self.take(private=PRIVATE)
            assert found is not None
            found.take_sessions(security, Settings.from_assignments(knobs))
            self.assertTrue(found.has_session)
            self.assertEqual(security.family_session_id is not None, family)
            self.assertEqual(len(security.incoming), 1 + family)

    def test_mnh_7_1_bad_sessions(self) -> None:
        """Sessions of no use are logged without a secret, and the parent stays."""
        for private in (" SessionKey:topsecret", " SessionKey:id#topsecret", " x"):
            self.forget()
            security = make_security(
                MemoryReactor(), SECURE, CommandRules(), "SKELETON"
            )
            found = self.take(private=private)
            assert found is not None
            found.take_sessions(security, Settings.from_assignments({}))
            self.assertFalse(found.has_session)
            self.assertEqual(len(security.incoming), 0)
            self.assertIn("of no use", self.logged())
            self.assertNotIn("topsecret", self.logged())
