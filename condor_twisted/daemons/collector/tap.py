"""``twistd condor-collector``: its options, and how its service is made."""

from __future__ import annotations

from twisted.application.service import IService

from condor_twisted.daemoncore.options import DaemonOptions, make_service
from condor_twisted.daemoncore.program.garbage import collect_rarely
from condor_twisted.errors import ConfigError

__all__ = ["Options", "makeService"]


class Options(DaemonOptions):
    """Options of ``twistd condor-collector``."""

    subsystem = "COLLECTOR"


def makeService(options: Options) -> IService:
    """The collector that a command line asks for."""
    collect_rarely()
    from condor_twisted.daemons.collector.pool_page import DEFAULT_ENDPOINT
    from condor_twisted.daemons.collector.service import Collector

    try:
        is_embedded = options.configuration().is_embedded
    except ConfigError as error:
        options.fail(error)
    http = options["http"]
    if http is None and is_embedded:
        http = DEFAULT_ENDPOINT
    return make_service(Collector, options, http=http)
