"""`condor_twisted.security.commands`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import LocalProtocolError
from condor_twisted.security.commands import (
    DC_AUTHENTICATE,
    DC_SEC_QUERY,
    CommandRule,
)
from tests.security.kit import read_rules


class CommandRulesTests(SynchronousTestCase):
    """The rules of a daemon."""

    def test_find(self) -> None:
        """A rule is found by its number alone, until it is removed."""
        rules = read_rules()
        rule = rules.find(5)
        assert rule is not None
        self.assertEqual(rule.name, "QUERY_STARTD_ADS")
        self.assertEqual(len(rules), len(list(rules)))
        rules.remove(5)
        rules.remove(5)
        self.assertIsNone(rules.find(5))

    def test_mnh_5_3_whole_numbers(self) -> None:
        """2^32 + 5 is not 5, and no negative number is ever registered."""
        rules = read_rules()
        self.assertIsNone(rules.find(2**32 + 5))
        self.assertIsNone(rules.find(5 - 2**32))
        self.assertRaises(
            LocalProtocolError, rules.add, CommandRule(-1, Permission.READ)
        )

    def test_twice_and_reserved(self) -> None:
        """A number is registered once, and the negotiation's own never."""
        rules = read_rules()
        for number in (5, DC_AUTHENTICATE, DC_SEC_QUERY):
            self.assertRaises(
                LocalProtocolError, rules.add, CommandRule(number, Permission.READ)
            )

    def test_valid_commands(self) -> None:
        """A level's commands come first, then those it implies, each as registered."""
        rules = read_rules()
        self.assertEqual(rules.valid_commands(Permission.READ, True), "5,6")
        self.assertEqual(
            rules.valid_commands(Permission.DAEMON, True), "58,60047,60021,60052,5,6"
        )
        self.assertEqual(
            rules.valid_commands(Permission.DAEMON, False), "58,60047,60021,5,6"
        )
        self.assertEqual(rules.valid_commands(Permission.ALLOW, True), "60011,60047")
        rules.add(CommandRule(7, Permission.READ))
        self.assertEqual(rules.valid_commands(Permission.READ, True), "5,6,7")
        rules.remove(6)
        self.assertEqual(rules.valid_commands(Permission.READ, True), "5,7")

    def test_valid_commands_of_unfit_levels(self) -> None:
        """Commands of levels that refuse the session are left out."""
        rules = read_rules()
        levels = frozenset({Permission.READ, Permission.DAEMON})
        self.assertEqual(
            rules.valid_commands(Permission.DAEMON, True, levels), "60021,60052"
        )
        self.assertEqual(
            rules.valid_commands(Permission.DAEMON, True), "58,60047,60021,60052,5,6"
        )
