"""`condor_twisted.security.patterns.syntax`."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.security.patterns.linear import compile_pattern
from condor_twisted.security.patterns.syntax import (
    Alternation,
    Assertion,
    CharacterSet,
    Group,
    PatternError,
    PatternFlags,
    PatternUnsupported,
    Place,
    Repeat,
    Sequence,
    parse_pattern,
)

A = CharacterSet(((97, 97),))
B = CharacterSet(((98, 98),))
PLAIN = PatternFlags()


class SyntaxTests(SynchronousTestCase):
    """What a text means."""

    def test_structure(self) -> None:
        """Parts, groups, choices and repeats are what they look like."""
        for text, node in (
            ("a", A),
            ("ab", Sequence((A, B))),
            ("a|b", Alternation((A, B))),
            ("(a)", Group(1, A)),
            ("(?:a)", A),
            ("(?<x>a)", Group(1, A)),
            ("(?'x'a)", Group(1, A)),
            ("a*", Repeat(A, 0, None, True)),
            ("a+?", Repeat(A, 1, None, False)),
            ("a{2,3}", Repeat(A, 2, 3, True)),
            ("a{2,}{3}", Repeat(Repeat(A, 2, None, True), 3, 3, True)),
            ("^", Assertion(Place.SUBJECT_START)),
            ("(?m)^", Assertion(Place.LINE_START)),
            (r"\b", Assertion(Place.WORD_BOUNDARY)),
            ("^*", Sequence(())),
            ("(?#note)a", A),
            ("(?x) a # b\n b", Sequence((A, B))),
            (r"\Qa\E", Sequence((A,))),
            ("a(?i:b)", Sequence((A, CharacterSet(((98, 98),), caseless=True)))),
            ("(?i)(?-i)a", A),
        ):
            with self.subTest(text=text):
                self.assertEqual(parse_pattern(text, PLAIN)[0], node)

    def test_literal_brace(self) -> None:
        """A brace that is no repeat stands for itself."""
        for text in ("a{", "a{x}", "a{,2}", "a{1x}"):
            self.assertEqual(compile_pattern(text).search(text), (text,))

    def test_characters(self) -> None:
        """Classes, escapes and codes stand for their characters."""
        for text, inside, outside in (
            (r"\d", "0", "a"),
            (r"\D", "a", "0"),
            (r"\w", "_", "-"),
            (r"\s", "\t", "a"),
            (r"\h", " ", "\n"),
            (r"[[:alpha:]]", "z", "1"),
            (r"[[:^alpha:]]", "1", "z"),
            (r"[^a-c]", "d", "b"),
            (r"[\d\-x]", "-", "y"),
            (r"[a-\d]", "-", "b"),
            (r"[a-]", "-", "b"),
            (r"[\b]", "\b", "b"),
            (r"\x41", "A", "B"),
            (r"\x{20AC}", "\u20ac", "a"),
            (r"\012", "\n", "n"),
            (r"\t", "\t", "t"),
            (r"\/", "/", "a"),
            (".", "a", "\n"),
            (r"\N", "a", "\n"),
        ):
            with self.subTest(text=text):
                pattern = compile_pattern(text)
                self.assertEqual(pattern.search(inside), (inside,))
                self.assertIsNone(pattern.search(outside))

    def test_no_pattern(self) -> None:
        """What PCRE does not read either is an error."""
        for text in (
            "(",
            ")",
            "(a",
            "a)",
            "*",
            "a**",
            "+",
            "[a",
            "[b-a]",
            "[[:nobody:]]",
            "\\",
            "[\\",
            "a{3,2}",
            "a{1001}",
            r"\x{41",
            r"\x{FFFFFF}",
            "(?#",
            "(?<x",
            "(?<>a)",
            "(" * 60 + ")" * 60,
        ):
            with self.subTest(text=text):
                error = self.assertRaises(PatternError, parse_pattern, text, PLAIN)
                self.assertNotIsInstance(error, PatternUnsupported)

    def test_unsupported(self) -> None:
        """What PCRE reads but nobody can match in linear time is told apart."""
        for text in (
            r"(a)\1",
            "(?=a)",
            "(?!a)",
            "(?<=a)",
            "(?<!a)",
            "(?>a)",
            "(?|a)",
            "a++",
            "(?R)",
            "(*ACCEPT)",
            r"\K",
            r"[\K]",
        ):
            with self.subTest(text=text):
                self.assertRaises(PatternUnsupported, parse_pattern, text, PLAIN)

    def test_length(self) -> None:
        """4,096 characters may be, one more may not."""
        self.assertEqual(parse_pattern("a" * 4096, PLAIN)[1], 0)
        self.assertRaises(PatternError, parse_pattern, "a" * 4097, PLAIN)

    @settings(deadline=None, max_examples=200)
    @given(st.text("ab()[]{}|*+?\\^$.-:<>=!#iQE10,xd", max_size=20))
    def test_fuzz(self, text: str) -> None:
        """Any text is a pattern or an error, and a pattern can be searched for."""
        try:
            pattern = compile_pattern(text)
        except PatternError:
            return
        pattern.search("ab10()")
