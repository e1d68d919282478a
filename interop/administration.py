"""Phase: a daemon asked, changed and stopped from afar, by real tools and by ours.

The collector runs with everything allowed that its configuration has to allow. Each
step is done by the real tool and by ours, one after the other; what they say has to
be the same, and the same of the real collector and of ours.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from interop.configurations import check_same
from interop.our_tools import TRUSTING
from interop.peers import ADDRESS, OPEN_POLICY, RAW, Collector, Kind, start
from interop.report import Report
from interop.sandbox import Result, Sandbox, wait_until

__all__ = ["Administered", "administer", "check_same_log", "compare"]

_SINFUL = f"<{ADDRESS}>"
_TOOLS = {
    "config-val": "condor_config_val",
    "fetch-log": "condor_fetchlog",
    "reconfig": "condor_reconfig",
    "off": "condor_off",
    "restart": "condor_restart",
}
_AT = ("-address", _SINFUL)
_TOO_OLD = "not (yet) supported"  # what older tools say of newer questions
_LOG_LINES = 400
_STOP_SECONDS = 20.0
_SETTLE_SECONDS = 1.0

_ASKED: tuple[tuple[str, ...], ...] = (
    (*_AT, "COLLECTOR_HOST", "NO_SUCH_KNOB", "UPDATE_INTERVAL"),
    (*_AT, "-raw", "ASKED", "EMPTY"),
    (*_AT, "-verbose", "ASKED", "EMPTY", "NO_SUCH_KNOB"),
    (*_AT, "-default", "COLLECTOR_PORT", "ASKED"),
    (*_AT, "-evaluate", "ARITHMETIC"),
    (*_AT, "-dump", "ASKED", "ARITHM"),
    (*_AT, "-dump", "-expanded", "ASKED"),
    (*_AT, "-dump", "-verbose", "ASKED"),
    (*_AT, "-dump", "no such name at all"),
    (*_AT, "-collector", "-dump", "SHARED_PORT_P"),
    ("-name", ADDRESS, "-collector", "ASKED"),
    ("-pool", ADDRESS, "-name", ADDRESS, "-collector", "ASKED"),
    (*_AT, "use", "ROLE:Submit"),
)

_CHANGED: tuple[tuple[str, ...], ...] = (
    (*_AT, "-rset", "GREETING = hello $(WHOM)", "GREETING2 = hi"),
    (*_AT, "-rset", "START = 1", "STARTED = 2"),
    (*_AT, "-set", "FAREWELL = bye", "FAREWELL2 = bye", "FAREWELL3 = x"),
    (*_AT, "-rset", "UNLISTED = 1"),
    (*_AT, "-set", "UNLISTED = 1"),
    (*_AT, "-rset", "nonsense"),
    (*_AT, "-unset", "A = 1"),
    (*_AT, "-collector", "-rset", "use POLICY:ALWAYS_RUN_JOBS"),
)

# Each by one tool only: what is gone already need not be forgotten again.
_FORGOTTEN = ("FAREWELL", "FAREWELL2")

_CHANGES_SEEN = (
    *("GREETING", "GREETING2", "START", "FAREWELL", "FAREWELL2", "FAREWELL3"),
    "UNLISTED",
)

_LOGS = ("COLLECTOR", "COLLECTOR.old", "NO_SUCH", "MASTER")


_SEALS: Mapping[str, Mapping[str, str]] = {
    "raw": RAW,
    **{
        f"under {method}": {
            "SEC_CLIENT_ENCRYPTION": "REQUIRED",
            "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
            "SEC_CLIENT_CRYPTO_METHODS": method,
        }
        for method in ("AES", "BLOWFISH", "3DES")
    },
    "under MD5": {
        "SEC_CLIENT_ENCRYPTION": "NEVER",
        "SEC_CLIENT_INTEGRITY": "REQUIRED",
        "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
        "SEC_CLIENT_CRYPTO_METHODS": "BLOWFISH",
    },
}
"""What protects a file on its way; each moves it in another form."""

_STOPS = (
    ("off", "-addr", _SINFUL),
    ("off", "-fast", "-addr", _SINFUL),
    ("restart", "-collector", "-addr", _SINFUL),
)


@dataclass(slots=True)
class Administered:
    """What each step said, by the tool that took it."""

    said: dict[tuple[str, ...], list[str]] = field(default_factory=dict)


def _knobs(sandbox: Sandbox, kind: Kind) -> Mapping[str, str]:
    place = sandbox.work / "settings"
    place.mkdir(mode=0o755)
    log = sandbox.work / f"collector-{kind.name}" / "log"
    return {
        **OPEN_POLICY,
        "ALLOW_CONFIG": "*",
        "LOG": str(log),
        "COLLECTOR_LOG": f"{log}/CollectorLog",
        "COLLECTOR_DEBUG": "D_FULLDEBUG",
        "ENABLE_RUNTIME_CONFIG": "True",
        "ENABLE_PERSISTENT_CONFIG": "True",
        "PERSISTENT_CONFIG_DIR": str(place),
        "SETTABLE_ATTRS_CONFIG": "GREETING*, START*, FAREWELL*, $POLICY.*",
        "ASKED": "about $(ASKED_TOO)",
        "ASKED_TOO": "this",
        "EMPTY": "",
        "ARITHMETIC": "6 * 7",
        "WHOM": "world",
    }


def administer(kind: Kind, sandbox: Sandbox, report: Report) -> Administered:
    """Take every step with both tools.

    Args:
        kind: Whose collector it is.
        sandbox: A fresh sandbox.
        report: Gets the checks.

    Returns:
        What was said.
    """
    seen = Administered()
    knobs = _knobs(sandbox, kind)
    with start(kind, sandbox, knobs) as collector:
        run = _Run(collector, report, seen)
        for question in _ASKED:
            run.both("config-val", *question)
        for setting in _CHANGED:
            run.both("config-val", *setting)
        run.both("config-val", *_AT, *_CHANGES_SEEN)
        run.both("reconfig", "-addr", _SINFUL)
        run.settle()
        run.both("config-val", *_AT, *_CHANGES_SEEN)
        run.both("config-val", *_AT, "-verbose", "GREETING", "FAREWELL")
        run.forget()
        run.both("reconfig", "-collector", "-addr", _SINFUL)
        run.settle()
        run.both("config-val", *_AT, *_CHANGES_SEEN)
        for name in _LOGS:
            run.fetch(name)
        for seal, seal_knobs in _SEALS.items():
            run.fetch("COLLECTOR", seal, seal_knobs)
    for number, (tool, *rest) in enumerate(_STOPS):
        words = tuple(rest)
        for ours in (False, True):
            work = sandbox.work / f"stop-{number}-{'ours' if ours else 'real'}"
            work.mkdir()
            with (
                Sandbox(sandbox.root, work) as another,
                start(kind, another, OPEN_POLICY) as collector,
            ):
                _Run(collector, report, seen).stop(tool, words, ours=ours)
    return seen


def compare(report: Report, expected: Administered, actual: Administered) -> None:
    """Record whether the two collectors were told the same, step by step."""
    for step, texts in expected.said.items():
        label = f"both collectors: {' '.join(step)}"
        others = actual.said.get(step)
        if others is None:
            report.check(label, False, "it never came so far")
        else:
            check_same(report, label, "".join(texts), "".join(others))


def check_same_log(report: Report, label: str, real: Result, ours: Result) -> None:
    """Record whether two tools have brought the same log, or no log for one reason.

    Args:
        report: Gets the checks.
        label: What was fetched.
        real: What the real tool did.
        ours: What ours did, afterwards.
    """
    report.check(
        f"{label}: exit code",
        bool(real.exit_code) is bool(ours.exit_code),
        f"{ours.exit_code}, not {real.exit_code}\n{ours.errors}{real.errors}",
    )
    # The second fetch is in the log that it brings.
    first, second = (each.output.splitlines() for each in (real, ours))
    count = min(len(first), len(second), _LOG_LINES)
    texts = ("\n".join(each[:count]) for each in (first, second))
    check_same(report, label, *texts)
    report.check(
        f"{label}: something comes, or nothing, and a reason",
        bool(first) is bool(second) and (bool(first) or bool(real.errors)),
        f"{len(first)} lines, {len(second)} of ours\n{real.errors}{ours.errors}",
    )
    if not first:
        check_same(report, f"{label}: why", real.errors, ours.errors)


class _Run:
    def __init__(
        self, collector: Collector, report: Report, seen: Administered
    ) -> None:
        self._collector = collector
        self._report = report
        self._seen = seen

    def settle(self) -> None:
        """Give a daemon time to read its configuration again."""
        time.sleep(_SETTLE_SECONDS)

    def both(self, tool: str, *words: str) -> None:
        """Take a step with the real tool and with ours, and compare."""
        real, ours = (self._do(tool, words, ours=each) for each in (False, True))
        if _TOO_OLD in real.errors:
            return
        label = f"{self._collector.kind.name}: {tool} {' '.join(words)}"
        self._report.check(
            f"{label}: exit code",
            bool(real.exit_code) is bool(ours.exit_code),
            f"{ours.exit_code}, not {real.exit_code}\n{ours.errors}{real.errors}",
        )
        texts = [self._plain(each.output) for each in (real, ours)]
        check_same(self._report, label, *texts)
        self._seen.said.setdefault((tool, *words), []).extend(texts)

    def forget(self) -> None:
        """Forget one setting with each tool."""
        said = [
            self._do("config-val", (*_AT, "-unset", name), ours=ours)
            for name, ours in zip(_FORGOTTEN, (False, True), strict=True)
        ]
        label = f"{self._collector.kind.name}: config-val -unset"
        texts = [self._plain(each.output).replace('2"', '"') for each in said]
        check_same(self._report, label, *texts)

    def fetch(
        self, name: str, seal: str = "", knobs: Mapping[str, str] | None = None
    ) -> None:
        """Fetch a log with both tools: the file as it is, or nothing.

        Args:
            name: The log.
            seal: What protects it on its way, for the report.
            knobs: The tools' configuration for that.
        """
        words = ("-collector", ADDRESS, name)
        real, ours = (
            self._do("fetch-log", words, ours=each, knobs=knobs)
            for each in (False, True)
        )
        label = f"{self._collector.kind.name}: fetch-log {' '.join(words)} {seal}"
        if seal:
            self._report.check(f"{label}: it comes", not real.exit_code, real.errors)
        check_same_log(self._report, label, real, ours)

    def stop(self, tool: str, words: tuple[str, ...], *, ours: bool) -> None:
        """Stop the collector with one tool."""
        done = self._do(tool, words, ours=ours)
        who = "ours" if ours else "the real tool"
        label = f"{self._collector.kind.name}: {tool} {' '.join(words)} by {who}"
        gone = wait_until(self._is_gone, _STOP_SECONDS)
        self._report.check(label, gone and not done.exit_code, str(done))
        said = self._seen.said.setdefault((tool, *words), [])
        said.append(self._plain(done.output))
        if ours:
            check_same(self._report, f"{label} says the same", *said[-2:])

    def _is_gone(self) -> bool:
        asked = self._collector.tool(
            "condor_status", "-pool", ADDRESS, "-collector", timeout_seconds=10
        )
        return asked.exit_code != 0

    def _do(
        self,
        tool: str,
        words: tuple[str, ...],
        *,
        ours: bool,
        knobs: Mapping[str, str] | None = None,
    ) -> Result:
        if ours:
            return self._collector.our_tool(
                tool, *words, knobs={**TRUSTING, **(knobs or {})}
            )
        return self._collector.tool(_TOOLS[tool], *words, knobs=knobs)

    def _plain(self, text: str) -> str:
        """Output without the places of one run, and without how often something was."""
        text = text.replace(str(self._collector.sandbox.work), "WORK")
        text = re.sub(r"collector-(real|twisted)", "collector", text)
        text = re.sub(r"# at: (<Command line>|WORK\S*, line \d+)", "# at: SOURCE", text)
        return re.sub(r"#\t(<Command line>|WORK\S*)", "#\tSOURCE", text)
