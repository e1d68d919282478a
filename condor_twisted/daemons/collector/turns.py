"""Long work in short turns of the reactor, fair to everybody.

However many selections, sweeps and answers are under way, together they have a few
milliseconds of each turn of the reactor; so connections are served in between. Who
waits for a negotiator or for ourselves is served first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

__all__ = ["Turns"]

#: Others have to wait for so long at most.
TURN_SECONDS: Final = 0.005
_DONE: Final = object()


class _Job:
    """Work under way."""

    __slots__ = ("done", "steps")

    def __init__(self, steps: Iterator[object]) -> None:
        self.steps = steps
        self.done: Deferred[None] = Deferred(self._stop)

    def _stop(self, done: Deferred[None]) -> None:
        self.steps = iter(())


class Turns:
    """Shares the reactor's turns among long work.

    Args:
        reactor: Gives the turns.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._urgent: deque[_Job] = deque()
        self._ordinary: deque[_Job] = deque()
        self._turn: IDelayedCall | None = None
        self._spent_seconds = 0.0
        self._refill: IDelayedCall | None = None

    def __len__(self) -> int:
        """How much work is under way."""
        return len(self._urgent) + len(self._ordinary)

    def run(
        self, steps: Iterator[object], *, is_urgent: bool = False
    ) -> Deferred[None]:
        """Go through steps, a few milliseconds at a time.

        Args:
            steps: Each step does bounded work.
            is_urgent: Whether it goes before ordinary work.

        Returns:
            A `Deferred` that fires when the steps are done, and fails with what they
            raise. Cancelling it stops between two steps.
        """
        job = _Job(steps)
        (self._urgent if is_urgent else self._ordinary).append(job)
        if self._turn is None:
            self._turn = self._reactor.callLater(0, self._take_turn)
        return job.done

    def paced(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The pieces of an answer; empty ones while others have the turn.

        Args:
            pieces: Making one takes bounded time.
        """
        seconds = self._reactor.seconds
        while True:
            if self._spent_seconds >= TURN_SECONDS:
                yield b""
                continue
            start = seconds()
            piece = next(pieces, None)
            self._spent_seconds += seconds() - start
            if self._spent_seconds >= TURN_SECONDS and self._refill is None:
                self._refill = self._reactor.callLater(0, self._have_refill)
            if piece is None:
                return
            yield piece

    def close(self) -> None:
        """Stop; what is under way is cancelled."""
        for queue in (self._urgent, self._ordinary):
            while queue:
                queue.popleft().done.cancel()
        for call in (self._turn, self._refill):
            if call is not None and call.active():
                call.cancel()
        self._turn = self._refill = None
        self._spent_seconds = 0.0

    def _have_refill(self) -> None:
        self._refill = None
        self._spent_seconds = 0.0

    def _take_turn(self) -> None:
        self._turn = None
        seconds = self._reactor.seconds
        until = seconds() + TURN_SECONDS
        while queue := self._urgent or self._ordinary:
            job = queue.popleft()
            try:
                is_done = next(job.steps, _DONE) is _DONE
            except Exception:
                if not job.done.called:
                    job.done.errback()
            else:
                if not is_done:
                    queue.append(job)
                elif not job.done.called:
                    job.done.callback(None)
            if seconds() >= until:
                break
        if len(self) and self._turn is None:
            self._turn = self._reactor.callLater(0, self._take_turn)
