"""NTSSPI: the login of a Windows user, by NTLM.

1.  C: a blob
2.  S: a blob; and again, until the client is content with the server's last blob, and
    the server with the client's

A blob is two messages, ``int size`` and as many bytes. NTLM takes three of them. Nobody
says at the end how it went: a client that was refused believes that it was not. So a
server ends the connection with a refusal, where other methods let the client go on with
the next one. A client that cannot log in sends a size of 0 and goes on.

Source: ``src/condor_io/condor_auth_sspi.cpp``.
"""

from __future__ import annotations

from typing import Final

from condor_twisted.errors import (
    FailedAttempt,
    LimitExceeded,
    MalformedMessage,
    NoMethodSucceeded,
)
from condor_twisted.security.identity import make_user
from condor_twisted.security.methods.base import (
    AuthResult,
    LibraryMethod,
    MethodContext,
    receive_int,
    send_int,
)
from condor_twisted.security.sspi import (
    SSPI_LIBRARY,
    SspiProblem,
    SspiTurn,
    advance_sspi,
    open_sspi,
)
from condor_twisted.security.steps import Handshake, receive_message, send_message

__all__ = ["NtsspiMethod"]

_MAX_BLOB_BYTES: Final = 65536
_MAX_TURNS: Final = 8
_NOTHING: Final = 0


class NtsspiMethod(LibraryMethod):
    """Windows' own users, on Windows alone."""

    name = "NTSSPI"
    used_name = "NTSSPI"
    bit = 16
    library = SSPI_LIBRARY
    missing = "SSPI is not here"

    def client(self, context: MethodContext) -> Handshake[AuthResult]:
        """Log in as this process's user; who the server is stays unknown."""
        exchange = yield from open_sspi(server=False)
        turn: SspiTurn | SspiProblem
        received = b""
        for _ in range(_MAX_TURNS):
            if isinstance(exchange, SspiProblem):
                turn = exchange
            else:
                turn = yield from advance_sspi(exchange, received)
            if isinstance(turn, SspiProblem):
                yield from send_int(_NOTHING)
                raise self.failure(f"Windows does not log us in: {turn.reason}")
            if turn.token:
                yield from _send_blob(turn.token)
            if turn.done:
                return AuthResult(user=None)
            received = yield from _receive_blob()
            if not received:
                raise MalformedMessage("a server of NTSSPI that has nothing to say")
        raise LimitExceeded("the turns of NTSSPI", _MAX_TURNS)

    def server(self, context: MethodContext) -> Handshake[AuthResult]:
        """Have Windows say who the client is."""
        exchange = yield from open_sspi(server=True)
        if isinstance(exchange, SspiProblem):
            raise self._refusal(exchange.reason)
        for _ in range(_MAX_TURNS):
            received = yield from _receive_blob()
            if not received:
                raise self.failure("the client has no login")
            turn = yield from advance_sspi(exchange, received)
            if isinstance(turn, SspiProblem):
                raise self._refusal(turn.reason)
            if turn.token:
                yield from _send_blob(turn.token)
            if turn.done:
                return self._result(turn.user)
        raise LimitExceeded("the turns of NTSSPI", _MAX_TURNS)

    def _result(self, account: str | None) -> AuthResult:
        """Who a Windows account is.

        Raises:
            NoMethodSucceeded: It is nobody's.
        """
        if not account:
            raise self._refusal("the account has no name")
        domain, slash, user = account.rpartition("\\")
        name = f"{user}@{domain}" if slash else user
        return AuthResult(make_user(user, domain), authenticated_name=name)

    def _refusal(self, reason: str) -> NoMethodSucceeded:
        """The error that ends the connection: the client would not hear of another."""
        said = "the client's login is not accepted"
        attempt = FailedAttempt(self.used_name, said, reason)
        return NoMethodSucceeded([attempt], (self.name,))


def _send_blob(blob: bytes) -> Handshake[None]:
    yield from send_int(len(blob))
    yield from send_message(blob)


def _receive_blob() -> Handshake[bytes]:
    """Receive a blob; empty where a size of 0 stands for none.

    Raises:
        RemoteProtocolError: It is something else.
    """
    size = yield from receive_int()
    if not 0 <= size <= _MAX_BLOB_BYTES:
        raise LimitExceeded("the size of a blob of NTSSPI", _MAX_BLOB_BYTES, size)
    if size == _NOTHING:
        return b""
    blob = yield from receive_message()
    if len(blob) != size:
        raise MalformedMessage(f"a blob of {len(blob)} bytes in the place of {size}")
    return blob
