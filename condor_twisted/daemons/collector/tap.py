"""``twistd condor-collector``: the command line and the service."""

from __future__ import annotations

from typing import ClassVar

from condor_twisted.daemoncore.options import DaemonOptions, make_service
from condor_twisted.daemons.collector.service import Collector

__all__ = ["Options", "makeService"]


class Options(DaemonOptions):
    """What a collector can be told on the command line."""

    subsystem: ClassVar[str] = "COLLECTOR"
    longdesc = "An HTCondor collector: keeps the ads of a pool and answers queries."


def makeService(options: Options) -> Collector:
    """A collector that owns its process."""
    return make_service(Collector, options)
