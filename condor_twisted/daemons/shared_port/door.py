"""Whose a new connection is: some daemon's, which it names or does not, or ours.

- A request for an endpoint is read, and the connection is handed to that daemon.
- A request for ``self`` is read, and everything behind it is for us.
- A command that the shared port daemon itself serves is ours.
- All else, negotiations above all, is handed on as it is to the daemon that those get
  who name none: the collector, or whom SHARED_PORT_DEFAULT_ID names. HTTP and TLS have
  a daemon of their own, if SHARED_PORT_HTTP_FORWARDING_ID names one.

Nobody gets an answer: where no daemon takes a connection, it is closed.

Source: ``src/condor_io/shared_port_server.cpp: HandleConnectRequest,
HandleDefaultRequest, HandleHttpRequest``;
``src/condor_daemon_core.V6/daemon_command.cpp: DaemonCommandProtocol::ReadHeader``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from twisted.logger import Logger

from condor_twisted.config.settings import Settings
from condor_twisted.errors import RemoteProtocolError
from condor_twisted.protocols.endpoint_sockets import EndpointSockets, PassingFailed
from condor_twisted.protocols.log_text import FoldedLog, escaped
from condor_twisted.wire.shared_port import (
    MAX_REQUEST_BYTES,
    OWN_ENDPOINT,
    FirstBytes,
    SharedPortRequest,
    is_endpoint_id,
    read_first_bytes,
)
from condor_twisted.wire.sinful import DEFAULT_SHARED_PORT_ID, SinfulAddress

__all__ = ["Counters", "Routes", "SharedPortDoor"]

_log = Logger()


@dataclass(slots=True)
class Counters:
    """What became of connections.

    Args:
        succeeded: Some daemon has them.
        failed: No daemon took them.
        blocked: Of those, where the daemon may have been there without room.
        pending_peak: How many were being handed on at a time.
    """

    succeeded: int = 0
    failed: int = 0
    blocked: int = 0
    pending_peak: int = 0


@dataclass(frozen=True, slots=True)
class Routes:
    """Who gets connections that name no daemon.

    Args:
        default_id: The endpoint of who gets them; ``None`` for nobody.
        web_id: The endpoint of who gets HTTP and TLS; ``None`` for `default_id`.
    """

    default_id: str | None = None
    web_id: str | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Routes:
        """The routes that a configuration names.

        Source: ``src/condor_io/shared_port_server.cpp:
        SharedPortServer::InitAndReconfig``.
        """
        default_id = settings.text("SHARED_PORT_DEFAULT_ID")
        if (
            not default_id
            and settings.boolean("USE_SHARED_PORT", False)
            and settings.boolean("COLLECTOR_USES_SHARED_PORT", True)
        ):
            default_id = DEFAULT_SHARED_PORT_ID
        web_id = settings.text("SHARED_PORT_HTTP_FORWARDING_ID")
        daemons = {each.upper() for each in settings.words("DAEMON_LIST")}
        if not web_id and "HTTP_API" in daemons:
            web_id = "http_api"
        return cls(default_id or None, web_id or None)


class SharedPortDoor:
    """Decides whose connections are, and hands them on.

    Args:
        sockets: Where the daemons of this host are.
        is_ours: Whether we serve the command of a number.
        own_address: Where we are.
        folded: Logs what peers do wrong.
    """

    peek_bytes: Final = MAX_REQUEST_BYTES

    def __init__(
        self,
        sockets: EndpointSockets,
        is_ours: Callable[[int], bool],
        own_address: Callable[[], SinfulAddress],
        folded: FoldedLog,
    ) -> None:
        self.counters = Counters()
        self.routes = Routes()
        self.sockets = sockets
        self._is_ours = is_ours
        self._own_address = own_address
        self._folded = folded

    def look(self, transport: Any, data: bytes) -> bool | None:
        """Decide about one connection; see `Door`."""
        try:
            first = read_first_bytes(data)
        except RemoteProtocolError as error:
            self._refuse(transport, str(error))
            return False
        if first is None and len(data) < self.peek_bytes:
            return None
        if first is None:
            self._refuse(transport, "a request without an end")
            return False
        if first.request is not None:
            return self._requested(transport, first.request, first.request_bytes)
        if self._is_ours(first.command):
            return True
        self._unnamed(transport, first)
        return False

    def _requested(
        self, transport: Any, request: SharedPortRequest, request_bytes: int
    ) -> bool:
        endpoint_id = request.endpoint_id
        if not is_endpoint_id(endpoint_id):
            self.counters.failed += 1
            self._refuse(transport, "it asks for a name that no endpoint can have")
            return False
        mentions_itself = f"sock={endpoint_id}" in request.requester  # seldom
        if mentions_itself and request.comes_from(self._own_address()):
            self._refuse(transport, f"{endpoint_id} asks for itself")
            return False
        taken: bytes = transport.socket.recv(request_bytes)
        if endpoint_id == OWN_ENDPOINT:
            transport.protocol.take_before(taken)
            return True
        self._pass_on(transport, endpoint_id, request.requester)
        return False

    def _unnamed(self, transport: Any, first: FirstBytes) -> None:
        routes = self.routes
        endpoint_id = (first.is_web and routes.web_id) or routes.default_id
        if endpoint_id is None:
            self._refuse(
                transport,
                f"it begins with command {first.command}, which we do not serve, and "
                "no daemon gets what names none (SHARED_PORT_DEFAULT_ID)",
            )
        else:
            self._pass_on(transport, endpoint_id, "")

    def _pass_on(self, transport: Any, endpoint_id: str, requester: str) -> None:
        counters = self.counters
        counters.pending_peak = max(counters.pending_peak, 1)
        try:
            self.sockets.pass_on(transport.socket, endpoint_id)
        except PassingFailed as error:
            counters.failed += 1
            counters.blocked += error.busy
            self._refuse(transport, str(error), requester)
            return
        counters.succeeded += 1
        _log.debug(
            "SharedPortServer: passed {peer} ({requester}) on to {endpoint}",
            category="D_COMMAND",
            peer=_where(transport),
            requester=escaped(requester),
            endpoint=endpoint_id,
        )

    def _refuse(self, transport: Any, why: str, requester: str = "") -> None:
        self._folded.warn(
            "shared port",
            transport.getPeer().host,
            "SharedPortServer: connection from {peer}{requester} closed: {error}",
            peer=_where(transport),
            requester=f" ({escaped(requester)})" if requester else "",
            error=escaped(why),
        )


def _where(transport: Any) -> str:
    peer = transport.getPeer()
    return f"{peer.host}:{peer.port}"
