"""``who`` on a host with a running pool: the real tool beside ours."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from interop.chroots import SUITES
from interop.configurations import check_same
from interop.errors import InteropError
from interop.peers import our_environment, our_tool_command
from interop.report import Report
from interop.sandbox import Result, Sandbox, wait_until

__all__ = ["check_who", "without_users"]

_FOUND_SECONDS = 5
_ASKED: tuple[tuple[str, ...], ...] = (
    ("-daemons",),
    ("-quick",),
    ("-wait-for-ready:5", "IsReady"),
    ("-quick", "-daemons"),
)
#: Columns instead of tables, which 23.9 does not know beside -quick, and jobs: it lists
#: these in other columns, and finds none here.
_SINCE_25: tuple[tuple[str, ...], ...] = (
    (),
    ("-quick", "-af:h", "MASTER_PID", "IsReady", "NoSuch"),
    ("-quick", "-format", "%d daemons\\n", "NumDaemons"),
    ("-af", "JobId", "Cpus", "NoSuch"),
    ("-af:lh", "JobId", "Cpus + 1", "State"),
    ("-format", "%s runs\\n", "JobId"),
    ("-constraint", "Cpus > 100", "-af", "JobId"),
)
# Our tool has processes of another namespace around it: it cannot look at the job's.
# A second may pass between the two tools, and the real one shows of a process that
# logs its user, too, that user beside its number.
_SECOND = re.compile(r"\d\+\d\d:\d\d:\d\d +(\d+).*")


def check_who(sandbox: Sandbox, config: Path, report: Report) -> None:
    """Ask both tools of jobs and daemons.

    Args:
        sandbox: Where the pool runs.
        config: Its configuration.
        report: Gets a check per question.
    """
    environment = {"CONDOR_CONFIG": str(config)}
    is_newest = sandbox.root.name == SUITES[0]
    for words in (*_ASKED, *_SINCE_25) if is_newest else _ASKED:
        real = _ask_real(sandbox, words, environment)
        ours = _ask_ours(sandbox, words, environment)
        label = f"who {' '.join(words)}".rstrip()
        report.check(
            f"{label}: exit code",
            bool(real.exit_code) is bool(ours.exit_code),
            f"{ours.exit_code}, not {real.exit_code}\n{ours.errors}{real.errors}",
        )
        check_same(report, label, *(_plain(each.output) for each in (real, ours)))
    if is_newest:
        for program in ("condor_startd", "condor_starter"):
            _check_process(sandbox, program, environment, report)


def _check_process(
    sandbox: Sandbox, program: str, environment: dict[str, str], report: Report
) -> None:
    """Have both tools find the startd by a process; its numbers differ for them."""
    here, there = _process(sandbox, program)
    asked = ("-af", "JobId", "State")
    real = _ask_real(sandbox, ("-pid", there, *asked), environment)
    ours = _ask_ours(sandbox, ("-pid", here, *asked), environment)
    label = f"who -pid of a {program} {' '.join(asked)}"
    check_same(report, label, real.output, ours.output)
    report.check(f"{label}: a job", "Claimed" in ours.output, f"{ours}\n{real}")


def _process(sandbox: Sandbox, program: str) -> tuple[str, str]:
    """A process of the sandbox that runs a program: its number here, and in there."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            root = os.readlink(status.with_name("root"))
            lines = status.read_text().splitlines()
            facts = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
            numbers = facts["NSpid"].split()
            variables = status.with_name("environ").read_text()
            is_inside = root == str(sandbox.root) and str(sandbox.work) in variables
            if is_inside and facts["Name"] == program[:15]:
                return numbers[0], numbers[-1]
    raise InteropError(f"no {program} runs")


def _ask_ours(
    sandbox: Sandbox, words: tuple[str, ...], environment: dict[str, str]
) -> Result:
    return sandbox.run(
        [*our_tool_command("who"), *words],
        environment={**our_environment(), **environment},
        beside=True,
    )


def _ask_real(
    sandbox: Sandbox, words: tuple[str, ...], environment: dict[str, str]
) -> Result:
    """Ask the real tool; of jobs, until it has found the one that has just begun."""
    asked: list[Result] = []

    def answered() -> bool:
        asked.append(sandbox.run(["condor_who", *words], environment=environment))
        return bool(words) or "running:" in asked[-1].output

    wait_until(answered, _FOUND_SECONDS)
    return asked[-1]


def without_users(text: str) -> str:
    """Give a listing of daemons without the users that the real tool shows of some.

    It takes the rest of the line that says a process in its log; which daemons it has
    from their own log, and not from the master's, is by their programs' names.
    """
    return text.replace(" RealUID = 0", "")


def _plain(text: str) -> str:
    lines = (_SECOND.sub(r"TIME \1", line) for line in without_users(text).splitlines())
    return "\n".join(" ".join(line.split()) for line in lines)
