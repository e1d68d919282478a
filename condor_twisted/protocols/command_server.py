"""The server side: what a connection or a datagram does to a daemon.

A connection's life, each step a function that gets the next message:

1.  The first message is a raw command and its payload, or ``DC_AUTHENTICATE``. It
    comes whole within 20 s of the accept, or the connection is dropped.
2.  Behind ``DC_AUTHENTICATE`` the handshake runs, at most 120 s from the accept. It
    says which command is meant; the command's payload is a message of its own (20 s).
    A command that has none runs at once.
3.  `CommandServer.admit` asks the one question: may this peer, over this channel, send
    this command? If host names matter for that, they are looked up first.
4.  The handler runs. While it does, messages behind it wait. When it is done the
    connection closes, or stays for further raw commands with the same identity and
    protection.

Everything a peer can make go wrong ends in `ServerConnection.channel_failed` or
`ServerConnection._refuse`: a line in the log, folded, and a closed connection.

Source: ``src/condor_daemon_core.V6/daemon_command.cpp``,
``src/condor_daemon_core.V6/daemon_core.cpp: HandleReq, CallCommandHandler``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from inspect import iscoroutine
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from condor_twisted.constants.commands import command_name
from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    CondorTwistedError,
    HandshakeTimedOut,
    LimitExceeded,
    LocalProtocolError,
    MalformedMessage,
    PeerClosed,
    RemoteProtocolError,
    SecurityError,
)
from condor_twisted.protocols.deadlines import NEVER, DeadlineSweep
from condor_twisted.protocols.handshake_driver import HandshakeDriver
from condor_twisted.protocols.host_steps import Host
from condor_twisted.protocols.log_text import FoldedLog, escaped
from condor_twisted.protocols.reli_sock import ReliSockProtocol
from condor_twisted.protocols.requests import (
    CommandRequest,
    Registration,
    WhatIsServed,
)
from condor_twisted.security.admission import admit, holds
from condor_twisted.security.authorization import Decision
from condor_twisted.security.commands import DC_AUTHENTICATE, CommandRule
from condor_twisted.security.context import (
    ChannelEnds,
    HandshakeContext,
    SecurityState,
)
from condor_twisted.security.negotiation import Admission, serve
from condor_twisted.security.peer import Peer, Transport, raw_peer
from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.safe_messages import NO_SECURITY, SafeMessage
from condor_twisted.wire.stream_frames import FrameLimits, StreamFramer

__all__ = ["CommandServer", "ServerConnection", "ServerCounters", "ServerLimits"]

_log = Logger()

#: The first whole message, the whole handshake, a payload.
FIRST_MESSAGE_SECONDS: Final = 20.0
HANDSHAKE_SECONDS: Final = 120.0
PAYLOAD_SECONDS: Final = 20.0
#: How often answers that came from host names are asked for again.
REVALIDATE_SECONDS: Final = 60.0
_KEPT_ADMISSIONS_COUNT: Final = 16_384


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """How much of one server its peers may take up.

    Args:
        connections: Open connections in all.
        unproven_per_address: Connections of one address that have not had a command
            admitted yet.
        frames: Sizes of frames and messages.
    """

    connections: int = 10_000
    unproven_per_address: int = 200
    frames: FrameLimits = field(default_factory=FrameLimits)


@dataclass(slots=True)
class ServerCounters:
    """What has happened since the start."""

    connections: int = 0
    connections_refused: int = 0
    commands: int = 0
    datagrams: int = 0
    commands_denied: int = 0
    commands_unknown: int = 0
    handshakes_failed: int = 0
    protocol_errors: int = 0
    handler_errors: int = 0


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
        self.folded = FoldedLog(_log, reactor.seconds)
        self.sweep.every_sweep(self.folded.flush)
        #: Changes when admissions of before do not count any more.
        self.generation = 0
        self.connections: dict[ServerConnection, None] = {}
        self._unproven: dict[str, int] = {}
        self._raw_tcp: dict[tuple[int, str], Registration] = {}
        self._raw_udp: dict[tuple[int, str], Registration] = {}
        self._forgotten_at = reactor.seconds()
        #: Called when a new connection has a descriptor number this high.
        self.descriptor_limit: float = NEVER
        self.descriptors_short: Callable[[], None] = lambda: None

    # Connections.

    def doStart(self) -> None:  # noqa: N802
        """Part of ``IProtocolFactory``."""

    def doStop(self) -> None:  # noqa: N802
        """Part of ``IProtocolFactory``."""

    def buildProtocol(self, address: IAddress) -> ReliSockProtocol | None:
        """A protocol for one accepted connection, or ``None`` over a limit."""
        host: str = getattr(address, "host", "")
        if len(self.connections) >= self.limits.connections and not self.drop_idle():
            self._turn_away(host, "connections")
            return None
        if self._unproven.get(host, 0) >= self.limits.unproven_per_address:
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
        self._forgotten_at = self.reactor.seconds()

    def admitted_raw(
        self, transport: Transport, number: int, address: str
    ) -> Registration | None:
        """The registration, if this raw command was admitted a moment ago."""
        kept = self._raw_tcp if transport is Transport.TCP else self._raw_udp
        found = kept.get((number, address))
        if (
            found is not None
            and self.reactor.seconds() - self._forgotten_at > REVALIDATE_SECONDS
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
            "{number} ({name}), access level {level}: reason: {reason}",
            user=escaped(peer.user),
            address=peer.address,
            transport=peer.transport.value,
            number=rule.number,
            name=rule.name,
            level=rule.permission.name,
            reason=escaped(decision.reason),
        )

    def holds(self, permission: Permission, peer: Peer) -> bool:
        """Whether a peer holds a further level."""
        decision = holds(
            permission, peer, self.security.policies, self.security.authorizer
        )
        if decision.needs_names and peer.host_names is None:
            known = self.host.names.known(peer.address) or ()
            decision = holds(
                permission,
                _with_names(peer, known),
                self.security.policies,
                self.security.authorizer,
            )
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
        """Take a message that came by UDP."""
        self.counters.datagrams += 1
        if message.header is not NO_SECURITY:
            self._protected_datagram(message, address, port)
            return
        payload = message.payload
        number = _command_of(payload)
        registration = self.admitted_raw(Transport.UDP, number, address)
        peer = raw_peer(address, port, Transport.UDP)
        if registration is not None:
            self._run_datagram(registration, payload, 8, False, peer, None)
        else:
            self._datagram_command(number, payload, 8, False, peer, None)

    def _protected_datagram(
        self, message: SafeMessage, address: str, port: int
    ) -> None:
        raise SecurityError("protected datagrams are not served here")

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
        result = registration.handler(request)
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


class ServerConnection:
    """The server side of one TCP connection; owns its `ReliSockProtocol`."""

    __slots__ = (
        "_accepted_at",
        "_allowed",
        "_allowed_generation",
        "_awaited",
        "_closed",
        "_driver",
        "_proven",
        "_running",
        "channel",
        "host",
        "is_idle",
        "peer",
        "port",
        "server",
    )

    def __init__(
        self, server: CommandServer, channel: ReliSockProtocol, host: str, port: int
    ) -> None:
        self.server = server
        self.channel = channel
        self.host = host
        self.port = port
        self.peer: Peer | None = None
        #: Whether it is only kept for commands that may come.
        self.is_idle = False
        self._accepted_at = 0.0
        self._allowed: dict[int, Registration] | None = None
        self._allowed_generation = -1
        self._awaited: Registration | None = None
        self._driver: HandshakeDriver[Admission] | None = None
        self._closed = False
        self._proven = False
        self._running: Deferred[Any] | None = None

    # What the channel calls.

    def connected(self) -> None:
        """The connection stands."""
        server = self.server
        server.counters.connections += 1
        server.connections[self] = None
        server._unproven[self.host] = server._unproven.get(self.host, 0) + 1
        channel = self.channel
        transport = channel.transport
        fileno = getattr(transport, "fileno", None)
        if fileno is not None and fileno() >= server.descriptor_limit:
            server.descriptors_short()
            channel.abort()
            return
        self._accepted_at = server.sweep.seconds()
        channel.receiver = self._first_message
        channel.set_deadline(self._accepted_at + FIRST_MESSAGE_SECONDS)

    def channel_failed(self, failure: Failure) -> None:
        """Peer input raised this; the connection is aborted already."""
        server = self.server
        server.counters.protocol_errors += 1
        if failure.check(RemoteProtocolError, SecurityError):
            server.folded.warn(
                "bad input",
                self.host,
                "Connection from {host}:{port} closed: {error}",
                host=self.host,
                port=self.port,
                error=escaped(str(failure.value)),
            )
        else:
            _log.failure("peer input raised what it must not", failure)

    def channel_late(self) -> None:
        """A deadline passed."""
        if self._driver is not None:
            self._driver.fail(HandshakeTimedOut("the handshake", HANDSHAKE_SECONDS))
            return
        self.server.folded.info(
            "late",
            self.host,
            "Connection from {host}:{port} closed: nothing whole came in time",
            host=self.host,
            port=self.port,
        )
        self.channel.abort()

    def channel_closed(self, reason: Failure) -> None:
        """The connection has ended."""
        self._closed = True
        self.server.connections.pop(self, None)
        self._prove()
        if self._driver is not None:
            self._driver.fail(PeerClosed("the peer closed during the handshake"))
        if self._running is not None:
            self._running.cancel()

    # Messages.

    def _first_message(self, payload: bytes) -> None:
        number = _command_of(payload)
        if number == DC_AUTHENTICATE:
            self._negotiate(payload)
            return
        self.channel.forget_transcript()
        self.peer = raw_peer(self.host, self.port, Transport.TCP)
        registration = self.server.admitted_raw(Transport.TCP, number, self.host)
        if registration is not None:
            self._allow(registration)
            self._run(registration, payload, 8)
        else:
            self._command(number, payload, 8)

    def _kept_message(self, payload: bytes) -> None:
        number = int.from_bytes(payload[:8], "big", signed=True)
        allowed = self._allowed
        if allowed is not None and self._allowed_generation == self.server.generation:
            registration = allowed.get(number)
            if registration is not None:
                self._run(registration, payload, 8)
                return
        self._command(_command_of(payload), payload, 8)

    def _negotiate(self, payload: bytes) -> None:
        """Run the handshake that a first message begins."""
        server, channel = self.server, self.channel
        channel.stop_receiving()
        transport: Any = channel.transport
        own = transport.getHost()
        ends = ChannelEnds(
            getattr(own, "host", ""), getattr(own, "port", 0), self.host, self.port
        )
        channel.set_deadline(self._accepted_at + HANDSHAKE_SECONDS)
        driver = self._driver = HandshakeDriver(
            serve(HandshakeContext(server.security, ends), payload),
            channel,
            server.host,
        )
        driver.start().addCallbacks(self._negotiated, self._not_negotiated).addErrback(
            self.channel_failed
        )

    def _negotiated(self, admission: Admission) -> None:
        """The handshake has ended well: run its command, if there is one to run."""
        self._driver = None
        server, channel = self.server, self.channel
        self.peer = admission.peer
        channel.forget_transcript()
        if not admission.decision.allowed:
            server.denied(admission.rule, admission.peer, admission.decision)
        if admission.command is None:
            channel.lose()
            return
        registration = server.table.find(admission.command)
        if registration is None:
            raise LocalProtocolError(f"the rule of {admission.command} has no handler")
        self._allow(registration)
        if registration.rule.has_payload or admission.resumed:
            self._awaited = registration
            channel.receiver = self._payload_message
            channel.set_deadline(server.sweep.seconds() + registration.payload_seconds)
            channel.resume()
        else:
            channel.set_deadline(NEVER)
            self._run(registration, b"", 0)

    def _not_negotiated(self, failure: Failure) -> None:
        """The handshake has failed: close without an answer."""
        self._driver = None
        server = self.server
        if not failure.check(PeerClosed):
            server.counters.handshakes_failed += 1
            if failure.check(CondorTwistedError):
                server.folded.warn(
                    "handshake",
                    self.host,
                    "DC_AUTHENTICATE: no session for {host}:{port}: {error}",
                    host=self.host,
                    port=self.port,
                    error=escaped(str(failure.value)),
                )
            else:
                _log.failure("a handshake raised what it must not", failure)
        self.channel.abort()

    def _payload_message(self, payload: bytes) -> None:
        registration = self._awaited
        assert registration is not None, "a payload comes behind a negotiation"
        self._awaited = None
        self.channel.receiver = None
        self.channel.set_deadline(NEVER)
        self._run(registration, payload, 0)

    def _command(self, number: int, payload: bytes, offset: int) -> None:
        """Look a command up, ask whether it may run, and run it."""
        peer = self.peer
        assert peer is not None, "a command comes behind the peer's identity"
        registration = self.server.table.find(number)
        if registration is None:
            self.server.unknown_command(number, peer)
            self.channel.abort()
            return
        found = registration
        self._wait()

        def admitted(known: Peer) -> None:
            self.peer = known
            self._allow(found)
            self._run(found, payload, offset)

        self.server.admit(registration, peer, admitted, self.channel.abort)

    def _allow(self, registration: Registration) -> None:
        generation = self.server.generation
        if self._allowed is None or self._allowed_generation != generation:
            self._allowed = {}
            self._allowed_generation = generation
        self._allowed[registration.rule.number] = registration
        if not self._proven:
            self._prove()
            self.channel.raise_limits()

    def _prove(self) -> None:
        """Stop counting this connection as one that has proved nothing."""
        if self._proven:
            return
        self._proven = True
        unproven = self.server._unproven
        count = unproven.get(self.host, 0)
        if count > 1:
            unproven[self.host] = count - 1
        else:
            unproven.pop(self.host, None)

    def _wait(self) -> None:
        """Take no further message, and have no deadline, until told."""
        channel = self.channel
        channel.receiver = None
        self.is_idle = False
        if channel.owner_deadline != NEVER:
            channel.set_deadline(NEVER)

    def _run(self, registration: Registration, payload: bytes, offset: int) -> None:
        peer = self.peer
        assert peer is not None
        server = self.server
        channel = self.channel
        if len(payload) - offset > registration.max_payload_bytes:
            raise LimitExceeded(
                f"bytes of the payload of command {registration.rule.number}",
                registration.max_payload_bytes,
                len(payload) - offset,
            )
        request = CommandRequest(
            registration.rule.number,
            payload,
            offset,
            channel.encrypted,
            peer,
            channel,
            channel.secrets,
            server.holds,
        )
        try:
            result = server.run(registration, request)
        except Exception:
            server.handler_failed(registration.rule.number, peer, Failure())
            channel.abort()
            return
        if result is None:
            self._done(registration, request)
            return
        self._wait()
        self._running = result

        def finished(outcome: object) -> None:
            self._running = None
            if isinstance(outcome, Failure):
                if not self._closed:
                    server.handler_failed(registration.rule.number, peer, outcome)
                channel.abort()
            else:
                self._done(registration, request)

        result.addBoth(finished)

    def _done(self, registration: Registration, request: CommandRequest) -> None:
        channel = self.channel
        if not (registration.keeps_stream or request.keeps_open):
            channel.lose()
            return
        if self.is_idle:
            return
        self.is_idle = True
        channel.receiver = self._kept_message
        channel.partial_seconds = PAYLOAD_SECONDS
        if channel.owner_deadline != NEVER:
            channel.set_deadline(NEVER)
        channel.resume()


def _command_of(payload: bytes) -> int:
    """The command that a message begins with, as its whole 64 bit number."""
    if len(payload) < 8:
        raise MalformedMessage("a message is too short for a command")
    return int.from_bytes(payload[:8], "big", signed=True)
