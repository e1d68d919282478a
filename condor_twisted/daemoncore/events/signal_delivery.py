"""Sending signals: to ourselves, to our parent and children, to any process.

=============================  ==============================================
to ourselves                   in memory; KILL and STOP by the system
KILL, STOP and CONT            by the system
to what has no command port    by the system
HUP, QUIT, TERM, USR1, USR2    by the system, unless NEVER_USE_KILL_FOR_DC_SIGNALS;
                               if that fails, by a command
any other number               by a command
=============================  ==============================================

The command is DC_RAISESIGNAL with the number, in the session that we share with the
other process; by TCP, or by UDP with USE_UDP_FOR_DC_SIGNALS.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::Send_Signal``.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore.children.child import Child
from condor_twisted.daemoncore.events.signals import Signals
from condor_twisted.errors import LocalProtocolError
from condor_twisted.protocols.commands import CommandOpener
from condor_twisted.security.negotiation import CommandStart
from condor_twisted.wire.messages import MessageWriter

__all__ = ["Relative", "SignalSender"]

_log = Logger()

#: What only the system can do.
_SYSTEM_ONLY: Final = frozenset(
    int(getattr(signal, name))
    for name in ("SIGKILL", "SIGSTOP", "SIGCONT")
    if hasattr(signal, name)
)
#: What means the same by the system as by a command.
_EITHER: Final = frozenset(
    int(getattr(signal, name))
    for name in ("SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)
)
_LAST_OF_THE_SYSTEM: Final = 64


@dataclass(frozen=True, slots=True)
class Relative:
    """A DaemonCore process that we share something with.

    Args:
        process_id: Its process id.
        address: Where it takes commands; ``None`` if it does not.
        session_id: The session that we share.
        is_gone: It has ended, and nobody has reaped it.
        kill: Sends it a signal of the system; whether that could be done.
    """

    process_id: int
    address: str | None
    session_id: str | None
    is_gone: bool
    kill: Callable[[int], bool]

    @classmethod
    def of_child(cls, child: Child) -> Relative:
        """A child of ours."""
        address = child.command_address
        return cls(
            child.pid,
            None if address is None else str(address),
            child.session_id,
            not child.is_running,
            child.kill,
        )

    @classmethod
    def of_parent(cls, process_id: int, address: str) -> Relative:
        """Our parent; the session that it made is found by its address."""
        return cls(
            process_id,
            address or None,
            None,
            False,
            lambda number: _kill(process_id, number, None),
        )


class SignalSender:
    """Sends signals for one daemon.

    Args:
        signals: Its own signals.
        find: The child or parent of a process id, if it is one.
        opener: Opens commands.
        settings: The configuration in force.
    """

    def __init__(
        self,
        signals: Signals,
        find: Callable[[int], Relative | None],
        opener: Callable[[], CommandOpener],
        settings: Callable[[], Settings],
    ) -> None:
        self._signals = signals
        self._find = find
        self._opener = opener
        self._settings = settings

    def send(self, process_id: int, number: int) -> Deferred[bool]:
        """Send a signal to a process.

        Args:
            process_id: A process, not a group of them.
            number: A number of the system, or one of DaemonCore.

        Returns:
            A `Deferred` that fires when the signal has left, with whether it could
            be sent; the log says why it could not. It never fails.

        Raises:
            LocalProtocolError: The process id is none, or nothing takes a signal of
                this number there.
        """
        process_id, number = int(process_id), int(number)
        if process_id < 1:
            raise LocalProtocolError(
                f"{process_id} is no process; process groups get no signals"
            )
        if process_id == os.getpid():
            return _soon(self._to_ourselves(number))
        relative = self._find(process_id)
        if relative is not None and relative.is_gone:
            _log.warn(
                "Signal {number} is not sent to pid {pid}: it has exited",
                number=number,
                pid=process_id,
            )
            return _soon(False)
        address = None if relative is None else relative.address
        if number > _LAST_OF_THE_SYSTEM and address is None:
            raise LocalProtocolError(
                f"signal {number} needs a command port, and pid {process_id} has none "
                "that is known"
            )
        by_system = (
            address is None
            or number in _SYSTEM_ONLY
            or (
                number in _EITHER
                and not self._settings().boolean("NEVER_USE_KILL_FOR_DC_SIGNALS", False)
            )
        )
        if by_system and _kill(process_id, number, relative):
            return _soon(True)
        if relative is None or address is None or number in _SYSTEM_ONLY:
            return _soon(False)
        return Deferred.fromCoroutine(self._by_command(relative, address, number))

    def _to_ourselves(self, number: int) -> bool:
        if number in _SYSTEM_ONLY:
            if number == getattr(signal, "SIGCONT", 0):
                return False  # who can send it is going on
            os.kill(os.getpid(), number)
            return True
        return self._signals.raise_signal(number)

    async def _by_command(self, relative: Relative, address: str, number: int) -> bool:
        try:
            await self._send_command(relative, address, number)
        except Exception as error:
            _log.warn(
                "Signal {number} cannot be sent to pid {pid} at {address}: {error}",
                number=number,
                pid=relative.process_id,
                address=address,
                error=str(error),
            )
            return False
        return True

    async def _send_command(
        self, relative: Relative, address: str, number: int
    ) -> None:
        opener = self._opener()

        def write(writer: MessageWriter) -> None:
            writer.put_int(number)

        if self._settings().boolean("USE_UDP_FOR_DC_SIGNALS", False):
            await opener.send_datagram(address, Command.DC_RAISESIGNAL, write)
            return
        start = CommandStart(Command.DC_RAISESIGNAL, session_id=relative.session_id)
        channel = await opener.open(address, Command.DC_RAISESIGNAL, start=start)
        writer = channel.writer()
        write(writer)
        channel.send_message(writer.end_of_message())
        channel.close()


def _kill(process_id: int, number: int, relative: Relative | None) -> bool:
    """By the system; children by way of what waits for them, so never somebody else."""
    if relative is not None:
        return relative.kill(number)
    try:
        os.kill(process_id, number)
    except OSError as error:
        _log.warn(
            "Signal {number} cannot be sent to pid {pid}: {error}",
            number=number,
            pid=process_id,
            error=str(error),
        )
        return False
    return True


def _soon(value: bool) -> Deferred[bool]:
    done: Deferred[bool] = Deferred()
    done.callback(value)
    return done
