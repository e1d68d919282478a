"""Tests of ``condor_twisted.tools.status.tables``, ``daemon_tables`` and ``layout``.

What they show is compared with recorded output in ``test_listing.py``.
"""

from __future__ import annotations

from condor_twisted.classad.expressions import check_expression
from condor_twisted.classad.wire_ad import ExpressionText
from condor_twisted.tools.status.layout import Layout
from condor_twisted.tools.status.tables import TABLES
from tests.tools.status.kit import StatusTestCase, row_of


class TableTests(StatusTestCase):
    def test_columns_are_new(self) -> None:
        """Each listing has columns of its own: they grow."""
        for table in TABLES.values():
            one, other = table.columns(Layout()), table.columns(Layout())
            self.assertEqual(len(one), len(other))
            self.assertFalse(
                any(mine is theirs for mine, theirs in zip(one, other, strict=True))
            )

    def test_expressions(self) -> None:
        """Attributes and constraints are expressions."""
        for table in TABLES.values():
            for column in table.columns(Layout()):
                self.assertTrue(check_expression(column.text), column.attribute)
            if table.constraint is not None:
                self.assertTrue(check_expression(table.constraint.encode()))

    def test_layouts(self) -> None:
        """Java and virtual machines stand in place of the operating system."""
        slots = TABLES["slots"].columns
        for layout, attribute in (
            (Layout(), "OpSys"),
            (Layout(java=True), "JavaVendor"),
            (Layout(vm=True), "VM_Type"),
        ):
            self.assertEqual(slots(layout)[1].attribute, attribute)
        self.assertEqual(slots(Layout(width=120))[-1].heading, "ActivityTime")

    def test_compact_columns(self) -> None:
        """Compact tables say where what they add up stands."""
        for name, table in TABLES.items():
            if table.compact is None:
                continue
            columns = table.columns(Layout())
            self.assertEqual(columns[0].attribute, "Machine", name)
            assert table.compact.slots is not None
            self.assertEqual(columns[table.compact.slots].attribute, "NumDynamicSlots")
            if table.compact.activity is not None:
                self.assertEqual(columns[table.compact.activity].attribute, "Activity")

    def test_largest_child(self) -> None:
        """The largest slot is the largest number of a list of numbers."""
        column = TABLES["compact slots"].columns(Layout())[-1]
        assert column.compute is not None
        for children, expected in (("{ 1024, 2048.0 }", 2.0), ("{ 512 }", 0.5)):
            row = row_of(ChildMemory=ExpressionText(children))
            self.assertEqual(column.compute(row), expected)
        for children in ("{ }", "7", '{ "x" }', "{ 1, undefined }"):
            row = row_of(ChildMemory=ExpressionText(children))
            self.assertNotIsInstance(column.compute(row), float)
