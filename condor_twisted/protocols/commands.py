"""The client side: open a command at a daemon, and talk.

`CommandOpener.open` connects, negotiates or resumes a session where our policy wants
one, and gives a `ClientChannel` on which the command's own messages may follow. A
session that the server has forgotten is dropped, and the command is opened once more
with a new one.

A raw command has no answer of its own: its number stands in front of the first message,
which the channel does by itself. So a caller writes the same for both::

    channel = await opener.open("<192.0.2.7:9618>", Command.CONFIG_VAL)
    writer = channel.writer()
    writer.put_string("COLLECTOR_NAME")
    channel.send_message(writer.end_of_message())
    reader = await channel.receive_message()
    print(reader.get_string())
    channel.close()

Source: ``src/condor_io/condor_secman.cpp: SecManStartCommand``,
``src/condor_daemon_client/daemon.cpp: Daemon::startCommand``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, Final

from twisted.internet.defer import (
    Deferred,
    DeferredList,
    fail,
    inlineCallbacks,
    maybeDeferred,
)
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from condor_twisted.errors import (
    CommandRefused,
    LocalProtocolError,
    PeerClosed,
    SessionUnknown,
)
from condor_twisted.protocols.client_channel import ClientChannel
from condor_twisted.protocols.deadlines import DeadlineSweep
from condor_twisted.protocols.endpoints import (
    Dialling,
    LocalEndpoint,
    client_endpoint,
)
from condor_twisted.protocols.handshake_driver import HostSteps
from condor_twisted.protocols.shared_port_client import ask_shared_port
from condor_twisted.security.commands import DC_AUTHENTICATE
from condor_twisted.security.context import HandshakeContext, SecurityState
from condor_twisted.security.facts import ChannelEnds
from condor_twisted.security.handshake.datagrams import OutgoingDatagram
from condor_twisted.security.negotiation import (
    CommandStart,
    find_session,
    wants_negotiation,
)
from condor_twisted.wire.datagrams import (
    DEFAULT_FRAGMENT_BYTES,
    LOOPBACK_FRAGMENT_BYTES,
    MessageId,
    SafeMessage,
    split_message,
)
from condor_twisted.wire.messages import MessageWriter
from condor_twisted.wire.sinful import SinfulAddress
from condor_twisted.wire.stream_frames import FrameLimits

__all__ = ["HANDSHAKE_SECONDS", "ClientChannel", "CommandOpener", "open_command"]

_log = Logger()

#: How long a handshake may take.
HANDSHAKE_SECONDS: Final = 120.0
#: What we take from a server: a dump of a large pool is one message.
CLIENT_LIMITS: Final = FrameLimits(
    message_bytes=64 << 20,
    message_frames=1 << 16,
    raised_message_bytes=4 << 30,
    raised_message_frames=1 << 22,
)


class _ChannelFactory(Factory):
    noisy = False

    def __init__(self, channel: ClientChannel) -> None:
        self._channel = channel

    def buildProtocol(self, address: IAddress | None) -> Any:
        return self._channel.channel


@dataclass(frozen=True, slots=True)
class _Target:
    """A daemon to talk to: as it was named, and as it was understood."""

    text: str
    address: SinfulAddress

    @classmethod
    def of(cls, address: SinfulAddress | str) -> _Target:
        if isinstance(address, SinfulAddress):
            return cls(str(address), address)
        return cls(address, SinfulAddress.parse(address))


class CommandOpener:
    """Opens commands at daemons, with one identity and its sessions.

    Args:
        reactor: Where connections are made.
        security: Our policy, our sessions, who we are.
        host: Performs what blocks.
        dialling: How connections go out.
        limits: What is taken from servers.
        handshake_seconds: How long a handshake may take.
    """

    def __init__(
        self,
        reactor: Any,
        security: SecurityState,
        host: HostSteps,
        dialling: Dialling = Dialling(),  # noqa: B008 -- frozen
        limits: FrameLimits = CLIENT_LIMITS,
        handshake_seconds: float = HANDSHAKE_SECONDS,
    ) -> None:
        self.reactor = reactor
        self.security = security
        self.host = host
        self.dialling = dialling
        self.limits = limits
        self.handshake_seconds = handshake_seconds
        self.sweep = DeadlineSweep(reactor)
        self._sender: _DatagramSender | None = None
        self._sessions_under_way: dict[tuple[str, int, str], list[Deferred[None]]] = {}

    def open(
        self,
        address: SinfulAddress | str,
        command: int,
        *,
        raw: bool | None = None,
        start: CommandStart | None = None,
        timeout_seconds: float | None = None,
    ) -> Deferred[ClientChannel]:
        """Open a command.

        Args:
            address: Where the daemon is. Sessions are kept under this very text.
            command: The command's number.
            raw: Without or with a negotiation, whatever the policy says.
            start: What else is wanted of the negotiation.
            timeout_seconds: How long it may take until the connection stands, and
                again until the handshake has ended; what `dialling` and this opener
                say by default.

        Returns:
            A `Deferred` of a channel for the command's own messages. It fails with
            Twisted's ``ConnectError``, with a `SecurityError`, with
            `HandshakeTimedOut`, or with `CommandRefused` where the server just
            closed; where methods had failed by then, with a `NoMethodSucceeded` that
            names each with its reason. Cancelling it closes the connection.
        """
        try:
            target = _Target.of(address)
        except Exception:
            return fail(Failure())
        wanted = CommandStart(command) if start is None else start
        if raw is None:
            raw = self._starts_raw(target, wanted)
        return self._open(target, wanted, raw, timeout_seconds)

    @inlineCallbacks
    def tell(
        self,
        address: SinfulAddress | str,
        command: int,
        write: Callable[[MessageWriter], object],
    ) -> Generator[Deferred[Any], Any, None]:
        """Send a command by TCP that nobody answers.

        Args:
            address: Where the daemon is.
            command: The command's number.
            write: Writes the command's data.

        Returns:
            A `Deferred` that fires when all is sent and the connection closed; it
            fails as `open` does.
        """
        channel = yield self.open(address, command)
        writer = channel.writer()
        write(writer)
        closed = channel.when_closed()
        channel.send_message(writer.end_of_message())
        channel.close()
        yield closed

    def _starts_raw(self, target: _Target, start: CommandStart) -> bool:
        """Whether nobody wants a negotiation, and there is no session either."""
        if start.request_authentication or wants_negotiation(self.security.policies):
            return False
        chosen = self.dialling.choose(target.address)
        ip = None if chosen is None else chosen.ip
        address = "" if ip is None else str(ip)
        return find_session(self.security, start, target.text, address) is None

    def _own_address(self) -> SinfulAddress | None:
        text = self.security.command_address
        return SinfulAddress.parse(text) if text else None

    def close(self) -> Deferred[Any]:
        """Give up the port for datagrams, and every deadline."""
        self.sweep.stop()
        sender, self._sender = self._sender, None
        done: Deferred[Any] = Deferred()
        done.callback(None)
        return done if sender is None else sender.close()

    @inlineCallbacks
    def _open(
        self,
        target: _Target,
        start: CommandStart,
        raw: bool,
        timeout_seconds: float | None = None,
    ) -> Generator[Deferred[Any], Any, ClientChannel]:
        dialling, handshake_seconds = self.dialling, self.handshake_seconds
        if timeout_seconds is not None:
            dialling = replace(dialling, connect_seconds=timeout_seconds)
            handshake_seconds = timeout_seconds
        for attempt in (1, 2):
            channel = ClientChannel(self, target.address, start.command)
            endpoint = client_endpoint(
                self.reactor, target.address, dialling, self._own_address()
            )
            yield endpoint.connect(_ChannelFactory(channel))
            transport: Any = channel.channel.transport
            if transport is None:
                raise PeerClosed("the connection was closed at once")
            endpoint_id = target.address.shared_port_id
            if endpoint_id is not None and not isinstance(endpoint, LocalEndpoint):
                own = self.security.command_address or ""
                requester = f"{self.security.knobs.subsystem} {own}".strip()
                ask_shared_port(channel.channel, endpoint_id, requester)
            ends = _ends(transport, target.text)
            if raw:
                channel.start_raw(ends)
                return channel
            try:
                yield channel.negotiate(ends, start, self.host, handshake_seconds)
            except SessionUnknown:
                if attempt == 2:
                    raise
                start = replace(start, session_id=None)
                continue
            except PeerClosed as closed:
                raise CommandRefused(
                    start.command,
                    target.text,
                    "the server closed before it answered: it does not know the "
                    "command, or the security policies cannot be reconciled",
                ) from closed
            return channel
        raise AssertionError("the second attempt returns or raises")

    # Datagrams.

    @inlineCallbacks
    def send_datagram(
        self,
        address: SinfulAddress | str,
        command: int,
        write: Callable[[MessageWriter], object] | None = None,
        *,
        raw: bool | None = None,
        tag: str = "",
    ) -> Generator[Deferred[Any], Any, None]:
        """Send a command by UDP; nobody confirms anything.

        Where our policy wants a negotiation and there is no session yet, one is made
        over TCP first.

        Args:
            address: Where the daemon is.
            command: The command's number.
            write: Writes the command's data.
            raw: Without or with a session, whatever the policy says.
            tag: The context whose session is used.

        Returns:
            A `Deferred` that fires when the datagrams have left; it fails as `open`
            does.

        Raises:
            LocalProtocolError: The address takes no datagrams, or the session has no
                cipher for them.
        """
        target = _Target.of(address)
        chosen = self.dialling.choose(target.address)
        if not target.address.accepts_udp:
            raise LocalProtocolError(f"{target.text} takes no datagrams")
        if chosen is None or chosen.ip is None or not chosen.port_number:
            raise ConnectError(None, f"{target.text} has no address for datagrams")
        place = (str(chosen.ip), chosen.port_number)
        if raw is None:
            raw = self._starts_raw(target, CommandStart(command, tag=tag))
        if raw:
            writer = MessageWriter()
            writer.put_int(command)
            if write is not None:
                write(writer)
            self._send(place, SafeMessage(writer.end_of_message()))
            return
        start = CommandStart(DC_AUTHENTICATE, command, tag=tag)
        session = find_session(self.security, start, target.text, place[0])
        if session is None:
            yield self._make_session(target, start)
            session = find_session(self.security, start, target.text, place[0])
        if session is None:
            raise CommandRefused(command, target.text, "no session can be kept for it")
        ends = ChannelEnds("", 0, place[0], place[1], target.text)
        context = HandshakeContext(self.security, ends)
        outgoing = OutgoingDatagram(context, CommandStart(command, tag=tag), session)
        if write is not None:
            write(outgoing.writer)
        self._send(place, outgoing.finish())

    def _make_session(self, target: _Target, start: CommandStart) -> Deferred[None]:
        """Make a session over TCP; askers for the same one wait together."""
        key = (target.text, start.subject, start.tag)
        waiting = self._sessions_under_way.get(key)
        outcome: Deferred[None] = Deferred()
        if waiting is not None:
            waiting.append(outcome)
            return outcome
        self._sessions_under_way[key] = [outcome]

        def made(result: ClientChannel | Failure) -> None:
            if isinstance(result, ClientChannel):
                result.close()
            for each in self._sessions_under_way.pop(key):
                if each.called:
                    continue
                if isinstance(result, Failure):
                    each.errback(result)
                else:
                    each.callback(None)

        self._open(target, start, False).addBoth(made)
        return outcome

    def _send(self, place: tuple[str, int], message: SafeMessage) -> None:
        if self._sender is None:
            self._sender = _DatagramSender(self.reactor)
        knobs = self.security.knobs
        fragment_bytes = (
            knobs.integer("UDP_LOOPBACK_FRAGMENT_SIZE", LOOPBACK_FRAGMENT_BYTES)
            if ip_address(place[0]).is_loopback
            else knobs.integer("UDP_NETWORK_FRAGMENT_SIZE", DEFAULT_FRAGMENT_BYTES)
        )
        self._sender.send(place, message, fragment_bytes)


def _ends(transport: Any, dialled: str) -> ChannelEnds:
    here, there = transport.getHost(), transport.getPeer()
    return ChannelEnds(here.host, here.port, there.host, there.port, dialled)


class _DatagramSender(DatagramProtocol):
    """Sends messages from a port of its own, opened with the first."""

    noisy = False

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._ports: dict[bool, IListeningPort] = {}
        self._message_id = MessageId.random(os.urandom)

    def send(
        self, place: tuple[str, int], message: SafeMessage, fragment_bytes: int
    ) -> None:
        """Send one message.

        Raises:
            LocalProtocolError: It cannot be sent as datagrams.
        """
        datagrams = split_message(
            message.payload, fragment_bytes, self._message_id, message.header
        )
        self._message_id = self._message_id.next()
        port: Any = self._port(":" in place[0])
        for each in datagrams:
            port.write(each, place)

    def close(self) -> Deferred[Any]:
        """Close the ports."""
        ports, self._ports = self._ports, {}
        closing = [maybeDeferred(port.stopListening) for port in ports.values()]
        return DeferredList(closing, consumeErrors=True)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Nobody answers; what comes is dropped."""

    def _port(self, ipv6: bool) -> IListeningPort:
        if ipv6 not in self._ports:
            sender = self if not self._ports else _DatagramSender(self._reactor)
            self._ports[ipv6] = self._reactor.listenUDP(
                0, sender, interface="::" if ipv6 else ""
            )
        return self._ports[ipv6]


def open_command(
    reactor: Any,
    address: SinfulAddress | str,
    command: int,
    security: SecurityState,
    host: HostSteps,
    *,
    raw: bool | None = None,
    start: CommandStart | None = None,
    dialling: Dialling = Dialling(),  # noqa: B008 -- frozen
) -> Deferred[ClientChannel]:
    """Open one command; see `CommandOpener.open`."""
    opener = CommandOpener(reactor, security, host, dialling)
    return opener.open(address, command, raw=raw, start=start)
