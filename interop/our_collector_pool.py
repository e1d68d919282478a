"""A real pool whose master starts our collector: it comes up, works, and recovers.

Nothing but the path of one program differs from a pool of HTCondor's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from interop.masters import Master, our_program, start_master
from interop.pool import POOL_KNOBS, SUBMIT, SUBMITTER
from interop.report import Report
from interop.sandbox import Sandbox, wait_until

__all__ = ["run_job", "run_our_collector_pool"]

_TITLE = "our collector's pool"
_ADS_SECONDS = 60
_JOB_SECONDS = 90
_DAEMONS = ("COLLECTOR", "NEGOTIATOR", "SCHEDD", "STARTD")
_TYPES = frozenset({"Collector", "DaemonMaster", "Machine", "Negotiator", "Scheduler"})
_KNOBS: Mapping[str, str] = {
    **POOL_KNOBS,
    "DAEMON_LIST": f"MASTER, {', '.join(_DAEMONS)}",
    "SEC_USE_FAMILY_SESSION": "True",
    "MASTER_BACKOFF_CONSTANT": "1",
    "MASTER_BACKOFF_FACTOR": "1.0",
}


def run_our_collector_pool(sandbox: Sandbox, report: Report) -> None:
    """Start the pool, run a job, restart the collector, run another, and stop it all.

    Args:
        sandbox: A sandbox without other daemons.
        report: Gets the checks.
    """
    program = our_program(
        sandbox, "condor-twisted-collector", "condor_twisted.daemons.collector.main"
    )
    knobs = {**_KNOBS, "COLLECTOR": str(program)}
    with start_master(sandbox, "our-pool", knobs, *_DAEMONS) as master:
        _complete(master, report, "the pool comes up")
        run_job(master, report, f"{_TITLE}: a job runs", "first")
        before = master.pid("COLLECTOR")
        master.tool("condor_restart", "-daemon", "collector").checked()
        wait_until(lambda: master.is_alive("COLLECTOR", before), _ADS_SECONDS)
        _complete(master, report, "everybody is back after the collector's restart")
        run_job(master, report, f"{_TITLE}: a job runs after that", "second")
        report.check(f"{_TITLE}: condor_off ends all", master.stop())


def _complete(master: Master, report: Report, what: str) -> None:
    def found() -> set[str]:
        listed = master.tool("condor_status", "-any", "-af", "MyType")
        return set(listed.output.split())

    reached = wait_until(lambda: found() >= _TYPES, _ADS_SECONDS)
    report.check(f"{_TITLE}: {what}", reached, f"{found()}")


def run_job(master: Master, report: Report, what: str, name: str) -> None:
    """Run a job to its end.

    Args:
        master: The pool's.
        report: Gets the check.
        what: What is checked.
        name: Its directory's, one for each job of a sandbox.
    """
    folder: Path = master.sandbox.work / f"job-{name}"
    folder.mkdir()
    folder.chmod(0o777)
    log = folder / "log"
    master.sandbox.run(
        ["condor_submit", "-terse", "-"],
        user=SUBMITTER,
        environment={"CONDOR_CONFIG": str(master.config)},
        standard_input=SUBMIT.format(seconds=1, marker=folder / "marker", log=log),
    ).checked()
    ended = wait_until(
        lambda: log.exists() and "\n005 (" in log.read_text(), _JOB_SECONDS
    )
    detail = log.read_text() if log.exists() else "no log"
    report.check(what, ended and (folder / "marker").exists(), detail)
