"""What every daemon sees to now and then, whatever it serves.

Sessions expire, host names in lists of addresses are looked up anew, and when
descriptors run out nobody new is accepted for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from condor_twisted.daemoncore.ports.list_addresses import ListAddresses
from condor_twisted.daemoncore.program.own_process import descriptor_limit
from condor_twisted.protocols.command_ports import CommandPorts
from condor_twisted.protocols.command_server import CommandServer
from condor_twisted.protocols.host_steps import Host
from condor_twisted.security.context import SecurityState

__all__ = ["Housekeeping"]

_log = Logger()

#: How long the port rests when descriptors run out.
ACCEPT_PAUSE_SECONDS: Final = 1.0
#: How often expired sessions are thrown out.
HOUSEKEEPING_SECONDS: Final = 60.0


class Housekeeping:
    """Looks after one daemon's server, from its opening to its end.

    Args:
        reactor: Where timers run.
        security: Whose sessions expire.
        host: Looks host names up.
        server: What is looked after.
        ports: Its ports, as long as they are open.
        also: Done as well, each time.
    """

    def __init__(
        self,
        reactor: Any,
        security: SecurityState,
        host: Host,
        server: CommandServer,
        ports: Callable[[], CommandPorts | None],
        also: Callable[[], object],
    ) -> None:
        self._reactor = reactor
        self._security = security
        self._server = server
        self._ports = ports
        self._also = also
        self._timer: IDelayedCall | None = None
        self._pause: IDelayedCall | None = None
        self._list_addresses = ListAddresses(host, server.forget_admissions)
        server.descriptor_limit = descriptor_limit()
        server.descriptors_short = self._rest
        self.refresh()

    def refresh(self) -> None:
        """The lists of addresses have changed: look their host names up."""
        self._list_addresses.refresh(self._security.authorizer)

    def begin(self) -> None:
        """Look again and again from now on."""
        self._timer = self._reactor.callLater(HOUSEKEEPING_SECONDS, self._look)

    def stop(self) -> None:
        """Do nothing any more."""
        for timer in (self._timer, self._pause):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._pause = None

    def _look(self) -> None:
        self.begin()
        now = self._security.now()
        self._security.incoming.expire(now)
        self._security.outgoing.expire(now)
        self._also()
        self._list_addresses.keep_fresh(self._security.authorizer)
        self._server.forget_admissions()

    def _rest(self) -> None:
        """Descriptors run out: serve those who are here, accept nobody for a while."""
        ports = self._ports()
        if self._pause is not None or ports is None:
            return
        _log.warn("Descriptors run out; no connection is accepted for a while")
        ports.pause()
        self._server.drop_idle()
        self._pause = self._reactor.callLater(ACCEPT_PAUSE_SECONDS, self._accept_again)

    def _accept_again(self) -> None:
        self._pause = None
        ports = self._ports()
        if ports is not None:
            ports.resume()
