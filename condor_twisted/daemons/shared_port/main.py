"""``condor-twisted-shared-port``: the daemon with DaemonCore's command line."""

from __future__ import annotations

from typing import NoReturn

from condor_twisted.daemoncore.main import run_daemon
from condor_twisted.daemons.shared_port.service import SharedPort

__all__ = ["main"]


def main() -> NoReturn:
    """Run a shared port daemon until it is stopped."""
    run_daemon(SharedPort)
