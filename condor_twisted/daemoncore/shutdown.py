"""How a daemon stops: after what is under way, or at once.

A graceful shutdown becomes a fast one when its time is over or when it is asked for
again; a fast one has little time, whatever hangs. Either ends once.

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: handle_dc_sigterm,
handle_dc_sigquit``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

__all__ = ["FAST_SHUTDOWN_SECONDS", "Shutdown"]

_log = Logger()

#: How long anything may take once a fast shutdown has begun.
FAST_SHUTDOWN_SECONDS: Final = 8.0

Finish = Callable[[], "Deferred[Any] | None"]


class _Stage(Enum):
    """How far it has come."""

    SERVING = "serving"
    GRACEFUL = "graceful"
    FAST = "fast"
    OVER = "over"


class Shutdown:
    """The shutdown of one daemon.

    Args:
        call_later: Schedules a call, as a reactor does.
        finish: Finishes what is under way; the end comes when that is done.
        give_up: Gives up what is under way, likewise.
        end: Ends the daemon.
    """

    def __init__(
        self,
        call_later: Callable[[float, Callable[[], object]], IDelayedCall],
        finish: Finish,
        give_up: Finish,
        end: Callable[[], object],
    ) -> None:
        self._call_later = call_later
        self._finish = finish
        self._give_up = give_up
        self._end = end
        self._stage = _Stage.SERVING
        self._timers: list[IDelayedCall] = []

    @property
    def is_under_way(self) -> bool:
        """Whether the daemon does not only serve any more."""
        return self._stage is not _Stage.SERVING

    def begin_serving(self) -> None:
        """The daemon has started."""
        self._stage = _Stage.SERVING

    def gracefully(self, limit_seconds: float | None) -> None:
        """Stop after what is under way; asked again while that lasts, stop fast.

        Args:
            limit_seconds: How long that may take; ``None`` for as long as it does.
        """
        if self.is_under_way:
            self.fast()
            return
        self._stage = _Stage.GRACEFUL
        _log.info("Got SIGTERM. Performing graceful shutdown.")
        if limit_seconds is not None:
            self.later(limit_seconds, self.fast)
        self._when_done(self._finish)

    def fast(self) -> None:
        """Stop now."""
        if self._stage in (_Stage.FAST, _Stage.OVER):
            return
        self._stage = _Stage.FAST
        _log.info("Got SIGQUIT. Performing fast shutdown.")
        self.later(FAST_SHUTDOWN_SECONDS, self._exit)
        self._when_done(self._give_up)

    def over(self) -> None:
        """The daemon has stopped: nothing that was scheduled happens any more."""
        self._stage = _Stage.OVER
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        self._timers = []

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        """Call a function later, unless the daemon has stopped by then."""
        self._timers = [each for each in self._timers if each.active()]
        self._timers.append(self._call_later(seconds, function))

    def _when_done(self, work: Finish) -> None:
        maybeDeferred(work).addErrback(
            lambda failure: _log.failure("the shutdown failed", failure)
        ).addCallback(lambda _: self._exit())

    def _exit(self) -> None:
        if self._stage is not _Stage.OVER:
            self._stage = _Stage.OVER
            self._end()
