"""What a daemon has besides its commands: each piece knows when it begins and ends.

A daemon begins its facilities when it serves, renews them when its configuration was
read again, and ends them before it closes its ports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.logger import Logger

__all__ = ["Facility", "end_all"]

_log = Logger()


class Facility(Protocol):
    """One thing that lasts as long as its daemon serves."""

    def begin(self) -> None:
        """The daemon serves now."""

    def renew(self) -> None:
        """The daemon has new settings."""

    def end(self) -> Deferred[None] | None:
        """The daemon stops; give back what is held.

        Returns:
            ``None`` when that is done, or a `Deferred` that fires soon.
        """


def end_all(
    facilities: Iterable[Facility], clock: Any, limit_seconds: float
) -> Deferred[Any]:
    """End facilities, all at once.

    Args:
        facilities: Which.
        clock: Measures the limit.
        limit_seconds: Nobody waits longer, whatever peers do.

    Returns:
        A `Deferred` that fires when all have ended or the time is over; never fails.
    """
    ending: list[Deferred[Any]] = [
        maybeDeferred(each.end).addErrback(
            lambda failure: _log.failure("a facility did not end well", failure)
        )
        for each in facilities
    ]
    done: Deferred[Any] = DeferredList(ending, consumeErrors=True)
    if done.called:
        return done
    told: Deferred[Any] = Deferred()
    tell: Callable[[object], None] = told.callback
    timer = clock.callLater(limit_seconds, tell, None)

    def ended(_: object) -> None:
        if timer.active():
            timer.cancel()
            tell(None)

    done.addCallback(ended)
    return told
