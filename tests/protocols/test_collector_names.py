"""Tests of ``condor_twisted.protocols.collector_names``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.errors import LocalProtocolError
from condor_twisted.protocols.collector_names import (
    collector_address,
    collector_addresses,
)
from condor_twisted.wire.sinful import SinfulAddress

DEFAULTS = Settings.from_assignments({})


class CollectorTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """A collector is named by host, port, sinful string, or name@host."""
        for name, expected in (
            ("127.0.0.1", "<127.0.0.1:9618>"),
            ("127.0.0.1:77", "<127.0.0.1:77>"),
            ("<127.0.0.1:77>", "<127.0.0.1:77>"),
            ("<127.0.0.1:77?sock=collector>", "<127.0.0.1:77?sock=collector>"),
            ("::1", "<[::1]:9618>"),
            ("[::1]:77", "<[::1]:77>"),
            ("cm.example", "<cm.example:9618?alias=cm.example>"),
            (" cm.example:77 ", "<cm.example:77?alias=cm.example>"),
            ("My Pool@cm.example", "<cm.example:9618?alias=cm.example>"),
        ):
            self.assertEqual(str(collector_address(name)), expected)

    def test_port_of_the_settings(self) -> None:
        """COLLECTOR_PORT is the port where none is named."""
        settings = Settings.from_assignments({"COLLECTOR_PORT": "1234"})
        self.assertEqual(collector_address("127.0.0.1", settings).port_number, 1234)

    def test_no_collector(self) -> None:
        """What can be no collector is refused, by name."""
        for name in ("", ":77", "<>", "two words", "<a:b:c>"):
            with self.assertRaises(LocalProtocolError) as caught:
                collector_address(name)
            self.assertIn(repr(name), str(caught.exception))

    def test_lists(self) -> None:
        """Several are separated by commas or blanks; names stay as given."""
        found = collector_addresses("127.0.0.1, <127.0.0.2:3>", DEFAULTS)
        self.assertEqual([name for name, _ in found], ["127.0.0.1", "<127.0.0.2:3>"])
        self.assertEqual(found[1][1], SinfulAddress.of("127.0.0.2", 3))

    def test_address_object(self) -> None:
        """An address needs no reading."""
        address = SinfulAddress.of("127.0.0.1", 5)
        self.assertEqual(
            collector_addresses(address, DEFAULTS), [("<127.0.0.1:5>", address)]
        )

    def test_collector_host(self) -> None:
        """COLLECTOR_HOST counts where nothing else is named."""
        settings = Settings.from_assignments({"COLLECTOR_HOST": "127.0.0.1:1"})
        self.assertEqual(len(collector_addresses(None, settings)), 1)
        empty = Settings.from_assignments({"COLLECTOR_HOST": ""})
        self.assertRaises(LocalProtocolError, collector_addresses, None, empty)
        self.assertRaises(LocalProtocolError, collector_addresses, " ", settings)
