"""Phase: configurations, as the real ``condor_config_val`` and ours read them.

Every file of the corpus is read by both, in the same directory, and all that either
says of every name has to be the same; then some files in every other way of showing.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from interop.corpus import Case, blocks_of, comparable, copy_corpus, read_cases
from interop.peers import our_environment, our_tool_command
from interop.report import Report
from interop.sandbox import Result, Sandbox

__all__ = ["check_configurations", "check_same"]

_OF_THE_HOST = re.compile(
    r"(OPSYS|UTSNAME_|PID\b|PPID\b|PYTHON3|CONDOR_BUILD_PLATFORM\b|CONDOR_VERSION\b)"
)
_SHOWN_LINES = 300
_VERSION = re.compile(r"\$CondorVersion: [^$]*\$")

_SHOWN: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("assignment.conf", ("PLAIN", "EMPTY", "QUOTED", "NO_SUCH_NAME", "UMLAUT")),
    ("assignment.conf", ("-raw", "HASH", "EMPTY", "NO_SUCH_NAME")),
    ("assignment.conf", ("-verbose", "INDENTED", "mixedcase")),
    ("assignment.conf", ("-verbose", "EMPTY", "NO_SUCH_NAME", "PLAIN")),
    ("assignment-defaults.conf", ("-default", "COLLECTOR_PORT", "NO_SUCH", "LOG")),
    ("assignment-defaults.conf", ("-summary",)),
    ("assignment-defaults.conf", ("-dump", "NEGOTIATOR_INTER", "^SHARED_PORT")),
    ("assignment-defaults.conf", ("-dump", "-default", "SHARED_PORT_PORT")),
    ("assignment-defaults.conf", ("-dump", "-expanded", "SHARED_PORT_PORT")),
    ("assignment-colon.conf", ("OLD", "OLD_URL")),
    ("here.conf", ("HERE", "ONE_LINE")),
    ("here.conf", ("-verbose", "HERE", "NOTHING", "SELF")),
    ("here.conf", ("-dump", "HERE", "SELF")),
    ("here.conf", ("-summary",)),
    ("references.conf", ("NESTED", "DEFAULT_LIST", "UNDEFINED", "EMPTY_NAME")),
    ("references.conf", ("-raw", "-verbose", "NESTED")),
    ("references.conf", ("-macro", "x $(LATE) y", "$INT(3.5)")),
    ("references.conf", ("-dump", "-expanded", "-verbose", "DEFAULT")),
    ("environment.conf", ("-summary",)),
    ("include-nested.conf", ("-summary",)),
    ("local-files.conf", ("-summary",)),
    ("local-files.conf", ("-config",)),
    ("local-files.conf", ("-config", "ORDER")),
    ("local-chained.conf", ("-dump", "ORDER")),
    ("use-desktop.conf", ("-summary",)),
    ("use-upgrade.conf", ("-summary",)),
    ("use-upgrade.conf", ("-writeconfig:file,upgrade", "-")),
    ("use-desktop.conf", ("-writeconfig", "-")),
    ("use-desktop.conf", ("-writeconfig:file,only", "-")),
    ("here.conf", ("-writeconfig", "-", "HERE")),
    ("environment.conf", ("-writeconfig:environment,only", "-")),
    ("environment.conf", ("-writeconfig:comment,environment,file", "-")),
    ("assignment-defaults.conf", ("-writeconfig:matches_default,sort,source", "-")),
    ("local-files.conf", ("-writeconfig:file,sort,source", "-")),
    ("local-files.conf", ("-trace", "ORDER")),
    ("use-desktop.conf", ("-trace", "-dump", "START|^A")),
    ("references.conf", ("-trace", "-verbose", "NESTED", "LATE")),
    ("assignment-defaults.conf", ("-trace", "COLLECTOR_PORT", "LOG")),
    ("prefixes-local.conf", ("A", "B", "C", "COLLECTOR.D", "LOC.E")),
    ("prefixes.conf", ("-verbose", "A", "B", "C", "F", "UPDATE_INTERVAL")),
    ("prefixes.conf", ("-raw", "A", "F")),
    ("warning.conf", ("A", "B")),
    ("domains.conf", ("FULL", "HOSTNAME", "UID_DOMAIN", "FULL_HOSTNAME")),
    ("specials.conf", ("use", "ROLE")),
    ("specials.conf", ("use", "FEATURE")),
    ("specials.conf", ("use", "NOSUCH")),
    ("specials.conf", ("use", "ROLE:NoSuch")),
    *(
        (f"error-{what}.conf", ("A",))
        for what in ("endif", "include", "operator", "use")
    ),
)
"""File, and what is asked of it."""


def check_configurations(sandbox: Sandbox, report: Report) -> None:
    """Read every file with both tools, and compare.

    Args:
        sandbox: Where the real tool runs.
        report: Gets a check per file and per way of asking.
    """
    directory = sandbox.work / "corpus"
    directory.mkdir()
    copy_corpus(directory)
    both = _Both(sandbox, directory)
    cases = {case.name: case for case in read_cases()}
    for case in cases.values():
        _check_dump(both, case, report)
    for name, arguments in _SHOWN:
        case = cases[name]
        label = f"config-val {' '.join(arguments)} of {name}"
        with report.guarded(label):
            real, ours = both.ask(case, [*case.options, *arguments])
            same = bool(real.exit_code) is bool(ours.exit_code)
            report.check(
                f"{label}: exit code",
                same,
                f"{ours.exit_code}, not {real.exit_code}\n{ours.errors}",
            )
            if name.startswith("error-"):
                continue
            check_same(report, label, real.output, ours.output)
            said = f"{label}: what is said of it"
            check_same(report, said, real.errors, ours.errors)


class _Both:
    """The two tools in one directory."""

    def __init__(self, sandbox: Sandbox, directory: Path) -> None:
        self._sandbox = sandbox
        self._directory = directory

    def ask(self, case: Case, arguments: Sequence[str]) -> tuple[Result, Result]:
        """Ask both the same."""
        return self._run(case, arguments, ours=False), self._run(
            case, arguments, ours=True
        )

    def _run(self, case: Case, arguments: Sequence[str], *, ours: bool) -> Result:
        for left in self._directory.glob("parts/*.tmp"):
            left.unlink()
        environment = {"CONDOR_CONFIG": f"{self._directory}/{case.name}"}
        # A shell on the way would drop variables whose names have dots.
        variables = [f"{name}={text}" for name, text in case.environment.items()]
        place = ["env", "-C", str(self._directory), *variables]
        if not ours:
            return self._sandbox.run(
                [*place, "condor_config_val", *arguments], environment=environment
            )
        return self._sandbox.run(
            [*place, *our_tool_command("config-val"), *arguments],
            environment={**our_environment(), **environment},
            beside=True,
        )


def _check_dump(both: _Both, case: Case, report: Report) -> None:
    label = f"config-val {' '.join(case.arguments)} of {case.name}"
    with report.guarded(label):
        real, ours = both.ask(case, case.arguments)
        if real.exit_code or ours.exit_code:
            report.check(
                f"{label}: refused by both",
                bool(real.exit_code) and bool(ours.exit_code),
                f"{ours.exit_code}, not {real.exit_code}\n{ours.errors}{real.errors}",
            )
            return
        check_same(report, label, _blocks(real.output), _blocks(ours.output))


def check_same(
    report: Report, label: str, real: Sequence[str] | str, ours: Sequence[str] | str
) -> None:
    """Record whether both said the same, in the same order.

    Args:
        report: Gets the check.
        label: What is compared.
        real: What the real side said: a text, or its parts.
        ours: What ours said.
    """
    if isinstance(real, str):
        real = _lines(real)
    if isinstance(ours, str):
        ours = _lines(ours)
    changes = difflib.unified_diff(real, ours, "real", "ours", lineterm="", n=0)
    shown = [line for line in changes if not line.startswith("@@")]
    report.check(label, not shown, "\n".join(shown[:_SHOWN_LINES]))


def _blocks(output: str) -> list[str]:
    return [
        comparable(block)
        for name, block in blocks_of(output)
        if not _OF_THE_HOST.match(name)
    ]


def _lines(text: str) -> list[str]:
    """The lines of an output, without what differs from version to version."""
    return _VERSION.sub("$CondorVersion$", comparable(text)).splitlines()
