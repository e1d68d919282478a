"""Tests of ``condor_twisted.tools.status.rows`` and ``text``."""

from __future__ import annotations

from condor_twisted.classad.literals import UNDEFINED
from condor_twisted.classad.wire_ad import ExpressionText, WireAd
from condor_twisted.tools.status.rows import Row, as_integer, as_real, shown
from condor_twisted.tools.status.text import from_bytes, from_value, to_bytes
from tests.tools.status.kit import NOW, StatusTestCase, row_of


class RowTests(StatusTestCase):
    def test_values(self) -> None:
        """Attributes are found in any case, as what they are."""
        row = row_of(Name="n", Count=3, Load=1.5, On=True)
        self.assertEqual(row.string("NAME"), "n")
        self.assertEqual(row.integer("count"), 3)
        self.assertEqual(row.integer("load"), 1)
        self.assertEqual(row.real("count"), 3.0)
        self.assertTrue(row.boolean("on"))
        self.assertTrue(row.boolean("count"))
        self.assertFalse(row.boolean("name"))
        self.assertIsNone(row.string("count"))
        self.assertIsNone(row.integer("name"))
        self.assertIs(row.value("absent"), UNDEFINED)
        self.assertTrue(row.has("Name"))
        self.assertFalse(row.has("Absent"))

    def test_expressions(self) -> None:
        """Attributes that are expressions are evaluated, and can be shown."""
        row = row_of(A=2, B=ExpressionText("A  *  3"))
        self.assertEqual(row.integer("B"), 6)
        self.assertEqual(row.spelled("B"), "A * 3")
        self.assertIsNone(row.spelled("C"))
        self.assertEqual(row.evaluate(b"A + 1"), 3)

    def test_lists(self) -> None:
        """The strings of a list are found; what is no list has none."""
        row = row_of(L=ExpressionText('{ "a", 1, "b" }'), N=1)
        self.assertEqual(row.strings_of("L"), ["a", "b"])
        self.assertIsNone(row.strings_of("N"))
        self.assertEqual(shown(row.value("L")), '{ "a",1,"b" }')

    def test_numbers(self) -> None:
        """Booleans are numbers, strings are not, huge reals are no integers."""
        self.assertEqual(as_integer(True), 1)
        self.assertEqual(as_integer(-2.9), -2)
        self.assertEqual(as_integer(1e300), 0)
        self.assertIsNone(as_integer("1"))
        self.assertEqual(as_real(False), 0.0)
        self.assertIsNone(as_real(UNDEFINED))

    def test_text_counts_bytes(self) -> None:
        """Text has one character for each byte, and becomes the same bytes."""
        ad = WireAd('Name = "ü"\0'.encode())
        text = Row(ad, NOW).string("Name")
        assert text is not None
        self.assertEqual(len(text), 2)
        self.assertEqual(to_bytes(text), "ü".encode())
        self.assertEqual(from_bytes(b"\xff"), from_value("\udcff"))
