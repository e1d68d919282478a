"""The collector: what a pool knows of itself.

``Collector(settings).setServiceParent(application)`` embeds one.
"""

from condor_twisted.daemons.collector.service import Collector

__all__ = ["Collector"]
