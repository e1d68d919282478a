"""Tests of ``condor_twisted.constants.command_names``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.command_names import OTHER_COMMANDS, find_command
from condor_twisted.constants.commands import Command


class FindTests(SynchronousTestCase):
    def test_levels(self) -> None:
        """A level means its own harmless command; some levels have none."""
        self.assertEqual(find_command("READ"), Command.DC_NOP_READ)
        self.assertEqual(find_command("advertise_startd"), 60027)
        self.assertEqual(find_command("ALLOW"), Command.DC_NOP)
        self.assertEqual(find_command("owner"), Command.DC_NOP_OWNER)
        for none in ("DEFAULT", "CLIENT", "SOAP"):
            self.assertIsNone(find_command(none))

    def test_names(self) -> None:
        """Commands of all daemons are known, in any case of letters."""
        self.assertEqual(find_command("QUERY_ANY_ADS"), 48)
        self.assertEqual(find_command("qmgmt_write_cmd"), 1112)
        self.assertEqual(find_command("REQUEST_CLAIM"), 442)
        self.assertIsNone(find_command("FOO"))

    def test_numbers(self) -> None:
        """A number is one as it is written plainly."""
        self.assertEqual(find_command("0"), 0)
        self.assertEqual(find_command("12345"), 12345)
        for none in ("-1", "012", "1 ", "", "9" * 10, "9" * 99, "\u0663", "1.0"):
            self.assertIsNone(find_command(none))

    def test_no_name_twice(self) -> None:
        """No name is in both tables."""
        self.assertFalse(set(OTHER_COMMANDS) & set(Command.__members__))
