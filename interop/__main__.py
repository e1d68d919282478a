"""The whole run: every phase with every suite, the real collector first, then ours.

Usage::

    python -m interop [--suite NAME] [--phase NAME] [--jobs N] [--reference-only]
                      [--keep]

``CONDOR_TWISTED_CHROOTS`` says where the chroots are or are to be made.
Exit code: 0 when nothing failed, also when the real HTCondor cannot be had here, which
the output then says in capitals; 1 when a check failed; 2 for bad usage.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from interop import (
    administration,
    capabilities,
    children,
    daemon_statistics,
    kerberos,
    life,
    matrix,
    neighbours,
    ping,
    pool,
    queries,
    resumption,
    secure_pools,
    security,
    shared_port,
    tokens,
    trust,
    volume,
)
from interop.chroots import SUITES, find_chroot
from interop.configurations import check_configurations
from interop.errors import CannotRun
from interop.our_tools import check_our_tools
from interop.peers import OPEN_POLICY, REAL, TWISTED, Kind, start
from interop.report import Report
from interop.sandbox import Sandbox
from interop.side_by_side import Totals, run_side_by_side

Seen = TypeVar("Seen")
_PHASES = (
    "life",
    "administration",
    "queries",
    "ping",
    "neighbours",
    "kerberos",
    "secure-pools",
    "trust",
    "children",
    "capabilities",
    "tokens",
    "configurations",
    "shared-port",
    "pool",
    "security",
    "matrix",
    "resumption",
)
"""Those that take longest come first."""
_OF_ONE_SUITE = frozenset(
    {
        "configurations",
        "administration",
        "life",
        "neighbours",
        "capabilities",
        "children",
        "secure-pools",
        "shared-port",
    }
)
"""Phases that are compared with the newest HTCondor only, unless asked for."""
_JOBS = 3


class _Run:
    """One suite's run.

    Args:
        suite: Its name.
        root: Its chroot.
        work: A directory of its own for logs.
        other: What is compared with the real collector.
        report: Gets the checks.
    """

    def __init__(
        self, suite: str, root: Path, work: Path, other: Kind, report: Report
    ) -> None:
        self._suite = suite
        self._root = root
        self._work = work
        self._other = other
        self._report = report

    def phase(self, name: str) -> None:
        """Run one phase of `_PHASES`."""
        phases = {
            "administration": self._administration,
            "configurations": self._configurations,
            "queries": self._queries,
            "security": self._security,
            "ping": self._ping,
            "kerberos": self._kerberos,
            "matrix": self._matrix,
            "tokens": self._tokens,
            "trust": self._trust,
            "pool": self._pool,
            "secure-pools": self._secure_pools,
            "resumption": self._resumption,
            "life": self._life,
            "neighbours": self._neighbours,
            "capabilities": self._capabilities,
            "children": self._children,
            "shared-port": self._shared_port,
        }
        phases[name]()

    def _administration(self) -> None:
        self._both(
            "administration",
            lambda kind, sandbox: administration.administer(
                kind, sandbox, self._report
            ),
            administration.compare,
        )

    def _configurations(self) -> None:
        if self._suite != SUITES[0]:
            return  # what older tools have as defaults and templates differs
        self._once("configurations", check_configurations)

    def _queries(self) -> None:
        self._both("queries and a thousand ads", self._drive, queries.compare)
        if self._suite != SUITES[0]:
            return  # older ones count something else
        self._both(
            "what a daemon says of its work",
            lambda kind, sandbox: daemon_statistics.observe(
                kind, sandbox, self._report
            ),
            daemon_statistics.compare,
        )

    def _drive(self, kind: Kind, sandbox: Sandbox) -> queries.Recording:
        with start(kind, sandbox, OPEN_POLICY) as collector:
            recording = queries.drive(
                collector,
                self._report,
                sandbox.work,
                lambda: check_our_tools(
                    collector,
                    self._report,
                    sandbox.work,
                    with_tables=self._suite == SUITES[0],
                ),
            )
            volume.check_volume(collector, self._report, sandbox.work)
        return recording

    def _security(self) -> None:
        self._both(
            "security in the packages' default configuration",
            lambda kind, sandbox: security.check_security(
                kind, sandbox, self._report, sandbox.work
            ),
            security.compare,
        )

    def _ping(self) -> None:
        for title in ping.POLICIES:
            self._both(
                f"what a ping says, {title}",
                partial(self._ask, title),
                ping.compare,
            )

    def _ask(self, title: str, kind: Kind, sandbox: Sandbox) -> ping.Answers:
        return ping.ask_everything(title, kind, sandbox, self._report, self._suite)

    def _kerberos(self) -> None:
        self._both("tickets of a real KDC", kerberos.observe, kerberos.compare)

    def _matrix(self) -> None:
        self._both("every method and cipher", matrix.observe, matrix.compare)

    def _trust(self) -> None:
        self._both("known hosts and plugins", trust.observe, trust.compare)

    def _pool(self) -> None:
        self._both(
            "a real pool and a job",
            lambda kind, sandbox: pool.run_pool(
                kind, sandbox, self._report, sandbox.work
            ),
            pool.compare,
        )

    def _secure_pools(self) -> None:
        if self._suite != SUITES[0]:
            return  # older ones have no such template
        for number, wanted in enumerate(secure_pools.POLICIES):
            self._report.section(f"{self._suite}: a pool under {wanted.title}")
            work = self._work / f"secure-pool-{number}"
            work.mkdir()
            with (
                self._report.guarded(wanted.title),
                Sandbox(self._root, work) as sandbox,
            ):
                secure_pools.check_pool(wanted, sandbox, self._report)

    def _resumption(self) -> None:
        self._both(
            "the second command of a client",
            lambda kind, sandbox: resumption.observe(kind, sandbox, self._report),
            resumption.compare,
        )

    def _tokens(self) -> None:
        self._both(
            "tokens and requests for them",
            lambda kind, sandbox: tokens.check_tokens(
                kind, sandbox, self._report, sandbox.work
            ),
            tokens.compare,
        )

    def _life(self) -> None:
        self._both(
            "daemons under a real master",
            lambda kind, sandbox: life.run_lives(kind, sandbox, self._report),
            life.compare,
        )

    def _neighbours(self) -> None:
        self._once("ours beside a real daemon", neighbours.check_neighbours)

    def _capabilities(self) -> None:
        self._once("administered from afar", capabilities.check_capabilities)

    def _children(self) -> None:
        self._once("a real startd under a daemon of ours", children.check_children)

    def _shared_port(self) -> None:
        self._once("a shared port", shared_port.check_shared_port)

    def _once(self, title: str, check: Callable[[Sandbox, Report], None]) -> None:
        self._report.section(f"{self._suite}: {title}")
        work = self._work / title.replace(" ", "-")
        work.mkdir()
        with self._report.guarded(title), Sandbox(self._root, work) as sandbox:
            check(sandbox, self._report)

    def _both(
        self,
        title: str,
        observe: Callable[[Kind, Sandbox], Seen],
        compare: Callable[[Report, Seen, Seen], None],
    ) -> None:
        """Observe the real collector and the other one, then compare."""
        seen: list[Seen] = []
        for number, kind in enumerate((REAL, self._other)):
            self._report.section(f"{self._suite}: {title}: the {kind.name} collector")
            work = (
                self._work
                / f"{title.replace(' ', '-').replace(',', '')}-{number}-{kind.name}"
            )
            work.mkdir()
            with (
                self._report.guarded(f"{kind.name}: {title}"),
                Sandbox(self._root, work) as sandbox,
            ):
                seen.append(observe(kind, sandbox))
        if len(seen) == 2:
            self._report.section(f"{self._suite}: {title}: compared")
            compare(self._report, seen[0], seen[1])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m interop", description=__doc__)
    parser.add_argument("--suite", action="append", choices=SUITES)
    parser.add_argument("--phase", action="append", choices=_PHASES)
    parser.add_argument(
        "--jobs", type=int, default=_JOBS, help=f"phases at a time (default {_JOBS})"
    )
    parser.add_argument(
        "--reference-only",
        action="store_true",
        help="compare the real collector with itself, to prove the comparison",
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep logs of a good run too"
    )
    return parser.parse_args()


def main() -> int:
    """Run what the command line asks for.

    Returns:
        The exit code.
    """
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    roots: dict[str, Path] = {}
    not_run: list[str] = []
    for suite in arguments.suite or SUITES:
        try:
            roots[suite] = find_chroot(suite)
        except CannotRun as error:
            not_run.append(f"INTEROP NOT RUN: {suite}: {error.why}")
    phases = [
        (suite, phase)
        for phase in arguments.phase or _PHASES
        for suite in roots
        if arguments.phase or suite == SUITES[0] or phase not in _OF_ONE_SUITE
    ]
    if len(phases) > 1 and arguments.jobs > 1:
        options = (
            *(("--reference-only",) if arguments.reference_only else ()),
            *(("--keep",) if arguments.keep else ()),
        )
        totals = run_side_by_side(phases, options, arguments.jobs)
    else:
        totals = _run_here(phases, roots, arguments)
    for line in (*not_run, *totals.not_run):
        print(line, flush=True)
    print(f"\n{totals.passed_count} passed, {totals.failed_count} failed", flush=True)
    return 1 if totals.failed_count else 0


def _run_here(
    phases: list[tuple[str, str]], roots: dict[str, Path], arguments: argparse.Namespace
) -> Totals:
    """Run phases one after the other in this process."""
    base = Path(tempfile.mkdtemp(prefix="condor-twisted-run-", dir="/tmp"))
    base.chmod(0o755)
    report = Report(base / "differences.txt")
    totals = Totals()
    finished = False
    other = REAL if arguments.reference_only else TWISTED
    try:
        for suite, phase in phases:
            work = base / suite
            work.mkdir(exist_ok=True)
            try:
                _Run(suite, roots[suite], work, other, report).phase(phase)
            except CannotRun as error:
                totals.not_run += (f"INTEROP NOT RUN: {suite}: {error.why}",)
        finished = True
    finally:
        if arguments.keep or report.failed_count or not finished:
            print(f"\nlogs are in {base}", flush=True)
        else:
            shutil.rmtree(base, ignore_errors=True)
    totals.passed_count = report.passed_count
    totals.failed_count = report.failed_count
    return totals


if __name__ == "__main__":
    sys.exit(main())
