"""The other side of a channel: who it is, and what the channel has proved.

Source: ``src/condor_io/sock.h`` (``getFullyQualifiedUser``, ``triedAuthentication``,
``isMappedFQU``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from condor_twisted.constants.permissions import Permission
from condor_twisted.security.identity import (
    UNAUTHENTICATED_USER,
    is_authenticated,
    is_mapped,
)

__all__ = ["Peer", "Transport", "datagram_peer", "raw_peer"]


class Transport(Enum):
    """What a command came by."""

    TCP = "TCP"
    UDP = "UDP"

    # Each is there once; the inherited one hashes the name, in Python.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Peer:
    """Who the other side is, and what this channel has proved.

    Every way in which a command can start makes one of these, and one function looks
    at it (`condor_twisted.security.handshake.admission.admit`).

    Args:
        address: The peer's IP address as text.
        port: Its port.
        transport: What its messages come by.
        user: The fully qualified user; ``unauthenticated@unmapped`` for nobody.
        method: The method that proved the user; ``None`` if nothing did.
        authenticated_name: The name that the method itself knows.
        tried_authentication: Authentication was run, whatever came of it.
        negotiated: The channel has a security session.
        encrypted: What comes through it is encrypted.
        integrity: What comes through it cannot be changed unseen.
        limits: The levels to which the user's credential is limited, all implied
            ones included; ``None`` without a limit.
        limits_text: The same limits as the credential spells them.
        credential_expires_at: When the credential ends, in Unix time; ``None`` where
            it does not.
        session_id: The session's public id.
        version: The ``$CondorVersion$`` that the peer announced.
        subsystem: What the peer says it is.
        command_address: Where the peer says it takes commands, a sinful string.
        host_names: The peer's host names, confirmed forward; ``None`` where nobody
            has looked.
    """

    address: str
    port: int
    transport: Transport
    user: str = UNAUTHENTICATED_USER
    method: str | None = None
    authenticated_name: str | None = None
    tried_authentication: bool = False
    negotiated: bool = False
    encrypted: bool = False
    integrity: bool = False
    limits: frozenset[Permission] | None = None
    limits_text: str | None = None
    credential_expires_at: int | None = None
    session_id: str | None = None
    version: str | None = None
    subsystem: str | None = None
    command_address: str | None = None
    host_names: tuple[str, ...] | None = None

    @property
    def is_authenticated(self) -> bool:
        """Whether a method has proved who this is."""
        return self.method is not None and is_authenticated(self.user)

    @property
    def is_mapped(self) -> bool:
        """Whether the user is one with a domain that means somebody."""
        return is_mapped(self.user)

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.user} at <{host}:{self.port}>"


@lru_cache(maxsize=4096)
def raw_peer(address: str, port: int, transport: Transport) -> Peer:
    """The peer of a channel that has proved nothing.

    The same arguments give the same value, since a sender of datagrams sends many.
    """
    return Peer(address, port, transport)


@lru_cache(maxsize=4096)
def datagram_peer(source: tuple[str, int]) -> Peer:
    """The peer of a datagram that has proved nothing, by its socket address."""
    return Peer(source[0], source[1], Transport.UDP)
