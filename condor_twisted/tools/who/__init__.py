"""``condor-twisted who``: which daemons and jobs there are on this host."""
