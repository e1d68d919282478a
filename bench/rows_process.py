"""Rows of whole processes: memory, start, and a tool's patience."""

from __future__ import annotations

import socket
import subprocess
import time

from bench.client import connect
from bench.rows import Bench, Row, Sample
from bench.servers import Server
from bench.wire import frame_message

__all__ = ["PROCESS_ROWS"]

_IDLE_CONNECTIONS = 1_000


class _MemoryRow(Row):
    """A row that measures a server of its own, started for it."""

    unit = "kB"

    def begin_round(self) -> None:
        """Make nothing: every server gets the same first cycles."""


class MemoryPerAd(_MemoryRow):
    """Resident memory that ads take, after they have been replaced once."""

    name = "memory-ad"
    title = "memory per ad"
    target = 0.45

    def measure(self, server: Server) -> Sample:
        """Fill a new server twice and compare with its memory at the start."""
        farm = self.bench.farm
        begin = time.perf_counter()
        fresh = server.twin()
        fresh.start()
        try:
            self.bench.fill(fresh, [farm.update(0, 1)])
            before = fresh.rss_bytes()
            for cycle in (2, 3):
                self.bench.fill(fresh, farm.updates(cycle))
            grown = fresh.rss_bytes() - before
        finally:
            fresh.stop()
        seconds = time.perf_counter() - begin
        return Sample(grown / 1000 / farm.count, seconds, farm.count)


class MemoryPerConnection(_MemoryRow):
    """Resident memory that a kept connection takes while nothing happens on it."""

    name = "memory-connection"
    title = "memory per idle connection"
    target = 2.0

    def measure(self, server: Server) -> Sample:
        """Open connections to a new server, each with an update of the same ads."""
        begin = time.perf_counter()
        update = frame_message(self.bench.farm.update(0, 1))
        fresh = server.twin()
        fresh.start()
        sockets: list[socket.socket] = []
        try:
            warm = self._open(fresh, update, 50)
            sockets += warm
            before = fresh.rss_bytes()
            sockets += self._open(fresh, update, _IDLE_CONNECTIONS)
            grown = fresh.rss_bytes() - before
        finally:
            for connection in sockets:
                connection.close()
            fresh.stop()
        seconds = time.perf_counter() - begin
        return Sample(grown / 1000 / _IDLE_CONNECTIONS, seconds, _IDLE_CONNECTIONS)

    def _open(self, server: Server, update: bytes, count: int) -> list[socket.socket]:
        sockets = []
        for _ in range(count):
            connection = connect(server.port)
            connection.sendall(update)
            sockets.append(connection)
        server.cpu.wait_until_quiet()
        return sockets


class Start(_MemoryRow):
    """Wall time from the start of the process to its first answer."""

    name = "start"
    title = "start to first accepted command (wall)"
    unit = "ms"
    target_absolute = 350.0

    def measure(self, server: Server) -> Sample:
        """Start and stop a new server a few times and take the middle."""
        count = 3 if self.bench.quick else 7
        times = []
        for _ in range(count):
            fresh = server.twin()
            fresh.start()
            fresh.stop()
            times.append(fresh.start_seconds)
        return Sample(sorted(times)[count // 2] * 1000, sum(times), count)


class StatusTool(Row):
    """Wall time of the real ``condor_status`` for all slots."""

    name = "status-tool"
    title = "condor_status wall time, 10,000 ads"
    unit = "ms"
    target = 0.6
    needs_real_tools = True

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.tools: Server | None = None

    def measure(self, server: Server) -> Sample:
        """Run the tool a few times and take the middle."""
        assert self.tools is not None, "the row runs only beside a real collector"
        count = 3 if self.bench.quick else 7
        command = self.tools.tool_command(
            "condor_status", "-pool", f"127.0.0.1:{server.port}"
        )
        times = []
        for _ in range(count):
            begin = time.perf_counter()
            output = subprocess.run(
                command, check=True, capture_output=True, timeout=60
            ).stdout
            times.append(time.perf_counter() - begin)
            if output.count(b"\n") < self.bench.farm.count:
                raise RuntimeError(f"condor_status misses slots of {server.name}")
        return Sample(sorted(times)[count // 2] * 1000, sum(times), count)


PROCESS_ROWS: tuple[type[Row], ...] = (
    MemoryPerAd,
    MemoryPerConnection,
    Start,
    StatusTool,
)
