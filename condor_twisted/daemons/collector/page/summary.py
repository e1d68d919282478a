"""Counts and counters of a pool: for the page as JSON, and for Prometheus.

Source: the Prometheus text exposition format, version 0.0.4.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from condor_twisted.classad.literals import parse_literal
from condor_twisted.constants import attributes
from condor_twisted.daemons.collector.page.view import PoolView
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.records import raw_values
from condor_twisted.wire.versions import ANNOUNCED_VERSION

__all__ = ["PoolSummary", "count_pool", "exposition", "summary_json"]

_SLICE: Final = 1000
#: What a slot's state can be; anything else is counted as one.
#: Source: ``src/condor_utils/condor_state.cpp``.
_STATES: Final = frozenset(
    (
        *("Owner", "Unclaimed", "Matched", "Claimed", "Preempting"),
        *("Shutdown", "Delete", "Backfill", "Drained"),
    )
)
_OTHER: Final = "Other"
_PREFIX: Final = "condor_collector_"


@dataclass(frozen=True, slots=True)
class PoolSummary:
    """A pool at a glance.

    Args:
        name: The collector's name.
        address: Its sinful string.
        version: What it says it is.
        status: ``warming-up`` or ``ready``.
        time_unix: When this was counted.
        ads: How many ads there are, by type; types without any are left out.
        slots: How many slots are in which state.
        cpus: How many processors these have.
        running_jobs: As the submitters' ads say.
        idle_jobs: As the submitters' ads say.
        streams: Clients that listen to changes.
        stored_bytes: What the ads take, roughly.
        counters: The collector's own counters, under the names of its own ad.
    """

    name: str
    address: str
    version: str
    status: str
    time_unix: int
    ads: Mapping[str, int]
    slots: Mapping[str, int]
    cpus: Mapping[str, int]
    running_jobs: int
    idle_jobs: int
    streams: int
    stored_bytes: int
    counters: Mapping[str, int | float]


def count_pool(view: PoolView, streams: int) -> Generator[bytes, None, PoolSummary]:
    """Count; each step does bounded work, and gives an empty piece.

    Args:
        view: The collector.
        streams: Clients that listen to changes.
    """
    state = view.state
    slots: Counter[str] = Counter()
    cpus: Counter[str] = Counter()
    records = list(state.store.table(kinds.SLOT).records.values())
    for at in range(0, len(records), _SLICE):
        some = records[at : at + _SLICE]
        names = map(_state_name, raw_values(some, attributes.STATE))
        for name, cores in zip(names, raw_values(some, "Cpus"), strict=True):
            slots[name] += 1
            cpus[name] += _whole_number(cores)
        yield b""
    running = idle = 0
    records = list(state.store.table(kinds.SUBMITTER).records.values())
    for at in range(0, len(records), _SLICE):
        some = records[at : at + _SLICE]
        running += sum(map(_whole_number, raw_values(some, attributes.RUNNING_JOBS)))
        idle += sum(map(_whole_number, raw_values(some, attributes.IDLE_JOBS)))
        yield b""
    now = view.now()
    return PoolSummary(
        name=view.pool_name(),
        address=view.address(),
        version=ANNOUNCED_VERSION,
        status="warming-up" if view.is_warming_up() else "ready",
        time_unix=int(now),
        ads={
            table.kind.my_type: len(table)
            for table in state.store.public_tables()
            if len(table)
        },
        slots=dict(slots),
        cpus=dict(cpus),
        running_jobs=running,
        idle_jobs=idle,
        streams=streams,
        stored_bytes=state.store.stored_bytes,
        counters=state.statistics.publish(now),
    )


def _state_name(text: bytes | None) -> str:
    value = None if text is None else parse_literal(text)
    return value if isinstance(value, str) and value in _STATES else _OTHER


def _whole_number(text: bytes | None) -> int:
    value = 0 if text is None else parse_literal(text)
    return value if isinstance(value, int) and 0 <= value < 1 << 31 else 0


def summary_json(summary: PoolSummary) -> bytes:
    """A summary as one JSON object."""
    return json.dumps(asdict(summary)).encode("ascii") + b"\n"


def exposition(summary: PoolSummary) -> bytes:
    """A summary for Prometheus."""
    counters = summary.counters
    by_label = {
        name: [
            ({"type": key.partition("_")[2]}, value)
            for key, value in counters.items()
            if key.startswith(name + "_")
        ]
        for name in ("UpdatesTotal", "UpdatesInitial", "UpdatesLost")
    }
    queries = [
        ({"subsystem": key[len(prefix) :], "evaluated": where}, value)
        for prefix, where in (
            ("InProcQueriesFrom", "in_process"),
            ("ForkQueriesFrom", "by_worker"),
        )
        for key, value in counters.items()
        if key.startswith(prefix)
    ]
    ready = int(summary.status == "ready")
    started = summary.time_unix - int(counters["StatsLifetime"])
    families = (
        ("ready", "gauge", "1 once the warm-up is over.", _single(ready)),
        (
            "start_time_seconds",
            "gauge",
            "When the collector started, Unix time.",
            _single(started),
        ),
        ("ads", "gauge", "Ads by type.", _labelled("type", summary.ads)),
        ("slots", "gauge", "Slots by state.", _labelled("state", summary.slots)),
        (
            "slot_cpus",
            "gauge",
            "Processors of slots by the slot's state.",
            _labelled("state", summary.cpus),
        ),
        (
            "running_jobs",
            "gauge",
            "Running jobs as submitters tell.",
            _single(summary.running_jobs),
        ),
        (
            "idle_jobs",
            "gauge",
            "Idle jobs as submitters tell.",
            _single(summary.idle_jobs),
        ),
        (
            "updates_total",
            "counter",
            "Updates received, by the kind of ads.",
            by_label["UpdatesTotal"],
        ),
        (
            "updates_initial_total",
            "counter",
            "Updates without one before them.",
            by_label["UpdatesInitial"],
        ),
        (
            "updates_lost_total",
            "counter",
            "Updates that did not arrive, by their sequence numbers.",
            by_label["UpdatesLost"],
        ),
        ("queries_total", "counter", "Queries, by who asks.", queries),
        (
            "queries_dropped_total",
            "counter",
            "Queries refused for lack of workers.",
            _single(counters["DroppedQueries"]),
        ),
        (
            "stored_bytes",
            "gauge",
            "Memory that the ads take, estimated.",
            _single(summary.stored_bytes),
        ),
        (
            "page_streams",
            "gauge",
            "Clients that listen to changes.",
            _single(summary.streams),
        ),
    )
    lines: list[str] = []
    for name, kind, text, samples in families:
        lines.extend(_family(_PREFIX + name, kind, text, samples))
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


_Sample = tuple[Mapping[str, str], int | float]


def _single(value: int | float) -> list[_Sample]:
    return [({}, value)]


def _labelled(label: str, values: Mapping[str, int]) -> list[_Sample]:
    return [({label: key}, value) for key, value in values.items()]


def _family(
    name: str, kind: str, text: str, samples: Iterable[_Sample]
) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
