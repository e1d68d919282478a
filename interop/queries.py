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

_MANAGER = POOL_HOSTS[0]
_MACHINES = POOL_HOSTS[1:4]
_SCHEDDS = POOL_HOSTS[4:]
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
    _query(f"slot1@{_MACHINES[0]}", "-long", form="long"),
    _query(_MACHINES[1], "-af", "Name"),
    _query("-schedd", _SCHEDDS[0], "-long", form="long"),
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
    _fill(advertise)
    for query in QUERIES:
        result = collector.tool("condor_status", *query.options)
        report_failure(report, collector, query.name, result)
        recording.outputs[query] = result.output
    meanwhile()
    _empty(advertise)
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

    def __call__(self, step: str, options: Sequence[str], *sent: ads.Ad) -> None:
        """Send ads; the step's name has to be new.

        Over UDP one call in two is raw and the other within an encrypted session: the
        two forms that a datagram can have.
        """
        assert step not in self.recording.steps, f"{step} was there before"
        self._file.write_text(ads.render_ads(sent), encoding="utf-8")
        self._file.chmod(0o644)
        result = self.collector.tool(
            "condor_advertise",
            "-pool",
            ADDRESS,
            *options,
            str(self._file),
            knobs=self._knobs(options),
        )
        name = f"condor_advertise {' '.join(options)}: {step}"
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


def _fill(advertise: _Advertiser) -> None:
    slots = [
        ads.slot_ad(_MACHINES[0], "slot1", 4001, **ads.TROUBLESOME),
        ads.slot_ad(
            _MACHINES[0],
            "slot1_1",
            4001,
            State='"Claimed"',
            Activity='"Busy"',
            DynamicSlot="true",
            PartitionableSlot="false",
            SlotType='"Dynamic"',
            Memory="512",
            Cpus="1",
            RemoteOwner=f'"alice@{_MANAGER}"',
            RemoteUser=f'"alice@{_MANAGER}"',
            ClientMachine=ads.string(_SCHEDDS[0]),
            JobId='"7.0"',
            LoadAvg="0.97",
        ),
        ads.slot_ad(_MACHINES[1], "slot1", 4011, Memory="64000", Cpus="16"),
        ads.slot_ad(
            _MACHINES[1],
            "slot2",
            4011,
            State='"Owner"',
            PartitionableSlot="false",
            SlotType='"Static"',
            HasStartDaemonAd="false",
        ),
    ]
    last = ads.slot_ad(_MACHINES[2], "slot1", 4021, Arch='"aarch64"', GPUs="2")
    del last["HasStartDaemonAd"]
    advertise("slots", ["-tcp", "-multiple", "UPDATE_STARTD_AD"], *slots)
    advertise("a slot without a daemon ad", ["-tcp", "UPDATE_STARTD_AD"], last)
    advertise(
        "machines",
        ["-multiple", "UPDATE_STARTD_AD"],
        ads.startd_ad(_MACHINES[0], 4001),
        ads.startd_ad(_MACHINES[1], 4011),
    )
    advertise(
        "schedds",
        ["-udp", "-multiple", "UPDATE_SCHEDD_AD"],
        ads.schedd_ad(_SCHEDDS[0], TotalIdleJobs="12", TotalRunningJobs="3"),
        ads.schedd_ad(_SCHEDDS[1], 4012, TotalHeldJobs="4"),
    )
    for machine in (*_MACHINES, _MANAGER):
        master = ads.master_ad(machine)
        advertise(f"master of {machine}", ["-udp", "UPDATE_MASTER_AD"], master)
    advertise(
        "submitters",
        ["-tcp", "-multiple", "UPDATE_SUBMITTOR_AD"],
        ads.submitter_ad(f"alice@{_MANAGER}", _SCHEDDS[0], IdleJobs="5"),
        ads.submitter_ad(f"alice@{_MANAGER}", _SCHEDDS[1], RunningJobs="2"),
        ads.submitter_ad(f"group.bob@{_MANAGER}", _SCHEDDS[1], HeldJobs="1"),
    )
    advertise("negotiator", ["UPDATE_NEGOTIATOR_AD"], ads.negotiator_ad(_MANAGER))
    advertise(
        "accounting",
        ["-multiple", "UPDATE_ACCOUNTING_AD"],
        ads.accounting_ad(f"alice@{_MANAGER}", _MANAGER),
        ads.accounting_ad("<none>", _MANAGER),
    )
    _fill_the_rare_types(advertise)
    _update_again(advertise, slots[2])


def _fill_the_rare_types(advertise: _Advertiser) -> None:
    address = ads.string("<127.0.0.1:4009>")
    advertise(
        "generic ads",
        ["-udp", "-multiple", "UPDATE_AD_GENERIC"],
        ads.generic_ad("Frob", "frob-1", Size="17", **ads.TROUBLESOME),
        ads.generic_ad("Frob", "frob-2", Size="18"),
        ads.generic_ad("FROB", "frob-3", Size="19"),
        ads.generic_ad("Defrag", f"defrag@{_MANAGER}", RecentDrainSuccesses="1"),
    )
    advertise(
        "had",
        ["UPDATE_HAD_AD"],
        {"MyType": '"HAD"', "Name": '"had@cm"', "MyAddress": address},
    )
    advertise(
        "grid",
        ["UPDATE_GRID_AD"],
        {
            "MyType": '"Grid"',
            "HashName": '"batch slurm"',
            "Owner": '"alice"',
            "ScheddName": ads.string(_SCHEDDS[0]),
            "ScheddIpAddr": address,
            "MyAddress": address,
            "NumJobs": "3",
            "JobLimit": "100",
        },
    )
    advertise(
        "storage",
        ["UPDATE_STORAGE_AD"],
        {"MyType": '"Storage"', "Name": '"disk@cm"', "MyAddress": address},
    )
    advertise(
        "license",
        ["UPDATE_LICENSE_AD"],
        {"MyType": '"License"', "Name": '"matlab@cm"', "MyAddress": address},
    )
    advertise(
        "checkpoint server",
        ["UPDATE_CKPT_SRVR_AD"],
        {
            "MyType": '"CkptServer"',
            "Machine": '"ckpt.pool.example"',
            "MyAddress": address,
            "Disk": "1000",
        },
    )
    advertise(
        "another collector",
        ["UPDATE_COLLECTOR_AD"],
        {
            "MyType": '"Collector"',
            "Name": '"Other@cm2.pool.example"',
            "Machine": '"cm2.pool.example"',
            "MyAddress": address,
            "RunningJobs": "0",
            "IdleJobs": "0",
            "HostsTotal": "0",
        },
    )


def _update_again(advertise: _Advertiser, slot: ads.Ad) -> None:
    """Count updates: the next one, one after a gap, a repeated one, a restart."""
    first = int(slot["UpdateSequenceNumber"])
    for step, number in (("next", 1), ("gap", 5), ("same", 5), ("back", 2)):
        again = slot | {"UpdateSequenceNumber": str(first + number)}
        advertise(f"update, {step} number", ["-tcp", "UPDATE_STARTD_AD"], again)
    restarted = slot | {"DaemonStartTime": "1790000500", "UpdateSequenceNumber": "1"}
    advertise("update after a restart", ["-udp", "UPDATE_STARTD_AD"], restarted)
    advertise(
        "acknowledged update",
        ["-tcp", "UPDATE_STARTD_AD_WITH_ACK"],
        restarted | {"UpdateSequenceNumber": "2"},
    )
    advertise(
        "merge",
        ["-tcp", "MERGE_STARTD_AD"],
        {
            "MyType": '"Machine"',
            "Name": slot["Name"],
            "MyAddress": slot["MyAddress"],
            "OfflineMatches": "3",
            "Mips": "undefined",
            "MachineMatchCount": "1",
        },
    )


def _empty(advertise: _Advertiser) -> None:
    """Invalidate by key, by constraint, in vain, over TCP and UDP."""
    for step, options, ad in (
        (
            "a slot by its name",
            ["-tcp", "INVALIDATE_STARTD_ADS"],
            ads.invalidation_ad(
                "Machine", "false", Name=ads.string(f"slot1_1@{_MACHINES[0]}")
            ),
        ),
        (
            "a slot that is not there",
            ["-tcp", "INVALIDATE_STARTD_ADS"],
            ads.invalidation_ad("Machine", "true", Name=ads.string("slot9@nowhere")),
        ),
        (
            "a machine by its name",
            ["-udp", "INVALIDATE_STARTD_ADS"],
            ads.invalidation_ad("StartD", "true", Name=ads.string(_MACHINES[1])),
        ),
        (
            "slots by constraint",
            ["-tcp", "INVALIDATE_STARTD_ADS"],
            ads.invalidation_ad("Machine", "Memory > 50000"),
        ),
        (
            "slots by a constraint on TARGET",
            ["-tcp", "INVALIDATE_STARTD_ADS"],
            ads.invalidation_ad("Machine", "TARGET.Memory > 0"),
        ),
        (
            "a schedd",
            ["-tcp", "INVALIDATE_SCHEDD_ADS"],
            ads.invalidation_ad(
                "Scheduler",
                "true",
                Name=ads.string(_SCHEDDS[0]),
                MyAddress=ads.string("<127.0.0.1:4002>"),
            ),
        ),
        (
            "masters by constraint",
            ["-udp", "INVALIDATE_MASTER_ADS"],
            ads.invalidation_ad("DaemonMaster", f'Machine != "{_MANAGER}"'),
        ),
        (
            "submitters by constraint",
            ["-tcp", "INVALIDATE_SUBMITTOR_ADS"],
            ads.invalidation_ad("Submitter", f'ScheddName == "{_SCHEDDS[1]}"'),
        ),
        (
            "a generic ad",
            ["-tcp", "INVALIDATE_ADS_GENERIC"],
            ads.invalidation_ad("Frob", "true", Name='"frob-2"'),
        ),
        (
            "a generic type that is not there",
            ["-tcp", "INVALIDATE_ADS_GENERIC"],
            ads.invalidation_ad("Scheduler", "true"),
        ),
        (
            "accounting without its negotiator",
            ["INVALIDATE_ACCOUNTING_ADS"],
            ads.invalidation_ad("Accounting", "true", Name='"<none>"'),
        ),
        (
            "the negotiator",
            ["INVALIDATE_NEGOTIATOR_ADS"],
            ads.invalidation_ad("Negotiator", "true", Name=ads.string(_MANAGER)),
        ),
        (
            "the grid by constraint",
            ["INVALIDATE_GRID_ADS"],
            ads.invalidation_ad("Grid", "NumJobs == 3"),
        ),
        (
            "had",
            ["INVALIDATE_HAD_ADS"],
            ads.invalidation_ad("HAD", "true", Name='"had@cm"'),
        ),
        (
            "storage",
            ["INVALIDATE_STORAGE_ADS"],
            ads.invalidation_ad("Storage", "true", Name='"disk@cm"'),
        ),
        (
            "license",
            ["INVALIDATE_LICENSE_ADS"],
            ads.invalidation_ad(
                "License",
                "true",
                Name='"matlab@cm"',
                MyAddress=ads.string("<127.0.0.1:4009>"),
            ),
        ),
        (
            "checkpoint server",
            ["INVALIDATE_CKPT_SRVR_ADS"],
            ads.invalidation_ad("CkptServer", "true", Machine='"ckpt.pool.example"'),
        ),
        (
            "another collector",
            ["INVALIDATE_COLLECTOR_ADS"],
            ads.invalidation_ad("Collector", "true", Name='"Other@cm2.pool.example"'),
        ),
        (
            "everything of one type",
            ["-tcp", "INVALIDATE_STARTD_ADS"],
            ads.invalidation_ad("Machine", "true"),
        ),
    ):
        name = f"invalidation of {step}"
        advertise(name, options, ad)
        advertise.left(name)
