"""Daemons in processes of their own, for tests where the process is the point."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

__all__ = ["SKELETON", "TWISTD", "Program", "ProgramTestCase", "program_of"]

TWISTD = (sys.executable, "-c", "from twisted.scripts.twistd import run; run()")


def program_of(daemon: str) -> tuple[str, ...]:
    """The command line of a console script, wherever that is."""
    module = f"condor_twisted.daemons.{daemon}.main"
    return (sys.executable, "-c", f"from {module} import main; main()")


SKELETON = program_of("skeleton")
_READY = re.compile(r"ready at (<[^>]*>)")


class Program(ProcessProtocol):
    """A process, what it says, and how it ends."""

    def __init__(self) -> None:
        self.output = ""
        self.address = ""
        self.pid = 0
        #: Fires when the daemon says that it is ready.
        self.ready: Deferred[None] = Deferred()
        #: Fires with the exit status, or minus the number of the signal.
        self.ended: Deferred[int] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.output += data.decode(errors="replace")
        found = _READY.search(self.output)
        if found is not None and not self.ready.called:
            self.address = found[1]
            self.ready.callback(None)

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        value: Any = reason.value
        status = value.exitCode if value.exitCode is not None else -value.signal
        if not self.ready.called:
            self.ready.errback(AssertionError(f"ended with {status}: {self.output}"))
        self.ended.callback(status)

    def signal(self, name: str) -> None:
        """Send a signal."""
        transport: Any = self.transport
        transport.signalProcess(getattr(signal, f"SIG{name}"))


class ProgramTestCase(TestCase):
    """Processes end with the test."""

    timeout = 60

    def run_program(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        descriptors: Mapping[int, int | str] | None = None,
        directory: str | None = None,
    ) -> Program:
        """Start a process.

        Args:
            command: Its command line.
            environment: Variables besides ours; there is no HTCondor configuration.
            descriptors: What it inherits besides the standard ones.
            directory: Where it runs.
        """
        program = Program()
        paths = [os.path.abspath(path or ".") for path in sys.path]
        variables = {
            **os.environ,
            "CONDOR_CONFIG": "ONLY_ENV",
            "PYTHONPATH": os.pathsep.join(paths),
            **(environment or {}),
        }
        transport = reactor.spawnProcess(
            program,
            command[0],
            list(command),
            variables,
            directory,
            childFDs={0: "w", 1: "r", 2: "r", **(descriptors or {})},
        )
        program.pid = transport.pid
        program.ready.addErrback(lambda failure: failure)
        self.addCleanup(self._end, program)
        return program

    def _end(self, program: Program) -> Deferred[int] | None:
        program.ready.addErrback(lambda _: None)
        if program.ended.called:
            return None
        with contextlib.suppress(ProcessExitedAlready):
            program.signal("KILL")
        return program.ended
