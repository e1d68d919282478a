"""Tests of ``condor_twisted.client.command_client``."""

from __future__ import annotations

from condor_twisted.client import CommandClient
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.protocols.endpoints import dialling
from tests.client.kit import PoolTestCase, ad_of


class CommandClientTests(PoolTestCase):
    def client(self, **knobs: str) -> CommandClient:
        """A client with the knobs in force and these."""
        settings = Settings.from_assignments({**self.knobs, **knobs}, "TOOL")
        client = CommandClient(settings, self.reactor)
        self.addCleanup(lambda: self.done(client.close()))
        return client

    def test_starting_a_command(self) -> None:
        """Any command can be started; its channel talks."""
        self.collector.ads = [ad_of(Name="a")]
        channel = self.done(
            self.client().start("<127.0.0.1:9618>", Command.QUERY_ANY_ADS)
        )
        writer = channel.writer()
        writer.put_ad(b"")
        channel.send_message(writer.end_of_message())
        reader = self.done(channel.receive_message())
        self.assertEqual(reader.get_int(), 1)
        self.assertEqual(reader.get_ad().body, b'Name = "a"\0')

    def test_pieces(self) -> None:
        """A long answer can be taken piece by piece; the last one says so."""
        self.collector.ads = [ad_of(Name="a" * 300)]
        channel = self.done(
            self.client().start("<127.0.0.1:9618>", Command.QUERY_ANY_ADS)
        )
        self.assertTrue(channel.streams)
        writer = channel.writer()
        writer.put_ad(b"")
        channel.send_message(writer.end_of_message())
        pieces = [self.done(channel.receive_part())]
        while not pieces[-1][1]:
            pieces.append(self.done(channel.receive_part()))
        self.assertEqual([last for _, last in pieces].count(True), 1)
        self.assertGreater(len(pieces), 2)
        message = b"".join(piece for piece, _ in pieces)
        self.assertEqual(message[-8:], b"\0" * 8)

    def test_datagram(self) -> None:
        """A command can be sent by UDP."""
        ad = ad_of(Name="a")
        self.done(
            self.client().send_datagram(
                "<127.0.0.1:9618>",
                Command.UPDATE_AD_GENERIC,
                lambda writer: writer.put_ad(ad.body),
            )
        )
        self.reactor.flush()
        self.assertEqual(self.collector.told[0][0], "udp")

    def test_compiled_in_defaults(self) -> None:
        """Without settings HTCondor's defaults hold, and nothing is read."""
        client = CommandClient(reactor=self.reactor)
        self.assertEqual(client.settings.integer("QUERY_TIMEOUT"), 60)
        self.assertIs(client.reactor, self.reactor)
        self.assertEqual(client.opener.handshake_seconds, 120)
        self.done(client.close())

    def test_deadline_of_handshakes(self) -> None:
        """SEC_TCP_SESSION_DEADLINE bounds handshakes."""
        client = self.client(SEC_TCP_SESSION_DEADLINE="7")
        self.assertEqual(client.opener.handshake_seconds, 7)

    def test_dialling(self) -> None:
        """Protocols and preferences come from the configuration."""
        plain = dialling(Settings.from_assignments({}))
        self.assertTrue(plain.ipv4 and plain.ipv6 and plain.prefer_ipv4)
        chosen = dialling(
            Settings.from_assignments(
                {
                    "ENABLE_IPV4": "false",
                    "PREFER_OUTBOUND_IPV4": "false",
                    "PRIVATE_NETWORK_NAME": "net",
                    "TCP_KEEPALIVE_INTERVAL": "5",
                }
            )
        )
        self.assertFalse(chosen.ipv4)
        self.assertFalse(chosen.prefer_ipv4)
        self.assertEqual(chosen.private_network, "net")
        self.assertEqual(chosen.keep_alive_seconds, 5)
