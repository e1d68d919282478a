"""Tests of ``condor_twisted.classad.full_values``."""

from __future__ import annotations

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from condor_twisted.classad import library as library_module
from condor_twisted.classad.expressions import expressions_available
from condor_twisted.classad.full_values import (
    ComposedValue,
    FullValue,
    evaluate_full,
)
from condor_twisted.classad.literals import ERROR, UNDEFINED
from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.errors import ExpressionsUnavailable

AD = WireAd(
    b'List = { 1, "a", N + 1 }\0N = 3\0Record = [ a = 1; b = N ]\0Alias = List\0'
    b"Loop = Pool\0Pool = Loop\0Sum = N + 2\0"
)


def value_of(text: str) -> FullValue:
    """The value of an expression over the ad."""
    return evaluate_full(text.encode(), AD, 1_700_000_000)


def spelled(value: FullValue) -> bytes:
    """A composed value's text."""
    assert isinstance(value, ComposedValue)
    return value.expression.spelled()


class PlainTests(SynchronousTestCase):
    def test_literals(self) -> None:
        """A literal is its own value."""
        for text, value in (("1", 1), ('"a"', "a"), ("2.5", 2.5), ("true", True)):
            self.assertEqual(value_of(text), value)

    def test_simple_expressions(self) -> None:
        """Arithmetic over literals needs no library."""
        self.assertEqual(value_of("N * 2"), 6)
        self.assertIs(value_of("Absent"), UNDEFINED)
        self.assertIs(value_of("(("), ERROR)

    def test_lists_and_records_as_they_stand(self) -> None:
        """Lists and records are taken as they are, also through another attribute."""
        for text in ("List", "Alias"):
            value = value_of(text)
            assert isinstance(value, ComposedValue)
            self.assertEqual(value.kind, "list")
            self.assertEqual([each.value for each in value.items()], [1, "a", None])
        record = value_of("Record")
        assert isinstance(record, ComposedValue)
        self.assertEqual((record.kind, record.items()), ("record", []))
        self.assertEqual(spelled(record), b"[ a = 1; b = N ]")

    def test_mnh_attributes_in_a_circle(self) -> None:
        """Attributes that name each other for ever are undefined."""
        self.assertIs(value_of("Loop"), UNDEFINED)


class LibraryTests(SynchronousTestCase):
    def setUp(self) -> None:
        if not expressions_available():
            raise SkipTest("the ClassAd library is not installed")

    def test_computed_lists(self) -> None:
        """A list that a function gives can be printed and taken apart."""
        value = value_of('ifThenElse(N == 3, { "a","b" }, 1)')
        self.assertEqual(spelled(value), b'{ "a","b" }')
        assert isinstance(value, ComposedValue)
        self.assertEqual([each.value for each in value.items()], ["a", "b"])

    def test_chosen_lists(self) -> None:
        """A list that a condition chooses keeps its expressions."""
        self.assertEqual(spelled(value_of("N == 3 ? List : 1")), b'{ 1,"a",N + 1 }')

    def test_computed_records(self) -> None:
        """So does a record."""
        self.assertEqual(spelled(value_of("N == 3 ? Record : 1")), b"[ a = 1; b = N ]")

    def test_functions(self) -> None:
        """Functions give their values."""
        self.assertEqual(value_of("max({1,N,2})"), 3)
        self.assertEqual(value_of("size(List)"), 3)
        self.assertEqual(value_of("Sum"), 5)


class WithoutLibraryTests(SynchronousTestCase):
    def test_one_clear_error(self) -> None:
        """What needs the library says so where there is none."""

        def missing() -> None:
            raise ExpressionsUnavailable("not here")

        self.patch(library_module, "library", missing)
        self.assertEqual(spelled(value_of("List")), b'{ 1,"a",N + 1 }')
        self.assertRaises(ExpressionsUnavailable, value_of, "max({1,2})")
