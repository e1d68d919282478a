"""Phase: who administers the collector administers its daemons, by their ads.

No daemon but the collector takes root for an administrator. Found by their names
through the collector, a real daemon and one of ours are administered by root all the
same, by the real tool and by ours, through a real collector and through ours. Called by
their addresses they are not, nor where they do not want it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from interop.masters import Master, our_program, start_master
from interop.peers import OPEN_POLICY
from interop.report import Report
from interop.sandbox import HOST_NAME, Result, Sandbox, wait_until

__all__ = ["check_capabilities"]

_STEP_SECONDS = 40
_KNOBS: Mapping[str, str] = {
    **OPEN_POLICY,
    "ALLOW_ADMINISTRATOR": "nobody@nowhere",
    "COLLECTOR.ALLOW_ADMINISTRATOR": "root@*",
    "MASTER.ALLOW_ADMINISTRATOR": "*",
    "DC_DAEMON_LIST": "+FAR",
    "DAEMON_LIST": "MASTER, COLLECTOR, STARTD, FAR",
    "MASTER_ARGS": "-p 9620",
    "UPDATE_INTERVAL": "3",
    "FAR_UPDATE_INTERVAL": "3",
    "FAR_LOG": "$(LOG)/FarLog",
    # Nobody but the collector tells where it is.
    "STARTD_ADDRESS_FILE": "",
    "RUNBENCHMARKS": "False",
}
_SWITCHED_OFF: Mapping[str, str] = {
    "FAR.SEC_ENABLE_REMOTE_ADMINISTRATION": "False",
    "STARTD.SEC_ENABLE_REMOTE_ADMINISTRATION": "False",
}


@dataclass(frozen=True, slots=True)
class _Target:
    """A daemon that is administered.

    Args:
        title: Whose it is.
        option: What tools call its kind.
        name: Its name.
        ad_type: The type of its ad.
        subsystem: Its log's name for those who fetch it.
    """

    title: str
    option: str
    name: str
    ad_type: str
    subsystem: str


_TARGETS = (
    _Target("a real startd", "-startd", HOST_NAME, "StartD", "STARTD"),
    _Target("ours", "-master", f"far@{HOST_NAME}", "DaemonMaster", "FAR"),
)


def check_capabilities(sandbox: Sandbox, report: Report) -> None:
    """Administer both daemons through both collectors.

    Args:
        sandbox: A fresh sandbox.
        report: Gets the checks.
    """
    far = our_program(sandbox, "condor-twisted-far", "interop.far_daemon")
    collector = our_program(
        sandbox, "condor-twisted-collector", "condor_twisted.daemons.collector.main"
    )
    alive = ("COLLECTOR", "STARTD", "FAR")
    open_to_all = {**_KNOBS, "FAR": str(far)}
    through_ours = {**open_to_all, "COLLECTOR": str(collector)}
    for name, knobs in (("real", open_to_all), ("ours", through_ours)):
        with start_master(sandbox, f"{name}-collector", knobs, *alive) as master:
            checks = _Checks(f"collector {name}", master, report)
            checks.administered()
    unwilling = {**through_ours, **_SWITCHED_OFF}
    with start_master(sandbox, "unwilling", unwilling, *alive) as master:
        _Checks("switched off", master, report).left_alone()


class _Checks:
    """What is tried in one pool."""

    def __init__(self, title: str, master: Master, report: Report) -> None:
        self._title = title
        self._master = master
        self._report = report

    def administered(self) -> None:
        """By name they are, by address they are not."""
        for target in _TARGETS:
            self._await_ad(target)
            address = self._address(target)
            for ours in (False, True):
                by = "ours" if ours else "the real tool"
                done = self._fetch(target, target.name, ours=ours)
                self._check(
                    f"{by} administers {target.title} by its name",
                    _is_done(done),
                    f"{done.exit_code} {done.errors}",
                )
                done = self._fetch(target, address, ours=ours)
                self._check(
                    f"{by} cannot administer {target.title} by its address",
                    not _is_done(done),
                    done.output[-300:],
                )
        done = self._tool(
            "reconfig", "-name", HOST_NAME, "-daemon", "startd", ours=True
        )
        self._check(
            "ours has a real startd read its configuration again",
            done.exit_code == 0,
            f"{done.output}{done.errors}",
        )
        self._check("the master stops all", self._master.stop())

    def left_alone(self) -> None:
        """Who does not want it is administered by nobody else."""
        for target in _TARGETS:
            self._await_ad(target)
            for ours in (False, True):
                done = self._fetch(target, target.name, ours=ours)
                by = "ours" if ours else "the real tool"
                self._check(
                    f"{by} cannot administer {target.title} by its name",
                    not _is_done(done),
                    done.output[-300:],
                )
        self._check("the master stops all", self._master.stop())

    def _await_ad(self, target: _Target) -> None:
        self._await(
            f"the collector knows {target.title}", lambda: bool(self._address(target))
        )

    def _address(self, target: _Target) -> str:
        is_it = f'MyType == "{target.ad_type}" && Name == "{target.name}"'
        said = self._master.tool(
            "condor_status", "-any", "-constraint", is_it, "-af", "MyAddress"
        )
        return said.output.strip()

    def _fetch(self, target: _Target, place: str, *, ours: bool) -> Result:
        """Have a daemon send its log, for which one has to administer it."""
        return self._tool(
            "fetch-log", target.option, place, target.subsystem, ours=ours
        )

    def _tool(self, tool: str, *words: str, ours: bool) -> Result:
        if ours:
            return self._master.our_tool(tool, *words)
        return self._master.tool(f"condor_{tool.replace('-', '')}", *words)

    def _check(self, what: str, holds: bool, detail: str = "") -> None:
        self._report.check(f"{self._title}: {what}", holds, detail)

    def _await(self, what: str, question: Callable[[], bool]) -> None:
        reached = wait_until(question, _STEP_SECONDS)
        self._check(what, reached, "" if reached else self._master.log()[-1500:])


def _is_done(done: Result) -> bool:
    return done.exit_code == 0 and "PID = " in done.output
