"""The authentication methods, one file and one class each."""

from __future__ import annotations

from collections.abc import Collection

from condor_twisted.classad.literals import LiteralValue
from condor_twisted.constants.permissions import Permission
from condor_twisted.security.credentials import NO_CREDENTIALS, Credentials
from condor_twisted.security.knobs import Knobs
from condor_twisted.security.method_names import canonical_method
from condor_twisted.security.methods.anonymous import AnonymousMethod
from condor_twisted.security.methods.base import AuthenticationMethod, MethodSecurity
from condor_twisted.security.methods.claimtobe import ClaimToBeMethod
from condor_twisted.security.methods.fs import FsMethod, FsRemoteMethod
from condor_twisted.security.methods.idtokens import IdTokensMethod
from condor_twisted.security.methods.kerberos import KerberosMethod
from condor_twisted.security.methods.munge import MungeMethod
from condor_twisted.security.methods.ntsspi import NtsspiMethod
from condor_twisted.security.methods.password import PasswordMethod
from condor_twisted.security.methods.scitokens import SciTokensMethod
from condor_twisted.security.methods.ssl import SslMethod

__all__ = [
    "METHODS",
    "check_switches",
    "find_method",
    "offer_attributes",
    "unusable_methods",
    "usable_methods",
]

#: Every method of this build. A new one is one more row.
METHODS: tuple[type[AuthenticationMethod], ...] = (
    FsMethod,
    FsRemoteMethod,
    ClaimToBeMethod,
    AnonymousMethod,
    PasswordMethod,
    IdTokensMethod,
    SslMethod,
    SciTokensMethod,
    MungeMethod,
    KerberosMethod,
    NtsspiMethod,
)

_BY_NAME = {method.name: method for method in METHODS}


def find_method(name: str) -> type[AuthenticationMethod] | None:
    """The method of a wire name, in any case of letters, or ``None``."""
    return _BY_NAME.get(name.upper())


def offer_attributes(
    names: Collection[str], security: MethodSecurity
) -> dict[str, LiteralValue]:
    """The attributes that an ad has where it offers these methods."""
    attributes: dict[str, LiteralValue] = {}
    for method in METHODS:
        if method.name in names:
            attributes.update(method.attributes(security))
    return attributes


def usable_methods(
    knobs: Knobs,
    own_user: str | None,
    permission: Permission,
    credentials: Credentials = NO_CREDENTIALS,
) -> frozenset[str]:
    """The wire names of the methods that can work here at a level.

    Args:
        knobs: The configuration.
        own_user: The user whom we authenticate as.
        permission: The level; CLIENT for our side as a client.
        credentials: What we can prove ourselves with.
    """
    return frozenset(
        method.name
        for method in METHODS
        if method.unavailable(knobs, own_user, permission, credentials) is None
    )


def unusable_methods(
    names: Collection[str],
    knobs: Knobs,
    own_user: str | None,
    permission: Permission,
    credentials: Credentials,
) -> dict[str, str]:
    """Why methods that are configured cannot work here at a level.

    Args:
        names: The methods, as a configuration lists them.
        knobs: The configuration.
        own_user: The user whom we authenticate as.
        permission: The level; CLIENT for our side as a client.
        credentials: What we can prove ourselves with.

    Returns:
        The reasons by the names as they were given.
    """
    reasons: dict[str, str] = {}
    for given in names:
        method = find_method(canonical_method(given) or given)
        if method is None:
            reasons[given] = "this build does not have it"
            continue
        reason = method.unavailable(knobs, own_user, permission, credentials)
        if reason is not None:
            reasons[given] = reason
    return reasons


def check_switches(knobs: Knobs) -> None:
    """Read the truth values among the methods' knobs.

    Raises:
        ConfigError: One of them is none.
    """
    for method in METHODS:
        for name, default in method.switches.items():
            knobs.boolean(name, default)
