"""Tests of prefixed texts: what they prove of an update, and what they never let by."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemons.collector.state.habits import Shape, ShapeBook, heads_of
from condor_twisted.daemons.collector.state.prefixed_forms import (
    PrefixedText,
    follow_prefixed,
    prefixed_shape,
)
from condor_twisted.wire.messages import encode_prefixed

NEEDLES = (b"A = ", b"\0C = ", b"\0E = ")


def text(*lines: bytes) -> bytes:
    """Lines with their NULs."""
    return b"".join(line + b"\0" for line in lines)


def string(line: bytes, length: int | None = None) -> bytes:
    """One line in prefixed form, with any length in front."""
    return (len(line) + 1 if length is None else length).to_bytes(8, "big") + (
        line + b"\0"
    )


class FollowTests(SynchronousTestCase):
    """One prefixed text held against another."""

    def setUp(self) -> None:
        """A text of which three values change, the first and the last among them."""
        self.book = ShapeBook()
        self.clear = text(
            b"A = 1", b"B = x", b"Bb = " + b"y" * 300, b"C = 22", b"E = 3"
        )
        shape = self.book.shape_between(self.clear, NEEDLES)
        assert shape is not None
        self.shape = shape
        form = prefixed_shape(self.book, shape, self.clear)
        assert form is not None
        self.form = form
        self.text = encode_prefixed(self.clear)

    def follow(
        self, payload: bytes, start: int = 0
    ) -> tuple[Shape, tuple[bytes, ...]] | None:
        """What is found of the changing values."""
        heads = heads_of(NEEDLES)
        return follow_prefixed(self.book, self.form, heads, self.text, payload, start)

    def lines(self, first: bytes, second: bytes, third: bytes) -> tuple[bytes, ...]:
        """The lines of an ad with these values."""
        return (
            b"A = " + first,
            b"B = x",
            b"Bb = " + b"y" * 300,
            b"C = " + second,
            b"E = " + third,
        )

    def test_shape(self) -> None:
        """The shape of the prefixed text is where its values are."""
        self.assertEqual(self.form.size, len(self.text))
        self.assertEqual(self.form.values_of(self.text), (b"1", b"22", b"3"))
        wide = prefixed_shape(self.book, self.shape, self.clear, 8, 18)
        assert wide is not None
        payload = bytes(8) + self.text + bytes(18)
        self.assertEqual(wide.size, len(payload))
        self.assertEqual(wide.values_of(payload), (b"1", b"22", b"3"))

    def test_other_values(self) -> None:
        """Values of any width are found where everything else is the same."""
        for values in ((b"9", b"77", b"8"), (b"123", b'"x"', b"z" * 400)):
            new = encode_prefixed(text(*self.lines(*values)))
            found = self.follow(b"..." + new + b"..", 3)
            assert found is not None
            form, found_values = found
            self.assertEqual(found_values, values)
            self.assertEqual(form.size, len(new))
            self.assertEqual(form.values_of(new), values)
            clear = self.shape.filled(self.clear, values)
            self.assertEqual(encode_prefixed(clear), new)

    def test_mnh_1_11_wrong_lengths(self) -> None:
        """A length that is not that of its line is never believed."""
        lines = self.lines(b"9", b"77", b"8")
        for at in range(len(lines)):
            right = len(lines[at]) + 1
            for length in (
                *(0, 1, right - 1, right + 1, right + 256, right + 65_536),
                *(2**31, 2**32 + right, 2**63, 2**64 - 1, 2**64 - right),
            ):
                damaged = [string(line) for line in lines]
                damaged[at] = string(lines[at], length)
                self.assertIsNone(self.follow(b"".join(damaged)), (at, length))

    def test_mnh_1_11_two_wrong_lengths(self) -> None:
        """Lengths that are right in sum only are not believed either."""
        lines = self.lines(b"9", b"77", b"8")
        for at in range(len(lines) - 1):
            for much in (-3, -1, 1, 3):
                damaged = [string(line) for line in lines]
                damaged[at] = string(lines[at], len(lines[at]) + 1 + much)
                damaged[at + 1] = string(lines[at + 1], len(lines[at + 1]) + 1 - much)
                self.assertIsNone(self.follow(b"".join(damaged)), (at, much))

    def test_mnh_1_9_what_is_no_value(self) -> None:
        """An empty value, one of blanks, or one with a NUL in it is never taken."""
        for value in (b"", b" ", b"  ", b" 2", b"\0", b"2\0", b"\x002", b"2\0\0"):
            for at in range(3):
                values = [b"9", b"77", b"8"]
                values[at] = value
                payload = b"".join(map(string, self.lines(*values)))
                self.assertIsNone(self.follow(payload), (value, at))

    def test_any_other_difference(self) -> None:
        """Another name, value, order, or number of lines is not the same ad."""
        good = list(self.lines(b"9", b"77", b"8"))
        for lines in (
            [good[0], b"B = X", *good[2:]],
            [good[0], b"b = x", *good[2:]],
            [good[0], b"B = xx", *good[2:]],
            [good[0], good[2], good[1], *good[3:]],
            [good[3], *good[1:3], good[0], good[4]],
            [*good[:3], b"c = 77", good[4]],
            [*good[:3], b"Cc = 77", good[4]],
            good[:-1],
            good[1:],
            [],
        ):
            self.assertIsNone(self.follow(b"".join(map(string, lines))), lines)

    def test_cut_short(self) -> None:
        """A message that ends anywhere inside is not an ad."""
        for values in ((b"9", b"77", b"8"), (b"123", b"7", b"88")):
            new = encode_prefixed(text(*self.lines(*values)))
            for size in range(len(new)):
                self.assertIsNone(self.follow(new[:size]))

    @settings(deadline=None, max_examples=300)
    @example(b"1\0", b"2", b"3", [6, 6, 6])
    @example(b"1", b"2\0" + string(b"X = 1"), b"3", [6, 21, 6])
    @given(
        st.binary(max_size=12),
        st.binary(max_size=12),
        st.binary(max_size=12),
        st.lists(st.integers(0, 24), min_size=3, max_size=3),
    )
    def test_any_values_and_lengths(
        self, first: bytes, second: bytes, third: bytes, lengths: list[int]
    ) -> None:
        """What is taken is just the prefixed form of lines with these values."""
        lines = self.lines(first, second, third)
        pieces = [string(line) for line in lines]
        for at, length in zip((0, 3, 4), lengths, strict=True):
            pieces[at] = string(lines[at], length)
        payload = b"".join(pieces)
        found = self.follow(payload)
        if found is not None:
            self.assertEqual(found[1], (first, second, third))
            self.assertNotIn(0, first + second + third)
            self.assertEqual(encode_prefixed(text(*lines)), payload)

    def test_mnh_1_29_bounded(self) -> None:
        """There is no shape beyond the most, nor one for lines that may be too long."""
        full = ShapeBook(max_shapes=0)
        self.assertIsNone(prefixed_shape(full, self.shape, self.clear))
        new = encode_prefixed(text(*self.lines(b"9", b"7" * (1 << 20), b"8")))
        self.assertIsNone(self.follow(new))


class TextTests(SynchronousTestCase):
    """What is kept."""

    def test_forget(self) -> None:
        """A text that is not true any more is empty, but counts as it did."""
        kept = PrefixedText(b"x" * 100, b"y" * 10)
        size = kept.size_bytes
        self.assertGreater(size, 110)
        kept.forget()
        self.assertEqual((kept.body, kept.tail, kept.shape), (b"", b"", None))
        self.assertEqual(kept.size_bytes, size)
