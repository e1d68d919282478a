"""Tests of ``condor_twisted.daemoncore.advertising`` and of what an ad says."""

from __future__ import annotations

from typing import Any

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import CommandRequest, Daemon, Permission, command
from condor_twisted.daemoncore.advertising import Advertiser, update_interval_seconds
from condor_twisted.daemoncore.daemon_ad import configured_attributes, daemon_name
from tests.daemoncore.kit import DaemonTestCase


class Collecting(Daemon):
    """A collector that keeps what it is told."""

    subsystem = "COLLECTOR"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.ads: list[WireAd] = []
        self.gone: list[WireAd] = []
        self.transports: list[str] = []
        super().__init__(*arguments, **options)

    @command(Command.UPDATE_AD_GENERIC, Permission.DAEMON, udp=True, keeps_stream=True)
    def update(self, request: CommandRequest) -> None:
        """Take an ad."""
        self.transports.append(request.transport)
        self.ads.append(WireAd(request.reader().get_ad().body))

    @command(
        Command.INVALIDATE_ADS_GENERIC, Permission.DAEMON, udp=True, keeps_stream=True
    )
    def invalidate(self, request: CommandRequest) -> None:
        """Take an ad back."""
        self.gone.append(WireAd(request.reader().get_ad().body))


class Telling(Daemon):
    """A daemon with an ad."""

    subsystem = "TELLING"
    ad_type = "Generic"

    def ad_attributes(self) -> dict[str, Any]:
        return {"Told": True}


class AdvertisingTests(DaemonTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.collector = Collecting(self.settings(), self.reactor, port=9618)
        self.start(self.collector)
        self.knobs["COLLECTOR_HOST"] = "127.0.0.1:9618"

    def telling(self, **knobs: str) -> Telling:
        """A daemon that runs."""
        self.knobs.update(knobs)
        daemon = Telling(self.settings(), self.reactor)
        daemon._load_settings = self.settings
        self.start(daemon)
        self.reactor.flush()
        return daemon

    def pass_time(self, seconds: float) -> None:
        """Time goes by, and bytes with it."""
        self.reactor.advance(seconds)
        self.reactor.flush()

    def stop_telling(self, daemon: Telling) -> None:
        """The daemon stops in good order."""
        stopped = daemon.stopService()
        self.reactor.flush()
        self.successResultOf(stopped)

    def test_ad(self) -> None:
        """The ad says who and where the daemon is, and what it adds."""
        daemon = self.telling()
        [ad] = self.collector.ads
        self.assertEqual(ad.string("MyType"), "Generic")
        self.assertEqual(ad.string("Name"), "telling@host.example")
        self.assertEqual(ad.string("Machine"), "host.example")
        self.assertEqual(ad.string("MyAddress"), str(daemon.address))
        self.assertEqual(ad.integer("UpdateSequenceNumber"), 1)
        self.assertEqual(ad.integer("DaemonStartTime"), daemon.started_at_unix)
        self.assertEqual(
            ad.integer("DaemonLastReconfigTime"), daemon.reconfigured_at_unix
        )
        self.assertIs(ad.boolean("Told"), True)
        for name in ("CondorVersion", "CondorPlatform", "MonitorSelfAge", "AddressV1"):
            self.assertIn(name, ad)

    def test_periods(self) -> None:
        """Each period an update goes over the same connection, with the next number."""
        self.telling(TELLING_UPDATE_INTERVAL="60")
        self.pass_time(59)
        self.assertEqual(len(self.collector.ads), 1)
        self.pass_time(1)
        self.pass_time(60)
        numbers = [ad.integer("UpdateSequenceNumber") for ad in self.collector.ads]
        self.assertEqual(numbers, [1, 2, 3])
        assert self.collector.server is not None
        self.assertEqual(len(self.collector.server.connections), 1)

    def test_udp(self) -> None:
        """Updates go by UDP where the configuration says so."""
        daemon = self.telling(UPDATE_COLLECTOR_WITH_TCP="False")
        self.assertEqual(self.collector.transports, ["udp"])
        self.stop_telling(daemon)
        self.assertEqual(len(self.collector.gone), 1)

    def test_several_collectors(self) -> None:
        """Every collector is told; one that is down delays nobody."""
        other = Collecting(self.settings(), self.reactor, port=9619)
        self.start(other)
        daemon = self.telling(
            COLLECTOR_HOST="127.0.0.1:9618, 127.0.0.1:9619, 127.0.0.1:9"
        )
        self.assertEqual((len(self.collector.ads), len(other.ads)), (1, 1))
        self.assertEqual(len(self.logged("Failed to send our ad")), 1)
        self.pass_time(300)
        self.assertEqual(len(other.ads), 2)
        self.assertEqual(len(self.logged("Failed to send our ad")), 1)
        self.stop_telling(daemon)
        self.assertEqual((len(self.collector.gone), len(other.gone)), (1, 1))

    def test_collector_comes_back(self) -> None:
        """A collector that was restarted is told with the next update."""
        self.telling()
        self.stop(self.collector)
        self.pass_time(300)
        self.assertTrue(self.logged("Failed to send our ad"))
        again = Collecting(self.settings(), self.reactor, port=9618)
        self.start(again)
        self.pass_time(300)
        self.assertEqual(len(again.ads), 1)
        self.assertTrue(self.logged("is told again"))

    def test_farewell(self) -> None:
        """A daemon that stops takes its ad back before its ports close."""
        daemon = self.telling()
        address = str(daemon.address)
        self.stop_telling(daemon)
        [gone] = self.collector.gone
        self.assertEqual(gone.string("Name"), "telling@host.example")
        self.assertEqual(gone.string("TargetType"), "Generic")
        self.assertEqual(gone.string("MyAddress"), address)

    def test_mnh_8_8_silent_collector(self) -> None:
        """A collector that does not answer delays the end by little."""
        daemon = self.telling()
        self.collector.ports.pause() if self.collector.ports else None
        stopped = daemon.stopService()
        self.reactor.advance(2)
        self.reactor.flush()
        self.successResultOf(stopped)

    def test_reconfiguration(self) -> None:
        """New settings are told at once."""
        daemon = self.telling()
        self.knobs["TELLING_NAME"] = "other"
        self.assertTrue(daemon.reconfigure())
        self.reactor.flush()
        self.assertEqual(self.collector.ads[-1].string("Name"), "other@host.example")

    def test_no_collector(self) -> None:
        """A daemon that is not told of a collector runs all the same."""
        daemon = self.telling(COLLECTOR_HOST="")
        self.assertTrue(daemon.running)
        self.assertTrue(self.logged("COLLECTOR_HOST"))

    def test_shutdown_expression(self) -> None:
        """A daemon whose expression is true stops and asks to stay down."""
        for knob, part in (
            ("DAEMON_SHUTDOWN", "graceful"),
            ("DAEMON_SHUTDOWN_FAST", "fast"),
        ):
            daemon = self.telling(**{knob: "Told && UpdateSequenceNumber > 1"})
            self.assertEqual(daemon.exit_status, 0)
            self.pass_time(300)
            self.pass_time(0)
            self.assertEqual(daemon.exit_status, 99)
            self.assertFalse(daemon.running)
            self.assertTrue(self.logged(f"TRUE: starting {part} shutdown"))
            del self.knobs[knob]

    def test_wrong_expression(self) -> None:
        """An expression that is none stops nothing."""
        daemon = self.telling(DAEMON_SHUTDOWN="((")
        self.assertTrue(daemon.running)
        self.assertEqual(daemon.exit_status, 0)


class NameTests(DaemonTestCase):
    def test_names(self) -> None:
        """A name without a host gets ours."""
        for knobs, local, name in (
            ({}, None, "telling@host.example"),
            ({}, "MINE", "mine@host.example"),
            ({"TELLING_NAME": "x"}, None, "x@host.example"),
            ({"TELLING_NAME": "x@y"}, None, "x@y"),
        ):
            settings = Settings.from_assignments(
                {**self.knobs, **knobs}, "TELLING", local
            )
            self.assertEqual(daemon_name(settings), name)

    def test_interval(self) -> None:
        """The own interval counts before the common one."""
        for knobs, seconds in (
            ({}, 300),
            ({"UPDATE_INTERVAL": "10"}, 10),
            ({"UPDATE_INTERVAL": "10", "TELLING_UPDATE_INTERVAL": "20"}, 20),
        ):
            settings = Settings.from_assignments(knobs, "TELLING")
            self.assertEqual(update_interval_seconds(settings), seconds)

    def test_configured_attributes(self) -> None:
        """Lists name attributes; each value is an expression, the local one first."""
        knobs = {
            "TELLING_ATTRS": "One, Two",
            "SYSTEM_TELLING_ATTRS": "Three",
            "TELLING_EXPRS": "Missing",
            "MINE_TELLING_ATTRS": "Four",
            "One": "1 + 1",
            "Two": '"text"',
            "Three": "(((",
            "Four": "4",
            "MINE_One": "11",
        }
        settings = Settings.from_assignments(knobs, "TELLING", "MINE")
        found = configured_attributes(settings)
        self.assertEqual(
            {name: getattr(value, "text", None) for name, value in found.items()},
            {"One": "11", "Two": '"text"', "Four": "4"},
        )
        self.assertTrue(self.logged("CONFIGURATION PROBLEM"))
        plain = configured_attributes(Settings.from_assignments(knobs, "TELLING"))
        self.assertEqual(getattr(plain["One"], "text", None), "1 + 1")


class AdvertiserTests(DaemonTestCase):
    def test_only_daemons_with_an_ad(self) -> None:
        """A daemon without a kind of ad tells nobody."""
        kinds = [type(each) for each in Daemon(self.settings(), None).facilities]
        self.assertNotIn(Advertiser, kinds)
