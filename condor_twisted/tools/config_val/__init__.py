"""``condor-twisted config-val``: configurations, shown and changed."""
