"""The file that says where the shared port daemon is, and how it does.

It is written at the start, every five minutes, and when the configuration was read
again; daemons read it for their own addresses, and a master waits for it.

Source: ``src/condor_io/shared_port_server.cpp: SharedPortServer::PublishAddress``.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from condor_twisted.classad.literals import format_literal
from condor_twisted.constants import attributes
from condor_twisted.daemoncore.ports.address_file import replace_file
from condor_twisted.wire.sinful import ADDRS, NO_UDP

if TYPE_CHECKING:
    from condor_twisted.daemons.shared_port.service import SharedPort

__all__ = ["AdFile"]

_log = Logger()

_PERIOD_SECONDS: Final = 300


class AdFile:
    """Writes a shared port daemon's file; one of its facilities.

    Args:
        daemon: Whose.
    """

    def __init__(self, daemon: SharedPort) -> None:
        self._daemon = daemon
        self._path: str | None = None
        self._timer: IDelayedCall | None = None

    def begin(self) -> None:
        """Write it now and then."""
        self._publish()

    def renew(self) -> None:
        """Where we are may have changed, and where the file is."""
        self._publish()

    def end(self) -> None:
        """Nobody shall look for us any more."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        self._remove()

    def _remove(self) -> None:
        path, self._path = self._path, None
        if path is not None:
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _publish(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        reactor: Any = self._daemon.reactor
        self._timer = reactor.callLater(_PERIOD_SECONDS, self._publish)
        path = self._daemon.settings.text("SHARED_PORT_DAEMON_AD_FILE")
        if path != self._path:
            self._remove()
        if not path:
            _log.error(
                "SHARED_PORT_DAEMON_AD_FILE is empty: daemons cannot know that they "
                "are reached through us"
            )
            return
        lines = "".join(f"{line}\n" for line in self._lines())
        _log.info(
            "About to update statistics in shared_port daemon ad file at {path} :\n"
            "{lines}",
            path=path,
            lines=lines.rstrip(),
        )
        try:
            replace_file(path, lines.encode())
            self._path = path
        except OSError as error:
            _log.error("{path} cannot be written: {error}", path=path, error=str(error))

    def _lines(self) -> list[str]:
        daemon = self._daemon
        counters = daemon.counters
        bare = daemon.address.with_parameters({ADDRS: None, NO_UDP: None})
        # Connections are handed on at once and in this process: nothing ever waits.
        values: dict[str, int | str] = {
            "ForkedChildrenCurrent": 0,
            "ForkedChildrenPeak": 0,
            attributes.MY_ADDRESS: str(daemon.address),
            "RequestsBlocked": counters.blocked,
            "RequestsFailed": counters.failed,
            "RequestsPendingCurrent": 0,
            "RequestsPendingPeak": counters.pending_peak,
            "RequestsSucceeded": counters.succeeded,
            "SharedPortCommandSinfuls": str(bare),
        }
        return [
            f"{name} = {format_literal(value).decode()}"
            for name, value in values.items()
        ]
