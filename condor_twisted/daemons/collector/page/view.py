"""What the page wants from a collector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from condor_twisted.daemons.collector.state.collector_state import CollectorState
from condor_twisted.daemons.collector.state.queries import QueryPlan
from condor_twisted.daemons.collector.state.refusals import QueryRefused
from condor_twisted.daemons.collector.turns import Turns

__all__ = ["PoolView", "StateView"]


class PoolView(Protocol):
    """A collector, as far as the page looks at it."""

    @property
    def state(self) -> CollectorState:
        """The tables; the same object for as long as there is a page."""

    def pool_name(self) -> str:
        """The collector's name."""

    def address(self) -> str:
        """The sinful string that peers use."""

    def now(self) -> float:
        """The time, in seconds since the epoch."""

    def is_warming_up(self) -> bool:
        """Whether daemons that run may still be missing since the start."""

    def may_read(self, host: str) -> bool:
        """Whether a client that proved nothing but its address may read.

        Args:
            host: The client's IP address.
        """

    def select(self, plan: QueryPlan) -> Deferred[None]:
        """Find the ads that a query wants, without keeping the reactor busy.

        Args:
            plan: A query whose ``select`` did not run yet.

        Returns:
            Fires when the plan has its hits. Fails with ``QueryRefused`` if it cannot
            be evaluated, and with another ``CondorTwistedError`` if not now.
        """


class StateView:
    """A state by itself, without workers: expensive constraints are refused.

    Args:
        state: The state.
        name: The pool's name.
        address: The collector's sinful string.
        reactor: Runs the slices of queries.
        now: The time, in seconds since the epoch.
        warm_at_unix: When every daemon that runs has sent its ads.
    """

    def __init__(
        self,
        state: CollectorState,
        name: str,
        address: str,
        reactor: IReactorTime,
        now: Callable[[], float],
        warm_at_unix: float = 0.0,
    ) -> None:
        self._state = state
        self._name = name
        self._address = address
        self._turns = Turns(reactor)
        self._now = now
        self._warm_at = warm_at_unix

    @property
    def state(self) -> CollectorState:
        """The tables."""
        return self._state

    def pool_name(self) -> str:
        """The collector's name."""
        return self._name

    def address(self) -> str:
        """The sinful string that peers use."""
        return self._address

    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return self._now()

    def is_warming_up(self) -> bool:
        """Whether daemons that run may still be missing since the start."""
        return self._now() < self._warm_at

    def may_read(self, host: str) -> bool:
        """Everybody may, who reaches the page."""
        return True

    def select(self, plan: QueryPlan) -> Deferred[None]:
        """Find the ads in slices, one per turn of the reactor."""
        done: Deferred[None] = self._turns.run(plan.select())

        def check(result: None) -> None:
            if plan.is_expensive:
                raise QueryRefused("the constraint is too expensive")

        return done.addCallback(check)
