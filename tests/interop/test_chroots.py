"""Tests of `interop.chroots`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from interop.chroots import apt_mirror


class MirrorTests(SynchronousTestCase):
    """The mirror is the one that apt itself uses."""

    def test_new_style_source(self) -> None:
        """A ``URIs`` line of a ``.sources`` file names it; comments do not."""
        text = (
            "Types: deb\n# http://old.example/debian\nURIs: http://m.example/debian\n"
        )
        self.assertEqual(apt_mirror([text]), "http://m.example/debian")

    def test_one_line_source(self) -> None:
        """A ``deb`` line names it, with options or without."""
        plain = "deb http://m.example/debian/ bookworm main\n"
        signed = "deb [signed-by=/k arch=amd64] https://m.example/debian sid main\n"
        self.assertEqual(apt_mirror([plain]), "http://m.example/debian/")
        self.assertEqual(apt_mirror([signed]), "https://m.example/debian")

    def test_other_archives_are_passed_over(self) -> None:
        """Security and third-party archives hold no release."""
        other = (
            "deb http://m.example/debian-security x main\ndeb http://o.example x y\n"
        )
        right = "URIs: http://m.example/debian\n"
        self.assertEqual(apt_mirror([other, right]), "http://m.example/debian")
        self.assertIsNone(apt_mirror([other]))
