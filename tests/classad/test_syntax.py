"""Tests for condor_twisted.classad.syntax."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.library import make_tree, run
from condor_twisted.classad.literals import NOT_LITERAL, format_literal, parse_literal
from condor_twisted.classad.syntax import (
    MAX_NESTING,
    MAX_OPERATORS,
    quote_name,
    quote_string,
    read_syntax,
)
from condor_twisted.errors import ExpressionError


class ReadSyntaxTests(SynchronousTestCase):
    """Recognizing expressions."""

    def test_accepted(self) -> None:
        """Everything of the grammar is recognized, to its end."""
        for text in (
            "a+b*c",
            "{ 1,2,{} }",
            "f()",
            "f (1, g(2))[0].x",
            "[;;a=1;;'b c'=2;;]",
            "[]",
            "a.b.c[1].d",
            "a?b:c?d:e",
            "a?b?c:d:e",
            "a ? : b?:c",
            "a ?: -5",
            "- - 1",
            "a--1",
            "a is b isnt c",
            "1>>2>>>3<<4",
            "a&b|c^~d",
            ".a + 1 .b",
            "'q r'.x",
            "f(1;2)",
            '{"a","b\\"c"}',
        ):
            self.assertEqual(read_syntax(text.encode()).end, len(text), text)

    def test_refused(self) -> None:
        """What is no expression from its beginning on is refused."""
        for text in (
            "",
            " ",
            "a ||",
            "(a",
            "(a]",
            "{,}",
            "{1,}",
            "f(1,)",
            "[a=1 b=2]",
            "[1=2]",
            "[a 1]",
            "a.",
            ".",
            "a ? b",
            "a ?: !b",
            "a[1",
            "=",
            '{"a\\","b"}',
            '"open',
            "0x10",
            "08",
            "1.5e",
            "1.",
            "is 1",
            "* a",
        ):
            self.assertRaises(ExpressionError, read_syntax, text.encode())

    def test_what_follows_is_ignored(self) -> None:
        """The longest expression at the beginning counts."""
        for text, end in [
            ("foo bar", 3),
            ("10K", 2),
            ('"a" "b"', 3),
            ("1; b = 2", 1),
            ("a // c", 1),
            ("a /* open", 1),
            ("a =? b", 1),
            ("(a)] }", 3),
            ("a : b", 1),
            ("a @", 1),
            ("a.1.", 1),
        ]:
            self.assertEqual(read_syntax(text.encode()).end, end, text)

    def test_facts(self) -> None:
        """References, functions and the other ad's attributes are told apart."""
        syntax = read_syntax(b"A + a * MY.B - TARGET.C + F(g.h, 'i j') ?: .K")
        self.assertEqual(syntax.references, ("a", "a", "b", "g", "i j", "k"))
        self.assertEqual(syntax.target_references, {"c"})
        self.assertEqual(syntax.functions, {"f"})

    def test_converted(self) -> None:
        """New syntax: doubled backslashes, MY is self, comments are gone."""
        for text, converted in [
            (rb'"C:\dir" == MY.x // y', rb'"C:\\dir" == self . x'),
            (rb'f("a\"b", "c\")', None),
            (rb'f("a\"b")', rb'f ( "a\"b" )'),
            (b"a is TRUE /* c */", b"a =?= true"),
            (b"a ? : 'it\\'s'", b"a ?: 'it\\'s'"),
        ]:
            if converted is None:
                self.assertRaises(ExpressionError, read_syntax, text)
            else:
                self.assertEqual(read_syntax(text).converted, converted)

    def test_mnh_1_12_frames(self) -> None:
        """Frames are counted as HTCondor's parser holds them."""
        for depth, frames in (0, 3), (1, 6), (165, 498):
            text = b"(" * depth + b"1" + b")" * depth
            self.assertEqual(read_syntax(text).frames, frames)
        deepest = b"!" * (MAX_NESTING - 3) + b"1"
        self.assertEqual(read_syntax(deepest).frames, MAX_NESTING)
        self.assertRaises(ExpressionError, read_syntax, b"!" + deepest)

    def test_mnh_1_13_operators(self) -> None:
        """20,000 operators are read and one more is refused."""
        text = b"1" + b"+1" * MAX_OPERATORS
        self.assertEqual(read_syntax(text).end, len(text))
        self.assertRaises(ExpressionError, read_syntax, text + b"+1")

    @given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
    @settings(deadline=None)
    def test_strings_survive_the_conversion(self, content: str) -> None:
        """A string has one value, whoever reads it."""
        literal = format_literal(content)
        value = parse_literal(literal)
        if value is NOT_LITERAL:
            return  # a backslash before a quote cannot be written in old syntax
        self.assertEqual(run(make_tree(read_syntax(literal)), "[]"), value)

    @given(st.binary(max_size=40))
    @settings(deadline=None)
    def test_any_bytes(self, text: bytes) -> None:
        """Any bytes are read or refused."""
        try:
            self.assertLessEqual(read_syntax(text).end, len(text))
        except ExpressionError:
            return


class QuoteTests(SynchronousTestCase):
    """Pieces of new syntax."""

    def test_names(self) -> None:
        """Only names that need quotes get them."""
        for name, quoted in [
            ("a_1", "a_1"),
            ("1a", "'1a'"),
            ("a b", "'a b'"),
            ("true", "'true'"),
            ("isnt", "'isnt'"),
            ("it's\\", "'it\\'s\\\\'"),
            ("\u0660", "'\u0660'"),
        ]:
            self.assertEqual(quote_name(name), quoted)

    def test_strings(self) -> None:
        """Backslashes and quotes are escaped."""
        self.assertEqual(quote_string(rb"a\"b"), rb'"a\\\"b"')
