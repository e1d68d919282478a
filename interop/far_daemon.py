"""A daemon of ours of a kind that every tool finds by name: it passes for a master.

It only tells the collector that it is there, and is administered from afar.
"""

from __future__ import annotations

from typing import NoReturn

from condor_twisted.daemoncore import Daemon
from condor_twisted.daemoncore.main import run_daemon

__all__ = ["Far", "main"]


class Far(Daemon):
    """Does nothing."""

    subsystem = "FAR"
    ad_type = "DaemonMaster"


def main() -> NoReturn:
    """Run it until it is stopped."""
    run_daemon(Far)
