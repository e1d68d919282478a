"""The pool page: what a collector knows, over HTTP, read-only.

==================  ===============================================================
``/``               the page: one HTML file, one style sheet, one script
``/api/v1/ads``     ads as a JSON array
``/api/v1/changes`` ads as they come and go: server-sent events, resumable by id
``/api/v1/summary`` counts and counters as JSON
``/metrics``        the same for Prometheus
``/healthz``        200; the body says ``warming-up`` or ``ready``
==================  ===============================================================

All of it shows the public ads only, by the same plans that answer queries on CEDAR.
This package needs ``twisted.web``, so import it only when there is a page.
"""

from condor_twisted.daemons.collector.page.limits import PageLimits
from condor_twisted.daemons.collector.page.site import make_site
from condor_twisted.daemons.collector.page.view import PoolView, StateView

__all__ = ["PageLimits", "PoolView", "StateView", "make_site"]
