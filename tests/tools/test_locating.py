"""Tests of ``condor_twisted.tools.locating``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from condor_twisted.client import Pool
from condor_twisted.errors import CommandRefused, MalformedMessage
from condor_twisted.tools.locating import daemon_type, locate_daemon
from condor_twisted.tools.option_table import UsageError
from tests.client.kit import PoolTestCase, ad_of


class LocatingTests(PoolTestCase):
    def locate(self, *arguments: Any, pool: Pool | None = None) -> Deferred[Any]:
        """Find a daemon."""
        return Deferred.fromCoroutine(locate_daemon(pool or self.pool(), *arguments))

    def test_types(self) -> None:
        """Types are named in any case."""
        self.assertEqual(daemon_type("Collector"), "COLLECTOR")
        self.assertRaises(UsageError, daemon_type, "nonsense")

    def test_collector(self) -> None:
        """The pool's own collector, or the one that is named."""
        found = self.done(self.locate("COLLECTOR"))
        self.assertEqual(str(found), "<127.0.0.1:9618>")
        found = self.done(self.locate("COLLECTOR", "192.0.2.7:9"))
        self.assertEqual(str(found), "<192.0.2.7:9>")

    def test_address(self) -> None:
        """An address is taken as it is."""
        found = self.done(self.locate("SCHEDD", None, "<192.0.2.7:9?sock=x>"))
        self.assertEqual(str(found), "<192.0.2.7:9?sock=x>")
        self.failed(self.locate("SCHEDD", None, "<"), MalformedMessage)

    def test_by_name(self) -> None:
        """The collector knows where daemons are; this host's own by default."""
        self.collector.ads = [ad_of(Name="a", MyAddress="<192.0.2.7:9>")]
        for arguments in (("SCHEDD", "a"), ("SCHEDD",), ("STARTD",)):
            found = self.done(self.locate(*arguments))
            self.assertEqual(str(found), "<192.0.2.7:9>")
        self.collector.ads = []
        self.failed(self.locate("SCHEDD", "b"), CommandRefused)

    def test_address_file(self) -> None:
        """Without a name and a pool, the daemon's own file says where it is."""
        file = Path(self.mktemp())
        file.write_text("<192.0.2.8:9>\n$CondorVersion: x $\n")
        knobs = {"SCHEDD_ADDRESS_FILE": str(file), "COLLECTOR_HOST": "127.0.0.1"}
        found = self.done(self.locate("SCHEDD", pool=self.pool(None, **knobs)))
        self.assertEqual(str(found), "<192.0.2.8:9>")
        self.collector.ads = [ad_of(Name="a", MyAddress="<192.0.2.7:9>")]
        for pool in (
            self.pool(SCHEDD_ADDRESS_FILE=str(file)),
            self.pool(None, **{**knobs, "SCHEDD_ADDRESS_FILE": "/there/is/none"}),
        ):
            found = self.done(self.locate("SCHEDD", pool=pool))
            self.assertEqual(str(found), "<192.0.2.7:9>")
