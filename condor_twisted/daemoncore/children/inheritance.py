"""What a child process is told by its parent, and gets from it.

Every child is told who its parent is. A DaemonCore child also gets command sockets that
are bound and listen already, so that its address is known before it runs, and a session
that only the two of them share.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::Create_Process``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from condor_twisted.config.settings import Settings
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore.children.endpoints import (
    COOKIE_VARIABLE,
    bind_endpoint,
)
from condor_twisted.daemoncore.children.spawn_options import (
    DaemonCoreOptions,
    SpawnOptions,
)
from condor_twisted.daemoncore.ports.addresses import announced_address, bind_address
from condor_twisted.daemoncore.ports.shared_port_file import (
    endpoint_address,
    read_shared_port_address,
)
from condor_twisted.errors import SpawnFailed
from condor_twisted.security.commands import CommandRules
from condor_twisted.security.context import SecurityState
from condor_twisted.security.sessions.claim_ids import (
    FAMILY_SESSION,
    PARENT_SESSION,
    ClaimId,
    serialize_private_inheritance,
)
from condor_twisted.security.sessions.session import command_numbers
from condor_twisted.security.sessions.shared import forget_child, make_child_session
from condor_twisted.wire.inheritance import (
    INHERIT_VARIABLE,
    PRIVATE_INHERIT_VARIABLE,
    Inheritance,
)
from condor_twisted.wire.serialized_sockets import (
    SerializedEndpoint,
    SerializedSocket,
)
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["Bequest", "ChildInheritance", "Legacy", "bind_command_sockets"]

PARENT_ID_VARIABLE: Final = "CONDOR_PARENT_ID"
_SAME_PORT_ATTEMPTS: Final = 50
_BACKLOG: Final = 4096


@dataclass(slots=True)
class Legacy:
    """What one child gets.

    Args:
        variables: Environment variables; ``None`` for one that it must not have.
        sockets: Command sockets, which are ours until the child has them.
        find_address: Tells where the child takes commands, if it does.
        session_id: The session that it shares with us alone.
    """

    variables: Mapping[str, str | None] = field(repr=False)
    sockets: tuple[socket.socket, ...] = ()
    find_address: Callable[[], SinfulAddress] | None = None
    session_id: str | None = None
    _forget: Callable[[], object] | None = field(default=None, repr=False)

    @property
    def address(self) -> SinfulAddress | None:
        """Where the child takes commands; a shared port may say so later."""
        return None if self.find_address is None else self.find_address()

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors of its command sockets."""
        return tuple(each.fileno() for each in self.sockets)

    def close_sockets(self) -> None:
        """Close our copies: the child has its own, or will never have any."""
        for each in self.sockets:
            each.close()
        self.sockets = ()

    def forget(self) -> None:
        """Give up everything: the child has ended, or never was."""
        self.close_sockets()
        forget, self._forget = self._forget, None
        if forget is not None:
            forget()


class Bequest(Protocol):
    """Whoever makes what children get."""

    def prepare(self, options: SpawnOptions) -> Legacy:
        """Make what one child gets.

        Raises:
            SpawnFailed: There is no port for it.
        """


class ChildInheritance:
    """Makes what the children of one daemon get.

    Args:
        settings: The daemon's configuration.
        security: Its security; ``None`` before it has any.
        rules: The commands that it serves.
        address: Where it takes commands; ``None`` before it does.
        interface: The address that it binds.
        started_unix: When it started.
        family: The session of its family of processes, if there is one.
        cookie: What the names of endpoints in our tree of processes begin with.
    """

    def __init__(
        self,
        settings: Settings,
        security: SecurityState | None,
        rules: CommandRules,
        address: SinfulAddress | None,
        interface: str | None,
        started_unix: int,
        family: ClaimId | None,
        cookie: str,
    ) -> None:
        self._settings = settings
        self._security = security
        self._rules = rules
        self._address = address
        self._interface = interface
        self._started_unix = started_unix
        self._family = family
        self._cookie = cookie

    def prepare(self, options: SpawnOptions) -> Legacy:
        """Make what one child gets.

        Raises:
            SpawnFailed: There is no port for it.
        """
        with contextlib.ExitStack() as undo:
            sockets, endpoint, find_address = self._command_sockets(options.daemon)
            for each in sockets:
                undo.callback(each.close)
            plain = endpoint is None
            inheritance = Inheritance(
                os.getpid(),
                "" if self._address is None else str(self._address),
                options.sockets,
                endpoint,
                tuple(_described(each) for each in sockets) if plain else (),
            )
            claim, private = self._sessions(options)
            variables = self._variables(options, inheritance, private)
            undo.pop_all()
        security = self._security

        def forget() -> None:
            if claim is not None and security is not None:
                forget_child(security, claim)

        return Legacy(
            variables,
            sockets,
            find_address,
            None if claim is None else claim.session_id,
            forget,
        )

    def _variables(
        self, options: SpawnOptions, inheritance: Inheritance, private: str
    ) -> dict[str, str | None]:
        host = self._settings.text("FULL_HOSTNAME") or socket.gethostname()
        return {
            INHERIT_VARIABLE: inheritance.serialize() if options.inheritance else None,
            PRIVATE_INHERIT_VARIABLE: private or None,
            PARENT_ID_VARIABLE: f"{host}:{os.getpid()}:{self._started_unix}",
            COOKIE_VARIABLE: None if options.daemon is None else self._cookie,
        }

    def _command_sockets(
        self, daemon: DaemonCoreOptions | None
    ) -> tuple[
        tuple[socket.socket, ...],
        SerializedEndpoint | None,
        Callable[[], SinfulAddress] | None,
    ]:
        """Sockets, the endpoint if they are one, and what tells their address."""
        if daemon is None:
            return (), None, None
        if daemon.endpoint is not None:
            name = daemon.endpoint
            listening = bind_endpoint(self._cookie, name)
            endpoint = SerializedEndpoint(
                f"{self._cookie}/{name}",
                SerializedSocket.listening(listening.fileno()),
            )
            settings = self._settings

            def find_address() -> SinfulAddress:
                server = read_shared_port_address(settings)
                return endpoint_address(settings, name, server)

            return (listening,), endpoint, find_address
        sockets = self._bind(daemon)
        bound_host, bound_port = sockets[0].getsockname()[:2]
        address = announced_address(
            self._settings, bound_host, bound_port, has_udp=len(sockets) > 1
        )
        return sockets, None, lambda: address

    def _bind(self, daemon: DaemonCoreOptions) -> tuple[socket.socket, ...]:
        interface = daemon.interface
        if interface is None:
            interface = self._interface
        if interface is None:
            interface = bind_address(self._settings)
        return bind_command_sockets(interface, daemon.port, daemon.udp)

    def _sessions(self, options: SpawnOptions) -> tuple[ClaimId | None, str]:
        """The child's own session, and the variable that tells of all."""
        claim = None
        told: list[tuple[str, ClaimId]] = []
        if options.daemon is not None and self._security is not None:
            valid = self._rules.valid_commands(Permission.DAEMON, True)
            claim = make_child_session(self._security, command_numbers(valid))
            told.append((PARENT_SESSION, claim))
        if (
            self._family is not None
            and (options.daemon is not None or options.family_session)
            and options.user is None
        ):
            told.append((FAMILY_SESSION, self._family))
        return claim, serialize_private_inheritance(tuple(told))


def _described(each: socket.socket) -> SerializedSocket:
    if each.type == socket.SOCK_STREAM:
        return SerializedSocket.listening(each.fileno())
    return SerializedSocket.bound_datagrams(each.fileno())


def bind_command_sockets(
    interface: str, port: int, udp: bool
) -> tuple[socket.socket, ...]:
    """Bind a TCP socket that listens, and a UDP socket of the same port.

    Args:
        interface: The address; ``""`` for all of IPv4.
        port: The number; 0 for any free one.
        udp: Whether there is a UDP socket.

    Raises:
        SpawnFailed: The port is taken, or there is no free one.
    """
    family = socket.AF_INET6 if ":" in interface else socket.AF_INET
    problem: OSError | None = None
    for _ in range(1 if port else _SAME_PORT_ATTEMPTS):
        with contextlib.ExitStack() as undo:
            try:
                stream = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                stream.bind((interface, port))
                found = [stream]
                if udp:
                    datagrams = socket.socket(family, socket.SOCK_DGRAM)
                    found.append(undo.enter_context(datagrams))
                    datagrams.bind((interface, stream.getsockname()[1]))
                stream.listen(_BACKLOG)
            except OSError as error:
                problem = error
                if error.errno != errno.EADDRINUSE:
                    break
                continue
            for each in found:
                each.setblocking(False)
            undo.pop_all()
            return tuple(found)
    assert problem is not None, "no attempt is made without an outcome"
    where = f"{interface or '*'} port {port or 'any'}"
    raise SpawnFailed(
        f"a daemon at {where}",
        problem.errno or 0,
        "binding its command port",
        problem.strerror or "",
        "choose another port or interface",
    )
