"""The authentication methods, one file and one class each."""

from __future__ import annotations

from condor_twisted.constants.permissions import Permission
from condor_twisted.security.knobs import Knobs
from condor_twisted.security.methods.anonymous import AnonymousMethod
from condor_twisted.security.methods.base import AuthenticationMethod
from condor_twisted.security.methods.claimtobe import ClaimToBeMethod
from condor_twisted.security.methods.fs import FsMethod, FsRemoteMethod

__all__ = ["METHODS", "find_method", "usable_methods"]

#: Every method of this build. A new one is one more row.
METHODS: tuple[type[AuthenticationMethod], ...] = (
    FsMethod,
    FsRemoteMethod,
    ClaimToBeMethod,
    AnonymousMethod,
)

_BY_NAME = {method.name: method for method in METHODS}


def find_method(name: str) -> type[AuthenticationMethod] | None:
    """The method of a wire name, in any case of letters, or ``None``."""
    return _BY_NAME.get(name.upper())


def usable_methods(
    knobs: Knobs, own_user: str | None, permission: Permission
) -> frozenset[str]:
    """The wire names of the methods that can work here at a level.

    Args:
        knobs: The configuration.
        own_user: The user whom we authenticate as.
        permission: The level; CLIENT for our side as a client.
    """
    return frozenset(
        method.name
        for method in METHODS
        if method.unavailable(knobs, own_user, permission) is None
    )
