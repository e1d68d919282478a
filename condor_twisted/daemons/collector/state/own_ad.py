"""The collector's ad about itself.

Source: ``src/condor_collector.V6/collector.cpp: init_classad, sendCollectorAd``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from condor_twisted.classad.wire_ad import AdBuilder, AdValue
from condor_twisted.constants import attributes
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.tables import AdStore
from condor_twisted.wire.messages import EncodedAd

__all__ = ["OwnFacts", "PoolTotals", "build_own_ad", "own_name"]

_SLICE: Final = 500
#: Universes by number, as the statistics spell them.
#: Source: ``src/condor_utils/condor_universe.cpp``.
_UNIVERSES: Final = (
    "Unknown",
    "Standard",
    "Pipe",
    "Linda",
    "PVM",
    "Vanilla",
    "PVMD",
    "Scheduler",
    "MPI",
    "Grid",
    "Java",
    "Parallel",
    "Local",
    "VM",
)


def own_name(configured: str | None, local_name: str | None, host_name: str) -> str:
    """The collector's Name.

    Args:
        configured: ``COLLECTOR_NAME``, if it is set.
        local_name: The daemon's local name, if it has one.
        host_name: The fully qualified name of this host.
    """
    if configured:
        return configured if "@" in configured else f"{configured}@{host_name}"
    return local_name or host_name


@dataclass(frozen=True, slots=True)
class OwnFacts:
    """What the collector knows about itself.

    Args:
        name: See :func:`own_name`.
        host_name: The fully qualified name of this host.
        address: The sinful string that peers use.
        update_interval_seconds: Period of the ad.
        further: Further public attributes: versions, the administrator, what every
            daemon publishes.
        admin_capability: An administrator's session, a private attribute.
    """

    name: str
    host_name: str
    address: str
    update_interval_seconds: int = 900
    further: Mapping[str, AdValue] = field(default_factory=dict)
    admin_capability: str | None = field(default=None, repr=False)


class PoolTotals:
    """Sums over all slots and submitters."""

    def __init__(self) -> None:
        self.running_jobs = 0
        self.idle_jobs = 0
        self.hosts = 0
        self.hosts_claimed = 0
        self.hosts_unclaimed = 0
        self.hosts_owner = 0
        self.universes = [0] * len(_UNIVERSES)

    def count(self, store: AdStore) -> Iterator[None]:
        """Count; each step does bounded work.

        Differs from HTCondor, which stops counting at the first ad that lacks
        an attribute; here such an ad is left out.
        """
        seen = 0
        for record in list(store.table(kinds.SUBMITTER).records.values()):
            seen += 1
            if seen % _SLICE == 0:
                yield
            self.running_jobs += record.integer(attributes.RUNNING_JOBS) or 0
            self.idle_jobs += record.integer(attributes.IDLE_JOBS) or 0
        for record in list(store.table(kinds.SLOT).records.values()):
            seen += 1
            if seen % _SLICE == 0:
                yield
            state = record.string(attributes.STATE)
            if state is None:
                continue
            self.hosts += 1
            self.hosts_claimed += state[:1] == "C"
            self.hosts_unclaimed += state[:1] == "U"
            self.hosts_owner += state[:1] == "O"
            universe = record.integer(attributes.JOB_UNIVERSE)
            if universe is not None and 0 <= universe < len(_UNIVERSES):
                self.universes[universe] += 1

    def publish(self, peaks: list[int]) -> dict[str, AdValue]:
        """The sums under the names of the collector's ad.

        Args:
            peaks: The largest number of jobs in each universe so far, and of all; it
                is brought up to date. Starts empty.
        """
        values: dict[str, AdValue] = {
            attributes.RUNNING_JOBS: self.running_jobs,
            attributes.IDLE_JOBS: self.idle_jobs,
            "HostsTotal": self.hosts,
            "HostsClaimed": self.hosts_claimed,
            "HostsUnclaimed": self.hosts_unclaimed,
            "HostsOwner": self.hosts_owner,
        }
        current = [*self.universes, sum(self.universes)]
        peaks[:] = map(max, current, peaks or current)
        for name, now, peak in zip((*_UNIVERSES, "All"), current, peaks, strict=True):
            values[f"CurrentJobsRunning{name}"] = now
            values[f"MaxJobsRunning{name}"] = peak
        return values


def build_own_ad(
    facts: OwnFacts, totals: Mapping[str, AdValue], now: float
) -> EncodedAd:
    """The collector's ad.

    Args:
        facts: What it is.
        totals: Sums and counters.
        now: The time, in seconds since the epoch.
    """
    builder = AdBuilder()
    builder.update(
        {
            attributes.MY_TYPE: kinds.COLLECTOR.my_type,
            attributes.NAME: facts.name,
            attributes.MACHINE: facts.host_name,
            attributes.MY_ADDRESS: facts.address,
            attributes.COLLECTOR_IP_ADDR: facts.address,
            # Kept for compatibility: the unit of this attribute is nobody's.
            "UpdateInterval": 24 * facts.update_interval_seconds,
            attributes.MY_CURRENT_TIME: int(now),
        }
    )
    builder.update(facts.further)
    builder.update(totals)
    if facts.admin_capability is not None:
        builder.set_secret(attributes.REMOTE_ADMIN_CAPABILITY, facts.admin_capability)
    ad = builder.build()
    return EncodedAd(len(ad), ad.body, ad.secret_lines)
