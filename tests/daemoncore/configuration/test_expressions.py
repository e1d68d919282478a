"""Expressions in a configuration."""

from __future__ import annotations

from unittest import mock

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from condor_twisted.classad.expressions import expressions_available
from condor_twisted.config.arithmetic import Unparsed
from condor_twisted.daemoncore.configuration import (
    expressions as configuration_expressions,
)
from condor_twisted.daemoncore.configuration.expressions import evaluate_expression
from condor_twisted.errors import ExpressionError, ExpressionsUnavailable


class EvaluateTests(SynchronousTestCase):
    """Arithmetic of our own first, the ClassAd library behind it."""

    def test_arithmetic(self) -> None:
        """Plain arithmetic never asks the library."""
        with mock.patch.object(
            configuration_expressions, "parse_constraint", side_effect=AssertionError
        ):
            self.assertEqual(evaluate_expression("10000*1024"), 10240000)

    def test_functions(self) -> None:
        """Functions, lists and records are the library's."""
        if not expressions_available():
            raise SkipTest("the ClassAd library is not installed")
        for text, expected in (
            ("MIN({24105, 10000})", 10000),
            ('strcat("a","b")', "ab"),
            ("size({1,2}) == 2", True),
            ("real(1)", 1.0),
            ("int(undefined)", Unparsed("undefined")),
            ('int("x")', Unparsed("error")),
            ("{1,2}", Unparsed("{ 1,2 }")),
            ('split("a b")', Unparsed('{ "a","b" }')),
            ("[a = 1]", Unparsed("[ a = 1 ]")),
        ):
            self.assertEqual(evaluate_expression(text), expected, text)

    def test_not_an_expression(self) -> None:
        """What does not parse is an error."""
        for text in ("a b", "f(", "1 +"):
            self.assertRaises(ExpressionError, evaluate_expression, text)

    def test_without_a_library(self) -> None:
        """An expression that needs it counts as one that does not parse."""
        with mock.patch.object(
            configuration_expressions,
            "parse_constraint",
            side_effect=ExpressionsUnavailable("not here"),
        ):
            self.assertRaises(ExpressionError, evaluate_expression, "f(1)")
