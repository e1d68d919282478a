"""Telling systemd how we are, where it has started us (``Type=notify``).

A daemon with a DaemonCore parent says nothing: it is the parent that systemd watches.

Layout: a datagram of ``NAME=value`` lines to the UNIX socket that ``NOTIFY_SOCKET``
names; ``@`` in front means an abstract name. With ``WATCHDOG_USEC`` set, systemd kills
whoever says nothing for so many microseconds.

Source: ``src/condor_utils/systemd_manager.cpp: SystemdManager``;
``src/condor_master.V6/master.cpp: systemd_interval`` (the intervals).
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

__all__ = ["SystemdNotifier", "find_systemd"]

_log = Logger()

_VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_LONG_SECONDS: Final = 20.0
_SHORTENED_SECONDS: Final = 10.0


class SystemdNotifier:
    """Says that we are ready, alive and stopping; one of a daemon's facilities.

    Args:
        clock: Times the watchdog's calls.
        path: The socket's name as systemd gave it.
        watchdog_seconds: How long we may be silent; 0 for ever.
        status: What ``systemctl status`` shows.
    """

    def __init__(
        self, clock: Any, path: str, watchdog_seconds: float, status: str
    ) -> None:
        self._clock = clock
        self._path = path
        self._status = status
        self._timer: IDelayedCall | None = None
        #: How often a sign of life is sent; 0 for never.
        self.interval_seconds = 0.0
        if watchdog_seconds > 0:
            interval = max(1.0, watchdog_seconds / 3)
            self.interval_seconds = (
                _SHORTENED_SECONDS if interval > _LONG_SECONDS else interval
            )

    def begin(self) -> None:
        """We are ready."""
        self.notify("READY=1", f"STATUS={self._status}")
        self._sign_of_life()

    def renew(self) -> None:
        """Nothing of it is configured."""

    def end(self) -> None:
        """We are stopping."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        self.notify("STOPPING=1")

    def notify(self, *lines: str) -> None:
        """Send one notice; what goes wrong is logged, and that is all."""
        path = self._path
        address = "\0" + path[1:] if path.startswith("@") else path
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.setblocking(False)
                out.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            _log.warn(
                "systemd cannot be told {what}: {error}",
                what=lines[0],
                error=error.strerror,
            )

    def _sign_of_life(self) -> None:
        if self.interval_seconds:
            self.notify("WATCHDOG=1")
            self._timer = self._clock.callLater(
                self.interval_seconds, self._sign_of_life
            )


def find_systemd(
    environment: MutableMapping[str, str], clock: Any, status: str
) -> SystemdNotifier | None:
    """Find out whether systemd wants to hear of us.

    Args:
        environment: The process's; what is meant for us alone is removed.
        clock: Times the watchdog's calls.
        status: What ``systemctl status`` shows.
    """
    path, microseconds, process_id = (environment.pop(name, "") for name in _VARIABLES)
    if not path.startswith(("/", "@")) or len(path) < 2:
        return None
    seconds = 0.0
    if microseconds.isdigit() and process_id in ("", str(os.getpid())):
        seconds = min(int(microseconds[:15]), 10**12) / 1e6
    return SystemdNotifier(clock, path, seconds, status)
