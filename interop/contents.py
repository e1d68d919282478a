"""What the query phase advertises, step by step, and how it takes the ads out again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from interop import ads
from interop.sandbox import POOL_HOSTS

__all__ = ["Step", "emptying", "filling"]

_MANAGER = POOL_HOSTS[0]
_MACHINES = POOL_HOSTS[1:4]
_SCHEDDS = POOL_HOSTS[4:]


@dataclass(frozen=True, slots=True)
class Step:
    """One call of ``condor_advertise``.

    Args:
        name: What it is about, as the report prints it.
        options: The command line, but for the pool and the file.
        ads: What is in the file.
    """

    name: str
    options: tuple[str, ...]
    ads: tuple[ads.Ad, ...]


def _step(name: str, options: Sequence[str], *sent: ads.Ad) -> Step:
    return Step(name, tuple(options), sent)


def filling() -> Iterator[Step]:
    """What fills a collector: every type of ad, over every transport."""
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
    yield _step("slots", ["-tcp", "-multiple", "UPDATE_STARTD_AD"], *slots)
    yield _step("a slot without a daemon ad", ["-tcp", "UPDATE_STARTD_AD"], last)
    yield _step(
        "machines",
        ["-multiple", "UPDATE_STARTD_AD"],
        ads.startd_ad(_MACHINES[0], 4001),
        ads.startd_ad(_MACHINES[1], 4011),
    )
    yield _step(
        "schedds",
        ["-udp", "-multiple", "UPDATE_SCHEDD_AD"],
        ads.schedd_ad(_SCHEDDS[0], TotalIdleJobs="12", TotalRunningJobs="3"),
        ads.schedd_ad(_SCHEDDS[1], 4012, TotalHeldJobs="4"),
    )
    for machine in (*_MACHINES, _MANAGER):
        master = ads.master_ad(machine)
        yield _step(f"master of {machine}", ["-udp", "UPDATE_MASTER_AD"], master)
    yield _step(
        "submitters",
        ["-tcp", "-multiple", "UPDATE_SUBMITTOR_AD"],
        ads.submitter_ad(f"alice@{_MANAGER}", _SCHEDDS[0], IdleJobs="5"),
        ads.submitter_ad(f"alice@{_MANAGER}", _SCHEDDS[1], RunningJobs="2"),
        ads.submitter_ad(f"group.bob@{_MANAGER}", _SCHEDDS[1], HeldJobs="1"),
    )
    yield _step("negotiator", ["UPDATE_NEGOTIATOR_AD"], ads.negotiator_ad(_MANAGER))
    yield _step(
        "accounting",
        ["-multiple", "UPDATE_ACCOUNTING_AD"],
        ads.accounting_ad(f"alice@{_MANAGER}", _MANAGER),
        ads.accounting_ad("<none>", _MANAGER),
    )
    yield from _rare_types()
    yield from _updates_again(slots[2])


def _rare_types() -> Iterator[Step]:
    address = ads.string("<127.0.0.1:4009>")
    yield _step(
        "generic ads",
        ["-udp", "-multiple", "UPDATE_AD_GENERIC"],
        ads.generic_ad("Frob", "frob-1", Size="17", **ads.TROUBLESOME),
        ads.generic_ad("Frob", "frob-2", Size="18"),
        ads.generic_ad("FROB", "frob-3", Size="19"),
        ads.generic_ad("Defrag", f"defrag@{_MANAGER}", RecentDrainSuccesses="1"),
    )
    yield _step(
        "had",
        ["UPDATE_HAD_AD"],
        {"MyType": '"HAD"', "Name": '"had@cm"', "MyAddress": address},
    )
    yield _step(
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
    yield _step(
        "storage",
        ["UPDATE_STORAGE_AD"],
        {"MyType": '"Storage"', "Name": '"disk@cm"', "MyAddress": address},
    )
    yield _step(
        "license",
        ["UPDATE_LICENSE_AD"],
        {"MyType": '"License"', "Name": '"matlab@cm"', "MyAddress": address},
    )
    yield _step(
        "checkpoint server",
        ["UPDATE_CKPT_SRVR_AD"],
        {
            "MyType": '"CkptServer"',
            "Machine": '"ckpt.pool.example"',
            "MyAddress": address,
            "Disk": "1000",
        },
    )
    yield _step(
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


def _updates_again(slot: ads.Ad) -> Iterator[Step]:
    """Count updates: the next one, one after a gap, a repeated one, a restart."""
    first = int(slot["UpdateSequenceNumber"])
    for step, number in (("next", 1), ("gap", 5), ("same", 5), ("back", 2)):
        again = slot | {"UpdateSequenceNumber": str(first + number)}
        yield _step(f"update, {step} number", ["-tcp", "UPDATE_STARTD_AD"], again)
    restarted = slot | {"DaemonStartTime": "1790000500", "UpdateSequenceNumber": "1"}
    yield _step("update after a restart", ["-udp", "UPDATE_STARTD_AD"], restarted)
    yield _step(
        "acknowledged update",
        ["-tcp", "UPDATE_STARTD_AD_WITH_ACK"],
        restarted | {"UpdateSequenceNumber": "2"},
    )
    yield _step(
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


def emptying() -> Iterator[Step]:
    """What takes ads out: by key, by constraint, in vain, over TCP and UDP."""
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
        yield _step(f"invalidation of {step}", options, ad)
