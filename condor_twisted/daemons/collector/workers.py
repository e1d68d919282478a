"""The pool of processes that evaluate expensive constraints.

At most so many jobs run at once and so many wait; one place is kept for negotiators
and collectors. Processes are started when they are needed, and end when nobody needs
them for a while. A job whose process dies, or takes too long, fails; so does one for
which there is no room, at once.

Source: ``src/condor_collector.V6/collector.cpp: receive_query_cedar, QueryReaper``.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from condor_twisted.daemoncore.program.own_process import have_descriptors
from condor_twisted.daemons.collector.state.refusals import QueryRefused

__all__ = ["NoRoom", "WorkerPool"]

_log = Logger()

#: What starting a process takes; Twisted loses descriptors when it runs out of them.
_DESCRIPTORS_OF_A_START: Final = 12
#: A worker that has nothing to do ends after so long.
IDLE_SECONDS: Final = 30.0
#: One order may take a worker so long in all.
ORDER_SECONDS: Final = 20.0
_MAX_ANSWER_BYTES: Final = 1 << 20
_MODULE: Final = "condor_twisted.daemons.collector.worker"


class NoRoom(QueryRefused):
    """There are too many expensive queries already."""


class _Worker(ProcessProtocol):
    """One process."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._buffer = bytearray()
        self._waiting: Deferred[bytes] | None = None
        self._timer: IDelayedCall | None = None
        self._failed = False

    def ask(self, order: bytes) -> Deferred[bytes]:
        """Give it an order; the answer, or a failure if it dies."""
        self._stop_timer()
        self._waiting = Deferred()
        self._timer = self._pool.reactor.callLater(ORDER_SECONDS, self.kill)
        transport: Any = self.transport
        transport.write(len(order).to_bytes(4, "big") + order)
        return self._waiting

    def rest(self) -> None:
        """Nothing to do: end after a while."""
        self._stop_timer()
        self._timer = self._pool.reactor.callLater(IDLE_SECONDS, self.end)

    def end(self) -> None:
        """Let it end: its input is over."""
        self._pool.forget(self)
        self._stop_timer()
        transport: Any = self.transport
        if transport is not None:
            transport.closeStdin()

    def kill(self) -> None:
        """End it now."""
        self._pool.forget(self)
        self._stop_timer()
        transport: Any = self.transport
        if transport is not None:
            with contextlib.suppress(ProcessExitedAlready):
                transport.signalProcess("KILL")

    def outReceived(self, data: bytes) -> None:
        """Part of an answer."""
        self._buffer += data
        if len(self._buffer) < 4:
            return
        size = int.from_bytes(self._buffer[:4], "big")
        if size > _MAX_ANSWER_BYTES or self._waiting is None:
            self.kill()
            return
        if len(self._buffer) < 4 + size:
            return
        answer = bytes(self._buffer[4 : 4 + size])
        self._buffer.clear()
        self._stop_timer()
        waiting, self._waiting = self._waiting, None
        waiting.callback(answer)

    def errReceived(self, data: bytes) -> None:
        """A worker complains; it names no ads and no secrets."""
        _log.warn(
            "a query worker says: {text}",
            text=data[:1000].decode("ascii", "backslashreplace").replace("\n", " | "),
        )

    def processEnded(self, reason: Failure) -> None:
        """The process is gone."""
        self._stop_timer()
        self._pool.forget(self)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.errback(QueryRefused("the worker that evaluated it has ended"))
        self._pool.worker_ended(self)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None


class WorkerPool:
    """Evaluates expensive constraints in other processes.

    Args:
        reactor: Starts processes and knows the time.
        limit: At most so many jobs run at once.
        reserved: Of these places, kept for jobs of high priority.
        pending: At most so many jobs wait.

    Attributes:
        active_count: Jobs that run.
        peak_active_count: The most that ever ran at once.
        peak_pending_count: The most that ever waited.
        refused_count: Jobs for which there was no room.
    """

    def __init__(self, reactor: Any, limit: int, reserved: int, pending: int) -> None:
        self.reactor = reactor
        self.limit = limit
        self.reserved = reserved
        self.pending = pending
        self.active_count = 0
        self.peak_active_count = 0
        self.peak_pending_count = 0
        self.refused_count = 0
        self._idle: list[_Worker] = []
        self._workers: dict[_Worker, None] = {}
        self._dying: dict[_Worker, None] = {}
        self._urgent: deque[Deferred[None]] = deque()
        self._ordinary: deque[Deferred[None]] = deque()
        self._closing: Deferred[None] | None = None

    @property
    def pending_count(self) -> int:
        """Jobs that wait."""
        return len(self._urgent) + len(self._ordinary)

    async def run(
        self,
        orders: Iterator[bytes],
        take: Callable[[bytes], bool],
        *,
        is_urgent: bool = False,
    ) -> None:
        """Have some orders carried out, one after the other.

        Args:
            orders: Work orders; each is made when the one before is done.
            take: Is given each answer; ``False`` ends the job.
            is_urgent: Whether a negotiator or collector asks.

        Raises:
            NoRoom: Too many jobs wait already.
            QueryRefused: The worker died, which is how it ends when an evaluation
                takes too long.
        """
        await self._enter(is_urgent)
        worker: _Worker | None = None
        try:
            worker = self._take_worker()
            for order in orders:
                answer = await worker.ask(order)
                if not take(answer):
                    break
        except BaseException:
            if worker is not None:
                worker.kill()
                if worker in self._workers:
                    # Its place is free when its process is gone, not before: so
                    # peers that come and go cannot start one after the other.
                    self._dying[worker] = None
            raise
        else:
            if worker in self._workers and self._closing is None:
                self._idle.append(worker)
                worker.rest()
            else:
                worker.end()
        finally:
            if worker is None or worker not in self._dying:
                self._leave()

    def close(self) -> Deferred[None]:
        """End all workers.

        Returns:
            A `Deferred` that fires when the last process is gone.
        """
        if self._closing is None:
            self._closing = Deferred()
            for queue in (self._urgent, self._ordinary):
                while queue:
                    queue.popleft().errback(QueryRefused("the collector stops"))
            for worker in list(self._workers):
                worker.kill()
            self._tell_closed()
        return self._closing

    def forget(self, worker: _Worker) -> None:
        """A worker takes no further orders."""
        if worker in self._idle:
            self._idle.remove(worker)

    def worker_ended(self, worker: _Worker) -> None:
        """A worker's process is gone."""
        self._workers.pop(worker, None)
        if worker in self._dying:
            del self._dying[worker]
            self._leave()
        self._tell_closed()

    def _tell_closed(self) -> None:
        closing = self._closing
        if closing is not None and not self._workers and not closing.called:
            closing.callback(None)

    async def _enter(self, is_urgent: bool) -> None:
        """Wait for a place."""
        if self._closing is not None:
            raise QueryRefused("the collector stops")
        if not self._may_run(is_urgent):
            if self.pending_count >= self.pending:
                self.refused_count += 1
                raise NoRoom("too many expensive queries")
            queue = self._urgent if is_urgent else self._ordinary
            place: Deferred[None] = Deferred(queue.remove)
            queue.append(place)
            self.peak_pending_count = max(self.peak_pending_count, self.pending_count)
            await place
        else:
            self.active_count += 1
        self.peak_active_count = max(self.peak_active_count, self.active_count)

    def _may_run(self, is_urgent: bool) -> bool:
        places = self.limit if is_urgent else self.limit - self.reserved
        return self.active_count < max(1, places)

    def _leave(self) -> None:
        self.active_count -= 1
        for queue, is_urgent in ((self._urgent, True), (self._ordinary, False)):
            while queue and self._may_run(is_urgent):
                self.active_count += 1
                queue.popleft().callback(None)

    def _take_worker(self) -> _Worker:
        if self._idle:
            return self._idle.pop()
        if not have_descriptors(_DESCRIPTORS_OF_A_START):
            raise QueryRefused("no worker can be started: too many open files")
        worker = _Worker(self)
        self._workers[worker] = None
        paths = [os.path.abspath(path or ".") for path in sys.path]
        try:
            self.reactor.spawnProcess(
                worker,
                sys.executable,
                [sys.executable, "-m", _MODULE],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                childFDs={0: "w", 1: "r", 2: "r"},
            )
        except OSError as error:
            del self._workers[worker]
            raise QueryRefused("no worker can be started") from error
        return worker
