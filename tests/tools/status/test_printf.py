"""Tests of ``condor_twisted.tools.status.printf``."""

from __future__ import annotations

from condor_twisted.tools.status.printf import (
    Conversion,
    PrintfFormat,
    collapse_escapes,
    duration,
    short_date,
)
from tests.tools.status.kit import StatusTestCase


class PrintfTests(StatusTestCase):
    def test_kinds(self) -> None:
        """The conversion's letter says what it takes."""
        for text, kind in (
            ("%d", Conversion.INTEGER),
            ("a %-5.3llx b", Conversion.INTEGER),
            ("%g", Conversion.REAL),
            ("%c", Conversion.CHARACTER),
            ("100%% %s", Conversion.STRING),
            ("%v", Conversion.VALUE),
            ("%r", Conversion.RAW),
            ("%T", Conversion.TIME),
            ("%Y", Conversion.DATE),
            ("plain", Conversion.NONE),
            ("%", Conversion.NONE),
            ("%n", Conversion.NONE),
            ("%q", Conversion.NONE),
        ):
            self.assertIs(PrintfFormat.parse(text).kind, kind, text)

    def test_widths(self) -> None:
        """Width and alignment are read; a width from elsewhere is unsafe."""
        left = PrintfFormat.parse("%-12s|")
        self.assertEqual((left.width, left.left, left.unsafe), (12, True, False))
        self.assertTrue(PrintfFormat.parse("%*d").unsafe)
        self.assertTrue(PrintfFormat.parse("%.*f").unsafe)
        self.assertTrue(PrintfFormat.parse("%s").is_plain_string)
        self.assertFalse(PrintfFormat.parse("%s ").is_plain_string)

    def test_integers(self) -> None:
        """Integers have C's size, and its text."""
        for text, value, expected in (
            ("%d", 3, "3"),
            ("<%5d>", 3, "<    3>"),
            ("%-5d|", 3, "3    |"),
            ("%05d", -3, "-0003"),
            ("%+d", 3, "+3"),
            ("%d", 3_000_000_000, "-1294967296"),
            ("%lld", 3_000_000_000, "3000000000"),
            ("%hd", 70_000, "4464"),
            ("%hhd", 200, "-56"),
            ("%u", -1, "4294967295"),
            ("%x", 255, "ff"),
            ("%#X", 255, "0XFF"),
            ("%o", 8, "10"),
            ("%#o", 8, "010"),
            ("%c", 65, "A"),
            ("a%cb", 0, "a"),
            ("%.1f", 2, "2.0"),
        ):
            self.assertEqual(PrintfFormat.parse(text).of_integer(value), expected, text)

    def test_reals(self) -> None:
        """Reals have C's text; an integer's format takes their whole part."""
        for text, value, expected in (
            ("%f", 1.5, "1.500000"),
            ("%08.3f", 1.5, "0001.500"),
            ("%e", 1500.0, "1.500000e+03"),
            ("%G", 1e-10, "1E-10"),
            ("%a", 1.0, "0x1.0000000000000p+0"),
            ("%d", 2.9, "2"),
        ):
            self.assertEqual(PrintfFormat.parse(text).of_real(value), expected, text)

    def test_text(self) -> None:
        """Text can be padded and cut."""
        self.assertEqual(PrintfFormat.parse("%-5.2s|").of_text("abc"), "ab   |")
        self.assertEqual(PrintfFormat.parse("50%% %s").of_text("x"), "50% x")

    def test_escapes(self) -> None:
        """Escapes of C are taken for what they mean."""
        self.assertEqual(collapse_escapes(r"a\n\t\\\"\x41\101\e"), 'a\n\t\\"AAe')

    def test_times(self) -> None:
        """Durations have days; dates have none of the year."""
        self.assertEqual(duration(0), "  0+00:00:00")
        self.assertEqual(duration(1_234_567), " 14+06:56:07")
        self.assertEqual(duration(-5), "  0+00:00:-5")
        self.assertEqual(short_date(1_700_000_000), "11/14 22:13")
        self.assertEqual(short_date(100_000), " 1/2  03:46")
        for impossible in (-1, 1 << 62):
            self.assertEqual(short_date(impossible), "    ???    ")
