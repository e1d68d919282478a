"""Tests of ``condor_twisted.tools.status.plan`` and ``projection``."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.tools.status.options import parse_options
from condor_twisted.tools.status.plan import Display, Plan, make_plan
from condor_twisted.tools.status.projection import Projection, named_attributes
from tests.client.test_queries import VECTORS, message_of


def plan_of(*arguments: str, columns: int | None = None) -> Plan:
    """The plan of a command line."""
    options = parse_options(list(arguments))
    return make_plan(options, Display(columns), options.names)


class QueryTests(SynchronousTestCase):
    def test_as_the_real_tool(self) -> None:
        """Each query is byte for byte what condor_status sends."""
        recorded = json.loads(VECTORS.read_text())["status"]
        self.assertGreater(len(recorded), 40)
        for each in recorded:
            plan = plan_of(*each["arguments"])
            self.assertEqual(message_of(plan.query), each["message"], each["arguments"])

    def test_constraints_together(self) -> None:
        """All constraints count, and one of the names; repetitions count once."""
        plan = plan_of(
            "-constraint", "A>1", "-constraint", "A>1", "-constraint", "B", "x@y", "z@y"
        )
        self.assertEqual(
            plan.requirements,
            '((A > 1) && (B)) && ((Name == "x@y" || Machine == "x@y")'
            ' || (Name == "z@y" || Machine == "z@y"))',
        )

    def test_quotes_in_names(self) -> None:
        """A quote in a name does not end the string."""
        plan = plan_of('a"@b')
        self.assertEqual(
            plan.requirements, '((Name == "a\\"@b" || Machine == "a\\"@b"))'
        )

    def test_several_kinds(self) -> None:
        """Several kinds may be asked for at once."""
        plan = plan_of("-multiple", "Machine,Submitter", "-long")
        self.assertEqual(plan.query.ad.string("TargetType"), "Machine,Submitter")


class LayoutTests(SynchronousTestCase):
    def test_totals(self) -> None:
        """Some styles have totals, others none."""
        for line, has_totals in (
            ("", True),
            ("-state", True),
            ("-schedd", True),
            ("-any", False),
            ("-master", False),
            ("-long", False),
            ("-af Name", False),
            ("-total", True),
            ("-schedd -run", False),
        ):
            plan = plan_of(*line.split())
            self.assertEqual(plan.totals is not None, has_totals, line)

    def test_whole_ads(self) -> None:
        """Whole ads have no columns, and maybe chosen attributes."""
        plan = plan_of("-json", "-attributes", "Name,State")
        self.assertEqual(plan.mask.columns, [])
        self.assertEqual(plan.wanted, {"name", "state"})
        self.assertEqual(plan.query.ad.string("Projection"), "Name State")

    def test_display(self) -> None:
        """A terminal's width limits lines; a pipe's does not, unless asked for."""
        self.assertEqual(plan_of().mask.max_width, 0)
        self.assertEqual(plan_of(columns=100).mask.max_width, 99)
        self.assertEqual(plan_of("-wide", columns=100).mask.max_width, 0)
        self.assertEqual(plan_of("-wide:70").mask.max_width, 69)

    def test_sorting(self) -> None:
        """Compact listings sort by machine and slot type first."""
        self.assertEqual(plan_of().sort, ["Machine", "Name"])
        compact = plan_of("-compact")
        self.assertEqual((compact.machine_key, compact.sort), (True, ["Name"]))
        self.assertIsNone(plan_of("-sort", "no").sort)
        self.assertEqual(plan_of("-compact", "-sort", "Memory").sort, ["Memory"])


class ProjectionTests(SynchronousTestCase):
    def test_names_of_expressions(self) -> None:
        """An expression's attributes are found as they are spelled."""
        for text, names in (
            ("Memory", ["Memory"]),
            ("MY.Memory + TARGET.Disk", ["Memory", "Disk"]),
            ('f(A, g(B)) ? C : "D"', ["A", "B", "C"]),
            ("[ a = B ].c", ["B"]),
            ("L[i].x", ["L", "i"]),
            (".Abs", ["Abs"]),
            ("1 + 2", []),
            ("((", []),
        ):
            self.assertEqual(named_attributes(text), names, text)

    def test_a_set(self) -> None:
        """Names are in order, each once, in the first spelling."""
        projection = Projection(["b", "A"])
        projection.add("B", "c", "a")
        self.assertEqual(list(projection), ["A", "b", "c"])
        self.assertEqual(len(projection), 3)
