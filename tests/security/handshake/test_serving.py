"""`condor_twisted.security.handshake.serving`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.literals import LiteralValue
from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    AuthenticationFailed,
    AuthorizationDenied,
    MalformedMessage,
    NoMethodSucceeded,
    PeerClosed,
    PolicyMismatch,
    RemoteProtocolError,
    SecurityError,
    SessionUnknown,
)
from condor_twisted.security.context import SecurityState
from condor_twisted.security.handshake.key_exchange import (
    encode_public_key,
    make_private_key,
)
from condor_twisted.security.handshake.pod_ads import PodAd, put_pod_ad, read_pod_ad
from condor_twisted.security.keys import CryptoMethod, SessionKey
from condor_twisted.security.negotiation import (
    Admission,
    CommandStart,
    Established,
    connect,
    serve,
)
from condor_twisted.security.sessions.session import SecuritySession
from condor_twisted.security.sessions.shared import make_child_session, make_family
from condor_twisted.wire.messages import MessageReader, MessageWriter
from tests.security.kit import (
    Clock,
    FakeHost,
    Side,
    client_context,
    make_state,
    run_pair,
    server_context,
)

CLAIM = {
    "SEC_DEFAULT_AUTHENTICATION": "REQUIRED",
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE",
}
FS = {**CLAIM, "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS"}


def request(**values: LiteralValue | None) -> bytes:
    """A client's first message; ``None`` leaves an attribute out."""
    pairs: dict[str, LiteralValue | None] = {
        "Command": 5,
        "NewSession": "YES",
        "Enact": "NO",
        "AuthMethods": "CLAIMTOBE",
        "CryptoMethods": "AES,BLOWFISH",
        "Authentication": "OPTIONAL",
        "AuthenticationNew": "OPTIONAL",
        "Encryption": "OPTIONAL",
        "Integrity": "OPTIONAL",
        "SessionDuration": "60",
        "SessionLease": 3600,
        "ECDHPublicKey": encode_public_key(make_private_key()),
        "RemoteVersion": "$CondorVersion: 25.14.1 2026-10-16 $",
        **values,
    }
    writer = MessageWriter()
    writer.put_int(60010)
    put_pod_ad(
        writer, [(name, value) for name, value in pairs.items() if value is not None]
    )
    return writer.end_of_message()


def resume_request(sid: str, **values: LiteralValue | None) -> bytes:
    """A client's first message that resumes a session."""
    pairs: dict[str, LiteralValue | None] = {
        "UseSession": "YES",
        "Sid": sid,
        "Command": 5,
        "Nonce": "A" * 44,
        "ResumeResponse": True,
        **values,
    }
    writer = MessageWriter()
    writer.put_int(60010)
    put_pod_ad(
        writer, [(name, value) for name, value in pairs.items() if value is not None]
    )
    return writer.end_of_message()


def ad_of(payload: bytes, encrypted: bool = False) -> PodAd:
    """The ad in a message."""
    return read_pod_ad(MessageReader(payload, encrypted=encrypted))


class ServingCase(SynchronousTestCase):
    """Clients against servers in memory."""

    def run_command(
        self,
        server: SecurityState,
        client: SecurityState,
        start: CommandStart | None = None,
        host: FakeHost | None = None,
    ) -> tuple[Side[Established], Side[Admission]]:
        """Start a command; both sides afterwards."""
        host = host or FakeHost()
        one = Side(connect(client_context(client), start or CommandStart(5)), host)
        two = run_pair(one, lambda first: serve(server_context(server), first), host)
        return one, two

    def established(
        self, knobs: Mapping[str, str], start: CommandStart | None = None, **facts: Any
    ) -> tuple[SecurityState, SecurityState, Admission]:
        """A server and a client that have a session with each other."""
        server = make_state(knobs, **facts)
        client = make_state(knobs, subsystem="TOOL")
        one, two = self.run_command(server, client, start)
        one.outcome()
        return server, client, two.outcome()


class NewSessionTests(ServingCase):
    """New sessions."""

    def test_methods(self) -> None:
        """Client and server agree over each method, and on one key."""
        for method, user in (
            ("CLAIMTOBE", "alice@test.domain"),
            ("FS", "www-data@test.domain"),
            ("FS_REMOTE", "www-data@test.domain"),
            ("ANONYMOUS", "CONDOR_ANONYMOUS_USER"),
        ):
            with self.subTest(method=method):
                knobs = {**CLAIM, "SEC_DEFAULT_AUTHENTICATION_METHODS": method}
                host = FakeHost()
                client, server = self.run_command(
                    make_state(knobs), make_state(knobs, subsystem="TOOL"), host=host
                )
                self.assertEqual(client.outcome().own_user, user)
                admission = server.outcome()
                self.assertEqual(admission.command, 5)
                self.assertEqual(admission.peer.user, user)
                self.assertEqual(client.protection, server.protection)
                self.assertTrue(admission.encrypted)
                self.assertEqual(host.directories, {})

    def test_good_for_no_other_method(self) -> None:
        """A level that takes other methods alone is not promised to a session."""
        server = make_state({**FS, "SEC_DAEMON_AUTHENTICATION_METHODS": "CLAIMTOBE"})
        client = make_state({**FS, "SEC_CLIENT_AUTHENTICATION_METHODS": "CLAIMTOBE,FS"})
        one, _ = self.run_command(server, client, CommandStart(58))
        session = one.outcome().session
        self.assertEqual(session.method, "CLAIMTOBE")
        self.assertEqual(session.valid_commands, "58,60047")
        one, two = self.run_command(server, client)
        self.assertFalse(one.outcome().resumed)
        self.assertEqual(two.outcome().command, 5)
        self.assertEqual(one.outcome().session.method, "FS")

    def test_good_for_its_own_level_at_least(self) -> None:
        """A session that nothing protects is good for the level it was made for."""
        knobs = {
            **CLAIM,
            "SEC_DEFAULT_ENCRYPTION": "NEVER",
            "SEC_DEFAULT_INTEGRITY": "NEVER",
        }
        client, _ = self.run_command(make_state(knobs), make_state(knobs))
        self.assertEqual(client.outcome().session.valid_commands, "5,6")

    def test_policies_and_ciphers(self) -> None:
        """Each wish of the client meets each of the server, with each cipher."""
        words = ("REQUIRED", "PREFERRED", "OPTIONAL", "NEVER")
        for cipher in ("AES", "BLOWFISH", "3DES"):
            for client_word in words:
                for server_word in words:
                    common = {
                        "SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE",
                        "SEC_DEFAULT_CRYPTO_METHODS": cipher,
                    }
                    client, server = self.run_command(
                        make_state({**common, "SEC_READ_ENCRYPTION": server_word}),
                        make_state(
                            {**common, "SEC_CLIENT_ENCRYPTION": client_word},
                            subsystem="TOOL",
                        ),
                    )
                    if {client_word, server_word} == {"REQUIRED", "NEVER"}:
                        self.assertRaises(PolicyMismatch, server.outcome)
                        self.assertRaises(PeerClosed, client.outcome)
                        continue
                    admission = server.outcome()
                    self.assertEqual(client.outcome().encrypted, admission.encrypted)
                    self.assertEqual(client.protection, server.protection)
                    assert server.protection is not None
                    self.assertEqual(server.protection.key.method.wire_name, cipher)

    def test_mnh_4_20_aes_cannot_be_off(self) -> None:
        """With AES the stream is encrypted even where the ad says NO."""
        knobs = {"SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE"}
        client, server = self.run_command(
            make_state(knobs), make_state(knobs, subsystem="TOOL")
        )
        self.assertEqual(ad_of(server.sent[0]).string("Encryption"), "NO")
        self.assertTrue(server.outcome().encrypted)
        self.assertTrue(client.outcome().encrypted)

    def test_failed_authentication_that_nobody_requires(self) -> None:
        """Where nobody requires it, a failure goes on as nobody, still encrypted."""
        knobs = {
            "SEC_DEFAULT_AUTHENTICATION": "PREFERRED",
            "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS",
        }
        host = FakeHost(can_name=False)
        client, server = self.run_command(
            make_state(knobs), make_state(knobs, subsystem="TOOL"), host=host
        )
        self.assertIs(ad_of(server.sent[0]).boolean("AuthRequired"), False)
        admission = server.outcome()
        self.assertEqual(admission.peer.user, "unauthenticated@unmapped")
        self.assertIsNone(admission.peer.method)
        self.assertTrue(admission.peer.tried_authentication)
        self.assertTrue(admission.encrypted)
        self.assertEqual(client.outcome().own_user, "unauthenticated@unmapped")

    def test_failed_authentication_that_is_required(self) -> None:
        """Where it is required, a failure is the end on both sides."""
        host = FakeHost(can_name=False)
        client, server = self.run_command(
            make_state(FS), make_state(FS, subsystem="TOOL"), host=host
        )
        self.assertRaises(NoMethodSucceeded, server.outcome)
        self.assertRaises(NoMethodSucceeded, client.outcome)

    def test_answer_to_an_ancient_client(self) -> None:
        """What a client does not name, and we have not, is not in the answer."""
        state = make_state({"TRUST_DOMAIN": ""})
        side = Side(
            serve(
                server_context(state),
                request(
                    ECDHPublicKey=None,
                    CryptoMethods=None,
                    AuthMethods=None,
                    SessionLease=None,
                ),
            )
        )
        ad = ad_of(side.sent[0])
        self.assertEqual(
            sorted(ad),
            sorted(
                name.lower()
                for name in (
                    "Authentication",
                    "Encryption",
                    "Integrity",
                    "SessionDuration",
                    "Enact",
                    "NegotiatedSession",
                    "RemoteVersion",
                )
            ),
        )
        self.assertFalse(side.outcome().encrypted)
        session = side.outcome().session
        assert session is not None
        self.assertEqual(session.lease_seconds, 0)

    def test_session_only(self) -> None:
        """DC_AUTHENTICATE makes a session and runs nothing."""
        _, client, admission = self.established(CLAIM, CommandStart(60010, about=58))
        self.assertIsNone(admission.command)
        self.assertTrue(admission.decision.allowed)
        self.assertEqual(admission.rule.number, 58)
        self.assertEqual(len(client.outgoing), 1)

    def test_mnh_4_14_denied(self) -> None:
        """A peer without the right hears DENIED, and no session is kept anywhere."""
        knobs = {**CLAIM, "DENY_READ": "alice@*"}
        server, client = make_state(knobs), make_state(CLAIM, subsystem="TOOL")
        one, two = self.run_command(server, client)
        self.assertRaises(AuthorizationDenied, one.outcome)
        admission = two.outcome()
        self.assertFalse(admission.decision.allowed)
        self.assertIsNone(admission.command)
        self.assertIsNone(admission.session)
        self.assertEqual(ad_of(two.sent[-1], True).string("ReturnCode"), "DENIED")
        self.assertEqual(len(server.incoming) + len(client.outgoing), 0)

    def test_mnh_4_11_claimtobe_is_limited_to_its_level(self) -> None:
        """What CLAIMTOBE proved for READ is good for READ alone."""
        _, _, admission = self.established(CLAIM)
        self.assertEqual(admission.peer.limits, {Permission.READ})
        self.assertEqual(admission.peer.limits_text, "READ")
        self.assertIsNone(admission.peer.credential_expires_at)
        start = CommandStart(60021)
        _, _, admission = self.established(CLAIM, start)
        self.assertEqual(admission.peer.limits, {Permission.READ, Permission.WRITE})

    def test_mnh_4_11_claimtobe_is_off_by_default(self) -> None:
        """Nobody configured CLAIMTOBE: a client that offers it gets nowhere."""
        server = Side(
            serve(
                server_context(make_state({"SEC_DEFAULT_AUTHENTICATION": "REQUIRED"})),
                request(AuthenticationNew="REQUIRED"),
            )
        )
        self.assertRaises(NoMethodSucceeded, server.outcome)

    def test_host_names(self) -> None:
        """Where lists name hosts, the client's names are looked up."""
        knobs = {**CLAIM, "ALLOW_READ": "*.a.org"}
        knobs |= {f"ALLOW_{each}": "x@y" for each in ("WRITE", "DAEMON")}
        knobs |= {f"ALLOW_{each}": "x@y" for each in ("ADMINISTRATOR", "NEGOTIATOR")}
        for names, allowed in ((("h.a.org",), True), ((), False)):
            host = FakeHost(names={"127.0.0.1": names})
            _, server = self.run_command(
                make_state(knobs), make_state(CLAIM, subsystem="TOOL"), host=host
            )
            admission = server.outcome()
            self.assertEqual(admission.decision.allowed, allowed)
            self.assertEqual(admission.peer.host_names, names)

    def test_forced_authentication(self) -> None:
        """A command that forces authentication raises the level's wish."""
        knobs = {"SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE"}
        client, server = self.run_command(
            make_state(knobs),
            make_state(knobs, subsystem="TOOL"),
            CommandStart(60052),
        )
        self.assertEqual(server.outcome().peer.user, "alice@test.domain")
        client.outcome()
        anonymous = {"SEC_DEFAULT_AUTHENTICATION_METHODS": "ANONYMOUS"}
        _, server = self.run_command(
            make_state(anonymous),
            make_state(anonymous, subsystem="TOOL"),
            CommandStart(60052),
        )
        self.assertFalse(server.outcome().decision.allowed)

    def test_session_facts(self) -> None:
        """The session remembers what the client said of itself, and when it ends."""
        clock = Clock()
        knobs = {**CLAIM, "SEC_DEFAULT_SESSION_DURATION": "500"}
        server = make_state(knobs, clock=clock)
        side = Side(
            serve(
                server_context(server),
                request(
                    AuthenticationNew="NEVER",
                    Command=60011,
                    SessionDuration="100",
                    SessionLease=50,
                    Subsystem="SCHEDD",
                    ServerCommandSock="<1.2.3.4:5>",
                ),
            )
        )
        session = side.outcome().session
        assert session is not None
        self.assertEqual(session.expires_at, clock.seconds + 120)
        self.assertEqual(session.lease_seconds, 70)
        self.assertEqual(session.subsystem, "SCHEDD")
        self.assertEqual(session.command_address, "<1.2.3.4:5>")
        self.assertEqual(
            [key.method for key in session.keys],
            [CryptoMethod.AES, CryptoMethod.BLOWFISH],
        )

    def test_mnh_4_22_identity_comes_from_the_method_alone(self) -> None:
        """Names, limits and capabilities in the client's ad count for nothing."""
        side = Side(
            serve(
                server_context(make_state({"SEC_READ_AUTHENTICATION": "NEVER"})),
                request(
                    User="root@test.domain",
                    AuthenticatedName="root",
                    TriedAuthentication=True,
                    LimitAuthorization="ADMINISTRATOR",
                    TokenCapabilities="ADMINISTRATOR",
                    Sid="chosen-by-the-client",
                    MyRemoteUserName="root@test.domain",
                ),
            )
        )
        admission = side.outcome()
        self.assertEqual(admission.peer.user, "unauthenticated@unmapped")
        self.assertFalse(admission.peer.tried_authentication)
        self.assertIsNone(admission.peer.limits)
        assert admission.session is not None
        self.assertNotIn("chosen", admission.session.id)

    def test_mnh_4_7_session_ids_differ(self) -> None:
        """No two sessions have the same id, and each has 32 random digits."""
        server = make_state()
        ids = set()
        for _ in range(3):
            session = Side(serve(server_context(server), request())).outcome().session
            assert session is not None
            self.assertEqual(len(session.id.rpartition(":")[2]), 32)
            ids.add(session.id)
        self.assertEqual(len(ids), 3)


class RefusedRequestTests(ServingCase):
    """First messages that get no answer."""

    def refuse(
        self,
        payload: bytes,
        error: type[Exception],
        knobs: Mapping[str, str] | None = None,
    ) -> None:
        """This message gets no answer and ends in this error."""
        side = Side(serve(server_context(make_state(knobs)), payload))
        self.assertRaises(error, side.outcome)
        self.assertEqual(side.sent, [])

    def test_no_command(self) -> None:
        """A negotiation about nothing is refused."""
        self.refuse(request(Command=None), MalformedMessage)
        self.refuse(request(Command="5"), MalformedMessage)
        self.refuse(request(Command=60010), MalformedMessage)

    def test_mnh_5_3_command_numbers_are_whole(self) -> None:
        """2^32 + 5 is not command 5."""
        self.refuse(request(Command=2**32 + 5), AuthorizationDenied)
        self.refuse(request(Command=-5), AuthorizationDenied)
        self.refuse(request(Command=60010, AuthCommand=60010), AuthorizationDenied)

    def test_udp_only(self) -> None:
        """A command that does not come by TCP is refused."""
        server = make_state()
        rule = server.rules.find(5)
        assert rule is not None
        server.rules.remove(5)
        server.rules.add(type(rule)(5, Permission.READ, tcp=False, udp=True))
        side = Side(serve(server_context(server), request()))
        self.assertRaises(AuthorizationDenied, side.outcome)

    def test_mnh_4_25_cookies(self) -> None:
        """No cookie was ever made, so none is right, the empty one least of all."""
        for cookie in ("", "0" * 127, 5):
            self.refuse(request(Cookie=cookie), AuthorizationDenied)

    def test_ancient_forms(self) -> None:
        """Without NewSession or with Enact YES nothing is negotiated."""
        self.refuse(request(NewSession=None), PolicyMismatch)
        self.refuse(request(Enact="YES"), PolicyMismatch)
        self.refuse(request(Enact=None), PolicyMismatch)

    def test_mnh_4_15_bad_keys_are_refused_on_every_path(self) -> None:
        """A key that is no point is refused, also without authentication."""
        for key in ("", "AAAA", "BAAA", "A" * 88, "!" * 88, "A" * 201):
            self.refuse(request(ECDHPublicKey=key), RemoteProtocolError)
            self.refuse(
                request(ECDHPublicKey=key, AuthenticationNew="REQUIRED"),
                RemoteProtocolError,
                CLAIM,
            )

    def test_no_key_exchange(self) -> None:
        """Without an ECDH key nothing that needs a key is agreed on."""
        for name in ("AuthenticationNew", "Encryption", "Integrity"):
            self.refuse(
                request(ECDHPublicKey=None, **{name: "REQUIRED"}),
                PolicyMismatch,
                {"SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE"},
            )

    def test_no_common_cipher(self) -> None:
        """A key without a cipher is refused."""
        self.refuse(request(CryptoMethods=None), PolicyMismatch)
        self.refuse(request(CryptoMethods="RC4"), PolicyMismatch)
        self.refuse(
            request(CryptoMethods="AES"),
            PolicyMismatch,
            {"SEC_DEFAULT_CRYPTO_METHODS": "BLOWFISH"},
        )

    def test_mnh_4_2_downgrades(self) -> None:
        """Nothing that a client leaves out or lowers gets it past REQUIRED."""
        knobs = {
            **CLAIM,
            "SEC_DEFAULT_ENCRYPTION": "REQUIRED",
            "SEC_DEFAULT_INTEGRITY": "REQUIRED",
        }
        for changes in (
            {"AuthenticationNew": "NEVER"},
            {"AuthenticationNew": None, "Authentication": "NEVER"},
            {"AuthenticationNew": None, "Authentication": None},
            {"AuthenticationNew": ""},
            {"AuthenticationNew": "OPTONAL"},
            {"Encryption": "NEVER"},
            {"Encryption": None},
            {"Encryption": True},
            {"Integrity": "NEVER"},
            {"Integrity": None},
            {"CryptoMethods": ""},
            {"CryptoMethods": "NONE"},
            {"ECDHPublicKey": None},
            {"NewSession": "NO"},
            {"Enact": "YES"},
        ):
            with self.subTest(changes=changes):
                self.refuse(request(**changes), PolicyMismatch, knobs)

    def test_mnh_1_33_lengths(self) -> None:
        """Ids, versions and lists beyond their lengths are refused."""
        self.refuse(request(AuthMethods="A" * 4097), RemoteProtocolError)
        self.refuse(request(RemoteVersion="A" * 1025), RemoteProtocolError)
        self.refuse(resume_request("A" * 257), RemoteProtocolError)
        self.refuse(resume_request(""), MalformedMessage)

    def test_truncated_and_damaged(self) -> None:
        """Cut or with one byte changed, the message ends in a documented error."""
        payload = request()
        server = make_state()
        for length in range(8, len(payload)):
            side = Side(serve(server_context(server), payload[:length]))
            self.assertIsInstance(side.error, RemoteProtocolError, length)
        for index in range(8, len(payload), 7):
            changed = bytearray(payload)
            changed[index] ^= 0x5A
            side = Side(serve(server_context(server), bytes(changed)))
            if side.error is not None:
                self.assertIsInstance(side.error, RemoteProtocolError | SecurityError)

    def test_trailing_data(self) -> None:
        """Nothing may follow the ad."""
        self.refuse(request() + b"\0", RemoteProtocolError)


class ConversationTests(ServingCase):
    """Messages in the middle that are cut, changed or missing."""

    def test_each_message_damaged(self) -> None:
        """Each later message, cut or changed, ends both sides in documented errors."""
        for knobs in (CLAIM, FS):
            for direction in ("C>S", "S>C"):
                for index in range(1 if direction == "C>S" else 0, 5):
                    for cut in (True, False):
                        self.tamper_with(knobs, direction, index, cut)

    def tamper_with(
        self, knobs: Mapping[str, str], direction: str, index: int, cut: bool
    ) -> None:
        """Change one message of a conversation."""

        def tamper(way: str, number: int, payload: bytes) -> bytes:
            if (way, number) != (direction, index):
                return payload
            return payload[:-1] if cut else payload[:-1] + bytes((payload[-1] ^ 0x55,))

        server, client = make_state(knobs), make_state(knobs, subsystem="TOOL")
        host = FakeHost()
        one = Side(connect(client_context(client), CommandStart(5)), host)
        two = run_pair(
            one, lambda first: serve(server_context(server), first), host, tamper
        )
        for side in (one, two):
            self.assertTrue(side.done)
            if side.error is not None:
                self.assertIsInstance(side.error, RemoteProtocolError | SecurityError)

    def test_client_goes_away(self) -> None:
        """A client that closes in the middle is ``PeerClosed``, and leaves nothing."""
        server = make_state(CLAIM)
        side = Side(serve(server_context(server), request()))
        self.assertFalse(side.done)
        side.peer_closed()
        self.assertRaises(PeerClosed, side.outcome)
        self.assertEqual(len(server.incoming), 0)

    def test_close_at_each_wait(self) -> None:
        """A handshake that is closed while it waits ends quietly."""
        handshake = serve(server_context(make_state(CLAIM)), request())
        side = Side(handshake)
        self.assertFalse(side.done)
        handshake.close()
        self.assertRaises(StopIteration, next, handshake)

    def test_refused_name(self) -> None:
        """A name that may not be claimed fails the method, and the login with it."""
        for name in ("condor@family", "condor@password", "a@b@c", "x\ny@dom"):
            with self.subTest(name=name):
                server = make_state(CLAIM)
                client = make_state(
                    {
                        **CLAIM,
                        "SEC_CLAIMTOBE_USER": name,
                        "SEC_CLAIMTOBE_INCLUDE_DOMAIN": "False",
                    },
                    subsystem="TOOL",
                )
                one, two = self.run_command(server, client)
                self.assertRaises(NoMethodSucceeded, two.outcome)
                self.assertRaises(NoMethodSucceeded, one.outcome)

    def test_mapped_identity(self) -> None:
        """The identity map replaces what the method says, within the same rules."""
        knobs = {**CLAIM, "ALLOW_READ": "bob@b.org"}
        for mapped, user in (("bob@B.org", "bob@b.org"), ("bob", "bob@test.domain")):

            def identity_map(method: str, name: str, mapped: str = mapped) -> str:
                self.assertEqual((method, name), ("CLAIMTOBE", "alice@test.domain"))
                return mapped

            server = make_state(knobs, identity_map=identity_map)
            _, two = self.run_command(server, make_state(CLAIM, subsystem="TOOL"))
            self.assertEqual(two.outcome().peer.user, user)
            self.assertEqual(two.outcome().peer.authenticated_name, "alice@test.domain")
        server = make_state(CLAIM, identity_map=lambda method, name: "x@family")
        _, two = self.run_command(server, make_state(CLAIM, subsystem="TOOL"))
        self.assertRaises(AuthenticationFailed, two.outcome)


class ResumeTests(ServingCase):
    """Sessions of before."""

    def resume(
        self, server: SecurityState, payload: bytes, address: str | None = None
    ) -> Side[Admission]:
        """The server's side of a resume."""
        return Side(serve(server_context(server, address), payload))

    def assert_not_found(self, side: Side[Admission]) -> None:
        """The client heard SID_NOT_FOUND, in clear, and nothing was started."""
        admission = side.outcome()
        self.assertIsNone(admission.command)
        self.assertFalse(admission.decision.allowed)
        self.assertIsNone(side.protection)
        (answer,) = side.sent
        ad = ad_of(answer)
        self.assertEqual(ad.string("ReturnCode"), "SID_NOT_FOUND")
        self.assertEqual(list(ad), ["returncode"])

    def test_resumed(self) -> None:
        """A resumed session has its identity, its limits and its key."""
        server, client, first = self.established(CLAIM)
        one, two = self.run_command(server, client, CommandStart(6))
        admission = two.outcome()
        self.assertTrue(admission.resumed)
        self.assertEqual(admission.command, 6)
        self.assertEqual(admission.peer, first.peer)
        self.assertIs(admission.session, first.session)
        self.assertTrue(one.outcome().resumed)
        self.assertEqual(one.protection, two.protection)
        self.assertEqual(len(one.sent), 1)
        self.assertEqual(len(two.sent), 1)

    def test_mnh_4_21_fresh_nonce(self) -> None:
        """Each answer to a resume has another nonce."""
        server, _, first = self.established(CLAIM)
        assert first.session is not None
        nonces = {
            ad_of(self.resume(server, resume_request(first.session.id)).sent[0]).string(
                "Nonce"
            )
            for _ in range(3)
        }
        self.assertEqual(len(nonces), 3)
        self.assertNotIn(None, nonces)

    def test_mnh_4_21_resume_without_answer(self) -> None:
        """A resume that wants no answer could be a replay and is refused."""
        server, _, first = self.established(CLAIM)
        assert first.session is not None
        for value in (None, False, "true", 1):
            side = self.resume(
                server, resume_request(first.session.id, ResumeResponse=value)
            )
            self.assertRaises(SessionUnknown, side.outcome)
            self.assertEqual(side.sent, [])

    def test_mnh_4_13_unknown_session(self) -> None:
        """An unknown session is answered where an answer was wanted."""
        self.assert_not_found(self.resume(make_state(), resume_request("unknown")))

    def test_expired_session(self) -> None:
        """A session that is over is unknown."""
        clock = Clock()
        server, _, first = self.established(CLAIM, clock=clock)
        assert first.session is not None
        clock.seconds += 81
        self.assert_not_found(self.resume(server, resume_request(first.session.id)))
        self.assertEqual(len(server.incoming), 0)

    def test_lease_is_renewed(self) -> None:
        """Using a session starts its lease anew."""
        clock = Clock()
        knobs = {**CLAIM, "SEC_DEFAULT_SESSION_LEASE": "30"}
        server, _, first = self.established(knobs, clock=clock)
        assert first.session is not None
        for _ in range(2):
            clock.seconds += 35
            side = self.resume(server, resume_request(first.session.id))
            self.assertTrue(side.outcome().decision.allowed)

    def test_mnh_4_9_other_level(self) -> None:
        """A session made for READ does not serve a level with other requirements."""
        knobs = {
            "SEC_READ_AUTHENTICATION": "OPTIONAL",
            "SEC_WRITE_AUTHENTICATION": "REQUIRED",
            "SEC_NEGOTIATOR_AUTHENTICATION_METHODS": "FS",
            "SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE",
        }
        server, _, first = self.established(knobs)
        assert first.session is not None
        self.assertIsNone(first.session.method)
        self.assert_not_found(
            self.resume(server, resume_request(first.session.id, Command=60021))
        )
        knobs["SEC_READ_AUTHENTICATION"] = "REQUIRED"
        server, _, first = self.established(knobs)
        assert first.session is not None
        self.assert_not_found(
            self.resume(server, resume_request(first.session.id, Command=10))
        )

    def test_mnh_4_10_limits_on_resume(self) -> None:
        """The limits of the first command hold for the next one."""
        server, _, first = self.established(CLAIM)
        assert first.session is not None
        side = self.resume(server, resume_request(first.session.id, Command=60021))
        admission = side.outcome()
        self.assertFalse(admission.decision.allowed)
        self.assertIsNone(admission.command)
        self.assertIn("outside the limits", admission.decision.reason)
        self.assertEqual(admission.peer.limits_text, "READ")

    def test_mnh_4_7_command_without_payload(self) -> None:
        """Where no message of the client would prove the key, nothing runs."""
        server, _, first = self.established(FS, CommandStart(60005))
        assert first.session is not None
        self.assertEqual(first.command, 60005)
        self.assert_not_found(
            self.resume(server, resume_request(first.session.id, Command=60005))
        )
        side = self.resume(
            server,
            resume_request(first.session.id, Command=60040, AuthCommand=60005),
        )
        self.assertTrue(side.outcome().decision.allowed)

    def test_query(self) -> None:
        """DC_SEC_QUERY on a resumed session gets its second ad, protected."""
        server, _, first = self.established(CLAIM)
        assert first.session is not None
        first.session.token_attributes = {"AuthTokenId": "x"}
        side = self.resume(
            server, resume_request(first.session.id, Command=60040, AuthCommand=5)
        )
        self.assertIsNone(side.outcome().command)
        ad = ad_of(side.sent[1], True)
        self.assertIs(ad.boolean("AuthorizationSucceeded"), True)
        self.assertEqual(ad.string("AuthTokenId"), "x")

    def test_mnh_4_8_session_without_key(self) -> None:
        """Without a key a session serves its own address, and nobody by name."""
        knobs = {"SEC_WRITE_AUTHENTICATION": "REQUIRED"}
        knobs["SEC_WRITE_AUTHENTICATION_METHODS"] = "CLAIMTOBE"
        server = make_state(knobs)
        first = self.resume(
            server, request(ECDHPublicKey=None, AuthMethods=None), "10.0.0.7"
        ).outcome()
        assert first.session is not None
        self.assertEqual(first.session.keys, ())
        self.assertFalse(first.encrypted)
        sid = first.session.id
        side = self.resume(server, resume_request(sid), "10.0.0.7")
        admission = side.outcome()
        self.assertTrue(admission.decision.allowed)
        self.assertFalse(admission.peer.is_authenticated)
        self.assertIsNone(side.protection)
        self.assert_not_found(self.resume(server, resume_request(sid), "10.0.0.8"))
        self.assert_not_found(
            self.resume(server, resume_request(sid, Command=60021), "10.0.0.7")
        )

    def test_mnh_4_8_identity_needs_a_proof(self) -> None:
        """A session whose key protects nothing is nobody's when it is resumed."""
        knobs = {
            **CLAIM,
            "SEC_DEFAULT_CRYPTO_METHODS": "BLOWFISH",
            "SEC_DEFAULT_ENCRYPTION": "NEVER",
            "SEC_DEFAULT_INTEGRITY": "NEVER",
        }
        server, _, first = self.established(knobs)
        assert first.session is not None
        self.assertEqual(first.peer.user, "alice@test.domain")
        self.assert_not_found(self.resume(server, resume_request(first.session.id)))

    def test_named_cipher_of_a_shared_session(self) -> None:
        """A pre-shared session is used with the cipher that the client names."""
        server = make_state()
        aes = SessionKey(CryptoMethod.AES, bytes(32))
        blowfish = SessionKey(CryptoMethod.BLOWFISH, bytes(16))
        server.incoming.add(
            SecuritySession(
                "shared",
                (aes, blowfish),
                None,
                0,
                0.0,
                user="condor@family",
                method="FAMILY",
                encrypt=True,
                negotiated=False,
            )
        )
        for text, key in (("BLOWFISH", blowfish), ("AES", aes), (None, aes)):
            side = self.resume(server, resume_request("shared", CryptoMethods=text))
            side.outcome()
            assert side.protection is not None
            self.assertEqual(side.protection.key, key)


class WithoutAnswerTests(ServingCase):
    """A real parent's signals: a resume to which no answer is wanted."""

    def setUp(self) -> None:
        self.server = make_state({**CLAIM, "ALLOW_READ": "nobody@nowhere"})
        self.claim = make_child_session(self.server, [5])

    def resume(self, sid: str | None = None, **values: LiteralValue | None) -> Any:
        """The server's side of such a resume."""
        request = resume_request(
            sid or self.claim.session_id, **{"ResumeResponse": False, **values}
        )
        return Side(serve(server_context(self.server, None), request))

    def test_parents_and_children(self) -> None:
        """Nothing is sent, and the nonce has to be looked at when the key is proved."""
        side = self.resume()
        admission = side.outcome()
        self.assertEqual(side.sent, [])
        self.assertEqual((admission.command, admission.nonce), (5, "A" * 44))
        self.assertEqual(admission.peer.user, "condor@child")
        self.assertIsNotNone(side.protection)

    def test_with_an_answer(self) -> None:
        """Whoever takes the answer needs no such look."""
        admission = self.resume(ResumeResponse=True).outcome()
        self.assertIsNone(admission.nonce)

    def test_mnh_4_21_everything_else(self) -> None:
        """Other ciphers, other sessions, no nonce: refused without an answer."""
        family = make_family(self.server)
        for sid, values in (
            (None, {"CryptoMethods": "BLOWFISH"}),
            (None, {"Nonce": None}),
            (None, {"Nonce": ""}),
            (None, {"Command": 60010, "AuthCommand": 5}),
            ("unknown", {}),
            (family.session_id, {}),
        ):
            with self.subTest(sid=sid, values=values):
                side = self.resume(sid, **values)
                self.assertRaises(SessionUnknown, side.outcome)
                self.assertEqual(side.sent, [])
