"""The ``DC_`` commands that every daemon answers.

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: handle_...``,
``src/condor_daemon_core.V6/daemon_core.cpp``.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final

from condor_twisted.constants.commands import Command
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore.command_table import command
from condor_twisted.errors import MalformedMessage, SecurityError
from condor_twisted.protocols.requests import CommandRequest

if TYPE_CHECKING:
    from condor_twisted.daemoncore.daemon import Daemon

__all__ = ["BuiltinCommands"]

_ADMINISTRATOR: Final = Permission.ADMINISTRATOR


class BuiltinCommands:
    """Commands about the daemon itself.

    Args:
        daemon: Whom they are about.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    @command(Command.DC_RAISESIGNAL, Permission.DAEMON, udp=True, max_payload_bytes=64)
    def raise_signal(self, request: CommandRequest) -> None:
        """Deliver one of the signals that this daemon has a handler for."""
        reader = request.reader()
        number = reader.get_int()
        reader.end_of_message()
        if request.transport == "udp" and not request.peer.negotiated:
            raise SecurityError("a signal by UDP needs a session")
        self._daemon.signals.raise_signal(number)

    @command(Command.DC_RECONFIG, _ADMINISTRATOR, has_payload=False)
    @command(Command.DC_RECONFIG_FULL, _ADMINISTRATOR, has_payload=False)
    def reconfigure(self, request: CommandRequest) -> None:
        """Read the configuration again."""
        self._daemon.request_reconfigure()

    @command(Command.DC_OFF_GRACEFUL, _ADMINISTRATOR, has_payload=False)
    def off_graceful(self, request: CommandRequest) -> None:
        """Shut down, finishing what is under way."""
        self._soon(signal.SIGTERM)

    @command(Command.DC_OFF_FAST, _ADMINISTRATOR, has_payload=False)
    def off_fast(self, request: CommandRequest) -> None:
        """Shut down now."""
        self._soon(signal.SIGQUIT)

    @command(Command.DC_OFF_PEACEFUL, _ADMINISTRATOR, has_payload=False)
    def off_peaceful(self, request: CommandRequest) -> None:
        """Shut down, finishing what is under way however long it takes."""
        self._daemon.peaceful = True
        self._soon(signal.SIGTERM)

    @command(Command.DC_OFF_FORCE, _ADMINISTRATOR, has_payload=False)
    def off_force(self, request: CommandRequest) -> None:
        """Shut down gracefully with the usual time limit after all."""
        self._daemon.peaceful = False
        self._soon(signal.SIGTERM)

    @command(Command.DC_SET_PEACEFUL_SHUTDOWN, _ADMINISTRATOR, has_payload=False)
    def set_peaceful(self, request: CommandRequest) -> None:
        """Have a later graceful shutdown without a time limit."""
        self._daemon.peaceful = True

    @command(Command.DC_SET_FORCE_SHUTDOWN, _ADMINISTRATOR, has_payload=False)
    def set_force(self, request: CommandRequest) -> None:
        """Have a later graceful shutdown with its time limit."""
        self._daemon.peaceful = False

    @command(Command.DC_NOP, Permission.ALLOW, udp=True, has_payload=False)
    @command(Command.DC_NOP_READ, Permission.READ, udp=True, has_payload=False)
    @command(Command.DC_NOP_WRITE, Permission.WRITE, udp=True, has_payload=False)
    @command(
        Command.DC_NOP_NEGOTIATOR, Permission.NEGOTIATOR, udp=True, has_payload=False
    )
    @command(Command.DC_NOP_ADMINISTRATOR, _ADMINISTRATOR, udp=True, has_payload=False)
    @command(Command.DC_NOP_OWNER, _ADMINISTRATOR, udp=True, has_payload=False)
    @command(Command.DC_NOP_CONFIG, Permission.CONFIG, udp=True, has_payload=False)
    @command(Command.DC_NOP_DAEMON, Permission.DAEMON, udp=True, has_payload=False)
    @command(
        Command.DC_NOP_ADVERTISE_STARTD,
        Permission.ADVERTISE_STARTD,
        udp=True,
        has_payload=False,
    )
    @command(
        Command.DC_NOP_ADVERTISE_SCHEDD,
        Permission.ADVERTISE_SCHEDD,
        udp=True,
        has_payload=False,
    )
    @command(
        Command.DC_NOP_ADVERTISE_MASTER,
        Permission.ADVERTISE_MASTER,
        udp=True,
        has_payload=False,
    )
    def nop(self, request: CommandRequest) -> None:
        """Do nothing: a probe of authorization, or a farewell."""

    @command(
        Command.DC_QUERY_INSTANCE, Permission.ALLOW, has_payload=False, answers=True
    )
    def query_instance(self, request: CommandRequest) -> None:
        """Answer 16 hexadecimal digits that stay the same while we run."""
        writer = request.writer()
        writer.put_bytes(self._daemon.instance_id.encode())
        request.reply(writer.end_of_message())

    @command(
        Command.DC_TIME_OFFSET, Permission.DAEMON, answers=True, max_payload_bytes=64
    )
    def time_offset(self, request: CommandRequest) -> None:
        """Answer when the four times of the peer came and went here."""
        reader = request.reader()
        times = [reader.get_int() for _ in range(4)]
        reader.end_of_message()
        if not times[3]:
            raise MalformedMessage("the peer did not say when it sent this")
        now = int(time.time())
        writer = request.writer()
        for each in (times[0], now, now, times[3]):
            writer.put_int(each)
        request.reply(writer.end_of_message())

    def _soon(self, number: int) -> None:
        """Act when the peer's connection has been dealt with."""
        self._daemon.signals.raise_signal(int(number))
