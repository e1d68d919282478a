"""``condor-twisted-collector``: the collector with DaemonCore's command line.

One option is its own, behind those of DaemonCore: where the pool page is
(``COLLECTOR_ARGS = --http tcp:9680``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from condor_twisted.daemoncore.program.command_line import (
    CommandLineError,
    take_no_options,
)
from condor_twisted.daemoncore.program.garbage import collect_rarely

__all__ = ["main", "take_options"]


def take_options(rest: Sequence[str]) -> dict[str, Any]:
    """The collector's own option.

    Raises:
        CommandLineError: Something else is there.
    """
    if not rest or rest[0] != "--http":
        return take_no_options(rest)
    if len(rest) < 2:
        raise CommandLineError("--http needs another argument: an endpoint, or none")
    return {**take_no_options(rest[2:]), "http": rest[1]}


def main() -> NoReturn:
    """Run a collector until it is stopped."""
    collect_rarely()
    from condor_twisted.daemoncore.main import run_daemon
    from condor_twisted.daemons.collector.service import Collector

    run_daemon(Collector, take_options=take_options)
