"""Tests of ``condor_twisted.daemoncore.children.inheritance``."""

from __future__ import annotations

import errno
import os
import socket
import sys

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from condor_twisted.daemoncore import Daemon, Permission
from condor_twisted.daemoncore.children.endpoints import own_cookie
from condor_twisted.daemoncore.children.inheritance import bind_command_sockets
from condor_twisted.daemoncore.children.spawn_options import (
    DaemonCoreOptions,
    SpawnOptions,
)
from condor_twisted.errors import SpawnFailed
from condor_twisted.security.sessions.claim_ids import parse_private_inheritance
from condor_twisted.wire.inheritance import Inheritance
from condor_twisted.wire.serialized_sockets import SerializedSocket
from tests.daemoncore.kit import DaemonTestCase


class BindingTests(SynchronousTestCase):
    def test_both(self) -> None:
        """Both sockets have one port; the stream listens, and neither blocks."""
        stream, datagrams = bind_command_sockets("127.0.0.1", 0, True)
        self.addCleanup(stream.close)
        self.addCleanup(datagrams.close)
        self.assertEqual(stream.getsockname(), datagrams.getsockname())
        self.assertTrue(stream.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        self.assertFalse(stream.getblocking() or datagrams.getblocking())
        self.assertFalse(os.get_inheritable(stream.fileno()))

    def test_taken(self) -> None:
        """A port that is taken is an error that says which."""
        (stream,) = bind_command_sockets("127.0.0.1", 0, False)
        self.addCleanup(stream.close)
        port = stream.getsockname()[1]
        with self.assertRaisesRegex(SpawnFailed, f"127.0.0.1 port {port}") as caught:
            bind_command_sockets("127.0.0.1", port, True)
        self.assertEqual(caught.exception.error_number, errno.EADDRINUSE)

    def test_another_host(self) -> None:
        """An address that is not ours is an error, too, and leaves nothing open."""
        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc") else 0
        self.assertRaises(SpawnFailed, bind_command_sockets, "192.0.2.1", 0, True)
        if before:
            self.assertEqual(len(os.listdir("/proc/self/fd")), before)


class ChildInheritanceTests(DaemonTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.daemon = self.start(Daemon(self.settings(), self.reactor))

    def test_plain_child(self) -> None:
        """A child that is no daemon is told who its parent is, and no secrets."""
        legacy = self.daemon.runtime._inheritance().prepare(SpawnOptions())
        variables = dict(legacy.variables)
        self.assertEqual(
            variables["CONDOR_INHERIT"], f"{os.getpid()} {self.daemon.address} 0 0"
        )
        self.assertIsNone(variables["CONDOR_PRIVATE_INHERIT"])
        self.assertIsNone(variables["CONDOR_PRIVATE_SHARED_PORT_COOKIE"])
        self.assertRegex(
            variables["CONDOR_PARENT_ID"] or "",
            f"^host.example:{os.getpid()}:[0-9]+$",
        )
        self.assertIsNone(legacy.address)
        self.assertEqual(legacy.descriptors, ())

    def test_without_inheritance(self) -> None:
        """A child may be told nothing."""
        options = SpawnOptions(inheritance=False)
        legacy = self.daemon.runtime._inheritance().prepare(options)
        self.assertIsNone(legacy.variables["CONDOR_INHERIT"])

    def test_family_session(self) -> None:
        """A child that is no daemon may be one of the family, unless it is a user's."""
        for user, count in ((None, 1), ("somebody", 0)):
            options = SpawnOptions(family_session=True, user=user)
            legacy = self.daemon.runtime._inheritance().prepare(options)
            private = legacy.variables["CONDOR_PRIVATE_INHERIT"] or ""
            found = parse_private_inheritance(private)
            self.assertEqual([each for each, _ in found], ["FamilySessionKey"] * count)

    def test_daemon(self) -> None:
        """A daemon finds sockets behind its descriptors, and sessions that we know."""
        passed = SerializedSocket.listening(99)
        options = SpawnOptions(daemon=DaemonCoreOptions(), sockets=(passed,))
        legacy = self.daemon.runtime._inheritance().prepare(options)
        self.addCleanup(legacy.forget)
        text = legacy.variables["CONDOR_INHERIT"] or ""
        inheritance = Inheritance.parse(text)
        self.assertEqual(inheritance.passed, (passed,))
        described = [each.descriptor for each in inheritance.command_sockets]
        self.assertEqual(described, list(legacy.descriptors))
        self.assertTrue(inheritance.command_sockets[0].is_listening)
        assert legacy.address is not None
        self.assertEqual(
            legacy.sockets[0].getsockname(), ("127.0.0.1", legacy.address.port_number)
        )
        security = self.daemon.security
        assert security is not None
        private = legacy.variables["CONDOR_PRIVATE_INHERIT"] or ""
        (own, claim), (family, _) = parse_private_inheritance(private)
        self.assertEqual((own, family), ("SessionKey", "FamilySessionKey"))
        self.assertEqual(claim.session_id, legacy.session_id)
        session = security.incoming.find(claim.session_id, security.now())
        assert session is not None
        self.assertEqual(session.user, "condor@child")
        self.assertIn("60008", session.valid_commands.split(","))
        allowed = security.authorizer.decide(
            Permission.DAEMON, "192.0.2.1", "condor@child"
        )
        self.assertTrue(allowed.allowed)
        self.assertNotIn(claim.key, repr(legacy))

    def test_forgetting(self) -> None:
        """With the child goes its session, and what was opened for it."""
        options = SpawnOptions(daemon=DaemonCoreOptions(udp=False))
        legacy = self.daemon.runtime._inheritance().prepare(options)
        self.assertEqual(len(legacy.descriptors), 1)
        assert legacy.address is not None
        self.assertTrue(legacy.address.no_udp)
        session_id = legacy.session_id
        assert session_id is not None
        legacy.forget()
        legacy.forget()
        security = self.daemon.security
        assert security is not None
        self.assertIsNone(security.incoming.find(session_id, security.now()))
        self.assertIsNone(security.outgoing.find(session_id, security.now()))
        self.assertEqual(legacy.descriptors, ())

    def test_behind_a_shared_port(self) -> None:
        """A daemon may have an endpoint, whose address is known when the port's is."""
        if not sys.platform.startswith("linux"):
            raise SkipTest("endpoints have names of Linux")
        file = self.mktemp()
        self.daemon.settings = self.settings(SHARED_PORT_DAEMON_AD_FILE=file)
        options = SpawnOptions(daemon=DaemonCoreOptions(endpoint="startd_1_2"))
        legacy = self.daemon.runtime._inheritance().prepare(options)
        self.addCleanup(legacy.forget)
        inheritance = Inheritance.parse(legacy.variables["CONDOR_INHERIT"] or "")
        cookie = legacy.variables["CONDOR_PRIVATE_SHARED_PORT_COOKIE"]
        endpoint = inheritance.endpoint
        assert endpoint is not None
        self.assertEqual(endpoint.full_name, f"{cookie}/startd_1_2")
        self.assertEqual(inheritance.command_sockets, ())
        self.assertEqual(legacy.descriptors, (endpoint.listener.descriptor,))
        address = "<127.0.0.1:0?alias=host.example&noUDP&sock=startd_1_2>"
        self.assertEqual(str(legacy.address), address)
        for text, port in (
            ('MyAddress = "<127.0.0.1:9700?alias=vm&noUDP>"\n', 9700),
            ('MyAddress = "junk"\n', 0),
            ("nothing", 0),
        ):
            with open(file, "w") as stream:
                stream.write(text)
            assert legacy.address is not None
            self.assertEqual(legacy.address.port_number, port)
            self.assertEqual(legacy.address.shared_port_id, "startd_1_2")
            self.assertTrue(legacy.address.no_udp)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"\0{cookie}/startd_1_2")
        for name in ("startd_1_2", "", "a/b", "x" * 65):
            taken = SpawnOptions(daemon=DaemonCoreOptions(endpoint=name))
            bequest = self.daemon.runtime._inheritance()
            self.assertRaises(SpawnFailed, bequest.prepare, taken)

    def test_cookies(self) -> None:
        """A tree of processes has one cookie: its parent's, if that is one."""
        cookie = "0123456789abcdef" * 4
        variable = {"CONDOR_PRIVATE_SHARED_PORT_COOKIE": cookie}
        self.assertEqual(own_cookie(variable), cookie)
        variable["CONDOR_PRIVATE_SHARED_PORT_COOKIE"] = "../" + cookie
        self.assertRegex(own_cookie(variable), "^[0-9a-f]{64}$")
        self.assertNotEqual(own_cookie({}), own_cookie({}))
