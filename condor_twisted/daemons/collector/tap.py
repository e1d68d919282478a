"""``twistd condor-collector``: its options, and how its service is made."""

from __future__ import annotations

from typing import ClassVar

from twisted.application.service import IService

from condor_twisted.daemoncore.options import DaemonOptions, make_service
from condor_twisted.daemons.collector.service import Collector

__all__ = ["Options", "makeService"]


class Options(DaemonOptions):
    """Options of ``twistd condor-collector``."""

    subsystem: ClassVar[str] = "COLLECTOR"


def makeService(options: Options) -> IService:
    """The collector that a command line asks for."""
    return make_service(Collector, options)
