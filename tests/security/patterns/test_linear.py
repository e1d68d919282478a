"""`condor_twisted.security.patterns.linear`."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.security.patterns.linear import LinearPattern, compile_pattern
from condor_twisted.security.patterns.syntax import CharacterSet, PatternError

#: Patterns that mean the same to Python, whose matches are those of PCRE.
SHARED = (
    r"^/O=condor/CN=(\w+)$",
    r"(a|b)*c",
    r"(a+)+$",
    r"a{2,3}",
    r"a{2}b{1,}?",
    r"(?i)aBc",
    r"[^/]+@([a-z.]+)",
    r"(a*)(b?)c",
    r"^(.*?)(\d+)$",
    r"\bfoo\b",
    r"o\B.",
    r"a|ab|abc",
    r"(ab|a)(c|bcd)(d*)",
    r"[]a]+",
    r"[a\-z]+",
    r"(x)?y",
    r"a.c",
    r"(a|b|cd)+?d",
    r"(?m)^a$",
    r"(?s)a.b",
    r"[\d@]{2}$",
    r"(?:a|(?P<name>b))+-",
)


class SearchTests(SynchronousTestCase):
    """What is found."""

    @settings(deadline=None, max_examples=150)
    @given(st.text("abcdfoxy/1@-\nABC", max_size=12))
    def test_same_as_backtracking(self, text: str) -> None:
        """The match and its groups are those that trying one after the other finds."""
        for pattern in SHARED:
            wanted = re.search(pattern, text)
            found = compile_pattern(pattern).search(text)
            if wanted is None:
                self.assertIsNone(found, pattern)
            elif wanted[0]:
                groups = (wanted[0], *(each or "" for each in wanted.groups()))
                self.assertEqual(found, groups, (pattern, text))

    def test_empty_match_does_not_count(self) -> None:
        """An empty match is none; a longer one further on is one."""
        self.assertIsNone(compile_pattern("x*").search("abc"))
        self.assertEqual(compile_pattern("x*").search("abxx"), ("xx",))
        self.assertIsNone(compile_pattern("^$").search(""))
        self.assertEqual(compile_pattern("|a").search("a"), ("a",))

    def test_flags(self) -> None:
        """Caseless and ungreedy, as a map file has them."""
        self.assertIsNone(compile_pattern("ABC").search("abc"))
        found = compile_pattern("A[B-C]+", caseless=True).search("xabc")
        self.assertEqual(found, ("abc",))
        self.assertEqual(compile_pattern("a+", ungreedy=True).search("aaa"), ("a",))
        self.assertEqual(compile_pattern("a+?", ungreedy=True).search("aaa"), ("aaa",))
        self.assertIsNone(compile_pattern("s", caseless=True).search("\xdf"))

    def test_group_without_part(self) -> None:
        """A group that took no part is empty."""
        self.assertEqual(compile_pattern("(a)|(b)").search("b"), ("b", "", "b"))
        self.assertEqual(compile_pattern("(a)|(b)").group_count, 2)

    def test_anchors(self) -> None:
        """A newline at the end stands behind the end for ``$``, not for ``\\z``."""
        self.assertEqual(compile_pattern("a$").search("a\n"), ("a",))
        self.assertIsNone(compile_pattern(r"a\z").search("a\n"))
        self.assertEqual(compile_pattern("(?m)a$").search("a\nb"), ("a",))
        self.assertIsNone(compile_pattern("b^a").search("ba"))

    def test_repr(self) -> None:
        """It shows the pattern."""
        self.assertEqual(repr(compile_pattern("a+")), "<LinearPattern 'a+'>")


class CostTests(SynchronousTestCase):
    """What it costs."""

    def steps(self, pattern: str, text: str) -> int:
        """How often a character is held against a set."""
        count = 0
        has = CharacterSet.has

        def counted(characters: CharacterSet, character: str) -> bool:
            nonlocal count
            count += 1
            return has(characters, character)

        self.patch(CharacterSet, "has", counted)
        compile_pattern(pattern).search(text)
        self.patch(CharacterSet, "has", has)
        return count

    def test_mnh_1_19_linear(self) -> None:
        """Patterns that trip other engines take steps in proportion to the text."""
        for pattern in (r"(a+)+$", r"(a|a)*b", r"(.*)(.*)(.*)(.*)x", r"(a?){20}a{20}b"):
            once = self.steps(pattern, "a" * 200 + "!")
            twice = self.steps(pattern, "a" * 400 + "!")
            self.assertLess(twice, 3 * once + 100, pattern)
            self.assertLess(twice, 100_000, pattern)

    def test_mnh_1_19_known_states_are_bounded(self) -> None:
        """No text makes the automaton in front grow without an end."""
        pattern: LinearPattern = compile_pattern("(a|b)*a(a|b){12}c")
        text = "".join("ab"[(at * at // 7) % 2] for at in range(4000))
        self.assertIsNone(pattern.search(text))
        self.assertLessEqual(len(pattern._known), 500)

    def test_mnh_1_19_size_when_written_out(self) -> None:
        """A short pattern that is a very long one is refused."""
        for pattern in ("(a{100}){100}", "(((){500}){500}){500}", "a" * 4097):
            self.assertRaises(PatternError, compile_pattern, pattern)
