"""Tests of ``condor_twisted.tools.token.options``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.tools.option_table import UsageError
from condor_twisted.tools.token.options import (
    Action,
    TokenOptions,
    find_action,
    parse_options,
)


def action_of(name: str) -> Action:
    """The action of this name."""
    found = find_action(name)
    assert found is not None, name
    return found


class OptionsTests(SynchronousTestCase):
    def parse(self, line: str) -> TokenOptions:
        """Read a command line."""
        name, *arguments = line.split()
        return parse_options(action_of(name), arguments)

    def test_names(self) -> None:
        """Actions have our names, and those of HTCondor's tools."""
        for name, other in (
            ("approve", "request-approve"),
            ("auto-approve", "request-auto-approve"),
            ("request-list", "requests"),
        ):
            self.assertIs(find_action(other), find_action(name))
        self.assertIsNone(find_action("revoke"))

    def test_spellings(self) -> None:
        """Options may be shortened as HTCondor's are, or have two dashes."""
        long = self.parse("request --identity a@b --authz READ --lifetime 7 --file x")
        short = self.parse("request -i a@b -a READ -l 7 -f x")
        self.assertEqual(long, short)
        self.assertEqual(long.identity, "a@b")
        self.assertEqual(long.lifetime_seconds, 7)
        self.assertEqual(long.file, "x")

    def test_everything(self) -> None:
        """Each option has its place."""
        options = self.parse(
            "fetch -pool p -name n -addr a -type STARTD -authz READ -authz WRITE "
            "-key k -token t -debug:D_ALL"
        )
        self.assertEqual(
            options,
            TokenOptions(
                pool="p",
                name="n",
                address="a",
                kind="startd",
                limits=["READ", "WRITE"],
                key="k",
                token_name="t",
            ),
        )
        self.assertEqual(self.parse("fetch -ty collector").kind, "collector")
        self.assertEqual(self.parse("fetch -t Collector").kind, "collector")
        self.assertEqual(self.parse("list -dir d").directory, "d")
        self.assertTrue(self.parse("request-list -json -reqid 7").json)
        self.assertEqual(self.parse("approve -r 7").request_id, "7")
        self.assertEqual(self.parse("auto-approve -net n").netblock, "n")
        self.assertTrue(self.parse("create -h").help)

    def test_defaults(self) -> None:
        """A schedd gives tokens, a collector takes requests."""
        self.assertEqual(self.parse("fetch").kind, "schedd")
        self.assertEqual(self.parse("request").kind, "collector")

    def test_the_last_place_counts(self) -> None:
        """Of -token and -file the later one says where."""
        options = self.parse("fetch -token a -file b")
        self.assertEqual((options.token_name, options.file), (None, "b"))
        options = self.parse("fetch -file b -token a")
        self.assertEqual((options.token_name, options.file), ("a", None))

    def test_bad_usage(self) -> None:
        """What cannot be understood is said."""
        for line, text in (
            ("create -netblock x", "Invalid command line argument: -netblock"),
            ("create", "-identity is required, such as -identity USER@DOMAIN"),
            ("create x", "Invalid command line argument: x"),
            ("create -identity", "-identity needs USER@DOMAIN"),
            ("create -lifetime 7s", "Invalid argument for -lifetime: 7s."),
            ("create -lifetime " + "9" * 5000, "Invalid argument for -lifetime"),
            ("fetch -type x", "unrecognized daemon type: x"),
            ("fetch -remote", "-remote is not available here"),
            ("list -capability", "-capability is not available here"),
        ):
            error = self.assertRaises(UsageError, self.parse, line)
            self.assertIn(text, str(error))
