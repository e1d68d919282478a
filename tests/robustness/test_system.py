"""What happens when the system says no, and when time jumps or stands still."""

from __future__ import annotations

import errno
import os
from typing import Any

from condor_twisted.constants.commands import Command
from condor_twisted.errors import CondorTwistedError
from fuzz.house import frame
from tests.robustness.kit import NAMES, HouseTestCase, query, update

EXPENSIVE = b'Requirements = regexp("^k", Name)'


class SystemTests(HouseTestCase):
    def test_mnh_8_2_memory(self) -> None:
        """An update or a query that runs out of memory fails alone."""
        self.is_checked = False
        state = self.house.collector.state
        for method, payload in (
            ("receive_clear", update(b'Name = "x"')),
            ("plan_query", query()),
        ):

            def fail(*arguments: Any) -> Any:
                raise MemoryError

            self.patch(state, method, fail)
            self.assertEqual(self.house.stream(frame(payload)), b"")
            self.house.datagram(payload)
            delattr(state, method)
            self.assert_serves()
        server = self.house.collector.server
        assert server is not None
        self.assertEqual(server.counters.handler_errors, 3)
        self.house.faults.clear()
        server.counters.handler_errors = 0
        self.house.check(NAMES)
        self.flushLoggedErrors(MemoryError)

    def test_mnh_8_5_processes_that_cannot_start(self) -> None:
        """Where no worker starts the query is refused, and no place is lost."""
        spawn = self.reactor.spawnProcess
        for number in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE):

            def fail(*arguments: Any, number: int = number, **options: Any) -> Any:
                raise OSError(number, os.strerror(number))

            self.reactor.spawnProcess = fail
            for _ in range(60):
                self.assertEqual(self.house.stream(frame(query(EXPENSIVE))), b"")
        self.reactor.spawnProcess = spawn
        pool = self.house.collector.workers
        assert pool is not None
        self.assertEqual((pool.active_count, pool.pending_count), (0, 0))
        self.assertEqual(len(pool._workers), 0)
        self.assert_serves()

    def test_mnh_8_1_no_descriptors_for_a_process(self) -> None:
        """Where descriptors are few no process is begun, so that none gets lost."""
        real = os.open
        opened: list[int] = []

        def few(path: Any, *arguments: Any, **options: Any) -> int:
            if path == os.devnull:
                if len(opened) == 5:
                    raise OSError(errno.EMFILE, "Too many open files")
                opened.append(real(path, *arguments, **options))
                return opened[-1]
            return real(path, *arguments, **options)

        self.patch(os, "open", few)
        self.assertEqual(self.house.stream(frame(query(EXPENSIVE))), b"")
        self.assertEqual(self.reactor.processes, [])
        for descriptor in opened:
            with self.assertRaises(OSError):
                os.fstat(descriptor)

    def test_mnh_1_31_workers_that_die_at_once(self) -> None:
        """However often workers die, only so many run at a time."""
        most = 0
        for _ in range(100):
            clients = [self.house.intrude() for _ in range(5)]
            for client in clients:
                assert client is not None
                client.send(frame(query(EXPENSIVE)))
            self.reactor.flush()
            alive = [each for each in self.reactor.processes if not each.ended]
            most = max(most, len(alive))
            for process in alive:
                process.exit(status=1, signal=11)
            for client in clients:
                assert client is not None
                client.abort()
            self.reactor.flush()
        self.assertLessEqual(most, 4)
        for process in self.reactor.processes:
            if not process.ended:
                process.exit(status=1, signal=9)
        self.reactor.flush()

    def test_mnh_10_11_children_inherit_three_descriptors(self) -> None:
        """A worker gets its three pipes by name, and nothing else."""
        client = self.intrude()
        client.send(frame(query(EXPENSIVE)))
        self.reactor.flush()
        (process,) = self.reactor.processes
        self.assertEqual(process.options["childFDs"], {0: "w", 1: "r", 2: "r"})

    def test_mnh_8_3_files_that_cannot_be_written(self) -> None:
        """When the address file cannot be written, serving and settings go on."""
        collector = self.house.collector
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EIO):

            def fail(*arguments: Any, number: int = number) -> None:
                raise OSError(number, os.strerror(number))

            self.patch(collector._address_files, "write", fail)
            self.assertTrue(collector.reconfigure())
            self.assert_serves()
        self.assertEqual(len(self.house.faults), 3)
        self.assertIn("cannot be written", self.house.faults[0])
        self.house.faults.clear()

    def test_mnh_8_4_connections_that_break(self) -> None:
        """A connection that breaks, whatever the system calls it, only ends."""
        from twisted.internet.error import ConnectionLost
        from twisted.python.failure import Failure

        for reason in (
            ConnectionLost(),
            ConnectionResetError(),
            BrokenPipeError(),
            ConnectionAbortedError(),
            OSError(errno.EHOSTUNREACH, ""),
            TimeoutError(),
        ):
            for sent in (b"", b"\1\0", frame(update(b'Name = "kept1"'))):
                client = self.intrude()
                client.send(sent)
                self.reactor.flush()
                server_end = client.far
                server_end.connected = False
                server_end.protocol.connectionLost(Failure(reason))
                client.transport.abortConnection()
                client.transport.peer = None
                self.reactor.traffic.transports.clear()
        self.assert_serves()

    def test_mnh_8_6_storms_of_signals(self) -> None:
        """Thousands of requests to reconfigure make one, and one more after it."""
        collector = self.house.collector
        before = collector.reconfigured_count
        for _ in range(2000):
            collector.request_reconfigure()
        self.reactor.flush()
        collector.request_reconfigure()
        self.reactor.flush()
        self.assertEqual(collector.reconfigured_count, before + 2)


class TimeTests(HouseTestCase):
    def test_mnh_2_8_missed_timers_fire_once(self) -> None:
        """After minutes in which nothing ran, each duty is done once, not often."""
        collector = self.house.collector
        published: list[float] = []
        swept: list[float] = []
        publish, sweep = collector.state.publish_own_ad, collector.state.sweep

        def count_publish(*arguments: Any) -> Any:
            published.append(self.reactor.seconds())
            return publish(*arguments)

        def count_sweep(*arguments: Any) -> Any:
            swept.append(self.reactor.seconds())
            return sweep(*arguments)

        self.patch(collector.state, "publish_own_ad", count_publish)
        self.patch(collector.state, "sweep", count_sweep)
        for _ in range(80):
            self.reactor.advance(10)
        for name in NAMES:
            self.house.advertise(name)
        # A stopped process: time has passed when its reactor runs again.
        self.reactor.rightNow += 600
        self.reactor.flush()
        self.assertEqual((len(published), len(swept)), (1, 1))
        self.assert_serves()

    def test_mnh_2_6_the_wall_clock_ends_nothing(self) -> None:
        """Setting the clock by years ends no connection and starts no storm."""
        client = self.intrude()
        client.send(frame(update(b'Name = "kept1"')))
        waiting = self.intrude()
        self.reactor.flush()
        for jump in (10**9, -(2 * 10**9), 10**9):
            self.house.start_unix += jump
            client.send(frame(update(b'Name = "kept2"')))
            self.reactor.flush()
            self.reactor.advance(1)
            self.reactor.flush()
        self.assertFalse(client.closed)
        self.assertFalse(waiting.closed)
        for call in self.reactor.getDelayedCalls():
            self.assertGreaterEqual(call.getTime(), self.reactor.seconds())
        self.assert_serves()

    def test_mnh_0_6_stopping_in_the_middle(self) -> None:
        """A daemon that stops while peers are in every state leaves nothing."""
        self.is_checked = False
        for data in (
            b"",
            b"\1\0\0",
            frame(update(b'Name = "a"')),
            frame(query(EXPENSIVE)),
            frame(query())[:-3],
        ):
            self.intrude().send(data)
        self.reactor.flush()


class DocumentedErrors(HouseTestCase):
    def test_mnh_3_4_python_errors_are_refusals(self) -> None:
        """Payloads on which careless readers raise are refused, and counted as such."""
        server = self.house.collector.server
        assert server is not None
        for number in (
            Command.UPDATE_MASTER_AD,
            Command.QUERY_MASTER_ADS,
            Command.INVALIDATE_MASTER_ADS,
        ):
            head = number.to_bytes(8, "big")
            for body in (
                b"",
                b"\xff" * 8,
                b"\x7f" + b"\xff" * 7,
                bytes(7) + b"\1",
                bytes(7) + b"\1" + b"\xff\xfe = \xff\0\0",
                bytes(7) + b"\1" + b"= 1\0\0\0",
                bytes(7) + b"\2" + b"A = 1\0",
                bytes(7) + b"\1" + b"ZKM\0",
                bytes(7) + b"\1" + b"Name = " + b"(" * 100_000 + b"\0\0\0",
                bytes(7) + b"\1" + b"Name = " + b"9" * 100_000 + b"\0\0\0",
            ):
                self.house.stream(frame(head + body))
        self.assertEqual(server.counters.handler_errors, 0)
        self.assertGreater(server.counters.protocol_errors, 10)
        self.assertTrue(issubclass(CondorTwistedError, Exception))
