"""Prove to a daemon who we are, before any command.

::

    identity = await client.authenticate("<192.0.2.7:9618>", timeout_seconds=10)
    print(identity.user, identity.method)

The session that is made stays: commands of the same level, and of those that it
implies, resume it and cost one round trip less.

Source: ``src/condor_io/sock.cpp: Sock::authenticate``,
``src/condor_io/condor_secman.cpp: SecManStartCommand::DoTCPAuth_inner``.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from condor_twisted.client.ping import HasOpener, command_of
from condor_twisted.errors import NoMethodSucceeded
from condor_twisted.security.commands import DC_AUTHENTICATE
from condor_twisted.security.identity import UNAUTHENTICATED_USER
from condor_twisted.security.negotiation import CommandStart, NegotiationRecord
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["Identity", "authenticate"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What an authentication came to.

    Args:
        user: Who the daemon says we are.
        method: The method that proved it.
        server_user: Who the daemon is; ``unauthenticated@unmapped`` where the method
            proves one side only.
        session_id: The public id of the session.
    """

    user: str
    method: str
    server_user: str
    session_id: str


@inlineCallbacks
def authenticate(
    client: HasOpener,
    address: SinfulAddress | str,
    about: str | int = "WRITE",
    *,
    timeout_seconds: float | None = None,
) -> Generator[Deferred[Any], Any, Identity]:
    """Prove to a daemon who we are; see `CommandClient.authenticate`."""
    record = NegotiationRecord()
    start = CommandStart(
        DC_AUTHENTICATE,
        command_of(about),
        request_authentication=True,
        fresh=True,
        record=record,
    )
    channel = yield client.opener.open(
        address,
        DC_AUTHENTICATE,
        raw=False,
        start=start,
        timeout_seconds=timeout_seconds,
    )
    channel.close()
    found, session, agreed = record.authenticated, record.session, record.agreed
    assert session is not None, "the negotiation has ended well"
    assert agreed is not None
    if found is None:
        raise NoMethodSucceeded(record.attempts, agreed.methods)
    return Identity(
        session.own_user or UNAUTHENTICATED_USER,
        found.method,
        session.user,
        session.id,
    )
