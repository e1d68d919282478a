"""What the tests of the protocols share: a command server and clients in memory."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore.command_table import CommandTable
from condor_twisted.protocols.command_server import CommandServer, ServerLimits
from condor_twisted.protocols.commands import CommandOpener
from condor_twisted.protocols.host_steps import Host, HostNames
from condor_twisted.protocols.reli_sock import ReliSockProtocol
from condor_twisted.protocols.requests import CommandRequest, Registration
from condor_twisted.protocols.secret_files import SecretFiles
from condor_twisted.security.commands import CommandRule, CommandRules
from condor_twisted.security.context import SecurityState
from condor_twisted.security.facts import HostFacts
from condor_twisted.testing.pump import MemoryTransport, connect
from condor_twisted.testing.reactor import MemoryReactor, blocking_at_once

#: A policy that asks for nothing, and one that asks for everything.
OPEN = {
    "SEC_DEFAULT_AUTHENTICATION": "OPTIONAL",
    "SEC_DEFAULT_NEGOTIATION": "OPTIONAL",
    "SEC_CLIENT_NEGOTIATION": "OPTIONAL",
    "ALLOW_READ": "*",
    "ALLOW_WRITE": "*",
    "ALLOW_DAEMON": "*",
    "ALLOW_CLIENT": "*",
}
SECURE = {
    "SEC_DEFAULT_AUTHENTICATION": "REQUIRED",
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE",
    "SEC_DEFAULT_ENCRYPTION": "REQUIRED",
    "SEC_DEFAULT_INTEGRITY": "REQUIRED",
    "SEC_DEFAULT_NEGOTIATION": "REQUIRED",
    "UID_DOMAIN": "example",
    "ALLOW_READ": "*",
    "ALLOW_WRITE": "*",
    "ALLOW_DAEMON": "*",
    "ALLOW_CLIENT": "*",
}
SERVER_ADDRESS = ("192.0.2.7", 9618)
SINFUL = "<192.0.2.7:9618>"


def make_security(
    reactor: MemoryReactor,
    knobs: Mapping[str, str],
    rules: CommandRules,
    subsystem: str = "COLLECTOR",
) -> SecurityState:
    """The security of one side."""
    return SecurityState(
        Settings.from_assignments(knobs, subsystem),
        rules,
        HostFacts("host.example", 4711, "alice", "condor"),
        random_bytes=os.urandom,
        now=reactor.seconds,
        unix_time=lambda: 1_700_000_000,
        files=SecretFiles(),
    )


def frame(payload: bytes, end: int = 1) -> bytes:
    """One frame in clear."""
    return struct.pack(">BI", end, len(payload)) + payload


def raw(number: int, payload: bytes = b"") -> bytes:
    """A raw command in one frame."""
    return frame(number.to_bytes(8, "big", signed=True) + payload)


class RawClient:
    """The client end of a connection: bytes in, bytes out."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.closed = False
        self.transport: Any = None

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Any) -> None:
        self.closed = True

    def send(self, data: bytes) -> None:
        """Write bytes."""
        self.transport.write(data)


class ServerTestCase(SynchronousTestCase):
    """A command server in memory, its commands and what they did."""

    knobs: Mapping[str, str] = OPEN
    limits = ServerLimits()

    def setUp(self) -> None:
        self.reactor = MemoryReactor()
        self.table = CommandTable()
        self.events = EventLoggingObserver()
        globalLogPublisher.addObserver(self.events)
        self.addCleanup(globalLogPublisher.removeObserver, self.events)
        self.requests: list[CommandRequest] = []
        self.names: Callable[[str], tuple[str, ...]] = lambda address: ()
        self.host = Host(
            self.reactor,
            blocking_at_once,
            HostNames(
                self.reactor, self.run_blocking, lambda address: self.names(address)
            ),
        )
        self.security = make_security(self.reactor, self.knobs, self.table.rules)
        self.server = CommandServer(
            self.table, self.security, self.host, self.reactor, self.limits
        )

    def tearDown(self) -> None:
        self.server.close()
        self.reactor.flush()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def run_blocking(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """How the host looks names up; a test may make it slow."""
        return blocking_at_once(function, *arguments)

    def serve(
        self,
        number: int,
        permission: Permission = Permission.READ,
        handler: Callable[[CommandRequest], object] | None = None,
        *,
        tcp: bool = True,
        udp: bool = False,
        has_payload: bool = True,
        force_authentication: bool = False,
        **options: Any,
    ) -> None:
        """Register a command; without a handler, requests are kept."""
        rule = CommandRule(
            number,
            permission,
            (),
            force_authentication,
            tcp,
            udp,
            has_payload,
            f"COMMAND_{number}",
        )
        self.table.add(Registration(rule, handler or self.requests.append, **options))

    def connect(
        self, client: Any = None, address: str = "198.51.100.1", port: int = 40000
    ) -> tuple[Any, MemoryTransport, MemoryTransport]:
        """Connect a client; its end and the server's end of the connection."""
        protocol = self.server.buildProtocol(IPv4Address("TCP", address, port))
        assert isinstance(protocol, ReliSockProtocol)
        made = RawClient() if client is None else client
        near, far = connect(made, protocol, (address, port), SERVER_ADDRESS)
        self.reactor.traffic.add(near, far)
        return made, near, far

    def pass_time(self, seconds: int) -> None:
        """Let time pass, second by second, bytes moving in between."""
        for _ in range(seconds):
            self.reactor.advance(1)
            self.reactor.flush()

    def opener(self, knobs: Mapping[str, str] | None = None) -> CommandOpener:
        """A client of this server, by its address in memory."""
        self.reactor.listenTCP(
            SERVER_ADDRESS[1], QuietFactory(self.server), 50, SERVER_ADDRESS[0]
        )
        security = make_security(
            self.reactor, self.knobs if knobs is None else knobs, CommandRules(), "TOOL"
        )
        opener = CommandOpener(self.reactor, security, self.host)
        self.addCleanup(opener.close)
        return opener

    def logged(self, part: str) -> list[str]:
        """The lines that were logged and hold a text."""
        lines = [formatEvent(event) for event in self.events]
        return [line for line in lines if part in line]


class QuietFactory:
    """A factory that builds as the server does."""

    def __init__(self, server: CommandServer) -> None:
        self.buildProtocol = server.buildProtocol

    def doStart(self) -> None:
        pass

    def doStop(self) -> None:
        pass
