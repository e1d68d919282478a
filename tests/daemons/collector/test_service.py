"""Tests of the collector's service: a whole collector in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from condor_twisted.classad.wire_ad import AdValue, WireAd
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore import Daemon
from condor_twisted.daemons.collector import Collector
from condor_twisted.daemons.collector.commands import (
    ACKNOWLEDGED,
    INVALIDATIONS,
    QUERIES,
    UPDATES,
)
from condor_twisted.daemons.collector.state import kinds, work
from condor_twisted.errors import ConfigError
from condor_twisted.protocols.client_channel import ClientChannel
from condor_twisted.wire.messages import MessageWriter
from tests.daemoncore.kit import DaemonTestCase
from tests.daemons.collector.state.kit import X, read_reply, recorded
from tests.protocols.kit import SECURE

WALL = 1_800_000_000.0


def _put(writer: MessageWriter, values: dict[str, AdValue]) -> None:
    ad = WireAd.from_pairs(values)
    writer.put_ad(ad.body)


class CollectorTestCase(DaemonTestCase):
    """A collector in memory and clients of it."""

    def setUp(self) -> None:
        """Start a collector that lets everybody do everything."""
        super().setUp()
        self.wall_offset = WALL
        self.collector = self.make()
        self.start(self.collector)

    def stop(self, daemon: Daemon) -> None:
        """Stop a collector; its workers end when they are killed."""
        if daemon.running:
            stopped = daemon.stopService()
            for process in self.reactor.processes:
                if not process.ended:
                    self.assertEqual(process.signals[-1:], ["KILL"])
                    process.exit(status=1, signal=9)
            self.successResultOf(stopped)
        super().stop(daemon)

    def make(self, **knobs: str) -> Collector:
        """A collector that is not started."""
        knobs = {
            "ALLOW_NEGOTIATOR": "*",
            "ALLOW_ADVERTISE_STARTD": "*",
            "ALLOW_ADVERTISE_SCHEDD": "*",
            "ALLOW_ADVERTISE_MASTER": "*",
            "COLLECTOR_HOST": "127.0.0.1:9618",
            **knobs,
        }
        return Collector(
            self.settings(**knobs),
            self.reactor,
            unix_time=lambda: self.wall_offset + self.reactor.seconds(),
        )

    def settings(self, **knobs: str) -> Settings:
        """The settings in force, with changes."""
        self.knobs.update(knobs)
        return Settings.from_assignments(self.knobs, "COLLECTOR")

    def say(self, channel: ClientChannel, *ads: dict[str, AdValue]) -> None:
        """Send a payload of ads."""
        writer = channel.writer()
        for values in ads:
            _put(writer, values)
        channel.send_message(writer.end_of_message())
        self.reactor.flush()

    def update(self, number: int, *ads: dict[str, AdValue]) -> ClientChannel:
        """Send an update on a connection of its own."""
        channel = self.open(self.collector, number)
        self.say(channel, *ads)
        return channel

    def query(
        self, number: int, values: dict[str, AdValue] | None = None
    ) -> list[list[str]]:
        """The ads of an answer, as lines."""
        return read_reply(self.answer(number, values))

    def answer(self, number: int, values: dict[str, AdValue] | None = None) -> bytes:
        """An answer's bytes."""
        channel = self.open(self.collector, number)
        self.say(channel, values or {})
        outcome: Deferred[Any] = channel.receive_message()
        self.reactor.flush()
        self.reactor.pump([0.01] * 20)
        self.reactor.flush()
        reader = self.successResultOf(outcome)
        return bytes(reader.get_bytes(reader.remaining))

    def keys(self, kind: kinds.AdKind) -> list[str]:
        """The keys of the ads in a table."""
        return sorted(self.collector.state.store.table(kind).records)


class CommandTests(CollectorTestCase):
    def test_mnh_5_2_levels(self) -> None:
        """Every command has the level that HTCondor gives it, and no other."""
        expected = {
            **dict.fromkeys((0, 13, 60), Permission.ADVERTISE_STARTD),
            **dict.fromkeys((1, 11, 14, 18), Permission.ADVERTISE_SCHEDD),
            **dict.fromkeys((2, 15), Permission.ADVERTISE_MASTER),
            **dict.fromkeys(
                (10, 49, 51, 54, 73, 77, 79),
                Permission.NEGOTIATOR,
            ),
            **dict.fromkeys(
                (4, 17, 19, 21, 42, 44, 45, 47, 55, 57, 58, 59, 70, 72, 80),
                Permission.DAEMON,
            ),
            **dict.fromkeys(
                (5, 6, 7, 9, 12, 20, 43, 46, 48, 50, 53, 56, 71, 74, 78),
                Permission.READ,
            ),
        }
        for number, level in expected.items():
            registration = self.collector.table.find(number)
            assert registration is not None, number
            self.assertIs(registration.rule.permission, level, number)
            alternates = (Permission.ALLOW,) if number == 80 else ()
            self.assertEqual(registration.rule.alternates, alternates)
        served = {*UPDATES, *ACKNOWLEDGED, *INVALIDATIONS, *QUERIES}
        self.assertEqual(served, set(expected))

    def test_mnh_5_4_what_answers_comes_by_tcp_alone(self) -> None:
        """Queries and the acknowledged update are not served over UDP."""
        for number in (*QUERIES, *ACKNOWLEDGED):
            registration = self.collector.table.find(number)
            assert registration is not None
            self.assertFalse(registration.rule.udp)
        for number in (*UPDATES, *INVALIDATIONS):
            registration = self.collector.table.find(number)
            assert registration is not None
            self.assertTrue(registration.rule.udp)

    def test_retired_commands(self) -> None:
        """Numbers that are retired are not served."""
        for number in (3, 8, 16, 61, 66, 75, 76, 83):
            self.assertIsNone(self.collector.table.find(number))


class UpdateTests(CollectorTestCase):
    def test_update_and_query(self) -> None:
        """What is advertised is found."""
        self.update(Command.UPDATE_MASTER_AD, {"Name": "m", "N": 5})
        (lines,) = self.query(Command.QUERY_MASTER_ADS)
        self.assertIn('Name = "m"', lines)
        self.assertIn('AuthenticatedIdentity = "unauthenticated@unmapped"', lines)

    def test_connections_stay_for_further_updates(self) -> None:
        """Behind an update come raw commands on the same connection."""
        channel = self.update(Command.UPDATE_MASTER_AD, {"Name": "m"})
        self.assertTrue(channel.is_open)
        for name in ("n", "o"):
            writer = channel.writer()
            writer.put_int(Command.UPDATE_MASTER_AD)
            _put(writer, {"Name": name})
            channel.send_message(writer.end_of_message())
        writer = channel.writer()
        writer.put_int(Command.INVALIDATE_MASTER_ADS)
        _put(writer, {"Name": "n"})
        channel.send_message(writer.end_of_message())
        self.reactor.flush()
        self.assertTrue(channel.is_open)
        self.assertEqual(self.keys(kinds.MASTER), ["m", "o"])

    def test_recorded_slot_update(self) -> None:
        """A slot's two ads arrive; the private one is for the negotiator."""
        channel = self.open(self.collector, 0)
        channel.send_message(
            recorded("daemon: startd slot update (public + private ad)")[8:]
        )
        self.reactor.flush()
        (private,) = self.query(Command.QUERY_STARTD_PVT_ADS)
        self.assertTrue(any("ClaimId" in line for line in private))
        self.assertNotIn("ClaimId", str(self.query(Command.QUERY_STARTD_ADS)))

    def test_mnh_6_3_acknowledgement(self) -> None:
        """Command 60 is answered by 1 once the ad is stored, and by nothing if not."""
        channel = self.open(self.collector, Command.UPDATE_STARTD_AD_WITH_ACK)
        self.say(channel, {"MyType": "Machine", "Name": "s"})
        outcome: Deferred[Any] = channel.receive_message()
        self.reactor.flush()
        self.assertEqual(self.successResultOf(outcome).get_int(), 1)
        self.assertFalse(channel.is_open)
        channel = self.open(self.collector, Command.UPDATE_STARTD_AD_WITH_ACK)
        self.say(channel, {"MyType": "Machine"})
        outcome = channel.receive_message()
        self.reactor.flush()
        self.failureResultOf(outcome)

    def test_refused_updates_close(self) -> None:
        """An ad without key closes the connection, with one line in the log."""
        channel = self.update(Command.UPDATE_MASTER_AD, {"N": 1})
        self.assertFalse(channel.is_open)
        self.assertEqual(len(self.logged("UPDATE_MASTER_AD")), 1)

    def test_datagrams(self) -> None:
        """Updates and invalidations come by UDP; queries do not."""
        port = self.reactor.datagram_ports[
            ("127.0.0.1", self.collector.address.port_number)  # type: ignore[index]
        ]

        def send(number: int, values: dict[str, AdValue]) -> None:
            writer = MessageWriter()
            writer.put_int(number)
            _put(writer, values)
            port.deliver(writer.end_of_message(), ("127.0.0.1", 4321))

        for name in ("a", "b"):
            send(Command.UPDATE_MASTER_AD, {"Name": name})
        self.assertEqual(self.keys(kinds.MASTER), ["a", "b"])
        send(Command.INVALIDATE_MASTER_ADS, {"Name": "a"})
        self.assertEqual(self.keys(kinds.MASTER), ["b"])
        send(Command.QUERY_MASTER_ADS, {})
        send(Command.UPDATE_MASTER_AD, {})
        self.assertEqual(port.sent, [])

    def test_change_of_identity_is_logged(self) -> None:
        """Who takes another one's ad over is in the log."""
        self.update(Command.UPDATE_MASTER_AD, {"Name": "m"})
        record = self.collector.state.store.table(kinds.MASTER).records["m"]
        record.identity = "alice@example"
        self.update(Command.UPDATE_MASTER_AD, {"Name": "m"})
        self.assertEqual(len(self.logged("alice@example")), 1)

    def test_lines_that_do_not_parse_are_logged(self) -> None:
        """The log names the attribute that is not passed on."""
        self.update(Command.UPDATE_MASTER_AD, {"Name": "m", "Bad": X("((")})
        (lines,) = self.query(Command.QUERY_MASTER_ADS)
        self.assertNotIn("Bad", str(lines))
        self.assertEqual(len(self.logged("Bad of the DaemonMaster ad m")), 1)


class InvalidationTests(CollectorTestCase):
    def test_by_constraint(self) -> None:
        """Ads that match go, and the log says how many, at whose request."""
        for number in range(3):
            self.update(Command.UPDATE_MASTER_AD, {"Name": f"m{number}", "N": number})
        self.update(Command.INVALIDATE_MASTER_ADS, {"Requirements": X("N > 0")})
        self.assertEqual(self.keys(kinds.MASTER), ["m0"])
        self.assertEqual(len(self.logged("removed 2 DaemonMaster ads")), 1)

    def test_carried_out_when_the_peer_hangs_up(self) -> None:
        """A long invalidation does not need its connection any more."""
        state = self.collector.state
        for number in range(3000):
            self.add_master(number)
        channel = self.open(self.collector, Command.INVALIDATE_MASTER_ADS)
        self.say(channel, {"Requirements": X("N >= 0")})
        channel.abort()
        self.reactor.flush()
        self.reactor.pump([0.01] * 50)
        self.assertEqual(len(state.store.table(kinds.MASTER)), 0)

    def add_master(self, number: int) -> None:
        """Store an ad without the network."""
        from tests.daemons.collector.state.kit import RAW, ad

        self.collector.state.receive(
            2, [ad({"Name": f"m{number}", "N": number})], RAW, WALL
        )

    def test_refused(self) -> None:
        """One that does not parse closes the connection."""
        channel = self.update(Command.INVALIDATE_MASTER_ADS, {"Requirements": X("((")})
        self.assertFalse(channel.is_open)


class QueryTests(CollectorTestCase):
    def test_big_answers(self) -> None:
        """An answer of many pieces is one message."""
        for number in range(200):
            self.update(
                Command.UPDATE_MASTER_AD, {"Name": f"m{number}", "Pad": "x" * 3000}
            )
        self.assertEqual(len(self.query(Command.QUERY_MASTER_ADS)), 200)

    def test_long_selections_go_in_turns(self) -> None:
        """A selection over many ads lets others in between, and is complete."""
        for number in range(3000):
            InvalidationTests.add_master(self, number)  # type: ignore[arg-type]
        found = self.query(
            Command.QUERY_MASTER_ADS,
            {"Requirements": X("N % 100 == 7"), "Projection": "N"},
        )
        self.assertEqual(len(found), 30)

    def test_mnh_6_2_bad_queries_are_not_answered(self) -> None:
        """A query that cannot be understood is closed without a byte."""
        refused: list[tuple[Command, dict[str, AdValue]]] = [
            (Command.QUERY_MASTER_ADS, {"Requirements": X("((")}),
            (Command.QUERY_GENERIC_ADS, {}),
            (Command.QUERY_MULTIPLE_ADS, {"TargetType": "zork"}),
        ]
        for number, values in refused:
            channel = self.open(self.collector, number)
            self.say(channel, values)
            outcome: Deferred[Any] = channel.receive_message()
            self.reactor.flush()
            self.failureResultOf(outcome)

    def test_trailing_bytes_are_refused(self) -> None:
        """Something behind a query's ad refuses the query."""
        channel = self.open(self.collector, Command.QUERY_MASTER_ADS)
        writer = channel.writer()
        _put(writer, {})
        writer.put_int(1)
        channel.send_message(writer.end_of_message())
        outcome: Deferred[Any] = channel.receive_message()
        self.reactor.flush()
        self.failureResultOf(outcome)

    def test_private_attributes(self) -> None:
        """They are for negotiators and administrators who ask."""
        self.update(
            Command.UPDATE_SCHEDD_AD,
            {"Name": "q", "MyAddress": "<1.2.3.4:5>", "Capability": "secret"},
        )
        asked: dict[str, AdValue] = {"SendPrivateAttributes": True}
        schedds = Command.QUERY_SCHEDD_ADS
        self.assertIn("secret", str(self.query(schedds, asked)))
        self.assertNotIn("secret", str(self.query(schedds)))
        self.successResultOf(self.collector.stopService())
        self.collector = self.make(ALLOW_NEGOTIATOR="", ALLOW_ADMINISTRATOR="")
        self.start(self.collector)
        self.update(
            Command.UPDATE_SCHEDD_AD,
            {"Name": "q", "MyAddress": "<1.2.3.4:5>", "Capability": "secret"},
        )
        self.assertNotIn("secret", str(self.query(schedds, asked)))

    def test_queries_are_counted(self) -> None:
        """The collector's own ad tells how many queries there were, right now."""
        self.query(Command.QUERY_MASTER_ADS)
        (lines,) = self.query(Command.QUERY_COLLECTOR_ADS)
        counters = [line for line in lines if line.startswith("InProcQueriesFrom")]
        self.assertEqual(len(counters), 1)


class WorkerTests(CollectorTestCase):
    """Expensive constraints; the worker is played by the test."""

    def setUp(self) -> None:
        """Two ads."""
        super().setUp()
        for name in ("abc", "xbc"):
            self.update(Command.UPDATE_MASTER_AD, {"Name": name})

    def ask_for(self, values: dict[str, AdValue] | None = None) -> Deferred[Any]:
        """Send an expensive query."""
        channel = self.open(self.collector, Command.QUERY_MASTER_ADS)
        asked: dict[str, AdValue] = {"Requirements": X('regexp("^a", Name)')}
        self.say(channel, {**asked, **(values or {})})
        outcome: Deferred[Any] = channel.receive_message()
        self.reactor.flush()
        return outcome

    def work(self, index: int = -1) -> None:
        """Carry out the order that the newest worker got last."""
        process = self.reactor.processes[index]
        order = process.written[-1][1]
        answer = work.carry_out(order[4:], lambda: None)
        data = len(answer).to_bytes(4, "big") + answer
        process.protocol.outReceived(data[:3])
        process.protocol.outReceived(data[3:])
        self.reactor.flush()

    def test_mnh_1_19_a_worker_selects(self) -> None:
        """A regular expression is evaluated by another process."""
        outcome = self.ask_for()
        self.assertNoResult(outcome)
        self.work()
        reader = self.successResultOf(outcome)
        (lines,) = read_reply(reader.get_bytes(reader.remaining))
        self.assertIn('Name = "abc"', lines)
        (own,) = self.query(Command.QUERY_COLLECTOR_ADS)
        self.assertTrue(any(line.startswith("ForkQueriesFrom") for line in own))

    def test_workers_are_used_again_and_end_when_idle(self) -> None:
        """The next query finds the worker of the last one; later it is let go."""
        for _ in range(3):
            outcome = self.ask_for()
            self.work()
            self.successResultOf(outcome)
        self.assertEqual(len(self.reactor.processes), 1)
        self.reactor.advance(31)
        outcome = self.ask_for()
        self.work()
        self.successResultOf(outcome)
        self.assertEqual(len(self.reactor.processes), 2)

    def test_mnh_1_15_a_worker_that_dies(self) -> None:
        """A query whose worker ends is closed without an answer."""
        outcome = self.ask_for()
        self.reactor.processes[-1].exit(status=1, signal=27)
        self.reactor.flush()
        self.failureResultOf(outcome)

    def test_mnh_1_15_a_worker_that_takes_too_long(self) -> None:
        """An order that is not done in time ends its worker and its query."""
        outcome = self.ask_for()
        self.reactor.advance(19)
        self.assertEqual(self.reactor.processes[-1].signals, [])
        self.reactor.advance(2)
        self.assertEqual(self.reactor.processes[-1].signals, ["KILL"])
        self.reactor.processes[-1].exit(status=1, signal=9)
        self.reactor.flush()
        self.failureResultOf(outcome)

    def test_a_peer_that_hangs_up(self) -> None:
        """Nobody works for a peer that is gone."""
        channel = self.open(self.collector, Command.QUERY_MASTER_ADS)
        self.say(channel, {"Requirements": X('regexp("^a", Name)')})
        channel.abort()
        self.reactor.flush()
        self.assertEqual(self.reactor.processes[-1].signals, ["KILL"])

    def test_mnh_1_21_places(self) -> None:
        """So many run, so many wait, and further ones are closed and counted."""
        running = [self.ask_for() for _ in range(3)]
        self.assertEqual(len(self.reactor.processes), 3)
        waiting = [self.ask_for() for _ in range(50)]
        self.assertEqual(len(self.reactor.processes), 3)
        self.failureResultOf(self.ask_for())
        for index in range(3):
            self.work(index)
        for outcome in running:
            self.successResultOf(outcome)
        self.assertEqual(len(self.reactor.processes), 3)
        self.assertNoResult(waiting[-1])
        (own,) = self.query(Command.QUERY_COLLECTOR_ADS)
        values = dict(line.split(" = ", 1) for line in own)
        self.assertEqual(values["DroppedQueries"], "1")
        self.assertEqual(values["ActiveQueryWorkers"], "3")
        self.assertEqual(values["PendingQueries"], "47")
        for outcome in waiting:
            outcome.addErrback(lambda _: None)

    def test_limits_of_types_hold(self) -> None:
        """A worker's hits are cut as any others."""
        for number in range(700):
            InvalidationTests.add_master(self, number)  # type: ignore[arg-type]
        outcome = self.ask_for(
            {"Requirements": X('regexp("^m", Name)'), "LimitResults": 550}
        )
        self.work()
        self.work()
        reader = self.successResultOf(outcome)
        self.assertEqual(len(read_reply(reader.get_bytes(reader.remaining))), 550)

    def test_no_workers(self) -> None:
        """Where there shall be no workers, such queries are refused."""
        assert self.collector.workers is not None
        self.collector.workers.limit = 0
        self.failureResultOf(self.ask_for())


class TimeTests(CollectorTestCase):
    def test_own_ad(self) -> None:
        """The collector's own ad is there from the start, and renewed."""
        (lines,) = self.query(Command.QUERY_COLLECTOR_ADS)
        values = dict(line.split(" = ", 1) for line in lines)
        self.assertEqual(values["MyType"], '"Collector"')
        self.assertEqual(values["MyAddress"], f'"{self.collector.address}"')
        self.assertEqual(values["LastHeardFrom"], str(int(WALL)))
        self.assertNotIn("AuthenticatedIdentity", values)
        self.assertNotIn("DaemonLastReconfigTime", values)  # as the real one's
        self.reactor.advance(900)
        (lines,) = self.query(Command.QUERY_COLLECTOR_ADS)
        values = dict(line.split(" = ", 1) for line in lines)
        self.assertGreaterEqual(int(values["LastHeardFrom"]), int(WALL) + 900)

    def own_ad(self, wanted: str | None = None) -> dict[str, str]:
        """The own ad, with the statistics that a query wants."""
        extra: dict[str, AdValue] = {}
        if wanted is not None:
            extra["STATISTICS_TO_PUBLISH"] = wanted
        (lines,) = self.query(Command.QUERY_COLLECTOR_ADS, extra)
        return dict(line.split(" = ", 1) for line in lines)

    def test_own_ad_has_what_daemoncore_counts(self) -> None:
        """A duty cycle always; of the rest what the query wants, and no lost sum."""
        usual = self.own_ad()
        for name in ("DaemonCoreDutyCycle", "RecentDaemonCoreDutyCycle"):
            self.assertTrue(0 <= float(usual[name]) <= 1, usual[name])
        self.assertNotIn("DCCommands", usual)
        self.assertIn("MonitorSelfSysCpuTime", usual)
        self.update(Command.UPDATE_MASTER_AD, {"Name": "m"})
        asked = self.own_ad("DC:1")
        self.assertEqual(asked["DCCollector_UpdatesReceived"], "1")
        self.assertGreaterEqual(int(asked["DCCommands"]), 2)
        self.assertEqual(asked["UpdatesTotal"], "1")  # as it was stored
        stored = self.own_ad("stored")
        self.assertNotIn("DCCommands", stored)
        self.assertNotIn("MonitorSelfSysCpuTime", stored)
        zeros = self.own_ad("COLLECTOR:1")
        self.assertEqual(zeros["InProcQueriesFromSCHEDD"], "0")
        self.assertEqual(zeros["UpdatesTotal"], "2")
        self.assertNotIn("DCCommands", zeros)

    def test_timers_are_counted(self) -> None:
        """What a collector does by itself is a timer that statistics name."""
        self.knobs["STATISTICS_TO_PUBLISH"] = "DC:2"
        self.collector._load_settings = self.settings
        self.assertTrue(self.collector.reconfigure())
        self.reactor.advance(900)
        values = self.own_ad()
        for name in ("sendCollectorAd", "CollectorEnginehousekeeper", "self_monitor"):
            self.assertGreaterEqual(int(values[f"DCTimer_{name}"]), 1, name)

    def test_recent_updates_are_forgotten_in_time(self) -> None:
        """Though nobody asks meanwhile, parts of the window pass one by one."""
        self.update(Command.UPDATE_MASTER_AD, {"Name": "m"})
        for _ in range(4):
            self.reactor.advance(240)
        self.update(Command.UPDATE_MASTER_AD, {"Name": "m"})
        self.reactor.advance(240)
        self.reactor.advance(240)
        values = self.own_ad()
        self.assertEqual(values["UpdatesTotal_Master"], "2")
        self.assertEqual(values["RecentUpdatesTotal_Master"], "1")

    def test_own_ad_has_the_sums_of_updates(self) -> None:
        """The own ad counts itself and the others, stored as well as refreshed."""
        for number in (1, 2, 5):
            self.update(
                Command.UPDATE_MASTER_AD,
                {
                    "Name": "m",
                    "UpdateSequenceNumber": number,
                    "DaemonStartTime": 100,
                },
            )
        stored, fresh = (
            dict(line.split(" = ", 1) for ad in ads for line in ad)
            for ads in (
                self.query(Command.QUERY_ANY_ADS, {"Requirements": X("HostsTotal==0")}),
                self.query(Command.QUERY_COLLECTOR_ADS),
            )
        )
        self.assertEqual(stored["UpdatesTotal"], "1")
        self.assertEqual(stored["UpdatesTotal_Collector"], "1")
        self.assertEqual(fresh["UpdatesTotal"], "4")
        self.assertEqual(fresh["UpdatesTotal_Master"], "3")
        self.assertEqual(fresh["UpdatesLost"], "2")
        self.assertEqual(fresh["UpdatesLostRatio"], "0.5")
        self.assertEqual(fresh["RecentUpdatesLostRatio"], "0.5")
        self.assertEqual(fresh["UpdatesLostMax"], "2")
        self.assertEqual(fresh["RecentUpdatesLostMax"], "2")
        self.reactor.advance(1300)
        (lines,) = self.query(Command.QUERY_COLLECTOR_ADS)
        values = dict(line.split(" = ", 1) for line in lines)
        self.assertEqual(values["UpdatesLostMax"], "2")
        self.assertEqual(values["RecentUpdatesLostMax"], "0")

    def test_sweep(self) -> None:
        """Old ads go at the sweep after their lifetime."""
        self.reactor.advance(10)
        self.update(Command.UPDATE_MASTER_AD, {"Name": "m"})
        self.reactor.advance(900)
        self.assertEqual(self.keys(kinds.MASTER), ["m"])
        self.reactor.advance(900)
        self.assertEqual(self.keys(kinds.MASTER), [])
        self.assertEqual(len(self.logged("stale")), 1)

    def test_mnh_2_7_clock_jumps(self) -> None:
        """When the clock is set no ad goes, and the log says so once."""
        self.update(Command.UPDATE_MASTER_AD, {"Name": "m"})
        self.wall_offset += 3600
        self.reactor.advance(900)
        self.assertEqual(self.keys(kinds.MASTER), ["m"])
        self.assertEqual(len(self.logged("The clock was set by 3600")), 1)

    def test_mnh_9_4_reconfiguration(self) -> None:
        """New settings are taken whole, or the old ones stay in force."""
        settings = [self.settings(CLASSAD_LIFETIME="50", COLLECTOR_QUERY_WORKERS="2")]
        self.collector._load_settings = lambda: settings[0]
        self.assertTrue(self.collector.reconfigure())
        self.assertEqual(self.collector.state.settings.classad_lifetime_seconds, 50)
        assert self.collector.workers is not None
        self.assertEqual(self.collector.workers.limit, 2)
        self.update(Command.UPDATE_MASTER_AD, {"Name": "m"})
        self.reactor.advance(50)
        self.reactor.advance(50)
        self.assertEqual(self.keys(kinds.MASTER), [])
        settings[0] = self.settings(COLLECTOR_REQUIREMENTS="((", CLASSAD_LIFETIME="9")
        self.assertFalse(self.collector.reconfigure())
        self.assertEqual(self.collector.state.settings.classad_lifetime_seconds, 50)

    def test_bad_settings_show_at_once(self) -> None:
        """A collector cannot be made with a knob that does not parse."""
        with self.assertRaises(ConfigError):
            self.make(COLLECTOR_REQUIREMENTS="((")

    def test_ports(self) -> None:
        """The port is the one of COLLECTOR_HOST, or COLLECTOR_PORT, or 9618."""
        for knobs, expected in (
            ({"COLLECTOR_HOST": "a.example:4000"}, 4000),
            ({"COLLECTOR_HOST": "a.example:4000?sock=collector"}, 4000),
            ({"COLLECTOR_HOST": "a.example", "COLLECTOR_PORT": "5000"}, 5000),
            ({"COLLECTOR_HOST": "a:1, b:2", "COLLECTOR_PORT": "9618"}, 9618),
        ):
            self.assertEqual(self.make(**knobs).default_port(), expected)

    def test_stopping_and_starting_again(self) -> None:
        """A stopped collector leaves nothing behind, and keeps its ads."""
        self.update(Command.UPDATE_MASTER_AD, {"Name": "m"})
        self.stop(self.collector)
        self.collector.startService()
        self.assertEqual(len(self.query(Command.QUERY_MASTER_ADS)), 1)


class SecureTests(CollectorTestCase):
    """The same under authentication and encryption."""

    def setUp(self) -> None:
        """A collector that demands everything of everybody."""
        self.secure = True
        super().setUp()

    def make(self, **knobs: str) -> Collector:
        """A collector that demands everything."""
        return super().make(
            **SECURE,
            **{"ALLOW_ADMINISTRATOR": "*", "SEC_CLIENT_NEGOTIATION": "REQUIRED"},
            **knobs,
        )

    def test_identity_and_encrypted_answers(self) -> None:
        """The ad carries its sender; the answer comes encrypted and whole."""
        for _ in range(5):
            self.update(
                0,
                {"MyType": "Machine", "Name": "s", "A": 1, "MyAddress": "<1.2.3.4:5>"},
                {"MyType": "Machine", "ClaimId": "claim"},
            )
        channel = self.open(self.collector, Command.QUERY_STARTD_ADS)
        self.say(channel, {"SendPrivateAttributes": True})
        outcome: Deferred[Any] = channel.receive_message()
        self.reactor.flush()
        reader = self.successResultOf(outcome)
        self.assertEqual(reader.get_int(), 1)
        read = reader.get_ad()
        self.assertIn(b'AuthenticationMethod = "CLAIMTOBE"', read.body)
        self.assertIn(b"AuthenticatedIdentity = ", read.body)
        self.assertNotIn(b"unauthenticated", read.body)
        self.assertEqual(reader.get_int(), 0)
        self.assertEqual(self.keys(kinds.SLOT_PRIVATE), ["s"])


class SecretsTests(CollectorTestCase):
    """Streams with a MAC and in clear, on which single secrets are encrypted."""

    def make(self, **knobs: str) -> Collector:
        """A collector that demands integrity, and lets nobody encrypt."""
        changed = {
            "SEC_DEFAULT_ENCRYPTION": "NEVER",
            "SEC_DEFAULT_CRYPTO_METHODS": "3DES",
            "SEC_CLIENT_NEGOTIATION": "REQUIRED",
        }
        return super().make(**{**SECURE, **changed, **knobs})

    def test_secrets_of_an_update(self) -> None:
        """Both ads of an update are stored, the encrypted secret of one with them."""
        for number in range(4):
            channel = self.open(self.collector, 0)
            self.assertFalse(channel.encrypted)
            assert self.collector.server is not None
            *_, connection = self.collector.server.connections
            self.assertIsNotNone(connection.channel.secrets)
            writer = channel.writer()
            _put(writer, {"MyType": "Machine", "Name": "s", "MyAddress": "<1:2>"})
            writer.put_ad(b'MyType = "Machine"\0', [b'ClaimId = "c%d"' % number])
            channel.send_message(writer.end_of_message())
            self.reactor.flush()
            twin = self.collector.state.store.table(kinds.SLOT_PRIVATE).records["s"]
            self.assertEqual(twin.private_lines, (b'ClaimId = "c%d"' % number,))
