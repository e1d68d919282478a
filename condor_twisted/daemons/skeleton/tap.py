"""``twistd condor-skeleton``: its options, and how its service is made."""

from __future__ import annotations

from twisted.application.service import IService

from condor_twisted.daemoncore.options import DaemonOptions, make_service
from condor_twisted.daemons.skeleton.service import Skeleton

__all__ = ["Options", "makeService"]


class Options(DaemonOptions):
    """Options of ``twistd condor-skeleton``."""

    subsystem = "SKELETON"


def makeService(options: Options) -> IService:
    """The skeleton that a command line asks for."""
    return make_service(Skeleton, options)
