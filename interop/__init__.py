"""Our collector beside the real one, under real tools and real daemons.

Run as ``python -m interop`` (root; ``make interop``). For each suite of Debian it keeps
a chroot with the real HTCondor, drives the real collector and ours alike, and reports
every difference that has no explanation. `interop.__main__` has the order of events.
"""
