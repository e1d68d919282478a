"""The commands of a collector: numbers, levels, what kind each is.

Source: ``src/condor_collector.V6/collector.cpp: CollectorDaemon::Init``.
"""

from __future__ import annotations

from typing import Final

from condor_twisted.constants.commands import Command
from condor_twisted.constants.permissions import Permission

__all__ = ["ACKNOWLEDGED", "INVALIDATIONS", "QUERIES", "UPDATES"]

_Levels = tuple[Permission, ...]

_STARTD: Final = (Permission.ADVERTISE_STARTD,)
_SCHEDD: Final = (Permission.ADVERTISE_SCHEDD,)
_MASTER: Final = (Permission.ADVERTISE_MASTER,)
_DAEMON: Final = (Permission.DAEMON,)
_NEGOTIATOR: Final = (Permission.NEGOTIATOR,)
_READ: Final = (Permission.READ,)

#: Updates: no answer, and the connection stays. The first level is the command's, the
#: others do as well.
UPDATES: Final[dict[int, _Levels]] = {
    Command.UPDATE_STARTD_AD: _STARTD,
    Command.UPDATE_SCHEDD_AD: _SCHEDD,
    Command.UPDATE_MASTER_AD: _MASTER,
    Command.UPDATE_CKPT_SRVR_AD: _DAEMON,
    Command.UPDATE_SUBMITTOR_AD: _SCHEDD,
    Command.UPDATE_COLLECTOR_AD: _DAEMON,
    Command.UPDATE_LICENSE_AD: _DAEMON,
    Command.UPDATE_STORAGE_AD: _DAEMON,
    Command.UPDATE_NEGOTIATOR_AD: _NEGOTIATOR,
    Command.UPDATE_HAD_AD: _DAEMON,
    Command.UPDATE_AD_GENERIC: _DAEMON,
    Command.UPDATE_GRID_AD: _DAEMON,
    Command.MERGE_STARTD_AD: _NEGOTIATOR,
    Command.UPDATE_ACCOUNTING_AD: _NEGOTIATOR,
    # Whose ad it is, is checked against the session's user.
    Command.UPDATE_OWN_SUBMITTOR_AD: (Permission.DAEMON, Permission.ALLOW),
}

#: The update that is answered with ``int 1``, and then the connection closes.
ACKNOWLEDGED: Final[dict[int, _Levels]] = {
    Command.UPDATE_STARTD_AD_WITH_ACK: _STARTD,
}

INVALIDATIONS: Final[dict[int, _Levels]] = {
    Command.INVALIDATE_STARTD_ADS: _STARTD,
    Command.INVALIDATE_SCHEDD_ADS: _SCHEDD,
    Command.INVALIDATE_MASTER_ADS: _MASTER,
    Command.INVALIDATE_CKPT_SRVR_ADS: _DAEMON,
    Command.INVALIDATE_SUBMITTOR_ADS: _SCHEDD,
    Command.INVALIDATE_COLLECTOR_ADS: _DAEMON,
    Command.INVALIDATE_LICENSE_ADS: _DAEMON,
    Command.INVALIDATE_STORAGE_ADS: _DAEMON,
    Command.INVALIDATE_NEGOTIATOR_ADS: _NEGOTIATOR,
    Command.INVALIDATE_HAD_ADS: _DAEMON,
    Command.INVALIDATE_ADS_GENERIC: _DAEMON,
    Command.INVALIDATE_GRID_ADS: _DAEMON,
    Command.INVALIDATE_ACCOUNTING_ADS: _NEGOTIATOR,
}

#: Queries come by TCP alone.
QUERIES: Final[dict[int, _Levels]] = {
    Command.QUERY_STARTD_ADS: _READ,
    Command.QUERY_SCHEDD_ADS: _READ,
    Command.QUERY_MASTER_ADS: _READ,
    Command.QUERY_CKPT_SRVR_ADS: _READ,
    Command.QUERY_STARTD_PVT_ADS: _NEGOTIATOR,
    Command.QUERY_SUBMITTOR_ADS: _READ,
    Command.QUERY_COLLECTOR_ADS: _READ,
    Command.QUERY_LICENSE_ADS: _READ,
    Command.QUERY_STORAGE_ADS: _READ,
    Command.QUERY_ANY_ADS: _READ,
    Command.QUERY_NEGOTIATOR_ADS: _READ,
    Command.QUERY_HAD_ADS: _READ,
    Command.QUERY_GRID_ADS: _READ,
    Command.QUERY_ACCOUNTING_ADS: _READ,
    Command.QUERY_GENERIC_ADS: _READ,
    Command.QUERY_MULTIPLE_ADS: _READ,
    Command.QUERY_MULTIPLE_PVT_ADS: _NEGOTIATOR,
}
