"""The daemons, one folder each."""
