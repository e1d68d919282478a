"""Phase five: real master, startd, schedd and negotiator; one job from submit to end.

The collector runs by itself, the others under a real master that knows nothing about it
but its address. What ``condor_status`` says while the job runs, after it has ended, and
after the pool has gone, is compared with the same pool under the real collector.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from interop.peers import OPEN_POLICY, Collector, Kind, start, write_config
from interop.ping import check_daemons
from interop.queries import FORMS, Query, await_own_ad
from interop.report import Report
from interop.sandbox import Sandbox, wait_until
from interop.who import check_who

__all__ = [
    "POOL_KNOBS",
    "SUBMIT",
    "SUBMITTER",
    "History",
    "compare",
    "run_pool",
]

SUBMITTER = "tester"
_POOL_SECONDS = 60
_JOB_SECONDS = 20
_DONE_SECONDS = 90
_STOP_SECONDS = 60

POOL_KNOBS: Mapping[str, str] = {
    **OPEN_POLICY,
    "DAEMON_LIST": "MASTER, NEGOTIATOR, SCHEDD, STARTD",
    "MASTER_ARGS": "-p 9620",
    "NEGOTIATOR_ARGS": "-p 9621",
    "SCHEDD_ARGS": "-p 9622",
    "STARTD_ARGS": "-p 9623",
    "NUM_CPUS": "2",
    "MEMORY": "2048",
    "UPDATE_INTERVAL": "5",
    "MASTER_UPDATE_INTERVAL": "5",
    "SCHEDD_INTERVAL": "3",
    "NEGOTIATOR_UPDATE_INTERVAL": "5",
    "NEGOTIATOR_INTERVAL": "4",
    "NEGOTIATOR_CYCLE_DELAY": "1",
    "NEGOTIATOR_MIN_INTERVAL": "1",
    "RUNBENCHMARKS": "False",
    "SEC_USE_FAMILY_SESSION": "False",  # this master is not the collector's parent
    "CLAIM_WORKLIFE": "0",
    "ENABLE_SSH_TO_JOB": "False",
}

SUBMIT = """
executable = /bin/sh
arguments = "-c 'sleep {seconds}; echo done > {marker}'"
log = {log}
request_cpus = 1
request_memory = 64
request_disk = 1024
should_transfer_files = NO
requirements = true
queue
"""

_TABLES = (
    (),
    ("-any",),
    ("-schedd",),
    ("-master",),
    ("-submitters",),
    ("-total",),
    ("-compact",),
    ("-startd",),
    ("-negotiator",),
    ("-claimed",),
    ("-run",),
    ("-state",),
    ("-af", "Name", "State", "Activity", "Cpus", "Memory", "SlotType", "RemoteOwner"),
    ("-constraint", 'State == "Claimed"', "-af", "Name", "JobId"),
)
_LONG = (("-any", "-long"), ("-long",), ("-schedd", "-long"), ("-submitters", "-long"))
_JSON = (("-json",), ("-any", "-json"))

_SNAPSHOT: tuple[Query, ...] = (
    *(Query(options) for options in _TABLES),
    *(Query(options, "long") for options in _LONG),
    *(Query(options, "json") for options in _JSON),
)


@dataclass(slots=True)
class History:
    """What the tools said at each moment of the pool's life."""

    moments: dict[str, dict[Query, str]] = field(default_factory=dict)


def run_pool(kind: Kind, sandbox: Sandbox, report: Report, work: Path) -> History:
    """Start a pool, run a job through it, and stop it gracefully.

    Args:
        kind: Which collector it reports to.
        sandbox: A fresh sandbox.
        report: Gets the checks.
        work: Where the job's files go.

    Returns:
        What ``condor_status`` said on the way.
    """
    history = History()
    with start(kind, sandbox, OPEN_POLICY) as collector:
        await_own_ad(collector)
        _Run(collector, report, work, history).run()
    return history


def compare(report: Report, expected: History, actual: History) -> None:
    """Record one check per moment and query."""
    for moment, outputs in expected.moments.items():
        if moment not in actual.moments:
            report.check(f"pool {moment}: the same pool", False, "it never came so far")
            continue
        for query, output in outputs.items():
            name = f"pool {moment}: {query.name}"
            with report.guarded(name):
                found = FORMS[query.form](name, output, actual.moments[moment][query])
                report.differences(name, found)


class _Run:
    def __init__(
        self, collector: Collector, report: Report, work: Path, history: History
    ) -> None:
        self._collector = collector
        self._report = report
        self._history = history
        self._sandbox = collector.sandbox
        self._config = write_config(self._sandbox, "pool", POOL_KNOBS)
        self._job = work / "job"
        self._job.mkdir()
        self._job.chmod(0o777)
        self._work = work

    def run(self) -> None:
        pid_file = self._work / "pool" / "run" / "master.pid"
        command = self._sandbox.inside(
            ["condor_master", "-f", "-p", "9620", "-pidfile", str(pid_file)]
        )
        environment = {"CONDOR_CONFIG": str(self._config)}
        log = self._work / "condor_master.out"
        with self._sandbox.daemon(command, log, environment) as master:
            if not self._step(
                "every daemon is listed", self._is_complete, _POOL_SECONDS
            ):
                return
            self._submit()
            if self._step("the job runs", self._job_runs, _POOL_SECONDS):
                self._snapshot("with a running job")
                check_who(self._sandbox, self._config, self._report)
            if not self._step("the job has ended", self._job_ended, _DONE_SECONDS):
                return
            self._report.check(
                self._name("the job did its work"), (self._job / "marker").exists()
            )
            if self._step("the pool is idle again", self._is_idle, _DONE_SECONDS):
                self._snapshot("after the job")
            check_daemons(replace(self._collector, config=self._config), self._report)
            self._stop(master, pid_file)

    def _submit(self) -> None:
        description = SUBMIT.format(
            seconds=_JOB_SECONDS, marker=self._job / "marker", log=self._job / "log"
        )
        submitted = self._sandbox.run(
            ["condor_submit", "-terse", "-"],
            user=SUBMITTER,
            environment={"CONDOR_CONFIG": str(self._config)},
            standard_input=description,
        )
        self._report.check(
            self._name("condor_submit by an ordinary user"),
            submitted.exit_code == 0,
            submitted.errors or submitted.output,
        )

    def _stop(self, master: subprocess.Popen[bytes], pid_file: Path) -> None:
        pid = pid_file.read_text().split()[0]
        self._sandbox.run(["sh", "-c", f"kill -TERM {pid}"]).checked()
        ended = wait_until(lambda: master.poll() is not None, _STOP_SECONDS)
        self._report.check(self._name("the pool stops gracefully"), ended)
        if ended:
            query = Query(("-any", "-af", "MyType", "Name"))
            self._history.moments["after it has gone"] = {query: self._ask(query)}

    def _snapshot(self, moment: str) -> None:
        self._history.moments[moment] = {query: self._ask(query) for query in _SNAPSHOT}

    def _ask(self, query: Query) -> str:
        return self._collector.tool("condor_status", *query.options).checked()

    def _values(self, *options: str) -> list[str]:
        result = self._collector.tool("condor_status", *options)
        return [] if result.exit_code else sorted(result.output.splitlines())

    def _is_complete(self) -> bool:
        types = set(self._values("-any", "-af", "MyType"))
        wanted = {
            "Accounting",
            "Collector",
            "DaemonMaster",
            "Machine",
            "Negotiator",
            "Scheduler",
            "StartD",
        }
        return types >= wanted

    def _job_runs(self) -> bool:
        return (
            self._values("-af", "State", "Activity")
            == ["Claimed Busy", "Unclaimed Idle"]
            and self._values("-schedd", "-af", "TotalRunningJobs") == ["1"]
            and self._used() == (["1"], ["<none> 1"], ["1.0"])
        )

    def _job_ended(self) -> bool:
        log = self._job / "log"
        return log.exists() and "\n005 (" in log.read_text()

    def _is_idle(self) -> bool:
        return (
            self._values("-af", "State", "Activity") == ["Unclaimed Idle"]
            and self._values("-schedd", "-af", "TotalRunningJobs", "JobsCompleted")
            == ["0 1"]
            and self._used() == (["0"], ["<none> 0"], ["0.0"])
        )

    def _used(self) -> tuple[list[str], list[str], list[str]]:
        """What submitters, the negotiator and the startd say to be in use.

        Of the negotiator's ads only the one for all users: it stops to renew a user's
        as soon as the user has no jobs, whatever the last one said.
        """
        accounted = self._values(
            "-subsystem", "accounting", "-af", "Name", "ResourcesUsed"
        )
        return (
            self._values("-submitters", "-af", "RunningJobs"),
            [line for line in accounted if line.startswith("<none> ")],
            self._values("-startd", "-af", "TotalInUseCpus"),
        )

    def _step(self, what: str, question: Callable[[], bool], seconds: float) -> bool:
        begun = time.monotonic()
        reached = wait_until(question, seconds)
        took = time.monotonic() - begun
        return self._report.check(
            self._name(f"{what} ({took:.0f} s)"), reached, self._describe()
        )

    def _describe(self) -> str:
        listed = self._collector.tool("condor_status", "-any")
        return f"{listed.output}{listed.errors}\n{self._collector.log_tail(10)}"

    def _name(self, what: str) -> str:
        return f"{self._collector.kind.name}: pool: {what}"
