"""The skeleton of a daemon: the smallest one that has everything. Copy this folder.

``service.py`` is the daemon, ``main.py`` its program under a master, ``tap.py`` its
plugin for ``twistd``. HTCondor has no counterpart.
"""

from condor_twisted.daemons.skeleton.service import Skeleton

__all__ = ["Skeleton"]
