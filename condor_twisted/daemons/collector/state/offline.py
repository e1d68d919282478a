"""What a slot's ad says while its machine sleeps, or is absent.

Source: ``src/condor_collector.V6/offline_plugin.cpp``.
"""

from __future__ import annotations

__all__ = ["absent_lines", "offline_lines"]

_LONGEST_SECONDS = 2147483647


def offline_lines(now: float, lifetime_seconds: int) -> list[bytes]:
    """The attributes that the ad of a sleeping machine gets.

    Args:
        now: The time, in seconds since the epoch.
        lifetime_seconds: How long the ad is kept; <= 0 leaves that as it is.
    """
    lines = [
        b'State = "Unclaimed"',
        b'Activity = "Idle"',
        b"EnteredCurrentState = 0",
        b"EnteredCurrentActivity = 0",
        b"MyCurrentTime = %d" % now,
        b"LoadAvg = 0.0",
        b"CondorLoadAvg = 0.0",
        b"TotalLoadAvg = 0.0",
        b"TotalCondorLoadAvg = 0.0",
        b"CpuIsBusy = false",
        b"CpuBusyTime = 0",
        b"KeyboardIdle = %d" % _LONGEST_SECONDS,
        b"ConsoleIdle = %d" % _LONGEST_SECONDS,
        b"Offline = true",
    ]
    if lifetime_seconds > 0:
        lines.append(b"ClassAdLifetime = %d" % lifetime_seconds)
    return lines


def absent_lines(now: float, lifetime_seconds: int) -> list[bytes]:
    """The attributes that the ad of a machine that vanished gets.

    Args:
        now: The time, in seconds since the epoch.
        lifetime_seconds: How long the ad is kept; 0 for as long as possible.
    """
    return [
        b"Absent = true",
        b"ClassAdLifetime = %d" % (lifetime_seconds or _LONGEST_SECONDS),
        b"MyCurrentTime = %d" % now,
    ]
