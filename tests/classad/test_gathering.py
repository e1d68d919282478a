"""Tests for condor_twisted.classad.gathering."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.gathering import (
    MAX_EXPANDED_BYTES,
    Gathering,
    LiteralAds,
    TooExpensive,
    facts_of,
)


class GatheringTests(SynchronousTestCase):
    """Ads of what an expression refers to."""

    def test_reachable_attributes(self) -> None:
        """Attributes are collected through others, once each, in new syntax."""
        ad = {"a": b"b + c", "b": rb'"x\y"', "c": b"MY.b", "d": b"1", "e": b"(("}
        gathering = Gathering(ad, 7, allow_expensive=False)
        text = gathering.gather(("a", "e", "nope", "currenttime"), 10)
        self.assertEqual(text, r'[a=b + c;b="x\\y";c=self . b;e=error;currenttime=7]')

    def test_mnh_1_15_expanded_size(self) -> None:
        """The size counts each visit; at the limit it passes, beyond it does not."""
        ad = {"a": b'"' + b"x" * 997 + b'"'}
        for size, passes in (
            (MAX_EXPANDED_BYTES - 2000, True),
            (
                MAX_EXPANDED_BYTES - 1999,
                False,
            ),
        ):
            gathering = Gathering(ad, 0, allow_expensive=False)
            if passes:
                gathering.gather(("a", "a"), size)
            else:
                self.assertRaises(TooExpensive, gathering.gather, ("a", "a"), size)
        Gathering(ad, 0, allow_expensive=True).gather(("a",), MAX_EXPANDED_BYTES)

    def test_expensive_attributes(self) -> None:
        """An attribute that runs a regular expression needs permission."""
        ad = {"a": b'regexp("x", b)', "b": b'"x"'}
        cautious = Gathering(ad, 0, allow_expensive=False)
        self.assertRaises(TooExpensive, cautious.gather, ("a",), 1)
        free = Gathering(ad, 0, allow_expensive=True)
        self.assertEqual(free.gather(("a",), 1), '[a=regexp ( "x" , b );b="x"]')


class LiteralAdsTests(SynchronousTestCase):
    """The quick way for literals."""

    def test_literals(self) -> None:
        """Ads whose attributes are literals are made, others are not."""
        ads = LiteralAds(("a", "b c", "a", "nope"), 5)
        self.assertEqual(ads.text({"a": b"010", "b c": b'"x"'}), "[a=10;'b c'=\"x\"]")
        self.assertIsNone(ads.text({"a": b"b"}))
        self.assertIsNone(ads.text({"a": b'"' + b"x" * 200 + b'"'}))
        self.assertIsNone(LiteralAds(("currenttime",), 5).text({}))
        self.assertIsNone(LiteralAds(("a",), MAX_EXPANDED_BYTES).text({"a": b"1"}))


class FactsTests(SynchronousTestCase):
    """What is remembered about texts."""

    def test_facts(self) -> None:
        """Cheap and expensive functions, references, and texts that are none."""
        facts = facts_of(b"size(A) + b")
        assert facts is not None
        self.assertTrue(facts.is_cheap)
        self.assertEqual(facts.references, ("a", "b"))
        expensive = facts_of(b"Nofunc(" + b'"x",' * 1000 + b"1)")
        assert expensive is not None
        self.assertFalse(expensive.is_cheap)
        self.assertIsNone(facts_of(b"(("))
