"""Where a daemon's command ports come from: its parent, or its settings.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: InitCommandSockets``.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, Final

from twisted.logger import Logger

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.addresses import bind_address, port_range
from condor_twisted.daemoncore.inheritance import Inherited
from condor_twisted.protocols.command_ports import (
    CommandPorts,
    SocketOptions,
    adopt_command_sockets,
    listen_for_commands,
)

__all__ = ["open_command_ports"]

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

    Raises:
        ConfigError: The address makes no sense.
        CannotListenError: The port is taken.
    """
    if inherited is not None and inherited.streams:
        streams, inherited.streams = inherited.streams, []
        receivers, inherited.datagrams = inherited.datagrams, []
        return adopt_command_sockets(
            reactor, streams, receivers, factory, datagrams, options
        )
    if inherited is not None and inherited.endpoint is not None:
        _turn_endpoint_down(inherited)
    return listen_for_commands(
        reactor,
        port,
        bind_address(settings) if interface is None else interface,
        factory,
        datagrams,
        options,
        port_range(settings),
    )


def _turn_endpoint_down(inherited: Inherited) -> None:
    """Close an endpoint behind a shared port: whoever connects hears so at once."""
    endpoint, inherited.endpoint = inherited.endpoint, None
    assert endpoint is not None, "there is one"
    _log.warn(
        "Our parent expects us behind its shared port as {name}, which this daemon "
        "does not serve; it opens a port of its own. Give it one that our parent "
        "knows: NAME_ARGS = -p PORT",
        name=endpoint.endpoint_id,
    )
    with contextlib.suppress(OSError):
        os.close(endpoint.listener.descriptor)
