"""Tests for condor_twisted.classad.values.

That all of it agrees with the library is tested in ``test_expressions``.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.literals import ERROR, UNDEFINED, LiteralValue
from condor_twisted.classad.values import (
    BINARY_OPERATIONS,
    fold_case,
    logical_and,
    logical_or,
    truth,
)


class ValueTests(SynchronousTestCase):
    """Operations on values."""

    def test_fold_case(self) -> None:
        """Only ASCII letters lose their case, and bytes decide the order."""
        self.assertEqual(fold_case("AbC"), fold_case("aBc"))
        self.assertNotEqual(fold_case("\u00dc"), fold_case("\u00fc"))
        self.assertLess(fold_case("z"), fold_case("\u00fc"))
        self.assertEqual(fold_case("\udcffA"), fold_case("\udcffa"))

    def test_truth(self) -> None:
        """Numbers count as booleans; strings and the lack of a value do not."""
        rows: list[tuple[LiteralValue, bool | None]] = [
            (True, True),
            (0, False),
            (1.5, True),
            ("true", None),
            (UNDEFINED, None),
            (ERROR, None),
        ]
        for value, expected in rows:
            self.assertIs(truth(value), expected)

    def test_three_valued_logic(self) -> None:
        """The table of truth for what the left side leaves open."""
        self.assertIs(logical_or(UNDEFINED, True), True)
        self.assertIs(logical_or(UNDEFINED, 0), UNDEFINED)
        self.assertIs(logical_or(UNDEFINED, ERROR), ERROR)
        self.assertIs(logical_or(False, UNDEFINED), UNDEFINED)
        self.assertIs(logical_or("x", True), ERROR)
        self.assertIs(logical_and(UNDEFINED, False), False)
        self.assertIs(logical_and(UNDEFINED, 1), UNDEFINED)
        self.assertIs(logical_and(True, ERROR), ERROR)
        self.assertIs(logical_and(True, "x"), ERROR)

    def test_mnh_1_17_integers_wrap(self) -> None:
        """Sums and products of integers stay within 64 bits."""
        top = (1 << 63) - 1
        self.assertEqual(BINARY_OPERATIONS[b"+"](top, 1), -(1 << 63))
        self.assertEqual(BINARY_OPERATIONS[b"*"](top, top), 1)
        self.assertEqual(BINARY_OPERATIONS[b"/"](-(1 << 63), -1), top)
        self.assertIs(BINARY_OPERATIONS[b"%"](1, 0), ERROR)
