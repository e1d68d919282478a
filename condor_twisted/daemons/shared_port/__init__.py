"""The shared port daemon: one TCP port for all daemons of a host.

A connection begins with the name of the daemon that it is for; from then on that daemon
has it, with whatever comes behind. ``door.py`` decides whose a connection is, and
``service.py`` is the daemon.

Source: ``src/condor_shared_port/shared_port_main.cpp``,
``src/condor_io/shared_port_server.cpp``.
"""

from condor_twisted.daemons.shared_port.service import SharedPort

__all__ = ["SharedPort"]
