"""Tests of ``condor_twisted.config.writing``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.definitions import Definitions, Origin
from condor_twisted.config.settings import Settings
from condor_twisted.config.writing import Obsolete, WritingOptions, written_text


class WritingTests(SynchronousTestCase):
    def setUp(self) -> None:
        definitions = Definitions("TOOL", keep_defaults=True)
        for name, value, origin in (
            ("ARCH", "X86_64", Origin("<Detected>")),
            ("ENVY", "env", Origin("<Environment>")),
            ("B", "b", Origin("/etc/one", 3, "ROLE:Personal+1")),
            ("A", "a", Origin("/etc/one", 3)),
            ("UPDATE_INTERVAL", "300", Origin("/etc/one", 1)),
            ("USE_SHARED_PORT", "TRUE", Origin("/etc/one", 1)),
            ("Z", "first line\nsecond", Origin("/etc/one", 2)),
            ("COLLECTOR_PORT", "1", Origin("/etc/two", 1)),
            ("ACCOUNTANT_HOST", "", Origin("/etc/two", 2)),
        ):
            definitions.assign(name, value, origin)
        self.settings = Settings(definitions)

    def write(self, **flags: bool) -> list[str]:
        """The lines that are written."""
        return written_text(self.settings, WritingOptions(**flags)).splitlines()

    def test_files_and_environment(self) -> None:
        """By source, in the order of lines and then of names."""
        self.assertEqual(
            self.write(),
            [
                *("", "#", "# from /etc/one", "#"),
                *("Z @=end", "   first line", "   second", "@end", "A = a", "B = b"),
                *("", "#", "# from /etc/two", "#", "COLLECTOR_PORT = 1"),
                *("", "#", "# from <Environment>", "#", "ENVY = env"),
            ],
        )

    def test_only(self) -> None:
        """Only what is named."""
        self.assertEqual(self.write(only=True, environment=True)[4:], ["ENVY = env"])
        detected = self.write(only=True, detected=True, comment_detected=True)
        self.assertEqual(detected[4:], ["#detected#ARCH = X86_64"])
        self.assertNotIn("ENVY = env", self.write(only=True))
        self.assertIn("A = a", self.write(only=True))

    def test_what_is_the_default_anyway(self) -> None:
        """What was set to its default, or to nothing where there is none."""
        lines = self.write(matching=True, comment_matching=True)
        self.assertIn("#UPDATE_INTERVAL = 300", lines)
        self.assertIn("#ACCOUNTANT_HOST = ", lines)
        self.assertIn("#USE_SHARED_PORT = true", lines)
        self.assertIn("UPDATE_INTERVAL = 300", self.write(matching=True))

    def test_defaults(self) -> None:
        """Defaults stand in front of the files; hidden ones only if they are wanted."""
        lines = self.write(defaults=True, comment_defaults=True)
        self.assertLess(lines.index("# from <Default>"), lines.index("# from /etc/one"))
        self.assertIn("#def#ARCH = X86_64", lines)
        self.assertIn("#def#UPDATE_INTERVAL = 300", lines)
        self.assertNotIn("#def#COLLECTOR_PORT = 9618", lines)
        self.assertIn(
            "COLLECTOR_PORT = 9618", self.write(defaults=True, duplicates=True)
        )
        self.assertIn("COLLECTOR_PORT = 9618", self.write(defaults=True, only=True))

    def test_comments_of_several_lines(self) -> None:
        """No line of a comment is none."""
        lines = self.write(defaults=True, comment_defaults=True, only=True)
        at = lines.index("#def#CATALOG_SPACE @=end")
        self.assertTrue(all(line.startswith("#def#") for line in lines[at : at + 6]))

    def test_by_name(self) -> None:
        """One list in the order of the names, with origins."""
        self.assertEqual(
            self.write(by_name=True, origins=True)[:4],
            ["A = a", " # at: /etc/one, line 3", "B = b", " # at: /etc/one, line 3"],
        )

    def test_obsolete(self) -> None:
        """Obsolete names and settings of files are left out."""
        obsolete = Obsolete(frozenset({"A", "ENVY"}), frozenset({"COLLECTOR_PORT=1"}))
        text = written_text(self.settings, WritingOptions(), obsolete)
        self.assertNotIn("A = a", text)
        self.assertNotIn("COLLECTOR_PORT", text)
        self.assertIn("ENVY = env", text)
