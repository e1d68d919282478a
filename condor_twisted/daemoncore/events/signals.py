"""Signals of a daemon: the operating system's, and those that come as commands.

A handler of the operating system only writes a number down and wakes the reactor; what
a signal means runs in the reactor's own turn, once for all arrivals since the last. A
blocked signal waits until it is unblocked. What is raised by a handler is delivered in
the next turn.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::Register_Signal,
HandleDC_SIG..., Block_Signal``.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from twisted.logger import Logger

from condor_twisted.daemoncore.events.handlers import (
    HandlerKind,
    HandlerRunner,
    describe_handler,
)
from condor_twisted.errors import LocalProtocolError

__all__ = ["CORE_SIGNALS", "Signals"]

_log = Logger()

#: Signals that the operating system may send us and that mean something.
_BRIDGED: Final = ("SIGHUP", "SIGTERM", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCHLD")
#: The last number that belongs to the operating system.
_LAST_OF_THE_SYSTEM: Final = 64

#: DaemonCore's own signals, by name; they have no number of the operating system.
CORE_SIGNALS: Final = {
    "DC_SIGSUSPEND": 100,
    "DC_SIGCONTINUE": 101,
    "DC_SIGSOFTKILL": 102,
    "DC_SIGHARDKILL": 103,
    "DC_SIGPCKPT": 104,
    "DC_SIGREMOVE": 105,
    "DC_SIGHOLD": 106,
}


class Signals:
    """Which functions a signal calls.

    Args:
        call_soon: Runs a function in a turn of the reactor; safe in a signal handler
            (``reactor.callFromThread``).
        runner: Runs handlers; by default each is called and what it raises is logged.
    """

    def __init__(
        self, call_soon: Callable[..., object], runner: HandlerRunner | None = None
    ) -> None:
        self.runner = runner
        self._call_soon = call_soon
        self._functions: dict[int, list[Callable[[], object]]] = {}
        self._pending: set[int] = set()
        self._blocked: set[int] = set()
        self._replaced: dict[int, Any] = {}
        self._last_replaced: dict[int, Any] = {}
        self._installed = False

    def subscribe(
        self, number: int, function: Callable[[], object], *, also: bool = False
    ) -> None:
        """Call a function for a signal.

        Args:
            number: SIGHUP, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2 or SIGCHLD, or any
                number above 64.
            function: The handler; it may return a `Deferred` or be a coroutine
                function.
            also: Besides the handlers that the signal has.

        Raises:
            LocalProtocolError: The signal has a handler already, or can have none.
        """
        number = int(number)
        if number <= _LAST_OF_THE_SYSTEM and number not in _bridged_numbers():
            raise LocalProtocolError(
                f"signal {number} cannot have a handler: only {', '.join(_BRIDGED)} "
                f"and numbers above {_LAST_OF_THE_SYSTEM} can"
            )
        functions = self._functions.setdefault(number, [])
        if functions and not also:
            raise LocalProtocolError(f"signal {number} has a handler already")
        functions.append(function)
        if self._installed:
            self._bridge(number)

    def unsubscribe(self, number: int, function: Callable[[], object]) -> None:
        """Call it no more.

        Raises:
            LocalProtocolError: It is not a handler of this signal.
        """
        functions = self._functions.get(int(number), [])
        if function not in functions:
            raise LocalProtocolError(f"that is no handler of signal {number}")
        functions.remove(function)
        if not functions:
            del self._functions[int(number)]
            self._pending.discard(int(number))

    def handles(self, number: int) -> bool:
        """Whether a signal means anything here."""
        return number in self._functions

    def raise_signal(self, number: int) -> bool:
        """Deliver a signal in a later turn; whether it means anything here."""
        if number not in self._functions:
            _log.warn(
                "received request for unregistered Signal {number}", number=number
            )
            return False
        self._mark(number)
        return True

    def block(self, number: int) -> None:
        """Keep a signal waiting until it is unblocked.

        Raises:
            LocalProtocolError: It means nothing here.
        """
        self._check(number)
        self._blocked.add(number)

    def unblock(self, number: int) -> None:
        """Deliver a signal again, and what has come of it since.

        Raises:
            LocalProtocolError: It means nothing here.
        """
        self._check(number)
        self._blocked.discard(number)
        if number in self._pending:
            self._call_soon(self._run_pending)

    def install(self) -> None:
        """Take over the process's signals; only in the main thread of a daemon.

        Doing so again takes back what somebody else has taken meanwhile.

        Signals may come blocked from our parent, so all are unblocked.
        """
        self._installed = True
        for number in self._functions:
            self._bridge(number)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_SETMASK, [])

    def restore(self) -> None:
        """Give the process's signals back."""
        self._installed = False
        replaced, self._replaced = self._replaced, {}
        for number, handler in replaced.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _bridge(self, number: int) -> None:
        if number not in _bridged_numbers():
            return
        replaced = signal.signal(number, self._arrived)
        if replaced == self._arrived:
            return
        self._replaced.setdefault(number, replaced)
        self._last_replaced[number] = replaced

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        before = self._last_replaced.get(number)
        if number == getattr(signal, "SIGCHLD", None) and callable(before):
            before(number, frame)  # the reactor waits for its processes by it
        if number in self._functions:
            self._mark(number)

    def _mark(self, number: int) -> None:
        if number not in self._pending:
            self._pending.add(number)
            if number not in self._blocked:
                self._call_soon(self._run_pending)

    def _check(self, number: int) -> None:
        if number not in self._functions:
            raise LocalProtocolError(f"signal {number} has no handler")

    def _run_pending(self) -> None:
        """Deliver what is pending now, in the order of registration."""
        due = [
            number
            for number in self._functions
            if number in self._pending and number not in self._blocked
        ]
        self._pending.difference_update(due)
        for number in due:
            for function in list(self._functions.get(number, ())):
                self._run(number, function)

    def _run(self, number: int, function: Callable[[], object]) -> None:
        name = describe_handler(function)
        what = f"the handler {name} of signal {number}"
        if self.runner is not None:
            self.runner.run_as(HandlerKind.SIGNAL, name, what, function)
            return
        try:
            function()
        except Exception:
            _log.failure("{what} failed", what=what)


def _bridged_numbers() -> frozenset[int]:
    found = (getattr(signal, name, None) for name in _BRIDGED)
    return frozenset(int(number) for number in found if number is not None)
