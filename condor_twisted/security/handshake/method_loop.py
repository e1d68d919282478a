"""Choosing and running authentication methods until one succeeds.

Repeat:

1.  C: int mask     the bits of the methods still to try
2.  S: int bit      the first of the *server's* list that the mask has; 0 for none
3.  the method's own messages

A conversation that breaks off in the middle of a method is told like a failed method,
together with the methods that failed before it.

A success ends it, and the server sends one more message, ``int 0``: it has no key to
hand over, because the key comes from the exchange in the negotiation. After a failure
the client takes the method off its list; a bit of 0 is the end for both.

Source: ``src/condor_io/authentication.cpp: Authentication::authenticate_continue,
handshake, exchangeKey``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from condor_twisted.errors import (
    AuthenticationFailed,
    FailedAttempt,
    HandshakeTimedOut,
    LimitExceeded,
    MalformedMessage,
    NoMethodSucceeded,
    RemoteProtocolError,
    SecurityError,
)
from condor_twisted.security.identity import (
    UNAUTHENTICATED_USER,
    check_user,
    make_user,
)
from condor_twisted.security.methods import find_method
from condor_twisted.security.methods.base import (
    AuthenticationMethod,
    AuthResult,
    MethodContext,
    receive_int,
    send_int,
)
from condor_twisted.security.steps import Handshake
from condor_twisted.security.tokens.scitoken_plugins import is_plugin_mapping

__all__ = ["Authenticated", "authenticate_client", "authenticate_server"]

#: More rounds than this are no attempt to authenticate.
MAX_ROUNDS: Final = 8
_NO_METHOD: Final = 0
_HAS_NO_KEY: Final = 0


@dataclass(frozen=True, slots=True)
class Authenticated:
    """What the method that succeeded came to.

    Args:
        method: Its name as used.
        user: The other side's FQU; ``None`` where this side learnt nothing.
        result: All that the method says.
    """

    method: str
    user: str | None
    result: AuthResult


def _methods_of(names: Sequence[str]) -> list[AuthenticationMethod]:
    """The methods of these names that this build has, in order."""
    found: dict[str, AuthenticationMethod] = {}
    for name in names:
        method = find_method(name)
        if method is not None:
            found.setdefault(method.name, method())
    return list(found.values())


def _accept(
    context: MethodContext, method: AuthenticationMethod, result: AuthResult
) -> Authenticated:
    """Check and map what a method found.

    Raises:
        SecurityError: What was found cannot be believed.

    Source: ``src/condor_io/authentication.cpp: authenticate_continue,
    split_canonical_name``.
    """
    security = context.security
    user = result.user
    name = result.authenticated_name
    mapped = result.canonical_name
    if mapped is None and name is not None:
        mapped = security.identity_map(method.used_name, name)
    # Differs from HTCondor, whose clients have servers with such a user.
    if mapped and not is_plugin_mapping(mapped):
        head, at, domain = mapped[:255].rpartition("@")
        user = make_user(head, domain) if at else make_user(domain, security.uid_domain)
        check_user(method.used_name, user)
    if user is not None and user != UNAUTHENTICATED_USER:
        check_user(method.used_name, user, method.domains)
    return Authenticated(method.used_name, user, result)


def authenticate_server(
    context: MethodContext, methods: Sequence[str]
) -> Handshake[Authenticated]:
    """Let a client prove who it is.

    Args:
        context: What the methods stand on.
        methods: The methods that both sides have, best first.

    Raises:
        NoMethodSucceeded: Nothing worked; the client has been told.
        RemoteProtocolError: The client broke the rules.
    """
    usable = _methods_of(methods)
    attempts = context.attempts
    for _ in range(MAX_ROUNDS):
        mask = yield from receive_int()
        method = next((each for each in usable if mask & each.bit), None)
        if method is None:
            yield from send_int(_NO_METHOD)
            raise NoMethodSucceeded(attempts, methods)
        yield from send_int(method.bit)
        try:
            result = yield from method.server(context)
        except AuthenticationFailed as error:
            attempts.append(FailedAttempt(error.method, error.reason, error.detail))
            continue
        except (RemoteProtocolError, HandshakeTimedOut) as error:
            if not attempts:
                raise
            attempts.append(FailedAttempt(method.used_name, str(error)))
            raise NoMethodSucceeded(attempts, methods) from error
        accepted = _accept(context, method, result)
        yield from send_int(_HAS_NO_KEY)
        return accepted
    raise LimitExceeded("the rounds of an authentication", MAX_ROUNDS)


def authenticate_client(
    context: MethodContext, methods: Sequence[str]
) -> Handshake[Authenticated]:
    """Prove to a server who we are.

    Args:
        context: What the methods stand on.
        methods: The methods that both sides have.

    Raises:
        NoMethodSucceeded: Nothing worked; the server knows.
        RemoteProtocolError: The server broke the rules.
    """
    untried = _methods_of(methods)
    attempts = context.attempts
    for _ in range(MAX_ROUNDS):
        yield from send_int(sum(each.bit for each in untried))
        bit = yield from receive_int()
        if bit == _NO_METHOD:
            raise NoMethodSucceeded(attempts, methods)
        method = next((each for each in untried if each.bit == bit), None)
        if method is None:
            raise MalformedMessage("the server picked a method that was not offered")
        try:
            result = yield from method.client(context)
        except AuthenticationFailed as error:
            attempts.append(FailedAttempt(error.method, error.reason, error.detail))
            untried.remove(method)
            continue
        except (RemoteProtocolError, HandshakeTimedOut) as error:
            attempts.append(FailedAttempt(method.used_name, str(error)))
            raise NoMethodSucceeded(attempts, methods) from error
        if (yield from receive_int()) != _HAS_NO_KEY:
            raise SecurityError("the server wants to hand over a key of its own")
        return _accept(context, method, result)
    raise LimitExceeded("the rounds of an authentication", MAX_ROUNDS)
