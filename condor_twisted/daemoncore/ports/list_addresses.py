"""The addresses of host names that ALLOW and DENY lists name.

They are looked up when lists are read and every now and then; nobody waits. Until an
answer comes, what was known before holds.

Source: ``src/condor_io/condor_ipverify.cpp: IpVerify::fill_table``,
``src/condor_daemon_core.V6/daemon_core_main.cpp: dc_reconfig`` (DNS_CACHE_REFRESH).
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from condor_twisted.protocols.host_steps import Host
from condor_twisted.security.authorization import Authorizer

__all__ = ["ListAddresses", "host_addresses"]

_log = Logger()

#: After so many minutes the names are looked up again.
REFRESH_MINUTES = 10


def host_addresses(name: str) -> tuple[str, ...]:
    """The addresses of a host name; none if there are none. May block."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError):
        return ()
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


class ListAddresses:
    """Keeps the host names of lists resolved.

    Args:
        host: Runs what blocks.
        changed: Called when an answer differs from what was known.
        look_up: The look-up of one name.
    """

    def __init__(
        self,
        host: Host,
        changed: Callable[[], object],
        look_up: Callable[[str], tuple[str, ...]] = host_addresses,
    ) -> None:
        self._host = host
        self._changed = changed
        self._look_up = look_up
        self._known: dict[str, tuple[str, ...]] = {}
        self._minutes = 0

    def refresh(self, authorizer: Authorizer) -> None:
        """Look every name of these lists up; what is known holds meanwhile."""
        self._minutes = 0
        names = authorizer.host_names_needed
        self._known = {
            name: addresses for name, addresses in self._known.items() if name in names
        }
        if not names:
            return
        authorizer.set_addresses(self._known)

        def found(addresses: tuple[str, ...], name: str) -> None:
            if addresses:
                self._known[name] = addresses
            elif name not in self._known:
                _log.warn("{name} in an ALLOW or DENY list has no address", name=name)

        before = dict(self._known)
        asked: list[Deferred[None]] = [
            self._host.run_blocking(self._look_up, name).addCallback(found, name)
            for name in sorted(names)
        ]

        def all_found(_: object) -> None:
            if self._known != before:
                authorizer.set_addresses(self._known)
                self._changed()

        DeferredList(asked, consumeErrors=True).addCallback(all_found)

    def keep_fresh(self, authorizer: Authorizer) -> None:
        """Call it every minute: it refreshes every tenth time."""
        self._minutes += 1
        if self._minutes >= REFRESH_MINUTES:
            self.refresh(authorizer)
