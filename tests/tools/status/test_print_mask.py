"""Tests of ``condor_twisted.tools.status.print_mask``."""

from __future__ import annotations

from condor_twisted.classad.wire_ad import ExpressionText
from condor_twisted.tools.status.print_mask import Column, PrintMask, column
from condor_twisted.tools.status.printf import PrintfFormat
from tests.tools.status.kit import StatusTestCase, row_of


def lines_of(mask: PrintMask, *rows: dict[str, object]) -> list[str]:
    """Headings and rows of a table."""
    rendered = [mask.render(row_of(**row)) for row in rows]
    return [mask.headings(), *(mask.show(each) for each in rendered)]


class ColumnTests(StatusTestCase):
    def test_growing(self) -> None:
        """A column without a width grows from its heading to its widest value."""
        mask = PrintMask([column("Name"), column("N", "Count")])
        self.assertEqual(
            lines_of(mask, {"Name": "a", "N": 1}, {"Name": "longer", "N": 1234567}),
            ["Name   Count  \n", "a      1      \n", "longer 1234567\n"],
        )

    def test_fixed(self) -> None:
        """A fixed column aligns, and cuts only where it shall."""
        mask = PrintMask(
            [
                column("Name", width=-4),
                column("Name", width=4, truncate=True),
                column("Name", width=6),
            ]
        )
        self.assertEqual(
            lines_of(mask, {"Name": "abcdef"}, {"Name": "x"})[1:],
            ["abcdef abcd abcdef\n", "x       x      x\n"],
        )

    def test_no_value(self) -> None:
        """What stands for no value is one character, or fills the column."""
        for otherwise, width, expected in (
            ("", 5, "     "),
            (" ", 5, "     "),
            ("?", 5, "    ?"),
            ("??", 6, "[????]"),
            ("??", 2, " ?"),
            ("--", 4, "----"),
            ("_", 0, "_"),
            ("??", 0, ""),
        ):
            mask = PrintMask(
                [
                    Column(
                        "Absent",
                        width=width,
                        otherwise=otherwise,
                        printf=PrintfFormat.parse("%d"),
                    )
                ]
            )
            self.assertEqual(lines_of(mask, {})[1], expected + "\n")

    def test_values_of_the_wrong_kind(self) -> None:
        """A format takes its own kind of values; %s shows anything as it stands."""
        mask = PrintMask(
            [
                column("N", printf="%d", otherwise="?"),
                column("N", printf="%.1f", otherwise="?"),
                column("N", printf="%s|", otherwise="?"),
            ]
        )
        self.assertEqual(
            [line.split() for line in lines_of(mask, {"N": "x"}, {"N": 2.5})[1:]],
            [["?", "?", "x|"], ["2", "2.5", "2.5|"]],
        )
        self.assertEqual(
            lines_of(mask, {"N": ExpressionText("M + 1")})[1].split(),
            ["?", "?", "M", "+", "1|"],
        )

    def test_separators(self) -> None:
        """Rows and columns have what separates them."""
        mask = PrintMask(
            [column("A"), column("B", prefix=False)],
            before_row="<",
            before_column="-",
            after_column=",",
            after_row=">",
        )
        self.assertEqual(lines_of(mask, {"A": 1, "B": 2}), ["<A,B>", "<1,2>"])

    def test_max_width(self) -> None:
        """Lines are cut to the display."""
        mask = PrintMask([column("Name", width=-20)])
        mask.max_width = 7
        self.assertEqual(
            lines_of(mask, {"Name": "abcdefghij"}), ["Name   \n", "abcdefg\n"]
        )

    def test_computed(self) -> None:
        """A column may compute its value."""
        mask = PrintMask([column("x", compute=lambda row: row.integer("A") or 0)])
        self.assertEqual(lines_of(mask, {"A": 7})[1], "7\n")

    def test_formats_without_conversion(self) -> None:
        """A format that converts nothing shows itself; an unsafe one too."""
        for text in ("plain", "%*d"):
            mask = PrintMask([Column("A", printf=PrintfFormat.parse(text))])
            self.assertEqual(lines_of(mask, {"A": 7})[1], text + "\n")
