"""Queries: planned by the state, answered here, at once, in turns or by a worker.

An answer that is found in a step or two goes out at once. A longer selection shares the
reactor's turns with others; an expensive one goes to a worker process. Either way the
answer is made piece by piece, as fast as the client takes it.

Source: ``src/condor_collector.V6/collector.cpp: receive_query_cedar,
schedule_query_worker``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from twisted.internet.defer import Deferred

from condor_twisted.constants import attributes
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore import CommandRequest
from condor_twisted.daemons.collector.selection import SelectionJob
from condor_twisted.daemons.collector.state.collector_state import CollectorState
from condor_twisted.daemons.collector.state.query_plans import QueryPlan
from condor_twisted.daemons.collector.state.refusals import QueryRefused
from condor_twisted.daemons.collector.state.senders import Requester
from condor_twisted.daemons.collector.turns import Turns
from condor_twisted.daemons.collector.workers import NoRoom, WorkerPool
from condor_twisted.wire.messages import EncodedAd
from condor_twisted.wire.versions import CondorVersion

__all__ = ["MAX_UNDER_WAY", "STEPS_AT_ONCE", "QueryAnswers"]

#: Steps of a selection that are made at once, before others get a turn.
STEPS_AT_ONCE: Final = 2
#: So many selections and invalidations of peers are under way at once.
MAX_UNDER_WAY: Final = 1000
_URGENT_SUBSYSTEMS: Final = frozenset(("NEGOTIATOR", "COLLECTOR"))
_DONE: Final = object()


class QueryAnswers:
    """Answers a collector's queries.

    Args:
        state: What the collector knows.
        now: The time, in seconds since the epoch.
    """

    def __init__(self, state: CollectorState, now: Callable[[], float]) -> None:
        self._state = state
        self._now = now
        self._turns: Turns | None = None
        self._workers: WorkerPool | None = None

    def begin(self, turns: Turns, workers: WorkerPool) -> None:
        """The service runs: answer with these."""
        self._turns = turns
        self._workers = workers

    def end(self) -> None:
        """The service stops; what is under way ends with its turns and workers."""
        self._workers = None

    def query(self, request: CommandRequest) -> object:
        """The handler of every query command."""
        reader = request.reader()
        ad = reader.get_ad()
        reader.end_of_message()
        requester = self._requester(request, ad)
        plan = self._state.plan_query(request.command, ad, requester, self._now())
        if not plan.is_expensive:
            steps = plan.select()
            for _ in range(STEPS_AT_ONCE):
                if next(steps, _DONE) is _DONE:
                    if plan.is_expensive:
                        break
                    return self._answer(request, plan)
            return self._select_in_turns(request, plan, steps)
        return self._select_by_worker(request, plan)

    @property
    def is_overloaded(self) -> bool:
        """Whether no further long work is taken on."""
        return self._turns is not None and len(self._turns) >= MAX_UNDER_WAY

    def _requester(self, request: CommandRequest, ad: EncodedAd) -> Requester:
        peer = request.peer
        requester = Requester(
            version=None if peer.version is None else CondorVersion.parse(peer.version),
            subsystem=peer.subsystem or "UNKNOWN",
        )
        asks = attributes.SEND_PRIVATE_ATTRIBUTES.lower().encode() in ad.body.lower()
        if (asks or requester.always_wants_private) and (
            request.holds(Permission.NEGOTIATOR)
            or request.holds(Permission.ADMINISTRATOR)
        ):
            return Requester(True, requester.version, requester.subsystem)
        return requester

    def _answer(self, request: CommandRequest, plan: QueryPlan) -> object:
        """Send the ads that were selected."""
        self._state.statistics.count_query(plan.requester.subsystem, in_process=True)
        channel = request.channel
        if channel is None:
            return None
        secrets = channel.secrets
        form = self._state.reply_form(
            channel.encrypted, None if secrets is None else secrets.for_message()
        )
        pieces = plan.reply(form)
        first = next(pieces)
        second = next(pieces, None)
        if second is None:
            request.reply(first)
            return None
        turns = self._turns
        assert turns is not None, "the service runs"
        return request.reply_parts(chain((first, second), turns.paced(pieces)))

    async def _select_in_turns(
        self, request: CommandRequest, plan: QueryPlan, steps: Iterator[None]
    ) -> None:
        await self._steps_of_selecting(steps, _is_urgent(request))
        if plan.is_expensive:
            await self._select_by_worker(request, plan)
            return
        await _finish(self._answer(request, plan))

    def _steps_of_selecting(
        self, steps: Iterator[None], is_urgent: bool
    ) -> Deferred[None]:
        turns = self._turns
        if turns is None or self.is_overloaded:
            self._state.statistics.dropped_queries.total += 1
            raise NoRoom("too much is under way already")
        return turns.run(steps, is_urgent=is_urgent)

    async def _select_by_worker(self, request: CommandRequest, plan: QueryPlan) -> None:
        await self._work_off(plan, _is_urgent(request))
        await _finish(self._answer(request, plan))

    def select(self, plan: QueryPlan) -> Deferred[None]:
        """Find the ads that a query wants, in turns or by a worker.

        Args:
            plan: A query that was planned by the state, and did not select yet.

        Returns:
            Fires when the plan has its hits; fails with `QueryRefused` if the query
            cannot be evaluated, and with `NoRoom` if not now.
        """
        return Deferred.fromCoroutine(self._select(plan))

    async def _select(self, plan: QueryPlan) -> None:
        if not plan.is_expensive:
            await self._steps_of_selecting(plan.select(), False)
        if plan.is_expensive:
            await self._work_off(plan, False)
        else:
            subsystem = plan.requester.subsystem
            self._state.statistics.count_query(subsystem, in_process=True)

    async def _work_off(self, plan: QueryPlan, is_urgent: bool) -> None:
        """Have a worker select."""
        workers = self._workers
        if workers is None or workers.limit <= 0:
            raise QueryRefused("there are no workers for expensive constraints")
        self._state.statistics.count_query(plan.requester.subsystem, in_process=False)
        job = SelectionJob(plan)
        try:
            await workers.run(job.orders(), job.take, is_urgent=is_urgent)
        except NoRoom:
            self._state.statistics.dropped_queries.total += 1
            raise


def _is_urgent(request: CommandRequest) -> bool:
    """Whether a negotiator or a collector asks, and is one as far as rights go."""
    return request.peer.subsystem in _URGENT_SUBSYSTEMS and (
        request.holds(Permission.NEGOTIATOR) or request.holds(Permission.DAEMON)
    )


async def _finish(result: object) -> None:
    """Wait for an answer to be sent, if that takes a while."""
    if isinstance(result, Deferred):
        await result
