"""The server side: whom a daemon serves, with what, and what it does not take.

`CommandServer` is what all ports of a daemon have in common: the table, the security
state, the one question that is asked of every command (`CommandServer.admit`), the
running of handlers, the limits and the counters. `server_connection` has the life of
one connection. A datagram has none: it is a command, raw or under a session, that is
admitted and run or dropped.

This module is long because both ways in, streams and datagrams, go through the one
admission here.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: HandleReq, CallCommandHandler``;
``src/condor_daemon_core.V6/daemon_command.cpp``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from inspect import iscoroutine
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from condor_twisted.classad.recent import HandlerTimes
from condor_twisted.constants.commands import command_name
from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    LimitExceeded,
    LocalProtocolError,
    PeerClosed,
    RemoteProtocolError,
    SecurityError,
)
from condor_twisted.protocols.accounting import ServerCounters, ServerLimits
from condor_twisted.protocols.command_transport import Door
from condor_twisted.protocols.deadlines import NEVER, DeadlineSweep
from condor_twisted.protocols.host_steps import Host
from condor_twisted.protocols.log_text import FoldedLog, escaped
from condor_twisted.protocols.reli_sock import ReliSockProtocol
from condor_twisted.protocols.requests import (
    CommandRequest,
    Registration,
    WhatIsServed,
    command_number,
)
from condor_twisted.protocols.server_connection import ServerConnection
from condor_twisted.security.authorization import Decision
from condor_twisted.security.commands import DC_AUTHENTICATE, CommandRule
from condor_twisted.security.context import SecurityState
from condor_twisted.security.handshake.admission import admit, holds
from condor_twisted.security.handshake.datagrams import admit_datagram
from condor_twisted.security.peer import Peer, Transport, datagram_peer, raw_peer
from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.safe_messages import NO_SECURITY, SafeMessage
from condor_twisted.wire.stream_frames import StreamFramer

__all__ = ["CommandServer", "ServerCounters", "ServerLimits"]

_log = Logger()

#: How often answers that came from host names are asked for again.
REVALIDATE_SECONDS: Final = 60.0
_KEPT_ADMISSIONS_COUNT: Final = 16_384
#: How long a command's number is in a message.
_NUMBER_BYTES: Final = 8


class CommandServer:
    """Serves the commands of one daemon, over all its ports.

    A protocol factory for TCP (``buildProtocol``) and the receiver of datagrams.

    Args:
        table: What is served.
        security: Policies, ALLOW and DENY lists, and sessions.
        host: Performs what blocks, and looks host names up.
        reactor: Time and turns.
        limits: How much peers may take up.
    """

    def __init__(
        self,
        table: WhatIsServed,
        security: SecurityState,
        host: Host,
        reactor: IReactorTime,
        limits: ServerLimits = ServerLimits(),  # noqa: B008 -- frozen
    ) -> None:
        self.table = table
        self.security = security
        self.host = host
        self.reactor = reactor
        self.limits = limits
        self.sweep = DeadlineSweep(reactor)
        self.counters = ServerCounters()
        self.folded = FoldedLog(_log, self.sweep.seconds)
        self.sweep.every_sweep(self.folded.flush)
        #: Changes when admissions of before do not count any more.
        self.generation = 0
        self.connections: dict[ServerConnection, None] = {}
        #: How many connections of an address have had no command admitted yet.
        self.unproven: dict[str, int] = {}
        self._raw_tcp: dict[tuple[int, str], Registration] = {}
        self._raw_udp: dict[tuple[int, str], Registration] = {}
        self._forgotten_at = self.sweep.seconds()
        #: Called when a new connection has a descriptor number this high.
        self.descriptor_limit: float = NEVER
        self.descriptors_short: Callable[[], None] = lambda: None
        #: Looks at connections before a byte of them is read.
        self.door: Door | None = None
        #: How long handlers take, by their commands' names, if somebody wants to know.
        self.command_times: HandlerTimes | None = None
        #: Whether each command is logged (D_COMMAND); that costs as much as a command.
        self.log_commands = False

    # Connections.

    def doStart(self) -> None:
        """Part of ``IProtocolFactory``."""

    def doStop(self) -> None:
        """Part of ``IProtocolFactory``."""

    def buildProtocol(self, address: IAddress) -> ReliSockProtocol | None:
        """A protocol for one accepted connection, or ``None`` over a limit."""
        host: str = getattr(address, "host", "")
        if len(self.connections) >= self.limits.connections and not self.drop_idle():
            self._turn_away(host, "connections")
            return None
        if self.unproven.get(host, 0) >= self.limits.unproven_per_address:
            self._turn_away(host, "connections of one address")
            return None
        channel = ReliSockProtocol(
            StreamFramer(self.limits.frames), self.sweep, self.reactor
        )
        channel.owner = ServerConnection(
            self, channel, host, getattr(address, "port", 0)
        )
        return channel

    def drop_idle(self) -> bool:
        """Close the oldest connection that is only kept; whether there was one."""
        for connection in self.connections:
            if connection.is_idle:
                connection.channel.abort()
                self.connections.pop(connection, None)
                return True
        return False

    def close(self) -> None:
        """Close every connection now; answers on their way may still arrive."""
        for connection in list(self.connections):
            if connection.channel.is_open:
                connection.channel.abort()
        self.sweep.stop()

    def _turn_away(self, host: str, what: str) -> None:
        self.counters.connections_refused += 1
        self.folded.warn(
            "full",
            host,
            "Too many {what}; closing one from {host}",
            what=what,
            host=host,
        )

    # Admission.

    def forget_admissions(self) -> None:
        """Ask again for every command from now on, whatever was answered before.

        Call it when ``security`` has changed; kept connections are asked as well.
        """
        self.generation += 1
        self._raw_tcp.clear()
        self._raw_udp.clear()
        self.security.authorizer.forget_answers()
        self._forgotten_at = self.sweep.seconds()

    def admitted_raw(
        self, transport: Transport, number: int, address: str
    ) -> Registration | None:
        """The registration, if this raw command was admitted a moment ago."""
        kept = self._raw_tcp if transport is Transport.TCP else self._raw_udp
        found = kept.get((number, address))
        if (
            found is not None
            and self.sweep.seconds() - self._forgotten_at > REVALIDATE_SECONDS
        ):
            self.forget_admissions()
            return None
        return found

    def admit(
        self,
        registration: Registration,
        peer: Peer,
        admitted: Callable[[Peer], None],
        refused: Callable[[], None],
    ) -> None:
        """Ask whether a command may run, and say so with one of two calls.

        The call comes at once, or later if host names have to be looked up.

        Args:
            registration: The command.
            peer: Who sends it.
            admitted: Called with the peer, its host names filled in if they mattered.
            refused: Called after the refusal has been counted and logged.
        """
        decision = self._decide(registration, peer)
        if decision.needs_names and peer.host_names is None:
            names = self.host.names.names(peer.address)
            if isinstance(names, Deferred):

                def named(found: tuple[str, ...]) -> None:
                    self.admit(
                        registration, _with_names(peer, found), admitted, refused
                    )

                names.addCallback(named).addErrback(_log_failure)
                return
            self.admit(registration, _with_names(peer, names), admitted, refused)
            return
        if decision.allowed:
            if not peer.negotiated:
                self._keep_admission(registration, peer)
            admitted(peer)
            return
        self.denied(registration.rule, peer, decision)
        refused()

    def denied(self, rule: CommandRule, peer: Peer, decision: Decision) -> None:
        """Count and log a refusal."""
        self.counters.commands_denied += 1
        self.folded.warn(
            "denied",
            peer.address,
            "PERMISSION DENIED to {user} from host {address} for {transport} command "
            "{number} ({name}), access level {permission}: reason: {reason}",
            user=escaped(peer.user),
            address=peer.address,
            transport=peer.transport.value,
            number=rule.number,
            name=rule.name,
            permission=rule.permission.name,
            reason=escaped(decision.because),
        )

    def holds(self, permission: Permission, peer: Peer) -> bool:
        """Whether a peer holds a further level.

        Where that hangs on host names that nobody has looked up, it does not; see
        `Registration.also_asks`.
        """
        security = self.security
        decision = holds(permission, peer, security.policies, security.authorizer)
        if decision.needs_names and peer.host_names is None:
            known = self.host.names.known(peer.address)
            if known is None:
                return False
            named = _with_names(peer, known)
            decision = holds(permission, named, security.policies, security.authorizer)
        return decision.allowed

    def unknown_command(self, number: int, peer: Peer) -> None:
        """Count and log a command that nobody registered."""
        self.counters.commands_unknown += 1
        self.folded.warn(
            "unknown",
            peer.address,
            "Received {transport} command ({number}) (UNREGISTERED COMMAND!) from "
            "{user} {address}:{port}",
            transport=peer.transport.value,
            number=number,
            user=escaped(peer.user),
            address=peer.address,
            port=peer.port,
        )

    def _decide(self, registration: Registration, peer: Peer) -> Decision:
        decision = admit(
            registration.rule, peer, self.security.policies, self.security.authorizer
        )
        if decision.allowed and peer.host_names is None:
            for permission in registration.also_asks:
                asked = holds(
                    permission, peer, self.security.policies, self.security.authorizer
                )
                if asked.needs_names:
                    return asked
        return decision

    def _keep_admission(self, registration: Registration, peer: Peer) -> None:
        kept = self._raw_tcp if peer.transport is Transport.TCP else self._raw_udp
        if len(kept) >= _KEPT_ADMISSIONS_COUNT:
            kept.clear()
        kept[(registration.rule.number, peer.address)] = registration

    # Datagrams.

    def message_received(self, message: SafeMessage, address: str, port: int) -> None:
        """Take a message that came by UDP.

        Raises:
            RemoteProtocolError: It is broken; drop it.
            SecurityError: Its session or command is not known; drop it.
        """
        self.counters.datagrams += 1
        payload = message.payload
        number = command_number(payload)
        if message.header is not NO_SECURITY or number == DC_AUTHENTICATE:
            self._session_datagram(message, address, port, None)
            return
        registration = self.admitted_raw(Transport.UDP, number, address)
        peer = raw_peer(address, port, Transport.UDP)
        if registration is not None:
            self._run_datagram(registration, payload, 8, False, peer, None)
        else:
            self._datagram_command(number, payload, 8, False, peer, None)

    def quick_datagram(self, payload: bytes, source: tuple[str, int]) -> bool:
        """Take a message in clear by UDP, if its command was admitted a moment ago.

        Returns:
            Whether it was taken; `message_received` takes any.

        Raises:
            RemoteProtocolError: It is broken; drop it.
        """
        number = int.from_bytes(payload[:_NUMBER_BYTES], "big")
        registration = self.admitted_raw(Transport.UDP, number, source[0])
        if registration is None or len(payload) < _NUMBER_BYTES:
            return False
        self.counters.datagrams += 1
        peer = datagram_peer(source)
        self._run_datagram(registration, payload, _NUMBER_BYTES, False, peer, None)
        return True

    def _session_datagram(
        self,
        message: SafeMessage,
        address: str,
        port: int,
        names: tuple[str, ...] | None,
    ) -> None:
        """A datagram under a session; with the sender's names, once they are known."""
        found = admit_datagram(self.security, message, address, port, names)
        if found.decision.needs_names and names is None:
            asked = self.host.names.names(address)
            if isinstance(asked, Deferred):

                def named(answer: tuple[str, ...]) -> None:
                    self._session_datagram(message, address, port, answer)

                asked.addCallback(named).addErrback(self._dropped, address, port)
            else:
                self._session_datagram(message, address, port, asked)
            return
        if not found.decision.allowed:
            self.denied(found.rule, found.peer, found.decision)
            return
        registration = self.table.find(found.command)
        if registration is None:
            raise LocalProtocolError(f"the rule of {found.command} has no handler")
        self._run_datagram(
            registration,
            found.payload,
            found.offset,
            found.encrypted,
            found.peer,
            found.secrets,
        )

    def _dropped(self, failure: Failure, address: str, port: int) -> None:
        """A datagram turned out bad after its sender's names were looked up."""
        if not failure.check(RemoteProtocolError, SecurityError):
            _log.failure("a datagram raised what it must not", failure)
            return
        self.folded.warn(
            "bad datagram",
            address,
            "Datagram from {address}:{port} dropped: {error}",
            address=address,
            port=port,
            error=escaped(str(failure.value)),
        )

    def _datagram_command(
        self,
        number: int,
        payload: bytes,
        offset: int,
        encrypted: bool,
        peer: Peer,
        secrets: CfbCipher | None,
    ) -> None:
        """Ask whether the command of a datagram may run, and run it."""
        registration = self.table.find(number)
        if registration is None:
            self.unknown_command(number, peer)
            return
        found = registration

        def admitted(known: Peer) -> None:
            self._run_datagram(found, payload, offset, encrypted, known, secrets)

        self.admit(registration, peer, admitted, _do_nothing)

    def _run_datagram(
        self,
        registration: Registration,
        payload: bytes,
        offset: int,
        encrypted: bool,
        peer: Peer,
        secrets: CfbCipher | None,
    ) -> None:
        number = registration.rule.number
        if len(payload) - offset > registration.max_payload_bytes:
            raise LimitExceeded(
                f"bytes of the payload of command {number}",
                registration.max_payload_bytes,
                len(payload) - offset,
            )
        request = CommandRequest(
            number, payload, offset, encrypted, peer, None, secrets, self.holds
        )
        try:
            result = self.run(registration, request)
        except Exception:
            self.handler_failed(number, peer, Failure())
            return
        if result is not None:
            result.addErrback(
                lambda failure: self.handler_failed(number, peer, failure)
            )

    # Running handlers.

    def run(self, registration: Registration, request: CommandRequest) -> Any:
        """Run a handler.

        Returns:
            ``None`` when it is done; a `Deferred` that fires with ``None`` when it
            will be.

        Raises:
            Exception: Whatever the handler raises.
        """
        self.counters.commands += 1
        if self.log_commands:
            _log.debug(
                "Calling HandleReq for command {number} ({name}) from {peer}",
                category="D_COMMAND",
                number=request.command,
                name=registration.rule.name,
                peer=escaped(str(request.peer)),
            )
        times = self.command_times
        if times is None:
            result = registration.handler(request)
        else:
            result = times.run(registration.rule.name, registration.handler, request)
        if result is None or isinstance(result, Deferred):
            return result
        if iscoroutine(result):
            coroutine: Coroutine[Deferred[Any], Any, Any] = result
            return Deferred.fromCoroutine(coroutine)
        return None

    def handler_failed(self, number: int, peer: Peer, failure: Failure) -> None:
        """Count and log what a handler raised.

        What peers send wrong raises `RemoteProtocolError` or `SecurityError`: an
        ordinary refusal. A peer that goes away is nothing at all. Anything else is a
        bug, with its traceback.
        """
        if failure.check(PeerClosed):
            return
        if failure.check(RemoteProtocolError, SecurityError):
            self.counters.protocol_errors += 1
            self.folded.warn(
                "bad payload",
                peer.address,
                "Command {number} ({name}) from {peer} is refused: {error}",
                number=number,
                name=command_name(number),
                peer=escaped(str(peer)),
                error=escaped(str(failure.value)),
            )
            return
        self.counters.handler_errors += 1
        _log.failure(
            "the handler of command {number} ({name}) failed",
            failure,
            number=number,
            name=command_name(number),
        )


def _do_nothing() -> None:
    """What a refused datagram is answered."""


def _with_names(peer: Peer, names: tuple[str, ...]) -> Peer:
    return replace(peer, host_names=names)


def _log_failure(failure: Failure) -> None:
    _log.failure("an admission failed", failure)
