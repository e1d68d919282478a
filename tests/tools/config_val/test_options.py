"""Tests of ``condor_twisted.tools.config_val.options``."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.writing import WritingOptions
from condor_twisted.tools.config_val.options import USE, parse_options
from condor_twisted.tools.option_table import UsageError


class OptionsTests(SynchronousTestCase):
    def test_names_and_templates(self) -> None:
        """Words are names, or templates behind ``use``."""
        options = parse_options(["A", "use", "ROLE:Submit", "^B"])
        self.assertEqual(options.words, ["A", f"{USE}ROLE:Submit", "^B"])
        self.assertFalse(options.is_remote)

    def test_remote(self) -> None:
        """A place, a kind of daemon or a change means a daemon."""
        for arguments in (
            ["-address", "<1.2.3.4:5>"],
            ["-name", "x"],
            ["-schedd"],
            ["-set"],
            ["-runset"],
        ):
            self.assertTrue(parse_options([*arguments, "A"]).is_remote, arguments)

    def test_details(self) -> None:
        """Some options take details behind a colon."""
        self.assertTrue(parse_options(["-verbose:use", "A"]).use_counts)
        self.assertTrue(parse_options(["-summary:detected"]).detected)
        self.assertTrue(parse_options(["-trace", "A"]).trace)
        self.assertFalse(parse_options(["-summary"]).detected)
        self.assertTrue(parse_options(["-macro:path", "A"]).macro_path)

    def test_configuration_file(self) -> None:
        """-config takes a file that is there; else it asks for the sources."""
        path = self.mktemp()
        with open(path, "w") as file:
            file.write("A = 1\n")
        self.assertEqual(parse_options(["-config", path, "A"]).file, path)
        options = parse_options(["-config", "A"])
        self.assertEqual((options.sources, options.words), (True, ["A"]))
        missing = os.path.join(os.sep, "no", "such")
        self.assertEqual(parse_options(["-config", missing, "A"]).file, missing)

    def test_bad_usage(self) -> None:
        """What cannot be understood is refused."""
        for arguments in (
            [],
            ["-nosuch", "A"],
            ["use"],
            ["use", "-raw"],
            ["-name"],
            ["-pool", "cm", "A"],
            ["-verbose", "-default", "A"],
            ["-verbose:both", "A"],
        ):
            self.assertRaises(UsageError, parse_options, arguments)

    def test_writing(self) -> None:
        """Words behind -writeconfig say what is written, and what as comments."""
        plain = parse_options(["-write", "-"])
        self.assertEqual(plain.written_file, "-")
        self.assertEqual(
            plain.writing, WritingOptions(matching=True, comment_matching=True)
        )
        options = parse_options(["-writeconfig:env,comment,def:match,sort,upg", "/x"])
        self.assertEqual(
            options.writing,
            WritingOptions(
                environment=True,
                defaults=True,
                comment_defaults=True,
                matching=True,
                comment_matching=True,
                by_name=True,
            ),
        )
        self.assertTrue(options.without_obsolete)
        self.assertTrue(parse_options(["-writeconfig:file,only", "-"]).writing.only)
        self.assertFalse(parse_options(["-writeconfig:only,file", "-"]).writing.only)
        for wrong in (
            ["-writeconfig"],
            ["-writeconfig:nonsense", "-"],
            ["-writeconfig", "-", "-summary"],
            ["-writeconfig", "-", "-schedd"],
        ):
            self.assertRaises(UsageError, parse_options, wrong)
