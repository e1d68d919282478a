"""Tests for condor_twisted.classad.library."""

from __future__ import annotations

import pathlib
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

import condor_twisted
from condor_twisted.classad.library import OtherValue, accepts_line, make_tree, run
from condor_twisted.classad.literals import ERROR, UNDEFINED
from condor_twisted.classad.syntax import read_syntax


class LibraryTests(SynchronousTestCase):
    """The door to the library."""

    def test_accepts_line(self) -> None:
        """Old syntax is read, and what follows an expression is ignored."""
        for text in (b"a + 1", rb'"end\"', b"10K", b'f("\xff")'):
            self.assertTrue(accepts_line(text), text)
        for text in (b"((", b"", b"!" * 1000 + b"a"):
            self.assertFalse(accepts_line(text), text)

    def test_run(self) -> None:
        """Every kind of the library's values is one of ours."""
        for text, value in [
            (b"1", 1),
            (b"true", True),
            (b"1.5", 1.5),
            (b'"x"', "x"),
            (b"undefined", UNDEFINED),
            (b"error", ERROR),
            (b"{}", OtherValue("list")),
            (b"[]", OtherValue("record")),
            (b'absTime("2020-01-01T00:00:00Z")', OtherValue("time")),
            (b"+".join([b"1"] * 500), ERROR),
            ('substr("\u00fc", 0, 1)'.encode(), ERROR),
        ]:
            self.assertEqual(run(make_tree(read_syntax(text)), "[]"), value, text)

    def test_imported_only_when_needed(self) -> None:
        """Importing the package and reading literals leaves the library alone."""
        code = (
            "import sys; import condor_twisted.classad.expressions as e;"
            "e.check_expression(b'5'); e.evaluate_string({'a': b'\"x\"'}, 'a');"
            "c = e.parse_constraint(b'A == 1', 0); c.matches({'a': b'1'});"
            "sys.exit('classad2' in sys.modules)"
        )
        root = pathlib.Path(condor_twisted.__file__).parent.parent
        subprocess.run([sys.executable, "-c", code], check=True, cwd=root)
