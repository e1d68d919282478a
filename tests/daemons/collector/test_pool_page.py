"""Tests of the pool page of a running collector."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ClientFactory

import condor_twisted
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import Daemon
from condor_twisted.daemons.collector import Collector
from condor_twisted.daemons.collector.pool_page import DEFAULT_ENDPOINT
from condor_twisted.errors import ConfigError
from tests.daemoncore.kit import DaemonTestCase
from tests.daemons.collector.page.kit import Client
from tests.daemons.collector.state.kit import Pool, ad

WALL = 1_800_000_000.0


class PoolPageTests(DaemonTestCase):
    """A collector with a page, in memory."""

    def make(self, http: str | None = DEFAULT_ENDPOINT, **knobs: str) -> Collector:
        """A collector that is not started."""
        self.knobs.update({"COLLECTOR_HOST": "127.0.0.1:9618", **knobs})
        return Collector(
            Settings.from_assignments(self.knobs, "COLLECTOR"),
            self.reactor,
            unix_time=lambda: WALL + self.reactor.seconds(),
            http=http,
        )

    def running(self, **knobs: str) -> Collector:
        """A collector that runs."""
        collector = self.make(**knobs)
        self.start(collector)
        return collector

    def stop(self, daemon: Daemon) -> None:
        """Stop a collector; its workers end when they are killed."""
        if daemon.running:
            stopped = daemon.stopService()
            for process in self.reactor.processes:
                if not process.ended:
                    process.exit(status=1, signal=9)
            self.successResultOf(stopped)
        super().stop(daemon)

    def get(self, path: str) -> Client:
        """What the page answers."""
        client = Client()
        factory = ClientFactory()
        factory.protocol = lambda: client
        self.reactor.connectTCP("127.0.0.1", 9680, factory)
        self.reactor.flush()
        transport: Any = client.transport
        transport.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.reactor.flush()
        return client

    def test_own_ad(self) -> None:
        """The page shows what the collector knows: at first itself."""
        collector = self.running(COLLECTOR_NAME="My pool")
        (found,) = self.get("/api/v1/ads?type=Collector").json
        self.assertEqual(found["Name"], "My pool@host.example")
        summary = self.get("/api/v1/summary").json
        self.assertEqual(summary["name"], found["Name"])
        self.assertEqual(summary["address"], str(collector.address))
        self.assertEqual(summary["counters"]["InProcQueriesFromUNKNOWN"], 1)

    def test_ready_line(self) -> None:
        """The ready line tells where the page is."""
        collector = self.running()
        self.assertEqual(len(self.logged("pool page at http://127.0.0.1:9680/")), 1)
        self.assertIn(str(collector.address), collector.ready_line())

    def test_health(self) -> None:
        """The warm-up lasts as long as daemons take between two ads."""
        self.running(UPDATE_INTERVAL="100")
        self.assertEqual(self.get("/healthz").body, b"warming-up")
        self.reactor.advance(100)
        self.assertEqual(self.get("/healthz").body, b"ready")

    def test_no_page(self) -> None:
        """Without an endpoint, or with ``none``, there is no page."""
        for http in (None, "none", "NONE"):
            collector = self.make(http)
            self.assertIsNone(collector.page)

    def test_lazy(self) -> None:
        """A collector without a page has no web server; neither needs a reactor yet."""
        program = (
            "import sys; from condor_twisted.daemons.collector import Collector; "
            "assert 'twisted.web' not in sys.modules; "
            "import condor_twisted.daemons.collector.page; "
            "assert 'twisted.internet.reactor' not in sys.modules"
        )
        root = Path(condor_twisted.__file__).parents[1]
        subprocess.run([sys.executable, "-c", program], check=True, cwd=root)

    def test_stop(self) -> None:
        """The page goes with the collector, streams and all, and comes back with it."""
        collector = self.running()
        for _ in range(2):
            stream = self.get("/api/v1/changes")
            self.assertFalse(stream.is_closed)
            self.stop(collector)
            self.reactor.flush()
            self.assertTrue(stream.is_closed)
            self.check_nothing_is_left()
            collector.startService()

    def test_bad_endpoint(self) -> None:
        """An endpoint that is none is an error of configuration, and opens nothing."""
        for http in ("nonsense:1", "tcp", "tcp:x", "tcp:1:nonsense=2", ":"):
            with self.assertRaisesRegex(ConfigError, "--http"):
                self.make(http).startService()
            self.check_nothing_is_left()

    def test_port_taken(self) -> None:
        """A port that is taken is an error, and nothing stays open."""
        taken = self.reactor.listenTCP(9680, ClientFactory(), interface="127.0.0.1")
        with self.assertRaises(CannotListenError):
            self.make().startService()
        collector = self.make()
        failures: list[Exception] = []
        collector.start_failed = failures.append
        collector.privilegedStartService()
        self.assertIsInstance(failures[0], CannotListenError)
        taken.stopListening()
        self.check_nothing_is_left()

    def test_mnh_5_1_read(self) -> None:
        """Who may not send a raw query may not see the page."""
        shut = dict.fromkeys(("ALLOW_WRITE", "ALLOW_DAEMON", "ALLOW_ADMINISTRATOR"), "")
        for knobs, status in (
            ({}, 200),
            ({"ALLOW_READ": "10.0.0.*", **shut}, 403),
            ({"ALLOW_READ": "*", "DENY_READ": "127.0.0.1"}, 403),
            ({"DENY_READ": "", "SEC_READ_AUTHENTICATION": "REQUIRED"}, 403),
        ):
            collector = self.running(**knobs)
            self.assertEqual(self.get("/api/v1/ads").status, status, knobs)
            self.stop(collector)

    def test_worker(self) -> None:
        """An expensive constraint goes to a worker; a client that leaves ends that."""
        collector = self.running()
        pool = Pool()
        pool.state = collector.state
        pool.send(Command.UPDATE_STARTD_AD, ad({"MyType": "Machine", "Name": "a"}))
        query = quote('regexp("a+", Name)')
        client = self.get(f"/api/v1/ads?type=Machine&constraint={query}")
        self.assertEqual(client.received, b"")
        (worker,) = self.reactor.processes
        self.assertFalse(worker.ended)
        transport: Any = client.transport
        transport.loseConnection()
        self.reactor.flush()
        self.assertEqual(worker.signals[-1:], ["KILL"])

    def test_no_workers(self) -> None:
        """Where there are no workers an expensive constraint is refused."""
        self.running(COLLECTOR_QUERY_WORKERS="0")
        query = quote('regexp("a+", Name)')
        answer = self.get(f"/api/v1/ads?constraint={query}")
        self.assertEqual(answer.status, 400)
