"""Tests of `interop.ping_facts`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from interop.ping_facts import compare_facts, parse_verbose

_READ = (
    "Destination:                 daemon at <127.0.0.1:9618>\n"
    "Local  Version:              $CondorVersion: 25.14.1 $\n"
    "Instruction:                 READ\n"
    "Encryption:                  none\n\n"
)
_WRITE = "WRITE failed!\nAUTHENTICATE:1003:no\nFS:1004:lstat(/tmp/FS_x)\n\n"


class PingFactsTests(SynchronousTestCase):
    """What ``condor_ping -verbose`` prints becomes facts."""

    def test_facts_and_failures(self) -> None:
        """Each block is one instruction; a method's own words are left out."""
        found = parse_verbose(_READ + _WRITE)
        self.assertEqual(list(found), ["READ", "WRITE"])
        self.assertEqual(found["READ"]["Encryption"], "none")
        self.assertEqual(
            found["WRITE"], {"Result": "failed", "Error": "AUTHENTICATE:1003:no"}
        )

    def test_what_is_neither_is_refused(self) -> None:
        """An unknown line or a block twice is no output to be compared."""
        for text in ("Segmentation fault\n", _READ + _READ, "Encryption: none\n\n"):
            self.assertRaises(ValueError, parse_verbose, text)

    def test_comparing(self) -> None:
        """A fact that changed, and an instruction that is missing, are told."""
        self.assertEqual(compare_facts("q", _READ, _READ), [])
        [changed] = compare_facts("q", _READ, _READ.replace("none", "AES"))
        self.assertEqual((changed.row, changed.field), ("READ", "Encryption"))
        self.assertEqual((changed.expected, changed.actual), ("none", "AES"))
        missing = compare_facts("q", _WRITE, "")
        self.assertEqual({each.actual for each in missing}, {None})
