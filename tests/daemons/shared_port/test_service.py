"""Tests of ``condor_twisted.daemons.shared_port.service`` and of daemons behind it.

With sockets of the system: what is handed on is a socket.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import CommandRequest, Daemon, Permission, command
from condor_twisted.daemons.shared_port import SharedPort
from condor_twisted.errors import ConfigError, PeerClosed
from condor_twisted.protocols.commands import CommandOpener
from condor_twisted.protocols.endpoints import dialling
from condor_twisted.protocols.host_steps import Host, run_in_threads
from condor_twisted.protocols.own_security import open_security
from condor_twisted.security.commands import CommandRules
from tests.daemoncore.kit import DaemonTestCase

WHO = 90_001
POLICY = {
    "SEC_DEFAULT_AUTHENTICATION": "REQUIRED",
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE",
    "SEC_DEFAULT_ENCRYPTION": "REQUIRED",
    "SEC_DEFAULT_INTEGRITY": "REQUIRED",
    "UID_DOMAIN": "example",
    "ALLOW_READ": "*",
    "ALLOW_DAEMON": "*",
    "ALLOW_CLIENT": "*",
    "NETWORK_INTERFACE": "127.0.0.1",
    "BIND_ALL_INTERFACES": "False",
    "USE_SHARED_PORT": "True",
    "COLLECTOR_HOST": "",
}


class Who(Daemon):
    """Tells a client where it comes from."""

    subsystem = "WHO"

    @command(WHO, Permission.READ, answers=True)
    def who(self, request: CommandRequest) -> None:
        """Answer a number with the peer's port."""
        reader = request.reader()
        reader.get_int()
        reader.end_of_message()
        writer = request.writer()
        writer.put_int(request.peer.port)
        request.reply(writer.end_of_message())


class SharedPortTests(TestCase):
    timeout = 30

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.directory = Path(tempfile.mkdtemp(prefix="ctw-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.knobs = {
            **POLICY,
            "DAEMON_SOCKET_DIR": str(self.directory / "sockets"),
            "SHARED_PORT_DAEMON_AD_FILE": str(self.directory / "shared_port_ad"),
        }

    def start(self, kind: type[Daemon], **attributes: str) -> Any:
        """A daemon that serves."""
        settings = Settings.from_assignments(self.knobs, kind.subsystem)
        made = kind(settings, self.reactor, port=0, interface="127.0.0.1")
        for name, value in attributes.items():
            setattr(made, name, value)
        made.startService()
        self.addCleanup(made.stopService)
        return made

    def opener(self) -> CommandOpener:
        settings = Settings.from_assignments(self.knobs, "TOOL")
        security = open_security(settings, CommandRules(), self.reactor, lambda: 1000)
        host = Host(self.reactor, run_in_threads(self.reactor))
        found = CommandOpener(self.reactor, security, host, dialling(settings))
        self.addCleanup(found.close)
        return found

    @inlineCallbacks
    def ask(self, address: str) -> Any:
        """Ask for our port, in an encrypted session; it has to be the right one."""
        channel = yield self.opener().open(address, WHO)
        writer = channel.writer()
        writer.put_int(1)
        channel.send_message(writer.end_of_message())
        reader = yield channel.receive_message()
        own = channel.channel.transport.getHost().port
        self.assertTrue(channel.encrypted)
        self.assertEqual(reader.get_int(), own)
        channel.abort()
        yield channel.when_closed()

    @inlineCallbacks
    def test_through_the_port(self) -> Any:
        """Daemons are reached by name, and the default one without."""
        port = self.start(SharedPort)
        self.knobs["SHARED_PORT_DEFAULT_ID"] = "who_1"
        port.settings = Settings.from_assignments(self.knobs, "SHARED_PORT")
        port.reconfigured()
        one = self.start(Who, endpoint_name="who_1")
        two = self.start(Who, endpoint_name="who_2")
        for daemon, name in ((one, "who_1"), (two, "who_2")):
            self.assertEqual(daemon.address.shared_port_id, name)
            self.assertEqual(daemon.address.port_number, port.ports.port)
            yield self.ask(str(daemon.address))
        yield self.ask(f"<127.0.0.1:{port.ports.port}>")
        self.assertEqual(port.counters.succeeded, 3)
        self.assertEqual(one.ports.stream.received_count, 2)

    @inlineCallbacks
    def test_itself(self) -> Any:
        """The shared port daemon answers for itself, with the whole stream digested."""
        port = self.start(SharedPort)
        address = f"<127.0.0.1:{port.ports.port}?sock=self>"
        channel = yield self.opener().open(address, Command.DC_NOP_READ)
        self.assertTrue(channel.encrypted)
        channel.abort()
        yield channel.when_closed()
        self.assertEqual(port.counters.succeeded, 0)

    @inlineCallbacks
    def test_nobody(self) -> Any:
        """A daemon that is not there is a closed connection, and is counted."""
        port = self.start(SharedPort)
        opener = self.opener()
        address = f"<127.0.0.1:{port.ports.port}?sock=nobody>"
        channel = yield opener.open(address, WHO, raw=True)
        channel.send_no_payload()
        yield self.assertFailure(channel.receive_message(), PeerClosed)
        self.assertEqual(port.counters.failed, 1)

    @inlineCallbacks
    def test_before_the_port(self) -> Any:
        """Without a shared port, processes of this host reach a daemon directly."""
        who = self.start(Who, endpoint_name="who_1")
        self.assertEqual(who.address.port_number, 0)
        yield self.ask(str(who.address))
        self.assertEqual(who.ports.stream.received_count, 1)

    def test_no_place(self) -> None:
        """An endpoint that cannot be is an error that says what to look at."""
        self.knobs["DAEMON_SOCKET_DIR"] = "/" + "d" * 100
        with self.assertRaisesRegex(ConfigError, "DAEMON_SOCKET_DIR"):
            self.start(Who, endpoint_name="who_1")

    def test_own_port(self) -> None:
        """A daemon whose settings want no shared port has a port of its own."""
        self.knobs["WHO_USE_SHARED_PORT"] = "False"
        who = self.start(Who, endpoint_name="who_1")
        self.assertIsNone(who.address.shared_port_id)
        self.assertTrue(who.ports.port)


class FileTests(DaemonTestCase):
    def shared_port(self, **knobs: str) -> SharedPort:
        """A shared port daemon in memory."""
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.path = self.directory / "ad"
        self.knobs.update({"SHARED_PORT_DAEMON_AD_FILE": str(self.path), **knobs})
        made = SharedPort(self.read(), self.reactor, load_settings=self.read, port=0)
        self.start(made)
        return made

    def read(self) -> Settings:
        return Settings.from_assignments(self.knobs, "SHARED_PORT")

    def test_file(self) -> None:
        """The file says where it is and how it does; it goes with the daemon."""
        port = self.shared_port()
        port.counters.succeeded = 3
        self.assertIn("RequestsSucceeded = 0\n", self.path.read_text())
        self.reactor.advance(300)
        lines = self.path.read_text().splitlines()
        self.assertIn("RequestsSucceeded = 3", lines)
        self.assertIn(f'MyAddress = "{port.address}"', lines)
        self.assertIn("noUDP", str(port.address))
        host, number = port.address.host, port.address.port_number
        alias = port.address.alias
        bare = f'SharedPortCommandSinfuls = "<{host}:{number}?alias={alias}>"'
        self.assertIn(bare, lines)
        self.assertEqual(len(lines), 9)
        self.stop(port)
        self.assertFalse(self.path.exists())

    def test_reconfiguration(self) -> None:
        """The file moves with its setting, and routes that are none are refused."""
        port = self.shared_port()
        self.knobs["SHARED_PORT_DAEMON_AD_FILE"] = str(self.directory / "other")
        self.assertTrue(port.reconfigure())
        self.assertEqual([each.name for each in self.directory.iterdir()], ["other"])
        self.knobs["SHARED_PORT_DEFAULT_ID"] = "../x"
        self.assertFalse(port.reconfigure())
        self.assertTrue(self.logged("SHARED_PORT_DEFAULT_ID"))

    def test_no_place_for_the_file(self) -> None:
        """A file that cannot be written is an error line; connections are served."""
        port = self.shared_port()
        self.knobs["SHARED_PORT_DAEMON_AD_FILE"] = str(self.directory / "no" / "file")
        self.assertTrue(port.reconfigure())
        self.assertTrue(self.logged("cannot be written"))
        self.knobs["SHARED_PORT_DAEMON_AD_FILE"] = ""
        self.assertTrue(port.reconfigure())
        self.assertTrue(self.logged("SHARED_PORT_DAEMON_AD_FILE is empty"))

    def test_bad_route(self) -> None:
        """A default daemon that cannot be shows at the start."""
        with self.assertRaisesRegex(ConfigError, "SHARED_PORT_DEFAULT_ID"):
            self.shared_port(SHARED_PORT_DEFAULT_ID="a/b")

    def test_default_port(self) -> None:
        """Its port is SHARED_PORT_PORT."""
        self.knobs["SHARED_PORT_PORT"] = "9700"
        self.assertEqual(SharedPort(self.read(), self.reactor).default_port(), 9700)
