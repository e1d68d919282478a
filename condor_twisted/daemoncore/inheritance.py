"""What this process has from a DaemonCore parent: sockets, sessions, who the parent is.

A parent that is a DaemonCore process has bound our command sockets already, tells their
addresses to others, and has made sessions that both of us know. It says so in two
variables of the environment, which are taken out of it at once: they are for this
process and not for what it starts.

A variable that makes no sense is worth an error line, and is passed over as a whole;
the daemon then opens ports of its own and has no parent.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::Inherit``.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass, field

from twisted.logger import Logger

from condor_twisted.config.settings import Settings
from condor_twisted.errors import CondorTwistedError, RemoteProtocolError
from condor_twisted.security.context import SecurityState
from condor_twisted.security.sessions.claim_ids import (
    FAMILY_SESSION,
    PARENT_SESSION,
    ClaimId,
    parse_private_inheritance,
)
from condor_twisted.security.sessions.shared import (
    inherit_parent_session,
    join_family,
)
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

__all__ = ["Inherited", "take_inheritance"]

_log = Logger()


@dataclass(slots=True)
class Inherited:
    """What a parent has handed down.

    Args:
        parent_id: Its process id.
        parent_address: Where it takes commands, a sinful string; may be empty.
        streams: Listening TCP sockets, one per family of addresses.
        datagrams: The UDP sockets of the same ports.
        passed: Further sockets, for the daemon's own use.
        endpoint: Our endpoint behind a shared port, if the parent made one.
        claims: Sessions, each with its keyword.
        has_session: Whether the parent's own session is in use.
        family: The session of our family of processes, for our own children.
    """

    parent_id: int
    parent_address: str = ""
    streams: list[socket.socket] = field(default_factory=list)
    datagrams: list[socket.socket] = field(default_factory=list)
    passed: tuple[SerializedSocket, ...] = ()
    endpoint: SerializedEndpoint | None = None
    claims: tuple[tuple[str, ClaimId], ...] = ()
    has_session: bool = False
    family: ClaimId | None = None

    def close(self) -> None:
        """Close the sockets that nobody has taken."""
        for each in (*self.streams, *self.datagrams):
            each.close()
        self.streams, self.datagrams = [], []

    def take_sessions(self, security: SecurityState, settings: Settings) -> None:
        """Keep the sessions that the parent made; what is wrong with one is logged.

        Args:
            security: Gets them.
            settings: ``SEC_USE_FAMILY_SESSION``.
        """
        for keyword, claim in self.claims:
            try:
                if keyword == PARENT_SESSION:
                    inherit_parent_session(security, claim, self.parent_address)
                    self.has_session = True
                elif keyword == FAMILY_SESSION and settings.boolean(
                    "SEC_USE_FAMILY_SESSION", True
                ):
                    join_family(security, claim)
                    self.family = claim
            except CondorTwistedError as error:
                _log.error(
                    "The session that our parent made ({keyword}) is of no use: "
                    "{error}",
                    keyword=keyword,
                    error=str(error),
                )
        self.claims = ()


def take_inheritance(environment: MutableMapping[str, str]) -> Inherited | None:
    """Take what a parent has put into the environment out of it.

    Args:
        environment: The process's; both variables are removed.

    Returns:
        What is there; ``None`` without a parent, or where it makes no sense.
    """
    text = environment.pop(INHERIT_VARIABLE, None)
    private = environment.pop(PRIVATE_INHERIT_VARIABLE, None)
    if not text or not text.strip():
        return None
    try:
        found = Inheritance.parse(text)
        SinfulAddress.parse(found.parent_address or "<>")
    except RemoteProtocolError as error:
        _log.error(
            "{name} is of no use, going on without a parent: {error}",
            name=INHERIT_VARIABLE,
            error=str(error),
        )
        return None
    inherited = Inherited(found.parent_id, found.parent_address, passed=found.passed)
    try:
        for each in found.command_sockets:
            taken = _take_socket(each)
            (inherited.streams if each.is_stream else inherited.datagrams).append(taken)
        if found.endpoint is not None:
            _check_listener(found.endpoint.listener.descriptor)
            inherited.endpoint = found.endpoint
    except OSError as error:
        inherited.close()
        inherited.endpoint = None
        _log.error(
            "The command sockets in {name} are of no use, opening others: {error}",
            name=INHERIT_VARIABLE,
            error=error.strerror or str(error),
        )
    try:
        inherited.claims = parse_private_inheritance(private or "")
    except RemoteProtocolError as error:
        _log.error(
            "{name} is of no use, going on without our parent's sessions: {error}",
            name=PRIVATE_INHERIT_VARIABLE,
            error=str(error),
        )
    return inherited


def _take_socket(described: SerializedSocket) -> socket.socket:
    """A socket that was handed down, ours alone from now on.

    Raises:
        OSError: The descriptor is not the socket that it should be.
    """
    descriptor = described.descriptor
    if described.is_stream:
        _check_listener(descriptor)
    taken = socket.socket(fileno=descriptor)
    try:
        wanted = socket.SOCK_STREAM if described.is_stream else socket.SOCK_DGRAM
        if taken.type != wanted or taken.family not in (
            socket.AF_INET,
            socket.AF_INET6,
        ):
            raise OSError(f"descriptor {descriptor} is another kind of socket")
        if not taken.getsockname()[1]:
            raise OSError(f"descriptor {descriptor} is not bound to a port")
    except BaseException:
        taken.detach()  # it may be something else that is in use
        raise
    taken.set_inheritable(False)
    taken.setblocking(False)
    return taken


def _check_listener(descriptor: int) -> None:
    """See that a descriptor is a listening socket.

    Raises:
        OSError: It is not.
    """
    copy = os.dup(descriptor)
    try:
        looked_at = socket.socket(fileno=copy)
    except OSError:
        with contextlib.suppress(OSError):
            os.close(copy)
        raise
    with looked_at:
        if not looked_at.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise OSError(f"descriptor {descriptor} is no listening socket")
