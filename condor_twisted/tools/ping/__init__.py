"""``condor-twisted ping``: would a daemon do this for us, and why or why not."""
