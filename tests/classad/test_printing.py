"""Tests of ``condor_twisted.classad.printing``.

Whole ads are compared with what ``condor_status`` prints in
``tests/tools/status/test_listing.py``.
"""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from condor_twisted.classad.expressions import expressions_available
from condor_twisted.classad.library import library
from condor_twisted.classad.literals import UNDEFINED
from condor_twisted.classad.printing import (
    Form,
    read_expression,
)

OPERANDS = [
    "a",
    "1",
    "1.5",
    '"s"',
    "-2",
    "true",
    "undefined",
    "f(x)",
    "MY.b",
    "{ 1,c }",
]
OPERATORS = ["+", "-", "*", "&&", "||", "==", "=?=", "=!=", "<=", ">>", "&", "is"]


def expressions() -> st.SearchStrategy[str]:
    """Texts of expressions."""
    return st.recursive(
        st.sampled_from(OPERANDS),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(OPERATORS), inner).map(" ".join),
            inner.map(lambda text: f"({text})"),
            inner.map(lambda text: f"!({text})"),
            st.tuples(inner, inner, inner).map(lambda t: f"({t[0]}) ? {t[1]} : {t[2]}"),
            st.lists(inner, max_size=3).map(lambda each: f"g({','.join(each)})"),
            st.lists(inner, max_size=3).map(lambda each: f"{{{','.join(each)}}}"),
            inner.map(lambda text: f"[ x = {text}; longer = 1; y = 2 ]"),
            inner.map(lambda text: f"v[{text}]"),
        ),
        max_leaves=8,
    )


class SpellingTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """An expression is spelled as HTCondor's library spells it in each form."""
        for text, old, new in (
            ("Foo =?= 1.5", "Foo =?= 1.5", "Foo is 1.500000000000000E+00"),
            ("a isnt b", "a =!= b", "a isnt b"),
            ('"x\\y"', '"x\\y"', '"x\\\\y"'),
            ("f( a ;b )", "f(a,b)", "f(a,b)"),
            ("{}", "{  }", "{  }"),
            ("[]", "[  ]", "[  ]"),
            ("[ b=1;a = 2; aa=3; B = 4 ]", "[ a = 2; b = 4; aa = 3 ]", None),
            ("-x + !y - -3", " -x +  !y - -3", None),
            ("a?b:c ?: d", "a ? b : c ?: d", None),
            ('a.b["c"] . d', 'a.b["c"].d', None),
            ("'odd name'+'plain'", "'odd name' + plain", None),
            (".abs", ".abs", None),
            ("10K", "10", None),
            ('real("INF")', 'real("INF")', None),
            ("TRUE", "true", None),
        ):
            expression = read_expression(text.encode())
            self.assertEqual(expression.spelled(), old.encode(), text)
            wanted = (old if new is None else new).encode()
            self.assertEqual(expression.spelled(Form.NEW), wanted, text)

    def test_xml(self) -> None:
        """In XML the special characters are escaped."""
        expression = read_expression(b'a < 1 && b > "<&>"')
        self.assertEqual(
            expression.spelled(Form.XML),
            b'a &lt; 1 &amp;&amp; b &gt; "&lt;&amp;&gt;"',
        )

    def test_what_is_no_expression(self) -> None:
        """Anything else keeps its text."""
        for text in (b"((", b"1 +", b'"open', b"0x10"):
            expression = read_expression(text)
            self.assertEqual(expression.spelled(), text)
            self.assertEqual(expression.spelled(Form.NEW), text)
            self.assertIsNone(expression.items())
            self.assertIsNone(expression.pairs())

    @settings(deadline=None, max_examples=60)
    @given(expressions())
    def test_as_the_library(self, text: str) -> None:
        """Old and new spelling are the library's own."""
        if not expressions_available():
            raise SkipTest("the ClassAd library is not installed")
        module = library()
        ad = module.ClassAd({"x": module.ExprTree(text)})
        expected = ad.printOld().partition("= ")[2].rstrip("\n")
        expression = read_expression(text.encode())
        self.assertEqual(expression.spelled().decode(), expected)
        tree = ad.lookup("x")
        if isinstance(tree, module.ExprTree):
            self.assertEqual(expression.spelled(Form.NEW).decode(), repr(tree))

    @settings(deadline=None, max_examples=60)
    @given(expressions())
    def test_spelling_is_stable(self, text: str) -> None:
        """What was spelled once is spelled the same again."""
        once = read_expression(text.encode()).spelled()
        self.assertEqual(read_expression(once).spelled(), once)

    def test_mnh_deep_nesting(self) -> None:
        """Nesting up to the parser's limit is printed; beyond, the text stays."""
        for depth in (150, 5000):
            text = b"(" * depth + b"1" + b")" * depth
            self.assertEqual(read_expression(text).spelled(), text)


class PartsTests(SynchronousTestCase):
    def test_lists(self) -> None:
        """A list as it stands has items; an expression around one has not."""
        items = read_expression(b'{ 1, "a,b", x + 1, { 2, 3 }, f(4, 5) }').items()
        assert items is not None
        self.assertEqual([each.value for each in items], [1, "a,b", None, None, None])
        self.assertEqual(items[3].spelled(), b"{ 2,3 }")
        for text in (b"{ 1 } + 2", b"{ 1 }[0]", b"1", b"[ a = 1 ]", b"x"):
            self.assertIsNone(read_expression(text).items())

    def test_records(self) -> None:
        """A record's pairs are in the library's order, the last value counts."""
        pairs = read_expression(b"[ bb = 1; a = { 1; 2 }; BB = 3 ]").pairs()
        self.assertIsNone(pairs)  # a list's items are separated by commas
        pairs = read_expression(b"[ bb = 1; a = { 1, 2 }; BB = 3 ]").pairs()
        assert pairs is not None
        self.assertEqual([name for name, _ in pairs], [b"a", b"bb"])
        self.assertEqual(pairs[1][1].value, 3)
        self.assertIsNone(read_expression(b"{ 1 }").pairs())
        self.assertIsNone(read_expression(b"[ a = 1 ].a").pairs())

    def test_literals(self) -> None:
        """Literals have their value."""
        self.assertIs(read_expression(b"undefined").value, UNDEFINED)
        value = read_expression(b'real("NaN")').value
        assert isinstance(value, float)
        self.assertTrue(math.isnan(value))
