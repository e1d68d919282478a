"""Statements; the recorded cases hold them against the real thing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.definitions import Definitions
from condor_twisted.config.language import (
    CommandOutput,
    ConfigurationParser,
    assignment_key,
    logical_lines,
)
from condor_twisted.config.settings import Settings
from condor_twisted.errors import ConfigError


class Shelf:
    """Files and commands in memory."""

    def __init__(self, files: dict[str, str] | None = None) -> None:
        self.files = files or {}
        self.commands: list[str] = []

    def read_file(self, name: str) -> str:
        if name not in self.files:
            raise FileNotFoundError(2, "No such file or directory")
        return self.files[name]

    def write_file(self, name: str, text: str) -> None:
        self.files[name] = text

    def run_command(self, command: str) -> CommandOutput:
        self.commands.append(command)
        if command == "missing":
            raise FileNotFoundError(2, "No such file or directory")
        return CommandOutput(f"BY = {command}\n", int(command == "failing"))


class ParserCase(SynchronousTestCase):
    """Parses text and asks for values."""

    def setUp(self) -> None:
        self.shelf = Shelf()
        self.definitions = Definitions("COLLECTOR")
        self.parser = ConfigurationParser(self.definitions, self.shelf)

    def parse(self, text: str) -> Settings:
        self.parser.parse(text, "file")
        return Settings(self.definitions)

    def failure(self, text: str) -> ConfigError:
        error = self.assertRaises(ConfigError, self.parser.parse, text, "file")
        assert isinstance(error, ConfigError)
        return error


class LineTests(SynchronousTestCase):
    """Physical lines become logical ones."""

    def test_continuation(self) -> None:
        """Lines are trimmed and joined; the number is the last line's."""
        for text, expected in (
            ("a\\\nb\n", [(2, "ab")]),
            ("  a  \\  \n\t b  ", [(2, "a  b")]),
            ("# c \\\nb", [(1, "# c \\"), (2, "b")]),
            ("a \\\n# c \\\nb", [(3, "a b")]),
            ("a \\\n# c\nb", [(2, "a "), (3, "b")]),
            ("a\\", [(1, "a")]),
            ("", [(1, "")]),
        ):
            self.assertEqual(list(logical_lines(text)), expected, text)

    def test_carriage_returns(self) -> None:
        """Files with carriage returns read as if they had none."""
        self.assertEqual(list(logical_lines("a\\\r\nb\r\n")), [(2, "ab")])


class StatementTests(ParserCase):
    """What a line does, and where it says it was."""

    def test_origin(self) -> None:
        """A value knows file, line and template."""
        settings = self.parse("\nA = 1\nuse ROLE : Personal\n")
        self.assertEqual(settings.source_of("A"), "file, line 2")
        origin = settings.source_of("DAEMON_LIST")
        self.assertRegex(origin or "", r"^file, line 3, use ROLE:Personal\+\d+$")

    def test_errors_name_file_and_line(self) -> None:
        """The error of an inner file names that file."""
        self.shelf.files["inner"] = "A = 1\n\nnonsense\n"
        error = self.failure("A = 1\ninclude : inner\n")
        self.assertEqual((error.source, error.line), ("inner", 3))
        self.assertEqual(str(error).count("\n"), 0)

    def test_errors_in_a_template_name_the_use(self) -> None:
        """The line is the use statement's, the text names the template."""
        error = self.failure("\nuse POLICY : PREEMPT_IF\n")
        self.assertEqual((error.source, error.line), ("file", 2))
        self.assertIn("POLICY:PREEMPT_IF", str(error))

    def test_bad_statements(self) -> None:
        """What is no statement is an error in its line."""
        for text in (
            "WORD",
            "two words",
            "A-B = 1",
            "= 1",
            "A @ 1",
            "A + 1",
            "A +? 1",
            "A+= 1",
            "use : X",
            "use NOPE : X",
            "use ROLE : Nope",
            "include sometimes : x",
            "include :",
            "include command into : x",
            "include : missing",
            "include : a | b",
            "include command : missing",
            "include command into bad| : x",
            "include command into $(EMPTY) : x",
            "include command into new : failing",
            "error : stop",
            "if true",
            "A @=end\nx",
            "A = $(A)\nA = $CHOICE(9,$(A))\n$CHOICE(9,a,b) = 1",
        ):
            error = self.failure("\n" + text)
            self.assertEqual(error.source, "file", text)
            self.assertGreaterEqual(error.line or 0, 2, text)

    def test_warnings(self) -> None:
        """Warnings are collected as HTCondor prints them, and stop nothing."""
        self.parse("A : 1\nRunBenchmarks : 0\nwarning : see $(A)")
        self.assertEqual(
            self.parser.warnings,
            [
                "Config source Warning \"file\", Line 1: obsolete use of ':' for "
                "parameter assignment at A : 1",
                'Config source Warning "file", Line 3: see 1',
            ],
        )

    def test_error_statement(self) -> None:
        """Its text is expanded and is the problem."""
        self.assertEqual(self.failure("A = 1\nerror 7 : no $(A)").problem, "no 1")

    def test_here_value_is_not_looked_into(self) -> None:
        """Statements inside a value of several lines are text."""
        settings = self.parse("A @=end\nif true\nB = 1\n@other\n@end\nC = 2")
        self.assertEqual(settings.text("A"), "if true\nB = 1\n@other")
        self.assertIsNone(settings.text("B"))
        self.assertEqual(settings.text("C"), "2")


class IncludeTests(ParserCase):
    """Files and commands."""

    def test_missing_but_optional(self) -> None:
        """ifexist forgives a missing file and a missing command."""
        self.parse("include ifexist : none\ninclude ifexists command : missing\nA = 1")
        self.assertEqual(self.parser.included, [])

    def test_cached_command(self) -> None:
        """The command runs once; from then on its output is read."""
        text = "include command into cache : run it"
        self.assertEqual(self.parse(text).text("BY"), "run it")
        self.shelf.files["cache"] = "BY = cache\n"
        self.assertEqual(self.parse(text).text("BY"), "cache")
        self.assertEqual(self.shelf.commands, ["run it"])

    def test_failing_command_leaves_no_cache(self) -> None:
        """The output of a failed command is not kept."""
        self.parse("include ifexist command into cache : failing")
        self.assertEqual(self.shelf.files, {})

    def test_depth(self) -> None:
        """A file that includes itself ends in an error, a template likewise."""
        self.shelf.files["self"] = "include : self"
        self.assertIn("nested too deep", str(self.failure("include : self")))

    def test_closed(self) -> None:
        """Without sources every include is refused."""
        closed = ConfigurationParser(self.definitions)
        for text in ("include : f", "include : c |", "include command into f : c"):
            self.assertRaises(ConfigError, closed.parse, text, "file")

    def test_list_of_what_was_read(self) -> None:
        """Files and commands are listed in order, commands with their bar."""
        self.shelf.files.update(a="include : b", b="")
        self.parse("include : a\ninclude command : c\ninclude : d |")
        self.assertEqual(self.parser.included, ["a", "b", "c |", "d |"])


class AssignmentKeyTests(SynchronousTestCase):
    """Under which name a remotely set line is kept."""

    def test_keys(self) -> None:
        """One assignment or one template; nothing else."""
        for line, expected in (
            ("A = 1", "A"),
            (" A.b=", "A.b"),
            ("A : 1", None),
            ("A", None),
            ("A B = 1", None),
            ("A += 1", None),
            ("A = 1\nB = 2", None),
            ("use ROLE : Personal", "$ROLE.Personal"),
            ("USE role:execute", "$role.execute"),
            ("use ROLE : Personal, Execute", None),
            ("use ROLE : Nope", None),
            ("use ROLE", None),
            ("include : x = y", None),
        ):
            self.assertEqual(assignment_key(line), expected, line)


class AnyTextTests(SynchronousTestCase):
    """The parser against arbitrary text."""

    @settings(deadline=None, max_examples=200)
    @given(
        st.lists(
            st.one_of(
                st.sampled_from(
                    ["if 1", "else", "endif", "A = $(A)1", "B @=e", "@e", "use ROLE:X"]
                ),
                st.text("AB=:+@$()#\\ {}[]eif|,1\t", max_size=20),
            ),
            max_size=8,
        )
    )
    def test_any_text(self, lines: list[str]) -> None:
        """Whatever the text, it is read or refused with source and line."""
        parser = ConfigurationParser(Definitions("TOOL"), Shelf())
        try:
            parser.parse("\n".join(lines), "file")
        except ConfigError as error:
            self.assertEqual(error.source, "file")
            self.assertIsNotNone(error.line)
