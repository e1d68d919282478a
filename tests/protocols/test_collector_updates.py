"""Tests of ``condor_twisted.protocols.collector_updates``."""

from __future__ import annotations

from condor_twisted.constants.commands import Command
from condor_twisted.errors import CommandRefused
from condor_twisted.protocols.collector_updates import UpdateConnection
from condor_twisted.wire.sinful import SinfulAddress
from tests.client.kit import PoolTestCase, ad_of

AD = ad_of(Name="a", MyType="Foo")
GENERIC = Command.UPDATE_AD_GENERIC


class UpdateConnectionTests(PoolTestCase):
    def setUp(self) -> None:
        super().setUp()
        address = SinfulAddress.of("127.0.0.1", 9618)
        self.connection = UpdateConnection(self.pool().client.opener, address)
        self.addCleanup(self.reactor.flush)
        self.addCleanup(self.connection.abort)

    def served(self) -> int:
        """How many connections the collector has."""
        self.reactor.flush()
        server = self.collector.server
        assert server is not None
        return len(server.connections)

    def test_kept(self) -> None:
        """The connection stays between updates, whatever their commands."""
        self.done(self.connection.send(GENERIC, AD))
        self.assertEqual(self.served(), 1)
        self.done(self.connection.send(Command.UPDATE_SCHEDD_AD, AD))
        self.assertEqual(self.served(), 1)
        self.assertEqual(
            [command for _, command, _ in self.collector.told],
            [GENERIC, Command.UPDATE_SCHEDD_AD],
        )

    def test_goodbye(self) -> None:
        """Finishing says goodbye and closes; doing it again does nothing."""
        self.done(self.connection.send(GENERIC, AD))
        finished = self.connection.finish()
        self.assertNoResult(finished)
        self.done(finished)
        self.assertEqual(self.served(), 0)
        self.done(self.connection.finish())

    def test_connecting_again(self) -> None:
        """Where the collector has closed, the next update connects anew."""
        self.done(self.connection.send(GENERIC, AD))
        self.reactor.flush()
        server = self.collector.server
        assert server is not None
        for each in list(server.connections):
            each.channel.abort()
        self.assertEqual(self.served(), 0)
        self.done(self.connection.send(GENERIC, AD))
        self.assertEqual(self.served(), 1)
        self.assertEqual(len(self.collector.told), 2)

    def test_refused_confirmation(self) -> None:
        """A collector that closes instead of confirming has refused."""
        self.collector.acknowledges = False
        outcome = self.connection.send(Command.UPDATE_STARTD_AD_WITH_ACK, AD)
        error = self.failed(outcome, CommandRefused)
        self.assertIn("instead of confirming", str(error))
        self.assertEqual(self.served(), 0)
