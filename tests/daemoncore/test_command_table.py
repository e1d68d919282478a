"""Tests of ``condor_twisted.daemoncore.command_table``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore.command_table import (
    CommandTable,
    command,
    declared_commands,
)
from condor_twisted.errors import LocalProtocolError
from condor_twisted.protocols.requests import CommandRequest


class Base:
    @command(1000, Permission.READ, answers=True, max_payload_bytes=10)
    @command(1001, Permission.WRITE, udp=True, keeps_stream=True)
    def both(self, request: CommandRequest) -> object:
        return "base"

    @command(1002, Permission.DAEMON, alternates=(Permission.ALLOW,))
    def other(self, request: CommandRequest) -> object:
        return "other"

    def plain(self, request: CommandRequest) -> object:
        return "plain"


class Derived(Base):
    def both(self, request: CommandRequest) -> object:
        return "derived"

    @command(1003, Permission.ADMINISTRATOR)
    def other(self, request: CommandRequest) -> object:
        return "moved"


class DeclaringTests(SynchronousTestCase):
    def test_everything_declared(self) -> None:
        """Each decorator is a registration, in the order of reading."""
        found = list(declared_commands(Base()))
        self.assertEqual([each.rule.number for each in found], [1000, 1001, 1002])
        first, second, third = found
        self.assertTrue(first.answers)
        self.assertEqual(first.max_payload_bytes, 10)
        self.assertEqual((first.rule.udp, second.rule.udp), (False, True))
        self.assertTrue(second.keeps_stream)
        self.assertEqual(third.rule.levels, (Permission.DAEMON, Permission.ALLOW))

    def test_names(self) -> None:
        """A rule has the command's name, or its number where there is none."""

        class Known:
            @command(60011, Permission.ALLOW)
            def nop(self, request: CommandRequest) -> None:
                """Do nothing."""

        (found,) = declared_commands(Known())
        self.assertEqual(found.rule.name, "DC_NOP")
        self.assertEqual(next(declared_commands(Base())).rule.name, "1000")

    def test_overriding(self) -> None:
        """An override serves its commands; one that is decorated anew, the new ones."""
        found = {each.rule.number: each for each in declared_commands(Derived())}
        self.assertEqual(sorted(found), [1000, 1001, 1003])
        request: CommandRequest = CommandRequest.__new__(CommandRequest)
        self.assertEqual(found[1000].handler(request), "derived")
        self.assertEqual(found[1003].handler(request), "moved")


class CommandTableTests(SynchronousTestCase):
    def test_registering(self) -> None:
        """What is registered is found by its whole number."""
        table = CommandTable()
        for each in declared_commands(Base()):
            table.add(each)
        self.assertEqual(len(table), 3)
        found = table.find(1001)
        assert found is not None
        self.assertIs(table.rules.find(1001), found.rule)
        self.assertIsNone(table.find(1001 + 2**32))
        self.assertEqual([each.rule.number for each in table], [1000, 1001, 1002])

    def test_number_that_is_taken(self) -> None:
        """A number has one handler; it can be given up and taken again."""
        table = CommandTable()
        first = next(declared_commands(Base()))
        table.add(first)
        self.assertRaises(LocalProtocolError, table.add, first)
        table.remove(1000)
        table.remove(1000)
        self.assertIsNone(table.find(1000))
        table.add(first)

    def test_numbers_that_cannot_be_registered(self) -> None:
        """Negotiation itself is no command, nor is a negative number."""
        for number in (60010, 60040, -1):

            class Bad:
                @command(number, Permission.READ)
                def bad(self, request: CommandRequest) -> None:
                    """Never."""

            table = CommandTable()
            self.assertRaises(
                LocalProtocolError, table.add, next(declared_commands(Bad()))
            )
