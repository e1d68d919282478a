"""Tests of ``condor_twisted.tools.destination``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed

from condor_twisted.config.settings import Settings
from condor_twisted.tools import destination
from condor_twisted.tools.destination import Destination, NotFound, find_destination
from condor_twisted.tools.option_table import UsageError
from tests.client.kit import PoolTestCase, ad_of


class DestinationTests(PoolTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(destination, "Pool", lambda pool, settings, reactor: self.pool())
        self.patch(destination, "deferToThread", self.resolve)

    def resolve(self, _function: Any, name: str) -> Deferred[str]:
        """Look a host up."""
        if name == "nowhere.example":
            raise OSError("no such host")
        return succeed("192.0.2.9")

    def find(self, knobs: dict[str, str] | None = None, **wanted: Any) -> Destination:
        """Find a daemon."""
        settings = Settings.from_assignments(
            {"FULL_HOSTNAME": "me.example", **(knobs or {})}, "TOOL"
        )
        found = Deferred.fromCoroutine(
            find_destination(settings, self.reactor, **wanted)
        )
        result = self.done(found)
        assert isinstance(result, Destination)
        return result

    def not_found(self, *kinds: type[Exception], **wanted: Any) -> str:
        """Find nothing; the error's text."""
        settings = Settings.from_assignments({"FULL_HOSTNAME": "me.example"}, "TOOL")
        found = Deferred.fromCoroutine(
            find_destination(settings, self.reactor, **wanted)
        )
        return str(self.failed(found, *kinds))

    def test_address(self) -> None:
        """An address is taken as it is; its parameters are not shown."""
        found = self.find(address="<192.0.2.1:9618?sock=x>")
        self.assertEqual(str(found.address), "<192.0.2.1:9618?sock=x>")
        self.assertEqual(found.description, "daemon at <192.0.2.1:9618>")
        found = self.find(address="192.0.2.1:9618")
        self.assertEqual(found.description, "daemon at <192.0.2.1:9618>")
        for junk in ("junk", "<192.0.2.1>", "<:1>", "<[:1>"):
            text = self.not_found(NotFound, address=junk)
            self.assertEqual(text, f"unable to parse sinful string: {junk}")

    def test_collector(self) -> None:
        """A collector is COLLECTOR_HOST, or what is named like one."""
        local = self.find({"COLLECTOR_HOST": "cm.example"}, daemon_type="collector")
        self.assertEqual(local.description, "local collector")
        self.assertEqual(local.address.host, "192.0.2.9")
        named = self.find(daemon_type="Collector", pool="cm.example:1234")
        self.assertEqual(
            named.description, "collector <192.0.2.9:1234?alias=cm.example>"
        )
        named = self.find(daemon_type="collector", name="127.0.0.1")
        self.assertEqual(named.description, "collector 127.0.0.1")
        self.not_found(UsageError, daemon_type="collector", pool="a", name="b")
        text = self.not_found(NotFound, daemon_type="collector", pool="nowhere.example")
        self.assertEqual(text, "unknown host nowhere.example")

    def test_daemons_of_a_pool(self) -> None:
        """A daemon is where the collector says it is, this host's by default."""
        self.collector.ads = [ad_of(Name="s@x", MyAddress="<192.0.2.5:4711>")]
        found = self.find(name="s@x")
        self.assertEqual(found.description, "schedd s@x")
        self.assertEqual(str(found.address), "<192.0.2.5:4711>")
        self.assertEqual(self.find().description, "local schedd")
        asked = [ad.expression("Requirements") for _, ad in self.collector.queries]
        self.assertIn('((Name == "me.example"))', asked)
        self.find({"SCHEDD_NAME": "here"}, pool="127.0.0.1")
        asked = [ad.expression("Requirements") for _, ad in self.collector.queries]
        self.assertIn('((Name == "here@me.example"))', asked)

    def test_negotiator(self) -> None:
        """The negotiator is the pool's, wherever it runs."""
        self.collector.ads = [ad_of(Name="n@x", MyAddress="<192.0.2.5:4711>")]
        found = self.find(daemon_type="negotiator")
        self.assertEqual(found.description, "negotiator n@x")
        asked = [ad.expression("Requirements") for _, ad in self.collector.queries]
        self.assertEqual(asked, ["true"])

    def test_own_name(self) -> None:
        """This host's daemon is local under its name, too."""
        self.collector.ads = [ad_of(Name="me.example", MyAddress="<192.0.2.5:1>")]
        found = self.find(daemon_type="startd", name="me.example")
        self.assertEqual(found.description, "local startd")
        found = self.find(daemon_type="startd", name="me.example", pool="127.0.0.1")
        self.assertEqual(found.description, "startd me.example")

    def test_address_file(self) -> None:
        """This host's daemon is known by its address file."""
        file = Path(self.mktemp())
        file.write_text("<192.0.2.6:1>\n$CondorVersion: x $\n")
        found = self.find({"MASTER_ADDRESS_FILE": str(file)}, daemon_type="master")
        self.assertEqual(str(found.address), "<192.0.2.6:1>")
        self.assertEqual(found.description, "local master")
        file.write_text("junk: [\n")
        self.collector.ads = [ad_of(Name="m", MyAddress="<192.0.2.7:2>")]
        found = self.find({"MASTER_ADDRESS_FILE": str(file)}, daemon_type="master")
        self.assertEqual(str(found.address), "<192.0.2.7:2>")

    def test_nowhere(self) -> None:
        """Who is not known is not found; there are kinds of daemons."""
        self.assertIn(
            "couldn't locate startd foo!",
            self.not_found(NotFound, daemon_type="startd", name="foo"),
        )
        self.assertIn("bogus", self.not_found(UsageError, daemon_type="bogus"))
