"""How long a reactor waits for something to do.

A reactor of Twisted has one place where it waits: it asks its poller which descriptors
are ready. In a process that is ours, that question is measured (`PollerWatch`): the
reactor gets a poller that asks its own and looks at the clock before and after, and
gets its own back when the daemon ends. What is left is what the reactor's thread was
busy with, or stuck in: a handler that blocks counts. That costs a third of a
microsecond a turn, however much is done in it.

Where the reactor is somebody else's, or has no poller that can be asked through another
(asyncio's, select), nothing of it is touched: then the thread waits whenever it does
not use the CPU (`ThreadWatch`). A handler that blocks in a system call is not seen
there.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::Driver``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from condor_twisted.classad.recent import RecentProbe

__all__ = ["MeasuredPoller", "PollerWatch", "ThreadWatch", "Watch"]


class Watch(Protocol):
    """Knows how long a reactor waits."""

    @property
    def ready_count(self) -> int | None:
        """How many descriptors were ready; ``None`` where nobody knows."""

    def elapsed_seconds(self) -> float:
        """For how long it is watched."""

    def waiting_seconds(self) -> float:
        """How long it waited, of that."""

    def measure_cycles(self, probe: RecentProbe | None) -> bool:
        """Measure its turns one by one, or no longer; whether that can be done."""

    def close(self) -> None:
        """Watch no more."""


class MeasuredPoller:
    """Stands between a reactor and its poller.

    Args:
        poller: An object with ``poll``, which waits.
        seconds: The clock.

    Attributes:
        poller: The reactor's own.
        poll: What the reactor calls.
        users_count: Who looks at this.
    """

    def __init__(self, poller: Any, seconds: Callable[[], float]) -> None:
        self.poller = poller
        self.users_count = 0
        self._seconds = seconds
        self._poll, self._read = _measured(poller.poll, seconds)
        self.poll = self._poll
        self._cycles: RecentProbe | None = None
        self._turn_began = 0.0

    def __getattr__(self, name: str) -> Any:
        """Whatever else a poller has: the reactor registers descriptors with it."""
        value = getattr(self.poller, name)
        setattr(self, name, value)  # found at once from then on
        return value

    @property
    def waiting_seconds(self) -> float:
        """How long it waited so far."""
        return self._read()[0]

    @property
    def ready_count(self) -> int:
        """How many descriptors were ready so far."""
        return self._read()[1]

    def measure_cycles(self, probe: RecentProbe | None) -> None:
        """Measure turns one by one, or no longer."""
        self._cycles = probe
        self.begin_turn()
        self.poll = self._poll if probe is None else self._poll_in_detail

    def begin_turn(self) -> None:
        """The turn that is measured begins now."""
        self._turn_began = self._seconds()

    def _poll_in_detail(self, *arguments: Any) -> Any:
        ready = self._poll(*arguments)
        now = self._seconds()
        if self._cycles is not None:
            self._cycles.add(now - self._turn_began)
        self._turn_began = now
        return ready


def _measured(
    wait: Callable[..., Any], seconds: Callable[[], float]
) -> tuple[Callable[..., Any], Callable[[], tuple[float, int]]]:
    """A function that waits and measures that, and one that says what came of it.

    Every turn of the reactor goes through it, and variables of a closure are the
    quickest that there are.
    """
    waiting_seconds, ready_count = 0.0, 0

    def poll(*arguments: Any) -> Any:
        nonlocal waiting_seconds, ready_count
        began = seconds()
        ready = wait(*arguments)
        waiting_seconds += seconds() - began
        ready_count += len(ready)
        return ready

    return poll, lambda: (waiting_seconds, ready_count)


class PollerWatch:
    """Watches a reactor whose poller can be measured; see `PollerWatch.on`.

    Args:
        reactor: Whose poller is measured.
        poller: What it is measured with.
        seconds: The clock.
    """

    def __init__(
        self, reactor: Any, poller: MeasuredPoller, seconds: Callable[[], float]
    ) -> None:
        self._reactor = reactor
        self._poller = poller
        self._seconds = seconds
        self._begin()
        reactor.callWhenRunning(self._begin)

    @classmethod
    def on(cls, reactor: Any, seconds: Callable[[], float]) -> PollerWatch | None:
        """Watch a reactor, or ``None`` where its poller cannot be measured."""
        poller = getattr(reactor, "_poller", None)
        if not callable(getattr(poller, "poll", None)):
            return None
        if not isinstance(poller, MeasuredPoller):
            poller = reactor._poller = MeasuredPoller(poller, seconds)
        poller.users_count += 1
        return cls(reactor, poller, seconds)

    @property
    def ready_count(self) -> int:
        """How many descriptors were ready."""
        return self._poller.ready_count - self._ready_before

    def elapsed_seconds(self) -> float:
        """For how long the reactor runs."""
        return self._seconds() - self._began

    def waiting_seconds(self) -> float:
        """How long it waited, of that."""
        return self._poller.waiting_seconds - self._waiting_before

    def measure_cycles(self, probe: RecentProbe | None) -> bool:
        """Measure its turns one by one, or no longer."""
        self._poller.measure_cycles(probe)
        return True

    def close(self) -> None:
        """Watch no more: the reactor gets its own poller back."""
        poller = self._poller
        poller.users_count -= 1
        if poller.users_count <= 0 and self._reactor._poller is poller:
            self._reactor._poller = poller.poller

    def _begin(self) -> None:
        """Count from now on: what comes before the reactor runs is no turn."""
        self._began = self._seconds()
        self._waiting_before = self._poller.waiting_seconds
        self._ready_before = self._poller.ready_count
        self._poller.begin_turn()


class ThreadWatch:
    """Watches the reactor's thread: it waits when it does not use the CPU.

    Args:
        seconds: The clock.
        cpu_seconds: How much CPU time the thread that asks has used.
    """

    ready_count: int | None = None

    def __init__(
        self, seconds: Callable[[], float], cpu_seconds: Callable[[], float]
    ) -> None:
        self._seconds = seconds
        self._cpu_seconds = cpu_seconds
        self._began = seconds()
        self._used_before = cpu_seconds()

    def elapsed_seconds(self) -> float:
        """For how long it is watched."""
        return self._seconds() - self._began

    def waiting_seconds(self) -> float:
        """How long it did not use the CPU, of that."""
        used = self._cpu_seconds() - self._used_before
        return max(0.0, self.elapsed_seconds() - used)

    def measure_cycles(self, probe: RecentProbe | None) -> bool:
        """Its turns cannot be measured."""
        return False

    def close(self) -> None:
        """There is nothing to give back."""
