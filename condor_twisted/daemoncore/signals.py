"""Signals of a daemon: the operating system's, and those that come as commands.

A handler of the operating system only writes a number down and wakes the reactor; what
a signal means runs in the reactor's own turn, once for all arrivals since the last.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::Register_Signal,
HandleDC_SIG...``.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from twisted.logger import Logger

from condor_twisted.errors import LocalProtocolError

__all__ = ["Signals"]

_log = Logger()

#: Signals that the operating system may send us and that mean something.
_BRIDGED = ("SIGHUP", "SIGTERM", "SIGQUIT", "SIGUSR1", "SIGUSR2")


class Signals:
    """Which function a signal calls.

    Args:
        call_soon: Runs a function in a turn of the reactor; safe in a signal handler
            (``reactor.callFromThread``).
    """

    def __init__(self, call_soon: Callable[..., object]) -> None:
        self._call_soon = call_soon
        self._functions: dict[int, Callable[[], object]] = {}
        self._pending: set[int] = set()
        self._replaced: dict[int, Any] = {}

    def subscribe(self, number: int, function: Callable[[], object]) -> None:
        """Call a function for a signal.

        Raises:
            LocalProtocolError: The signal has one already.
        """
        if number in self._functions:
            raise LocalProtocolError(f"signal {number} has a handler already")
        self._functions[number] = function

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
        if number not in self._pending:
            self._pending.add(number)
            self._call_soon(self._run_pending)
        return True

    def install(self) -> None:
        """Take over the process's signals; only in the main thread of a daemon.

        Doing so again takes back what somebody else has taken meanwhile.

        Signals may come blocked from our parent, so all are unblocked.
        """
        for name in _BRIDGED:
            number = getattr(signal, name, None)
            if number is None or int(number) not in self._functions:
                continue
            replaced = signal.signal(number, self._arrived)
            self._replaced.setdefault(int(number), replaced)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_SETMASK, [])

    def restore(self) -> None:
        """Give the process's signals back."""
        replaced, self._replaced = self._replaced, {}
        for number, handler in replaced.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if number not in self._pending:
            self._pending.add(number)
            self._call_soon(self._run_pending)

    def _run_pending(self) -> None:
        pending, self._pending = self._pending, set()
        for number in sorted(pending):
            try:
                self._functions[number]()
            except Exception:
                _log.failure("the handler of signal {number} failed", number=number)
