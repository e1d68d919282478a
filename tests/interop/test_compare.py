"""Tests of `interop.compare`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from interop.compare import (
    Difference,
    ad_key,
    compare_ads,
    compare_json,
    compare_rows,
    parse_json,
    parse_long,
    same_expression,
)


class ParsingTests(SynchronousTestCase):
    """What ``condor_status`` prints becomes ads."""

    def test_long_is_split_at_blank_lines(self) -> None:
        """Two blocks are two ads, whatever the number of blank lines around them."""
        text = '\nName = "a"\nX = 1 = 2\n\n\nName = "b"\n\n'
        self.assertEqual(
            parse_long(text), [{"Name": '"a"', "X": "1 = 2"}, {"Name": '"b"'}]
        )

    def test_long_of_nothing_is_no_ad(self) -> None:
        """Empty output is an empty list, not one empty ad."""
        self.assertEqual(parse_long("\n\n"), [])

    def test_long_refuses_a_line_that_is_no_attribute(self) -> None:
        """An error message among the ads is not taken for data."""
        self.assertRaises(ValueError, parse_long, 'Name = "a"\n-- Failed to fetch\n')

    def test_long_refuses_an_attribute_twice(self) -> None:
        """A duplicate in one ad is reported, not swallowed."""
        self.assertRaises(ValueError, parse_long, "X = 1\nX = 2\n")

    def test_json_values_keep_their_types(self) -> None:
        """A number and a string of digits stay different."""
        self.assertEqual(
            parse_json('[{"A": 1, "B": "1", "C": [true, "ü"]}]'),
            [{"A": "1", "B": '"1"', "C": '[true, "ü"]'}],
        )
        self.assertEqual(parse_json("\n"), [])

    def test_json_refuses_anything_but_an_array(self) -> None:
        """One bare ad, or an error text, is not an answer of ``-json``."""
        self.assertRaises(ValueError, parse_json, '{"A": 1}')
        self.assertRaises(ValueError, parse_json, "Error: communication error")

    def test_key_is_made_of_what_tells_ads_apart(self) -> None:
        """Two submitter ads of one user at two schedds have two keys."""
        first = {"MyType": '"Submitter"', "Name": '"u"', "ScheddName": '"s1"'}
        second = first | {"scheddname": '"s2"'}
        del second["ScheddName"]
        self.assertEqual(ad_key(first), "Submitter u s1")
        self.assertEqual(ad_key(second), "Submitter u s2")


class AdComparisonTests(SynchronousTestCase):
    """Ads are compared attribute by attribute."""

    def test_order_of_ads_and_attributes_does_not_matter(self) -> None:
        """The collector promises no order."""
        left = [{"Name": '"a"', "X": "1"}, {"Name": '"b"'}]
        right = [{"Name": '"b"'}, {"X": "1", "Name": '"a"'}]
        self.assertEqual(compare_ads("q", left, right), [])

    def test_changed_value_is_found(self) -> None:
        """One changed value is one difference that names everything."""
        found = compare_ads(
            "q", [{"Name": '"a"', "X": "1"}], [{"Name": '"a"', "X": "2"}]
        )
        self.assertEqual(found, [Difference("q", "a", "X", "1", "2")])

    def test_missing_and_surplus_attributes_are_found(self) -> None:
        """An attribute on one side only is a difference with ``None``."""
        found = compare_ads(
            "q", [{"Name": '"a"', "X": "1"}], [{"Name": '"a"', "Y": "2"}]
        )
        self.assertEqual(
            found,
            [
                Difference("q", "a", "X", "1", None),
                Difference("q", "a", "Y", None, "2"),
            ],
        )

    def test_missing_and_surplus_ads_are_found(self) -> None:
        """An ad on one side only is one difference, not one per attribute."""
        found = compare_ads("q", [{"Name": '"a"', "X": "1"}], [{"Name": '"b"'}])
        self.assertEqual(
            [(item.row, item.expected, item.actual) for item in found],
            [("a", "an ad", None), ("b", None, "an ad")],
        )

    def test_ads_with_one_key_are_counted(self) -> None:
        """A duplicate on one side is found, though its key is there on both."""
        ad = {"Name": '"a"'}
        self.assertEqual(len(compare_ads("q", [ad, dict(ad)], [ad])), 1)
        self.assertEqual(compare_ads("q", [ad, dict(ad)], [dict(ad), ad]), [])

    def test_another_spelling_of_a_name_is_found(self) -> None:
        """Names are matched without case, but a changed case is a difference."""
        found = compare_ads(
            "q", [{"Name": '"a"', "Xy": "1"}], [{"NAME": '"a"', "xY": "1"}]
        )
        self.assertEqual(
            [item.field for item in found],
            ["the spelling of Name", "the spelling of Xy"],
        )

    def test_json_is_compared_by_value(self) -> None:
        """Spacing of the document is nothing, a value of another type is."""
        self.assertEqual(compare_json("q", '[{"A": 1}]', '[ {"A":1} ]'), [])
        self.assertEqual(len(compare_json("q", '[{"A": 1}]', '[{"A": "1"}]')), 1)


class RowComparisonTests(SynchronousTestCase):
    """Tables are compared word by word."""

    def test_equal_lines_in_another_order_are_equal(self) -> None:
        """Blank lines, widths and the order of lines do not count."""
        self.assertEqual(compare_rows("q", "a 1\n\nb   2\n", "b 2\na 1"), [])

    def test_changed_word_is_found_in_its_row(self) -> None:
        """The row with the most words in common is the partner."""
        found = compare_rows("q", "a 1 x\nb 2 y\n", "b 3 y\na 1 x\n")
        self.assertEqual(found, [Difference("q", "b 2 y", "column 2", "2", "3")])

    def test_missing_and_surplus_rows_are_found(self) -> None:
        """Rows without a word in common are no partners."""
        found = compare_rows("q", "a 1\n", "b 2\n")
        self.assertEqual(
            [(item.field, item.expected, item.actual) for item in found],
            [("<whole>", "a 1", None), ("<whole>", None, "b 2")],
        )

    def test_repeated_rows_are_counted(self) -> None:
        """The same line twice is not the same line once."""
        self.assertEqual(len(compare_rows("q", "a\na\n", "a\n")), 1)


class ExpressionTests(SynchronousTestCase):
    """Texts that differ may be one expression."""

    def test_spacing_does_not_matter(self) -> None:
        """The real library's spelling decides."""
        self.assertTrue(same_expression("{1, 2}", "{ 1,2 }"))
        self.assertTrue(same_expression("a&&b", "a && b"))

    def test_other_values_are_different(self) -> None:
        """An integer is no real, a string no number, and an error equals nothing."""
        self.assertFalse(same_expression("1", "1.0"))
        self.assertFalse(same_expression("1", '"1"'))
        self.assertFalse(same_expression("((", ")("))

    def test_backslashes_count(self) -> None:
        """In old syntax a backslash is a character, and one lost is a difference."""
        self.assertTrue(same_expression(r'"C:\dir"', r'"C:\dir"'))
        self.assertFalse(same_expression(r'"C:\dir"', '"C:dir"'))
