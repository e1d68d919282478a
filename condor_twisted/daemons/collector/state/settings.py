"""The knobs of a collector, read once and checked.

Source: ``src/condor_collector.V6/collector.cpp: CollectorDaemon::Config``.
"""

from __future__ import annotations

from dataclasses import dataclass

from condor_twisted.security.knobs import Knobs

__all__ = ["CollectorSettings"]

_MAX_INT32 = 2147483647


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    """What a collector's behaviour depends on.

    Args:
        classad_lifetime_seconds: Age at which an ad without its own
            ``ClassAdLifetime`` expires, and the period of the sweep; 0 = never.
        update_interval_seconds: Period of the collector's own ad.
        requirements: ``COLLECTOR_REQUIREMENTS``, an expression about incoming ads.
        allow_only_one_negotiator: A negotiator ad empties its table first.
        ignore_invalidate: Invalidations do nothing.
        expire_invalidated_ads: Invalidated ads expire instead of going at once.
        housekeeping_on_invalidate: An invalidation by constraint sweeps its table.
        persistent_ad_log: Path of the log of offline and absent ads, if any.
        offline_expire_after_seconds: Lifetime given to offline ads; <= 0 = none.
        absent_requirements: Which expiring slot ads are kept as absent.
        absent_expire_after_seconds: Lifetime of absent ads; 0 = the longest.
        daemon_statistics: Whether each daemon's updates are counted.
        history_bits: Length of ``UpdatesHistory`` in bits.
        statistics_sweep_seconds: Counters without updates for so long vanish.
        statistics_window_seconds: The span of the ``Recent...`` counters.
        statistics_quantum_seconds: Their granularity.
        query_workers: Expensive queries evaluated at once.
        query_workers_reserved: Of these, kept for negotiators and collectors.
        query_workers_pending: Expensive queries that may wait.
        query_timeout_seconds: A client that takes nothing for so long is dropped.
        query_worktime_seconds: Longest time a query may take; 0 = no limit.
        max_generic_types: Tables of generic types.
        max_type_name_bytes: Length of a generic type's name.
        max_ads: Stored ads, all tables together.
        max_stored_bytes: Their estimated size.
        encrypted_cache_bytes: Memory for ads in the form of encrypted streams.
    """

    classad_lifetime_seconds: int = 900
    update_interval_seconds: int = 900
    requirements: str | None = None
    allow_only_one_negotiator: bool = False
    ignore_invalidate: bool = False
    expire_invalidated_ads: bool = False
    housekeeping_on_invalidate: bool = True
    persistent_ad_log: str | None = None
    offline_expire_after_seconds: int = _MAX_INT32
    absent_requirements: str | None = None
    absent_expire_after_seconds: int = 2592000
    daemon_statistics: bool = True
    history_bits: int = 128
    statistics_sweep_seconds: int = 14400
    statistics_window_seconds: int = 1200
    statistics_quantum_seconds: int = 240
    query_workers: int = 4
    query_workers_reserved: int = 1
    query_workers_pending: int = 50
    query_timeout_seconds: int = 60
    query_worktime_seconds: int = 0
    max_generic_types: int = 1000
    max_type_name_bytes: int = 256
    max_ads: int = 200_000
    max_stored_bytes: int = 1 << 30
    encrypted_cache_bytes: int = 128 << 20

    @classmethod
    def from_knobs(cls, knobs: Knobs) -> CollectorSettings:
        """Read the settings from a configuration.

        Raises:
            ConfigError: A knob's value cannot be used.
        """
        workers = max(0, knobs.integer("COLLECTOR_QUERY_WORKERS", 4))
        reserved = knobs.integer("COLLECTOR_QUERY_WORKERS_RESERVE_FOR_HIGH_PRIO", 1)
        quantum = max(1, knobs.integer("STATISTICS_WINDOW_QUANTUM", 240))
        window = knobs.integer("STATISTICS_WINDOW_SECONDS", 1200)
        log = knobs.text("COLLECTOR_PERSISTENT_AD_LOG")
        return cls(
            classad_lifetime_seconds=max(0, knobs.integer("CLASSAD_LIFETIME", 900)),
            update_interval_seconds=max(
                1, knobs.integer("COLLECTOR_UPDATE_INTERVAL", 900)
            ),
            requirements=knobs.text("COLLECTOR_REQUIREMENTS") or None,
            allow_only_one_negotiator=knobs.boolean(
                "COLLECTOR_ALLOW_ONLY_ONE_NEGOTIATOR", False
            ),
            ignore_invalidate=knobs.boolean("IGNORE_INVALIDATE", False),
            expire_invalidated_ads=knobs.boolean("EXPIRE_INVALIDATED_ADS", False),
            housekeeping_on_invalidate=knobs.boolean(
                "HOUSEKEEPING_ON_INVALIDATE", True
            ),
            persistent_ad_log=log or knobs.text("OFFLINE_LOG") or None,
            offline_expire_after_seconds=knobs.integer(
                "OFFLINE_EXPIRE_ADS_AFTER", _MAX_INT32
            ),
            absent_requirements=knobs.text("ABSENT_REQUIREMENTS") or None,
            absent_expire_after_seconds=max(
                0, knobs.integer("ABSENT_EXPIRE_ADS_AFTER", 2592000)
            ),
            daemon_statistics=knobs.boolean("COLLECTOR_DAEMON_STATS", True),
            history_bits=min(
                4096, max(0, knobs.integer("COLLECTOR_DAEMON_HISTORY_SIZE", 128))
            ),
            statistics_sweep_seconds=knobs.integer("COLLECTOR_STATS_SWEEP", 14400),
            statistics_window_seconds=max(quantum, window),
            statistics_quantum_seconds=quantum,
            query_workers=workers,
            # One worker stays for the others.
            query_workers_reserved=max(0, min(reserved, workers - 1)),
            query_workers_pending=max(
                0, knobs.integer("COLLECTOR_QUERY_WORKERS_PENDING", 50)
            ),
            query_timeout_seconds=max(1, knobs.integer("QUERY_TIMEOUT", 60)),
            query_worktime_seconds=max(
                0, knobs.integer("COLLECTOR_QUERY_MAX_WORKTIME", 0)
            ),
        )
