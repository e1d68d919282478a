"""What a command demands: one rule per registered number.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::Register_Command,
DaemonCore::GetCommandsInAuthLevel``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from condor_twisted.constants.permissions import Permission, with_implied
from condor_twisted.errors import LocalProtocolError

__all__ = ["DC_AUTHENTICATE", "DC_SEC_QUERY", "CommandRule", "CommandRules"]

#: The command behind which a negotiation stands.
DC_AUTHENTICATE: Final = 60010
#: Ask whether a command would be allowed, without running it.
DC_SEC_QUERY: Final = 60040


@dataclass(frozen=True, slots=True)
class CommandRule:
    """What one command demands of whoever sends it.

    Args:
        number: The command's number.
        permission: The level it needs.
        alternates: Levels that do as well.
        force_authentication: Only a mapped user may send it.
        tcp: It comes by TCP.
        udp: It comes by UDP. Commands that answer do not.
        has_payload: The client sends something behind the negotiation. What has
            none is not run on a resumed session: nothing would prove the key.
        name: For people.
    """

    number: int
    permission: Permission
    alternates: tuple[Permission, ...] = ()
    force_authentication: bool = False
    tcp: bool = True
    udp: bool = False
    has_payload: bool = True
    name: str = ""

    @property
    def levels(self) -> tuple[Permission, ...]:
        """The level and its alternates."""
        return (self.permission, *self.alternates)


class CommandRules:
    """The rules of one daemon, in the order of registration."""

    def __init__(self) -> None:
        self._rules: dict[int, CommandRule] = {}
        self._valid_commands: dict[
            tuple[Permission, bool, frozenset[Permission]], str
        ] = {}

    def add(self, rule: CommandRule) -> None:
        """Register one command.

        Raises:
            LocalProtocolError: The number is taken, negative or reserved.
        """
        if rule.number < 0 or rule.number in (DC_AUTHENTICATE, DC_SEC_QUERY):
            raise LocalProtocolError(f"{rule.number} cannot be registered as a command")
        if rule.number in self._rules:
            raise LocalProtocolError(f"command {rule.number} is registered already")
        self._rules[rule.number] = rule
        self._valid_commands.clear()

    def remove(self, number: int) -> None:
        """Forget one command; one that was never there is forgotten as well."""
        self._rules.pop(number, None)
        self._valid_commands.clear()

    def find(self, number: int) -> CommandRule | None:
        """The rule of a command by its whole 64 bit number."""
        return self._rules.get(number)

    def __iter__(self) -> Iterator[CommandRule]:
        return iter(self._rules.values())

    def __len__(self) -> int:
        return len(self._rules)

    def valid_commands(
        self,
        permission: Permission,
        mapped: bool,
        unfit: frozenset[Permission] = frozenset(),
    ) -> str:
        """The text of ``ValidCommands``: what a session of this level is good for.

        Args:
            permission: The level of the session's first command.
            mapped: The user is mapped; without that, commands that force
                authentication are left out.
            unfit: Levels whose requirements the session does not fulfil; their
                commands are left out.
        """
        key = (permission, mapped, unfit)
        text = self._valid_commands.get(key)
        if text is None:
            text = ",".join(
                str(rule.number)
                for level in with_implied(permission)
                for rule in self._rules.values()
                if level in rule.levels
                and rule.permission not in unfit
                and (mapped or not rule.force_authentication)
            )
            self._valid_commands[key] = text
        return text
