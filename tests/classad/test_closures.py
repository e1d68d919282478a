"""Tests for condor_twisted.classad.closures.

That the closures compute what the library computes is tested in ``test_expressions``.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.closures import NotCovered, compile_closure, literal_of
from condor_twisted.classad.syntax import read_syntax


class CompileTests(SynchronousTestCase):
    """What is compiled and what is left to the library."""

    def test_not_covered(self) -> None:
        """Other forms are left to the library."""
        for text in (
            "f(x)",
            "isUndefined()",
            "isUndefined(a, b)",
            "{1}",
            "[a=1]",
            "a[0]",
            "a.b",
            "(a).b",
            "MY.a.b",
            ".a",
            "1 << 2",
            "MY",
            'MY["a"]',
            "99999999999999999999",
            "'\u00e4'",
            "MY.'\u00e4'",
            "||".join(["a"] * 301),
            "(" * 60 + "a" + ")" * 60,
        ):
            compiled = compile_closure(read_syntax(text.encode()), 0)
            self.assertIsNone(compiled, text)

    def test_constants(self) -> None:
        """A single literal is a constant, an expression of literals is not."""
        for text, constant in [("5", 5), ("(true)", True), ('"a"', "a"), ("1+1", None)]:
            compiled = compile_closure(read_syntax(text.encode()), 0)
            assert compiled is not None
            self.assertEqual(compiled.constant, constant)

    def test_expressions_in_the_ad(self) -> None:
        """An attribute that is no literal is not covered, unless nobody looks."""
        compiled = compile_closure(read_syntax(b"a || b"), 0)
        assert compiled is not None
        ad = {"a": b"true", "b": b"x + 1"}
        self.assertIs(compiled.evaluate(ad.get), True)
        ad["a"] = b"false"
        self.assertRaises(NotCovered, compiled.evaluate, ad.get)
        ad["b"] = b"f(" + b"x" * 500 + b")"
        self.assertRaises(NotCovered, compiled.evaluate, ad.get)
        ad["b"] = b'"' + b"x" * 500 + b'"'
        long = compile_closure(read_syntax(b"b"), 0)
        assert long is not None
        self.assertEqual(long.evaluate(ad.get), "x" * 500)

    def test_literal_of(self) -> None:
        """A text is one literal or not covered."""
        self.assertEqual(literal_of(b"5"), 5)
        self.assertRaises(NotCovered, literal_of, b"a")
