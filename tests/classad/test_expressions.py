"""Tests for condor_twisted.classad.expressions."""

from __future__ import annotations

import contextlib
import json
import math
import pathlib
import sys
from collections.abc import Mapping
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.expressions import (
    MAX_EXPANDED_BYTES,
    OtherValue,
    TooExpensive,
    Value,
    _remembered_check,
    canonical_expression,
    check_expression,
    evaluate,
    evaluate_string,
    expressions_available,
    internal_references,
    parse_constraint,
)
from condor_twisted.classad.gathering import Gathering
from condor_twisted.classad.library import library, make_tree, run
from condor_twisted.classad.literals import ERROR, UNDEFINED
from condor_twisted.classad.syntax import MAX_EXPRESSION_BYTES, read_syntax
from condor_twisted.classad.values import BINARY_OPERATIONS
from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.constants.attributes import is_private
from condor_twisted.errors import ExpressionError, ExpressionsUnavailable

TABLES = json.loads(
    (
        pathlib.Path(__file__).parent.parent / "vectors" / "classad_tables.json"
    ).read_text(encoding="utf-8")
)
NOW = 1_800_000_000


def ad_of(number: int) -> dict[str, bytes]:
    """One of the five ads of the tables."""
    return {
        "name": b'"s%d"' % number,
        "mytype": b'"Machine"',
        "n": b"%d" % number,
        "other": b"7",
        "ref": b"N + Other",
        "str": b'"Abc"',
        "b": b"true",
    }


def by_library(text: bytes, ad: Mapping[str, bytes]) -> Value:
    """The library's value of an expression, without any closure."""
    syntax = read_syntax(text)
    gathering = Gathering(dict(ad), NOW, allow_expensive=True)
    return run(make_tree(syntax), gathering.gather(syntax.references, len(text)))


def same(left: Value, right: Value) -> bool:
    """Equal in type and value, NaN included."""
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    return type(left) is type(right) and left == right


class ConstraintTableTests(SynchronousTestCase):
    """Constraints as a real collector evaluates them."""

    def test_every_row(self) -> None:
        """Each constraint of the table matches the ads that it matched there."""
        rows = TABLES["constraint_truth"]["rows"]
        self.assertGreater(len(rows), 70)
        for text, names in rows:
            constraint = parse_constraint(text.encode(), NOW)
            got = [
                f"s{number}"
                for number in range(1, 6)
                if constraint.matches(ad_of(number), allow_expensive=True)
            ]
            self.assertEqual(got, names, text)

    def test_most_rows_on_this_thread(self) -> None:
        """Of the table only regular expressions are expensive."""
        expensive = {
            text
            for text, _ in TABLES["constraint_truth"]["rows"]
            if parse_constraint(text.encode(), NOW).is_expensive
        }
        self.assertEqual(
            expensive,
            {'regexp("^S","s1")', 'regexp("^S","s1","i")'},
        )

    def test_common_forms_need_no_library(self) -> None:
        """What tools send is compiled."""
        for text in (
            "true",
            'Name == "x"',
            '(Name == "a" || Machine == "a")',
            'State == "Unclaimed" && Memory > 10',
            'SlotType =!= "Dynamic" && !isUndefined(MY.Cpus)',
            "Cpus * 2 + 1 >= TARGET.RequestCpus ?: 1",
            "N == 1 ? true : undefined",
        ):
            self.assertTrue(parse_constraint(text.encode(), NOW).is_compiled, text)


class ConstraintTests(SynchronousTestCase):
    """What a constraint says about itself, and special lookups."""

    def test_always_true(self) -> None:
        """Only a literal that matches is known to match always."""
        for text, expected in [
            ("true", True),
            ("TRUE ", True),
            ("(true)", True),
            ("1", True),
            ("0", False),
            ("false", False),
            ('"true"', False),
            ("undefined", False),
            ("Name", False),
        ]:
            constraint = parse_constraint(text.encode(), NOW)
            self.assertIs(constraint.always_true, expected, text)

    def test_equalities(self) -> None:
        """Equalities that hold in every match are known for key lookups."""
        for text, equalities, alternatives in [
            ('Name == "x"', {"name": "x"}, (("name", "x"),)),
            ('"x" == MY.Name', {"name": "x"}, (("name", "x"),)),
            ('Name =?= "X"', {"name": "X"}, (("name", "X"),)),
            (
                'MyType == "M" && (Name == "a" || Machine == "b")',
                {"mytype": "M"},
                (("mytype", "M"),),
            ),
            (
                '(Name == "a" || Machine == "b") && N > 1',
                {},
                (("name", "a"), ("machine", "b")),
            ),
            ("N == 5", {"n": 5}, (("n", 5),)),
            ("5.5 =?= N && Name == Machine", {"n": 5.5}, (("n", 5.5),)),
            ("N == true || N == 1", {}, ()),
            ('Name == "a" || N > 1', {}, ()),
            ('!(Name == "a")', {}, ()),
            ('Name != "a"', {}, ()),
            ('N ? Name == "a" : true', {}, ()),
            ("Name == Machine", {}, ()),
            ('TARGET.Name == "a"', {}, ()),
        ]:
            constraint = parse_constraint(text.encode(), NOW)
            self.assertEqual(constraint.equalities, equalities, text)
            self.assertEqual(constraint.alternatives, alternatives, text)

    def test_references(self) -> None:
        """References are lower-case names of the ad."""
        constraint = parse_constraint(b"A && my.B || TARGET.C > f(D, 'e f')", NOW)
        self.assertEqual(constraint.references, {"a", "b", "d", "e f"})
        self.assertEqual(repr(constraint), "<Constraint of 35 bytes>")

    def test_current_time(self) -> None:
        """CurrentTime is now, unless the ad says otherwise."""
        constraint = parse_constraint(b"CurrentTime == %d" % NOW, NOW)
        self.assertTrue(constraint.matches({}))
        self.assertFalse(constraint.matches({"currenttime": b"5"}))
        uncovered = parse_constraint(b"int(CurrentTime) == %d" % NOW, NOW)
        self.assertFalse(uncovered.is_compiled)
        self.assertTrue(uncovered.matches({}))

    def test_expressions_in_the_ad(self) -> None:
        """Attributes that are expressions are evaluated in their ad."""
        ad = {
            "start": b"Cpus > MinCpus && MY.Owner == Who",
            "cpus": b"4",
            "mincpus": b"Base - 1",
            "base": b"3",
            "owner": rb'"C:\dir"',
            "who": b'Owner ?: "x"',
        }
        self.assertTrue(parse_constraint(b"Start", NOW).matches(ad))
        self.assertTrue(parse_constraint(rb'Who == "c:\DIR"', NOW).matches(ad))
        ad["mincpus"] = b"(("
        self.assertIs(parse_constraint(b"Start", NOW).evaluate(ad), ERROR)

    def test_odd_literals_in_the_ad(self) -> None:
        """Literals that the library would refuse count with their value."""
        ad = {"a": b"010", "b": b"3.", "c": b"x + a", "x": b"9999999999999999999"}
        for text in (b"int(a) == 10", b"real(b) == 3.0", b"int(c) < 0", b"x < 0"):
            self.assertTrue(parse_constraint(text, NOW).matches(ad), text)

    def test_strange_names(self) -> None:
        """Quoted and reserved names are attributes like others."""
        ad = {"a b": b"1", "true": b"2", "it's": b"3", "is": b"4", "back\\": b"5"}
        for text in (b"'a b' == 1", b"int('true') == 2", rb"int('it\'s') == 3"):
            self.assertTrue(parse_constraint(text, NOW).matches(ad), text)
        self.assertTrue(parse_constraint(b"int('is') == 4", NOW).matches(ad))

    def test_subscripts_of_the_ad(self) -> None:
        """An attribute may be named by a string."""
        self.assertTrue(parse_constraint(b'MY["N"] == 3', NOW).matches(ad_of(3)))

    def test_not_a_number(self) -> None:
        """NaN is not a match, nor is any value but booleans and numbers."""
        for text in ('real("NaN")', "{1}", "[a=1]", "absTime(1)", '"x"', "0.0 / 0.0"):
            constraint = parse_constraint(text.encode(), NOW)
            self.assertFalse(constraint.matches({}), text)

    def test_mnh_10_7_nan_compares_as_nothing(self) -> None:
        """No comparison with NaN is true, so none lets an ad match."""
        ad = {"x": b'real("NaN")'}
        for sign in ("==", "<", ">", "<=", ">=", "=?="):
            constraint = parse_constraint(f"x {sign} x".encode(), NOW)
            self.assertFalse(constraint.matches(ad), sign)

    def test_other_values(self) -> None:
        """Lists, records and times are told apart."""
        for text, kind in [("{1}", "list"), ("[a=1]", "record")]:
            got = evaluate(text.encode(), {}, NOW)
            self.assertEqual(got, OtherValue(kind))
        got = evaluate(b'absTime("2020-01-01T00:00:00Z")', {}, NOW)
        self.assertEqual(got, OtherValue("time"))

    def test_not_expressions(self) -> None:
        """A text that is no expression is refused."""
        for text in (b"", b"((", b"a &&", b"0x10", b'"open', b"1.5e", b")"):
            self.assertRaises(ExpressionError, parse_constraint, text, NOW)

    def test_trailing_text_is_ignored(self) -> None:
        """What follows the expression does not count."""
        self.assertTrue(parse_constraint(b"N == 3 foo ] ; x", NOW).matches(ad_of(3)))

    def test_a_wire_ad_is_a_source(self) -> None:
        """Wire ads can be evaluated over as they are."""
        ad = WireAd.from_pairs({"Name": "a", "N": 5})
        self.assertTrue(parse_constraint(b'NAME == "A" && n > 4', NOW).matches(ad))


class PrivacyTests(SynchronousTestCase):
    """Private attributes, hidden by the source, are undefined."""

    def test_mnh_5_5_and_5_7_private_names_are_undefined(self) -> None:
        """No form of expression tells anything about a hidden attribute."""
        secret = b'"s3cret"'

        class Public(dict[str, bytes]):
            """The public half of an ad that has private attributes."""

            def get(  # type: ignore[override]
                self, name: str, /
            ) -> bytes | None:
                """Hide what is private."""
                return None if is_private(name) else secret

        source = Public()
        for name in ("ClaimId", "CAPABILITY", "_Condor_PrivX", "TransferKey"):
            for form in (
                '{0} == "s3cret"',
                '{0} =?= "s3cret"',
                "{0} =!= undefined",
                'MY.{0} == "s3cret"',
                'MY["{0}"] == "s3cret"',
                "isString({0})",
                "size({0}) == 6",
                'strcat({0}, "") == "s3cret"',
                'eval("{0}") == "s3cret"',
                'regexp("s", unparse(MY))',
                "'{0}' == \"s3cret\"",
            ):
                text = form.format(name).encode()
                constraint = parse_constraint(text, NOW)
                matches = constraint.matches(source, allow_expensive=True)
                self.assertFalse(matches, text)


class SemanticsTests(SynchronousTestCase):
    """The closures give what the library gives."""

    def check(self, text: bytes, ad: Mapping[str, bytes]) -> None:
        """One comparison."""
        constraint = parse_constraint(text, NOW)
        got = constraint.evaluate(dict(ad), allow_expensive=True)
        expected = by_library(text, ad)
        self.assertTrue(same(got, expected), f"{text!r} {ad}: {got} {expected}")

    def test_all_pairs(self) -> None:
        """Every covered operator over every kind of value."""
        values = (
            b"true false undefined error 0 1 -7 2 3 1.5 -0.0 0.0 1e308 -1e308 "
            b'9223372036854775807 -9223372036854775808 "" "abc" "ABC" "abd" '
            b'real("NaN") real("INF") 9007199254740993 9007199254740992.0'
        ).split()
        signs = [*BINARY_OPERATIONS, b"&&", b"||"]
        for left in values:
            ad = {"x": left}
            for form in ("-x", "+x", "!x", "~x", "x ?: 5", "x ? 1 : 2"):
                self.check(form.encode(), ad)
            for right in values:
                pair = {"x": left, "y": right}
                for sign in signs:
                    self.check(b"x %s y" % sign, pair)

    @given(st.data())
    @settings(deadline=None, max_examples=300)
    def test_any_expression(self, data: st.DataObject) -> None:
        """Random expressions over random ads agree with the library."""
        literal = st.sampled_from(
            ["true", "false", "undefined", "error", "0", "1", "-3", "2.5", '"a"', '"A"']
        )
        name = st.sampled_from(["a", "b", "MY.c", "TARGET.d", "nope", "CurrentTime"])
        binary = st.sampled_from(
            [each.decode() for each in BINARY_OPERATIONS]
            + ["&&", "||", "?:", "is", "isnt", "<<"]
        )

        def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
            return st.one_of(
                st.builds("({} {} {})".format, inner, binary, inner),
                st.builds("{} {} {}".format, inner, binary, inner),
                st.builds("({}{})".format, st.sampled_from("!-+~"), inner),
                st.builds("({} ? {} : {})".format, inner, inner, inner),
                st.builds(
                    "{}({})".format,
                    st.sampled_from(["isUndefined", "isError", "isString", "isReal"]),
                    inner,
                ),
                st.builds("size({})".format, inner),
            )

        text = data.draw(st.recursive(literal | name, grow, max_leaves=8))
        attributes = st.one_of(literal, name, st.builds("{} + 1".format, name))
        ad = data.draw(st.dictionaries(st.sampled_from("abcd"), attributes, max_size=4))
        self.check(text.encode(), {key: each.encode() for key, each in ad.items()})


class ReadabilityTests(SynchronousTestCase):
    """Which texts may be stored and passed on."""

    def test_stored_text(self) -> None:
        """Texts that a collector reads as a null expression are refused."""
        for text, stored in TABLES["expression_text_stored_and_returned"]["rows"]:
            raw = text.encode()
            refused = stored == "<error:null expr>"
            self.assertIs(canonical_expression(raw) is None, refused, text)
            if refused:
                self.assertFalse(check_expression(raw), text)

    def test_canonical(self) -> None:
        """A text stays, or becomes readable for all, or is refused."""
        for text, canonical in [
            (b"1+2 * 3", b"1+2 * 3"),
            (b"017", b"17"),
            (b"-010", b"-10"),
            (b"3.", b"3.0"),
            (b"3.e5", b"300000.0"),
            (b"9999999999999999999", b"-8446744073709551617"),
            (b"10K", b"10K"),
            (b"1.5R", b"1.5R"),
            (b"foo bar", b"foo bar"),
            (b'"a" "b"', b'"a" "b"'),
            (b"1; Bar = 2", b"1; Bar = 2"),
            (b"a ", b"a "),
            (b"a // comment", b"a // comment"),
            (b"1e400", b"1e400"),
            (b'"end\\"', b'"end\\"'),
            (b'{"a\\","b"}', None),
            (b"((", None),
        ]:
            self.assertEqual(canonical_expression(text), canonical, text)

    def test_check(self) -> None:
        """What some reader cannot read as it stands is told."""
        for text in (
            b"1",
            b'"x"',
            b"0",
            b"-0",
            b"0.5",
            b"a+b",
            b"10K",
            b"f(x)[1].y",
            b'f("010")',
            b"a\n+ b",
        ):
            self.assertTrue(check_expression(text), text)
        for text in (
            b"017",
            b"3.",
            b"08",
            b"1+010",
            b"a\n+ 010",
            b"a b c ((("[6:],
            b"f(1,)",
            b"{,}",
        ):
            self.assertFalse(check_expression(text), text)

    def test_references(self) -> None:
        """References of attributes, for projections."""
        for text, references in [
            (b"N + Other", {"n", "other"}),
            (b"5", set()),
            (b'"N + Other"', set()),
            (b"TARGET.Z + D", {"d"}),
            (b"[ x = A; y = {B, f(C)} ].x", {"a", "b", "c"}),
            (b"A.b.c", {"a"}),
            (b".A + self.B", {"a", "b"}),
            (b"((", set()),
        ]:
            self.assertEqual(internal_references(text), references, text)

    def test_projection_closure(self) -> None:
        """References lead to the lines that a real collector adds."""
        for projection, replies in TABLES["projection"]["rows"]:
            if projection not in ('"NAME,n ref"', '"Ref"'):
                continue
            wanted = set(projection.strip('"').lower().replace(",", " ").split())
            pending = list(wanted)
            while pending:
                more = internal_references(ad_of(3)[pending.pop()]) - wanted
                wanted |= more
                pending += more
            names = {line.partition(" ")[0].lower() for line in replies[0]}
            self.assertEqual(wanted, names)

    @given(st.binary(max_size=30))
    @settings(deadline=None, max_examples=200)
    def test_any_bytes(self, text: bytes) -> None:
        """Any bytes are an expression or not, never an accident."""
        canonical = canonical_expression(text)
        if canonical is not None:
            self.assertTrue(check_expression(canonical))
            with contextlib.suppress(TooExpensive):  # a call of an unknown function
                evaluate(text, {}, NOW)

    @given(st.text("ab1.\"'\\ \n(){}[];,?:=!&|+-", max_size=14))
    @settings(deadline=None, max_examples=500)
    def test_reading_agrees_with_the_library(self, text: str) -> None:
        """What is recognized is accepted by the library, with the same strings."""
        try:
            syntax = read_syntax(text.encode())
        except ExpressionError:
            return
        make_tree(syntax)


class EvaluateTests(SynchronousTestCase):
    """Values of expressions."""

    def test_evaluate(self) -> None:
        """Literals, expressions, and texts that are none."""
        ad = {"a": b"1", "b": b'"x"'}
        for text, value in [
            (b"5", 5),
            (b"a + 1", 2),
            (b"strcat(b, a)", "x1"),
            (b"((", ERROR),
            (b"nope", UNDEFINED),
            (rb'"tab\t\"" ?: 1', 'tab\\t"'),
        ]:
            self.assertEqual(evaluate(text, ad, NOW), value, text)

    def test_target(self) -> None:
        """Bare names fall through to the target, TARGET names go there."""
        query = {"a": b"1", "projection": b'"x"'}
        ad = {"a": b"2", "b": b'"name"', "c": b"strcat(b, a)", "n": b"3"}
        for text, value in [
            (b"a", 1),
            (b"TARGET.a", 2),
            (b"MY.a", 1),
            (b'strcat(b, "s")', "names"),
            (b'ifThenElse(N > 2, "Name N", "Name")', "Name N"),
            (b"TARGET.c", "name2"),
            (b"TARGET.nope", UNDEFINED),
        ]:
            self.assertEqual(evaluate(text, query, NOW, target=ad), value, text)
        self.assertRaises(
            TooExpensive, evaluate, b'regexp("a", b)', query, NOW, target=ad
        )

    def test_evaluate_string(self) -> None:
        """Key attributes are evaluated; what is no string is missing."""
        ad = {
            "name": b'strcat("a","b")',
            "plain": b'"x"',
            "number": b"5",
            "bad": b"((",
            "expensive": b'regexps("a", "a", "b")',
        }
        self.assertEqual(evaluate_string(ad, "name"), "ab")
        self.assertEqual(evaluate_string(ad, "plain"), "x")
        for name in ("number", "bad", "absent", "expensive"):
            self.assertIsNone(evaluate_string(ad, name), name)


class LimitTests(SynchronousTestCase):
    """Nothing that a peer sends takes long, or raises what nobody expects."""

    def test_mnh_1_12_nesting(self) -> None:
        """Nesting is accepted as far as HTCondor goes, and refused beyond."""
        for opening, closing in (
            ("(", ")"),
            ("{", "}"),
            ("f(", ")"),
            ("[a=", "]"),
            ("x[", "]"),
        ):
            for depth, accepted in (100, True), (1_000, False), (300_000, False):
                text = (opening * depth + "1" + closing * depth).encode()
                self.assertIs(check_expression(text), accepted, f"{opening} {depth}")
        for opening in ("!", "-", "a?:", "a?b:", "a.b?:"):
            for depth, accepted in (100, True), (1_000, False), (100_000, False):
                text = (opening * depth + "a").encode()
                self.assertIs(check_expression(text), accepted, f"{opening} {depth}")

    def test_mnh_1_13_chains(self) -> None:
        """Chains of 20,000 operands are read, evaluated to something, and freed."""
        for sign in ("||", "+", "=="):
            text = sign.join(["a"] * 20_000).encode()
            self.assertTrue(check_expression(text))
            constraint = parse_constraint(text, NOW)
            self.assertFalse(constraint.matches({"a": b"0"}, allow_expensive=True))
            self.assertFalse(check_expression(text + (sign + "a").encode() * 2))

    def test_mnh_1_9_sizes(self) -> None:
        """Texts beyond the limit are refused before they are read."""
        fits = b'f("' + b"x" * (MAX_EXPRESSION_BYTES - 5) + b'")'
        self.assertTrue(check_expression(fits))
        self.assertFalse(check_expression(fits[:-1] + b" )"))
        self.assertFalse(check_expression(b"{" + b"1," * 40_000 + b"1}"))

    def test_mnh_1_14_depth(self) -> None:
        """Attributes that refer to each other without end are no match."""
        deep = {f"a{each}": b"a%d + 1" % (each + 1) for each in range(1_000)}
        constraint = parse_constraint(b"a0", NOW)
        self.assertRaises(TooExpensive, constraint.matches, deep)
        self.assertIs(constraint.evaluate({"a0": b"a0 + 1"}), UNDEFINED)
        circle = {"a0": b"a1 + a1", "a1": b"a2 + a0", "a2": b"a0 ?: a1"}
        self.assertIs(constraint.evaluate(circle), UNDEFINED)

    def test_mnh_1_15_steps(self) -> None:
        """Attributes that double the work each time are refused."""
        ad = {f"a{each}": b"a%d + a%d" % (each - 1, each - 1) for each in range(1, 60)}
        ad["a0"] = b"1"
        self.assertEqual(parse_constraint(b"a10", NOW).evaluate(ad), 1024)
        self.assertRaises(TooExpensive, parse_constraint(b"a59", NOW).evaluate, ad)
        tangle = {
            f"a{each}": " + ".join(f"a{other}" for other in range(30)).encode()
            for each in range(30)
        }
        self.assertRaises(TooExpensive, parse_constraint(b"a0", NOW).evaluate, tangle)

    def test_mnh_1_16_doubling_strings(self) -> None:
        """Strings that double, or repeat a long one, are refused."""
        ad = {
            f"a{each}": b"strcat(a%d, a%d)" % (each - 1, each - 1)
            for each in range(1, 60)
        }
        ad["a0"] = b'"0123456789"'
        self.assertEqual(parse_constraint(b"size(a9)", NOW).evaluate(ad), 5120)
        self.assertRaises(TooExpensive, parse_constraint(b"size(a50)", NOW).matches, ad)
        long = {"a": b'"' + b"x" * 1000 + b'"'}
        many = b"size(strcat(" + b",".join([b"a"] * 1100) + b"))"
        self.assertRaises(TooExpensive, parse_constraint(many, NOW).matches, long)
        few = b"size(strcat(a, a))"
        self.assertEqual(parse_constraint(few, NOW).evaluate(long), 2000)
        big = {"a": b'"' + b"x" * MAX_EXPANDED_BYTES + b'"'}
        self.assertRaises(TooExpensive, parse_constraint(few, NOW).matches, big)

    def test_mnh_1_17_integers(self) -> None:
        """Integers have 64 bits whatever is done to them."""
        square = {
            f"a{each}": b"a%d * a%d" % (each - 1, each - 1) for each in range(1, 9)
        }
        square["a0"] = b"10"
        for text in (
            b"1 << 2000000000",
            b"1 << -1",
            b"pow(10, 400000000)",
            b"9223372036854775807 + 1",
            b"-9223372036854775808 / -1",
            b"-9223372036854775808 - 1",
            b"99999999999999999999999999 + 1",
            b"a8",
        ):
            value = evaluate(text, square, NOW)
            assert isinstance(value, int), text
            self.assertTrue(-(1 << 63) <= value < 1 << 63, text)

    def test_mnh_1_18_numbers(self) -> None:
        """Huge numbers in expressions are refused or saturate."""
        self.assertFalse(check_expression(b"1+" + b"9" * 100_000))
        self.assertFalse(check_expression(b"1+1." + b"9" * 100_000))
        self.assertIs(evaluate(b"1e999 + 1", {}, NOW), ERROR)

    def test_mnh_1_19_regular_expressions(self) -> None:
        """A pattern from a peer is never run unless that is asked for."""
        bomb = {"owner": b'"' + b"a" * 40 + b'"', "start": b'regexp("(a+)+$", Owner)'}
        for text in (
            b'regexp("(a+)+$", Owner)',
            b'REGEXPS("(a*)*b", Owner, "")',
            b'stringListRegexpMember("(a|a)*b", Owner)',
            b'replaceAll("(a+)+b", Owner, "x")',
            b"evalInEachContext(x, y)",
            b"countMatches(x, y)",
            b"join(Owner, {1})",
        ):
            constraint = parse_constraint(text, NOW)
            self.assertTrue(constraint.is_expensive, text)
            self.assertRaises(TooExpensive, constraint.matches, bomb)
        cheap = parse_constraint(b"Start", NOW)
        self.assertFalse(cheap.is_expensive)
        self.assertRaises(TooExpensive, cheap.matches, bomb)
        simple = {"start": b'regexp("^b", "abc")'}
        self.assertFalse(cheap.matches(simple, allow_expensive=True))

    def test_mnh_10_6_formats_are_text(self) -> None:
        """Braces and percent signs in peer text are nothing special."""
        ad = {"a": b'"{0.__class__} %s %n"', "b": b"strcat(a, a)"}
        self.assertEqual(evaluate_string(ad, "b"), "{0.__class__} %s %n" * 2)


class WithoutTheLibraryTests(SynchronousTestCase):
    """Where the library is not installed."""

    def setUp(self) -> None:
        """Make the import fail."""
        patcher = mock.patch.dict(sys.modules, {"classad2": None})
        patcher.start()
        _remembered_check.cache_clear()
        self.addCleanup(patcher.stop)
        library.cache_clear()

    def test_common_constraints_work(self) -> None:
        """Compiled constraints need nothing."""
        self.assertFalse(expressions_available())
        constraint = parse_constraint(b'Name == "S3" && N > 2', NOW)
        self.assertTrue(constraint.matches(ad_of(3)))
        self.assertEqual(evaluate_string(ad_of(3), "name"), "s3")

    def test_the_others_say_so(self) -> None:
        """The error says what is missing and what to do."""
        error = self.assertRaises(
            ExpressionsUnavailable, parse_constraint, b"size(Name) == 2", NOW
        )
        self.assertIn("htcondor", str(error))
        constraint = parse_constraint(b"Ref > 8", NOW)
        self.assertRaises(ExpressionsUnavailable, constraint.matches, ad_of(3))

    def test_checks_still_work(self) -> None:
        """Our own reading decides then."""
        self.assertTrue(check_expression(b"without + (the_library)"))
        self.assertFalse(check_expression(b"without + (the_library"))


class WithTheLibraryTests(SynchronousTestCase):
    """Where it is installed."""

    def test_available(self) -> None:
        """It is seen."""
        self.assertTrue(expressions_available())
