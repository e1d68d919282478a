"""Who somebody is: fully qualified users, and the names that nobody may claim.

A fully qualified user (FQU) is ``user@domain``, or a bare ``user`` where a method
gives no domain. Some domains mean a session that was set up without any network
method; whoever bears them has rights that no list grants. So a network method never
gives them out, whatever the peer says.

Source: ``src/condor_io/condor_auth.cpp``, ``src/condor_includes/condor_auth.h``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from condor_twisted.errors import AuthenticationFailed

__all__ = [
    "ANONYMOUS_USER",
    "CHILD_USER",
    "COLLECTOR_SIDE_USER",
    "FAMILY_USER",
    "PARENT_USER",
    "RESERVED_DOMAINS",
    "UNAUTHENTICATED_USER",
    "check_user",
    "is_authenticated",
    "is_mapped",
    "make_user",
]

#: The identity of a peer that proved none.
UNAUTHENTICATED_USER: Final = "unauthenticated@unmapped"
#: The identity of a peer that authenticated with ANONYMOUS. It has no domain.
ANONYMOUS_USER: Final = "CONDOR_ANONYMOUS_USER"
#: Who is at the other end of a session that a parent made for its child, and who is
#: at the other end of one that all processes of a family share.
CHILD_USER: Final = "condor@child"
PARENT_USER: Final = "condor@parent"
FAMILY_USER: Final = "condor@family"
#: Who comes with what the collector was told for its administrators.
COLLECTOR_SIDE_USER: Final = "collector-side@matchsession"

#: Domains that only a pre-shared session, or the one method named for them, gives.
RESERVED_DOMAINS: Final = frozenset(
    {"family", "child", "parent", "matchsession", "password", "unmapped"}
)

_MAX_USER_BYTES: Final = 1024


def make_user(user: str, domain: str | None) -> str:
    """The FQU of a user and a domain; domains are lower case."""
    return f"{user}@{domain.lower()}" if domain else user


def is_authenticated(user: str) -> bool:
    """Whether an FQU is one that was proved."""
    return bool(user) and user != UNAUTHENTICATED_USER


def is_mapped(user: str) -> bool:
    """Whether an FQU has a domain that means somebody."""
    _, at, domain = user.rpartition("@")
    return bool(at) and bool(domain) and domain != "unmapped"


def check_user(method: str, user: str, allowed_domains: Collection[str] = ()) -> str:
    """Check the FQU that a network method found, before anybody believes it.

    Args:
        method: The method, for the error.
        user: The FQU: printable, at most 1,024 bytes, at most one ``@`` with
            something on both sides.
        allowed_domains: The reserved domains that this method may give.

    Returns:
        The FQU as it was given.

    Raises:
        AuthenticationFailed: The login is refused.
    """
    if not user or len(user.encode(errors="replace")) > _MAX_USER_BYTES:
        raise AuthenticationFailed(method, "the user name is empty or too long")
    if not user.isprintable():
        raise AuthenticationFailed(method, "the user name has unprintable characters")
    name, at, domain = user.partition("@")
    if at and (not name or not domain or "@" in domain):
        raise AuthenticationFailed(method, "the user name is not user@domain")
    if domain.lower() in RESERVED_DOMAINS and domain.lower() not in allowed_domains:
        raise AuthenticationFailed(method, "the user name has a reserved domain")
    return user
