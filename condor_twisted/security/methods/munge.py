"""MUNGE: a service of the cluster vouches for the client's user id.

1.  C: int 0, string credential     int -1, string: why there is none; the end
2.  S: int 0                        -1 if the credential is not accepted

The credential is around 24 random bytes, which older peers took for a key; here they
serve nothing.

Source: ``src/condor_io/condor_auth_munge.cpp``.
"""

from __future__ import annotations

from typing import Final

from condor_twisted.errors import AuthenticationFailed, LimitExceeded
from condor_twisted.security.methods.base import (
    AuthResult,
    LibraryMethod,
    MethodContext,
    receive_int,
    send_int,
)
from condor_twisted.security.steps import (
    Handshake,
    decode_munge,
    encode_munge,
    receive_message,
    send_message,
)
from condor_twisted.wire.messages import MessageReader, MessageWriter

__all__ = ["MUNGE_LIBRARY", "MungeMethod"]

#: The name under which a host says that it has MUNGE.
MUNGE_LIBRARY: Final = "munge"
_SUCCESS: Final = 0
_FAILURE: Final = -1
_PAYLOAD_BYTES: Final = 24
_MAX_CREDENTIAL_BYTES: Final = 65536


class MungeMethod(LibraryMethod):
    """The same user database on all hosts, and a daemon that knows who asks."""

    name = "MUNGE"
    used_name = "MUNGE"
    bit = 1024
    library = MUNGE_LIBRARY
    missing = "the library of MUNGE is not here"

    def client(self, context: MethodContext) -> Handshake[AuthResult]:
        """Show a credential of our user."""
        payload = context.security.random_bytes(_PAYLOAD_BYTES)
        credential = yield from encode_munge(payload)
        writer = MessageWriter()
        writer.put_int(_FAILURE if credential is None else _SUCCESS)
        writer.put_string(
            "MUNGE makes no credential" if credential is None else credential
        )
        yield from send_message(writer.end_of_message())
        if credential is None:
            raise self.failure("MUNGE makes no credential")
        if (yield from receive_int()) != _SUCCESS:
            raise self.failure("the server does not accept the credential")
        return AuthResult(user=None)

    def server(self, context: MethodContext) -> Handshake[AuthResult]:
        """Ask MUNGE whose the credential is."""
        reader = MessageReader((yield from receive_message()))
        status = reader.get_int()
        credential = reader.get_string_bytes()
        reader.end_of_message()
        if len(credential) > _MAX_CREDENTIAL_BYTES:
            raise LimitExceeded("the length of a credential", _MAX_CREDENTIAL_BYTES)
        if status != _SUCCESS:
            raise self.failure("the client has no credential")
        uid = yield from decode_munge(credential.decode("ascii", "replace"))
        try:
            if uid is None:
                raise self.failure("MUNGE does not accept the credential")
            result = yield from self.result_of_uid(context, uid)
        except AuthenticationFailed:
            yield from send_int(_FAILURE)
            raise
        yield from send_int(_SUCCESS)
        return result
