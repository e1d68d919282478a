"""Reaching a daemon behind a shared port: one message before everything else.

What follows on the connection is for the daemon; the digests that the first encrypted
messages are bound to begin behind this message. The id ``self`` is the shared port
daemon's own: for it they do not.

Source: ``src/condor_io/shared_port_client.cpp: SharedPortClient::sendSharedPortID``.
"""

from __future__ import annotations

from typing import Final

from condor_twisted.protocols.reli_sock import ReliSockProtocol
from condor_twisted.wire.shared_port import OWN_ENDPOINT, SharedPortRequest

__all__ = ["ask_shared_port"]

_SECONDS: Final = 20


def ask_shared_port(
    channel: ReliSockProtocol, endpoint_id: str, requester: str
) -> None:
    """Ask for an endpoint on a new connection.

    Args:
        channel: A channel that has sent nothing yet.
        endpoint_id: ``sock=`` of the daemon's address.
        requester: Who asks.
    """
    request = SharedPortRequest(endpoint_id, requester, _SECONDS)
    channel.send_message(request.serialize())
    if endpoint_id != OWN_ENDPOINT:
        channel.restart_transcript()
