"""``condor-twisted-skeleton``: the skeleton with DaemonCore's command line."""

from __future__ import annotations

from typing import NoReturn

from condor_twisted.daemoncore.main import run_daemon
from condor_twisted.daemons.skeleton.service import Skeleton

__all__ = ["main"]


def main() -> NoReturn:
    """Run a skeleton until it is stopped."""
    run_daemon(Skeleton)
