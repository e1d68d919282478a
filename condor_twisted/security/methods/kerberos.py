"""KERBEROS: tickets of a third party that both sides trust.

1.  C: int 4                            -1: it has no ticket; the end
2.  C: int 4, int length, AP-REQ        int -1 alone: it has none after all
3.  S: int 3                            0: the ticket is not accepted; the end
4.  S: int 4, int length, AP-REP        proves who the server is
5.  C: int 1
6.  S: int 1                            0: nobody is mapped from the principal

The ticket's session key once wrapped the connection's key. That comes from the exchange
in the negotiation now, and a peer without one is served no key at all, so here the
session key has done its work once both messages are verified.

Source: ``src/condor_io/condor_auth_kerberos.cpp``.
"""

from __future__ import annotations

from typing import Final

from condor_twisted.errors import (
    AuthenticationFailed,
    LimitExceeded,
    MalformedMessage,
    SecurityError,
)
from condor_twisted.security.identity import check_user, make_user
from condor_twisted.security.methods.base import (
    AuthResult,
    LibraryMethod,
    MethodContext,
    receive_int,
    send_int,
)
from condor_twisted.security.steps import (
    Handshake,
    lookup_host,
    receive_message,
    send_message,
)
from condor_twisted.security.tickets import (
    KERBEROS_LIBRARY,
    AcceptTicket,
    RequestTicket,
    TicketCache,
    TicketExchange,
    TicketKeytab,
    TicketProblem,
    TicketSource,
    accept_ticket,
    request_ticket,
)
from condor_twisted.wire.messages import MessageReader, MessageWriter

__all__ = ["KerberosMethod"]

_ABORT: Final = -1
_DENY: Final = 0
_GRANT: Final = 1
_FORWARD: Final = 2
_MUTUAL: Final = 3
_PROCEED: Final = 4

#: Windows puts a user's groups into tickets, up to 64 KiB of them.
_MAX_BLOCK_BYTES: Final = 65536
_DEFAULT_SERVICE: Final = "host"
_DEFAULT_USER: Final = "condor"
#: Programs that users run with tickets of their own.
_USERS_SUBSYSTEMS: Final = frozenset({"TOOL", "SUBMIT", "DAGMAN", "GAHP", "JOB"})
_PRINCIPAL: Final = "KERBEROS_SERVER_PRINCIPAL"


class KerberosMethod(LibraryMethod):
    """Users by their tickets, daemons by the keys of their hosts."""

    name = "KERBEROS"
    used_name = "KERBEROS"
    bit = 64
    library = KERBEROS_LIBRARY
    missing = "the library of Kerberos is not here"

    def client(self, context: MethodContext) -> Handshake[AuthResult]:
        """Show a ticket, and see that the server is the one that it is for."""
        host = yield from _server_host(context)
        if host is None:
            raise (yield from self._give_up("the server's address has no host name"))
        wanted = RequestTicket(_service(context), host, _sources(context))
        exchange = yield from request_ticket(wanted)
        if isinstance(exchange, TicketProblem):
            raise (yield from self._give_up(f"there is no ticket: {exchange.reason}"))
        try:
            return (yield from self._show(context, exchange))
        finally:
            exchange.close()

    def _show(
        self, context: MethodContext, exchange: TicketExchange
    ) -> Handshake[AuthResult]:
        """Show a ticket.

        Raises:
            AuthenticationFailed: It did not work, and the server knows.
            SecurityError: The server is another one.
        """
        try:
            user = self._user_of(context, exchange.server)
        except AuthenticationFailed:
            yield from send_int(_ABORT)
            raise
        yield from send_int(_PROCEED)
        yield from _send_block(exchange.request)
        status = yield from receive_int()
        if status in (_DENY, _ABORT):
            raise self.failure("the server does not accept our ticket")
        if status != _MUTUAL:
            raise MalformedMessage("the server answers a ticket with no known number")
        reply = yield from _receive_block()
        if reply is None:
            raise MalformedMessage("the server proves nothing after it has said so")
        problem = exchange.check_reply(reply)
        if problem is not None:
            # Nothing that such a server says next is worth hearing.
            raise SecurityError(
                f"KERBEROS: the server is not {exchange.server}: {problem.reason}"
            )
        yield from send_int(_GRANT)
        status = yield from receive_int()
        if status == _DENY:
            raise self.failure("the server knows no user for our principal")
        if status not in (_GRANT, _FORWARD):
            raise MalformedMessage("the server ends KERBEROS with no known number")
        return AuthResult(user=user, authenticated_name=exchange.server)

    def server(self, context: MethodContext) -> Handshake[AuthResult]:
        """See whose ticket the client shows, and prove who we are."""
        if (yield from receive_int()) != _PROCEED:
            raise self.failure("the client has no ticket")
        request = yield from _receive_block()
        if request is None:
            raise (yield from self._deny("the client has no ticket after all"))
        keytab = context.security.knobs.text("KERBEROS_SERVER_KEYTAB")
        ends = context.ends
        ticket = yield from accept_ticket(
            AcceptTicket(request, keytab or None, ends.own_address, ends.peer_address)
        )
        if isinstance(ticket, TicketProblem):
            raise (
                yield from self._deny(
                    "the client's ticket is not accepted", ticket.reason
                )
            )
        yield from send_int(_MUTUAL)
        yield from _send_block(ticket.reply)
        if (yield from receive_int()) != _GRANT:
            raise (yield from self._deny("the client does not believe that it is us"))
        try:
            if ticket.addresses:
                self.check_address(context, ticket.addresses[0])
            user = self._user_of(context, ticket.client)
        except AuthenticationFailed as error:
            reason = "the client's ticket is of nobody here"
            denied = yield from self._deny(reason, error.reason)
            raise denied from error
        yield from send_int(_GRANT)
        return AuthResult(user=user, authenticated_name=ticket.client)

    def _give_up(self, reason: str) -> Handshake[AuthenticationFailed]:
        """Tell the server that there will be no ticket.

        Returns:
            What is to be raised.
        """
        yield from send_int(_ABORT)
        return self.failure(reason)

    def _deny(
        self, reason: str, detail: str | None = None
    ) -> Handshake[AuthenticationFailed]:
        """Tell the client that it is refused.

        Args:
            reason: Why, for every log.
            detail: More of it, for the log of D_SECURITY alone.

        Returns:
            What is to be raised.
        """
        yield from send_int(_DENY)
        return self.failure(reason, detail)

    def _user_of(self, context: MethodContext, principal: str) -> str:
        """The FQU of a principal: the daemons' user, or what is before a slash.

        Raises:
            AuthenticationFailed: There is none.

        Source: ``src/condor_io/condor_auth_kerberos.cpp: map_kerberos_name,
        map_domain_name``.
        """
        knobs = context.security.knobs
        if "\\" in principal:
            raise self.failure(f"{principal} has characters that no user name has")
        head, _, realm = principal.rpartition("@")
        user = head.partition("/")[0]
        daemons_user = knobs.text("KERBEROS_SERVER_USER")
        if principal == knobs.text(_PRINCIPAL) and daemons_user:
            user = daemons_user
        if user == _service(context):
            user = daemons_user or _DEFAULT_USER
        domains = context.security.credentials.realm_domains
        domain = realm if domains is None else domains.get(realm)
        if not domain:
            raise self.failure(f"the realm of {principal} is not in KERBEROS_MAP_FILE")
        return check_user(self.used_name, make_user(user, domain))


def _service(context: MethodContext) -> str:
    """The service that daemons run under."""
    return context.security.knobs.text("KERBEROS_SERVER_SERVICE") or _DEFAULT_SERVICE


def _server_host(context: MethodContext) -> Handshake[str | None]:
    """The host that the server must prove to be; ``None`` where it has no name.

    Source: ``src/condor_io/condor_auth_kerberos.cpp: init_server_info``, which knows
    the address alone.
    """
    dialled = context.ends.dialled_host
    if dialled is not None:
        return dialled
    names = yield from lookup_host(context.ends.peer_address)
    return names[0] if names else None


def _sources(context: MethodContext) -> tuple[TicketSource, ...]:
    """What we log in with: daemons and root with keys, users with their tickets.

    Source: ``src/condor_io/condor_auth_kerberos.cpp: init_daemon, init_user``.
    """
    security = context.security
    knobs, host = security.knobs, security.host
    client_keytab = knobs.text("KERBEROS_CLIENT_KEYTAB")
    own = (TicketKeytab(client_keytab),) if client_keytab else ()
    if host.own_user != "root" and knobs.subsystem.upper() in _USERS_SUBSYSTEMS:
        return (TicketCache(host.ticket_cache), *own)
    keytab = knobs.text("KERBEROS_SERVER_KEYTAB") or None
    principal = knobs.text(_PRINCIPAL) or None
    return own or (TicketKeytab(keytab, principal, _service(context)),)


def _send_block(block: bytes) -> Handshake[None]:
    """Send one of Kerberos' own messages."""
    writer = MessageWriter()
    writer.put_int(_PROCEED)
    writer.put_int(len(block))
    writer.put_bytes(block)
    yield from send_message(writer.end_of_message())


def _receive_block() -> Handshake[bytes | None]:
    """Receive one of Kerberos' own messages; ``None`` where a number stands alone.

    Raises:
        RemoteProtocolError: It is something else.
    """
    reader = MessageReader((yield from receive_message()))
    if reader.get_int() != _PROCEED:
        reader.end_of_message()
        return None
    length = reader.get_int()
    if not 0 < length <= _MAX_BLOCK_BYTES:
        raise LimitExceeded("the length of a Kerberos message", _MAX_BLOCK_BYTES)
    block = reader.get_bytes(length)
    reader.end_of_message()
    return block
