"""``condor-twisted-collector``: the collector with DaemonCore's command line."""

from __future__ import annotations

from typing import NoReturn

from condor_twisted.daemoncore.main import run_daemon
from condor_twisted.daemons.collector.service import Collector

__all__ = ["main"]


def main() -> NoReturn:
    """Run a collector until it is stopped."""
    run_daemon(Collector)
