"""Phase one: a collector filled by ``condor_advertise``, read by ``condor_status``.

`drive` does the same to any collector and keeps what the tools printed; `compare`
holds two such recordings against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from interop import ads
from interop.compare import (
    Difference,
    compare_ads,
    compare_json,
    compare_rows,
    parse_long,
)
from interop.contents import Step, emptying, filling
from interop.errors import InteropError
from interop.peers import ADDRESS, PORT, RAW, SEALED, Collector
from interop.report import Report
from interop.sandbox import POOL_HOSTS, Result, wait_until

__all__ = [
    "FORMS",
    "QUERIES",
    "Query",
    "Recording",
    "answer_size",
    "await_own_ad",
    "compare",
    "drive",
    "settle",
]

_MANAGER, _MACHINE, _OTHER_MACHINE, _, _SCHEDD, _ = POOL_HOSTS
_SETTLE_SECONDS = 10

Comparison = Callable[[str, str, str], list[Difference]]


def _compare_long(query: str, expected: str, actual: str) -> list[Difference]:
    return compare_ads(query, parse_long(expected), parse_long(actual))


FORMS: dict[str, Comparison] = {
    "long": _compare_long,
    "json": compare_json,
    "rows": compare_rows,
}


@dataclass(frozen=True, slots=True)
class Query:
    """One call of ``condor_status``.

    Args:
        options: Its command line.
        form: How to read what it prints: a key of `FORMS`, or ``limit`` where the
            collector chooses which ads to send.
    """

    options: tuple[str, ...]
    form: str = "rows"

    @property
    def name(self) -> str:
        """The command line, as the report prints it."""
        return " ".join(("condor_status", *self.options))


def _query(*options: str, form: str = "rows") -> Query:
    return Query(options, form)


_TYPES = (
    "-any",
    "-schedd",
    "-master",
    "-submitters",
    "-negotiator",
    "-collector",
    "-startd",
    "-grid",
    "-storage",
    "-license",
    "-generic",
    "-ckptsrvr",
    "-defrag",
)

QUERIES: tuple[Query, ...] = (
    _query(),
    *(_query(option) for option in _TYPES if option != "-license"),
    _query("-license", form="long"),
    *(_query(option, "-long", form="long") for option in _TYPES),
    _query("-long", form="long"),
    _query("-subsystem", "Frob", "-long", form="long"),
    _query("-subsystem", "accounting", "-long", form="long"),
    _query("-subsystem", "had", "-long", form="long"),
    _query("-json", form="json"),
    _query("-any", "-json", form="json"),
    _query("-schedd", "-json", "-attributes", "Name,TotalIdleJobs", form="json"),
    _query("-long", "-attributes", "Name,Memory,Requirements", form="long"),
    _query("-total"),
    _query("-schedd", "-total"),
    _query("-submitters", "-total"),
    _query("-compact"),
    _query("-state"),
    _query("-server"),
    _query("-run"),
    _query("-avail"),
    _query("-claimed"),
    _query("-gpus"),
    _query("-af", "Name", "State", "Activity", "Memory", "Cpus"),
    _query("-af:h", "Name", "Memory*2", "TotalLoadAvg*1.0/TotalCpus"),
    _query("-af:lrng", "Name", "WithinResourceLimits", *ads.TROUBLESOME),
    _query("-any", "-af", "MyType", "Name", "UpdatesTotal", "UpdatesLost"),
    _query("-any", "-af", "Name", "AuthenticatedIdentity", "AuthenticationMethod"),
    _query("-startd", "-af", "Name", "Machine", "TotalSlots"),
    _query("-format", "%s ", "Name", "-format", "%d\\n", "Memory"),
    _query("-constraint", 'State == "Claimed"', "-af", "Name"),
    _query("-constraint", 'regexp("^slot[12]@exec0[12]", Name)', "-af", "Name"),
    _query("-constraint", "Memory > 1000 && Nope =?= undefined", "-af", "Name"),
    _query("-constraint", "Nope == 3", "-af", "Name"),
    _query("-constraint", 'InteropUnicode == "Grüße, 世界, ☃, 🜨"', "-af", "Name"),
    _query("-constraint", "size(InteropList) == 7", "-af", "Name"),
    _query("-constraint", "InteropAd.Inner.Numbers[1] == 2", "-af", "Name"),
    _query("-constraint", 'stringListIMember("gpus", MachineResources, " ")'),
    _query("-constraint", "time() - LastHeardFrom < 900", "-total"),
    _query("-constraint", "PartitionableSlot", "-af", "Name"),
    _query("-constraint", "Cpus", "-af", "Name"),
    _query("-constraint", "1 / 0", "-af", "Name"),
    _query("-schedd", "-constraint", "TotalIdleJobs > 5", "-af", "Name"),
    _query("-any", "-constraint", 'MyType == "Frob"', "-long", form="long"),
    _query(f"slot1@{_MACHINE}", "-long", form="long"),
    _query(_OTHER_MACHINE, "-af", "Name"),
    _query("-schedd", _SCHEDD, "-long", form="long"),
    _query("-submitters", f"alice@{_MANAGER}"),
    _query("-limit", "2", "-af", "Name", form="limit"),
    _query("-limit", "1", "-long", form="limit"),
    _query("-any", "-limit", "3", "-af", "Name", form="limit"),
    _query("-limit", "100", "-af", "Name"),
    _query("-sort", "-Memory", "-af", "Name", "Memory"),
    _query("-absent"),
)


@dataclass(slots=True)
class Recording:
    """Everything that the tools said to one collector, in order."""

    steps: dict[str, Result] = field(default_factory=dict)
    outputs: dict[Query, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)


def drive(
    collector: Collector, report: Report, work: Path, meanwhile: Callable[[], object]
) -> Recording:
    """Fill a collector, ask it everything, and take the ads out again.

    Args:
        collector: One that has just started.
        report: Where a tool that fails is recorded.
        work: Where the ads are written for the tools.
        meanwhile: Called while the collector is full.

    Returns:
        What the tools printed.
    """
    recording = Recording()
    await_own_ad(collector)
    advertise = _Advertiser(collector, report, work, recording)
    for step in filling():
        advertise(step)
    for query in QUERIES:
        result = collector.tool("condor_status", *query.options)
        report_failure(report, collector, query.name, result)
        recording.outputs[query] = result.output
    meanwhile()
    for step in emptying():
        advertise(step)
        advertise.left(step.name)
    return recording


def await_own_ad(collector: Collector) -> None:
    """Wait until the collector lists itself, so that its counters start alike.

    Raises:
        InteropError: It does not, in half a minute.
    """
    if not wait_until(
        lambda: bool(
            collector.tool("condor_status", "-collector", "-af", "Name").output
        ),
        30,
    ):
        raise InteropError(f"the {collector.kind.name} collector never lists itself")


def report_failure(
    report: Report, collector: Collector, name: str, result: Result
) -> None:
    """Record a tool that ended badly; one that ended well is silent."""
    if result.exit_code:
        report.check(
            f"{collector.kind.name}: {name}",
            False,
            f"exit code {result.exit_code}\n{result.errors or result.output}",
        )


def compare(report: Report, expected: Recording, actual: Recording) -> None:
    """Record one check per step and query."""
    for name, result in expected.steps.items():
        found = compare_rows(name, result.output, actual.steps[name].output)
        report.differences(f"{name} says the same", found)
    for query, output in expected.outputs.items():
        with report.guarded(query.name):
            if query.form == "limit":
                _check_limited(report, query, expected, actual)
            else:
                found = FORMS[query.form](query.name, output, actual.outputs[query])
                report.differences(f"{query.name}{_counted(query, output)}", found)
    for name, output in expected.after.items():
        found = compare_rows(name, output, actual.after[name])
        report.differences(f"after {name}, the same ads are left", found)


def _counted(query: Query, output: str) -> str:
    if query.form == "long":
        return f" ({len(parse_long(output))} ads)"
    return f" ({sum(1 for line in output.splitlines() if line.strip())} lines)"


def _check_limited(
    report: Report, query: Query, expected: Recording, actual: Recording
) -> None:
    """A limited answer is as long as the reference's; which ads is nobody's promise."""
    count = [answer_size(query, side.outputs[query]) for side in (expected, actual)]
    report.check(
        f"{query.name} ({count[0]} ads)",
        count[0] == count[1] and count[0] > 0,
        f"expected {count[0]} ads, got {count[1]}",
    )


def answer_size(query: Query, output: str) -> int:
    """Count the ads in an answer."""
    if "-long" in query.options:
        return len(parse_long(output))
    return sum(1 for line in output.splitlines() if line.strip())


class _Advertiser:
    """Calls ``condor_advertise`` and records what it says."""

    def __init__(
        self, collector: Collector, report: Report, work: Path, recording: Recording
    ) -> None:
        self.collector = collector
        self.report = report
        self.recording = recording
        self._udp_count = 0
        self._file = work / "advertised.ads"

    def __call__(self, step: Step) -> None:
        """Send a step's ads; its name has to be new.

        Over UDP one call in two is raw and the other within an encrypted session: the
        two forms that a datagram can have.
        """
        name = f"condor_advertise {' '.join(step.options)}: {step.name}"
        assert name not in self.recording.steps, f"{name} was there before"
        self._file.write_text(ads.render_ads(step.ads), encoding="utf-8")
        self._file.chmod(0o644)
        result = self.collector.tool(
            "condor_advertise",
            "-pool",
            ADDRESS,
            *step.options,
            str(self._file),
            knobs=self._knobs(step.options),
        )
        report_failure(self.report, self.collector, name, result)
        self.recording.steps[name] = result
        settle(self.collector)

    def _knobs(self, options: Sequence[str]) -> Mapping[str, str]:
        if "-udp" not in options:
            return {}
        self._udp_count += 1
        return RAW if self._udp_count % 2 else SEALED

    def left(self, step: str) -> None:
        """Record which ads are left after a step."""
        listed = self.collector.tool(
            "condor_status", "-any", "-af", "MyType", "Name", "UpdatesTotal"
        )
        report_failure(self.report, self.collector, f"what {step} leaves", listed)
        self.recording.after[step] = listed.output


def settle(collector: Collector) -> None:
    """Wait until the collector has read everything that was sent to it."""
    sandbox = collector.sandbox
    wait_until(
        lambda: sandbox.udp_queue(PORT)[0] + sandbox.tcp_unread_bytes(PORT) == 0,
        _SETTLE_SECONDS,
        every_seconds=0.02,
    )
