"""``who`` on a host with a running pool: the real tool beside ours."""

from __future__ import annotations

import re
from pathlib import Path

from interop.configurations import check_same
from interop.peers import our_environment, our_tool_command
from interop.report import Report
from interop.sandbox import Sandbox

__all__ = ["check_who"]

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
    for words in _ASKED:
        real = sandbox.run(["condor_who", *words], environment=environment)
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


def _plain(text: str) -> str:
    text = text.replace(" RealUID = 0", "")
    lines = (_SECOND.sub(r"TIME \1", line) for line in text.splitlines())
    return "\n".join(" ".join(line.split()) for line in lines)
