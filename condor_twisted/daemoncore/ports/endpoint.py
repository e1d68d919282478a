"""A daemon behind a shared port: where it can be reached, and that it stays there.

The shared port daemon writes a file that says where it is; our own address is that one
and our endpoint's id. The file is read again now and then, for the shared port daemon
may move. An endpoint's socket that is a file is touched, so that nobody tidies it up,
and made anew if somebody did.

Source: ``src/condor_io/shared_port_endpoint.cpp:
SharedPortEndpoint::RetryInitRemoteAddress, SocketCheck``.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from condor_twisted.daemoncore.parent import timer_fuzz
from condor_twisted.daemoncore.ports.opening import uses_shared_port
from condor_twisted.daemoncore.ports.shared_port_file import (
    endpoint_address,
    read_shared_port_address,
)
from condor_twisted.errors import LocalProtocolError
from condor_twisted.protocols.command_ports import CommandPorts
from condor_twisted.protocols.endpoint_port import EndpointPort
from condor_twisted.protocols.endpoint_sockets import EndpointSockets
from condor_twisted.wire.sinful import SinfulAddress

if TYPE_CHECKING:
    from condor_twisted.daemoncore.daemon import Daemon

__all__ = ["Endpoint"]

_log = Logger()

#: How often the shared port's address is looked up, until it is known and then.
_RETRY_SECONDS: Final = 60
_REFRESH_SECONDS: Final = 300
_TOUCH_SECONDS: Final = 900


class Endpoint:
    """What a daemon does to be found behind a shared port; idle if it is not.

    Args:
        daemon: Which.
        chance: Gives a number from 0 to 1.
    """

    def __init__(
        self, daemon: Daemon, chance: Callable[[], float] = random.random
    ) -> None:
        self._daemon = daemon
        self._chance = chance
        self._server: SinfulAddress | None = None
        self._timers: dict[str, IDelayedCall] = {}

    def address(self, endpoint_id: str) -> SinfulAddress:
        """Where we are, as far as it is known."""
        settings = self._daemon.settings
        if self._server is None:
            self._server = read_shared_port_address(settings)
        return endpoint_address(settings, endpoint_id, self._server)

    # Part of a daemon.

    def begin(self) -> None:
        """Look after the shared port's address and our socket."""
        port = self._port()
        if port is None:
            return
        self._look_up()
        if port.path is not None:
            self._call("touch", self._fuzzy(_TOUCH_SECONDS), self._touch)

    def renew(self) -> None:
        """The file may be another one, and our socket be wanted elsewhere."""
        port = self._port()
        if port is None:
            return
        daemon = self._daemon
        if not uses_shared_port(daemon.settings):
            _log.warn(
                "USE_SHARED_PORT is false for us now; this daemon leaves its shared "
                "port when it is restarted"
            )
        if port.path is not None:
            sockets = EndpointSockets.from_settings(daemon.settings, daemon.cookie)
            self._move(port, port.path, sockets)
        self._look_up()

    def end(self) -> None:
        """Look after nothing any more."""
        timers, self._timers = self._timers, {}
        for timer in timers.values():
            if timer.active():
                timer.cancel()

    def _port(self) -> EndpointPort | None:
        ports: CommandPorts | None = self._daemon.ports
        if ports is None or ports.endpoint_id is None:
            return None
        port: Any = ports.stream
        return cast(EndpointPort, port)

    def _call(self, name: str, seconds: float, function: Callable[[], object]) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None and timer.active():
            timer.cancel()
        self._timers[name] = self._daemon.reactor.callLater(seconds, function)

    def _fuzzy(self, seconds: int) -> int:
        return seconds + timer_fuzz(seconds, self._chance())

    def _look_up(self) -> None:
        before = self._server
        found = read_shared_port_address(self._daemon.settings)
        if found is None:
            _log.warn(
                "SharedPortEndpoint: did not successfully find SharedPortServer "
                "address. Will retry in {seconds}s.",
                seconds=_RETRY_SECONDS,
            )
            self._call("address", _RETRY_SECONDS, self._look_up)
            return
        self._call("address", self._fuzzy(_REFRESH_SECONDS), self._look_up)
        self._server = found
        if found != before:
            self._daemon.address_changed()

    def _touch(self) -> None:
        self._call("touch", self._fuzzy(_TOUCH_SECONDS), self._touch)
        port = self._port()
        path = None if port is None else port.path
        if port is None or path is None:
            return
        try:
            os.utime(path, follow_symlinks=False)
        except FileNotFoundError:
            _log.warn("{path} has vanished; making it anew", path=path)
            self._listen(port, path, EndpointSockets(None, os.path.dirname(path)))
        except OSError as error:
            _log.warn("{path}: {error}", path=path, error=error.strerror)

    def _move(self, port: EndpointPort, path: str, sockets: EndpointSockets) -> None:
        """Listen where the settings say, if that is not where we do."""
        try:
            wanted = sockets.names(os.path.basename(path))[0]
        except LocalProtocolError as error:
            _log.error("{path} stays: {error}", path=path, error=str(error))
            return
        if wanted != path:
            _log.info("DAEMON_SOCKET_DIR has changed, leaving {path}", path=path)
            self._listen(port, path, sockets)

    def _listen(self, port: EndpointPort, path: str, sockets: EndpointSockets) -> None:
        try:
            port.replace(sockets.listen(os.path.basename(path)))
        except (OSError, LocalProtocolError) as error:
            _log.error("{path}: {error}", path=path, error=str(error))
