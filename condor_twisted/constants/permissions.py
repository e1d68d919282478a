"""Authorization levels and which implies which.

Source: ``src/condor_includes/condor_perms.h``, ``src/condor_utils/condor_perms.cpp``.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["CONFIG_CHAIN", "IMPLIES", "Permission", "implied_by", "with_implied"]


class Permission(IntEnum):
    """A level of authorization, with HTCondor's number and name."""

    ALLOW = 0
    READ = 1
    WRITE = 2
    NEGOTIATOR = 3
    ADMINISTRATOR = 4
    CONFIG = 5
    DAEMON = 6
    DEFAULT = 8
    CLIENT = 9
    ADVERTISE_STARTD = 10
    ADVERTISE_SCHEDD = 11
    ADVERTISE_MASTER = 12


#: Who holds the level on the left also holds the one on the right (one step).
IMPLIES: dict[Permission, Permission] = {
    Permission.WRITE: Permission.READ,
    Permission.NEGOTIATOR: Permission.READ,
    Permission.ADMINISTRATOR: Permission.WRITE,
    Permission.CONFIG: Permission.READ,
    Permission.DAEMON: Permission.WRITE,
    Permission.ADVERTISE_STARTD: Permission.READ,
    Permission.ADVERTISE_SCHEDD: Permission.READ,
    Permission.ADVERTISE_MASTER: Permission.READ,
}

#: Where a knob ``..._<LEVEL>`` is looked up when the level itself has none.
CONFIG_CHAIN: dict[Permission, tuple[Permission, ...]] = {
    level: (
        (level, Permission.DAEMON, Permission.DEFAULT)
        if level.name.startswith("ADVERTISE_")
        else (level,)
        if level is Permission.DEFAULT
        else (level, Permission.DEFAULT)
    )
    for level in Permission
}


def with_implied(level: Permission) -> tuple[Permission, ...]:
    """The level itself and every level it implies, nearest first."""
    levels = [level]
    while (lower := IMPLIES.get(levels[-1])) is not None:
        levels.append(lower)
    return tuple(levels)


def implied_by(level: Permission) -> tuple[Permission, ...]:
    """The levels that imply this one directly."""
    return tuple(upper for upper, lower in IMPLIES.items() if lower is level)
