"""The commands of a daemon, and the decorator that declares one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from condor_twisted.constants.commands import command_name
from condor_twisted.constants.permissions import Permission
from condor_twisted.protocols.requests import (
    MAX_PAYLOAD_BYTES,
    PAYLOAD_SECONDS,
    Handler,
    Registration,
)
from condor_twisted.security.commands import CommandRule, CommandRules

__all__ = ["CommandTable", "command", "declared_commands"]

F = TypeVar("F", bound=Callable[..., object])

_DECLARED = "__condor_commands__"


@dataclass(frozen=True, slots=True)
class _Declaration:
    rule: CommandRule
    keeps_stream: bool
    answers: bool
    max_payload_bytes: int
    payload_seconds: float
    also_asks: tuple[Permission, ...]

    def bind(self, handler: Handler) -> Registration:
        return Registration(
            self.rule,
            handler,
            self.keeps_stream,
            self.answers,
            self.max_payload_bytes,
            self.payload_seconds,
            self.also_asks,
        )


def command(
    number: int,
    permission: Permission,
    *,
    alternates: tuple[Permission, ...] = (),
    force_authentication: bool = False,
    tcp: bool = True,
    udp: bool = False,
    has_payload: bool = True,
    keeps_stream: bool = False,
    answers: bool = False,
    max_payload_bytes: int = MAX_PAYLOAD_BYTES,
    payload_seconds: float = PAYLOAD_SECONDS,
    also_asks: tuple[Permission, ...] = (),
) -> Callable[[F], F]:
    """Declare a method of a daemon as the handler of a command.

    The method gets a `CommandRequest`. It may return ``None``, a `Deferred`, or be a
    coroutine function; the connection closes when it is done, unless it is kept. One
    method may serve several commands: stack the decorators.

    Args:
        number: The command's number.
        permission: The level that the peer needs.
        alternates: Levels that do as well.
        force_authentication: Only a mapped user may send it.
        tcp: Served over TCP.
        udp: Served over UDP, where nothing can be answered.
        has_payload: The peer sends data behind the command.
        keeps_stream: The connection stays for further commands.
        answers: The peer waits for an answer.
        max_payload_bytes: Longer payloads are refused.
        payload_seconds: How long the payload may take.
        also_asks: Further levels that the handler asks about with
            `CommandRequest.holds`.
    """
    declaration = _Declaration(
        CommandRule(
            int(number),
            permission,
            alternates,
            force_authentication,
            tcp,
            udp,
            has_payload,
            command_name(int(number)),
        ),
        keeps_stream,
        answers,
        max_payload_bytes,
        payload_seconds,
        also_asks,
    )

    def declare(function: F) -> F:
        declared: tuple[_Declaration, ...] = getattr(function, _DECLARED, ())
        # Decorators run from the bottom up; keep the order of reading.
        setattr(function, _DECLARED, (declaration, *declared))
        return function

    return declare


def declared_commands(owner: object) -> Iterator[Registration]:
    """The commands that an object's class and its bases declare, bound to it.

    A method that overrides a declared one serves its commands, whether it is
    decorated again or not.
    """
    names: dict[str, tuple[_Declaration, ...]] = {}
    for kind in reversed(type(owner).__mro__):
        for name, value in vars(kind).items():
            declared = getattr(value, _DECLARED, None)
            if declared is not None:
                names[name] = declared
    for name, declarations in names.items():
        handler: Any = getattr(owner, name)
        for declaration in declarations:
            yield declaration.bind(handler)


class CommandTable:
    """What a daemon serves, by command number."""

    def __init__(self) -> None:
        self.rules = CommandRules()
        self._registrations: dict[int, Registration] = {}
        #: The registration of a number, or ``None``; a bound ``dict.get``.
        self.find: Callable[[int], Registration | None] = self._registrations.get

    def __len__(self) -> int:
        return len(self._registrations)

    def __iter__(self) -> Iterator[Registration]:
        return iter(self._registrations.values())

    def add(self, registration: Registration) -> None:
        """Register a command.

        Raises:
            LocalProtocolError: The number is taken or cannot be registered.
        """
        self.rules.add(registration.rule)
        self._registrations[registration.rule.number] = registration

    def remove(self, number: int) -> None:
        """Forget a command."""
        self.rules.remove(number)
        self._registrations.pop(number, None)
