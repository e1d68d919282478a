"""Tests of expiry and invalidation."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.wire_ad import AdValue
from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.refusals import InvalidationRefused
from condor_twisted.daemons.collector.state.removal import Sweep
from condor_twisted.daemons.collector.state.settings import CollectorSettings
from condor_twisted.errors import ConfigError
from condor_twisted.wire.messages import split_clear_ad
from tests.daemons.collector.state.kit import (
    NOW,
    RAW,
    Pool,
    X,
    ad,
    five_slots,
    recorded,
    values_of,
)

SLOTS = Command.INVALIDATE_STARTD_ADS
MASTERS = Command.INVALIDATE_MASTER_ADS


class SweepTests(SynchronousTestCase):
    """Which ads are too old."""

    def test_lifetime(self) -> None:
        """An ad expires when it is older than its lifetime, not before."""
        pool = Pool()
        pool.update(2, {"Name": "default"})
        pool.update(2, {"Name": "short", "ClassAdLifetime": 10})
        pool.update(2, {"Name": "long", "ClassAdLifetime": 2000})
        self.assertEqual(pool.sweep(10), [])
        self.assertEqual(pool.sweep(1), ["short"])
        self.assertEqual(pool.sweep(889), [])
        self.assertEqual(pool.sweep(1), ["default"])
        self.assertEqual(pool.sweep(1100), ["long"])
        self.assertEqual(pool.state.store.count, 0)

    def test_mnh_5_11_lifetimes_within_reason(self) -> None:
        """A lifetime that is no integer within a week is ignored."""
        pool = Pool()
        for name, lifetime in (
            ("zero", 0),
            ("negative", -5),
            ("text", "x"),
            ("huge", 86400 * 7 + 1),
            ("long", 86400 * 7),
        ):
            pool.update(2, {"Name": name, "ClassAdLifetime": lifetime})
        self.assertEqual(len(pool.sweep(901)), 4)
        self.assertEqual(pool.sweep(86400 * 7), ["long"])

    def test_no_lifetime_no_expiry(self) -> None:
        """With a lifetime of 0 only ads that state their own expire."""
        pool = Pool(CollectorSettings(classad_lifetime_seconds=0))
        pool.update(2, {"Name": "a"})
        pool.update(2, {"Name": "b", "ClassAdLifetime": 5})
        self.assertEqual(pool.sweep(1_000_000), ["b"])

    def test_private_ads_expire_by_themselves(self) -> None:
        """A private ad has no lifetime of its own, however long its slot's is."""
        pool = Pool()
        slot: dict[str, AdValue] = {"MyType": "Machine", "Name": "s"}
        pool.send(0, ad({**slot, "ClassAdLifetime": 5000}), ad({"A": 1}))
        pool.sweep(901)
        self.assertEqual(len(pool.state.store.table(kinds.SLOT)), 1)
        self.assertEqual(len(pool.state.store.table(kinds.SLOT_PRIVATE)), 0)

    def test_mnh_2_7_clock_jumps(self) -> None:
        """A clock that is set forward or back ages no ad."""
        pool = Pool()
        pool.update(2, {"Name": "a"})
        pool.state.clock_jumped(3600)
        self.assertEqual(pool.sweep(3600 + 900), [])
        self.assertEqual(pool.sweep(1), ["a"])
        pool.update(2, {"Name": "b"})
        pool.state.clock_jumped(-7200)
        self.assertEqual(pool.sweep(-7200 + 900), [])
        self.assertEqual(pool.sweep(1), ["b"])

    def test_sweeps_come_in_slices(self) -> None:
        """A sweep of many ads gives others their turn."""
        pool = Pool()
        for number in range(1200):
            pool.update(2, {"Name": f"m{number}"})
        sweep = Sweep()
        steps = sum(1 for _ in pool.state.sweep(pool.now + 901, sweep))
        self.assertGreater(steps, 3)
        self.assertEqual(len(sweep.removed), 1200)


class ByKeyTests(SynchronousTestCase):
    """Invalidations that name their ad."""

    def setUp(self) -> None:
        """Five slots."""
        self.pool = Pool()
        five_slots(self.pool)

    def test_key_wins_over_requirements(self) -> None:
        """An invalidation that names an ad removes that, whatever Requirements says."""
        done = self.pool.invalidate(SLOTS, {"Name": "s2", "Requirements": X("false")})
        self.assertTrue(done.by_key)
        self.assertEqual((done.removed, done.removed_private), (1, 1))
        self.assertEqual(self.pool.names(5), ["s1", "s3", "s4", "s5"])
        self.assertEqual(len(self.pool.ask(10)), 4)

    def test_unknown_key(self) -> None:
        """Naming an ad that is not there removes nothing, not even by Requirements."""
        done = self.pool.invalidate(SLOTS, {"Name": "S2", "Requirements": X("true")})
        self.assertEqual(done.removed, 0)
        self.assertEqual(len(self.pool.names(5)), 5)

    def test_mnh_5_13_only_the_commands_type(self) -> None:
        """An ad of another type under the same name stays."""
        self.pool.update(2, {"Name": "s1"})
        self.pool.update(0, {"MyType": "StartD", "Name": "s1"})
        self.pool.invalidate(SLOTS, {"Name": "s1"})
        self.assertEqual(self.pool.names(7), ["s1"])
        self.assertEqual(self.pool.names(5, {"TargetType": "StartD"}), ["s1"])
        self.pool.invalidate(SLOTS, {"Name": "s1", "TargetType": "STARTD"})
        self.assertEqual(self.pool.names(5, {"TargetType": "StartD"}), [])

    def test_first_slot_takes_its_startd_along(self) -> None:
        """The startd's ad that was made from a slot goes with it."""
        self.pool.update(0, {"MyType": "Machine", "Name": "old", "SlotID": 1})
        self.assertEqual(self.pool.names(5, {"TargetType": "StartD"}), ["old"])
        self.pool.invalidate(SLOTS, {"Name": "old"})
        self.assertEqual(self.pool.names(5, {"TargetType": "StartD"}), [])

    def test_recorded_invalidations(self) -> None:
        """What real daemons send at shutdown removes what it removes there."""
        pool = Pool()
        for name, command in (
            ("daemon: schedd update", 1),
            ("daemon: submitter update", 11),
            ("daemon: master update", 2),
            ("daemon: negotiator update", 49),
        ):
            pool.state.receive_clear(command, recorded(name), 8, RAW, NOW)
        for name, command, removed in (
            ("daemon: schedd invalidate", 14, 1),
            # Its key is the schedd's name twice, which is no submitter's.
            ("daemon: submitter invalidate", 18, 0),
            ("daemon: negotiator invalidate", 51, 1),
            ("daemon: master invalidate", 15, 1),
            ("daemon: startd invalidate", 13, 0),
        ):
            payload, _ = split_clear_ad(recorded(name), 8)
            done, steps = pool.state.invalidate(command, payload, NOW)
            list(steps)
            self.assertEqual(done.removed, removed, name)
            self.assertTrue(done.by_key)
        self.assertEqual(len(pool.names(Command.QUERY_SUBMITTOR_ADS)), 1)

    def test_generic(self) -> None:
        """Generic ads go by type and name; standard tables are out of reach."""
        self.pool.update(58, {"MyType": "Frob", "Name": "f"})
        self.pool.update(1, {"Name": "q", "MyAddress": "<a>"})
        generic = Command.INVALIDATE_ADS_GENERIC
        done = self.pool.invalidate(generic, {"TargetType": "Scheduler", "Name": "q"})
        self.assertIsNotNone(done.problem)
        self.assertEqual(self.pool.names(6), ["q"])
        self.assertIsNotNone(self.pool.invalidate(generic, {"Name": "f"}).problem)
        done = self.pool.invalidate(generic, {"TargetType": "FROB", "Name": "f"})
        self.assertEqual(done.removed, 1)

    def test_accounting_key_needs_the_negotiator(self) -> None:
        """Without NegotiatorName the key is another one."""
        self.pool.update(77, {"Name": "u", "NegotiatorName": "n"})
        accounting = Command.INVALIDATE_ACCOUNTING_ADS
        self.assertEqual(self.pool.invalidate(accounting, {"Name": "u"}).removed, 0)
        done = self.pool.invalidate(accounting, {"Name": "u", "NegotiatorName": "n"})
        self.assertEqual(done.removed, 1)

    def test_ignored_where_configured(self) -> None:
        """IGNORE_INVALIDATE makes all of them do nothing."""
        pool = Pool(CollectorSettings(ignore_invalidate=True))
        five_slots(pool)
        self.assertIsNotNone(pool.invalidate(SLOTS, {"Name": "s1"}).problem)
        self.assertEqual(len(pool.names(5)), 5)


class ByConstraintTests(SynchronousTestCase):
    """Invalidations that describe their ads."""

    def setUp(self) -> None:
        """Five slots."""
        self.pool = Pool()
        five_slots(self.pool)

    def test_constraint(self) -> None:
        """Without a key the ads whose attributes match go; there is no TARGET."""
        done = self.pool.invalidate(SLOTS, {"Requirements": X("TARGET.N > 3")})
        self.assertEqual(done.removed, 0)
        done = self.pool.invalidate(SLOTS, {"Requirements": X("N > 3")})
        self.assertFalse(done.by_key)
        self.assertEqual(done.removed, 2)
        self.assertEqual(self.pool.names(5), ["s1", "s2", "s3"])

    def test_private_ads_stay_until_they_expire(self) -> None:
        """Private ads lack the attributes, and are not swept."""
        self.pool.invalidate(SLOTS, {"Requirements": X("N > 3")})
        self.assertEqual(len(self.pool.ask(10)), 5)
        self.pool.invalidate(SLOTS, {"Requirements": X('Name == "s1"')})
        self.assertEqual(len(self.pool.ask(10)), 5)
        self.assertEqual(self.pool.sweep(), ["s1"])
        self.assertEqual(len(self.pool.ask(10)), 4)

    def test_the_table_is_swept(self) -> None:
        """Whatever else in the table is too old goes as well."""
        self.pool.update(0, {"MyType": "Machine", "Name": "t", "ClassAdLifetime": 5})
        self.pool.update(2, {"Name": "m", "ClassAdLifetime": 5})
        self.pool.now += 10
        done = self.pool.invalidate(SLOTS, {"Requirements": X("false")})
        self.assertEqual(done.removed, 1)
        self.assertEqual(self.pool.names(7), ["m"])

    def test_schedd_without_address_is_described(self) -> None:
        """A schedd's name alone is no key: the constraint counts."""
        self.pool.update(1, {"Name": "q1", "MyAddress": "<a>"})
        self.pool.update(1, {"Name": "q2", "MyAddress": "<a>"})
        schedds = Command.INVALIDATE_SCHEDD_ADS
        done = self.pool.invalidate(schedds, {"Name": "q1", "Requirements": X("true")})
        self.assertEqual(done.removed, 2)

    def test_mnh_5_13_missing_constraint(self) -> None:
        """Without key and constraint nothing goes, and the log says why."""
        done = self.pool.invalidate(SLOTS, {"TargetType": "Machine"})
        self.assertIsNotNone(done.problem)
        self.assertIn("Requirements", done.describe())
        self.assertEqual(len(self.pool.names(5)), 5)
        done = self.pool.invalidate(SLOTS, {"Requirements": X("true")})
        self.assertIn("removed 5", done.describe())

    def test_refused(self) -> None:
        """What does not parse, or would take too long, is refused."""
        refused: list[dict[str, AdValue]] = [
            {"Requirements": X("((")},
            {"Requirements": X('regexp("(a*)*b", Str)')},
            {"Name": "s1", "Other": X("1 +")},
        ]
        for values in refused:
            with self.assertRaises(InvalidationRefused):
                self.pool.invalidate(SLOTS, values)
        with self.assertRaises(InvalidationRefused):
            self.pool.invalidate(5, {"Name": "s1"})
        self.assertEqual(len(self.pool.names(5)), 5)

    def test_directly(self) -> None:
        """Without housekeeping the ads are targets, and nothing else is swept."""
        pool = Pool(CollectorSettings(housekeeping_on_invalidate=False))
        five_slots(pool)
        pool.update(0, {"MyType": "Machine", "Name": "t", "ClassAdLifetime": 5})
        pool.now += 10
        done = pool.invalidate(SLOTS, {"Requirements": X("TARGET.N > 3")})
        self.assertEqual((done.removed, done.removed_private), (2, 0))
        done = pool.invalidate(SLOTS, {"Requirements": X('TARGET.Name == "s1"')})
        self.assertEqual((done.removed, done.removed_private), (1, 1))
        self.assertIn("1 private", done.describe())
        self.assertEqual(pool.names(5), ["s2", "s3", "t"])


class AbsenceTests(SynchronousTestCase):
    """Slots that are kept as absent."""

    def setUp(self) -> None:
        """A pool that keeps slots of a site."""
        self.settings = CollectorSettings(
            persistent_ad_log="/spool/log",
            absent_requirements='Site == "a"',
            absent_expire_after_seconds=5000,
            expire_invalidated_ads=True,
        )
        self.pool = Pool(self.settings)
        for name, site in (("a", "a"), ("b", "b")):
            self.pool.send(
                0,
                ad({"MyType": "Machine", "Name": name, "Site": site}),
                ad({"MyType": "Machine"}),
            )

    def test_expiring_slots_become_absent(self) -> None:
        """A slot that expires is kept where the rule says so, for its own lifetime."""
        self.assertEqual(self.pool.sweep(901), ["b", "a", "b"])
        asked: dict[str, AdValue] = {"Requirements": X("Absent")}
        (lines,) = self.pool.ask(5, asked)
        values = values_of(lines)
        self.assertEqual(values["Absent"], "true")
        self.assertEqual(values["ClassAdLifetime"], "5000")
        self.assertEqual(values["LastHeardFrom"], str(NOW + 901))
        self.assertEqual(self.pool.names(5), [])
        self.assertEqual(self.pool.sweep(5000), [])
        self.assertEqual(self.pool.sweep(1), ["a"])

    def test_update_ends_absence(self) -> None:
        """A new update replaces the absent ad."""
        self.pool.sweep(901)
        self.pool.update(0, {"MyType": "Machine", "Name": "a"})
        self.assertEqual(self.pool.names(5), ["a"])

    def test_invalidated_slots_become_absent(self) -> None:
        """With EXPIRE_INVALIDATED_ADS an invalidated slot is asked about first."""
        self.assertEqual(self.pool.invalidate(SLOTS, {"Name": "a"}).removed, 0)
        self.assertEqual(self.pool.invalidate(SLOTS, {"Name": "b"}).removed, 1)
        asked: dict[str, AdValue] = {"Requirements": X("Absent")}
        self.assertEqual(self.pool.names(5, asked), ["a"])
        pool = Pool(self.settings)
        pool.update(0, {"MyType": "Machine", "Name": "a", "Site": "a"})
        done = pool.invalidate(SLOTS, {"Requirements": X('Name == "a"')})
        self.assertEqual(done.removed, 0)
        self.assertEqual(pool.names(5, asked), ["a"])

    def test_off_unless_configured(self) -> None:
        """Without a log, or a rule, nothing is kept."""
        for settings in (
            CollectorSettings(absent_requirements="true"),
            CollectorSettings(persistent_ad_log="/spool/log"),
        ):
            pool = Pool(settings)
            pool.update(0, {"MyType": "Machine", "Name": "a", "Site": "a"})
            self.assertEqual(pool.sweep(901), ["a"])

    def test_unparsable_rule(self) -> None:
        """A rule that does not parse leaves the old configuration in force."""
        state = self.pool.state
        with self.assertRaises(ConfigError):
            state.reconfigure(
                CollectorSettings(
                    persistent_ad_log="/x", absent_requirements="((", requirements="1"
                )
            )
        self.assertIs(state.settings, self.settings)
        self.pool.update(2, {"Name": "m"})
