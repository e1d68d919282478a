"""Who sends and who asks, as far as the collector's decisions need it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from condor_twisted.classad.literals import format_literal
from condor_twisted.constants import attributes
from condor_twisted.wire.versions import CondorVersion

__all__ = ["LOCAL", "UNAUTHENTICATED", "Requester", "Sender"]

UNAUTHENTICATED: Final = "unauthenticated@unmapped"


@dataclass(frozen=True)
class Sender:
    """Who sent an update.

    Make one per session and keep it: what it stamps into ads is made once.

    Args:
        identity: The fully qualified user, stamped into the ad; ``None`` for nobody.
        method: The authentication method's name; ``None`` without authentication.
        owner: The user's name without domain, if authenticated and mapped.
        is_forwarder: Whether this is a collector that passes on what others sent, so
            that its ads keep their age.
        address: Where the update came from, for the log.
    """

    identity: str | None = UNAUTHENTICATED
    method: str | None = None
    owner: str | None = None
    is_forwarder: bool = False
    address: str = ""

    @cached_property
    def stamp(self) -> tuple[bytes, int]:
        """The lines about the sender, and how many they are."""
        lines = b""
        count = 0
        for name, value in (
            (attributes.AUTHENTICATED_IDENTITY, self.identity),
            (attributes.AUTHENTICATION_METHOD, self.method),
        ):
            if value is not None:
                lines += name.encode("ascii") + b" = " + format_literal(value) + b"\0"
                count += 1
        return lines, count


#: The collector itself, when it stores its own ad.
LOCAL: Final = Sender(identity=None, address="this collector")


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks.

    Args:
        may_see_private: Whether the session has NEGOTIATOR or ADMINISTRATOR.
        version: The peer's version, if it is known.
        subsystem: What the peer says it is: ``TOOL``, ``NEGOTIATOR``, ...
        address: Where the query came from, for the log.
    """

    may_see_private: bool = False
    version: CondorVersion | None = None
    subsystem: str = "UNKNOWN"
    address: str = ""

    @property
    def always_wants_private(self) -> bool:
        """Versions that were sent private attributes without asking."""
        version = self.version
        if version is None:
            return False
        return version.built_since(8, 9, 3) and not version.built_since(10, 0, 0)

    @property
    def knows_prefixed_names(self) -> bool:
        """Whether private attributes may be recognized by their prefix."""
        return self.version is not None and self.version.built_since(9, 9, 0)
