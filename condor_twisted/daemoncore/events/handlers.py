"""Running what a daemon registered: it may raise, wait, or never come back.

A handler returns at once, returns a `Deferred`, or is a coroutine function. Whatever it
does, the daemon goes on: what it raises is logged with a traceback, and one that waits
for longer than anybody expects is named in the log, once.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from inspect import iscoroutine
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from condor_twisted.classad.recent import HandlerTimes

__all__ = ["HandlerKind", "HandlerRunner", "describe_handler"]

_log = Logger()

#: From when on a handler that waits is worth a line in the log.
OVERDUE_SECONDS: Final = 300.0


class HandlerKind(Enum):
    """What a handler is for; the values are how statistics spell them."""

    SIGNAL = "Signal"
    TIMER = "Timer"
    SOCKET = "Socket"
    PIPE = "Pipe"


def describe_handler(function: Callable[..., object]) -> str:
    """A handler's name, for log lines."""
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else type(function).__qualname__


class HandlerRunner:
    """Runs handlers, and keeps those that are not done.

    Args:
        call_later: The reactor's ``callLater``.
        overdue_seconds: After so long a handler that waits is named in the log.
        seconds: The clock that handlers are measured with.

    Attributes:
        times: How often handlers ran and for how long, by their kind.
    """

    def __init__(
        self,
        call_later: Callable[..., IDelayedCall],
        overdue_seconds: float = OVERDUE_SECONDS,
        seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.times = {kind: HandlerTimes(seconds) for kind in HandlerKind}
        self._call_later = call_later
        self._overdue_seconds = overdue_seconds
        self._waiting: dict[Deferred[Any], IDelayedCall] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def run(
        self, what: str, function: Callable[..., object], *arguments: Any
    ) -> Deferred[bool] | None:
        """Run a handler.

        Args:
            what: What it is, for log lines.
            function: The handler.
            *arguments: What it gets.

        Returns:
            ``None`` when it is done. Else a `Deferred` that fires when it is, with
            whether it succeeded, and never fails.
        """
        try:
            result = function(*arguments)
        except Exception:
            _log.failure("{what} failed", what=what)
            return None
        if iscoroutine(result):
            result = Deferred.fromCoroutine(result)
        if not isinstance(result, Deferred):
            return None
        return self._wait(what, result)

    def run_as(
        self,
        kind: HandlerKind,
        name: str,
        what: str,
        function: Callable[..., object],
        *arguments: Any,
    ) -> Deferred[bool] | None:
        """Run a handler of a kind that is measured; otherwise as `run`.

        Args:
            kind: What it is for.
            name: What statistics call it.
            what: What it is, for log lines.
            function: The handler.
            *arguments: What it gets.
        """
        return self.times[kind].run(name, self.run, what, function, *arguments)

    def close(self) -> None:
        """Cancel whatever waits."""
        for deferred in list(self._waiting):
            deferred.cancel()

    def _wait(self, what: str, deferred: Deferred[Any]) -> Deferred[bool] | None:
        done: Deferred[bool] = Deferred(lambda _: deferred.cancel())
        self._waiting[deferred] = self._call_later(
            self._overdue_seconds, self._overdue, what
        )

        def finished(result: object) -> None:
            overdue = self._waiting.pop(deferred)
            if overdue.active():
                overdue.cancel()
            if isinstance(result, Failure):
                if not result.check(CancelledError):
                    _log.failure("{what} failed", result, what=what)
                done.callback(False)
            else:
                done.callback(True)

        deferred.addBoth(finished)
        return done

    def _overdue(self, what: str) -> None:
        _log.warn(
            "{what} has not finished after {seconds:g} s; nothing else waits for it",
            what=what,
            seconds=self._overdue_seconds,
        )
