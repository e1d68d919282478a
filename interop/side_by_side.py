"""Several phases at a time, each in a process of its own.

Phases wait more than they work: for daemons, intervals and timeouts. Each has its own
sandboxes, so they do not meet; what each printed is shown when it has ended.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

__all__ = ["Totals", "run_side_by_side"]

_TOTALS = re.compile(r"(\d+) passed, (\d+) failed")
_NOT_RUN = "INTEROP NOT RUN"
_PHASE_SECONDS = 1200


@dataclass(slots=True)
class Totals:
    """What several phases came to.

    Args:
        passed_count: Checks that held.
        failed_count: Checks that did not, and phases that broke off.
        not_run: Why phases did not run.
    """

    passed_count: int = 0
    failed_count: int = 0
    not_run: tuple[str, ...] = ()

    def add(self, name: str, output: str, exit_code: int) -> None:
        """Count what one phase printed.

        Args:
            name: The phase's name, for people.
            output: All that it printed.
            exit_code: What it ended with.
        """
        lines = output.splitlines()
        found = _TOTALS.fullmatch(lines[-1]) if lines else None
        if found is None or exit_code not in (0, 1):
            self.failed_count += 1
            print(f"FAIL  {name} broke off with exit code {exit_code}", flush=True)
        else:
            self.passed_count += int(found[1])
            self.failed_count += int(found[2])
        self.not_run += tuple(line for line in lines if line.startswith(_NOT_RUN))


def run_side_by_side(
    phases: Sequence[tuple[str, str]], options: Iterable[str], jobs: int
) -> Totals:
    """Run phases, print what they print, and count.

    Args:
        phases: Suites and phases, those that take longest in front.
        options: What each gets besides.
        jobs: How many run at a time.
    """
    totals = Totals()
    with ThreadPoolExecutor(jobs) as pool:
        running = {
            pool.submit(_run, suite, phase, tuple(options)): f"{suite}: {phase}"
            for suite, phase in phases
        }
        for done in as_completed(running):
            name = running[done]
            output, exit_code = done.result()
            print(f"\n==== {name}\n{output}", flush=True)
            totals.add(name, output, exit_code)
    return totals


def _run(suite: str, phase: str, options: tuple[str, ...]) -> tuple[str, int]:
    command = [sys.executable, "-m", "interop", "--jobs", "1", *options]
    try:
        done = subprocess.run(
            [*command, "--suite", suite, "--phase", phase],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PHASE_SECONDS,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said: bytes = error.stdout or b""  # bytes, whatever the encoding
        text = said.decode("utf-8", "replace")
        return f"{text}\nno end after {_PHASE_SECONDS} s", 124
    return done.stdout.rstrip(), done.returncode
