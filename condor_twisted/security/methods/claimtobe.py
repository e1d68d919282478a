"""CLAIMTOBE: the client says who it is, and the server believes it.

1.  C: int 1, string name       int 0 alone: the client knows no name for itself
2.  S: int 1                    nothing after an int 0; int 0 refuses the name

It is never offered unless the configuration names it, and what it proves is good for
the level of the command it was made for, and what that level implies, alone.

Source: ``src/condor_io/condor_auth_claim.cpp``,
``src/condor_daemon_core.V6/daemon_command.cpp: AuthenticateFinish``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from condor_twisted.constants.permissions import Permission, with_implied
from condor_twisted.errors import AuthenticationFailed, LimitExceeded
from condor_twisted.security.identity import check_user, make_user
from condor_twisted.security.knobs import Knobs
from condor_twisted.security.methods.base import (
    AuthenticationMethod,
    AuthResult,
    MethodContext,
    receive_int,
    send_int,
)
from condor_twisted.security.steps import Handshake, receive_message, send_message
from condor_twisted.wire.messages import MessageReader, MessageWriter

__all__ = ["ClaimToBeMethod"]

_OK: Final = 1
_INCLUDE_DOMAIN: Final = "SEC_CLAIMTOBE_INCLUDE_DOMAIN"
_MAX_NAME_BYTES: Final = 1024


class ClaimToBeMethod(AuthenticationMethod):
    """Say who you are."""

    name = "CLAIMTOBE"
    used_name = "CLAIMTOBE"
    bit = 2
    switches: ClassVar[Mapping[str, bool]] = {_INCLUDE_DOMAIN: True}

    @classmethod
    def unavailable(
        cls, knobs: Knobs, own_user: str | None, permission: Permission
    ) -> str | None:
        """A client needs a name to say."""
        if permission is not Permission.CLIENT or own_user:
            return None
        return None if knobs.text("SEC_CLAIMTOBE_USER") else "we have no user name"

    def client(self, context: MethodContext) -> Handshake[AuthResult]:
        """Say our name, with our domain unless the configuration leaves it out."""
        security = context.security
        name = security.knobs.text("SEC_CLAIMTOBE_USER") or security.host.own_user
        if not name:
            yield from send_int(0)
            raise self.failure("we have no user name")
        if self.switch(context, _INCLUDE_DOMAIN):
            name = f"{name}@{security.uid_domain}"
        writer = MessageWriter()
        writer.put_int(_OK)
        writer.put_string(name)
        yield from send_message(writer.end_of_message())
        if (yield from receive_int()) != _OK:
            raise self.failure("the server refuses")
        return AuthResult(user=None)

    def server(self, context: MethodContext) -> Handshake[AuthResult]:
        """Take the client's name, with our own domain where it gives none."""
        security = context.security
        reader = MessageReader((yield from receive_message()))
        has_name = reader.get_int()
        if has_name != _OK:
            raise self.failure("the client has no name for itself")
        claimed = reader.get_string_bytes()
        reader.end_of_message()
        if len(claimed) > _MAX_NAME_BYTES:
            raise LimitExceeded("the length of a user name", _MAX_NAME_BYTES)
        text = claimed.decode("utf-8", "replace")
        if self.switch(context, _INCLUDE_DOMAIN):
            user, at, domain = text.rpartition("@")
            if not at:
                user, domain = text, ""
            text = make_user(user, domain or security.uid_domain)
        try:
            check_user(self.used_name, text)
        except AuthenticationFailed:
            # The client takes this for the failure it is, and tries another method.
            yield from send_int(0)
            raise
        yield from send_int(_OK)
        return AuthResult(
            user=text,
            authenticated_name=text,
            limits=",".join(level.name for level in with_implied(context.permission)),
        )
