"""Tests of ``condor_twisted.protocols.endpoint_sockets``, with real sockets."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import stat
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.protocols.endpoint_sockets import (
    EndpointSockets,
    PassingFailed,
    connected_pair,
)
from condor_twisted.wire.shared_port import PASS_SOCKET


class PlacesTests(SynchronousTestCase):
    def sockets(self, cookie: str | None = None, **knobs: str) -> EndpointSockets:
        return EndpointSockets.from_settings(Settings.from_assignments(knobs), cookie)

    def test_directory(self) -> None:
        """A configured directory, or one beside the locks; a short absolute path."""
        self.assertEqual(
            self.sockets(DAEMON_SOCKET_DIR="auto", LOCK="/l").directory,
            "/l/daemon_sock",
        )
        self.assertEqual(self.sockets(DAEMON_SOCKET_DIR="/d").directory, "/d")
        for useless in ("relative", "/" + "d" * 89):
            self.assertIsNone(self.sockets(DAEMON_SOCKET_DIR=useless).directory)
        longest = "/" + "d" * 88
        self.assertEqual(self.sockets(DAEMON_SOCKET_DIR=longest).directory, longest)

    def test_names(self) -> None:
        """The abstract name comes first, where there is a cookie."""
        self.assertEqual(EndpointSockets(None, "/d").names("x_1"), ("/d/x_1",))
        self.assertEqual(
            EndpointSockets("cafe", "/d").names("x_1"), ("\0cafe/x_1", "/d/x_1")
        )

    def test_no_names(self) -> None:
        """Nothing leads out of the directory, and nothing is cut."""
        everywhere = EndpointSockets("cafe", "/d")
        for bad in ("../x", "a/b", "", "..", "a\0b"):
            with self.assertRaisesRegex(PassingFailed, "not a name"):
                everywhere.names(bad)
        with self.assertRaisesRegex(PassingFailed, "DAEMON_SOCKET_DIR"):
            EndpointSockets(None, "/" + "d" * 88).names("x" * 19)

    def test_mnh_0_5(self) -> None:
        """A cookie is in no representation and no message."""
        everywhere = EndpointSockets("cafe" * 16, None)
        self.assertNotIn("cafe", repr(everywhere))
        with socket.socket() as unused, self.assertRaises(PassingFailed) as caught:
            everywhere.pass_on(unused, "nobody")
        self.assertNotIn("cafe", str(caught.exception))


class SocketTests(SynchronousTestCase):
    def setUp(self) -> None:
        base = tempfile.mkdtemp(prefix="ctw-")
        self.addCleanup(shutil.rmtree, base)
        self.directory = Path(base) / "daemon_sock"
        self.sockets = EndpointSockets(None, str(self.directory))

    def listen(self, endpoint_id: str = "one") -> socket.socket:
        found = self.sockets.listen(endpoint_id)
        self.addCleanup(found.close)
        return found

    def received(self, listening: socket.socket) -> socket.socket:
        """The connection that was handed to an endpoint."""
        carrier, _ = listening.accept()
        with carrier:
            data, descriptors, _, _ = socket.recv_fds(carrier, 100, 4)
        self.assertEqual(data, PASS_SOCKET + b"\0")
        (descriptor,) = descriptors
        found = socket.socket(fileno=descriptor)
        self.addCleanup(found.close)
        return found

    def pair(self) -> tuple[socket.socket, socket.socket]:
        near, far = connected_pair("127.0.0.1")
        self.addCleanup(near.close)
        self.addCleanup(far.close)
        return near, far

    def test_permissions(self) -> None:
        """The directory is made; nobody else may connect to the socket."""
        self.listen()
        self.assertEqual(self.directory.stat().st_mode & 0o777, 0o755)
        mode = (self.directory / "one").stat().st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(mode & 0o077, 0)

    def test_left_behind(self) -> None:
        """A socket at which nobody listens any more is replaced."""
        self.listen().close()
        self.assertTrue((self.directory / "one").exists())
        self.listen()
        with self.assertRaisesRegex(OSError, "another daemon"):
            self.sockets.listen("one")

    def test_something_else(self) -> None:
        """A file that is no socket is left alone, and so is what a link means."""
        self.directory.mkdir()
        target = self.directory / "target"
        target.write_text("kept")
        (self.directory / "link").symlink_to(target)
        for name in ("target", "link"):
            with self.assertRaisesRegex(OSError, "no socket"):
                self.sockets.listen(name)
        self.assertEqual(target.read_text(), "kept")

    def test_passing(self) -> None:
        """A connection goes to the endpoint with its peer, and stays alive."""
        listening = self.listen()
        near, far = self.pair()
        near.send(b"unread")
        self.sockets.pass_on(far, "one")
        far.close()
        passed = self.received(listening)
        self.assertEqual(passed.getpeername(), near.getsockname())
        self.assertEqual(passed.recv(100), b"unread")

    def test_abstract_names(self) -> None:
        """On Linux the abstract name is tried first, then the file."""
        if not sys.platform.startswith("linux"):
            raise SkipTest("abstract names of sockets are Linux's alone")
        both = EndpointSockets(secrets.token_hex(32), str(self.directory))
        self.listen()
        _, far = self.pair()
        both.pass_on(far, "one")
        abstract = both.listen("one")
        self.addCleanup(abstract.close)
        both.pass_on(far, "one")
        self.received(abstract)

    def test_nobody(self) -> None:
        """Where nobody listens, that is said; a refusal may be for want of room."""
        _, far = self.pair()
        with self.assertRaises(PassingFailed) as caught:
            self.sockets.pass_on(far, "one")
        self.assertFalse(caught.exception.busy)
        self.listen().close()
        with self.assertRaises(PassingFailed) as caught:
            self.sockets.pass_on(far, "one")
        self.assertTrue(caught.exception.busy)

    def test_full(self) -> None:
        """An endpoint without room is busy, and nobody waits for it."""
        listening = self.listen()
        listening.listen(0)
        _, far = self.pair()
        with self.assertRaises(PassingFailed) as caught:
            for _ in range(10):
                self.sockets.pass_on(far, "one")
        self.assertTrue(caught.exception.busy)

    def test_descriptors(self) -> None:
        """Nothing is left open, whether it worked or not."""
        listening = self.listen()
        _, far = self.pair()
        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self") else 0
        for _ in range(5):
            self.sockets.pass_on(far, "one")
            carrier, _ = listening.accept()
            carrier.close()
            with self.assertRaises(PassingFailed):
                self.sockets.pass_on(far, "two")
        if before:
            self.assertEqual(len(os.listdir("/proc/self/fd")), before)
