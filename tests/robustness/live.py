"""A collector in a process of its own, on the loopback, and what is seen of it."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol, Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, TestCase

from condor_twisted.constants.commands import Command
from fuzz.house import OPEN, frame, read_reply
from tests.robustness.kit import query, update

#: How long a good query may take at most.
QUERY_SECONDS = 5.0
_READY = re.compile(rb"collector ready at <127\.0\.0\.1:([0-9]+)")
_RUN = "from twisted.scripts.twistd import run; run()"


class Server(ProcessProtocol):
    """The process."""

    def __init__(self) -> None:
        self.output = bytearray()
        self.port = 0
        self.pid = 0
        self.ready: Deferred[None] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self.reason: Failure | None = None

    def outReceived(self, data: bytes) -> None:
        self.output += data
        found = _READY.search(self.output)
        if found is not None and not self.ready.called:
            self.port = int(found[1])
            self.ready.callback(None)

    def errReceived(self, data: bytes) -> None:
        self.outReceived(data)

    def processEnded(self, reason: Failure) -> None:
        self.reason = reason
        if not self.ready.called:
            self.ready.errback(AssertionError(self.output.decode(errors="replace")))
        self.ended.callback(None)


class Collecting(Protocol):
    """Collects what comes until the connection ends."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.over: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure | None = None) -> None:
        if not self.over.called:
            self.over.callback(bytes(self.data))


class LiveTestCase(TestCase):
    """One process per test."""

    timeout = 60
    #: How many descriptors the process may have, if not as many as it likes.
    descriptors: ClassVar[int | None] = None

    def setUp(self) -> None:
        """Nobody is connected."""
        self.sockets: list[socket.socket] = []
        self.addCleanup(self.hang_up)

    def hang_up(self) -> None:
        """All attackers leave."""
        for each in self.sockets:
            each.close()
        self.sockets.clear()

    async def start(self) -> Server:
        """Start a collector on a free port; it ends with the test."""
        if not Path("/proc/self/fd").exists():
            raise SkipTest("what a process holds is known on Linux only")
        server = self.server = Server()
        settings = [f"--set={name}={value}" for name, value in OPEN.items()]
        command = [
            sys.executable, "-c", _RUN, "-n", "--pidfile=", "condor-collector",
            "--port=0", "--interface=127.0.0.1", "--http=none",
            *(each for each in settings if "COLLECTOR_HOST" not in each),
        ]  # fmt: skip
        if self.descriptors is not None:
            limit = f'ulimit -n {self.descriptors}; exec "$@"'
            command = ["/bin/sh", "-c", limit, "sh", *command]
        paths = [os.path.abspath(path or ".") for path in sys.path]
        environment = {
            **os.environ,
            "CONDOR_CONFIG": "ONLY_ENV",
            "PYTHONPATH": os.pathsep.join(paths),
        }
        transport = reactor.spawnProcess(server, command[0], command, environment)
        server.pid = transport.pid
        self.addCleanup(self.stop, transport)
        await server.ready
        return server

    def stop(self, transport: Any) -> Deferred[None] | None:
        """End the process, if it has not ended."""
        if self.server.reason is not None:
            return None
        try:
            transport.signalProcess("KILL")
        except ProcessExitedAlready:
            return None
        return self.server.ended

    # Attackers' sockets; the loopback takes connections and bytes at once.

    def connect(self, data: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
        """A raw connection on which some bytes have been sent."""
        raw = socket.socket()
        self.sockets.append(raw)
        raw.settimeout(5)
        raw.bind((source, 0))
        raw.connect(("127.0.0.1", self.server.port))
        raw.setblocking(False)
        if data:
            raw.send(data)
        return raw

    def datagrams(self, *datagrams: bytes) -> None:
        """Send datagrams."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
            for datagram in datagrams:
                raw.sendto(datagram, ("127.0.0.1", self.server.port))

    # Honest peers.

    async def exchange(self, data: bytes) -> bytes:
        """Send bytes from a good address; what is answered until the end."""
        endpoint = TCP4ClientEndpoint(
            reactor, "127.0.0.1", self.server.port, QUERY_SECONDS, ("127.0.0.9", 0)
        )
        protocol = await connectProtocol(endpoint, Collecting())
        protocol.transport.write(data)
        protocol.over.addTimeout(QUERY_SECONDS, reactor)
        try:
            answer = await protocol.over
        finally:
            protocol.transport.abortConnection()
        assert isinstance(answer, bytes)
        return answer

    async def ask(self, *lines: bytes) -> list[bytes]:
        """The masters that match; the test fails if there is no whole answer."""
        answer = read_reply(await self.exchange(frame(query(*lines))))
        self.assertIsNotNone(answer, "a good query was not answered")
        return answer or []

    def advertise(self, name: bytes, *lines: bytes) -> socket.socket:
        """Store an ad; the connection on which that was done."""
        return self.connect(frame(update(b'Name = "%s"' % name, *lines)))

    # What is seen of the process.

    def descriptors_open(self) -> int:
        """How many descriptors it has open."""
        return len(os.listdir(f"/proc/{self.server.pid}/fd"))

    def resident_bytes(self) -> int:
        """How much memory it has."""
        status = Path(f"/proc/{self.server.pid}/statm").read_text().split()
        return int(status[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """How much time it has computed."""
        text = Path(f"/proc/{self.server.pid}/stat").read_text()
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def children(self) -> list[str]:
        """The processes that it started."""
        path = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children")
        return path.read_text().split()

    async def eventually(
        self, what: str, is_so: Callable[[], bool], seconds: float = 10.0
    ) -> None:
        """Look again and again until something is so.

        Raises:
            AssertionError: It is not, within the time.
        """
        until = reactor.seconds() + seconds
        while not is_so():
            if reactor.seconds() > until:
                self.fail(f"not within {seconds} s: {what}")
            await deferLater(reactor, 0.02, lambda: None)

    async def until_idle(self) -> None:
        """Wait until it computes next to nothing for half a second."""
        until = reactor.seconds() + 5
        while True:
            before = self.cpu_seconds()
            await deferLater(reactor, 0.5, lambda: None)
            if self.cpu_seconds() - before <= 0.1:
                return
            self.assertLess(reactor.seconds(), until, "it goes on computing")

    def assert_sound(self) -> None:
        """It runs, and has logged no fault of its own."""
        self.assertIsNone(self.server.reason)
        for word in (b"Traceback", b"Unhandled"):
            self.assertNotIn(word, self.server.output)


UPDATE = Command.UPDATE_MASTER_AD
