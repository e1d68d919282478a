"""A daemon of ours that is the parent of a real startd, and tells what it sees.

Run by `interop.children` as the module's ``main``, in a sandbox, with the chroot's root
directory behind a descriptor. It writes one JSON object per step to a file, and waits
for another file where the harness wants to look around first.

Usage: ``main(ROOT_DESCRIPTOR, CONFIG, WORK)``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore import Daemon
from condor_twisted.daemoncore.children.child import Child, ExitStatus
from condor_twisted.daemoncore.children.spawn_options import (
    DaemonCoreOptions,
    FamilyOptions,
    SpawnOptions,
)

__all__ = ["HANG_SECONDS", "STORM_COUNT", "main"]

HANG_SECONDS = 10
STORM_COUNT = 1000
_WAIT_SECONDS = 60
_STARTD = "/usr/sbin/condor_startd"
_SHARED_PORT = "/usr/libexec/condor/condor_shared_port"
_AD_FILE = "startd/lock/shared_port_ad"
_INTO_CHROOT = """
import os, sys
os.fchdir(int(sys.argv[1]))
os.chroot(".")
os.execv(sys.argv[2], [os.path.basename(sys.argv[2]), "-f"])
"""
_KNOBS = {
    "NETWORK_INTERFACE": "127.0.0.1",
    "ALLOW_READ": "*",
    # The startd is known by its session, or not at all.
    "ALLOW_DAEMON": "nobody@nowhere",
    "ALLOW_WRITE": "nobody@nowhere",
    "NEVER_USE_KILL_FOR_DC_SIGNALS": "True",
    "MAX_CHILD_PROCESSES": str(STORM_COUNT + 10),
    "MAX_CHILD_SPAWNS_PER_SECOND": str(STORM_COUNT),
}


class _Parent(Daemon):
    subsystem = "PARENT"


class _Script:
    def __init__(self, daemon: Daemon, root: int, config: str, work: Path) -> None:
        self._daemon = daemon
        self._root = root
        self._config = config
        self._work = work
        self._reaped: list[tuple[Child, ExitStatus]] = []

    async def run(self) -> None:
        startd = await self._start()
        await self._until("heartbeats", lambda: startd.heartbeats_count >= 3)
        address = str(startd.command_address)
        self._say("alive", address=address, heartbeats=startd.heartbeats_count)
        await self._until("ready", lambda: startd.ready_state is not None)
        own = str(self._daemon.address)
        self._say("ready", address=own, pid=startd.pid, state=startd.ready_state)
        await self._until("look", (self._work / "looked").exists)
        sent = [startd.kill(signal.SIGHUP)]
        await self._pause(2)
        for number in (signal.SIGHUP, 101):
            sent.append(await self._daemon.send_signal(startd.pid, number))
        self._say("signals", sent=sent)
        await self._pause(2)
        startd.suspend()
        status = await startd.exited()
        await self._pause(0.1)
        self._say("hung", **self._told(startd, status))
        startd = await self._start()
        await self._until("heartbeats", lambda: startd.heartbeats_count >= 1)
        await self._daemon.send_signal(startd.pid, signal.SIGTERM)
        status = await startd.exited()
        await self._pause(0.1)
        self._say("stopped", **self._told(startd, status))
        await self._share_a_port()
        await self._storm()

    async def _share_a_port(self) -> None:
        """A real shared port, and a startd behind it that has no port of its own."""
        shared = {"_CONDOR_USE_SHARED_PORT": "True"}
        server = await self._start(_SHARED_PORT, DaemonCoreOptions(udp=False), shared)
        file = self._work / _AD_FILE
        await self._until("shared port", file.exists)
        startd = await self._start(
            _STARTD, DaemonCoreOptions(endpoint="startd_shared"), shared
        )
        await self._until("heartbeats", lambda: startd.heartbeats_count >= 1)
        self._say("shared", address=str(startd.command_address))
        await self._until("look", (self._work / "looked-again").exists)
        sent = await self._daemon.send_signal(startd.pid, signal.SIGTERM)
        status = await startd.exited()
        server.shut_down_gracefully()
        await server.exited()
        self._say("unshared", sent=sent, status=str(status))

    async def _storm(self) -> None:
        reaped: list[int] = []

        def reap(child: Child, status: ExitStatus) -> None:
            reaped.append(child.pid)

        started = [
            self._daemon.spawn("/bin/true", ["true"], reaper=reap)
            for _ in range(STORM_COUNT)
        ]
        children = await gatherResults(started)
        await self._until("reapers", lambda: len(reaped) >= STORM_COUNT)
        await self._pause(1)
        self._say(
            "storm",
            once=sorted(reaped) == sorted(child.pid for child in children),
            reaped=len(reaped),
            left=len(self._daemon.processes),
        )

    async def _start(
        self,
        program: str = _STARTD,
        daemon: DaemonCoreOptions = DaemonCoreOptions(name="STARTD"),  # noqa: B008
        environment: Mapping[str, str] | None = None,
    ) -> Child:
        options = SpawnOptions(
            daemon=daemon,
            family=FamilyOptions(),
            environment={"CONDOR_CONFIG": self._config, **(environment or {})},
            descriptors=(self._root,),
        )
        command = [sys.executable, "-c", _INTO_CHROOT, str(self._root), program]
        return await self._daemon.spawn(
            sys.executable, command, options, reaper=self._reap
        )

    def _reap(self, child: Child, status: ExitStatus) -> None:
        self._reaped.append((child, status))

    def _told(self, child: Child, status: ExitStatus) -> dict[str, object]:
        """What the reaper was told of a child, and how often."""
        told = [each for other, each in self._reaped if other is child]
        return {
            "calls": len(told),
            "status": str(status),
            "was_not_responding": [each.was_not_responding for each in told],
        }

    async def _until(self, what: str, question: Callable[[], bool]) -> None:
        for _ in range(_WAIT_SECONDS * 10):
            if question():
                return
            await self._pause(0.1)
        raise RuntimeError(f"no {what} within {_WAIT_SECONDS} s")

    def _pause(self, seconds: float) -> Deferred[None]:
        reactor: IReactorTime = self._daemon.reactor
        return deferLater(reactor, seconds, lambda: None)

    def _say(self, step: str, **facts: object) -> None:
        with (self._work / "steps").open("a") as file:
            file.write(json.dumps({"step": step, **facts}) + "\n")


def main(root: int, config: str, work: str) -> None:
    """Be the parent until the script is over."""
    from twisted.internet import reactor as installed
    from twisted.logger import globalLogBeginner, textFileLogObserver

    os.set_inheritable(root, False)
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)])
    reactor = installed
    knobs = {**_KNOBS, "SHARED_PORT_DAEMON_AD_FILE": f"{work}/{_AD_FILE}"}
    daemon = _Parent(Settings.from_assignments(knobs, "PARENT"), reactor)

    def over(result: object) -> None:
        if isinstance(result, Failure):
            result.printTraceback()
        daemon.stopService().addBoth(lambda _: reactor.stop())

    def begin() -> None:
        daemon.startService()
        script = _Script(daemon, root, config, Path(work))
        Deferred.fromCoroutine(script.run()).addBoth(over)

    reactor.callWhenRunning(begin)
    reactor.run()
