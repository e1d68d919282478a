"""`condor_twisted.security.identity_map`."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import ConfigError
from condor_twisted.security.identity_map import IdentityMap, read_identity_map
from tests.security.kit import FakeFiles


def read(
    text: str, *, assume_names: bool = False, others: Mapping[str, str] | None = None
) -> IdentityMap:
    """A map out of a text, with other files beside it."""
    texts = {"/etc/map": text}
    texts.update({f"/etc/{name}": other for name, other in (others or {}).items()})
    return read_identity_map("/etc/map", FakeFiles(texts=texts), assume_names)


class MapTests(SynchronousTestCase):
    """Whom a name becomes."""

    def test_pattern(self) -> None:
        """A principal is a regular expression that matches anywhere."""
        found = read("SSL CN=([a-z]+) \\1@pool\n")
        self.assertEqual(found("SSL", "/O=x/CN=alice"), "alice@pool")
        self.assertEqual(found("ssl", "CN=bob/and more"), "bob@pool")
        self.assertIsNone(found("SSL", "/O=x/CN=9"))
        self.assertIsNone(found("KERBEROS", "CN=alice"))

    def test_first_line_counts(self) -> None:
        """Lines are asked in their order; comments and empty lines are none."""
        text = "# nobody\n\nSSL ^a one\n  SSL a.* two\nSSL . three\n"
        found = read(text)
        self.assertEqual(found("SSL", "ab"), "one")
        self.assertEqual(found("SSL", "ba"), "two")
        self.assertEqual(found("SSL", "b"), "three")
        self.assertEqual(len(found), 3)
        self.assertEqual(found.problems, [])

    def test_quotes(self) -> None:
        """A field in quotes has blanks, quotes and backslashes in it."""
        found = read('SSL "/CN=a b\\"c\\.d$" "x \\\\0 \\1 y"\n')
        self.assertEqual(found("SSL", '/CN=a b"c.d'), 'x /CN=a b"c.d \\1 y')
        self.assertIsNone(found("SSL", '/CN=a b"cxd'))
        self.assertEqual(read('SSL "a b" c')("SSL", "a b"), "c")
        self.assertEqual(read('SSL a "no end')("SSL", "a"), "no end")

    def test_slashes_are_plain(self) -> None:
        """Where principals are patterns, slashes around one are part of it."""
        found = read("SSL /a/ x\n")
        self.assertIsNone(found("SSL", "a"))
        self.assertEqual(found("SSL", "/a/"), "x")

    def test_groups(self) -> None:
        """Groups that are not there stay as they are written."""
        found = read("SSL (a)(b)? \\0-\\1-\\2-\\3-\\x\\\n")
        self.assertEqual(found("SSL", "a"), "a-a--\\3-\\x\\")

    def test_names(self) -> None:
        """With literals, names are whole, and lines in a row are one table."""
        text = (
            "SSL alice one\nSSL alice two\nSSL /^b(.*)$/i three\\1\n"
            "SSL BOB four\nSSL /c+/U five\\0\n"
        )
        found = read(text, assume_names=True)
        self.assertEqual(found("SSL", "alice"), "one")
        self.assertIsNone(found("SSL", "ALI"))
        self.assertEqual(found("SSL", "BOB"), "threeOB")
        self.assertEqual(found("SSL", "xccc"), "fivec")
        self.assertEqual(len(found), 4)

    def test_escapes_in_slashes(self) -> None:
        """A slash within slashes is written with a backslash."""
        found = read(r"SSL /^\/CN=(.*)$/ \1", assume_names=True)
        self.assertEqual(found("SSL", "/CN=a"), "a")

    def test_problems(self) -> None:
        """A line that makes no sense is reported and left out."""
        found = read("SSL\nSSL a\nSSL ( b\nSSL c d\n")
        self.assertEqual(found("SSL", "c"), "d")
        self.assertEqual(
            found.problems,
            [
                "/etc/map, line 1: not method, principal and name",
                "/etc/map, line 2: not method, principal and name",
                "/etc/map, line 3: a group without an end",
            ],
        )

    def test_mnh_0_4_no_line_is_passed_over(self) -> None:
        """A line that others would understand is an error, not a hole in the map."""
        error = self.assertRaises(ConfigError, read, "SSL a b\nSSL (?!bad).* c\n")
        assert isinstance(error, ConfigError)
        self.assertEqual((error.source, error.line), ("/etc/map", 2))

    def test_missing_file(self) -> None:
        """A file that cannot be read maps nothing."""
        found = read_identity_map("/etc/map", FakeFiles())
        self.assertIsNone(found("SSL", "a"))
        self.assertEqual(found.problems, ["/etc/map cannot be read"])

    def test_include(self) -> None:
        """Files and directories beside the map are read in place; not two deep."""
        found = read(
            "@include more\n@include maps\nSSL z last\n@include\n",
            others={
                "more": "SSL a one\n@include other\n",
                "other": "SSL b two\n",
                "maps/1": "SSL c three\n",
                "maps/2": "SSL d four\n",
            },
        )
        for name, canonical in (("a", "one"), ("c", "three"), ("d", "four")):
            self.assertEqual(found("SSL", name), canonical)
        self.assertIsNone(found("SSL", "b"))
        self.assertEqual(found("SSL", "z"), "last")
        self.assertEqual(
            found.problems,
            [
                "/etc/more, line 2: nothing is included here",
                "/etc/map, line 4: nothing is included here",
            ],
        )
        absolute = read("@include /etc/more\n", others={"more": "SSL a one\n"})
        self.assertEqual(absolute("SSL", "a"), "one")

    def test_mnh_1_19_names(self) -> None:
        """A name that is too long is not looked at, and answers are remembered."""
        found = read("SSL .* x\n")
        self.assertEqual(found("SSL", "a" * 4096), "x")
        self.assertIsNone(found("SSL", "a" * 4097))
        for number in range(5000):
            found("SSL", str(number))
        self.assertEqual(len(found._remembered), 4096)
        self.assertEqual(found("SSL", "4999"), "x")

    @settings(deadline=None, max_examples=150)
    @given(st.text('SL ab"\\/@include\n#(.*)\t', max_size=60), st.booleans())
    def test_fuzz(self, text: str, assume_names: bool) -> None:
        """Any text is a map, or an error of the configuration."""
        try:
            found = read(text, assume_names=assume_names)
        except ConfigError:
            return
        found("S", "ab")


class LineTests(SynchronousTestCase):
    """Which line it was."""

    def test_lines(self) -> None:
        """The line that maps a name is known, in included files as well."""
        text = "# nobody\nSSL ^a a@pool\n@include more\n"
        found = read(text, others={"more": "FS (.*) \\1@site\n"})
        line = found.line_of("ssl", "ab")
        self.assertEqual(
            (str(line), line and line.canonical), ("/etc/map, line 2", "a@pool")
        )
        self.assertEqual(str(found.line_of("FS", "bob")), "/etc/more, line 1")
        self.assertIsNone(found.line_of("SSL", "b"))
        self.assertIsNone(found.line_of("SSL", "a" * 5000))

    def test_names(self) -> None:
        """Whole names have lines, too."""
        found = read("FS alice a@pool\nFS bob b@pool\n", assume_names=True)
        self.assertEqual(str(found.line_of("FS", "bob")), "/etc/map, line 2")
