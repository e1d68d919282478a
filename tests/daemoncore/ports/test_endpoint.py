"""Tests of ``condor_twisted.daemoncore.ports.endpoint``."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore import Daemon
from tests.daemoncore.kit import DaemonTestCase

SERVER = "<192.0.2.1:9618?addrs=192.0.2.1-9618&alias=a.example&noUDP>"


class EndpointTests(DaemonTestCase):
    """A daemon behind a shared port, which looks for it."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(tempfile.mkdtemp(prefix="ctw-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.file = self.directory / "shared_port_ad"
        self.address_file = self.directory / "address"
        self.knobs.update(
            USE_SHARED_PORT="True",
            DAEMON_SOCKET_DIR=str(self.directory / "sockets"),
            SHARED_PORT_DAEMON_AD_FILE=str(self.file),
            NETWORK_INTERFACE="192.0.2.9",
            HOST_ALIAS="b.example",
        )

    def read(self) -> Settings:
        return Settings.from_assignments(self.knobs, "DAEMON")

    def daemon(self) -> Daemon:
        """A daemon that was given a name for its endpoint."""
        made = Daemon(
            self.read(),
            self.reactor,
            load_settings=self.read,
            address_file=str(self.address_file),
        )
        made.endpoint_name = "daemon_1"
        self.start(made)
        return made

    def write(self, address: str) -> None:
        """Let the shared port daemon say where it is."""
        self.file.write_text(f'ForkedChildrenPeak = 0\nMyAddress = "{address}"\n')

    def announced(self) -> str:
        """What the address file and security say."""
        return self.address_file.read_text().splitlines()[0]

    def test_known(self) -> None:
        """Our address is the shared port's, with our endpoint."""
        self.write(SERVER)
        daemon = self.daemon()
        expected = SERVER.replace(">", "&sock=daemon_1>")
        self.assertEqual(str(daemon.address), expected)
        self.assertEqual(self.announced(), expected)
        assert daemon.security is not None
        self.assertEqual(daemon.security.command_address, expected)
        self.assertFalse(self.logged("did not successfully find"))

    def test_unknown(self) -> None:
        """Until it is known, port 0 stands for it; then everybody is told."""
        daemon = self.daemon()
        local = "<192.0.2.9:0?alias=b.example&noUDP&sock=daemon_1>"
        self.assertEqual(self.announced(), local)
        self.assertTrue(self.logged("Will retry in 60s"))
        self.write("not an address")
        self.reactor.advance(60)
        self.assertEqual(self.announced(), local)
        self.write(SERVER)
        self.reactor.advance(60)
        self.assertEqual(self.announced(), str(daemon.address))
        self.assertEqual(daemon.address.port_number, 9618)

    def test_moved(self) -> None:
        """A shared port daemon that has moved is followed, within minutes."""
        self.write(SERVER)
        daemon = self.daemon()
        self.write(SERVER.replace("9618", "9700"))
        self.reactor.advance(400)
        self.assertEqual(daemon.address.port_number, 9700)
        self.assertIn(":9700?", self.announced())
        self.write(SERVER)
        self.assertTrue(daemon.reconfigure())
        self.assertEqual(daemon.address.port_number, 9618)
        self.file.unlink()
        self.reactor.advance(400)
        self.assertEqual(daemon.address.port_number, 9618)

    def test_private_network(self) -> None:
        """An address inside a private network has our endpoint as well."""
        self.write("<192.0.2.1:9618?PrivAddr=%3c10.0.0.1:9618%3e&PrivNet=inside>")
        inside = self.daemon().address.private_address
        self.assertEqual(str(inside), "<10.0.0.1:9618?sock=daemon_1>")

    def test_socket_file(self) -> None:
        """Our socket's file is touched, and made anew if it has vanished."""
        self.write(SERVER)
        daemon = self.daemon()
        path = self.directory / "sockets" / "daemon_1"
        os.utime(path, (1, 1))
        self.reactor.advance(1000)
        self.assertGreater(path.stat().st_mtime, 1)
        path.unlink()
        self.reactor.advance(1000)
        self.assertTrue(path.is_socket())
        self.assertTrue(self.logged("has vanished"))
        shutil.rmtree(self.directory / "sockets")
        (self.directory / "sockets").write_text("in the way")
        self.reactor.advance(1000)
        self.assertTrue(daemon.running)
        (self.directory / "sockets").unlink()
        self.reactor.advance(1000)
        self.assertTrue(path.is_socket())
        self.stop(daemon)
        self.assertFalse(path.exists())

    def test_another_directory(self) -> None:
        """A reconfiguration may move our socket; where it cannot, it stays."""
        self.write(SERVER)
        daemon = self.daemon()
        self.knobs["DAEMON_SOCKET_DIR"] = str(self.directory / "other")
        self.assertTrue(daemon.reconfigure())
        self.assertTrue((self.directory / "other" / "daemon_1").is_socket())
        self.assertFalse((self.directory / "sockets" / "daemon_1").exists())
        for useless in (str(self.file), "/" + "d" * 100):
            self.knobs["DAEMON_SOCKET_DIR"] = useless
            self.assertTrue(daemon.reconfigure())
            self.assertTrue((self.directory / "other" / "daemon_1").is_socket())

    def test_no_shared_port_any_more(self) -> None:
        """Leaving the shared port takes a restart, and that is said."""
        self.write(SERVER)
        daemon = self.daemon()
        self.knobs["USE_SHARED_PORT"] = "False"
        self.assertTrue(daemon.reconfigure())
        self.assertTrue(self.logged("when it is restarted"))
        self.assertEqual(daemon.address.shared_port_id, "daemon_1")
