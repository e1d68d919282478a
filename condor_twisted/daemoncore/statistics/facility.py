"""Statistics as a part of a daemon: it counts from begin to end, and asks everybody.

What is frequent is counted anyway, or costs one addition. How long the handler of each
command takes, and how long each turn of the reactor, is measured only where the
configuration shows it: at level 2 of ``DC`` in STATISTICS_TO_PUBLISH.

What DaemonCore's attributes mean here: ``DCTimerRuntime`` and ``DCTimersFired`` are of
`Daemon.timers`, the latter of the last turn in which any fired; ``DCPipeRuntime`` is of
`register_pipe`; ``DCSocketRuntime`` is whatever else the reactor was busy with, and
``DCSockMessages`` how often a descriptor was ready. ``DCNameResolve`` is look-ups of
host names, which hold nobody up. What cannot be known is left out.

Source: ``src/condor_daemon_core.V6/self_monitor.cpp: self_monitor``.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from condor_twisted.classad.recent import HandlerTimes, Probe
from condor_twisted.classad.wire_ad import AdValue
from condor_twisted.daemoncore.events.handlers import HandlerKind
from condor_twisted.daemoncore.events.timers import Timer
from condor_twisted.daemoncore.statistics.counters import DaemonStatistics, Work
from condor_twisted.daemoncore.statistics.settings import (
    StatisticsSettings,
    choice_of,
)
from condor_twisted.daemoncore.statistics.waiting import (
    PollerWatch,
    ThreadWatch,
    Watch,
)

if TYPE_CHECKING:
    from condor_twisted.daemoncore.daemon import Daemon

__all__ = ["Statistics", "unread_bytes"]

_log = Logger()

_VERBOSE: Final = 2
#: ``SO_MEMINFO`` of Linux; its first number is what waits in the socket's buffer.
_SO_MEMINFO: Final = 55


class Statistics:
    """The statistics of one daemon; one of its facilities.

    Args:
        daemon: Whose.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._counters: DaemonStatistics | None = None
        self._watch: Watch | None = None
        self._timer: Timer | None = None
        self._offset_seconds = 0.0
        self._rates: dict[str, Callable[[], int]] = {}
        self._told: list[Callable[[], object]] = []

    def add_rate(self, name: str, read: Callable[[], int]) -> None:
        """Show a sum of the daemon's own, and how fast it grows.

        Args:
            name: Its attribute is ``DC`` and this.
            read: Says how large the sum is, since the daemon was made.
        """
        self._rates[name] = read

    def each_quantum(self, function: Callable[[], object]) -> None:
        """Call a function whenever a part of the last while has passed."""
        self._told.append(function)

    def publish(self, wanted: str | None = None) -> dict[str, AdValue]:
        """What the daemon's ad says of its work now; nothing before it serves.

        Args:
            wanted: STATISTICS_TO_PUBLISH of a query; what the configuration says by
                default.
        """
        counters = self._counters
        if counters is None:
            return {}
        counters.take(self._work(), self._now())
        return counters.publish(choice_of(wanted) if wanted else None)

    # Part of a daemon.

    def begin(self) -> None:
        """Count from now on.

        Raises:
            ConfigError: A knob has no sense; until that is put right, things are
                counted and shown as usual.
        """
        daemon = self._daemon
        seconds = daemon.timers.seconds
        if daemon.owns_process:
            self._watch = PollerWatch.on(daemon.reactor, seconds)
        if self._watch is None:
            self._watch = ThreadWatch(seconds, time.thread_time)
        for times in daemon.runtime.runner.times.values():
            times.clear()
        settings = StatisticsSettings()
        self._offset_seconds = time.time() - seconds()
        self._counters = DaemonStatistics(self._now(), settings)
        self._timer = daemon.timers.register(
            0,
            self._tick,
            period_seconds=settings.quantum_seconds,
            name="self_monitor",
        )
        self.renew()

    def renew(self) -> None:
        """Count and show as the settings say now.

        Raises:
            ConfigError: A knob has no sense; nothing has changed.
        """
        counters = self._counters
        if counters is None:
            return
        settings = StatisticsSettings.from_settings(self._daemon.settings)
        for problem in settings.choice.problems:
            _log.warn(
                "STATISTICS_TO_PUBLISH: {problem} means nothing; options are 0 to 3, "
                "R, D, Z and L, and ! for the opposite",
                problem=problem,
            )
        old = counters.settings
        counters.reconfigure(settings)
        self._measure(settings.choice.level >= _VERBOSE)
        if settings.quantum_seconds != old.quantum_seconds and self._timer is not None:
            self._timer.reset(settings.quantum_seconds, settings.quantum_seconds)

    def end(self) -> None:
        """Leave the reactor as it was."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.measure_cycles(None)
            watch.close()
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._counters = None

    # Inside.

    def _measure(self, in_detail: bool) -> None:
        """Measure handlers and turns one by one, or no longer."""
        daemon, counters, watch = self._daemon, self._counters, self._watch
        assert counters is not None, "it has begun"
        assert watch is not None, "it has begun"
        for times in daemon.runtime.runner.times.values():
            times.tell_apart(in_detail)
        server = daemon.server
        if server is not None and in_detail != (server.command_times is not None):
            server.command_times = self._command_times() if in_detail else None
        counters.measure_cycles(in_detail)
        if not watch.measure_cycles(counters.cycles):
            counters.measure_cycles(False)

    def _command_times(self) -> HandlerTimes:
        """Times of the commands that are served; those of before are all zero."""
        times = HandlerTimes(self._daemon.timers.seconds)
        times.probes = {rule.name: Probe() for rule in self._daemon.table.rules}
        return times

    def _now(self) -> float:
        """The time since the epoch, had nobody set the clock since we began."""
        return self._offset_seconds + self._daemon.timers.seconds()

    def _tick(self) -> None:
        if self._counters is not None:
            self._counters.take(self._work(), self._now())
        for function in self._told:
            function()

    def _work(self) -> Work:
        """Ask the daemon's parts how far they are."""
        daemon, watch = self._daemon, self._watch
        assert watch is not None, "it has begun"
        times = daemon.runtime.runner.times
        elapsed, waiting = watch.elapsed_seconds(), watch.waiting_seconds()
        signals, timers = times[HandlerKind.SIGNAL], times[HandlerKind.TIMER]
        pipes = times[HandlerKind.PIPE]
        others = signals.seconds + timers.seconds + pipes.seconds
        work = Work(
            elapsed_seconds=elapsed,
            waiting_seconds=waiting,
            seconds={
                "SignalRuntime": signals.seconds,
                "TimerRuntime": timers.seconds,
                "SocketRuntime": max(0.0, elapsed - waiting - others),
                "PipeRuntime": pipes.seconds,
            },
            counts={"Signals": signals.count, "PipeMessages": pipes.count},
            levels={
                "TimersFired": daemon.timers.fired_count,
                "UdpQueueDepth": self._udp_queue_bytes(),
            },
            rates={name: read() for name, read in self._rates.items()},
            handlers={
                kind.value: each.probes
                for kind, each in times.items()
                if each.probes is not None
            },
        )
        if watch.ready_count is not None:
            work.counts["SockMessages"] = max(0, watch.ready_count - pipes.count)
        if daemon.log_observer is not None:
            work.counts["DebugOuts"] = daemon.log_observer.written_count
        self._add_server(work)
        return work

    def _add_server(self, work: Work) -> None:
        """What the server and the host's look-ups have counted."""
        server, host = self._daemon.server, self._daemon.host
        if server is not None:
            work.rates["Commands"] = server.counters.commands
            if server.command_times is not None:
                work.handlers["Command"] = server.command_times.probes or {}
        if host is not None:
            for outcome, times in host.names.lookups.items():
                work.counts[f"NameResolve{outcome}"] = times.count
                work.seconds[f"NameResolve{outcome}Runtime"] = times.seconds

    def _udp_queue_bytes(self) -> int:
        ports = self._daemon.ports
        port: Any = None if ports is None else ports.datagrams
        return 0 if port is None else unread_bytes(getattr(port, "socket", None))


def unread_bytes(stream: socket.socket | None) -> int:
    """How much waits in a socket's buffer; 0 where the system does not say."""
    if stream is None or sys.platform != "linux":
        return 0
    try:
        answer = stream.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4)
    except OSError:
        return 0
    return int(struct.unpack("=I", answer)[0]) if len(answer) == 4 else 0
