"""Tests of ``condor_twisted.tools.status.natural_order``."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.tools.status.natural_order import natural_key


def compare(left: bytes, right: bytes) -> int:
    """The comparison as the C++ source describes it, byte by byte."""
    one, other = left + b"\0", right + b"\0"
    at = 0
    while one[at] and one[at] == other[at]:
        at += 1
    if one[at] == other[at]:
        return 0

    def digit(text: bytes, index: int) -> bool:
        return index < len(text) and 48 <= text[index] <= 57

    def signed(code: int) -> int:
        return code - 256 if code > 127 else code

    plain = signed(one[at]) - signed(other[at])
    begin = at
    while begin and digit(one, begin - 1):
        begin -= 1
    if begin == at and not (digit(one, at) and digit(other, at)):
        return plain

    def zeros(text: bytes) -> int:
        end = begin
        while text[end] == 48:
            end += 1
        if end > begin and not digit(text, end):
            end -= 1
        return end - begin

    mine, theirs = zeros(one), zeros(other)
    if mine != theirs:
        return theirs - mine
    if mine:
        return plain

    def length(text: bytes) -> int:
        end = begin
        while digit(text, end):
            end += 1
        return end - begin

    return length(one) - length(other) or plain


NAMES = st.text("019a:_@\xe9", max_size=8).map(lambda text: text.encode("latin-1"))


class NaturalOrderTests(SynchronousTestCase):
    def test_examples(self) -> None:
        """Numbers count as numbers, more leading zeros come first."""
        names = [b"a00", b"a0", b"a1", b"a2", b"a10", b"a_", b"ab"]
        self.assertEqual(sorted(set(names), key=natural_key), names)
        names = [b"zero007", b"zero07", b"zero7"]
        self.assertEqual(sorted(set(names), key=natural_key), names)

    @settings(deadline=None, max_examples=400)
    @given(NAMES, NAMES)
    def test_as_the_comparison(self, left: bytes, right: bytes) -> None:
        """Keys compare as the texts do."""
        mine, theirs = natural_key(left), natural_key(right)
        self.assertEqual((mine > theirs) - (mine < theirs), _sign(compare(left, right)))


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
