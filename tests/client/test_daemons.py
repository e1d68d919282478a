"""Tests of ``condor_twisted.client.daemons``."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from twisted.internet.defer import Deferred

from condor_twisted.client import daemons
from condor_twisted.client.daemons import (
    DaemonLocator,
    FoundDaemon,
    kind_named,
    quoted,
)
from condor_twisted.config.settings import Settings
from condor_twisted.errors import DaemonNotFound
from condor_twisted.testing.reactor import blocking_at_once
from tests.client.kit import PoolTestCase, ad_of

HOSTS = {
    "here": ("here.example", ["here"], ["127.0.0.1"]),
    "there": ("there", ["there.example"], ["127.0.0.2"]),
    "bare": ("bare", [], ["127.0.0.3"]),
    "here.example": ("here.example", [], ["127.0.0.1"]),
}


def look_up(name: str) -> tuple[str, list[str], list[str]]:
    """Resolve as a name server would."""
    if name not in HOSTS:
        raise OSError(f"no host {name}")
    return HOSTS[name]


class LocatorTests(PoolTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(socket, "gethostbyname_ex", look_up)
        self.patch(daemons, "run_in_threads", lambda _: blocking_at_once)
        self.patch(os, "geteuid", lambda: 1000)
        self.directory = Path(self.mktemp())
        self.directory.mkdir()

    def locator(self, pool: str | None = None, **knobs: str) -> DaemonLocator:
        """A locator of a host that is called here.example."""
        made = {
            **self.knobs,
            "FULL_HOSTNAME": "here.example",
            "COLLECTOR_HOST": "127.0.0.1:9618",
            "DEFAULT_DOMAIN_NAME": "dom.example",
            **knobs,
        }
        settings = Settings.from_assignments(made, "TOOL")
        locator = DaemonLocator(settings, self.reactor, pool)
        self.addCleanup(lambda: self.done(locator.close()))
        return locator

    def address_file(self, text: str) -> str:
        """An address file."""
        path = self.directory / "address"
        path.write_text(text)
        return str(path)

    def found(self, locator: DaemonLocator, word: str, *what: str) -> FoundDaemon:
        """A daemon that is there."""
        search = locator.locate(kind_named(word), *what)
        daemon: FoundDaemon = self.done(Deferred.fromCoroutine(search))
        return daemon

    def missing(self, locator: DaemonLocator, word: str, *what: str) -> str:
        """Why a daemon is not found."""
        search = locator.locate(kind_named(word), *what)
        return str(self.failed(Deferred.fromCoroutine(search), DaemonNotFound))

    def test_address(self) -> None:
        """A sinful string is taken as it is."""
        search = self.locator().locate(
            kind_named("any"), None, "<1.2.3.4:5?addrs=1.2.3.4-5>"
        )
        daemon: FoundDaemon = self.done(Deferred.fromCoroutine(search))
        self.assertEqual(str(daemon), "daemon at <1.2.3.4:5>")

    def test_address_file(self) -> None:
        """This host's own daemon is where its address file says."""
        for text in (
            "<1.2.3.4:5>\n$CondorVersion: 25.14.1 $\n",
            '# comment\n\nMyAddress = "<1.2.3.4:5>"\nName = "x"\n',
        ):
            locator = self.locator(SCHEDD_ADDRESS_FILE=self.address_file(text))
            daemon = self.found(locator, "schedd")
            self.assertEqual(daemon.address, "<1.2.3.4:5>")
            self.assertEqual(str(daemon), "local schedd")
            self.assertEqual(daemon.name, "here.example")
            self.assertEqual(str(self.found(locator, "schedd", "here")), "local schedd")

    def test_address_file_for_administrators(self) -> None:
        """The superuser has a file of its own."""
        self.patch(os, "geteuid", lambda: 0)
        locator = self.locator(
            MASTER_ADDRESS_FILE="/nowhere",
            MASTER_SUPER_ADDRESS_FILE=self.address_file("<1.2.3.4:6>\n"),
        )
        self.assertEqual(self.found(locator, "master").address, "<1.2.3.4:6>")

    def test_useless_address_files(self) -> None:
        """What is no address file is as good as none."""
        for text in ("", "no address\n", "Name = x\n", "<[:1>\n"):
            locator = self.locator(MINE_ADDRESS_FILE=self.address_file(text))
            self.assertIn("Can't find address", self.missing(locator, "mine"))

    def test_to_administer(self) -> None:
        """A collector is asked for the right to administer, which is used."""
        self.collector.ads = [
            ad_of(
                Name="x@far.example",
                MyAddress="<192.0.2.7:7>",
                _condor_PrivRemoteAdminCapability='admin_1#[ValidCommands="60013";]'
                + "k" * 64,
            )
        ]
        for to_administer in (False, True):
            locator = self.locator()
            search = locator.locate(
                kind_named("schedd"), "x@far.example", to_administer=to_administer
            )
            daemon = self.done(Deferred.fromCoroutine(search))
            (_, query) = self.collector.queries[-1]
            asked = query.boolean("SendPrivateAttributes")
            self.assertIs(asked, True if to_administer else None)
            security = locator.pool.client.opener.security
            found = security.outgoing.find("admin_1", security.now())
            self.assertIs(found is not None, to_administer)
            self.assertNotIn("kkkk", repr(daemon))

    def test_useless_right_to_administer(self) -> None:
        """What is no right is told of, and changes nothing else."""
        self.collector.ads = [
            ad_of(
                Name="x@far.example",
                MyAddress="<192.0.2.7:7>",
                _condor_PrivRemoteAdminCapability="kkkkkkkk",
            )
        ]
        search = self.locator().locate(
            kind_named("schedd"), "x@far.example", to_administer=True
        )
        daemon = self.done(Deferred.fromCoroutine(search))
        self.assertEqual(daemon.address, "<192.0.2.7:7>")
        self.assertEqual(len(self.logged("is of no use")), 1)
        self.assertEqual(self.logged("kkkk"), [])

    def test_own_ad(self) -> None:
        """Without an address file the collector is asked for our own name."""
        self.collector.ads = [ad_of(Name="x@here.example", MyAddress="<1.2.3.4:7>")]
        locator = self.locator(schedd_NAME="x")
        daemon = self.found(locator, "schedd")
        self.assertEqual(daemon.address, "<1.2.3.4:7>")
        (_, query) = self.collector.queries[-1]
        self.assertEqual(query.expression("Requirements"), 'Name == "x@here.example"')

    def test_by_name(self) -> None:
        """A name is completed, and asked for; a startd by its machine."""
        self.collector.ads = [
            ad_of(Name="n", ScheddIpAddr="<1.2.3.4:8>", MyAddress="<9>")
        ]
        locator = self.locator()
        self.assertEqual(self.found(locator, "schedd", "there").address, "<1.2.3.4:8>")
        self.found(locator, "startd", "there")
        (_, query) = self.collector.queries[-1]
        self.assertEqual(query.expression("Requirements"), 'Machine == "there.example"')
        self.found(locator, "startd", "slot1@there")
        (_, query) = self.collector.queries[-1]
        self.assertEqual(query.expression("Requirements"), 'Name == "slot1@there"')

    def test_by_name_with_port(self) -> None:
        """A name with a port needs no asking."""
        self.assertEqual(
            self.found(self.locator(), "schedd", "1.2.3.4:99").address, "<1.2.3.4:99>"
        )
        locator = self.locator(SCHEDD_HOST="1.2.3.4:98")
        self.assertEqual(self.found(locator, "schedd").address, "<1.2.3.4:98>")

    def test_unknown(self) -> None:
        """Hosts, daemons and kinds that nobody knows."""
        locator = self.locator()
        self.assertEqual(
            self.missing(locator, "schedd", "nohost"), "unknown host nohost"
        )
        self.assertIn("Can't find address for schedd", self.missing(locator, "schedd"))
        self.collector.ads = [ad_of(Name="without an address")]
        self.assertIn("Can't find address for schedd", self.missing(locator, "schedd"))
        self.assertIn("Can't find address for kbdd", self.missing(locator, "kbdd"))

    def test_collector(self) -> None:
        """A collector is where its name says, or where COLLECTOR_HOST does."""
        self.assertEqual(
            str(self.found(self.locator(), "collector")), "local collector"
        )
        daemon = self.found(self.locator(), "collector", "cm.example:99")
        self.assertEqual(str(daemon), "collector cm.example:99")
        self.assertIn(":99", daemon.address)
        daemon = self.found(self.locator("cm.example"), "collector")
        self.assertIn("cm.example:9618", daemon.address)
        self.assertIn("collector", self.missing(self.locator(), "collector", " "))

    def test_collector_on_any_port(self) -> None:
        """A personal pool's collector is where its address file says."""
        locator = self.locator(
            COLLECTOR_HOST="here.example:0",
            COLLECTOR_ADDRESS_FILE=self.address_file("<1.2.3.4:55>\n"),
        )
        self.assertEqual(self.found(locator, "collector").address, "<1.2.3.4:55>")

    def test_collectors(self) -> None:
        """Of several that a pool is named by, the first is meant."""
        daemon = self.found(self.locator("127.0.0.1:1, cm.example"), "collector")
        self.assertEqual(daemon.address, "<127.0.0.1:1>")

    def test_open_pool(self) -> None:
        """A pool that is open already serves as well as its name."""
        pool = self.pool("127.0.0.1:9618")
        locator = DaemonLocator(pool.settings, self.reactor, pool)
        self.assertEqual(
            str(self.found(locator, "collector")), "collector 127.0.0.1:9618"
        )
        self.collector.ads = [ad_of(Name="n", MyAddress="<1.2.3.4:9>")]
        daemon = self.found(locator, "negotiator")
        self.assertEqual(daemon.address, "<1.2.3.4:9>")

    def test_resolved(self) -> None:
        """A host's name in an address can be replaced by the host's address."""
        self.patch(socket, "gethostbyname", lambda name: look_up(name)[2][0])
        locator = self.locator()

        def resolved(address: str) -> Deferred[FoundDaemon]:
            daemon = FoundDaemon(kind_named("schedd"), address)
            return Deferred.fromCoroutine(locator.resolved(daemon))

        found = self.done(resolved("<there:5?sock=x>"))
        self.assertEqual(found.address, "<127.0.0.2:5?sock=x>")
        found = self.done(resolved("<192.0.2.1:5>"))
        self.assertEqual(found.address, "<192.0.2.1:5>")
        for junk in ("<nowhere:5>", "<[:1>"):
            self.failed(resolved(junk), DaemonNotFound)

    def test_negotiator(self) -> None:
        """There is one in a pool, whatever its name."""
        self.collector.ads = [ad_of(Name="NEGOTIATOR", MyAddress="<1.2.3.4:9>")]
        daemon = self.found(self.locator(), "negotiator")
        self.assertEqual(str(daemon), "negotiator NEGOTIATOR")

    def test_quoting(self) -> None:
        """A name cannot end its literal."""
        self.assertEqual(quoted('a"b\\c'), '"a\\"b\\\\c"')
