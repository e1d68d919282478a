"""Rows of updates: how an ad gets in."""

from __future__ import annotations

import socket
import time
from typing import ClassVar

from bench.client import DC_NOP, Connection, connect
from bench.rows import Bench, Row, Sample
from bench.servers import Server
from bench.wire import encode_int, frame_message

__all__ = ["UPDATE_ROWS"]

UPDATE_STARTD_AD_WITH_ACK = 60
_BURST = 10


def send_paced(send: list[tuple[socket.socket, bytes]], per_second: float) -> None:
    """Send each item on its socket, in bursts that keep to a rate.

    Args:
        send: sockets (connected; TCP or UDP) and what to send on them.
        per_second: the rate.
    """
    begin = time.perf_counter()
    burst = max(1, min(_BURST, round(per_second / 1000)))
    for start in range(0, len(send), burst):
        wait = begin + start / per_second - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        for target, data in send[start : start + burst]:
            target.send(data)


class _UpdateRow(Row):
    """A row that sends one cycle of updates, or the first part of one."""

    operations: ClassVar[tuple[int, int]] = (10_000, 10_000)
    """In the quick and in the full mode."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.updates: list[bytes] = []

    def begin_round(self) -> None:
        """Make the cycle's updates."""
        count = self.operations[0 if self.bench.quick else 1]
        self.updates = self.bench.next_updates()[:count]

    def missing(self, server: Server) -> int:
        """Ask how many of the round's updates did not get in."""
        stored = self.bench.count_of_cycle(server, self.bench.cycle)
        return len(self.updates) - stored

    def checked(self, server: Server, sample: Sample) -> Sample:
        """Return the sample, or fail if an update of it is missing.

        Raises:
            RuntimeError: if the server did not store all of them.
        """
        if missing := self.missing(server):
            raise RuntimeError(
                f"{server.name} stored {missing} of {len(self.updates)} updates less"
            )
        return sample


class KeptConnection(_UpdateRow):
    """Every update on one connection that stays open."""

    name = "update-tcp"
    title = "update, one kept TCP connection"
    target = 0.40

    def measure(self, server: Server) -> Sample:
        """Send the cycle and wait until the server has read its end."""
        packets = [frame_message(update) for update in self.updates]
        with self.bench.watch(server) as watch, Connection(server.port) as connection:
            send = connection.socket.sendall
            for data in packets:
                send(data)
            self.bench.finish(connection)
        return self.checked(server, watch.sample(len(packets), self.unit_seconds))


class FreshConnections(_UpdateRow):
    """A connection for every update."""

    name = "update-tcp-fresh"
    title = "update, fresh TCP connection"
    target = 0.65
    operations = (3_000, 5_000)

    def measure(self, server: Server) -> Sample:
        """Connect, send and close, one after the other."""
        packets = [frame_message(update) for update in self.updates]
        with self.bench.watch(server) as watch:
            for data in packets:
                with connect(server.port) as connection:
                    connection.sendall(data)
        return self.checked(server, watch.sample(len(packets), self.unit_seconds))


class Acknowledged(_UpdateRow):
    """An update that the server confirms, on a connection of its own."""

    name = "update-ack"
    title = "update with acknowledgement"
    target = 0.80
    operations = (2_000, 5_000)

    def measure(self, server: Server) -> Sample:
        """Connect, send, wait for the confirmation and the close."""
        packets = []
        for index in range(len(self.updates)):
            ad = self.bench.farm.public_ad(index, self.bench.cycle)
            packets.append(frame_message(encode_int(UPDATE_STARTD_AD_WITH_ACK) + ad))
        confirmation = frame_message(encode_int(1))
        with self.bench.watch(server) as watch:
            for data in packets:
                with connect(server.port) as connection:
                    connection.sendall(data)
                    reply = connection.recv(len(confirmation))
                    connection.recv(1)
                    if reply != confirmation:
                        raise RuntimeError(f"{server.name} confirms with {reply!r}")
        return self.checked(server, watch.sample(len(packets), self.unit_seconds))


class _Datagrams(_UpdateRow):
    """Every update is one datagram."""

    per_second: ClassVar[float]

    def measure(self, server: Server) -> Sample:
        """Send at the row's rate, then ask what arrived."""
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.connect(("127.0.0.1", server.port))
            send = [(udp, update) for update in self.updates]
            with self.bench.watch(server) as watch:
                send_paced(send, self.per_second)
        lost = self.missing(server)
        return watch.sample(len(send), self.unit_seconds, lost)


class Udp(_Datagrams):
    """At a rate that both servers stand."""

    name = "update-udp"
    title = "update, UDP at 8k/s"
    target = 0.40
    per_second = 8_000


class UdpFast(_Datagrams):
    """At a rate at which a slow server loses some."""

    name = "update-udp-20k"
    title = "update, UDP at 20k/s"
    target = 0.40
    per_second = 20_000


class _ManyConnections(_UpdateRow):
    """Updates spread over many kept connections, so that each wakes the server."""

    connections: ClassVar[int]
    per_second: ClassVar[float]

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self._open: dict[str, list[socket.socket]] = {}

    def prepare(self, server: Server) -> None:
        """Open the connections, each with a first update."""
        updates = self.bench.farm.updates(self.bench.cycle)
        sockets = self._open.setdefault(server.name, [])
        for index in range(self.connections):
            connection = connect(server.port)
            connection.sendall(frame_message(updates[index % len(updates)]))
            sockets.append(connection)
        server.cpu.wait_until_quiet()

    def measure(self, server: Server) -> Sample:
        """Send one update on each of as many connections as the round has updates."""
        sockets = self._open[server.name]
        send = [
            (sockets[index * 7919 % len(sockets)], frame_message(update))
            for index, update in enumerate(self.updates)
        ]
        with self.bench.watch(server) as watch:
            send_paced(send, self.per_second)
        return self.checked(server, watch.sample(len(send), self.unit_seconds))

    def finish(self, server: Server) -> None:
        """Close the connections."""
        for connection in self._open.pop(server.name, []):
            connection.close()
        server.cpu.wait_until_quiet()


class Connections1000(_ManyConnections):
    """As a pool of a thousand startds."""

    name = "update-1000-connections"
    title = "updates paced over 1,000 connections"
    target = 0.20
    operations = (1_000, 2_000)
    connections = 1_000
    per_second = 400


class Connections5000(_ManyConnections):
    """As a pool of five thousand startds."""

    name = "update-5000-connections"
    title = "updates paced over 5,000 connections"
    target = 0.06
    full_only = True
    operations = (1_000, 1_000)
    connections = 5_000
    per_second = 150


class Encrypted(_UpdateRow):
    """Updates on one connection that resumed an AES session."""

    name = "update-aes"
    title = "AES-GCM update, resumed session"
    target = 0.65

    def begin_round(self) -> None:
        """Make the cycle's updates in the form for an encrypted stream."""
        count = self.operations[0 if self.bench.quick else 1]
        self.updates = self.bench.next_updates(encrypted=True)[:count]

    def measure(self, server: Server) -> Sample:
        """Seal everything first, then send it as fast as the server reads."""
        session = self.bench.session(server)
        with Connection(server.port) as connection:
            connection.resume(session, 0)
            first, *rest = self.updates
            packets = [connection.seal(first[8:])]
            packets += [connection.seal(update) for update in rest]
            packets.append(connection.seal(encode_int(DC_NOP)))
            with self.bench.watch(server) as watch:
                send = connection.socket.sendall
                for data in packets:
                    send(data)
                connection.socket.recv(1)
        return self.checked(server, watch.sample(len(packets) - 1, self.unit_seconds))


UPDATE_ROWS: tuple[type[Row], ...] = (
    KeptConnection,
    Udp,
    UdpFast,
    FreshConnections,
    Acknowledged,
    Connections1000,
    Connections5000,
    Encrypted,
)
