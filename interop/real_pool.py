"""The other daemons of a pool: a real master, startd, schedd and negotiator.

They run under a real master that knows nothing about the collector but its address.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from interop.peers import OPEN_POLICY, Collector, write_config
from interop.pool import POOL_KNOBS, SUBMIT, SUBMITTER
from interop.sandbox import Result, wait_until

__all__ = ["DAEMON_TYPES", "RealPool", "start_pool"]

_STOP_SECONDS = 60
_KNOBS = {knob: text for knob, text in POOL_KNOBS.items() if knob not in OPEN_POLICY}
"""What makes the pool small and quick."""

DAEMON_TYPES = frozenset(
    {
        "Accounting",
        "Collector",
        "DaemonMaster",
        "Machine",
        "Negotiator",
        "Scheduler",
        "StartD",
    }
)
"""The types of ads that a complete pool has."""


class RealPool:
    """A pool whose daemons run.

    Args:
        collector: Its collector; ``config`` is that of the other daemons.
        master: The master.
        pid_file: Where the master's process id is.
    """

    def __init__(
        self, collector: Collector, master: subprocess.Popen[bytes], pid_file: Path
    ) -> None:
        self.collector = collector
        self._master = master
        self._pid_file = pid_file
        self._jobs = collector.sandbox.work / "jobs"
        self._jobs.mkdir(exist_ok=True)
        self._jobs.chmod(0o777)

    def is_complete(self) -> bool:
        """Whether every daemon has told the collector of itself."""
        return set(self.values("-any", "-af", "MyType")) >= DAEMON_TYPES

    def values(self, *options: str) -> list[str]:
        """The sorted lines that ``condor_status`` prints; none if it fails."""
        result = self.collector.tool("condor_status", *options)
        return [] if result.exit_code else sorted(result.output.splitlines())

    def submit(self, name: str, seconds: int) -> Result:
        """Have an ordinary user submit a job.

        Args:
            name: A name for it.
            seconds: How long it runs.
        """
        description = SUBMIT.format(
            seconds=seconds, marker=self._marker(name), log=self._log(name)
        )
        return self.collector.tool(
            "condor_submit",
            "-terse",
            "-",
            user=SUBMITTER,
            standard_input=description,
        )

    def has_ended(self, name: str) -> bool:
        """Whether a job has ended."""
        log = self._log(name)
        return log.exists() and "\n005 (" in log.read_text()

    def did_its_work(self, name: str) -> bool:
        """Whether a job has left what it was to make."""
        return self._marker(name).exists()

    def log(self, name: str) -> str:
        """What a daemon has logged so far; nothing if it has no such log."""
        file = self.collector.sandbox.work / "pool" / "log" / name
        return file.read_text(errors="replace") if file.exists() else ""

    def stop(self) -> bool:
        """End the daemons gracefully; whether they followed in time."""
        pid = self._pid_file.read_text().split()[0]
        self.collector.sandbox.run(["sh", "-c", f"kill -TERM {pid}"]).checked()
        return wait_until(lambda: self._master.poll() is not None, _STOP_SECONDS)

    def _marker(self, name: str) -> Path:
        return self._jobs / f"{name}.marker"

    def _log(self, name: str) -> Path:
        return self._jobs / f"{name}.log"


@contextlib.contextmanager
def start_pool(
    collector: Collector, knobs: Mapping[str, str], uses: Sequence[str] = ()
) -> Iterator[RealPool]:
    """Run the other daemons of a pool for the length of a ``with`` block.

    Args:
        collector: The collector that they report to.
        knobs: Their policy.
        uses: Templates of configuration that come before it.
    """
    sandbox = collector.sandbox
    config = write_config(sandbox, "pool", {**_KNOBS, **knobs}, uses=uses)
    pid_file = sandbox.work / "pool" / "run" / "master.pid"
    command = sandbox.inside(
        ["condor_master", "-f", "-p", "9620", "-pidfile", str(pid_file)]
    )
    environment = {**collector.environment, "CONDOR_CONFIG": str(config)}
    log = sandbox.work / "condor_master.out"
    with sandbox.daemon(command, log, environment) as master:
        yield RealPool(replace(collector, config=config), master, pid_file)
