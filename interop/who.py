"""``who`` on a host with a running pool: the real tool beside ours."""

from __future__ import annotations

import re
from pathlib import Path

from interop.chroots import SUITES
from interop.configurations import check_same
from interop.peers import our_environment, our_tool_command
from interop.report import Report
from interop.sandbox import Result, Sandbox, wait_until

__all__ = ["check_who", "without_users"]

_FOUND_SECONDS = 5
_ASKED: tuple[tuple[str, ...], ...] = (
    (),
    ("-daemons",),
    ("-quick",),
    ("-wait-for-ready:5", "IsReady"),
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
    # Ours lists jobs as 25.14 does; 23.9 has other columns, and finds no job here.
    lists_jobs = sandbox.root.name == SUITES[0]
    for words in _ASKED if lists_jobs else _ASKED[1:]:
        real = _ask_real(sandbox, words, environment)
        ours = sandbox.run(
            [*our_tool_command("who"), *words],
            environment={**our_environment(), **environment},
            beside=True,
        )
        label = f"who {' '.join(words)}".rstrip()
        report.check(
            f"{label}: exit code",
            bool(real.exit_code) is bool(ours.exit_code),
            f"{ours.exit_code}, not {real.exit_code}\n{ours.errors}{real.errors}",
        )
        check_same(report, label, *(_plain(each.output) for each in (real, ours)))


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
