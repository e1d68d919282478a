"""Long work in short turns of the reactor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

__all__ = ["in_turns"]

#: Others have to wait for so long at most.
TURN_SECONDS: Final = 0.005


def in_turns(steps: Iterator[object], reactor: Any) -> Deferred[None]:
    """Go through steps, a few milliseconds at a time.

    Args:
        steps: Each step does bounded work.
        reactor: Gives the turns.

    Returns:
        A `Deferred` that fires when the steps are done, and fails with what they
        raise. Cancelling it stops between two steps.
    """
    delayed: IDelayedCall | None = None

    def stop(done: Deferred[None]) -> None:
        if delayed is not None and delayed.active():
            delayed.cancel()

    done: Deferred[None] = Deferred(stop)

    def turn() -> None:
        nonlocal delayed
        until = reactor.seconds() + TURN_SECONDS
        try:
            for _ in steps:
                if reactor.seconds() >= until:
                    delayed = reactor.callLater(0, turn)
                    return
        except BaseException:
            done.errback()
            return
        done.callback(None)

    delayed = reactor.callLater(0, turn)
    return done
