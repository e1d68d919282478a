"""`condor_twisted.security.handshake.connecting`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.literals import LiteralValue
from condor_twisted.errors import (
    AuthorizationDenied,
    LocalProtocolError,
    MalformedMessage,
    NoMethodSucceeded,
    PeerClosed,
    PolicyMismatch,
    RemoteProtocolError,
    SecurityError,
    SessionUnknown,
)
from condor_twisted.security.context import HandshakeContext, SecurityState
from condor_twisted.security.facts import ChannelEnds
from condor_twisted.security.handshake.connecting import (
    connect,
    find_session,
    read_query_reply,
    wants_negotiation,
)
from condor_twisted.security.handshake.key_exchange import (
    encode_public_key,
    make_private_key,
)
from condor_twisted.security.handshake.outgoing import CommandStart, Established
from condor_twisted.security.handshake.pod_ads import put_pod_ad, read_pod_ad
from condor_twisted.security.handshake.serving import serve
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
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE",
    "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
}
DIALLED = "<127.0.0.1:9618>"


def tool(knobs: Mapping[str, str] | None = None, **facts: Any) -> SecurityState:
    """A client's security state."""
    return make_state(CLAIM if knobs is None else knobs, subsystem="TOOL", **facts)


def ad_message(encrypted: bool = False, **pairs: LiteralValue | None) -> bytes:
    """A message of one ad."""
    writer = MessageWriter(encrypted)
    put_pod_ad(
        writer, [(name, value) for name, value in pairs.items() if value is not None]
    )
    return writer.end_of_message()


def reply(**changes: LiteralValue | None) -> bytes:
    """A server's reply that agrees on AES and no authentication, but for these."""
    return ad_message(
        False,
        **{
            "Authentication": "NO",
            "Encryption": "YES",
            "Integrity": "YES",
            "AuthMethodsList": "CLAIMTOBE",
            "AuthMethods": "CLAIMTOBE",
            "CryptoMethods": "AES",
            "CryptoMethodsList": "AES,BLOWFISH",
            "ECDHPublicKey": encode_public_key(make_private_key()),
            "SessionDuration": "60",
            "SessionLease": 3600,
            "Enact": "YES",
            "RemoteVersion": "$CondorVersion: 25.14.1 2026-10-16 $",
            **changes,
        },
    )


def verdict(encrypted: bool = True, **changes: LiteralValue | None) -> bytes:
    """A server's last ad that allows the command, but for these."""
    return ad_message(
        encrypted,
        **{
            "Sid": "server:1:2:3",
            "User": "alice@test.domain",
            "ValidCommands": "5,6",
            "ReturnCode": "AUTHORIZED",
            **changes,
        },
    )


class ConnectingCase(SynchronousTestCase):
    """Clients against scripted servers."""

    def play(
        self, state: SecurityState, *messages: bytes, start: CommandStart | None = None
    ) -> Side[Established]:
        """A client to which the server says these things."""
        side = Side(connect(client_context(state), start or CommandStart(5)))
        for message in messages:
            side.message_received(message)
        return side

    def session(
        self, state: SecurityState, server: SecurityState | None = None
    ) -> SecurityState:
        """Have the client make a session with a real server, which is returned."""
        server = server or make_state(CLAIM)
        side = Side(connect(client_context(state), CommandStart(5)))
        run_pair(side, lambda first: serve(server_context(server), first))
        side.outcome()
        return server


class NewSessionTests(ConnectingCase):
    """New sessions."""

    def test_whole_session(self) -> None:
        """The server's words become the session, and its commands are mapped."""
        knobs = {"SEC_CLIENT_AUTHENTICATION": "NEVER"}
        state = tool(knobs)
        established = self.play(state, reply(), verdict()).outcome()
        session = established.session
        self.assertEqual(session.id, "server:1:2:3")
        self.assertEqual(established.own_user, "alice@test.domain")
        self.assertEqual(session.user, "unauthenticated@unmapped")
        self.assertEqual(session.expires_at, 1060.0)
        self.assertEqual(session.lease_seconds, 3600)
        self.assertEqual(len(session.keys), 2)
        for number in (5, 6):
            self.assertIs(find_session(state, CommandStart(number), DIALLED), session)
        self.assertIsNone(find_session(state, CommandStart(7), DIALLED))
        self.assertIsNone(find_session(state, CommandStart(5), "<1.2.3.4:5>"))
        self.assertIsNone(find_session(state, CommandStart(5, tag="o"), DIALLED))
        self.assertIsNone(find_session(state, CommandStart(5, fresh=True), DIALLED))
        found = find_session(
            state, CommandStart(99, session_id="server:1:2:3"), "<1.2.3.4:5>"
        )
        self.assertIs(found, session)

    def test_request_of_a_daemon(self) -> None:
        """A daemon names its address and its parent, and what it wants."""
        state = make_state(
            {**CLAIM, "SEC_CLIENT_ENCRYPTION": "REQUIRED"},
            subsystem="SCHEDD",
            parent_id="host:1:2",
        )
        state.command_address = "<10.0.0.1:1234>"
        side = Side(
            connect(
                client_context(state),
                CommandStart(60040, about=5, request_authentication=True),
            )
        )
        reader = MessageReader(side.sent[0])
        self.assertEqual(reader.get_int(), 60010)
        ad = read_pod_ad(reader)
        reader.end_of_message()
        for name, value in (
            ("Command", 60040),
            ("AuthCommand", 5),
            ("ServerCommandSock", "<10.0.0.1:1234>"),
            ("ParentUniqueID", "host:1:2"),
            ("ConnectSinful", DIALLED),
            ("Subsystem", "SCHEDD"),
            ("ServerPid", 4711),
            ("SessionDuration", "86400"),
            ("Encryption", "REQUIRED"),
            ("OutgoingNegotiation", "REQUIRED"),
            ("AuthMethods", "CLAIMTOBE"),
        ):
            self.assertEqual(ad.literal(name), value, name)

    def test_requested_authentication(self) -> None:
        """A request makes OPTIONAL into PREFERRED, for this command alone."""
        state = tool({"SEC_DEFAULT_AUTHENTICATION_METHODS": "FS"})
        for asked, word in ((True, "PREFERRED"), (False, "OPTIONAL")):
            side = Side(
                connect(
                    client_context(state),
                    CommandStart(5, request_authentication=asked),
                )
            )
            ad = read_pod_ad(MessageReader(side.sent[0], 8))
            self.assertEqual(ad.string("AuthenticationNew"), word)

    def test_request_of_almost_nothing(self) -> None:
        """Without methods, ciphers and domains the ad has none of their attributes."""
        state = tool(
            {
                "SEC_CLIENT_AUTHENTICATION_METHODS": "GSI",
                "SEC_CLIENT_CRYPTO_METHODS": "RC4",
                "TRUST_DOMAIN": "",
            }
        )
        side = Side(connect(client_context(state), CommandStart(5)))
        ad = read_pod_ad(MessageReader(side.sent[0], 8))
        self.assertEqual(ad.string("AuthenticationNew"), "NEVER")
        for name in ("AuthMethods", "CryptoMethods", "TrustDomain"):
            self.assertNotIn(name, ad)
        nothing: dict[str, LiteralValue | None] = {
            "Encryption": "NO",
            "Integrity": "NO",
            "CryptoMethods": None,
            "ECDHPublicKey": None,
        }
        side.message_received(reply(**nothing))
        side.message_received(verdict(encrypted=False))
        self.assertFalse(side.outcome().encrypted)
        self.assertEqual(side.outcome().session.keys, ())
        resumed = self.play(state, ad_message(ReturnCode="AUTHORIZED"))
        self.assertFalse(resumed.outcome().encrypted)
        ad = read_pod_ad(MessageReader(resumed.sent[0], 8))
        self.assertNotIn("CryptoMethods", ad)

    def test_temporary_session(self) -> None:
        """A temporary session is short and is not kept."""
        state = make_state({"SEC_CLIENT_AUTHENTICATION": "NEVER"}, subsystem="SCHEDD")
        side = self.play(
            state, reply(), verdict(), start=CommandStart(5, temporary=True)
        )
        ad = read_pod_ad(MessageReader(side.sent[0], 8))
        self.assertEqual(ad.string("SessionDuration"), "60")
        self.assertIsNotNone(side.outcome())
        self.assertEqual(len(state.outgoing), 0)

    def test_downgrades_are_refused(self) -> None:
        """Less than we require, or what we did not offer, ends the handshake."""
        for knob, changes in (
            ("AUTHENTICATION", {"Authentication": "NO"}),
            ("ENCRYPTION", {"Encryption": "NO"}),
            ("INTEGRITY", {"Integrity": "NO"}),
            ("ENCRYPTION", {"ECDHPublicKey": None}),
            ("ENCRYPTION", {"CryptoMethods": None}),
            ("ENCRYPTION", {"CryptoMethods": "RC4"}),
            ("ENCRYPTION", {"CryptoMethods": "3DES"}),
        ):
            with self.subTest(knob=knob, changes=changes):
                state = tool(
                    {
                        "SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE",
                        "SEC_CLIENT_CRYPTO_METHODS": "AES,BLOWFISH",
                        f"SEC_CLIENT_{knob}": "REQUIRED",
                    }
                )
                side = self.play(state, reply(**changes))
                self.assertRaises(PolicyMismatch, side.outcome)
                self.assertEqual(len(side.sent), 1)

    def test_what_we_never_do(self) -> None:
        """A server cannot make us do what our policy says NEVER to."""
        side = self.play(
            tool({"SEC_CLIENT_AUTHENTICATION": "NEVER"}), reply(Authentication="YES")
        )
        self.assertRaises(PolicyMismatch, side.outcome)
        for feature in ("Encryption", "Integrity"):
            state = tool({f"SEC_CLIENT_{feature.upper()}": "NEVER"})
            changes = {"Encryption": "NO", "Integrity": "NO", feature: "YES"}
            side = self.play(state, reply(CryptoMethods="BLOWFISH", **changes))
            self.assertRaises(PolicyMismatch, side.outcome)

    def test_required_authentication_stays_required(self) -> None:
        """``AuthRequired = false`` does not make our own REQUIRED optional."""
        side = self.play(
            tool(),
            reply(Authentication="YES", AuthRequired=False),
            (0).to_bytes(8, "big"),
        )
        self.assertRaises(NoMethodSucceeded, side.outcome)

    def test_undecided(self) -> None:
        """A reply that decides nothing about a feature is broken."""
        for name in ("Authentication", "Encryption", "Integrity"):
            for word in (None, "", "yes", "MAYBE", True):
                side = self.play(
                    tool({"SEC_CLIENT_AUTHENTICATION": "OPTIONAL"}),
                    reply(**{name: word}),
                )
                self.assertRaises(MalformedMessage, side.outcome)

    def test_no_method(self) -> None:
        """Authentication with no method that we offered is the end."""
        for text in ("", "SSL", "KERBEROS,FS", None):
            side = self.play(
                tool(),
                reply(Authentication="YES", AuthMethodsList=text, AuthMethods=""),
            )
            self.assertRaises(NoMethodSucceeded, side.outcome)

    def test_mnh_4_15_bad_server_key(self) -> None:
        """A server's key that is no point is refused."""
        state = tool({"SEC_CLIENT_AUTHENTICATION": "NEVER"})
        side = self.play(state, reply(ECDHPublicKey="AAAA"), verdict())
        self.assertRaises(MalformedMessage, side.outcome)

    def test_denied(self) -> None:
        """Anything but AUTHORIZED is an error, and nothing is kept."""
        for code in ("DENIED", "CMD_NOT_FOUND", "X" * 1000):
            state = tool({"SEC_CLIENT_AUTHENTICATION": "NEVER"})
            side = self.play(state, reply(), verdict(ReturnCode=code))
            error = self.assertRaises(AuthorizationDenied, side.outcome)
            self.assertIn("using no authentication", str(error))
            self.assertLess(len(str(error)), 300)
            self.assertEqual(len(state.outgoing), 0)

    def test_incomplete_verdict(self) -> None:
        """Without an id or without valid commands there is no session."""
        for changes in ({"Sid": None}, {"Sid": ""}, {"ValidCommands": None}):
            state = tool({"SEC_CLIENT_AUTHENTICATION": "NEVER"})
            side = self.play(state, reply(), verdict(**changes))
            self.assertRaises(MalformedMessage, side.outcome)
        side = self.play(state, reply(), verdict(Sid="x" * 257))
        self.assertRaises(RemoteProtocolError, side.outcome)

    def test_empty_return_code_is_success(self) -> None:
        """Servers before 8.3.6 say nothing, which means yes."""
        state = tool({"SEC_CLIENT_AUTHENTICATION": "NEVER"})
        self.play(state, reply(), verdict(ReturnCode=None)).outcome()

    def test_junk_in_times_and_commands(self) -> None:
        """Times that make no sense are ours; commands that are none are left out."""
        for duration, seconds in (("9" * 50, 60), ("-1", 60), ("0", 1), ("30", 30)):
            state = tool({"SEC_CLIENT_AUTHENTICATION": "NEVER"})
            established = self.play(
                state,
                reply(SessionDuration=duration, SessionLease=-1),
                verdict(ValidCommands="5,x,-1," + "9" * 40),
            ).outcome()
            self.assertEqual(established.session.expires_at, 1000.0 + seconds)
            self.assertEqual(established.session.lease_seconds, 0)

    def test_many_valid_commands(self) -> None:
        """However many commands a server names, a bounded number is mapped."""
        state = tool({"SEC_CLIENT_AUTHENTICATION": "NEVER"})
        numbers = ",".join(str(number) for number in range(5000))
        self.play(state, reply(), verdict(ValidCommands=numbers)).outcome()
        self.assertIsNotNone(find_session(state, CommandStart(999), DIALLED))
        self.assertIsNone(find_session(state, CommandStart(1000), DIALLED))

    def test_our_own_lists(self) -> None:
        """A server that DENY_CLIENT names gets nothing, by address or by name."""
        knobs = {"SEC_CLIENT_AUTHENTICATION": "NEVER"}
        side = self.play(
            tool({**knobs, "DENY_CLIENT": "127.0.0.1"}), reply(), verdict()
        )
        self.assertRaises(AuthorizationDenied, side.outcome)
        state = tool({**knobs, "DENY_CLIENT": "bad.host"})
        side = Side(
            connect(client_context(state), CommandStart(5)),
            FakeHost(names={"127.0.0.1": ("bad.host",)}),
        )
        side.message_received(reply())
        side.message_received(verdict())
        self.assertRaises(AuthorizationDenied, side.outcome)

    def test_impossible_policy(self) -> None:
        """A policy of ours that nobody can meet is found before anything is sent."""
        state = tool(
            {"SEC_CLIENT_AUTHENTICATION": "NEVER", "SEC_CLIENT_ENCRYPTION": "REQUIRED"}
        )
        side = Side(connect(client_context(state), CommandStart(5)))
        self.assertRaises(PolicyMismatch, side.outcome)
        self.assertEqual(side.sent, [])

    def test_misuse(self) -> None:
        """A question about nothing, or without an address, is the caller's fault."""
        side = Side(connect(client_context(tool()), CommandStart(60040)))
        self.assertRaises(LocalProtocolError, lambda: self._error(side))
        ends = ChannelEnds("127.0.0.1", 1, "127.0.0.1", 2)
        side = Side(connect(HandshakeContext(tool(), ends), CommandStart(5)))
        self.assertRaises(LocalProtocolError, lambda: self._error(side))

    def _error(self, side: Side[Established]) -> None:
        assert side.error is not None
        raise side.error

    def test_server_goes_away(self) -> None:
        """A server that closes instead of answering is ``PeerClosed``."""
        side = self.play(tool())
        side.peer_closed()
        self.assertRaises(PeerClosed, side.outcome)

    def test_each_message_damaged(self) -> None:
        """Cut or with a byte changed, the server's ads end in documented errors."""
        for index, message in ((0, reply()), (1, verdict())):
            for make in (self._cut, self._change):
                for position in range(1, len(message), 11):
                    messages = [reply(), verdict()]
                    messages[index] = make(message, position)
                    side = self.play(
                        tool({"SEC_CLIENT_AUTHENTICATION": "NEVER"}), *messages
                    )
                    if side.error is not None:
                        self.assertIsInstance(
                            side.error, RemoteProtocolError | SecurityError
                        )

    @staticmethod
    def _cut(message: bytes, position: int) -> bytes:
        return message[:position]

    @staticmethod
    def _change(message: bytes, position: int) -> bytes:
        changed = bytearray(message)
        changed[position] ^= 0x5A
        return bytes(changed)


class ResumeTests(ConnectingCase):
    """Sessions of before."""

    def test_mnh_4_13_session_not_found(self) -> None:
        """A session that the server lost is dropped here, with all its commands."""
        state = tool()
        self.session(state)
        side = self.play(state, ad_message(ReturnCode="SID_NOT_FOUND"))
        self.assertRaises(SessionUnknown, side.outcome)
        self.assertEqual(len(state.outgoing), 0)
        again = Side(connect(client_context(state), CommandStart(5)))
        ad = read_pod_ad(MessageReader(again.sent[0], 8))
        self.assertTrue(ad.says_yes("NewSession"))

    def test_shared_session_is_not_dropped(self) -> None:
        """A session that was shared beforehand stays, whatever one server says."""
        state = tool()
        self.session(state)
        for session in state.outgoing:
            session.negotiated = False
        side = self.play(state, ad_message(ReturnCode="SID_NOT_FOUND"))
        self.assertRaises(SessionUnknown, side.outcome)
        self.assertEqual(len(state.outgoing), 1)

    def test_other_answers(self) -> None:
        """No code and AUTHORIZED go on, others do not."""
        for code, error in ((None, None), ("DENIED", AuthorizationDenied)):
            state = tool()
            self.session(state)
            side = self.play(state, ad_message(ReturnCode=code))
            if error is None:
                self.assertTrue(side.outcome().resumed)
            else:
                self.assertRaises(error, side.outcome)

    def test_version_of_the_answer(self) -> None:
        """The peer's version is the one of its last answer."""
        state = tool()
        self.session(state)
        version = "$CondorVersion: 26.1.0 2027-01-01 $"
        established = self.play(
            state, ad_message(ReturnCode="AUTHORIZED", RemoteVersion=version)
        ).outcome()
        self.assertEqual(established.peer.version, version)

    def test_old_server_gets_a_new_session(self) -> None:
        """A server that would not answer a resume is asked for a new session."""
        for version in (None, "junk", "$CondorVersion: 9.8.0 Jan 01 2022 $"):
            state = tool()
            self.session(state)
            for session in state.outgoing:
                session.version = version
            side = Side(connect(client_context(state), CommandStart(5)))
            ad = read_pod_ad(MessageReader(side.sent[0], 8))
            self.assertTrue(ad.says_yes("NewSession"))

    def test_expired_session(self) -> None:
        """A session that is over is not used."""
        clock = Clock()
        state = tool(clock=clock)
        self.session(state)
        clock.seconds += 60
        self.assertIsNone(find_session(state, CommandStart(5), DIALLED))
        self.assertEqual(len(state.outgoing), 0)

    def test_newer_session_of_the_same_id(self) -> None:
        """What a server names again replaces what it named before."""
        state = tool({"SEC_CLIENT_AUTHENTICATION": "NEVER"})
        start = CommandStart(5, fresh=True)
        first = self.play(state, reply(), verdict(), start=start).outcome()
        second = self.play(state, reply(), verdict(), start=start).outcome()
        found = find_session(state, CommandStart(5), DIALLED)
        self.assertIs(found, second.session)
        self.assertIsNot(found, first.session)

    def test_a_servers_id_is_no_session_of_ours(self) -> None:
        """What a server names its session serves nobody who connects to us."""
        state = tool({"SEC_CLIENT_AUTHENTICATION": "NEVER"})
        self.play(state, reply(), verdict()).outcome()
        self.assertIsNone(state.incoming.find("server:1:2:3", 0))


class SmallTests(SynchronousTestCase):
    """The rest."""

    def test_wants_negotiation(self) -> None:
        """PREFERRED and REQUIRED negotiate, OPTIONAL and NEVER go raw."""
        for word, wanted in (
            ("REQUIRED", True),
            ("PREFERRED", True),
            ("OPTIONAL", False),
        ):
            state = tool({"SEC_CLIENT_NEGOTIATION": word})
            self.assertEqual(wants_negotiation(state.policies), wanted)
        state = tool({"SEC_CLIENT_NEGOTIATION": "NEVER"})
        self.assertFalse(wants_negotiation(state.policies))

    def test_query_reply(self) -> None:
        """The answer to DC_SEC_QUERY is one ad and nothing else."""
        payload = ad_message(True, AuthorizationSucceeded=True)
        ad = read_query_reply(MessageReader(payload, encrypted=True))
        self.assertIs(ad.boolean("AuthorizationSucceeded"), True)
        longer = MessageReader(payload + b"\0", encrypted=True)
        self.assertRaises(RemoteProtocolError, read_query_reply, longer)
