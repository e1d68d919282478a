"""What a row of the table is, and what its measurements share."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from bench.client import DC_NOP, Connection, Session, read_to_end
from bench.servers import Server
from bench.slots import SlotFarm, schedd_lines
from bench.wire import (
    count_ads,
    encode_ad,
    encode_int,
    frame_message,
    split_messages,
)

__all__ = ["Bench", "Row", "Sample", "Stopwatch"]

QUERY_STARTD_ADS = 5
UPDATE_SCHEDD_AD = 1
DC_NOP_READ = 60020
SCHEDD_COUNT = 20
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """What one round of one row gave for one server.

    Attributes:
        value: the figure, in the row's unit, per operation.
        wall_seconds: how long the whole round took.
        operations: how many there were.
        lost: how many of them had no effect, or ``None`` where all must have.
    """

    value: float
    wall_seconds: float
    operations: int
    lost: int | None = None


@dataclass
class Stopwatch:
    """CPU and wall time of a block of work."""

    cpu_nanoseconds: int = 0
    wall_seconds: float = 0.0

    def sample(
        self, operations: int, unit_seconds: float, lost: int | None = None
    ) -> Sample:
        """Make a sample of CPU time per operation that had an effect."""
        effective = operations - (lost or 0)
        seconds = self.cpu_nanoseconds / 1e9 / max(effective, 1)
        return Sample(seconds / unit_seconds, self.wall_seconds, operations, lost)


@dataclass
class Bench:
    """The run's common state: the farm, its cycle, and sessions with the servers.

    Attributes:
        farm: the slots.
        quick: whether the short mode runs.
        cycle: how often the farm has been updated; the pool has run for a while.
    """

    farm: SlotFarm
    quick: bool
    cycle: int = 100
    _sessions: dict[str, Session] = field(default_factory=dict)
    _buffer: bytearray = field(default_factory=lambda: bytearray(_READ_BYTES))

    def next_updates(self, *, encrypted: bool = False) -> list[bytes]:
        """Make the next update of every slot, as messages without packets."""
        self.cycle += 1
        return self.farm.updates(self.cycle, encrypted=encrypted)

    @contextmanager
    def watch(self, server: Server) -> Iterator[Stopwatch]:
        """Measure a block; the server finishes its work within it."""
        server.cpu.wait_until_quiet()
        stopwatch = Stopwatch()
        cpu = server.cpu.nanoseconds()
        wall = time.perf_counter()
        yield stopwatch
        stopwatch.wall_seconds = time.perf_counter() - wall
        server.cpu.wait_until_quiet()
        stopwatch.cpu_nanoseconds = server.cpu.nanoseconds() - cpu

    def fill(self, server: Server, updates: list[bytes]) -> None:
        """Store updates over one connection and wait until they are stored."""
        with Connection(server.port) as connection:
            for update in updates:
                connection.socket.sendall(frame_message(update))
            self.finish(connection)

    def fill_schedds(self, server: Server) -> None:
        """Store a few schedd ads."""
        with Connection(server.port) as connection:
            for index in range(SCHEDD_COUNT):
                ad = encode_ad(schedd_lines(index, int(time.time())))
                connection.send_message(encode_int(UPDATE_SCHEDD_AD) + ad)
            self.finish(connection)

    def finish(self, connection: Connection) -> None:
        """End a kept update connection; return when the server has read it all."""
        connection.send_message(encode_int(DC_NOP))
        connection.socket.recv(1)

    def drain(self, connection: Connection) -> int:
        """Read to the end and return how many bytes came."""
        return read_to_end(connection.socket, self._buffer)

    def session(self, server: Server) -> Session:
        """Return an AES session with a server, negotiated once."""
        if server.name not in self._sessions:
            with Connection(server.port) as connection:
                self._sessions[server.name] = connection.negotiate(DC_NOP_READ)
                connection.socket.recv(1)
        return self._sessions[server.name]

    def forget_session(self, server: Server) -> None:
        """Negotiate anew with a server that was started again."""
        self._sessions.pop(server.name, None)

    def count(self, server: Server, requirements: str) -> int:
        """Ask how many slots meet a constraint."""
        query = query_ad(requirements, projection="Name")
        with Connection(server.port) as connection:
            connection.send_message(encode_int(QUERY_STARTD_ADS) + query)
            return count_ads(connection.receive_message())

    def count_of_cycle(self, server: Server, cycle: int) -> int:
        """Ask how many slots were last updated in a cycle."""
        return self.count(server, f"UpdateSequenceNumber == {cycle}")


class Row:
    """One line of the table.

    Attributes:
        name: what ``--only`` takes.
        title: what the table shows.
        unit: of the figure.
        unit_seconds: of a unit of CPU time.
        target: the ratio to the real collector that ours has to reach.
        target_absolute: the figure that ours has to reach, if it is not a ratio.
        full_only: left out of the quick mode.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    unit: ClassVar[str] = "us"
    unit_seconds: ClassVar[float] = 1e-6
    target: ClassVar[float | None] = None
    target_absolute: ClassVar[float | None] = None
    full_only: ClassVar[bool] = False
    needs_real_tools: ClassVar[bool] = False

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def prepare(self, server: Server) -> None:
        """Bring a server into the state in which the row starts."""

    def begin_round(self) -> None:
        """Make what a round sends to each server alike."""

    def measure(self, server: Server) -> Sample:
        """Run one round against one server."""
        raise NotImplementedError

    def finish(self, server: Server) -> None:
        """Undo what ``prepare`` did."""


def query_ad(
    requirements: str,
    *,
    projection: str | None = None,
    extra: tuple[str, ...] = (),
    target_type: str = "Machine",
    encrypted: bool = False,
) -> bytes:
    """Make a query's ad as real tools do."""
    lines = ['MyType = "Query"', f'TargetType = "{target_type}"']
    if projection is not None:
        lines.append(f'Projection = "{projection}"')
    lines += [f"Requirements = {requirements}", *extra]
    return encode_ad([line.encode() for line in lines], encrypted=encrypted)


def ads_in_reply(data: bytes) -> int:
    """Count the ads in the bytes of a clear reply."""
    return sum(map(count_ads, split_messages(data)))
