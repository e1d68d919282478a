"""`condor_twisted.protocols.programs`."""

from __future__ import annotations

import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols.programs import run_program
from condor_twisted.security.host_requests import ProgramResult, RunProgram


def run(script: str, **facts: Any) -> ProgramResult | None:
    """Run a script of the shell, as who we are or, if that is root, as nobody."""
    step: dict[str, Any] = {
        "command": ("/bin/sh", "-c", script),
        "environment": {},
        "standard_input": b"",
        "timeout_seconds": 60.0,
        "user": "nobody",
        **facts,
    }
    return run_program(RunProgram(**step))


class ProgramTests(SynchronousTestCase):
    """Real programs: that they run is the point."""

    def test_talk(self) -> None:
        """It gets input and environment, and its output and exit code come back."""
        script = 'cat; printf " $ONE ${CONDOR_INHERIT-None}"; exit 3'
        self.patch(os, "environ", {**os.environ, "CONDOR_INHERIT": "secret"})
        result = run(script, standard_input=b"text", environment={"ONE": "1"})
        self.assertEqual(result, ProgramResult(3, "text 1 None"))

    def test_flood(self) -> None:
        """Of what it writes only the beginning is kept."""
        result = run("yes | head -c 1000000")
        assert result is not None
        self.assertEqual((result.exit_code, len(result.output)), (0, 64 << 10))

    def test_unread_input(self) -> None:
        """It need not read what it gets."""
        result = run("true", standard_input=b"x" * 1_000_000)
        self.assertEqual(result, ProgramResult(0, ""))

    def test_time(self) -> None:
        """Who does not end is killed."""
        self.assertIsNone(run("sleep 600", timeout_seconds=0.0))

    def test_killed(self) -> None:
        """Who was killed has not run to its end."""
        self.assertIsNone(run("kill -9 $$"))

    def test_no_program(self) -> None:
        """What cannot be run says so."""
        self.assertIsNone(run("", command=("/no/such/program",)))

    def test_mnh_8_7_never_root(self) -> None:
        """Root has to name somebody else."""
        result = run("id -u")
        assert result is not None
        if os.geteuid() == 0:
            self.assertNotEqual(result.output.strip(), "0")
            self.assertIsNone(run("true", user=None))
            self.assertIsNone(run("true", user="no such user"))
