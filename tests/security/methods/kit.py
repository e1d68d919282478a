"""What the tests of methods share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from condor_twisted.constants.permissions import Permission
from condor_twisted.security.methods.base import (
    AuthenticationMethod,
    AuthResult,
    MethodContext,
)
from condor_twisted.security.pod_ads import PodAd
from condor_twisted.wire.messages import MessageWriter
from tests.security.kit import CLIENT_ENDS, SERVER_ENDS, FakeHost, Side, make_state


def number(value: int) -> bytes:
    """A message of one integer."""
    return value.to_bytes(8, "big", signed=True)


def text(value: str) -> bytes:
    """A message of one string."""
    writer = MessageWriter()
    writer.put_string(value)
    return writer.end_of_message()


def server_side(
    method: AuthenticationMethod,
    *messages: bytes,
    knobs: Mapping[str, str] | None = None,
    host: FakeHost | None = None,
    permission: Permission = Permission.READ,
    condor_user: str | None = None,
    command_address: str | None = None,
    own_address: str = "127.0.0.1",
) -> Side[AuthResult]:
    """The server's side of a method, to which a client says these things."""
    state = make_state(knobs, condor_user=condor_user)
    state.command_address = command_address
    ends = replace(SERVER_ENDS, own_address=own_address)
    side = Side(
        method.server(MethodContext(state, ends, permission, PodAd({}), None)), host
    )
    for message in messages:
        side.message_received(message)
    return side


def client_side(
    method: AuthenticationMethod,
    *messages: bytes,
    knobs: Mapping[str, str] | None = None,
    host: FakeHost | None = None,
    own_user: str | None = "alice",
    dialled: str | None = None,
    peer_address: str = "127.0.0.1",
) -> Side[AuthResult]:
    """The client's side of a method, to which a server says these things."""
    ends = replace(
        CLIENT_ENDS, dialled=dialled or CLIENT_ENDS.dialled, peer_address=peer_address
    )
    side = Side(
        method.client(
            MethodContext(
                make_state(knobs, own_user=own_user),
                ends,
                Permission.CLIENT,
                PodAd({}),
                None,
            )
        ),
        host,
    )
    for message in messages:
        side.message_received(message)
    return side
