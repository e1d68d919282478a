"""Running a tool that asks others: the reactor, errors, a line that says it goes on.

Source: none; HTCondor's tools block.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from condor_twisted.client import Pool
from condor_twisted.client.configured import read_tool_settings
from condor_twisted.errors import CondorTwistedError
from condor_twisted.protocols.clocks import make_monotonic
from condor_twisted.tools.beginning import FAILED, MISUSED, warn
from condor_twisted.tools.option_table import UsageError

__all__ = ["Progress", "pool_of", "run"]


def pool_of(address: str | None, reactor: Any) -> Pool:
    """The pool that ``-pool`` names, or this host's.

    Raises:
        ConfigError: The configuration cannot be used.
        LocalProtocolError: Nothing names a pool.
    """
    pool = Pool(address, read_tool_settings(), reactor)
    pool.collectors()
    return pool


class Progress:
    """Says on a terminal how far something has come, after a second.

    Args:
        reactor: For the time.
        describe: What is said.
        stream: Where; nothing is said where it is no terminal.
    """

    def __init__(
        self, reactor: Any, describe: Callable[[], str], stream: Any = None
    ) -> None:
        self._describe = describe
        self._stream = sys.stderr if stream is None else stream
        self._shown = 0
        self._call: LoopingCall | None = None
        if self._stream.isatty():
            self._call = LoopingCall(self._show)
            self._call.clock = reactor
            self._call.start(1.0, now=False).addErrback(lambda _: None)

    def _show(self) -> None:
        text = self._describe()
        self._stream.write("\r" + text.ljust(self._shown))
        self._stream.flush()
        self._shown = len(text)

    def finish(self) -> None:
        """Stop, and take the line away."""
        if self._call is not None and self._call.running:
            self._call.stop()
        if self._shown:
            self._stream.write("\r" + " " * self._shown + "\r")
            self._stream.flush()
            self._shown = 0


def run(start: Callable[[Any], Awaitable[int]]) -> int:
    """Run a tool to its end in the process's reactor.

    Args:
        start: Gets the reactor; its result is the exit code.

    Returns:
        The exit code: what ``start`` gave, or 1 after an error, which is shown.
    """
    from twisted.internet import reactor

    running: Any = reactor
    make_monotonic(running)
    codes: list[int] = []

    def ended(result: Any) -> None:
        codes.append(_exit_code(result))
        with contextlib.suppress(ReactorNotRunning):
            running.stop()

    async def whole() -> int:
        return await start(running)

    def begin() -> None:
        task = Deferred.fromCoroutine(whole())
        running.addSystemEventTrigger("before", "shutdown", task.cancel)
        task.addBoth(ended)

    running.callWhenRunning(begin)
    running.run()
    return codes[0] if codes else FAILED


def _exit_code(result: Any) -> int:
    """The exit code of a result; an error is shown."""
    if not isinstance(result, Failure):
        return int(result)
    error = result.value
    if isinstance(error, UsageError):
        warn(f"Error: {error}")
        return MISUSED
    if isinstance(error, (CondorTwistedError, OSError)):
        warn(f"Error: {error}")
        return FAILED
    if result.check(CancelledError):
        warn("Interrupted.")
        return FAILED
    result.printTraceback()
    return FAILED
