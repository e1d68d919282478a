"""ANONYMOUS: the server gives everybody the same name.

1.  S: int 1

Source: ``src/condor_io/condor_auth_anonymous.cpp``.
"""

from __future__ import annotations

from typing import Final

from condor_twisted.security.identity import ANONYMOUS_USER
from condor_twisted.security.methods.base import (
    AuthenticationMethod,
    AuthResult,
    MethodContext,
    receive_int,
    send_int,
)
from condor_twisted.security.steps import Handshake

__all__ = ["AnonymousMethod"]

_OK: Final = 1


class AnonymousMethod(AuthenticationMethod):
    """Anybody, and known to be nobody in particular."""

    name = "ANONYMOUS"
    used_name = "ANONYMOUS"
    bit = 128

    def client(self, context: MethodContext) -> Handshake[AuthResult]:
        """Take the server's word; it tells nothing about the server."""
        if (yield from receive_int()) != _OK:
            raise self.failure("the server refuses")
        return AuthResult(user=None)

    def server(self, context: MethodContext) -> Handshake[AuthResult]:
        """Give the client the common name. It has no domain, so it is not mapped."""
        yield from send_int(_OK)
        return AuthResult(user=ANONYMOUS_USER, authenticated_name=ANONYMOUS_USER)
