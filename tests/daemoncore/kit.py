"""What the tests of daemons share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore import Daemon
from condor_twisted.protocols.client_channel import ClientChannel
from condor_twisted.protocols.commands import CommandOpener
from condor_twisted.protocols.host_steps import Host
from condor_twisted.security.commands import CommandRules
from condor_twisted.testing.reactor import MemoryReactor, blocking_at_once
from tests.protocols.kit import OPEN, make_security

KNOBS = {
    **OPEN,
    "ALLOW_ADMINISTRATOR": "127.0.0.1",
    "NETWORK_INTERFACE": "127.0.0.1",
    "BIND_ALL_INTERFACES": "False",
    "FULL_HOSTNAME": "host.example",
}


class DaemonTestCase(SynchronousTestCase):
    """A daemon in memory."""

    def setUp(self) -> None:
        self.reactor = MemoryReactor()
        self.knobs = dict(KNOBS)
        self.events = EventLoggingObserver()
        globalLogPublisher.addObserver(self.events)
        self.addCleanup(globalLogPublisher.removeObserver, self.events)
        self.addCleanup(self.check_nothing_is_left)

    def settings(self, **knobs: str) -> Settings:
        """The settings in force, with changes."""
        self.knobs.update(knobs)
        return Settings.from_assignments(self.knobs, "DAEMON")

    def start(self, daemon: Daemon) -> Daemon:
        """Start a daemon, and stop it when the test is over."""
        daemon.startService()
        self.addCleanup(self.stop, daemon)
        return daemon

    def stop(self, daemon: Daemon) -> None:
        """Stop a daemon."""
        if daemon.running:
            stopped = daemon.stopService()
            self.reactor.flush()
            self.successResultOf(stopped)
        self.reactor.flush()

    def check_nothing_is_left(self) -> None:
        """Daemons that were stopped have left no timer and no port."""
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.reactor.stream_ports, {})
        self.assertEqual(self.reactor.datagram_ports, {})

    def opener(self, knobs: Mapping[str, str] | None = None) -> CommandOpener:
        """A client."""
        security = make_security(
            self.reactor, knobs or self.knobs, CommandRules(), "TOOL"
        )
        host = Host(self.reactor, blocking_at_once)
        opener = CommandOpener(self.reactor, security, host)
        self.addCleanup(opener.close)
        return opener

    def open(self, daemon: Daemon, number: int) -> ClientChannel:
        """Open a command at a daemon."""
        outcome = self.opener().open(str(daemon.address), number)
        self.reactor.flush()
        channel: ClientChannel = self.successResultOf(outcome)
        return channel

    def ask(self, daemon: Daemon, number: int, *items: int | str) -> Any:
        """Send a command with integers and strings; a reader of the answer."""
        channel = self.open(daemon, number)
        if items:
            writer = channel.writer()
            for item in items:
                if isinstance(item, int):
                    writer.put_int(item)
                else:
                    writer.put_string(item)
            channel.send_message(writer.end_of_message())
        else:
            channel.send_no_payload()
        answer: Deferred[Any] = channel.receive_message()
        self.reactor.flush()
        return self.successResultOf(answer)

    def tell(self, daemon: Daemon, number: int, *items: int) -> None:
        """Send a command that is not answered."""
        channel = self.open(daemon, number)
        if items:
            writer = channel.writer()
            for item in items:
                writer.put_int(item)
            channel.send_message(writer.end_of_message())
        else:
            channel.send_no_payload()
        self.reactor.flush()

    def logged(self, part: str) -> list[str]:
        """The lines that were logged and hold a text."""
        lines = [formatEvent(event) for event in self.events]
        return [line for line in lines if part in line]
