"""Tests of ``condor_twisted.tools.running``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

import condor_twisted
from condor_twisted.errors import CommandRefused, LocalProtocolError
from condor_twisted.tools import running
from condor_twisted.tools.option_table import UsageError
from condor_twisted.tools.running import Progress, pool_of
from tests.tools.kit import Written

ROOT = Path(condor_twisted.__file__).parents[1]


class ProgressTests(SynchronousTestCase):
    def test_terminal(self) -> None:
        """On a terminal there is a line after a second, and none at the end."""
        clock, stream, counts = Clock(), Written(terminal=True), [5]
        progress = Progress(clock, lambda: f"{counts[0]} ads", stream)
        clock.advance(0.9)
        self.assertEqual(stream.text, "")
        clock.advance(0.2)
        self.assertEqual(stream.text, "\r5 ads")
        counts[0] = 123
        clock.advance(1.0)
        self.assertEqual(stream.text, "\r5 ads\r123 ads")
        progress.finish()
        self.assertTrue(stream.text.endswith("\r       \r"))
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_quick(self) -> None:
        """What takes no second leaves no trace."""
        clock, stream = Clock(), Written(terminal=True)
        progress = Progress(clock, lambda: "x", stream)
        progress.finish()
        clock.advance(5)
        self.assertEqual(stream.text, "")

    def test_pipe(self) -> None:
        """A pipe never sees it."""
        clock, stream = Clock(), Written()
        progress = Progress(clock, lambda: "x", stream)
        clock.pump([1.0] * 5)
        progress.finish()
        self.assertEqual(stream.text, "")


class ExitCodeTests(SynchronousTestCase):
    def test_codes(self) -> None:
        """Errors have exit codes, and one line."""
        for result, code, text in (
            (0, 0, ""),
            (1, 1, ""),
            (Failure(UsageError("bad")), 2, "Error: bad\n"),
            (
                Failure(CommandRefused(5, "<x>", "no")),
                1,
                "Error: command 5 to <x>: no\n",
            ),
            (Failure(OSError(2, "gone")), 1, "Error: [Errno 2] gone\n"),
            (Failure(CancelledError()), 1, "Interrupted.\n"),
        ):
            stream = Written()
            self.patch(sys, "stderr", stream)
            self.assertEqual(running._exit_code(result), code)
            self.assertEqual(stream.text, text)

    def test_process(self) -> None:
        """In a process of its own a tool runs to its end and gives its code."""
        for body, code, text in (
            ("return 0", 0, ""),
            ("raise UsageError('bad')", 2, "Error: bad\n"),
            ("raise LocalProtocolError('no')", 1, "Error: no\n"),
            (
                "reactor.callLater(0, os.kill, os.getpid(), signal.SIGINT);"
                " await Deferred()",
                1,
                "Interrupted.\n",
            ),
        ):
            program = (
                "import os, signal, sys\n"
                "from twisted.internet.defer import Deferred\n"
                "from condor_twisted.errors import LocalProtocolError\n"
                "from condor_twisted.tools.option_table import UsageError\n"
                "from condor_twisted.tools.running import run\n"
                # What runs the tests may itself be deaf to an interrupt.
                "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
                f"async def start(reactor):\n    {body}\n"
                "sys.exit(run(start))\n"
            )
            done = subprocess.run(
                [sys.executable, "-c", program],
                cwd=ROOT,
                capture_output=True,
                check=False,
                text=True,
                timeout=30,
            )
            self.assertEqual((done.returncode, done.stderr), (code, text), body)


class PoolTests(SynchronousTestCase):
    def test_the_hosts_pool(self) -> None:
        """The pool is the one that was named, or the host's configuration names."""
        file = Path(self.mktemp())
        file.write_text("COLLECTOR_HOST = 127.0.0.1:7\n")
        self.patch(os, "environ", {"CONDOR_CONFIG": str(file)})
        [(name, _)] = pool_of(None, Clock()).collectors()
        self.assertEqual(name, "127.0.0.1:7")
        [(name, _)] = pool_of("127.0.0.2", Clock()).collectors()
        self.assertEqual(name, "127.0.0.2")
        file.write_text("COLLECTOR_HOST =\n")
        self.assertRaises(LocalProtocolError, pool_of, None, Clock())
