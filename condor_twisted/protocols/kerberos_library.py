"""Calls Kerberos' own library, where it is installed.

Getting a ticket may ask a distant server and block for long; accepting one reads files.
So both run in threads, each call with a context of the library's of its own.

Source: ``krb5.h``; ``src/condor_io/condor_auth_kerberos.cpp`` for what is asked for.
"""

from __future__ import annotations

import ctypes
import importlib.util
import ipaddress
import os
import sys
from contextlib import ExitStack
from functools import lru_cache
from typing import Any, Final

from twisted.logger import Logger

from condor_twisted.protocols.kerberos_declarations import (
    ADDRESS_FAMILIES,
    DECLARATIONS,
    LIBRARIES,
)
from condor_twisted.security.patterns.hosts import parse_ip
from condor_twisted.security.tickets import (
    AcceptedTicket,
    AcceptTicket,
    RequestTicket,
    TicketCache,
    TicketExchange,
    TicketKeytab,
    TicketProblem,
    TicketSource,
)

__all__ = ["accept_ticket", "kerberos_available", "request_ticket"]

_log = Logger()

_AP_OPTIONS: Final = 0x20000000 | 0x1  # mutual authentication, a subkey
_DO_TIME: Final = 0x1  # look up in the replay cache
_DO_SEQUENCE: Final = 0x4
_NAME_OF_HOST: Final = 3  # KRB5_NT_SRV_HST


class _KerberosError(Exception):
    """The library's own words for what it cannot do."""


@lru_cache(maxsize=1)
def kerberos_available() -> bool:
    """Whether tickets can be had here. Says so in the log, once, where not."""
    if importlib.util.find_spec("cffi") is None:
        _log.info("KERBEROS is not offered: install condor_twisted[kerberos]")
        return False
    if _library_name() is None:
        _log.info("KERBEROS is not offered: there is no library of MIT Kerberos")
        return False
    return True


def _library_name() -> str | None:
    for name in LIBRARIES.get(sys.platform, ()):
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return name
    return None


@lru_cache(maxsize=1)
def _load() -> tuple[Any, Any]:
    """The library's declarations, and the library."""
    import cffi

    ffi = cffi.FFI()
    ffi.cdef(DECLARATIONS)
    return ffi, ffi.dlopen(_library_name())


class _Context:
    """A context of the library's, and all that is made in it.

    `close` frees everything, the youngest first.

    Raises:
        _KerberosError: Kerberos' configuration on this host cannot be read.
    """

    def __init__(self) -> None:
        self.ffi, self.library = _load()
        self._stack = ExitStack()
        place = self.ffi.new("krb5_context *")
        code = self.library.krb5_init_context(place)
        if code:
            raise _KerberosError(
                f"Kerberos is not configured: krb5.conf cannot be read (error {code})"
            )
        self.handle = place[0]
        self._stack.callback(self.library.krb5_free_context, self.handle)

    def __enter__(self) -> _Context:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Free everything."""
        self._stack.close()

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function that succeeds or says why not.

        Raises:
            _KerberosError: It says why not.
        """
        code = getattr(self.library, name)(self.handle, *arguments)
        if code:
            text = self.library.krb5_get_error_message(self.handle, code)
            reason = self.ffi.string(text).decode("utf-8", "replace")
            self.library.krb5_free_error_message(self.handle, text)
            raise _KerberosError(reason)

    def make(self, kind: str, free: str, name: str, *arguments: Any) -> Any:
        """Call a function whose last argument is where it puts what it makes.

        Args:
            kind: The type of what is made, a pointer.
            free: The function that frees it.
            name: The function.
            *arguments: Its other arguments.
        """
        place = self.ffi.new(f"{kind} *")
        self.call(name, *arguments, place)
        self.free_later(free, place[0])
        return place[0]

    def make_data(self, name: str, *arguments: Any) -> bytes:
        """Call a function whose last argument is a ``krb5_data`` to be filled."""
        place = self.ffi.new("krb5_data *")
        self.call(name, *arguments, place)
        content = bytes(self.ffi.buffer(place.data, place.length))
        self.library.krb5_free_data_contents(self.handle, place)
        return content

    def free_later(self, free: str, thing: Any) -> None:
        """Free something with the context."""
        self._stack.callback(getattr(self.library, free), self.handle, thing)

    def data(self, content: bytes) -> Any:
        """A ``krb5_data`` around some bytes."""
        place = self.ffi.new("krb5_data *")
        place.length = len(content)
        place.data = self._kept(self.ffi.from_buffer(content))
        return place

    def address(self, text: str) -> Any:
        """A ``krb5_address``; NULL for what is no IP address."""
        parsed = parse_ip(text)
        if parsed is None:
            return self.ffi.NULL
        place = self.ffi.new("krb5_address *")
        place.addrtype = ADDRESS_FAMILIES[len(parsed.packed)]
        place.length = len(parsed.packed)
        place.contents = self._kept(self.ffi.new("unsigned char[]", parsed.packed))
        return place

    def text(self, text: str | None) -> Any:
        """A string of C, NULL for ``None``."""
        if text is None:
            return self.ffi.NULL
        if "\0" in text:
            raise _KerberosError("a name has a NUL in it")
        return os.fsencode(text)

    def name_of(self, principal: Any) -> str:
        """A principal as text."""
        free = "krb5_free_unparsed_name"
        text = self.make("char *", free, "krb5_unparse_name", principal)
        return bytes(self.ffi.string(text)).decode("utf-8", "replace")

    def principal_of(self, service: str, host: str | None) -> Any:
        """The principal of a service on a host; ``None`` for this host."""
        return self.make(
            "krb5_principal",
            "krb5_free_principal",
            "krb5_sname_to_principal",
            self.text(host),
            self.text(service),
            _NAME_OF_HOST,
        )

    def keytab(self, name: str | None) -> Any:
        """A file of keys; ``None`` for the host's own."""
        if name is None:
            return self.make("krb5_keytab", "krb5_kt_close", "krb5_kt_default")
        text = self.text(name)
        return self.make("krb5_keytab", "krb5_kt_close", "krb5_kt_resolve", text)

    def authentication(self, flags: int) -> Any:
        """What an exchange knows of itself, a ``krb5_auth_context``."""
        free = "krb5_auth_con_free"
        made = self.make("krb5_auth_context", free, "krb5_auth_con_init")
        self.call("krb5_auth_con_setflags", made, flags)
        return made

    def _kept(self, thing: Any) -> Any:
        """Something of ours that lives as long as the context."""
        self._stack.callback(lambda _thing: None, thing)
        return thing


def _open_context() -> _Context:
    return _Context()


def _first_principal(context: _Context, keytab: Any) -> Any:
    """The principal of a keytab's first key."""
    cursor = context.ffi.new("krb5_kt_cursor *")
    context.call("krb5_kt_start_seq_get", keytab, cursor)
    entry = context.ffi.new("krb5_keytab_entry *")
    try:
        context.call("krb5_kt_next_entry", keytab, entry, cursor)
    finally:
        context.library.krb5_kt_end_seq_get(context.handle, keytab, cursor)
    context.free_later("krb5_free_keytab_entry_contents", entry)
    return entry.principal


def _log_in(context: _Context, source: TicketKeytab, wanted: RequestTicket) -> Any:
    """A ticket for a server, with a key of a keytab."""
    keytab = context.keytab(source.name)
    context.call("krb5_kt_have_content", keytab)
    if source.principal is not None:
        text = context.text(source.principal)
        free = "krb5_free_principal"
        client = context.make("krb5_principal", free, "krb5_parse_name", text)
    elif source.service is not None:
        client = context.principal_of(source.service, None)
    else:
        client = _first_principal(context, keytab)
    server = context.principal_of(wanted.service, wanted.host)
    credentials = context.ffi.new("krb5_creds *")
    context.call(
        "krb5_get_init_creds_keytab",
        credentials,
        client,
        keytab,
        0,
        context.text(context.name_of(server)),
        context.ffi.NULL,
    )
    context.free_later("krb5_free_cred_contents", credentials)
    return credentials


def _look_up(context: _Context, source: TicketCache, wanted: RequestTicket) -> Any:
    """A ticket for a server, with those that a user's cache has."""
    kind, close = "krb5_ccache", "krb5_cc_close"
    if source.name is None:
        cache = context.make(kind, close, "krb5_cc_default")
    else:
        cache = context.make(kind, close, "krb5_cc_resolve", context.text(source.name))
    free = "krb5_free_principal"
    known = context.ffi.new("krb5_creds *")
    known.client = context.make("krb5_principal", free, "krb5_cc_get_principal", cache)
    known.server = context.principal_of(wanted.service, wanted.host)
    return context.make(
        "krb5_creds *", "krb5_free_creds", "krb5_get_credentials", 0, cache, known
    )


def _get_ticket(context: _Context, source: TicketSource, wanted: RequestTicket) -> Any:
    """A ticket for a server; only who has anything to log in with asks for names.

    Source: ``src/condor_io/condor_auth_kerberos.cpp: init_daemon, init_user``.
    """
    if isinstance(source, TicketKeytab):
        return _log_in(context, source, wanted)
    return _look_up(context, source, wanted)


class _Exchange:
    """A ticket that a server is shown."""

    def __init__(self, context: _Context, credentials: Any) -> None:
        self._context = context
        self._authentication = context.authentication(_DO_SEQUENCE)
        self.server = context.name_of(credentials.server)
        place = context.ffi.new("krb5_auth_context *", self._authentication)
        self.request = context.make_data(
            "krb5_mk_req_extended", place, _AP_OPTIONS, context.ffi.NULL, credentials
        )

    def check_reply(self, reply: bytes) -> TicketProblem | None:
        """Why an AP-REP does not prove who the server is; ``None`` if it does."""
        context = self._context
        try:
            context.make(
                "void *",
                "krb5_free_ap_rep_enc_part",
                "krb5_rd_rep",
                self._authentication,
                context.data(reply),
            )
        except _KerberosError as error:
            return TicketProblem(str(error))
        return None

    def close(self) -> None:
        """Give back what the library keeps for it."""
        self._context.close()


def request_ticket(step: RequestTicket) -> TicketExchange | TicketProblem:
    """Get a ticket for a server. May block for long."""
    reasons: list[str] = []
    for source in step.sources:
        context = None
        try:
            context = _open_context()
            return _Exchange(context, _get_ticket(context, source, step))
        except _KerberosError as error:
            if context is not None:
                context.close()
            reasons.append(f"{source}: {error}")
    return TicketProblem("; ".join(reasons))


def accept_ticket(step: AcceptTicket) -> AcceptedTicket | TicketProblem:
    """See whose ticket a client shows. May block."""
    try:
        with _open_context() as context:
            return _accept(context, step)
    except _KerberosError as error:
        return TicketProblem(f"{TicketKeytab(step.keytab)}: {error}")


def _accept(context: _Context, step: AcceptTicket) -> AcceptedTicket:
    ffi = context.ffi
    authentication = context.authentication(_DO_SEQUENCE | _DO_TIME)
    own = context.address(step.own_address)
    peer = context.address(step.peer_address)
    context.call("krb5_auth_con_setaddrs", authentication, own, peer)
    ticket = context.make(
        "krb5_ticket *",
        "krb5_free_ticket",
        "krb5_rd_req",
        ffi.new("krb5_auth_context *", authentication),
        context.data(step.request),
        ffi.NULL,  # any of the keytab's principals
        context.keytab(step.keytab),
        ffi.new("krb5_int32 *"),
    )
    reply = context.make_data("krb5_mk_rep", authentication)
    return AcceptedTicket(
        context.name_of(ticket.enc_part2.client),
        reply,
        _addresses(ffi, ticket.enc_part2.caddrs),
    )


def _addresses(ffi: Any, array: Any) -> tuple[str, ...]:
    """The IP addresses in an array that ends with NULL."""
    found: list[str] = []
    index = 0
    while array != ffi.NULL and array[index] != ffi.NULL:
        packed = bytes(ffi.buffer(array[index].contents, array[index].length))
        if ADDRESS_FAMILIES.get(len(packed)) == array[index].addrtype:
            found.append(str(ipaddress.ip_address(packed)))
        index += 1
    return tuple(found)
