"""Where a daemon can be reached, and how others learn of it."""
