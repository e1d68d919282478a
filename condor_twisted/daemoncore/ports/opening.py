"""Where a daemon's command ports come from: its parent, or its settings.

A daemon whose parent has made an endpoint for it, or that was given a name for one
(``-sock``), is behind the shared port, unless its settings say that it is not
(``<SUBSYS>_USE_SHARED_PORT``, ``USE_SHARED_PORT``). It has no port of its own then, and
takes no datagrams, but for a collector's, whose parent has bound that port besides.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: InitDCCommandSocket,
InitSharedPort, InitCommandSockets``.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Any, Final

from twisted.logger import Logger

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.inheritance import Inherited
from condor_twisted.daemoncore.ports.addresses import bind_address, port_range
from condor_twisted.errors import ConfigError, LocalProtocolError
from condor_twisted.protocols.command_ports import (
    CommandPorts,
    SocketOptions,
    adopt_command_sockets,
    listen_for_commands,
)
from condor_twisted.protocols.endpoint_port import EndpointPort
from condor_twisted.protocols.endpoint_sockets import EndpointSockets

__all__ = ["open_command_ports", "uses_shared_port"]

_log: Final = Logger()


def open_command_ports(
    reactor: Any,
    settings: Settings,
    inherited: Inherited | None,
    port: int,
    interface: str | None,
    factory: Any,
    datagrams: Any,
    options: SocketOptions,
    *,
    endpoint_name: str | None = None,
    cookie: str | None = None,
) -> CommandPorts:
    """Open the command ports, or take those that the parent has opened.

    Args:
        reactor: Where.
        settings: Which address to bind, which ports to try.
        inherited: What the parent has handed down; its sockets are used up.
        port: The port's number, where there is no parent.
        interface: The address to bind; what the settings say by default.
        factory: Builds a protocol per connection.
        datagrams: The protocol for datagrams; ``None`` for no UDP port.
        options: How the sockets are set up.
        endpoint_name: Our name behind a shared port, if somebody gave one.
        cookie: What endpoints of our tree of processes begin with, if it has one.

    Raises:
        ConfigError: The address makes no sense, or there is no place for the endpoint.
        CannotListenError: The port is taken.
    """
    behind = _endpoint(settings, inherited, endpoint_name, cookie)
    if behind is not None:
        name, listening = behind
        accepts = settings.integer(
            "SHARED_ENDPOINT_MAX_ACCEPTS_PER_CYCLE", options.accepts_per_turn
        )
        port_of_ours = EndpointPort(reactor, listening, factory, options, accepts)
        ports = CommandPorts(port_of_ours, None, (), name)
        if inherited is not None and inherited.streams:
            more = _adopt(reactor, inherited, factory, datagrams, options)
            ports.others = (more.stream, *more.others)
            ports.datagrams = more.datagrams
        return ports
    if inherited is not None and inherited.streams:
        return _adopt(reactor, inherited, factory, datagrams, options)
    return listen_for_commands(
        reactor,
        port,
        bind_address(settings) if interface is None else interface,
        factory,
        datagrams,
        options,
        port_range(settings),
    )


def uses_shared_port(settings: Settings) -> bool:
    """Whether the settings want a daemon to be behind the shared port.

    Source: ``src/condor_io/shared_port_endpoint.cpp:
    SharedPortEndpoint::UseSharedPort``.
    """
    own = f"{settings.subsystem}_USE_SHARED_PORT"
    name = own if settings.defined(own) else "USE_SHARED_PORT"
    return settings.boolean(name, False)


def _adopt(
    reactor: Any,
    inherited: Inherited,
    factory: Any,
    datagrams: Any,
    options: SocketOptions,
) -> CommandPorts:
    streams, inherited.streams = inherited.streams, []
    receivers, inherited.datagrams = inherited.datagrams, []
    return adopt_command_sockets(
        reactor, streams, receivers, factory, datagrams, options
    )


def _endpoint(
    settings: Settings,
    inherited: Inherited | None,
    endpoint_name: str | None,
    cookie: str | None,
) -> tuple[str, socket.socket] | None:
    """Our name behind the shared port and the socket there, if we have one.

    Raises:
        ConfigError: There is no place for it.
    """
    given = None if inherited is None else inherited.endpoint
    wanted = uses_shared_port(settings)
    if inherited is not None and given is not None:
        inherited.endpoint = None
        if wanted:
            taken = socket.socket(fileno=given.listener.descriptor)
            taken.set_inheritable(False)
            return given.endpoint_id, taken
        _log.warn(
            "Our parent has made the shared port endpoint {name} for us, and "
            "USE_SHARED_PORT is false for us: we open a port of our own, of which it "
            "does not know",
            name=given.endpoint_id,
        )
        with contextlib.suppress(OSError):
            os.close(given.listener.descriptor)
        return None
    has_ports = inherited is not None and inherited.streams
    if endpoint_name is None or has_ports or not wanted:
        return None
    try:
        sockets = EndpointSockets.from_settings(settings, cookie)
        return endpoint_name, sockets.listen(endpoint_name)
    except (LocalProtocolError, OSError) as error:
        reason = str(error) if error.args else type(error).__name__
        raise ConfigError(
            f"cannot listen at the shared port endpoint {endpoint_name}: {reason}; "
            "look at DAEMON_SOCKET_DIR, or set USE_SHARED_PORT = False"
        ) from error
