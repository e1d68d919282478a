"""Tests of queries, against tables measured on the real collector."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.wire_ad import AdValue
from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector.state import layout_book
from condor_twisted.daemons.collector.state.query_plans import QueryPlan
from condor_twisted.daemons.collector.state.refusals import QueryRefused
from condor_twisted.daemons.collector.state.senders import Requester
from condor_twisted.daemons.collector.state.settings import CollectorSettings
from condor_twisted.wire.messages import MessageReader
from condor_twisted.wire.versions import CondorVersion
from tests.daemons.collector.state.kit import (
    NOW,
    Pool,
    X,
    ad,
    five_slots,
    padding,
    read_reply,
    text,
    values_of,
    vectors,
)

STARTD = Command.QUERY_STARTD_ADS


def _names(ads: list[list[str]]) -> list[str]:
    return [values_of(lines)["Name"].strip('"') for lines in ads]


class ConstraintTests(SynchronousTestCase):
    """Which ads a constraint lets through."""

    def setUp(self) -> None:
        """Five slots."""
        self.pool = Pool()
        five_slots(self.pool)

    def test_measured_truth(self) -> None:
        """Every recorded constraint finds the ads that it found there."""
        rows = vectors()["tables"]["constraint_truth"]["rows"]
        self.assertGreater(len(rows), 70)
        for expression, expected in rows:
            with self.subTest(expression=expression):
                plan = self.pool.state.plan_query(
                    STARTD, ad({"Requirements": X(expression)}), Requester(), NOW
                )
                if plan.is_expensive:
                    constraint = plan.parts[0].constraint
                    assert constraint is not None
                    found = [
                        record.key
                        for record in plan.parts[0].tables[0].records.values()
                        if constraint.matches(record)
                    ]
                else:
                    found = self.pool.names(STARTD, {"Requirements": X(expression)})
                self.assertEqual(found, expected)

    def test_absent_constraint_means_all(self) -> None:
        """An empty query ad is a valid query for everything."""
        self.assertEqual(self.pool.names(STARTD), ["s1", "s2", "s3", "s4", "s5"])

    def test_query_attributes_are_invisible(self) -> None:
        """A constraint does not see what else the query ad holds."""
        asked: dict[str, AdValue] = {"Requirements": X("N > Threshold"), "Threshold": 2}
        self.assertEqual(self.pool.names(STARTD, asked), [])

    def test_verdicts_follow_updates(self) -> None:
        """A remembered verdict ends with the ad that it was about."""
        asked: dict[str, AdValue] = {"Requirements": X("N > 3")}
        self.assertEqual(self.pool.names(STARTD, asked), ["s4", "s5"])
        self.assertEqual(self.pool.names(STARTD, asked), ["s4", "s5"])
        self.pool.update(0, {"MyType": "Machine", "Name": "s1", "N": 9})
        self.pool.update(0, {"MyType": "Machine", "Name": "s5", "N": 1})
        self.assertEqual(self.pool.names(STARTD, asked), ["s1", "s4"])

    def test_read_query_is_remembered(self) -> None:
        """The same text is read once; who asks and what for is looked at each time."""
        state = self.pool.state
        asked = ad({"Requirements": X("N > 3"), "LimitResults": 1})
        first = state.plan_query(STARTD, asked, Requester(), NOW)
        again = state.plan_query(
            Command.QUERY_ANY_ADS, asked, Requester(may_see_private=True), NOW
        )
        self.assertIs(again.query, first.query)
        self.assertEqual(again.limit, 1)
        self.assertGreater(len(again.parts[0].tables), 1)
        for _ in range(2):
            with self.assertRaises(QueryRefused):
                state.plan_query(STARTD, ad({"N": X("1 +")}), Requester(), NOW)

    def test_time_is_not_remembered(self) -> None:
        """What depends on the time is evaluated each time."""
        asked: dict[str, AdValue] = {"Requirements": X(f"CurrentTime > {NOW + 5}")}
        self.assertEqual(self.pool.names(STARTD, asked), [])
        self.pool.now += 10
        self.assertEqual(len(self.pool.names(STARTD, asked)), 5)

    def test_name_index_ignores_case_and_follows_changes(self) -> None:
        """Asking by name finds what a scan would find, whatever came or went."""
        asked: dict[str, AdValue] = {"Requirements": X('Name == "S3"')}
        self.assertEqual(self.pool.names(STARTD, asked), ["s3"])
        self.pool.update(0, {"MyType": "Machine", "Name": "S3", "N": 1})
        self.assertEqual(self.pool.names(STARTD, asked), ["S3", "s3"])
        self.pool.invalidate(Command.INVALIDATE_STARTD_ADS, {"Name": "s3"})
        self.assertEqual(self.pool.names(STARTD, asked), ["S3"])
        self.pool.update(0, {"MyType": "Machine", "Name": X('strcat("s", 3)'), "N": 1})
        self.assertEqual(
            len(self.pool.ask(STARTD, asked)), 2, "an expression may have any value"
        )

    def test_name_or_machine(self) -> None:
        """The two ways of naming a machine are looked up, not searched."""
        self.pool.update(0, {"MyType": "Machine", "Name": "x", "Machine": "Host"})
        asked = {"Requirements": X('(Name == "host" || Machine == "host")')}
        plan = self.pool.state.plan_query(STARTD, ad(asked), Requester(), NOW)
        list(plan.select())
        self.assertEqual(plan.examined, 1)
        self.assertEqual(self.pool.names(STARTD, asked), ["x"])

    def test_equal_numbers_are_looked_up(self) -> None:
        """Asking for one value looks at the ads that have it, of whatever type."""
        self.pool.update(0, {"MyType": "Machine", "Name": "r", "N": 3.0})
        self.pool.update(0, {"MyType": "Machine", "Name": "x", "N": X("1 + 2")})
        self.pool.update(0, {"MyType": "Machine", "Name": "t", "N": "3"})
        for expression, expected, examined in (
            ("((N == 3))", ["r", "s3", "x"], 3),
            ("3.0 == N", ["r", "s3", "x"], 3),
            ("N =?= 3", ["s3", "x"], 3),
            ('N == "3"', ["t"], 2),
            ("N == 3 && B", ["s3"], 3),
            ("N == 77", [], 1),
            ('N == 3 || Str == "abc"', ["r", "s1", "s2", "s3", "s4", "s5", "x"], 7),
        ):
            plan = self.pool.state.plan_query(
                STARTD, ad({"Requirements": X(expression)}), Requester(), NOW
            )
            list(plan.select())
            keys = sorted(record.key for record in plan.parts[0].hits)
            self.assertEqual((keys, plan.examined), (expected, examined), expression)

    def test_columns_are_few(self) -> None:
        """However many attributes are asked for, the answers are right."""
        for number in range(12):
            self.pool.update(0, {"MyType": "Machine", "Name": "p", **padding(12)})
            asked: dict[str, AdValue] = {
                "Requirements": X(f"Padding{number} == {number} || N == 2")
            }
            self.assertEqual(self.pool.names(STARTD, asked), ["p", "s2"])
        everything = " || ".join(f"Padding{number} == 99" for number in range(12))
        asked = {"Requirements": X(f"{everything} || N == 1")}
        self.assertEqual(self.pool.names(STARTD, asked), ["s1"])

    def test_ads_that_change_while_selecting(self) -> None:
        """Ads that come and go during a scan neither break it nor mislead it."""
        for number in range(1200):
            self.pool.update(0, {"MyType": "Machine", "Name": f"m{number}", "N": 50})
        plan = self.pool.state.plan_query(
            STARTD, ad({"Requirements": X("N > 49")}), Requester(), NOW
        )
        for step, _ in enumerate(plan.select()):
            self.pool.update(0, {"MyType": "Machine", "Name": f"m{step}", "N": 1})
            self.pool.invalidate(
                Command.INVALIDATE_STARTD_ADS, {"Name": f"m{1100 + step}"}
            )
        found = {record.key for record in plan.parts[0].hits}
        self.assertTrue({f"m{number}" for number in range(100, 1000)} <= found)
        self.assertFalse(found & {"s1", "s5"})

    def test_layouts_and_single_ads_agree(self) -> None:
        """Ads of a known layout are found by the same constraints as others."""
        for number in range(20):
            self.pool.update(
                0,
                {
                    "MyType": "Machine",
                    "Name": f"big{number:02}",
                    "HasStartDaemonAd": True,
                    **padding(30),
                    "N": 100 + number,
                },
            )
        asked: dict[str, AdValue] = {"Requirements": X("N >= 118 || n == 2")}
        expected = ["big18", "big19", "s2"]
        self.assertEqual(self.pool.names(STARTD, asked), expected)
        self.assertEqual(self.pool.names(STARTD, asked), expected)

    def test_unparsable_query_is_refused(self) -> None:
        """A query with any expression that does not parse gets no answer."""
        for line in (b"Requirements = ((", b"Whatever = 0x10 +", b"X = 1.5e"):
            with self.assertRaises(QueryRefused):
                self.pool.state.plan_query(STARTD, ad(lines=[line]), Requester(), NOW)

    def test_mnh_3_2_scans_come_in_slices(self) -> None:
        """A scan of many ads gives others their turn, and finds the same."""
        for number in range(1300):
            self.pool.update(0, {"MyType": "Machine", "Name": f"m{number}", "N": 50})
        plan = self.pool.state.plan_query(
            STARTD, ad({"Requirements": X("N == 50")}), Requester(), NOW
        )
        steps = sum(1 for _ in plan.select())
        self.assertGreaterEqual(steps, 2)
        self.assertEqual(plan.matched, 1300)

    def test_expensive_constraints_are_not_evaluated_here(self) -> None:
        """A regular expression marks the query as a worker's work."""
        asked = ad({"Requirements": X('regexp("^s", Name)')})
        plan = self.pool.state.plan_query(STARTD, asked, Requester(), NOW)
        self.assertTrue(plan.is_expensive)
        with self.assertRaises(QueryRefused):
            list(plan.run(self.pool.state.reply_form()))

    def test_expensive_attribute_makes_the_query_expensive(self) -> None:
        """An ad's own costly expression is noticed before anything is sent."""
        self.pool.update(
            0, {"MyType": "Machine", "Name": "z", "N": X('regexp("a*b", Str) ? 9 : 1')}
        )
        plan = self.pool.state.plan_query(
            STARTD, ad({"Requirements": X("N > 3")}), Requester(), NOW
        )
        self.assertFalse(plan.is_expensive)
        for _ in plan.select():
            pass
        self.assertTrue(plan.is_expensive)
        self.assertEqual(plan.parts[0].hits, [])


class ProjectionTests(SynchronousTestCase):
    """Which attributes a projection lets through."""

    def setUp(self) -> None:
        """Five slots."""
        self.pool = Pool()
        five_slots(self.pool)

    def test_measured_projections(self) -> None:
        """Every recorded projection gives the lines that it gave there."""
        rows = vectors()["tables"]["projection"]["rows"]
        for projection, expected in rows:
            with self.subTest(projection=projection):
                found = self.pool.ask(
                    STARTD, {"Requirements": X("N == 3"), "Projection": X(projection)}
                )
                if "no projection" in expected[0]:
                    self.assertEqual(len(found[0]), len(self.pool.ask(STARTD)[0]))
                else:
                    self.assertEqual(found, expected)

    def test_requested_spelling_in_known_layouts(self) -> None:
        """The spelling that was asked for is used whatever way an ad is stored."""
        for number in range(6):
            self.pool.update(
                0,
                {
                    "MyType": "Machine",
                    "Name": f"big{number}",
                    **padding(30),
                    "State": "Owner",
                    "HasStartDaemonAd": True,
                },
            )
        for _ in range(2):
            found = self.pool.ask(
                STARTD,
                {
                    "Requirements": X('Name == "big5"'),
                    "Projection": "STATE name MYTYPE padding7 nope",
                },
            )
            self.assertEqual(
                found,
                [
                    [
                        'MYTYPE = "Machine"',
                        'name = "big5"',
                        "padding7 = 7",
                        'STATE = "Owner"',
                    ]
                ],
            )

    def test_patterns_of_projections(self) -> None:
        """Asked for often or seldom, ads of any layout give the same."""
        self.patch(layout_book, "_INCOME_OF_KNOWN", 1.0)
        plain = Pool()
        plain.state._updates._intake.book._max_layouts = 0
        plain.state._updates._intake.book._sightings = 1 << 60
        for cycle, (state, children) in enumerate(
            [("Owner", "{  }")] * 4
            + [("Claimed", "Name"), ('a \\"b', "{  }"), ("Owner", "Padding3 + N")]
        ):
            for number in range(6):
                is_changed = number == cycle % 6
                for pool in (self.pool, plain):
                    pool.update(
                        0,
                        {
                            "MyType": "Machine",
                            "Name": f"big{number}",
                            **padding(30),
                            "State": state if is_changed else "Owner",
                            "Children": X(children if is_changed else "{  }"),
                            "HasStartDaemonAd": True,
                            "N": number,
                            "MyAddress": "<1.2.3.4:5>",
                        },
                    )
            for names in (
                "Children LastHeardFrom Name Padding3 State UpdatesTotal",
                "Name",
                "children STATE",
                "Children N",
                "LastHeardFrom",
                "Nope",
            ):
                asked: dict[str, AdValue] = {"Requirements": X("Padding3 == 3")}
                asked["Projection"] = names
                found = sorted(self.pool.ask(STARTD, asked))
                self.assertEqual(len(found), 6)
                self.assertEqual(found, sorted(plain.ask(STARTD, asked)))

    def test_stamps_can_be_asked_for(self) -> None:
        """The collector's own attributes are in a projection as any other."""
        found = self.pool.ask(
            STARTD,
            {
                "Requirements": X("N == 1"),
                "Projection": "lastheardfrom UpdatesTotal AuthenticatedIdentity",
            },
        )
        self.assertEqual(
            found,
            [
                [
                    'AuthenticatedIdentity = "unauthenticated@unmapped"',
                    f"lastheardfrom = {NOW}",
                    "UpdatesTotal = 1",
                ]
            ],
        )

    def test_remembered_projection_ends_with_the_ad(self) -> None:
        """After an update the projection shows the new values."""
        asked: dict[str, AdValue] = {"Requirements": X('Name == "s1"')}
        asked["Projection"] = "N"
        self.assertEqual(self.pool.ask(STARTD, asked), [["N = 1"]])
        self.assertEqual(self.pool.ask(STARTD, asked), [["N = 1"]])
        self.pool.update(0, {"MyType": "Machine", "Name": "s1", "N": 77})
        self.assertEqual(self.pool.ask(STARTD, asked), [["N = 77"]])

    def test_projection_of_the_negotiator(self) -> None:
        """An expression decides for each ad; an empty string means everything."""
        asked: dict[str, AdValue] = {
            "TargetType": "Machine",
            "MachineProjection": X('ifThenElse(N > 4, "Name N", "")'),
        }
        found = self.pool.ask(Command.QUERY_MULTIPLE_ADS, asked)
        sizes = {values_of(lines)["Name"]: len(lines) for lines in found}
        self.assertEqual(sizes['"s5"'], 2)
        self.assertGreater(sizes['"s1"'], 9)

    def test_reference_circles_end(self) -> None:
        """Attributes that refer to each other come once each."""
        self.pool.update(
            0, {"MyType": "Machine", "Name": "c", "A": X("B1 + 1"), "B1": X("a")}
        )
        found = self.pool.ask(
            STARTD, {"Requirements": X('Name == "c"'), "Projection": "A"}
        )
        self.assertEqual(found, [["A = B1 + 1", "B1 = a"]])

    def test_broken_attribute_is_left_out(self) -> None:
        """A line that does not parse is in no projection."""
        self.pool.send(
            Command.UPDATE_MASTER_AD,
            ad({"Name": "m"}, lines=[b"Bad = ((", b"Good = 1"]),
        )
        found = self.pool.ask(Command.QUERY_MASTER_ADS, {"Projection": "Bad Good Name"})
        self.assertEqual(found, [["Good = 1", 'Name = "m"']])


class TypeTests(SynchronousTestCase):
    """Which tables a query looks into."""

    def setUp(self) -> None:
        """Five slots, four submitters, a startd."""
        self.pool = Pool()
        five_slots(self.pool)
        for number in range(1, 5):
            self.pool.update(
                Command.UPDATE_SUBMITTOR_AD,
                {"MyType": "Submitter", "Name": f"u{number}", "MyAddress": "<1.2.3.4>"},
            )
        self.pool.update(0, {"MyType": "StartD", "Name": "d1", "N": 0})

    def test_measured_variants(self) -> None:
        """The recorded queries find the same ads, but never more than the limit."""
        # Differs from HTCondor, where each type yields at least one ad.
        beyond = {"6": 6, "5": 5, "3": 3}
        rows: list[list[Any]] = vectors()["tables"]["query_variants"]["rows"]
        for command, lines, expected in rows:
            with self.subTest(command=command, lines=lines):
                values: dict[str, AdValue] = {}
                for line in lines:
                    name, _, value = line.partition(" = ")
                    values[name] = X(text(value))
                if expected == "connection closed without a reply":
                    with self.assertRaises(QueryRefused):
                        self.pool.ask(command, values)
                    continue
                found = _names(self.pool.ask(command, values))
                limit = [line for line in lines if line.startswith("LimitResults")]
                if limit and command == 53:
                    allowed = beyond[limit[0].partition(" = ")[2]]
                    self.assertEqual(found[:allowed], found)
                    self.assertEqual(len(found), min(allowed, 9))
                elif "LocationQuery" in lines[0]:
                    self.assertEqual(found, ["d1"])
                elif command == 48:
                    self.assertEqual(len(found), 3)
                else:
                    self.assertEqual(sorted(found), sorted(expected))

    def test_limits_of_types(self) -> None:
        """A type's limit holds for it, the common one for all."""
        asked: dict[str, AdValue] = {
            "TargetType": "Machine,Submitter",
            "MachineLimitResults": 2,
            "SubmitterLimitResults": 2,
            "LimitResults": 3,
        }
        found = _names(self.pool.ask(Command.QUERY_MULTIPLE_ADS, asked))
        self.assertEqual([name[0] for name in found], ["s", "s", "u"])

    def test_any_finds_all_but_private_ads(self) -> None:
        """A query for any ads goes through all public tables, generic ones too."""
        self.pool.send(
            0,
            ad({"MyType": "Machine", "Name": "p", "HasStartDaemonAd": True}),
            ad({"MyType": "Machine"}, secrets={"ClaimId": "secret"}),
        )
        self.pool.update(Command.UPDATE_AD_GENERIC, {"MyType": "Frob", "Name": "f"})
        self.pool.update(Command.UPDATE_AD_GENERIC, {"Name": "typeless"})
        found = _names(self.pool.ask(Command.QUERY_ANY_ADS))
        self.assertEqual(len(found), 5 + 4 + 1 + 1 + 2)
        self.assertNotIn("secret", str(self.pool.ask(Command.QUERY_ANY_ADS)))

    def test_generic_types_ignore_case(self) -> None:
        """A generic table is found by its type in any case."""
        self.pool.update(Command.UPDATE_AD_GENERIC, {"MyType": "Frob", "Name": "f"})
        self.pool.update(Command.UPDATE_AD_GENERIC, {"MyType": "FROB", "Name": "g"})
        found = self.pool.names(Command.QUERY_GENERIC_ADS, {"TargetType": "frob"})
        self.assertEqual(found, ["f", "g"])

    def test_generic_machine_is_not_a_slot(self) -> None:
        """A generic ad of type Machine is seen by 48 and 74 and not by 5."""
        self.pool.update(Command.UPDATE_AD_GENERIC, {"MyType": "Machine", "Name": "g"})
        self.assertNotIn("g", self.pool.names(STARTD))
        self.assertIn("g", self.pool.names(Command.QUERY_ANY_ADS))
        found = self.pool.names(Command.QUERY_GENERIC_ADS, {"TargetType": "Machine"})
        self.assertEqual(found, ["g"])

    def test_locate_finds_a_startd_or_a_slot(self) -> None:
        """Looking a startd up goes to its own ad first, then to its slots."""
        asked: dict[str, AdValue] = {
            "LocationQuery": "s2",
            "LimitResults": 1,
            "Requirements": X('Name == "s2"'),
            "Projection": "Name",
        }
        self.assertEqual(self.pool.ask(STARTD, asked), [['Name = "s2"']])

    def test_no_hits_is_an_empty_reply(self) -> None:
        """No ads are one zero, and nothing else."""
        plan = self.pool.state.plan_query(Command.QUERY_HAD_ADS, ad(), Requester(), NOW)
        reply = b"".join(plan.run(self.pool.state.reply_form()))
        self.assertEqual(reply, bytes(8))

    def test_other_commands_are_refused(self) -> None:
        """What is no query is refused."""
        for command in (0, 13, 60011, -1, 1 << 40):
            with self.assertRaises(QueryRefused):
                self.pool.ask(command)

    def test_mnh_6_2_evaluation_failure_has_no_terminator(self) -> None:
        """A query that breaks off ends in an exception, never in a terminator."""
        asked = ad({"Projection": X('regexp("a", Str) ? "Name" : "N"')})
        plan = self.pool.state.plan_query(STARTD, asked, Requester(), NOW)
        pieces: list[bytes] = []
        with self.assertRaises(QueryRefused):
            pieces.extend(plan.run(self.pool.state.reply_form()))
        self.assertEqual(pieces, [])

    def test_ads_that_go_meanwhile_do_not_disturb(self) -> None:
        """A plan answers with the ads that were there when it was selected."""
        plan = self.pool.state.plan_query(STARTD, ad(), Requester(), NOW)
        for _ in plan.select():
            pass
        self.pool.invalidate(Command.INVALIDATE_STARTD_ADS, {"Name": "s1"})
        reply = b"".join(plan.reply(self.pool.state.reply_form()))
        self.assertEqual(len(read_reply(reply)), 5)

    def test_absent_ads_are_hidden_where_configured(self) -> None:
        """With the rule on, absent ads come only to those who ask about absence."""
        pool = Pool(CollectorSettings(absent_requirements="true"))
        pool.update(0, {"MyType": "Machine", "Name": "gone", "Absent": True})
        pool.update(0, {"MyType": "Machine", "Name": "here"})
        self.assertEqual(pool.names(STARTD), ["here"])
        self.assertEqual(pool.names(STARTD, {"Requirements": X("true")}), ["here"])
        asked: dict[str, AdValue] = {"Requirements": X("Absent")}
        self.assertEqual(pool.names(STARTD, asked), ["gone"])

    def test_description(self) -> None:
        """A plan can say for the log what it did."""
        plan: QueryPlan = self.pool.state.plan_query(STARTD, ad(), Requester(), NOW)
        list(plan.run(self.pool.state.reply_form()))
        self.assertEqual(plan.describe(), "QUERY_STARTD_ADS of Machine: matched 5 of 5")


class PrivacyTests(SynchronousTestCase):
    """Who sees private attributes."""

    def setUp(self) -> None:
        """A slot with a private ad, and a schedd with private attributes."""
        self.pool = Pool()
        self.pool.send(
            0,
            ad({"MyType": "Machine", "Name": "s", "MyAddress": "<1.2.3.4:5>"}),
            ad(
                {"MyType": "Wrong", "Extra": 1},
                secrets={"ClaimId": "claim", "ChildClaimIds": X("{  }")},
            ),
        )
        self.pool.send(
            Command.UPDATE_SCHEDD_AD,
            ad(
                {"Name": "q", "MyAddress": "<1.2.3.4:6>", "ClaimIds": "clear"},
                secrets={"Capability": "cap", "_condor_PrivX": "new"},
            ),
        )
        self.trusted = Requester(may_see_private=True, version=CondorVersion(25, 14, 1))

    def test_mnh_5_5_private_lines_are_apart(self) -> None:
        """No private line is in the public half of any ad, however it came."""
        for table in self.pool.state.store.all_tables():
            for record in table.records.values():
                lowered = record.text().lower()
                for name in (b"claimid", b"capability", b"_condor_priv"):
                    self.assertNotIn(name, lowered)
        self.assertEqual(len(self.pool.ask(Command.QUERY_SCHEDD_ADS)[0]), 2 + 6)

    def test_mnh_5_6_private_attributes_for_the_trusted_who_ask(self) -> None:
        """They are sent only to who has the right and asks."""
        asked: dict[str, AdValue] = {"SendPrivateAttributes": True}
        schedds = Command.QUERY_SCHEDD_ADS
        for requester, values, expected in (
            (Requester(), asked, 0),
            (self.trusted, {}, 0),
            (self.trusted, asked, 3),
            (Requester(may_see_private=True), asked, 2),
            (Requester(True, CondorVersion(9, 8, 0)), {}, 2),
            (Requester(True, CondorVersion(9, 9, 0)), {}, 3),
            (Requester(True, CondorVersion(10, 0, 0)), {}, 0),
            (Requester(False, CondorVersion(9, 8, 0)), asked, 0),
        ):
            for encrypted in (False, True):
                found = self.pool.ask(schedds, values, requester, encrypted=encrypted)
                secrets = [line for line in found[0] if line.startswith("ZKM")]
                self.assertEqual(len(secrets), expected, (requester, values))

    def test_private_names_in_projections(self) -> None:
        """A private name in a projection works for the trusted, and only for them."""
        asked: dict[str, AdValue] = {
            "SendPrivateAttributes": True,
            "Projection": "Name capability _condor_PrivX",
        }
        schedds = Command.QUERY_SCHEDD_ADS
        self.assertEqual(
            self.pool.ask(schedds, asked, self.trusted),
            [['Name = "q"', 'ZKM_condor_PrivX = "new"', 'ZKMCapability = "cap"']],
        )
        self.assertEqual(self.pool.ask(schedds, asked), [['Name = "q"']])

    def test_mnh_5_7_constraints_are_no_oracle(self) -> None:
        """Constraints find private attributes undefined, also for the trusted."""
        for name in ("Capability", "ClaimIds", "_condor_PrivX", "capability"):
            asked: dict[str, AdValue] = {
                "SendPrivateAttributes": True,
                "Requirements": X(f"{name} =!= undefined"),
            }
            schedds = Command.QUERY_SCHEDD_ADS
            self.assertEqual(self.pool.ask(schedds, asked, self.trusted), [])

    def test_mnh_5_7_whole_ad_functions_see_the_public_half(self) -> None:
        """What evaluates text of its own making still sees no private attribute."""
        for expression in (
            'eval("ClaimIds") =!= undefined',
            'stringListMember("x", unparse(ClaimIds)) =!= undefined && false',
        ):
            query = ad({"Requirements": X(expression)})
            plan = self.pool.state.plan_query(
                Command.QUERY_SCHEDD_ADS, query, self.trusted, NOW
            )
            constraint = plan.parts[0].constraint
            assert constraint is not None
            for record in plan.parts[0].tables[0].records.values():
                self.assertFalse(constraint.matches(record))

    def test_mnh_5_8_private_table_is_for_two_commands(self) -> None:
        """No READ query reaches the private table by any type name."""
        for command in (5, 48, 74):
            for target in ("MachinePrivate", "machineprivate"):
                found = self.pool.ask(command, {"TargetType": target})
                self.assertNotIn("claim", str(found))
        for target in ("MachinePrivate", "Machine,machineprivate"):
            with self.assertRaises(QueryRefused):
                self.pool.ask(53, {"TargetType": target}, self.trusted)
        for command, values in (
            (10, {}),
            (54, {"TargetType": "MachinePrivate"}),
            (54, {"TargetType": "Machine MachinePrivate"}),
        ):
            found = self.pool.ask(command, values)
            self.assertIn('ZKMClaimId = "claim"', found[-1])

    def test_private_ad_names_its_slot(self) -> None:
        """The negotiator joins by MyType, Name and MyAddress of the public ad."""
        (lines,) = self.pool.ask(Command.QUERY_STARTD_PVT_ADS)
        values = values_of(lines)
        self.assertEqual(values["MyType"], '"Machine"')
        self.assertEqual(values["Name"], '"s"')
        self.assertEqual(values["MyAddress"], '"<1.2.3.4:5>"')
        self.assertEqual(values["Extra"], "1")
        self.assertEqual(values["LastHeardFrom"], str(NOW))
        self.assertNotIn("UpdatesTotal", values)
        self.assertNotIn("AuthenticatedIdentity", values)


class ReplyTests(SynchronousTestCase):
    """Replies as bytes."""

    def test_clear_and_encrypted_replies_say_the_same(self) -> None:
        """The two forms of a reply hold the same lines, remembered or not."""
        pool = Pool()
        five_slots(pool)
        clear = pool.ask(STARTD)
        self.assertEqual(pool.ask(STARTD, encrypted=True), clear)
        self.assertEqual(pool.ask(STARTD, encrypted=True), clear)
        self.assertGreater(pool.state.store.prefixed_bytes, 0)
        asked: dict[str, AdValue] = {"Projection": "N Name"}
        self.assertEqual(
            pool.ask(STARTD, asked, encrypted=True), pool.ask(STARTD, asked)
        )

    def test_encrypted_memory_is_bounded_and_given_back(self) -> None:
        """No more is remembered than allowed, and nothing of ads that went."""
        pool = Pool(CollectorSettings(encrypted_cache_bytes=1000))
        five_slots(pool)
        before = pool.ask(STARTD, encrypted=True)
        self.assertLessEqual(pool.state.store.prefixed_bytes, 1000)
        self.assertEqual(pool.ask(STARTD, encrypted=True), before)
        pool.invalidate(Command.INVALIDATE_STARTD_ADS, {"Requirements": X("true")})
        self.assertEqual(pool.state.store.prefixed_bytes, 0)

    def test_big_replies_come_in_pieces(self) -> None:
        """A big reply is many pieces of bounded size that make one message."""
        pool = Pool()
        for number in range(300):
            pool.update(
                0, {"MyType": "Machine", "Name": f"m{number}", "Pad": "x" * 5000}
            )
        plan = pool.state.plan_query(STARTD, ad(), Requester(), NOW)
        pieces = list(plan.run(pool.state.reply_form()))
        self.assertGreater(len(pieces), 5)
        self.assertLess(max(map(len, pieces)), 300_000)
        self.assertEqual(len(read_reply(b"".join(pieces))), 300)

    def test_one_ad_as_bytes(self) -> None:
        """Layout of a reply: int 1, the ad, int 0."""
        pool = Pool()
        pool.update(Command.UPDATE_MASTER_AD, {"Name": "m"})
        plan = pool.state.plan_query(
            Command.QUERY_MASTER_ADS, ad({"Projection": "name"}), Requester(), NOW
        )
        self.assertEqual(
            b"".join(plan.run(pool.state.reply_form())),
            b"\0\0\0\0\0\0\0\1" + b"\0\0\0\0\0\0\0\1" + b'name = "m"\0\0\0' + bytes(8),
        )

    def test_counts_are_right(self) -> None:
        """The count of each ad is the number of its lines, with stamps."""
        pool = Pool()
        five_slots(pool)
        plan = pool.state.plan_query(STARTD, ad(), Requester(), NOW)
        reader = MessageReader(b"".join(plan.run(pool.state.reply_form())))
        self.assertEqual(reader.get_int(), 1)
        read = reader.get_ad()
        self.assertEqual(read.count, 9 + 6)
        self.assertEqual(read.count, read.body.count(0))
