"""A collector in memory, and what an attacker and an honest peer can do to it.

Nothing here opens a socket. `House.check` says whether the collector still is as it
should be: nothing that only a fault of ours can log, no connection and no timer left
of peers that are gone, every ad that was stored before still there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEvent,
    globalLogPublisher,
)
from zope.interface import implementer

from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector import Collector
from condor_twisted.daemons.collector.workers import IDLE_SECONDS
from condor_twisted.testing.pump import MemoryTransport, connect
from condor_twisted.testing.reactor import MemoryDatagramPort, MemoryReactor

__all__ = ["BASE_KNOBS", "OPEN", "SECURE", "Broken", "House", "Intruder", "frame"]

PORT = 9618
ATTACKER = "198.51.100.1"
HONEST = "192.0.2.9"
#: By then every deadline of a peer has passed, and workers with nothing to do have
#: ended.
_ALL_ENDS_SECONDS = int(IDLE_SECONDS) + 5

BASE_KNOBS = {
    "NETWORK_INTERFACE": "127.0.0.1",
    "BIND_ALL_INTERFACES": "False",
    "FULL_HOSTNAME": "host.example",
    "UID_DOMAIN": "example",
    "COLLECTOR_HOST": f"127.0.0.1:{PORT}",
    "SEC_CLIENT_NEGOTIATION": "OPTIONAL",
    **{
        f"ALLOW_{level}": "*"
        for level in (
            "READ",
            "WRITE",
            "DAEMON",
            "CLIENT",
            "NEGOTIATOR",
            "ADVERTISE_STARTD",
            "ADVERTISE_SCHEDD",
            "ADVERTISE_MASTER",
        )
    },
}
#: Everybody may do everything, raw or negotiated.
OPEN = {
    **BASE_KNOBS,
    "SEC_DEFAULT_AUTHENTICATION": "OPTIONAL",
    "SEC_DEFAULT_NEGOTIATION": "OPTIONAL",
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS, CLAIMTOBE, ANONYMOUS, KERBEROS",
}
#: Nobody may do anything without authentication, encryption and integrity.
SECURE = {
    **BASE_KNOBS,
    **{
        f"SEC_DEFAULT_{feature}": "REQUIRED"
        for feature in ("AUTHENTICATION", "ENCRYPTION", "INTEGRITY", "NEGOTIATION")
    },
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS, CLAIMTOBE, ANONYMOUS, KERBEROS",
}


class Broken(AssertionError):
    """The collector is not as it should be."""


def frame(payload: bytes, end: int = 1) -> bytes:
    """One frame in clear."""
    return struct.pack(">BI", end, len(payload)) + payload


def ad_bytes(lines: Iterable[bytes], count: int | None = None) -> bytes:
    """An ad in clear, as many lines as are said to be or are there."""
    body = [line + b"\0" for line in lines]
    announced = len(body) if count is None else count
    return struct.pack(">q", announced) + b"".join(body) + b"\0\0"


def command_bytes(number: int, *ads: bytes) -> bytes:
    """The payload of a raw command."""
    return struct.pack(">q", number) + b"".join(ads)


class Intruder:
    """One raw connection: bytes in, bytes out."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.closed = False
        self.transport: Any = None
        self.far: Any = None

    def makeConnection(self, transport: Any) -> None:
        """Connected."""
        self.transport = transport

    def dataReceived(self, data: bytes) -> None:
        """Keep what the server says."""
        self.received += data

    def connectionLost(self, reason: Any) -> None:
        """The server closed, or we did."""
        self.closed = True

    def send(self, data: bytes) -> None:
        """Write bytes."""
        self.transport.write(data)

    def leave(self) -> None:
        """Close."""
        self.transport.loseConnection()

    def abort(self) -> None:
        """Break off."""
        self.transport.abortConnection()


class House:
    """A collector in memory.

    Args:
        knobs: Its configuration.
        chunk_bytes: How much of a stream is delivered at a time.
        unix_time: When it starts, in seconds since the epoch.
    """

    def __init__(
        self,
        knobs: Mapping[str, str] = OPEN,
        chunk_bytes: int | None = None,
        unix_time: float = 1_800_000_000.0,
    ) -> None:
        self.reactor = MemoryReactor(chunk_bytes)
        self.start_unix = unix_time
        self.collector = Collector(
            Settings.from_assignments(knobs, "COLLECTOR"),
            self.reactor,
            unix_time=lambda: self.start_unix + self.reactor.seconds(),
        )
        #: What was logged, without what only debugging wants.
        self.lines: list[str] = []
        self.faults: list[str] = []
        self._next_port = 1024
        self._observer = _Observer(self.lines, self.faults)
        globalLogPublisher.addObserver(self._observer)
        self.collector.startService()
        self.reactor.flush()
        self._idle_timers = len(self.reactor.getDelayedCalls())

    def close(self) -> None:
        """Stop the collector.

        Raises:
            Broken: It leaves something behind.
        """
        self.collector.stopService()
        for process in self.reactor.processes:
            if not process.ended:
                process.exit(status=1, signal=9)
        self.reactor.flush()
        globalLogPublisher.removeObserver(self._observer)
        if self.reactor.getDelayedCalls():
            raise Broken(f"timers are left: {self.reactor.getDelayedCalls()}")

    # Attacking.

    def intrude(self, address: str = ATTACKER) -> Intruder | None:
        """Connect; ``None`` if the server turns us away."""
        self._next_port = self._next_port % 60000 + 1024
        port = self.reactor.stream_ports[("127.0.0.1", PORT)]
        server = port.factory.buildProtocol(
            IPv4Address("TCP", address, self._next_port)
        )
        if server is None:
            return None
        client = Intruder()
        near, far = connect(
            client, server, (address, self._next_port), ("127.0.0.1", PORT)
        )
        client.far = far
        self.reactor.traffic.add(near, far)
        return client

    def stream(self, data: bytes, *, aborts: bool = False) -> bytes:
        """Send bytes on a connection of their own, then leave; what was answered."""
        client = self.intrude()
        if client is None:
            return b""
        client.send(data)
        self.reactor.flush()
        if aborts:
            client.abort()
        else:
            client.leave()
        self.reactor.flush()
        return bytes(client.received)

    def datagram(self, data: bytes, address: str = ATTACKER, port: int = 40000) -> None:
        """Send a datagram."""
        self.udp_port.deliver(data, (address, port))
        if self.reactor.traffic.transports:
            self.reactor.flush()

    @property
    def udp_port(self) -> MemoryDatagramPort:
        """The collector's UDP port."""
        return self.reactor.datagram_ports[("127.0.0.1", PORT)]

    @property
    def transports(self) -> list[MemoryTransport]:
        """The ends of connections that stand."""
        return self.reactor.traffic.transports

    # Being honest.

    def advertise(self, name: str, *lines: bytes) -> None:
        """Store an ad, raw."""
        update = command_bytes(
            Command.UPDATE_MASTER_AD, ad_bytes([b'Name = "%s"' % name.encode(), *lines])
        )
        self.stream(frame(update))

    def ask(
        self, *lines: bytes, number: int = Command.QUERY_MASTER_ADS
    ) -> list[bytes] | None:
        """Query, raw: the ads' bytes; ``None`` if there was no whole answer."""
        client = self.intrude(HONEST)
        assert client is not None, "an honest peer is not turned away"
        client.send(frame(command_bytes(number, ad_bytes(lines))))
        self.reactor.flush()
        client.abort()
        self.reactor.flush()
        return read_reply(bytes(client.received))

    def names(self) -> list[str]:
        """The names of the ads of masters."""
        from condor_twisted.daemons.collector.state import kinds

        return sorted(self.collector.state.store.table(kinds.MASTER).records)

    # Judging.

    def check(self, names: Iterable[str] | None = None, *, waits: bool = True) -> None:
        """Say whether all is well, once every peer is gone.

        Args:
            names: The ads of masters that must be there, among others.
            waits: Whether to let time pass, so that timers end.

        Raises:
            Broken: It is not.
        """
        if self.faults:
            raise Broken(f"faults were logged: {self.faults[:3]}")
        for transport in list(self.transports):
            transport.abortConnection()
        self.reactor.flush()
        server = self.collector.server
        assert server is not None, "the collector runs"
        if server.connections or server.unproven:
            raise Broken(f"{len(server.connections)} connections are left")
        if server.counters.handler_errors:
            raise Broken("a handler failed")
        if waits:
            for _ in range(_ALL_ENDS_SECONDS):
                self.reactor.advance(1)
                self.reactor.flush()
            if len(self.reactor.getDelayedCalls()) > self._idle_timers:
                raise Broken(f"timers are left: {self.reactor.getDelayedCalls()}")
        missing = set(names or ()).difference(self.names())
        if missing:
            raise Broken(f"ads are lost: {sorted(missing)}")
        if self.udp_port.sent:
            raise Broken("a datagram was answered")


@implementer(ILogObserver)
class _Observer:
    """Keeps what is logged, and apart what only a fault of ours can log."""

    def __init__(self, lines: list[str], faults: list[str]) -> None:
        self._lines = lines
        self._faults = faults

    def __call__(self, event: LogEvent) -> None:
        """Take an event; what only debugging wants is dropped."""
        level = event.get("log_level", LogLevel.info)
        if level is LogLevel.debug:
            return
        line = formatEvent(event)
        self._lines.append(line)
        failure = event.get("log_failure")
        if level >= LogLevel.error or failure is not None:
            trace = "" if failure is None else failure.getTraceback()
            self._faults.append(f"{line} {trace[-1500:]}")


def read_reply(data: bytes) -> list[bytes] | None:
    """The ads of a reply that came in clear frames; ``None`` for a cut one."""
    payload = bytearray()
    while data:
        if len(data) < 5:
            return None
        end, length = struct.unpack_from(">BI", data)
        payload += data[5 : 5 + length]
        data = data[5 + length :]
        if end:
            break
    ads: list[bytes] = []
    at = 0
    while payload[at : at + 8] == struct.pack(">q", 1):
        count = struct.unpack_from(">q", payload, at + 8)[0]
        start = at + 16
        at = start
        for _ in range(count + 2):
            at = payload.index(0, at) + 1
        ads.append(bytes(payload[start : at - 2]))
    return ads if payload[at:] == bytes(8) else None
