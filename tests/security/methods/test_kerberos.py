"""`condor_twisted.security.methods.kerberos`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    AuthenticationFailed,
    CondorTwistedError,
    LimitExceeded,
    MalformedMessage,
    NoMethodSucceeded,
    PeerClosed,
    RemoteProtocolError,
    SecurityError,
)
from condor_twisted.security.credentials import Credentials
from condor_twisted.security.handshake.pod_ads import PodAd
from condor_twisted.security.methods import usable_methods
from condor_twisted.security.methods.base import AuthResult, MethodContext
from condor_twisted.security.methods.kerberos import KerberosMethod
from condor_twisted.security.tickets import (
    AcceptedTicket,
    AcceptTicket,
    RequestTicket,
    TicketCache,
    TicketKeytab,
    TicketProblem,
)
from tests.security.kit import (
    CLIENT_ENDS,
    DictKnobs,
    FakeFiles,
    FakeHost,
    FakeTicket,
    Side,
    make_state,
    pump,
)
from tests.security.methods.kit import client_side, number, server_side
from tests.security.recordings import prepare_recording
from tests.security.test_akep2 import damaged, replacing
from tests.security.test_negotiation import play_client, play_server

TICKET = FakeTicket(b"the client's request", b"the server's reply")
ALICE = "alice@TEST.REALM"


def block(content: bytes, status: int = 4) -> bytes:
    """A message around one of Kerberos' own."""
    return number(status) + number(len(content)) + content


def host_of(principal: str = ALICE, *addresses: str) -> FakeHost:
    """A host on which a client has a ticket of a principal."""
    return FakeHost(
        ticket=FakeTicket(TICKET.request, TICKET.reply),
        accepted={TICKET.request: AcceptedTicket(principal, TICKET.reply, addresses)},
        names={"127.0.0.1": ("localhost",)},
    )


def serve(
    principal: str = ALICE,
    *addresses: str,
    knobs: Mapping[str, str] | None = None,
    host: FakeHost | None = None,
) -> Side[AuthResult]:
    """A server to which a client has shown its ticket, and that it believes."""
    return server_side(
        KerberosMethod(),
        number(4),
        block(TICKET.request),
        number(1),
        host=host or host_of(principal, *addresses),
        knobs=knobs,
    )


def identity(
    principal: str, knobs: Mapping[str, str] | None = None
) -> tuple[str | None, str | None]:
    """User and authenticated name of a principal."""
    result = serve(principal, knobs=knobs).outcome()
    return result.user, result.authenticated_name


class PairTests(SynchronousTestCase):
    """Both sides, one against the other."""

    def pair(
        self,
        tamper: Callable[[str, int, bytes], bytes] = lambda way, at, payload: payload,
        host: FakeHost | None = None,
        knobs: Mapping[str, str] | None = None,
    ) -> tuple[Side[AuthResult], Side[AuthResult]]:
        """A client and a server that have talked."""
        host = host or host_of()
        one = client_side(KerberosMethod(), host=host)
        other = server_side(KerberosMethod(), host=host, knobs=knobs)
        pump(one, other, tamper)
        return one, other

    def test_accepted(self) -> None:
        """Each side learns the other's principal and the user that it is."""
        one, other = self.pair()
        self.assertEqual(
            one.outcome(), AuthResult("condor@test.realm", "host/localhost@TEST.REALM")
        )
        self.assertEqual(other.outcome(), AuthResult("alice@test.realm", ALICE))
        self.assertEqual(one.sent, [number(4), block(TICKET.request), number(1)])
        self.assertEqual(other.sent, [number(3), block(TICKET.reply), number(1)])

    def test_no_ticket(self) -> None:
        """A client without a ticket says so, why, and nobody answers."""
        host = host_of()
        host.ticket = TicketProblem("the credential cache: No credentials cache found")
        one, other = self.pair(host=host)
        error = self.assertRaises(AuthenticationFailed, one.outcome)
        self.assertIn("No credentials cache found", str(error))
        error = self.assertRaises(AuthenticationFailed, other.outcome)
        self.assertIn("the client has no ticket", str(error))
        self.assertEqual((one.sent, other.sent), ([number(-1)], []))

    def test_mnh_4_36_ticket_is_not_accepted(self) -> None:
        """A ticket that the keytab has no key for is refused with a number."""
        host = host_of()
        host.accepted.clear()
        one, other = self.pair(host=host)
        error = self.assertRaises(AuthenticationFailed, other.outcome)
        assert isinstance(error, AuthenticationFailed)
        self.assertEqual(error.detail, "Wrong principal in request")
        self.assertNotIn("Wrong principal", str(error))
        error = self.assertRaises(AuthenticationFailed, one.outcome)
        self.assertIn("the server does not accept our ticket", str(error))
        self.assertEqual(other.sent, [number(0)])

    def test_principal_is_not_mapped(self) -> None:
        """A principal without a user is refused at the end, and the client knows."""
        knobs = {"KERBEROS_MAP_FILE": "/realms"}
        one, other = self.pair(knobs=knobs)
        error = self.assertRaises(AuthenticationFailed, other.outcome)
        assert isinstance(error, AuthenticationFailed)
        problem = f"the realm of {ALICE} is not in KERBEROS_MAP_FILE"
        self.assertEqual(error.detail, problem)
        self.assertNotIn(ALICE, str(error))
        self.assertRaises(AuthenticationFailed, one.outcome)
        self.assertEqual(other.sent[-1], number(0))

    def test_damage(self) -> None:
        """Any message cut or changed ends in an error that is documented.

        But for the bytes that a message has of Kerberos' own, whose every change the
        fake here refuses, and for numbers that mean no difference.
        """
        sent = {
            "C>S": [number(4), block(TICKET.request), number(1)],
            "S>C": [number(3), block(TICKET.reply), number(1)],
        }
        for way, messages in sent.items():
            for at, message in enumerate(messages):
                for payload in damaged(message):
                    one, other = self.pair(replacing(way, at, payload))
                    victim = other if way == "C>S" else one
                    self.assertIsInstance(
                        victim.error,
                        (AuthenticationFailed, RemoteProtocolError, SecurityError),
                        (way, at, payload),
                    )

    def test_length(self) -> None:
        """A message of 64 KiB is looked at, a longer one or an empty one is not."""
        for length, error in (
            (65536, AuthenticationFailed),
            (65537, LimitExceeded),
            (0, LimitExceeded),
            (-1, LimitExceeded),
        ):
            payload = number(4) + number(length) + b"x" * length
            side = server_side(KerberosMethod(), number(4), payload)
            self.assertRaises(error, side.outcome)

    def test_silence(self) -> None:
        """A side that goes away is ``PeerClosed``, wherever it does."""
        from_client = [number(4), block(TICKET.request), number(1)]
        from_server = [number(3), block(TICKET.reply), number(1)]
        for count in range(3):
            other = server_side(KerberosMethod(), *from_client[:count], host=host_of())
            one = client_side(KerberosMethod(), *from_server[:count], host=host_of())
            for side in (one, other):
                side.peer_closed()
                self.assertRaises(PeerClosed, side.outcome)


class ServerTests(SynchronousTestCase):
    """What a server makes of a ticket."""

    def test_users(self) -> None:
        """The user is what is before a slash, the domain the realm in lower case."""
        for principal, user in (
            (ALICE, "alice@test.realm"),
            ("alice/admin@TEST.REALM", "alice@test.realm"),
            ("Alice@Test.Realm", "Alice@test.realm"),
            ("host/exec.example@TEST.REALM", "condor@test.realm"),
            ("pool/exec.example@TEST.REALM", "pool@test.realm"),
        ):
            self.assertEqual(identity(principal), (user, principal))

    def test_daemons(self) -> None:
        """The service's principals, and one that is named, are the daemons' user."""
        knobs = {
            "KERBEROS_SERVER_SERVICE": "pool",
            "KERBEROS_SERVER_USER": "master",
            "KERBEROS_SERVER_PRINCIPAL": "boss@TEST.REALM",
        }
        for principal, user in (
            ("pool/a.example@TEST.REALM", "master@test.realm"),
            ("boss@TEST.REALM", "master@test.realm"),
            ("boss@OTHER.REALM", "boss@other.realm"),
            ("host/a.example@TEST.REALM", "host@test.realm"),
        ):
            self.assertEqual(identity(principal, knobs)[0], user)
        del knobs["KERBEROS_SERVER_USER"]
        self.assertEqual(identity("boss@TEST.REALM", knobs)[0], "boss@test.realm")
        self.assertEqual(identity("pool/x@TEST.REALM", knobs)[0], "condor@test.realm")

    def test_mnh_4_23_nobody(self) -> None:
        """Principals that are no user, or one whom no method may give, are refused."""
        for principal in (
            "alice\\@home@TEST.REALM",
            "host\\/x@TEST.REALM",
            "@TEST.REALM",
            "/alice@TEST.REALM",
            "alice@",
            "alice",
            "ali\nce@TEST.REALM",
            "condor@FAMILY",
            "condor@Password",
            "x" * 1020 + "@TEST.REALM",
        ):
            with self.subTest(principal=principal[:40]):
                side = serve(principal)
                self.assertRaises(AuthenticationFailed, side.outcome)
                self.assertEqual(side.sent[-1], number(0))

    def test_realms(self) -> None:
        """Where a file lists realms, these have their domains and no other has one."""
        host = host_of()
        host.files = FakeFiles(texts={"/realms": "# x\nTEST.REALM = Here.Example\n"})
        knobs = {"KERBEROS_MAP_FILE": "/realms"}
        self.assertEqual(
            serve(knobs=knobs, host=host).outcome().user, "alice@here.example"
        )
        host.accepted[TICKET.request] = AcceptedTicket("alice@TEST", TICKET.reply)
        self.assertRaises(AuthenticationFailed, serve(knobs=knobs, host=host).outcome)

    def test_addresses(self) -> None:
        """A ticket is good at its first address, or anywhere where that is waived."""
        waived = {"DISABLE_AUTHENTICATION_IP_CHECK": "True"}
        self.assertEqual(serve(ALICE, "127.0.0.1").outcome().user, "alice@test.realm")
        self.assertEqual(
            serve(ALICE, "::ffff:127.0.0.1").outcome().user, "alice@test.realm"
        )
        for addresses in (("192.0.2.7",), ("192.0.2.7", "127.0.0.1")):
            side = serve(ALICE, *addresses)
            self.assertRaises(AuthenticationFailed, side.outcome)
            self.assertEqual(side.sent[-1], number(0))
            self.assertEqual(
                serve(ALICE, *addresses, knobs=waived).outcome().user,
                "alice@test.realm",
            )

    def test_what_is_asked_for(self) -> None:
        """The library gets the message, the keytab and both addresses."""
        for knobs, keytab in (
            ({}, None),
            ({"KERBEROS_SERVER_KEYTAB": ""}, None),
            ({"KERBEROS_SERVER_KEYTAB": "FILE:/k"}, "FILE:/k"),
        ):
            host = host_of()
            serve(knobs=knobs, host=host)
            step = AcceptTicket(TICKET.request, keytab, "127.0.0.1", "127.0.0.1")
            self.assertEqual(host.asked, [step])

    def test_client_without_ticket_after_all(self) -> None:
        """A number alone in the place of a ticket is answered."""
        side = server_side(KerberosMethod(), number(4), number(-1), host=host_of())
        self.assertRaises(AuthenticationFailed, side.outcome)
        self.assertEqual(side.sent, [number(0)])

    def test_client_that_does_not_believe(self) -> None:
        """Whoever does not say that it believes us is nobody."""
        for status in (0, -1, 2, 4):
            side = server_side(
                KerberosMethod(),
                number(4),
                block(TICKET.request),
                number(status),
                host=host_of(),
            )
            self.assertRaises(AuthenticationFailed, side.outcome)
            self.assertEqual(side.sent[-1], number(0))

    def test_secrets(self) -> None:
        """Neither a step nor its answer shows a ticket."""
        step = AcceptTicket(b"\x01secret", None, "127.0.0.1", "127.0.0.1")
        self.assertNotIn("secret", repr(step))
        self.assertNotIn("secret", repr(AcceptedTicket(ALICE, b"\x01secret")))


class ClientTests(SynchronousTestCase):
    """What a client asks for, and what it takes as an answer."""

    def asked(
        self,
        knobs: Mapping[str, str] | None = None,
        subsystem: str = "TOOL",
        own_user: str = "alice",
        dialled: str | None = None,
        cache: str | None = None,
    ) -> RequestTicket | None:
        """What ticket is asked for."""
        host = host_of()
        state = make_state(
            knobs, subsystem=subsystem, own_user=own_user, ticket_cache=cache
        )
        ends = (
            CLIENT_ENDS
            if dialled is None
            else CLIENT_ENDS.__class__("127.0.0.1", 40000, "127.0.0.1", 9618, dialled)
        )
        context = MethodContext(state, ends, Permission.CLIENT, PodAd({}), None)
        Side(KerberosMethod().client(context), host)
        steps = [step for step in host.asked if isinstance(step, RequestTicket)]
        return steps[0] if steps else None

    def test_server(self) -> None:
        """It is for the host that was dialled by name, else for that of the address."""
        for knobs, dialled, service, host in (
            ({}, None, "host", "localhost"),
            ({}, "<127.0.0.1:9618?alias=cm.example>", "host", "cm.example"),
            ({"KERBEROS_SERVER_SERVICE": "pool"}, None, "pool", "localhost"),
        ):
            step = self.asked(knobs, dialled=dialled)
            assert step is not None
            self.assertEqual((step.service, step.host), (service, host))

    def test_server_without_name(self) -> None:
        """An address without a name is no host to be proved."""
        host = FakeHost(ticket=TICKET)
        side = client_side(KerberosMethod(), host=host)
        error = self.assertRaises(AuthenticationFailed, side.outcome)
        self.assertIn("the server's address has no host name", str(error))
        self.assertEqual(side.sent, [number(-1)])

    def test_sources(self) -> None:
        """Users have tickets; daemons and root have the keys of the host."""
        for knobs, subsystem, user, sources in (
            ({}, "TOOL", "alice", (TicketCache(),)),
            ({}, "Submit", "alice", (TicketCache(),)),
            (
                {"KERBEROS_CLIENT_KEYTAB": "/mine"},
                "TOOL",
                "alice",
                (TicketCache(), TicketKeytab("/mine")),
            ),
            ({}, "TOOL", "root", (TicketKeytab(None, None, "host"),)),
            ({}, "SCHEDD", "alice", (TicketKeytab(None, None, "host"),)),
            (
                {
                    "KERBEROS_SERVER_KEYTAB": "/keys",
                    "KERBEROS_SERVER_PRINCIPAL": "boss@TEST.REALM",
                    "KERBEROS_SERVER_SERVICE": "pool",
                },
                "SCHEDD",
                "condor",
                (TicketKeytab("/keys", "boss@TEST.REALM", "pool"),),
            ),
            (
                {"KERBEROS_SERVER_KEYTAB": "/k", "KERBEROS_CLIENT_KEYTAB": "/mine"},
                "SCHEDD",
                "condor",
                (TicketKeytab("/mine"),),
            ),
        ):
            step = self.asked(knobs, subsystem, user)
            assert step is not None
            self.assertEqual(step.sources, sources)
        step = self.asked(cache="FILE:/tickets")
        assert step is not None
        self.assertEqual(step.sources, (TicketCache("FILE:/tickets"),))

    def answered(self, *messages: bytes) -> Side[AuthResult]:
        """A client to which a server has said these things."""
        return client_side(KerberosMethod(), *messages, host=host_of())

    def test_server_that_is_another(self) -> None:
        """A server that does not prove its principal gets no further word."""
        side = self.answered(number(3), block(b"some other reply"))
        error = side.error
        self.assertIs(type(error), SecurityError)
        self.assertIn("is not host/localhost@TEST.REALM", str(error))
        self.assertEqual(len(side.sent), 2)

    def test_refusals(self) -> None:
        """A refusal fails the method; what no server says breaks the rules."""
        good = (number(3), block(TICKET.reply))
        cases: tuple[tuple[tuple[bytes, ...], type[CondorTwistedError]], ...] = (
            ((number(0),), AuthenticationFailed),
            ((number(-1),), AuthenticationFailed),
            ((number(4),), MalformedMessage),
            ((number(3), number(0)), MalformedMessage),
            ((*good, number(0)), AuthenticationFailed),
            ((*good, number(-1)), MalformedMessage),
            ((*good, number(3)), MalformedMessage),
        )
        for messages, error in cases:
            self.assertIs(type(self.answered(*messages).error), error)
        forwarded = self.answered(*good, number(2)).outcome()
        self.assertEqual(forwarded.user, "condor@test.realm")

    def test_ticket_is_given_back(self) -> None:
        """A ticket is given back once, whether it served or not."""
        good = (number(3), block(TICKET.reply), number(1))
        for messages in (good, (number(0),), (number(3), block(b"other")), ()):
            ticket = FakeTicket(TICKET.request, TICKET.reply)
            host = FakeHost(ticket=ticket, names={"127.0.0.1": ("localhost",)})
            side = client_side(KerberosMethod(), *messages, host=host)
            side.peer_closed()
            self.assertEqual(ticket.closed, [True])

    def test_server_without_user(self) -> None:
        """A server whose realm is not listed is told that there is no ticket."""
        side = client_side(
            KerberosMethod(), host=host_of(), knobs={"KERBEROS_MAP_FILE": "/realms"}
        )
        self.assertRaises(AuthenticationFailed, side.outcome)
        self.assertEqual(side.sent, [number(-1)])


class AvailableTests(SynchronousTestCase):
    """Where it is offered."""

    def test_available(self) -> None:
        """It is offered where its library is."""
        for libraries, offered in (
            (frozenset(), False),
            (frozenset({"kerberos"}), True),
        ):
            found = usable_methods(
                DictKnobs(), None, Permission.CLIENT, Credentials(libraries=libraries)
            )
            self.assertIs("KERBEROS" in found, offered)


class RecordedFailureTests(SynchronousTestCase):
    """Recorded conversations that failed: every byte is the recorded one."""

    def test_failures(self) -> None:
        """A client without a ticket, and a server without a key."""
        for name in ("no-credentials", "wrong-service"):
            for server in (True, False):
                with self.subTest(name=name, server=server):
                    recording = prepare_recording(self, f"kerberos-{name}", server)
                    played = (
                        play_server(recording) if server else play_client(recording)
                    )
                    self.assertEqual(played.differences, [])
                    assert played.side is not None
                    self.assertRaises(NoMethodSucceeded, played.side.outcome)
