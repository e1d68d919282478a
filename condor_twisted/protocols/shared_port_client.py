"""Reaching a daemon behind a shared port: one message before everything else.

Layout: one raw message, never answered::

    int 75, string endpoint's id, string who asks (for logs), int seconds, int 0

What follows on the connection is for the daemon; the digests that the first encrypted
messages are bound to begin behind this message. The id ``self`` is the shared port
daemon's own: for it they do not.

Source: ``src/condor_io/shared_port_client.cpp: SharedPortClient::sendSharedPortID``;
``src/condor_io/reli_sock.cpp: ReliSock::do_shared_port_local_connect``.
"""

from __future__ import annotations

from typing import Final

from condor_twisted.constants.commands import Command
from condor_twisted.protocols.reli_sock import ReliSockProtocol
from condor_twisted.wire.messages import MessageWriter

__all__ = ["ask_shared_port", "shared_port_request"]

#: The endpoint of the shared port daemon itself.
OWN_ENDPOINT: Final = "self"
_SECONDS: Final = 20


def shared_port_request(endpoint_id: str, requester: str) -> bytes:
    """The message that asks for an endpoint.

    Args:
        endpoint_id: ``sock=`` of the daemon's address.
        requester: Who asks.
    """
    writer = MessageWriter()
    writer.put_int(Command.SHARED_PORT_CONNECT)
    writer.put_string(endpoint_id)
    writer.put_string(requester)
    writer.put_int(_SECONDS)
    writer.put_int(0)
    return writer.end_of_message()


def ask_shared_port(
    channel: ReliSockProtocol, endpoint_id: str, requester: str
) -> None:
    """Ask for an endpoint on a new connection.

    Args:
        channel: A channel that has sent nothing yet.
        endpoint_id: ``sock=`` of the daemon's address.
        requester: Who asks.
    """
    channel.send_message(shared_port_request(endpoint_id, requester))
    if endpoint_id != OWN_ENDPOINT:
        channel.restart_transcript()
