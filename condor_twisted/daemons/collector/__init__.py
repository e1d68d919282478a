"""The collector: HTCondor's ``condor_collector``.

``Collector`` is the service, ``state`` is what it knows and decides. Not covered yet:
forwarding to a view server, pool history, impersonation tokens, the log of offline and
absent ads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from condor_twisted.daemons.collector.service import Collector

__all__ = ["Collector"]


def __getattr__(name: str) -> object:
    # The state and the query workers do without Twisted.
    if name == "Collector":
        from condor_twisted.daemons.collector.service import Collector

        return Collector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
