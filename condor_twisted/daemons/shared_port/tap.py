"""``twistd condor-shared-port``: its options, and how its service is made."""

from __future__ import annotations

from twisted.application.service import IService

from condor_twisted.daemoncore.options import DaemonOptions, make_service
from condor_twisted.daemons.shared_port.service import SharedPort

__all__ = ["Options", "makeService"]


class Options(DaemonOptions):
    """Options of ``twistd condor-shared-port``."""

    subsystem = "SHARED_PORT"


def makeService(options: Options) -> IService:
    """The shared port daemon that a command line asks for."""
    return make_service(SharedPort, options)
