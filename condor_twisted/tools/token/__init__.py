"""``condor-twisted token``: tokens made, fetched, asked for, approved and listed."""
