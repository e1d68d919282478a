"""Tests of ``condor_twisted.daemoncore.runtime``."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore import (
    Child,
    Daemon,
    DaemonCoreOptions,
    ExitStatus,
    FamilyOptions,
    SpawnOptions,
    Stream,
)
from condor_twisted.daemoncore.inheritance import Inherited
from condor_twisted.errors import LocalProtocolError
from tests.daemoncore.kit import KNOBS, DaemonTestCase
from tests.daemoncore.process_kit import every


class Busy(Daemon):
    """A daemon that uses what it has."""

    subsystem = "BUSY"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.happened: list[str] = []

    def started(self) -> None:
        self.timers.call_every(10, self.happened.append, "timer")
        self.signals.subscribe(101, self.signalled)

    async def signalled(self) -> None:
        """A handler that is a coroutine function."""
        self.happened.append("signal")

    def stopService(self) -> Deferred[Any]:
        self.signals.unsubscribe(101, self.signalled)
        return super().stopService()


class RuntimeTests(DaemonTestCase):
    def make(self, **knobs: str) -> Busy:
        return Busy(self.settings(**knobs), self.reactor)

    def spawn(
        self,
        daemon: Daemon,
        options: SpawnOptions = SpawnOptions(),  # noqa: B008
    ) -> tuple[Child, Any]:
        done = daemon.spawn("/bin/program", (), options)
        process = self.reactor.processes[-1]
        descriptor = int(process.args[-1])
        process.protocol.childDataReceived(descriptor, b"R")
        process.protocol.childConnectionLost(descriptor)
        child: Child = self.successResultOf(done)
        return child, process

    def test_life(self) -> None:
        """Timers and signals run while the daemon does, each time it is started."""
        daemon: Busy = self.make()
        for _ in range(2):
            daemon.happened.clear()
            daemon.startService()
            self.reactor.advance(10)
            self.assertTrue(self.successResultOf(daemon.send_signal(os.getpid(), 101)))
            self.reactor.flush()
            self.assertEqual(daemon.happened, ["timer", "signal"])
            first, second = socket.socketpair()
            self.addCleanup(first.close)
            self.addCleanup(second.close)
            daemon.descriptors.register_socket(first, print)
            daemon.time_skips.register(print)
            daemon.threads.create_thread(lambda: 0)
            self.reactor.flush()
            self.stop(daemon)
            self.assertEqual(self.reactor.getDelayedCalls(), [])
            self.assertEqual(len(self.reactor.readers), 0)

    def test_nothing_is_made_unasked(self) -> None:
        """What nobody uses does not exist."""
        daemon = self.start(Daemon(self.settings(), self.reactor))
        made = set(daemon.runtime.__dict__)
        self.assertEqual(made & {"processes", "descriptors", "threads"}, set())

    def test_children_end_with_the_daemon(self) -> None:
        """A daemon that stops ends its children, and waits for them."""
        daemon = self.make()
        daemon.startService()
        _, process = self.spawn(daemon)
        stopped = daemon.stopService()
        self.assertEqual(process.signals, [9])
        self.assertNoResult(stopped)
        process.exit(0, 9)
        self.reactor.advance(0)
        self.successResultOf(stopped)

    def test_reconfiguration(self) -> None:
        """Settings of children are read again; those that have no sense stay out."""
        daemon = self.make()
        daemon._load_settings = lambda: self.settings()
        self.start(daemon)
        self.assertEqual(daemon.processes.settings.max_children, 200)
        self.knobs["MAX_CHILD_PROCESSES"] = "3"
        self.assertTrue(daemon.reconfigure())
        self.assertEqual(daemon.processes.settings.max_children, 3)
        self.knobs["MAX_CHILD_PROCESSES"] = "many"
        daemon.reconfigure()
        self.assertEqual(daemon.processes.settings.max_children, 3)

    def test_family(self) -> None:
        """A child with a family is looked at now and then, until it is reaped."""
        daemon = self.start(self.make())
        options = SpawnOptions(family=FamilyOptions(snapshot_seconds=5))
        child, process = self.spawn(daemon, options)
        family = daemon.family_of(child)
        looks: list[int] = []

        def read(marker: tuple[str, str]) -> dict[int, Any]:
            looks.append(1)
            return {}

        family.read = read
        for _ in range(3):
            self.reactor.advance(5)
        self.assertEqual(len(looks), 3)
        self.assertIs(daemon.family_of(child), family)
        process.exit(0)
        self.reactor.advance(5)
        self.reactor.advance(50)
        self.assertEqual(len(looks), 3)

    def test_expected_heartbeats(self) -> None:
        """A heartbeat may be expected from the start on."""
        daemon = self.start(self.make())
        options = SpawnOptions(daemon=DaemonCoreOptions(not_responding_seconds=30))
        child, process = self.spawn(daemon, options)
        for _ in range(61):
            self.reactor.advance(1)
        self.assertTrue(child.was_not_responding)
        self.assertEqual(process.signals, [9])
        process.exit(0, 9)
        self.reactor.advance(0)

    def test_before_it_is_started(self) -> None:
        """Timers may be there before; commands to others may not."""
        daemon = self.make()
        daemon.timers.call_later(5, daemon.happened.append, "early")
        self.reactor.advance(5)
        self.assertEqual(daemon.happened, ["early"])
        self.assertRaises(LocalProtocolError, daemon.runtime._opener)
        self.assertFalse(daemon.runtime.is_local("127.0.0.1"))

    def test_signals_to_our_parent(self) -> None:
        """Our parent is known by its process id."""
        daemon = self.start(self.make())
        parent = self.make()
        self.start(parent)
        daemon.inherited = Inherited(4242, str(parent.address))
        sent = daemon.send_signal(4242, 101)
        self.reactor.flush()
        self.assertTrue(self.successResultOf(sent))
        self.assertEqual(parent.happened, ["signal"])


class RealTests(TestCase):
    timeout = 60

    @every
    async def test_a_daemon_under_a_daemon(self) -> None:
        """A daemon of ours starts another: address, heartbeats, signals, an end.

        The child serves on the sockets that its parent has bound, and its heartbeats
        come in the session that the parent made; nothing else is allowed.
        """
        knobs = {key: text for key, text in KNOBS.items() if "ALLOW" not in key}
        daemon = Daemon(
            Settings.from_assignments({**knobs, "ALLOW_READ": "*"}, "DAEMON"),
            global_reactor,
        )
        daemon.startService()
        self.addCleanup(daemon.stopService)
        reaped: list[ExitStatus] = []

        def reap(child: Child, status: ExitStatus) -> None:
            reaped.append(status)

        child = await daemon.threads.create_process(
            f"{__name__}:be_a_daemon",
            options=SpawnOptions(
                daemon=DaemonCoreOptions(), stdout=Stream.PIPE, stderr=Stream.PIPE
            ),
            reaper=reap,
        )
        while not child.heartbeats_count and child.is_running:
            await deferLater(global_reactor, 0.02, lambda: None)
        self.assertTrue(child.is_running, child.stderr)
        self.assertTrue(await daemon.send_signal(child.pid, 101))
        status = await child.exited()
        self.assertEqual(status.exit_code, 0, child.stderr)
        said = child.stdout.decode().split("\n")
        self.assertEqual(said[0], str(child.command_address))
        self.assertEqual(said[1], "signal 101")
        await deferLater(global_reactor, 0, lambda: None)
        self.assertEqual(reaped, [status])

    @every
    async def test_readme(self) -> None:
        """The daemon that the README shows does what it says."""
        readme = (Path(__file__).parents[2] / "README.md").read_text()
        found = re.search(
            r"Timers, child processes.*?```python\n(.*?)```", readme, re.DOTALL
        )
        assert found is not None
        names: dict[str, Any] = {}
        exec(compile(found[1], "README.md", "exec"), names)
        settings = Settings.from_assignments(dict(KNOBS), "WATCHER")
        daemon = names["Watcher"](settings, global_reactor)
        daemon.startService()
        self.addCleanup(daemon.stopService)
        output = io.StringIO()
        self.patch(sys, "stdout", output)
        await daemon.look()
        await deferLater(global_reactor, 0, lambda: None)
        self.assertIn("Filesystem", output.getvalue())
        self.assertIn("exited with status 0 False", output.getvalue())


def be_a_daemon() -> None:
    """The child: says where it is, and stops with signal 101."""
    from twisted.internet import reactor

    knobs = {**KNOBS, "ALLOW_DAEMON": "nobody@nowhere"}
    daemon = Daemon(Settings.from_assignments(knobs, "CHILD"), reactor)

    def stop() -> None:
        print("signal 101", flush=True)
        daemon.stop_fast()

    daemon.signals.subscribe(101, stop)
    daemon.own_process()

    def begin() -> None:
        daemon.startService()
        print(daemon.address, flush=True)

    reactor.callWhenRunning(begin)
    reactor.addSystemEventTrigger("before", "shutdown", daemon.stopService)
    reactor.run()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
