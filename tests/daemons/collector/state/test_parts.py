"""Tests of the smaller parts of the state: settings, names, tables, own ad."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.columns import Column, value_key
from condor_twisted.daemons.collector.state.evaluation import (
    Requirement,
    evaluate_attribute,
)
from condor_twisted.daemons.collector.state.names import (
    is_plain_public,
    is_private_key,
    lookup_key,
)
from condor_twisted.daemons.collector.state.offline import absent_lines, offline_lines
from condor_twisted.daemons.collector.state.own_ad import (
    OwnFacts,
    PoolTotals,
    own_name,
)
from condor_twisted.daemons.collector.state.publication import LineJudge
from condor_twisted.daemons.collector.state.senders import Requester, Sender
from condor_twisted.daemons.collector.state.settings import CollectorSettings
from condor_twisted.daemons.collector.state.tables import Change, ChangeKind
from condor_twisted.errors import ConfigError
from condor_twisted.wire.versions import CondorVersion
from tests.daemons.collector.state.kit import NOW, Pool, X, ad, values_of


class SettingsTests(SynchronousTestCase):
    def test_defaults(self) -> None:
        """Without configuration the settings are HTCondor's defaults."""
        settings = CollectorSettings.from_knobs(
            Settings.from_assignments({}, "COLLECTOR")
        )
        self.assertEqual(settings, CollectorSettings())

    def test_knobs(self) -> None:
        """Each knob has its effect, within sensible bounds."""
        settings = CollectorSettings.from_knobs(
            Settings.from_assignments(
                {
                    "CLASSAD_LIFETIME": "60",
                    "COLLECTOR_UPDATE_INTERVAL": "30",
                    "COLLECTOR_REQUIREMENTS": "true",
                    "OFFLINE_LOG": "/spool/offline",
                    "COLLECTOR_QUERY_WORKERS": "2",
                    "COLLECTOR_QUERY_WORKERS_RESERVE_FOR_HIGH_PRIO": "5",
                    "EXPIRE_INVALIDATED_ADS": "true",
                    "HOUSEKEEPING_ON_INVALIDATE": "false",
                    "ABSENT_REQUIREMENTS": "Site is undefined",
                    "COLLECTOR_DAEMON_HISTORY_SIZE": "64",
                },
                "COLLECTOR",
            )
        )
        self.assertEqual(settings.classad_lifetime_seconds, 60)
        self.assertEqual(settings.update_interval_seconds, 30)
        self.assertEqual(settings.requirements, "true")
        self.assertEqual(settings.persistent_ad_log, "/spool/offline")
        self.assertEqual(settings.query_workers_reserved, 1)
        self.assertTrue(settings.expire_invalidated_ads)
        self.assertFalse(settings.housekeeping_on_invalidate)
        self.assertEqual(settings.absent_requirements, "Site is undefined")
        self.assertEqual(settings.history_bits, 64)


class NameTests(SynchronousTestCase):
    def test_private(self) -> None:
        """Private names are known in any case; similar ones are public."""
        for name in ("ClaimId", "CLAIMIDLIST", "_Condor_PrivAnything", "TransferKey"):
            self.assertTrue(is_private_key(lookup_key(name)), name)
            self.assertFalse(is_plain_public(name.encode()), name)
        for name in ("PairedClaimId", "ClaimIdX", "_condor_", "Name"):
            self.assertFalse(is_private_key(lookup_key(name)), name)
            self.assertTrue(is_plain_public(name.encode()), name)

    def test_odd(self) -> None:
        """Names with blanks or the like need a closer look, long ones as well."""
        for name in (b"", b" a", b"a b", b"a\t", b"a=b", b"x " * 100):
            self.assertFalse(is_plain_public(name))
        self.assertTrue(is_plain_public(b"x" * 500))
        self.assertEqual(lookup_key("X" * 500), b"x" * 500)

    def test_kinds(self) -> None:
        """Every type of ads is known by its name in any case."""
        for kind in kinds.STANDARD_KINDS:
            self.assertIs(kinds.kind_of_type_name(kind.my_type.upper()), kind)
        for name in ("Any", "Generic", "Defrag", "Bogus", ""):
            self.assertIsNone(kinds.kind_of_type_name(name))


class ColumnTests(SynchronousTestCase):
    def test_mnh_10_7_equal_values_have_equal_keys(self) -> None:
        """Strings compare without case, numbers by value; NaN equals nothing."""
        self.assertEqual(value_key("aBc"), value_key("AbC"))
        self.assertEqual(value_key(1), value_key(1.0))
        self.assertEqual(value_key(True), value_key(1))
        self.assertEqual(value_key((1 << 53) + 1), value_key(float(1 << 53)))
        self.assertNotEqual(value_key("1"), value_key(1))
        self.assertIsNone(value_key(float("nan")))
        self.assertIsNone(value_key(None))

    def test_following_a_table(self) -> None:
        """A column follows its table, a bounded step at a time."""
        pool = Pool()
        for number in range(5):
            pool.update(2, {"Name": f"m{number}", "N": number % 2})
        records = pool.state.store.table(kinds.MASTER).records
        column = Column("n", records)
        self.assertFalse(column.refresh(records, 2))
        self.assertFalse(column.refresh(records, 2))
        self.assertTrue(column.refresh(records, 2))
        self.assertEqual(sorted(column.find(1)), ["m1", "m3"])
        pool.update(2, {"Name": "m1", "N": X("1 + 0")})
        pool.update(2, {"Name": "m3"})
        pool.update(2, {"Name": "m0", "N": X('real("NaN")')})
        del records["m2"]
        column.changed.update(("m0", "m1", "m2", "m3"))
        column.refresh(records, 10)
        self.assertEqual(sorted(column.find(1)), ["m1"])
        self.assertEqual(sorted(column.find(0)), ["m1", "m4"])
        self.assertEqual(sorted(column.texts), ["m0", "m1", "m3", "m4"])
        for key in list(records):
            del records[key]
        column.changed.update(column.texts)
        column.refresh(records, 10)
        self.assertEqual((column.texts, list(column.find(0))), ({}, []))


class ObserverTests(SynchronousTestCase):
    def test_changes_are_told(self) -> None:
        """An observer hears of each insertion, replacement and removal."""
        pool = Pool()
        changes: list[Change] = []
        pool.state.store.observers.append(changes.append)
        pool.update(2, {"Name": "m", "N": 1})
        pool.update(2, {"Name": "m", "N": 2})
        pool.invalidate(Command.INVALIDATE_MASTER_ADS, {"Name": "m"})
        self.assertEqual(
            [change.kind for change in changes],
            [ChangeKind.INSERTED, ChangeKind.REPLACED, ChangeKind.REMOVED],
        )
        self.assertIs(changes[1].old, changes[0].record)
        self.assertIs(changes[2].record, changes[1].record)
        self.assertEqual(repr(changes[0].record), "<AdRecord DaemonMaster 'm'>")


class JudgeTests(SynchronousTestCase):
    def test_lines(self) -> None:
        """Lines that parse are sent as they are; odd numbers in a plain spelling."""
        judge = LineJudge()
        for line, expected in (
            (b"A = 1", b"A = 1"),
            (b"A = ((", None),
            (b"A = 010", b"A = 10"),
            (b"A = b + 1", b"A = b + 1"),
        ):
            for _ in range(4):
                self.assertEqual(judge.sendable(line), expected)

    def test_mnh_10_5_memory_is_bounded(self) -> None:
        """However many lines come, only so many are remembered."""
        judge = LineJudge()
        for number in range(90_000):
            judge.sendable(b"A = %d" % number)
            judge.sendable(b"A = %d" % number)
        self.assertLessEqual(len(judge._good), 40_000)
        self.assertLessEqual(len(judge._once), 40_000)
        judge.sendable(b'A = "' + b"x" * 2000 + b'"')
        self.assertFalse([line for line in judge._once if len(line) > 1000])


class EvaluationTests(SynchronousTestCase):
    def test_attributes(self) -> None:
        """An attribute's value, within bounds; what is no literal is an error."""
        source = {"n": b"2"}
        self.assertEqual(evaluate_attribute(source, b"n + 1"), 3)
        self.assertEqual(evaluate_attribute(source, b"{1}").value, "error")  # type: ignore[union-attr]
        self.assertEqual(
            evaluate_attribute(source, b'regexp("a", "b")').value,  # type: ignore[union-attr]
            "undefined",
        )

    def test_requirements(self) -> None:
        """An administrator's condition must parse."""
        with self.assertRaises(ConfigError):
            Requirement.parse("KNOB", "1 +")
        requirement = Requirement.parse("KNOB", "MY.A == TARGET.B")
        self.assertTrue(requirement.accepts({"b": b"1"}, NOW, {"a": b"1"}))
        self.assertFalse(requirement.accepts({"b": b"1"}, NOW, {"a": b"2"}))


class SenderTests(SynchronousTestCase):
    def test_stamp(self) -> None:
        """What a sender stamps into ads is quoted as it must be."""
        sender = Sender('a"b@c', "FS")
        self.assertEqual(
            sender.stamp,
            (
                b'AuthenticatedIdentity = "a\\"b@c"\0AuthenticationMethod = "FS"\0',
                2,
            ),
        )

    def test_versions(self) -> None:
        """What a peer's version says about private attributes."""
        for version, always, prefixed in (
            (None, False, False),
            (CondorVersion(8, 9, 2), False, False),
            (CondorVersion(8, 9, 3), True, False),
            (CondorVersion(9, 9, 0), True, True),
            (CondorVersion(10, 0, 0), False, True),
        ):
            requester = Requester(version=version)
            self.assertEqual(requester.always_wants_private, always)
            self.assertEqual(requester.knows_prefixed_names, prefixed)


class OfflineTests(SynchronousTestCase):
    def test_lifetimes(self) -> None:
        """Lifetimes are given only where that is wanted."""
        self.assertIn(b"ClassAdLifetime = 5", offline_lines(1.0, 5))
        self.assertFalse(
            [line for line in offline_lines(1.0, 0) if b"Lifetime" in line]
        )
        self.assertIn(b"ClassAdLifetime = 2147483647", absent_lines(1.0, 0))


class OwnAdTests(SynchronousTestCase):
    def test_names(self) -> None:
        """The collector's name is made of what is configured."""
        self.assertEqual(own_name("pool", None, "h"), "pool@h")
        self.assertEqual(own_name("pool@x", "local", "h"), "pool@x")
        self.assertEqual(own_name(None, "local", "h"), "local")
        self.assertEqual(own_name("", None, "h"), "h")

    def test_totals(self) -> None:
        """Jobs and slots are summed up; ads that say nothing are left out."""
        pool = Pool()
        for number, state in enumerate(("Claimed", "Unclaimed", "Owner", "Claimed")):
            pool.update(
                0,
                {"MyType": "Machine", "Name": f"s{number}", "State": state}
                | ({"JobUniverse": 5} if state == "Claimed" else {}),
            )
        pool.update(0, {"MyType": "Machine", "Name": "odd"})
        pool.update(
            11, {"Name": "u", "MyAddress": "<a>", "RunningJobs": 3, "IdleJobs": 4}
        )
        pool.update(11, {"Name": "v", "MyAddress": "<a>", "RunningJobs": 2})
        totals = PoolTotals()
        for _ in totals.count(pool.state.store):
            pass
        peaks: list[int] = []
        values = totals.publish(peaks)
        for name, expected in (
            ("HostsTotal", 4),
            ("HostsClaimed", 2),
            ("HostsUnclaimed", 1),
            ("HostsOwner", 1),
            ("RunningJobs", 5),
            ("IdleJobs", 4),
            ("CurrentJobsRunningVanilla", 2),
            ("CurrentJobsRunningAll", 2),
            ("MaxJobsRunningVanilla", 2),
        ):
            self.assertEqual(values[name], expected, name)
        values = PoolTotals().publish(peaks)
        self.assertEqual(values["CurrentJobsRunningVanilla"], 0)
        self.assertEqual(values["MaxJobsRunningVanilla"], 2)

    def test_own_ad(self) -> None:
        """The own ad has its facts and counters, no stamps, and is kept fresh."""
        pool = Pool()
        state = pool.state
        self.assertIsNone(state.own_ad())
        facts = OwnFacts(
            "pool@h", "h", "<1.2.3.4:5>", 900, {"CondorVersion": "v"}, "capability"
        )
        self.assertNotIn("capability", repr(facts))
        for _ in state.publish_own_ad(facts, pool.now):
            pass
        self.assertIsNotNone(state.own_ad())
        pool.update(2, {"Name": "m", "MyAddress": "<a>"})
        (lines,) = pool.ask(Command.QUERY_COLLECTOR_ADS)
        names = [line.partition(" = ")[0] for line in lines]
        self.assertEqual(len(names), len(set(names)))
        values = values_of(lines)
        self.assertEqual(values["MyType"], '"Collector"')
        self.assertEqual(values["UpdateInterval"], "21600")
        self.assertEqual(values["UpdatesTotal"], "2")
        self.assertEqual(values["UpdatesTotal_Master"], "1")
        self.assertNotIn("capability", str(lines))
        self.assertNotIn("AuthenticatedIdentity", values)
        (stored,) = pool.ask(
            Command.QUERY_COLLECTOR_ADS, {"STATISTICS_TO_PUBLISH": "stored"}
        )
        self.assertEqual(values_of(stored)["UpdatesTotal"], "1")
        (any_lines,) = pool.ask(
            Command.QUERY_ANY_ADS, {"Requirements": X('MyType == "Collector"')}
        )
        self.assertEqual(values_of(any_lines)["UpdatesTotal"], "1")
        trusted = Requester(True, CondorVersion(25, 14, 1))
        (shown,) = pool.ask(
            Command.QUERY_COLLECTOR_ADS, {"SendPrivateAttributes": True}, trusted
        )
        self.assertIn("capability", str(shown))
        (few,) = pool.ask(
            Command.QUERY_COLLECTOR_ADS, {"Projection": "updatestotal Name"}
        )
        self.assertEqual(few, ['Name = "pool@h"', "updatestotal = 2"])

    def test_own_ad_expires_like_others(self) -> None:
        """Nothing protects the own ad from the sweep."""
        pool = Pool()
        facts = OwnFacts("n", "h", "<a>")
        for _ in pool.state.publish_own_ad(facts, pool.now):
            pass
        self.assertEqual(pool.sweep(901), ["n"])
        self.assertIsNone(pool.state.own_ad())

    def test_private_ads_of_other_collectors_are_not_ours(self) -> None:
        """Another collector's ad is shown as it came."""
        pool = Pool()
        pool.send(Command.UPDATE_COLLECTOR_AD, ad({"Name": "other", "N": 1}))
        (lines,) = pool.ask(Command.QUERY_COLLECTOR_ADS)
        self.assertNotIn("StatsLifetime", str(lines))
