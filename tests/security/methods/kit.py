"""What the tests of methods share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from condor_twisted.constants.permissions import Permission
from condor_twisted.security.handshake.pod_ads import PodAd
from condor_twisted.security.methods.base import (
    AuthenticationMethod,
    AuthResult,
    MethodContext,
)
from condor_twisted.wire.messages import MessageWriter
from tests.security.kit import (
    CLIENT_ENDS,
    SERVER_ENDS,
    Clock,
    FakeHost,
    Side,
    make_state,
)

#: The version of peers that have new names.
VERSION = "$CondorVersion: 25.14.1 2026-10-16 $"
#: The time in all of these tests.
NOW = 1_795_351_000


def clock_of(unix_time: int) -> Clock:
    """A clock that stands."""
    clock = Clock()
    clock.seconds = float(unix_time - 1_700_000_000)
    return clock


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
    peer_version: str | None = None,
    identity_map: Callable[[str, str], str | None] | None = None,
) -> Side[AuthResult]:
    """The server's side of a method, to which a client says these things."""
    host = host or FakeHost()
    state = make_state(
        knobs,
        condor_user=condor_user,
        files=host.files,
        clock=clock_of(NOW),
        identity_map=identity_map,
    )
    state.command_address = command_address
    ends = replace(SERVER_ENDS, own_address=own_address)
    side = Side(
        method.server(MethodContext(state, ends, permission, PodAd({}), peer_version)),
        host,
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
    peer_version: str | None = None,
    peer_ad: Mapping[str, str] | None = None,
    token: str | None = None,
    proxy_file: str | None = None,
    subsystem: str = "COLLECTOR",
    terminal: bool = False,
) -> Side[AuthResult]:
    """The client's side of a method, to which a server says these things."""
    ends = replace(
        CLIENT_ENDS, dialled=dialled or CLIENT_ENDS.dialled, peer_address=peer_address
    )
    host = host or FakeHost()
    state = make_state(
        knobs,
        own_user=own_user,
        files=host.files,
        clock=clock_of(NOW),
        proxy_file=proxy_file,
        subsystem=subsystem,
        terminal=terminal,
    )
    state.token = token
    ad = PodAd({name.lower(): value for name, value in (peer_ad or {}).items()})
    side = Side(
        method.client(MethodContext(state, ends, Permission.CLIENT, ad, peer_version)),
        host,
    )
    for message in messages:
        side.message_received(message)
    return side
