"""The server side of one TCP connection.

Its life, each step a function that gets the next message:

1.  The first message is a raw command and its payload, or ``DC_AUTHENTICATE``. It
    comes whole within 20 s of the accept, or the connection is dropped.
2.  Behind ``DC_AUTHENTICATE`` the handshake runs, at most 120 s from the accept, and
    authentication in it for SEC_<LEVEL>_AUTHENTICATION_TIMEOUT. It
    says which command is meant; the command's payload is a message of its own (20 s).
    A command that has none runs at once.
3.  `CommandServer.admit` asks the one question: may this peer, over this channel, send
    this command? If host names matter for that, they are looked up first.
4.  The handler runs. While it does, messages behind it wait. When it is done the
    connection closes, or stays for further raw commands with the same identity and
    protection.

Everything a peer can make go wrong ends with a line in the log, folded, and a closed
connection.

Source: ``src/condor_daemon_core.V6/daemon_command.cpp: DaemonCommandProtocol``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from condor_twisted.errors import (
    CondorTwistedError,
    FailedAttempt,
    HandshakeTimedOut,
    LimitExceeded,
    LocalProtocolError,
    NoMethodSucceeded,
    PeerClosed,
    RemoteProtocolError,
    SecurityError,
)
from condor_twisted.protocols.deadlines import NEVER
from condor_twisted.protocols.handshake_driver import HandshakeDriver
from condor_twisted.protocols.log_text import escaped
from condor_twisted.protocols.reli_sock import ReliSockProtocol
from condor_twisted.protocols.requests import (
    CommandRequest,
    Registration,
    command_number,
)
from condor_twisted.security.commands import DC_AUTHENTICATE
from condor_twisted.security.context import HandshakeContext
from condor_twisted.security.facts import ChannelEnds
from condor_twisted.security.negotiation import Admission, serve
from condor_twisted.security.peer import Peer, Transport, raw_peer
from condor_twisted.security.steps import LimitTime

if TYPE_CHECKING:
    from condor_twisted.protocols.command_server import CommandServer

__all__ = ["ServerConnection"]

_log = Logger()

#: The first whole message, the whole handshake, a payload.
FIRST_MESSAGE_SECONDS: Final = 20.0
HANDSHAKE_SECONDS: Final = 120.0
PAYLOAD_SECONDS: Final = 20.0


class ServerConnection:
    """The server side of one TCP connection; owns its `ReliSockProtocol`."""

    __slots__ = (
        "_accepted_at",
        "_allowed",
        "_allowed_generation",
        "_awaited",
        "_closed",
        "_driver",
        "_late",
        "_nonce",
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
        self._late: tuple[str, float] = ("the handshake", HANDSHAKE_SECONDS)
        self._nonce: str | None = None
        self._closed = False
        self._proven = False
        self._running: Deferred[Any] | None = None

    # What the channel calls.

    def connected(self) -> None:
        """The connection stands."""
        server = self.server
        server.counters.connections += 1
        server.connections[self] = None
        server.unproven[self.host] = server.unproven.get(self.host, 0) + 1
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
            self._driver.fail(HandshakeTimedOut(*self._late))
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
            self._driver.peer_closed(PeerClosed("the peer closed during the handshake"))
        if self._running is not None:
            self._running.cancel()

    # Messages.

    def _first_message(self, payload: bytes) -> None:
        number = command_number(payload)
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
        self._command(command_number(payload), payload, 8)

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
            self._limit,
        )
        driver.start().addCallbacks(self._negotiated, self._not_negotiated).addErrback(
            self.channel_failed
        )

    def _limit(self, step: LimitTime) -> None:
        """Bound what the handshake wants to bound, within its own deadline."""
        end = self._accepted_at + HANDSHAKE_SECONDS
        self._late = ("the handshake", HANDSHAKE_SECONDS)
        if step.seconds is not None:
            sooner = self.server.sweep.seconds() + step.seconds
            if sooner < end:
                end, self._late = sooner, (step.what, step.seconds)
        self.channel.set_deadline(end)

    def _negotiated(self, admission: Admission) -> None:
        """The handshake has ended well: run its command, if there is one to run."""
        self._driver = None
        server, channel = self.server, self.channel
        self.peer = admission.peer
        channel.forget_transcript()
        if admission.resumed and admission.session is None:
            server.folded.info(
                "session",
                self.host,
                "DC_AUTHENTICATE: {host}:{port} has to negotiate anew: {reason}",
                host=self.host,
                port=self.port,
                reason=escaped(admission.decision.reason),
            )
        elif not admission.decision.allowed:
            server.denied(admission.rule, admission.peer, admission.decision)
        if admission.command is None:
            channel.lose()
            return
        registration = server.table.find(admission.command)
        if registration is None:
            raise LocalProtocolError(f"the rule of {admission.command} has no handler")
        self._allow(registration)
        self._nonce = admission.nonce
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
                if isinstance(failure.value, NoMethodSucceeded):
                    # Where nothing broke off, the client was told, and shall read it.
                    self._log_attempts(failure.value.attempts)
                    if failure.value.__cause__ is None:
                        self.channel.lose()
                        return
            else:
                _log.failure("a handshake raised what it must not", failure)
        self.channel.abort()

    def _log_attempts(self, attempts: Sequence[FailedAttempt]) -> None:
        """Log what only D_SECURITY tells of failed authentications."""
        for each in attempts:
            if each.detail is not None:
                _log.debug(
                    "{method} of {host}:{port}: {detail}",
                    category="D_SECURITY",
                    method=each.method,
                    host=self.host,
                    port=self.port,
                    detail=escaped(each.detail),
                )

    def _payload_message(self, payload: bytes) -> None:
        registration = self._awaited
        assert registration is not None, "a payload comes behind a negotiation"
        self._awaited = None
        self.channel.receiver = None
        self.channel.set_deadline(NEVER)
        if self._nonce is not None and not self._is_fresh(self._nonce):
            return
        self._run(registration, payload, 0)

    def _is_fresh(self, nonce: str) -> bool:
        """Whether a client that took no answer has not come before, word for word."""
        self._nonce = None
        peer = self.peer
        assert peer is not None, "a session was resumed"
        session_id = peer.session_id or ""
        if self.server.security.stream_replays.is_fresh(session_id, nonce):
            return True
        self.server.folded.warn(
            "replay",
            self.host,
            "{peer} sends what came before; it is refused",
            peer=escaped(str(peer)),
        )
        self.channel.abort()
        return False

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
        self._prove()
        # The command's number comes in the same message, or before.
        self.channel.raise_limits(registration.max_payload_bytes + 8)

    def _prove(self) -> None:
        """Stop counting this connection as one that has proved nothing."""
        if self._proven:
            return
        self._proven = True
        unproven = self.server.unproven
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
