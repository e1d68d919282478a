"""Tests of ``condor_twisted.protocols.kerberos_library``, with the library itself.

There is no KDC here: a recorded keytab and a recorded ticket stand in for it, at the
time at which the ticket was good.
"""

from __future__ import annotations

import base64
import importlib.util
import os
import struct
from pathlib import Path
from typing import Any
from unittest import skipUnless

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols import kerberos_library
from condor_twisted.protocols.kerberos_library import (
    accept_ticket,
    kerberos_available,
    request_ticket,
)
from condor_twisted.security.tickets import (
    AcceptedTicket,
    AcceptTicket,
    RequestTicket,
    TicketCache,
    TicketKeytab,
    TicketProblem,
    TicketSource,
)
from tests.security.recordings import (
    blocks_of,
    load_vector,
)

#: When the recorded ticket was shown.
SHOWN_AT = 1795351896
ENDS_AT = 1795387875
#: The session key of the recorded ticket, which the recorded keytab opens.
SESSION_KEY = bytes.fromhex(
    "a57ecc55733adf6ce355c400969fba0ce723a0958acafd16b4d39eb1acebc576"
)
CONFIGURATION = """
[libdefaults]
    default_realm = TEST.REALM
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    default_ccache_name = FILE:{place}/nothing
    default_keytab_name = FILE:{place}/nothing.keytab
[domain_realm]
    localhost = TEST.REALM
"""
NEEDS_LIBRARY = skipUnless(kerberos_available(), "MIT Kerberos' library is not here")


def counted(content: bytes) -> bytes:
    """Bytes behind their count."""
    return struct.pack(">I", len(content)) + content


def principal(*components: bytes) -> bytes:
    """A principal of the realm in a credential cache."""
    head = struct.pack(">II", 1, len(components)) + counted(b"TEST.REALM")
    return head + b"".join(counted(each) for each in components)


def cache_with(ticket: bytes) -> bytes:
    """Alice's credential cache with her ticket for this host, of version 4."""
    times = struct.pack(">IIII", SHOWN_AT - 21, SHOWN_AT - 21, ENDS_AT, 0)
    return b"".join(
        (
            b"\x05\x04\x00\x00",
            principal(b"alice"),
            principal(b"alice"),
            principal(b"host", b"localhost"),
            struct.pack(">H", 18) + counted(SESSION_KEY),
            times,
            struct.pack(">BIII", 0, 0, 0, 0),
            counted(ticket),
            counted(b""),
        )
    )


def ticket_in(request: bytes) -> bytes:
    """The ticket in an AP-REQ, as it stands there."""
    start = request.index(b"\x61\x82")
    (length,) = struct.unpack_from(">H", request, start + 2)
    return request[start : start + 4 + int(length)]


@NEEDS_LIBRARY
class LibraryTests(SynchronousTestCase):
    """Calls of the library."""

    def setUp(self) -> None:
        vector = load_vector("kerberos")
        self.request, self.reply = blocks_of(vector["connections"][0])
        self.place = Path(self.mktemp()).absolute()
        self.place.mkdir()
        keytab = base64.b64decode(vector["secrets"]["server_keytab_base64"])
        (self.place / "keytab").write_bytes(keytab)
        (self.place / "cache").write_bytes(cache_with(ticket_in(self.request)))
        (self.place / "krb5.conf").write_text(CONFIGURATION.format(place=self.place))
        self.keytab = f"FILE:{self.place}/keytab"
        self.set_variable("KRB5_CONFIG", str(self.place / "krb5.conf"))
        self.set_variable("KRB5RCACHEDIR", str(self.place))
        self.now = SHOWN_AT
        self.opened: list[Any] = []
        self.patch(kerberos_library, "_open_context", self.open_context)

    def set_variable(self, name: str, value: str) -> None:
        """Set a variable of this process's environment for the test."""
        before = os.environ.get(name)
        os.environ[name] = value
        if before is None:
            self.addCleanup(os.environ.pop, name)
        else:
            self.addCleanup(os.environ.__setitem__, name, before)

    def open_context(self) -> Any:
        """A context at the time of the recording."""
        context = kerberos_library._Context()
        declared = "krb5_error_code krb5_set_real_time(krb5_context, int32_t, int32_t);"
        context.ffi.cdef(declared, override=True)
        context.call("krb5_set_real_time", self.now, 0)
        self.opened.append(context)
        return context

    def accept(
        self,
        request: bytes,
        keytab: str | None = None,
        peer_address: str = "127.0.0.1",
    ) -> AcceptedTicket | TicketProblem:
        """Show a server a ticket."""
        keytab = keytab or self.keytab
        return accept_ticket(AcceptTicket(request, keytab, "127.0.0.1", peer_address))

    def ask(self, *sources: TicketSource, host: str = "localhost") -> Any:
        """Ask for a ticket, with Alice's cache unless told otherwise."""
        cache = TicketCache(f"FILE:{self.place}/cache")
        answer = request_ticket(RequestTicket("host", host, sources or (cache,)))
        if not isinstance(answer, TicketProblem):
            self.addCleanup(answer.close)
        return answer

    def reason(self, answer: object) -> str:
        """Why there is no ticket, or why it is not accepted."""
        assert isinstance(answer, TicketProblem), answer
        return answer.reason

    def test_pair(self) -> None:
        """A ticket is shown and accepted, and the server proves itself."""
        exchange = self.ask()
        self.assertEqual(exchange.server, "host/localhost@TEST.REALM")
        accepted = self.accept(exchange.request)
        assert isinstance(accepted, AcceptedTicket), accepted
        self.assertEqual(accepted.client, "alice@TEST.REALM")
        self.assertEqual(accepted.addresses, ())
        self.assertIsNone(exchange.check_reply(accepted.reply))

    def test_recorded_request(self) -> None:
        """A request that another implementation made is accepted."""
        accepted = self.accept(self.request)
        assert isinstance(accepted, AcceptedTicket), accepted
        self.assertEqual(accepted.client, "alice@TEST.REALM")

    def test_mnh_4_21_replay(self) -> None:
        """The same request a second time is none."""
        self.assertIsInstance(self.accept(self.request), AcceptedTicket)
        self.assertIn("replay", self.reason(self.accept(self.request)))

    def test_time(self) -> None:
        """A request is good for five minutes, a ticket until it ends."""
        self.now = SHOWN_AT + 301
        self.assertIn("skew", self.reason(self.accept(self.request)))
        self.set_variable("KRB5RCACHEDIR", self.mktemp())
        os.mkdir(os.environ["KRB5RCACHEDIR"])
        self.now = ENDS_AT + 301
        self.assertIn("expired", self.reason(self.accept(self.request)))

    def test_damaged_request(self) -> None:
        """No bit of a request can be another one, unless it means nothing."""
        for at in range(0, len(self.request), 3):
            changed = bytearray(self.request)
            changed[at] ^= 0x10
            answer = self.accept(bytes(changed))
            if isinstance(answer, AcceptedTicket):
                self.assertEqual(answer.client, "alice@TEST.REALM")
        for end in range(0, len(self.request), 37):
            self.assertTrue(self.reason(self.accept(self.request[:end])))
        encrypted = self.request[-200:]
        for at in range(0, len(encrypted), 20):
            changed = bytearray(self.request)
            changed[len(self.request) - 200 + at] ^= 1
            self.assertTrue(self.reason(self.accept(bytes(changed))))

    def test_damaged_reply(self) -> None:
        """A reply that is another one, or one for another request, proves nothing."""
        exchange = self.ask()
        accepted = self.accept(exchange.request)
        assert isinstance(accepted, AcceptedTicket)
        for reply in (b"", accepted.reply[:-1], self.reply, exchange.request):
            self.assertTrue(self.reason(exchange.check_reply(reply)))
        for at in range(len(accepted.reply) - 100, len(accepted.reply), 10):
            changed = bytearray(accepted.reply)
            changed[at] ^= 1
            self.assertTrue(self.reason(exchange.check_reply(bytes(changed))))
        self.now += 1  # a reply repeats the time of its request
        other = self.ask()
        self.assertTrue(self.reason(other.check_reply(accepted.reply)))

    def test_keytabs(self) -> None:
        """A keytab that is not there, is none, or has no such key."""
        (self.place / "empty").write_bytes(b"\x05\x02")
        (self.place / "none").write_bytes(b"no keytab")
        for name in ("absent", "empty", "none"):
            keytab = f"FILE:{self.place}/{name}"
            reason = self.reason(self.accept(self.request, keytab))
            self.assertIn(keytab, reason)
        default = AcceptTicket(self.request, None, "127.0.0.1", "127.0.0.1")
        self.assertIn("the keytab of this host", self.reason(accept_ticket(default)))
        self.assertTrue(self.reason(self.accept(self.request, "WRONG:kind")))

    def test_bound_ticket(self) -> None:
        """A ticket that is bound to addresses is good there alone, and says so."""
        for peer, accepted in (
            ("192.0.2.7", True),
            ("::1", True),
            ("127.0.0.1", False),
        ):
            bound = self.bind_ticket("192.0.2.7", "::1")
            (self.place / "cache").write_bytes(cache_with(bound))
            answer = self.accept(self.ask().request, peer_address=peer)
            if accepted:
                assert isinstance(answer, AcceptedTicket), answer
                self.assertEqual(answer.addresses, ("192.0.2.7", "::1"))
            else:
                self.assertIn("address", self.reason(answer))

    def bind_ticket(self, *addresses: str) -> bytes:
        """The recorded ticket, bound to addresses by whoever has the server's key."""
        with self.open_context() as context:
            ffi = context.ffi
            ffi.cdef(
                """
                krb5_error_code krb5_kt_get_entry(krb5_context, krb5_keytab,
                    krb5_principal, unsigned int, krb5_int32, krb5_keytab_entry *);
                krb5_error_code krb5_encrypt_tkt_part(krb5_context, krb5_keyblock *,
                    krb5_ticket *);
                krb5_error_code encode_krb5_ticket(krb5_ticket *, krb5_data **);
                """,
                override=True,
            )
            ticket = context.make(
                "krb5_ticket *",
                "krb5_free_ticket",
                "krb5_rd_req",
                ffi.new("krb5_auth_context *", context.authentication(0)),
                context.data(self.request),
                ffi.NULL,
                context.keytab(self.keytab),
                ffi.new("krb5_int32 *"),
            )
            entry = ffi.new("krb5_keytab_entry *")
            keytab = context.keytab(self.keytab)
            context.call("krb5_kt_get_entry", keytab, ticket.server, 0, 18, entry)
            places = [context.address(each) for each in addresses]
            array = ffi.new("krb5_address *[]", [*places, ffi.NULL])
            ticket.enc_part2.caddrs = array
            context.call("krb5_encrypt_tkt_part", ffi.addressof(entry, "key"), ticket)
            ticket.enc_part2.caddrs = ffi.NULL
            place = ffi.new("krb5_data **")
            self.assertEqual(context.library.encode_krb5_ticket(ticket, place), 0)
            return bytes(ffi.buffer(place[0].data, place[0].length))

    def test_no_ticket(self) -> None:
        """Each source that does not work is named with its reason."""
        reason = self.reason(
            self.ask(
                TicketCache(),
                TicketCache(f"FILE:{self.place}/absent"),
                TicketKeytab(f"FILE:{self.place}/absent"),
                TicketKeytab(None, "boss@TEST.REALM"),
                TicketKeytab(None, None, "host"),
            )
        )
        self.assertEqual(reason.count("the credential cache: "), 2)
        self.assertIn(f"the keytab FILE:{self.place}/absent: ", reason)
        self.assertEqual(reason.count("the keytab of this host: "), 2)
        self.assertIn(f"{self.place}/nothing", reason)

    def test_first_key(self) -> None:
        """A keytab without a principal is asked for its first key; no KDC answers."""
        reason = self.reason(self.ask(TicketKeytab(self.keytab)))
        self.assertIn("KDC", reason)
        (self.place / "empty").write_bytes(b"\x05\x02")
        empty = TicketKeytab(f"FILE:{self.place}/empty")
        self.assertIn("nonexistent or empty", self.reason(self.ask(empty)))

    def test_second_source(self) -> None:
        """The second source is taken where the first does not work."""
        cache = TicketCache(f"FILE:{self.place}/cache")
        exchange = self.ask(TicketCache(f"FILE:{self.place}/absent"), cache)
        self.assertEqual(exchange.server, "host/localhost@TEST.REALM")

    def test_names(self) -> None:
        """A name that C cannot have is refused."""
        self.assertIn("NUL", self.reason(self.ask(host="local\0host")))

    def test_broken_configuration(self) -> None:
        """A configuration that cannot be read is a reason, on both sides."""
        (self.place / "krb5.conf").write_text("[libdefaults\n")
        self.assertIn("krb5.conf", self.reason(self.ask()))
        self.assertIn("krb5.conf", self.reason(self.accept(self.request)))

    def test_memory_is_given_back(self) -> None:
        """What is made in a context is freed with it: every context is closed."""
        self.accept(self.request)
        self.accept(b"nothing")
        self.ask(TicketCache(f"FILE:{self.place}/absent"))
        exchange = self.ask()
        open_ones = [each for each in self.opened if each._stack._exit_callbacks]
        self.assertEqual(open_ones, [exchange._context])
        exchange.close()
        self.assertEqual(list(open_ones[0]._stack._exit_callbacks), [])


class AvailabilityTests(SynchronousTestCase):
    """Where there is no Kerberos."""

    def ask(self) -> tuple[bool, list[str]]:
        """Whether it is there, and what is logged."""
        observer = EventLoggingObserver()
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        available = kerberos_available.__wrapped__()
        return available, [str(formatEvent(event)) for event in observer]

    def test_without_library(self) -> None:
        """Without the library one line says that the method is not offered."""
        self.patch(kerberos_library, "LIBRARIES", {"linux": ("libnobody-has.so.9",)})
        available, lines = self.ask()
        self.assertFalse(available)
        (line,) = lines
        self.assertIn("KERBEROS is not offered", line)

    def test_without_cffi(self) -> None:
        """Without the extra the line says what to install."""
        self.patch(importlib.util, "find_spec", lambda name: None)
        available, lines = self.ask()
        self.assertFalse(available)
        self.assertEqual(
            lines, ["KERBEROS is not offered: install condor_twisted[kerberos]"]
        )
