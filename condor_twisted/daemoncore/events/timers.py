"""Timers: handlers that run once, or again and again.

* The period is measured from the handler's return; where it returns a `Deferred`, from
  when that fires. Nothing is caught up: a handler that was late, or a process that
  stood still, runs once and not as often as it has missed.
* Due handlers run in the order of their times, and of their registration where those
  are equal. What is registered or reset by a handler waits for the next turn, even if
  it is due at once.
* A handler may reset or cancel its own timer, and any other. A handler that is not done
  never runs a second time beside itself.

Source: ``src/condor_daemon_core.V6/timer_manager.cpp``.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from condor_twisted.daemoncore.events.handlers import (
    HandlerKind,
    HandlerRunner,
    describe_handler,
)
from condor_twisted.daemoncore.events.timeslices import Timeslice
from condor_twisted.errors import LocalProtocolError
from condor_twisted.protocols.clocks import monotonic_seconds

__all__ = ["Timer", "Timers"]

#: No delay of a reactor's call is longer; a timer beyond it is looked at again then.
_LONGEST_WAIT_SECONDS: Final = 86_400.0


class Timer:
    """One registered timer; `Timers` makes them.

    Attributes:
        name: What log lines call it.
        period_seconds: From one return to the next run; ``None`` or 0 for once.
    """

    def __init__(
        self,
        timers: Timers,
        name: str,
        function: Callable[..., object],
        arguments: tuple[Any, ...],
        period_seconds: float | None,
        timeslice: Timeslice | None = None,
    ) -> None:
        self.name = name
        self.period_seconds = period_seconds
        self._timers = timers
        self._function = function
        self._arguments = arguments
        self._timeslice = timeslice
        self._due_at: float | None = None
        self._period_began_at = timers.seconds()
        self._ticket = 0
        self._running = False
        self._was_reset = False
        self._rerun = False
        self._cancelled = False

    def __repr__(self) -> str:
        return f"<Timer {self.name!r}>"

    @property
    def is_active(self) -> bool:
        """Whether it may run again."""
        return not self._cancelled

    @property
    def is_running(self) -> bool:
        """Whether its handler is not done."""
        return self._running

    @property
    def due_in_seconds(self) -> float | None:
        """How long until it runs; ``None`` while nobody knows."""
        if self._cancelled or self._due_at is None:
            return None
        return max(0.0, self._due_at - self._timers.seconds())

    def reset(
        self, delay_seconds: float | None, period_seconds: float | None = None
    ) -> None:
        """Run after another delay, with another period.

        Args:
            delay_seconds: From now; ``None`` for never, until it is reset again.
            period_seconds: As in `Timers.register`; ``None`` for once.

        Raises:
            LocalProtocolError: The timer is over, or a number is negative.
        """
        self._check(delay_seconds, period_seconds)
        self.period_seconds = period_seconds
        self._timeslice = None
        self._was_reset = True
        self._arm(delay_seconds)

    def reset_period(self, period_seconds: float) -> None:
        """Change the period and keep its beginning.

        Raises:
            LocalProtocolError: The timer is over, or the number is negative.
        """
        self._check(0, period_seconds)
        self.period_seconds = period_seconds
        now = self._timers.seconds()
        due_in = self._period_began_at + period_seconds - now
        if due_in > period_seconds:  # began in the future: start anew
            due_in = period_seconds
        if self._running:
            return  # armed with the new period when the handler is done
        self._arm(max(0.0, due_in))

    def expedite(self) -> None:
        """Run as soon as the timeslice allows; without one, in the next turn."""
        self._check(0, None)
        if self._timeslice is None:
            self._arm(0)
            return
        self._timeslice.expedite()
        if not self._running:
            now = self._timers.seconds()
            self._arm(self._timeslice.next_start(now) - now)

    def cancel(self) -> None:
        """Never run again; a handler that runs now is left to finish."""
        self._cancelled = True
        self._due_at = None
        self._timers.forget(self)

    def _check(self, delay: float | None, period: float | None) -> None:
        if self._cancelled:
            raise LocalProtocolError(f"timer {self.name} is over")
        if (delay is not None and delay < 0) or (period is not None and period < 0):
            raise LocalProtocolError(f"timer {self.name}: a negative delay or period")

    def _arm(self, delay_seconds: float | None) -> None:
        now = self._timers.seconds()
        self._period_began_at = now
        self._due_at = None if delay_seconds is None else now + delay_seconds
        self._ticket += 1
        if self._due_at is not None:
            self._timers.push(self._due_at, self, self._ticket)

    def is_due(self, ticket: int) -> bool:
        """Whether an entry of the queue still means something."""
        return self._due_at is not None and ticket == self._ticket

    def run(self, runner: HandlerRunner) -> None:
        """Run the handler, and arm the timer when it is done."""
        self._due_at = None
        if self._running:
            self._was_reset = True  # due again while it runs: right after it
            self._rerun = True
            return
        self._running = True
        self._was_reset = self._rerun = False
        started_at = self._timers.seconds()
        done = runner.run_as(
            HandlerKind.TIMER,
            self.name,
            f"timer {self.name}",
            self._function,
            *self._arguments,
        )
        if isinstance(done, Deferred):
            done.addCallback(lambda _: self._finished(started_at))
        else:
            self._finished(started_at)

    def _finished(self, started_at: float) -> None:
        self._running = False
        if self._cancelled:
            return
        now = self._timers.seconds()
        timeslice = self._timeslice
        if timeslice is not None:
            timeslice.finished(started_at, now)
        if self._rerun:
            self._arm(0)
        elif self._was_reset:
            return
        elif timeslice is not None:
            self._arm(timeslice.next_start(now) - now)
        elif self.period_seconds:
            self._arm(self.period_seconds)
        else:
            self.cancel()


class Timers:
    """The timers of one daemon.

    Args:
        reactor: Tells time and calls later; found when the first timer is armed.
        runner: Runs handlers.
        max_per_turn: So many handlers run in one turn of the reactor; 0 for all that
            are due (MAX_TIMER_EVENTS_PER_CYCLE).

    Attributes:
        fired_count: How many ran in the last turn in which any did.
    """

    def __init__(
        self, reactor: Any, runner: HandlerRunner, max_per_turn: int = 0
    ) -> None:
        self.max_per_turn = max_per_turn
        self.fired_count = 0
        #: The clock of all delays, which never jumps.
        self.seconds: Callable[[], float] = monotonic_seconds(reactor)
        self._reactor = reactor
        self._runner = runner
        self._queue: list[tuple[float, int, Timer, int]] = []
        self._timers: dict[Timer, None] = {}
        self._count = 0
        self._wake_up: IDelayedCall | None = None
        self._wakes_at = 0.0
        self._in_turn = False

    def __len__(self) -> int:
        return len(self._timers)

    def register(
        self,
        delay_seconds: float | None,
        function: Callable[..., object],
        *arguments: Any,
        period_seconds: float | None = None,
        name: str | None = None,
    ) -> Timer:
        """Run a handler after a delay, and again with a period.

        Args:
            delay_seconds: From now on; ``None`` for not before it is reset.
            function: The handler; it may return a `Deferred` or be a coroutine
                function.
            *arguments: What it gets.
            period_seconds: From its return to the next run; ``None`` or 0 for once.
            name: What log lines call it; the handler's own name by default.

        Raises:
            LocalProtocolError: A number is negative.
        """
        timer = Timer(
            self, name or describe_handler(function), function, arguments, None
        )
        self._timers[timer] = None
        try:
            timer.reset(delay_seconds, period_seconds)
        except LocalProtocolError:
            del self._timers[timer]
            raise
        return timer

    def call_later(
        self, delay_seconds: float, function: Callable[..., object], *arguments: Any
    ) -> Timer:
        """Run a handler once."""
        return self.register(delay_seconds, function, *arguments)

    def call_every(
        self, period_seconds: float, function: Callable[..., object], *arguments: Any
    ) -> Timer:
        """Run a handler after a period, and again and again."""
        return self.register(
            period_seconds, function, *arguments, period_seconds=period_seconds
        )

    def call_in_timeslices(
        self,
        timeslice: Timeslice,
        function: Callable[..., object],
        *arguments: Any,
        name: str | None = None,
    ) -> Timer:
        """Run a handler again and again, as often as a share of the time allows."""
        timer = Timer(
            self,
            name or describe_handler(function),
            function,
            arguments,
            None,
            timeslice,
        )
        self._timers[timer] = None
        now = self.seconds()
        timer._arm(timeslice.next_start(now) - now)
        return timer

    def close(self) -> None:
        """Cancel every timer."""
        for timer in list(self._timers):
            timer.cancel()
        self._queue.clear()
        self._sleep()

    # What timers call.

    def forget(self, timer: Timer) -> None:
        """A timer is over."""
        self._timers.pop(timer, None)
        if not self._timers:
            self._queue.clear()
        self._sleep()

    def push(self, due_at: float, timer: Timer, ticket: int) -> None:
        """A timer is due at a time."""
        self._count += 1
        heapq.heappush(self._queue, (due_at, self._count, timer, ticket))
        if len(self._queue) > 2 * len(self._timers) + 64:
            self._queue = [each for each in self._queue if each[2].is_due(each[3])]
            heapq.heapify(self._queue)
        self._sleep()

    # The queue.

    def _sleep(self) -> None:
        """Have the reactor wake us when the first timer is due."""
        if self._in_turn:
            return
        while self._queue and not self._queue[0][2].is_due(self._queue[0][3]):
            heapq.heappop(self._queue)
        wake_up = self._wake_up
        if wake_up is not None and wake_up.active():
            if self._queue and self._wakes_at == self._queue[0][0]:
                return
            wake_up.cancel()
        self._wake_up = None
        if self._queue:
            self._wakes_at = self._queue[0][0]
            delay = min(
                max(0.0, self._wakes_at - self.seconds()), _LONGEST_WAIT_SECONDS
            )
            self._wake_up = self._reactor.callLater(delay, self._turn)

    def _turn(self) -> None:
        """Run what is due now, and nothing that becomes due by running it."""
        now = self.seconds()
        due: list[tuple[float, int, Timer, int]] = []
        while (
            self._queue
            and self._queue[0][0] <= now
            and not (self.max_per_turn and len(due) >= self.max_per_turn)
        ):
            entry = heapq.heappop(self._queue)
            if entry[2].is_due(entry[3]):
                due.append(entry)
        self._in_turn = True
        if due:
            self.fired_count = len(due)
        try:
            for _, _, timer, ticket in due:
                if timer.is_due(ticket):
                    timer.run(self._runner)
        finally:
            self._in_turn = False
            self._sleep()
