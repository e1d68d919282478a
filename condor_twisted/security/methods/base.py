"""What an authentication method is.

A method is one class in one file and one row in
`condor_twisted.security.methods.METHODS`. It exchanges messages with the other side,
asks the host what it must, and ends with who the other side is. It sees no connection,
no file and no clock.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol

from condor_twisted.classad.literals import LiteralValue
from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import AuthenticationFailed, FailedAttempt, TrailingData
from condor_twisted.security.credentials import Credentials
from condor_twisted.security.facts import ChannelEnds, HostFacts
from condor_twisted.security.handshake.pod_ads import PodAd
from condor_twisted.security.identity import check_user, make_user
from condor_twisted.security.knobs import Knobs
from condor_twisted.security.method_names import ADDRESS_CHECK_KNOB
from condor_twisted.security.patterns.hosts import parse_ip
from condor_twisted.security.steps import (
    Handshake,
    lookup_user,
    receive_message,
    send_message,
)
from condor_twisted.wire.messages import MessageReader

__all__ = [
    "AuthResult",
    "AuthenticationMethod",
    "LibraryMethod",
    "MethodContext",
    "MethodSecurity",
    "receive_int",
    "send_int",
]

_INT: Final = struct.Struct(">q")


@dataclass(frozen=True, slots=True)
class AuthResult:
    """What a method found out about the other side.

    Args:
        user: The fully qualified user; ``None`` where the method tells this side
            nothing (most methods tell a client nothing).
        authenticated_name: The name by which the method knows the other side, which
            the identity map maps; ``None`` is never mapped.
        canonical_name: The name in the pool, where the method has mapped the other one
            itself; empty where it found none. ``None`` leaves it to the identity map.
        limits: ``LimitAuthorization``, the levels to which the identity is good, as
            text; ``None`` without a limit.
        attributes: ``AuthToken...`` attributes for the session.
    """

    user: str | None
    authenticated_name: str | None = None
    canonical_name: str | None = None
    limits: str | None = None
    attributes: Mapping[str, LiteralValue] = field(default_factory=dict)


class MethodSecurity(Protocol):
    """What methods see of `condor_twisted.security.context.SecurityState`."""

    @property
    def knobs(self) -> Knobs:
        """The configuration."""

    @property
    def host(self) -> HostFacts:
        """Who and where we are."""

    @property
    def random_bytes(self) -> Callable[[int], bytes]:
        """Gives so many bytes of the system's entropy."""

    @property
    def unix_time(self) -> Callable[[], int]:
        """Gives seconds since 1970."""

    @property
    def identity_map(self) -> Callable[[str, str], str | None]:
        """Maps a method's authenticated name."""

    @property
    def command_address(self) -> str | None:
        """Where we take commands, a sinful string."""

    @property
    def credentials(self) -> Credentials:
        """What we can prove ourselves with."""

    @property
    def token(self) -> str | None:
        """A token that is tried before those in files."""

    @property
    def uid_domain(self) -> str:
        """UID_DOMAIN."""

    @property
    def trust_domain(self) -> str | None:
        """TRUST_DOMAIN."""


@dataclass(frozen=True, slots=True)
class MethodContext:
    """What a method stands on.

    Args:
        security: The daemon's security state.
        ends: The two ends of the connection.
        permission: The level of the command (server), or CLIENT.
        peer_ad: The other side's ad of this negotiation.
        peer_version: The ``$CondorVersion$`` that it announced.
        attempts: The methods that were tried in vain so far.
    """

    security: MethodSecurity
    ends: ChannelEnds
    permission: Permission
    peer_ad: PodAd
    peer_version: str | None
    attempts: list[FailedAttempt] = field(default_factory=list, compare=False)


class AuthenticationMethod(ABC):
    """One way to prove who one is.

    Attributes:
        name: The name in the lists of a negotiation.
        used_name: The name of the method once it was used, as map files have it.
        bit: The bit in the rounds of the method choice.
        domains: The reserved domains that its identities may have.
        switches: The truth values among its knobs, with their defaults. They are
            read once when a configuration is taken over, so that a wrong one shows
            then.
    """

    name: ClassVar[str]
    used_name: ClassVar[str]
    bit: ClassVar[int]
    domains: ClassVar[frozenset[str]] = frozenset()
    switches: ClassVar[Mapping[str, bool]] = {}

    @classmethod
    def unavailable(
        cls,
        knobs: Knobs,
        own_user: str | None,
        permission: Permission,
        credentials: Credentials,
    ) -> str | None:
        """Why the method cannot work here; ``None`` if it can.

        Args:
            knobs: The configuration.
            own_user: The user whom we authenticate as.
            permission: The level to offer it for; CLIENT for our side as a client.
            credentials: What we can prove ourselves with.
        """
        return None

    @classmethod
    def attributes(cls, security: MethodSecurity) -> Mapping[str, LiteralValue]:
        """Attributes that an ad has where it offers this method."""
        return {}

    @abstractmethod
    def client(self, context: MethodContext) -> Handshake[AuthResult]:
        """Prove who we are.

        Raises:
            AuthenticationFailed: It did not work, and both sides know.
        """

    @abstractmethod
    def server(self, context: MethodContext) -> Handshake[AuthResult]:
        """Find out who the other side is.

        Raises:
            AuthenticationFailed: It did not work, and both sides know.
        """

    def switch(self, context: MethodContext, name: str) -> bool:
        """The value of one of its `switches`."""
        return context.security.knobs.boolean(name, self.switches[name])

    def check_address(self, context: MethodContext, address: str) -> None:
        """Refuse a credential that is bound to another IP address than the peer's.

        Raises:
            AuthenticationFailed: It is, and the configuration does not waive it.
        """
        if context.security.knobs.boolean(ADDRESS_CHECK_KNOB, False):
            return
        if parse_ip(address) != parse_ip(context.ends.peer_address):
            raise self.failure("the credential is bound to another address")

    def result_of_uid(
        self, context: MethodContext, uid: int, *, root: str | None = None
    ) -> Handshake[AuthResult]:
        """The user of this host whom a user id is.

        Args:
            context: What the method stands on.
            uid: The id that was proved.
            root: Whom root counts as; nobody else by default.

        Raises:
            AuthenticationFailed: The id has no name here, or none that a user may have.
        """
        user = yield from lookup_user(uid)
        if user is None:
            raise self.failure(f"uid {uid} has no name here")
        if user == "root":
            user = root or user
        fqu = make_user(user, context.security.uid_domain)
        return AuthResult(check_user(self.used_name, fqu), authenticated_name=user)

    def failure(self, reason: str, detail: str | None = None) -> AuthenticationFailed:
        """The error of this method.

        Args:
            reason: Why, for every log.
            detail: More of it, for the log of D_SECURITY alone.
        """
        return AuthenticationFailed(self.used_name, reason, detail)


class LibraryMethod(AuthenticationMethod):
    """A method that only works where a library is.

    Attributes:
        library: The name under which a host says that it has the library.
        missing: Why the method cannot work without it.
    """

    library: ClassVar[str]
    missing: ClassVar[str]

    @classmethod
    def unavailable(
        cls,
        knobs: Knobs,
        own_user: str | None,
        permission: Permission,
        credentials: Credentials,
    ) -> str | None:
        """It needs its library."""
        return None if cls.library in credentials.libraries else cls.missing


def send_int(value: int) -> Handshake[None]:
    """Send a message of one integer."""
    yield from send_message(_INT.pack(value))


def receive_int() -> Handshake[int]:
    """Receive a message of one integer.

    Raises:
        RemoteProtocolError: The message is something else.
    """
    payload = yield from receive_message()
    reader = MessageReader(payload)
    value = reader.get_int()
    if not reader.at_end():
        raise TrailingData(reader.remaining)
    return value
