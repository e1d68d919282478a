"""The small evaluator behind numeric knobs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.arithmetic import Unparsed, evaluate_arithmetic
from condor_twisted.errors import ExpressionError


class ArithmeticTests(SynchronousTestCase):
    """Values of expressions, and what is none."""

    def check(self, cases: dict[str, object]) -> None:
        for text, expected in cases.items():
            got = evaluate_arithmetic(text)
            self.assertEqual(got, expected, text)
            self.assertIs(type(got), type(expected), text)

    def test_numbers(self) -> None:
        """Integers stay integers, wrap at 64 bits and divide towards zero."""
        self.check(
            {
                "10000*1024": 10240000,
                "1 + 2 * 3 - 4": 3,
                "(1 + 2) * 3": 9,
                "7/2": 3,
                "-7/2": -3,
                "-7 % 3": -1,
                "7.0/2": 3.5,
                "1e3": 1000.0,
                ".5 + 1": 1.5,
                "- - 3": 3,
                "+3": 3,
                "9223372036854775807 + 1": -9223372036854775808,
            }
        )

    def test_truth(self) -> None:
        """Comparison, logic and choice work as in ClassAds."""
        self.check(
            {
                "1+1 > 1": True,
                "1 == 1.0": True,
                "1 =?= 1.0": False,
                "1 =!= 1.0": True,
                "TRUE && !false": True,
                "false || 0": False,
                "2 && 1": True,
                '"abc" == "ABC"': True,
                '"abc" =?= "ABC"': False,
                '"a" < "b"': True,
                "true ? 1 : 2": 1,
                "0 ? 1 : 2": 2,
                "true ? false ? 1 : 2 : 3": 2,
                "1 != 2": True,
            }
        )

    def test_undefined_and_error(self) -> None:
        """Names are undefined; nonsense between values is an error value."""
        undefined, error = Unparsed("undefined"), Unparsed("error")
        self.check(
            {
                "Memory": undefined,
                "Memory + 1": undefined,
                "undefined || true": True,
                "undefined && false": False,
                "undefined && true": undefined,
                "undefined ? 1 : 2": undefined,
                "undefined =?= undefined": True,
                "error || true": error,
                "error && false": error,
                "1/0": error,
                "1 % 0": error,
                "1.5 % 1": error,
                '"a" + 1': error,
                '-"a"': error,
                '!"a"': error,
                "!undefined": undefined,
                '"a" ? 1 : 2': error,
                "1e308 * 10": float("inf"),
            }
        )

    def test_strings(self) -> None:
        """A quoted string is its text."""
        self.check({'"a\\"b"': 'a"b', '""': ""})

    def test_not_an_expression(self) -> None:
        """Functions, half expressions and endless nesting do not parse."""
        for text in (
            "",
            "1 +",
            "(1",
            "1)",
            "1 2",
            "f(1)",
            "a b",
            "{1}",
            "?",
            "1 ? 2",
            "= 1",
            "99999999999999999999999",
            "(" * 100 + "1" + ")" * 100,
            "1" * 20000,
        ):
            self.assertRaises(ExpressionError, evaluate_arithmetic, text)

    @settings(deadline=None, max_examples=200)
    @given(st.text('01.5e+-*/%<>=!&|?:()ab" ', max_size=40))
    def test_any_text(self, text: str) -> None:
        """Whatever the text, the outcome is a value or an ExpressionError."""
        try:
            value = evaluate_arithmetic(text)
        except ExpressionError:
            return
        self.assertIsInstance(value, (bool, int, float, str, Unparsed))
