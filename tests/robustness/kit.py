"""What the tests of this folder share: a collector in memory, checked at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.protocols.commands import CommandOpener
from condor_twisted.protocols.host_steps import Host
from condor_twisted.security.commands import CommandRules
from condor_twisted.security.context import SecurityState
from condor_twisted.security.facts import HostFacts
from condor_twisted.testing.pump import MemoryTransport
from condor_twisted.testing.reactor import blocking_at_once
from fuzz.house import OPEN, House, Intruder, ad_bytes, command_bytes

NAMES = ("kept1", "kept2")


class HouseTestCase(SynchronousTestCase):
    """A collector that holds two ads, and must hold them at the end."""

    knobs: ClassVar[Mapping[str, str]] = OPEN
    #: Whether the house is looked at when the test is over.
    is_checked = True

    def setUp(self) -> None:
        """Start it."""
        self.house = House(self.knobs)
        self.reactor: Any = self.house.reactor
        if self.knobs is OPEN:
            for name in NAMES:
                self.house.advertise(name)

    def tearDown(self) -> None:
        """Look at it, and stop it."""
        if self.is_checked:
            self.house.check(NAMES if self.knobs is OPEN else ())
        self.house.close()

    def intrude(self, address: str = "198.51.100.1") -> Intruder:
        """Connect; the server must let us."""
        client = self.house.intrude(address)
        assert client is not None, "the server turned a peer away"
        return client

    def assert_serves(self) -> None:
        """An honest peer gets its answer."""
        found = self.house.ask(b'Requirements = Name == "kept1"')
        assert found is not None, "an honest query was not answered"
        self.assertEqual(len(found), 1)

    def opener(self, **knobs: str) -> CommandOpener:
        """A client that negotiates."""
        security = SecurityState(
            Settings.from_assignments({**self.knobs, **knobs}, "TOOL"),
            CommandRules(),
            HostFacts("host.example", 4711, "alice", "condor"),
            random_bytes=lambda count: bytes(range(1, count + 1)),
            now=self.reactor.seconds,
            unix_time=lambda: 1_700_000_000,
        )
        opener = CommandOpener(
            self.reactor, security, Host(self.reactor, blocking_at_once)
        )
        self.addCleanup(opener.close)
        return opener


def update(*lines: bytes, number: int = Command.UPDATE_MASTER_AD) -> bytes:
    """The payload of an update."""
    return command_bytes(number, ad_bytes(lines))


def query(*lines: bytes, number: int = Command.QUERY_MASTER_ADS) -> bytes:
    """The payload of a query."""
    return command_bytes(number, ad_bytes(lines))


def server_end(client: Intruder) -> MemoryTransport:
    """The server's end of a connection."""
    far: MemoryTransport = client.far
    return far
