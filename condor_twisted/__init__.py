"""HTCondor's DaemonCore and CEDAR on Twisted."""

from condor_twisted._version import __version__

__all__ = ["__version__"]
