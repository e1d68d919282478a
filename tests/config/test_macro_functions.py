"""The functions a value may call; see also the recorded cases."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.arithmetic import Unparsed
from condor_twisted.config.macro_functions import format_real, is_filename_function
from condor_twisted.config.macros import MacroContext, expand
from condor_twisted.config.surroundings import Surroundings
from condor_twisted.errors import ConfigError

VALUES = {
    "A": "7",
    "LIST": "p, q r",
    "EMPTY": "",
    "EXPR": "$(A) + 1",
    "PATH": "/a/bb/file.tar.gz",
    "REL": "./b/c",
    "BACK": "a\\b\\c.d",
}


class FunctionTests(SynchronousTestCase):
    """Results and errors that the recorded cases cannot show."""

    def expanded(self, text: str, **surroundings: object) -> str:
        here = Surroundings(**surroundings)  # type: ignore[arg-type]
        return expand(text, MacroContext(VALUES.get, here))

    def test_random_integer_uses_the_entropy_given(self) -> None:
        """The number is low + step * random_below(count of steps)."""
        asked: list[int] = []

        def random_below(bound: int) -> int:
            asked.append(bound)
            return bound - 1

        for text, bound, expected in (
            ("$RANDOM_INTEGER(5,9)", 5, "9"),
            ("$RANDOM_INTEGER(0,10,5)", 3, "10"),
            ("$RANDOM_INTEGER(0,9,5)", 2, "5"),
            ("$RANDOM_INTEGER(-3,-1)", 3, "-1"),
        ):
            got = self.expanded(text, random_below=random_below)
            self.assertEqual((got, asked.pop()), (expected, bound), text)

    def test_random_choice(self) -> None:
        """One of the items, or one of the list with that name."""
        for text, index, expected in (
            ("$RANDOM_CHOICE(x, y ,z)", 1, "y"),
            ("$RANDOM_CHOICE(LIST)", 2, "r"),
            ("$RANDOM_CHOICE(NONAME)", 0, "NONAME"),
        ):
            got = self.expanded(text, random_below=lambda bound, at=index: at)
            self.assertEqual(got, expected, text)

    def test_errors(self) -> None:
        """A function that cannot do its work says so."""
        for text in (
            "$RANDOM_INTEGER(1,2)",
            "$RANDOM_CHOICE(a,b)",
            "$RANDOM_CHOICE()",
            "$RANDOM_CHOICE(EMPTY)",
            "$RANDOM_INTEGER()",
            "$RANDOM_INTEGER(1)",
            "$RANDOM_INTEGER(1,x)",
            "$RANDOM_INTEGER(1,2,x)",
            "$RANDOM_INTEGER(1,2,0)",
            "$RANDOM_INTEGER(2,1)",
            "$CHOICE(0)",
            "$CHOICE(x,a,b)",
            "$CHOICE(-1,a,b)",
            "$CHOICE(2,a,b)",
            "$CHOICE(0,NOLIST)",
            "$SUBSTR(A)",
            "$SUBSTR(A,x)",
            "$SUBSTR(A,1,x)",
            "$SUBSTR(A,99999999999)",
            "$INT(x)",
            "$INT(A,%s)",
            "$INT(A,%d%d)",
            "$INT(A,none)",
            "$REAL(x)",
            "$REAL(A,%d)",
            "$STRING(A,%d)",
        ):
            self.assertRaises(ConfigError, self.expanded, text)

    def test_numbers(self) -> None:
        """Names, expressions and formats."""
        for text, expected in (
            ("$INT(EXPR)", "8"),
            ("$INT(A,%#x|%%)", "0x7|%"),
            ("$INT(A,%i) $INT(A,%u) $INT(A,%hd)", "7 7 7"),
            ("$INT(A,%#o)", "7"),
            ("$INT(A,%.3d)", "007"),
            ("$REAL(A,%.f)", "7.0"),
            ("$REAL(A,%a)", "7.0"),
        ):
            self.assertEqual(self.expanded(text), expected, text)

    def test_the_evaluator_given_is_used(self) -> None:
        """Strings lose their quotes; what is no literal is shown as text."""
        answers = {"7": "seven", "x": Unparsed("{ 1 }"), "y": 0.25, "z": True}
        for text, expected in (
            ("$STRING(A)", "seven"),
            ("$EVAL(A)", "seven"),
            ("$EVAL(x)", "{ 1 }"),
            ("$EVAL(y)", "2.500000000000000E-01"),
            ("$EVAL(z)", "true"),
        ):
            got = self.expanded(text, evaluate=answers.__getitem__)
            self.assertEqual(got, expected, text)

    def test_evaluation_that_does_not_parse(self) -> None:
        """It vanishes, unless a macro in it was expanded."""
        self.assertEqual(self.expanded("[$EVAL(a b)]"), "[]")
        here = MacroContext({"E": "a $(B)", "B": "b"}.get)
        self.assertEqual(expand("[$EVAL(E)]", here), "[a b]")

    def test_absolute_names(self) -> None:
        """$Ff puts the working directory in front of a relative name."""
        for directory, text, expected in (
            ("/w", "$Ff(REL)", "/w/b/c"),
            ("/w/", "$Ff(REL)", "/w/b/c"),
            ("/w", "$Ff(PATH)", "/a/bb/file.tar.gz"),
            (None, "$Ff(REL)", "./b/c"),
            ("/w", "$Ffq(REL)", '"/w/b/c"'),
        ):
            got = self.expanded(text, working_directory=directory)
            self.assertEqual(got, expected, text)

    def test_slashes(self) -> None:
        """u and w turn slashes; the last one wins."""
        self.assertEqual(
            self.expanded("$Fu(BACK) $Fuw(PATH)"), "a/b/c.d \\a\\bb\\file.tar.gz"
        )

    def test_filename_functions(self) -> None:
        """Only letters that mean something make a file name function."""
        self.assertTrue(is_filename_function("F"))
        self.assertTrue(is_filename_function("FPnxDqabfwu"))
        self.assertFalse(is_filename_function("Fz"))
        self.assertFalse(is_filename_function(""))

    def test_reals(self) -> None:
        """Reals are printed as ClassAds print them."""
        for value, expected in (
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1e10, "1.000000000000000E+10"),
            (float("inf"), 'real("INF")'),
            (float("-inf"), 'real("-INF")'),
            (float("nan"), 'real("NaN")'),
        ):
            self.assertEqual(format_real(value), expected)
