"""The daemon: a port at which a door stands, and a file that says where."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from condor_twisted.daemoncore import Daemon
from condor_twisted.daemons.shared_port.ad_file import AdFile
from condor_twisted.daemons.shared_port.door import Counters, Routes, SharedPortDoor
from condor_twisted.errors import ConfigError
from condor_twisted.protocols.command_transport import Door
from condor_twisted.protocols.endpoint_sockets import EndpointSockets
from condor_twisted.security.commands import DC_AUTHENTICATE
from condor_twisted.wire.shared_port import is_endpoint_id

__all__ = ["SharedPort"]

_DEFAULT_PORT: Final = 9618


class SharedPort(Daemon):
    """Hands connections to the daemons of this host that they are for."""

    subsystem: ClassVar[str] = "SHARED_PORT"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._door: SharedPortDoor | None = None
        self._no_counters = Counters()
        self.facilities.append(AdFile(self))

    @property
    def counters(self) -> Counters:
        """What became of connections, since the start."""
        return self._no_counters if self._door is None else self._door.counters

    def default_port(self) -> int:
        """SHARED_PORT_PORT."""
        return self.settings.integer("SHARED_PORT_PORT", _DEFAULT_PORT)

    def wants_udp(self) -> bool:
        """A datagram cannot be handed on."""
        return False

    def before_command_sockets(self) -> None:
        """See whether there is sense in who gets what."""
        self._routes()

    def door(self) -> Door | None:
        """Decides whose connections are."""
        assert self.server is not None, "the server is made before the ports"
        self._door = SharedPortDoor(
            self._sockets(),
            self._serves,
            lambda: self.address,
            self.server.folded,
        )
        self._door.routes = self._routes()
        return self._door

    def reconfigured(self) -> None:
        """Others may get what names no daemon."""
        routes = self._routes()
        if self._door is not None:
            self._door.routes = routes
            self._door.sockets = self._sockets()

    def _sockets(self) -> EndpointSockets:
        return EndpointSockets.from_settings(self.settings, self.cookie)

    def _serves(self, number: int) -> bool:
        """Whether a command that names no daemon is for us; no negotiation is."""
        return number != DC_AUTHENTICATE and self.table.find(number) is not None

    def _routes(self) -> Routes:
        """Who gets what names no daemon.

        Raises:
            ConfigError: That is no daemon's name.
        """
        routes = Routes.from_settings(self.settings)
        for knob, value in (
            ("SHARED_PORT_DEFAULT_ID", routes.default_id),
            ("SHARED_PORT_HTTP_FORWARDING_ID", routes.web_id),
        ):
            if value is not None and not is_endpoint_id(value):
                raise ConfigError(
                    f"{knob} = {value} is not one of 1 to 64 letters, digits and _ . -",
                    self.settings.source_of(knob),
                )
        return routes
