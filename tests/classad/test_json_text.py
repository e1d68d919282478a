"""Attribute values as JSON: golden texts, and HTCondor's own library beside them."""

from __future__ import annotations

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from condor_twisted.classad.json_text import (
    json_of_expression,
    json_of_literal,
    json_of_name,
)
from condor_twisted.classad.library import expressions_available, library
from condor_twisted.classad.literals import (
    ERROR,
    UNDEFINED,
    LiteralValue,
    format_literal,
)

CASES: list[tuple[bytes, bytes]] = [
    (b"1", b"1"),
    (b"007", b"7"),
    (b"-5", b"-5"),
    (b"TRUE", b"true"),
    (b"undefined", b"null"),
    (b"error", rb'"\/Expr(error)\/"'),
    (b"0.0", b"0.0"),
    (b"1e30", b"1E+30"),
    (b"2.50", b"2.5"),
    (b'real("NaN")', rb'"\/Expr(real(\"NaN\"))\/"'),
    (b'"a\\b"', rb'"a\\b"'),
    (b'"a\\"b\tc"', rb'"a\"b\tc"'),
    (b'"/Expr(1)/"', b'"/Expr(1)/"'),
    (b"{}", b"[]"),
    (b'{1, "x", {2.0, true}}', b'[1,"x",[2.0,true]]'),
    (b"[a = 1; b = [c = undefined;];]", b'{"a":1,"b":{"c":null}}'),
    (b"[]", b"{}"),
    (b"{-4, f(a,b)+TARGET.c}", rb'[-4,"\/Expr(f(a,b) + TARGET.c)\/"]'),
    (b"{ (1), c ? 1 : 2 }", rb'["\/Expr((1))\/","\/Expr(c ? 1 : 2)\/"]'),
    (b"{'a b', [x=1;y=2].x}", rb"""["\/Expr('a b')\/",$]"""),
    (b"{1}[0]", rb'"\/Expr({1}[0])\/"'),
    (b"{1} {2}", b"[1]"),
    (b"Cpus > 2", rb'"\/Expr(Cpus > 2)\/"'),
    (b"{1", rb'"\/Expr({1)\/"'),
]


class GoldenTests(SynchronousTestCase):
    """Text for text."""

    def test_cases(self) -> None:
        """Every kind of value is written as the module says."""
        for text, expected in CASES:
            expected = expected.replace(b"$", rb'"\/Expr([x = 1; y = 2].x)\/"')
            self.assertEqual(json_of_expression(text), expected, text)
            json.loads(json_of_expression(text))

    def test_name(self) -> None:
        """A name is a string, whatever is in it."""
        self.assertEqual(json_of_name(b'a"b'), b'"a\\"b"')

    def test_not_utf8(self) -> None:
        """Bytes that are no text survive the way through JSON."""
        value = json.loads(json_of_expression(b'"\xff\xc3\xa4"'))
        self.assertEqual(value.encode("utf-8", "surrogateescape"), b"\xff\xc3\xa4")

    def test_long_list(self) -> None:
        """A list of thousands of characters is an array; a longer one is not read."""
        some = b"{" + b"1," * 2000 + b"1}"
        self.assertEqual(json.loads(json_of_expression(some)), [1] * 2001)
        many = b"{" + b"1," * 10_000 + b"1}"
        self.assertIn(b"/Expr(", json_of_expression(many))

    def test_mnh_1_12_nesting(self) -> None:
        """Deep nesting is written as an expression, and never recursed into."""
        for depth in (16, 17, 100, 2000):
            text = b"{" * depth + b"}" * depth
            found = json.loads(json_of_expression(text))
            self.assertIsInstance(found, list if depth <= 100 else str)


class PropertyTests(SynchronousTestCase):
    """For all values."""

    @given(
        st.one_of(
            st.booleans(),
            st.integers(-(1 << 63), (1 << 63) - 1),
            # Sixteen digits, HTCondor's number, round the very largest to infinity.
            st.floats().filter(lambda real: not 1.7e308 < abs(real) < math.inf),
            st.text().filter(lambda text: "\0" not in text),
            st.sampled_from([UNDEFINED, ERROR]),
        )
    )
    @settings(deadline=None, max_examples=200)
    def test_literals(self, value: LiteralValue) -> None:
        """A literal's JSON has the literal's value."""
        written = json_of_literal(value)
        found = json.loads(written)
        if value is UNDEFINED:
            self.assertIsNone(found)
        elif value is ERROR or (isinstance(value, float) and not math.isfinite(value)):
            self.assertTrue(found.startswith("/Expr("))
        elif isinstance(value, float):
            self.assertTrue(math.isclose(found, value, rel_tol=1e-15), written)
        else:
            self.assertEqual(found, value)
            self.assertIs(type(found), type(value))
        if not isinstance(value, str):
            self.assertEqual(json_of_expression(format_literal(value)), written)

    @given(st.binary(max_size=60))
    @settings(deadline=None, max_examples=300)
    def test_anything(self, text: bytes) -> None:
        """Whatever the text, what comes out is one JSON value in ASCII."""
        for each in (text, b"{" + text, b"{" + text + b"}", b"[a=" + text + b"]"):
            json.loads(json_of_expression(each).decode("ascii"))


class LibraryTests(SynchronousTestCase):
    """HTCondor's library says the same."""

    def setUp(self) -> None:
        """Skip where the library is not installed."""
        if not expressions_available():
            raise SkipTest("the htcondor package is not installed")

    def test_same(self) -> None:
        """Blanks aside, HTCondor writes the same JSON."""
        module = library()
        for text, _ in CASES[:-1]:
            if text == b"007":
                continue  # the library's quick reader alone takes it
            line = f"A = {text.decode()}\n"
            ad = module.parseOne(line, module.ParserType.Old)
            theirs = json.loads(ad.printJson())["A"]
            ours = json.loads(json_of_expression(text))
            self.assertEqual(_squeezed(ours), _squeezed(theirs), text)


def _squeezed(value: object) -> str:
    return json.dumps(value).replace(" ", "")
