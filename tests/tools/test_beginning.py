"""Tests of ``condor_twisted.tools.beginning``."""

from __future__ import annotations

from dataclasses import dataclass

from condor_twisted.tools.beginning import DONE, MISUSED, begin
from condor_twisted.tools.option_table import UsageError
from tests.tools.kit import ToolTestCase


@dataclass
class _Options:
    help: bool = False
    version: bool = False


class BeginTests(ToolTestCase):
    def begin(self, options: _Options) -> int:
        """Begin a tool whose work has the exit code 7."""
        return begin(lambda: options, "how\n", lambda _: 7)

    def test_work(self) -> None:
        """A command line that is understood is carried out."""
        self.assertEqual(self.begin(_Options()), 7)

    def test_help_and_version(self) -> None:
        """Both only print."""
        self.assertEqual(self.begin(_Options(help=True, version=True)), DONE)
        self.assertEqual(self.out.text, "how\n")
        self.assertEqual(self.begin(_Options(version=True)), DONE)
        self.assertIn("$CondorVersion", self.out.text)

    def test_misuse(self) -> None:
        """A command line with no sense is told of, with a hint, and has code 2."""

        def parse() -> _Options:
            raise UsageError("there is no -x")

        code = begin(parse, "how", lambda _: 7, prefix="ERROR: ", hint="Ask.")
        self.assertEqual(code, MISUSED)
        self.assertEqual(self.err.text, "ERROR: there is no -x\nAsk.\n")
