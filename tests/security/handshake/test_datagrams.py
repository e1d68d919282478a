"""`condor_twisted.security.handshake.datagrams`."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.literals import LiteralValue
from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    AuthorizationDenied,
    LocalProtocolError,
    MalformedMessage,
    RemoteProtocolError,
    SecurityError,
    SessionUnknown,
)
from condor_twisted.security.context import SecurityState
from condor_twisted.security.handshake.connecting import find_session
from condor_twisted.security.handshake.datagrams import (
    DatagramAdmission,
    OutgoingDatagram,
    admit_datagram,
)
from condor_twisted.security.handshake.outgoing import CommandStart
from condor_twisted.security.handshake.pod_ads import put_pod_ad
from condor_twisted.security.keys import CryptoMethod, SessionKey
from condor_twisted.security.sessions.session import SecuritySession
from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.messages import MessageWriter
from condor_twisted.wire.safe_messages import (
    SafeMessage,
    SafeMessageHeader,
    protect_message,
)
from tests.security.kit import (
    client_context,
    make_state,
)
from tests.security.recordings import (
    Recording,
    load_vector,
)
from tests.security.test_negotiation import play_client, play_server

REQUIRED = {
    "SEC_DEFAULT_AUTHENTICATION": "REQUIRED",
    "SEC_DEFAULT_ENCRYPTION": "REQUIRED",
    "SEC_DEFAULT_INTEGRITY": "REQUIRED",
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE",
}
AES = SessionKey(CryptoMethod.AES, bytes(range(32)))
BLOWFISH = SessionKey(CryptoMethod.BLOWFISH, bytes(range(24)))


def session(**facts: Any) -> SecuritySession:
    """A session for datagrams of updates."""
    return SecuritySession(
        **{
            "id": "host:1:2:3",
            "keys": (AES, BLOWFISH),
            "expires_at": None,
            "lease_seconds": 0,
            "last_used_at": 0.0,
            "user": "alice@test.domain",
            "method": "CLAIMTOBE",
            "encrypt": True,
            "integrity": True,
            "address": "10.0.0.1",
            **facts,
        }
    )


def clear(command: int, encrypted: bool = False, **pairs: LiteralValue | None) -> bytes:
    """A message in clear: a command, an ad if there is any, and one integer."""
    writer = MessageWriter(encrypted)
    writer.put_int(command)
    if pairs:
        put_pod_ad(
            writer,
            [(name, value) for name, value in pairs.items() if value is not None],
        )
    writer.put_int(77)
    return writer.end_of_message()


def resume(**changes: LiteralValue | None) -> bytes:
    """A message that uses the session, as it is encrypted."""
    return clear(
        60010,
        True,
        **{
            "UseSession": "YES",
            "Sid": "host:1:2:3",
            "Command": 58,
            "Nonce": "A" * 44,
            **changes,
        },
    )


def encrypt(payload: bytes, key_id: str = "host:1:2:3") -> SafeMessage:
    """The message as a client with the key sends it."""
    return protect_message(
        payload,
        encryption_key_id=key_id,
        cipher=CfbCipher("BLOWFISH", BLOWFISH.data),
    )


class DatagramCase(SynchronousTestCase):
    """A daemon that gets datagrams."""

    def daemon(
        self, knobs: Mapping[str, str] | None = None, **facts: Any
    ) -> SecurityState:
        """A daemon that has the session."""
        state = make_state(REQUIRED if knobs is None else knobs)
        state.incoming.add(session(**facts))
        return state

    def admit(
        self,
        message: SafeMessage,
        state: SecurityState | None = None,
        address: str = "10.0.0.1",
        host_names: tuple[str, ...] | None = None,
    ) -> DatagramAdmission:
        """What comes of a datagram."""
        return admit_datagram(
            state or self.daemon(), message, address, 4000, host_names
        )


class RecordedTests(SynchronousTestCase):
    """Datagrams between real daemons."""

    def test_server(self) -> None:
        """Recorded datagrams are admitted with the session of the recorded stream."""
        vector = load_vector("udp")
        recording = Recording(vector, server=True)
        play_server(recording)
        for recorded, command in zip(vector["datagrams"], (58, 60011), strict=True):
            header, payload = SafeMessageHeader.parse(
                bytes.fromhex(recorded["datagram"])
            )
            if recording.state.rules.find(command) is None:
                recording.state.rules.add(
                    type(next(iter(recording.state.rules)))(
                        command, Permission.ALLOW, udp=True
                    )
                )
            admission = admit_datagram(
                recording.state, SafeMessage(payload, header), "127.0.0.1", 4000
            )
            self.assertEqual(admission.payload.hex(), recorded["plaintext"])
            self.assertEqual(admission.command, command)
            self.assertTrue(admission.decision.allowed)
            self.assertEqual(admission.peer.user, "alice@test.domain")
            self.assertTrue(admission.encrypted)

    def test_client(self) -> None:
        """Our client makes the recorded datagram, bit by bit."""
        vector = load_vector("udp")
        recording = Recording(vector, server=False)
        play_client(recording)
        recorded = vector["datagrams"][0]
        plain = bytes.fromhex(recorded["plaintext"])
        nonce = plain.partition(b'Nonce = "')[2].partition(b'"')[0]
        context = recording.prepare(vector["connections"][0])
        recording.random[33] = base64.b64decode(nonce)
        start = CommandStart(58)
        assert context.ends.dialled is not None
        found = find_session(recording.state, start, context.ends.dialled)
        assert found is not None
        outgoing = OutgoingDatagram(context, start, found)
        payload = plain[plain.index(b'UseSession = "YES"\0') + 19 + 18 :]
        outgoing.writer.put_bytes(payload)
        message = outgoing.finish()
        self.assertEqual(
            (message.header.encode() + message.payload).hex(), recorded["datagram"]
        )


class SessionDatagramTests(DatagramCase):
    """Datagrams within sessions."""

    def test_encrypted(self) -> None:
        """The session's user sends it, and its items follow the ad."""
        state = self.daemon()
        admission = self.admit(encrypt(resume()), state)
        self.assertTrue(admission.decision.allowed)
        self.assertEqual(admission.command, 58)
        self.assertEqual(admission.peer.user, "alice@test.domain")
        self.assertTrue(admission.peer.encrypted and admission.peer.integrity)
        reader = admission.reader()
        self.assertEqual(reader.get_int(), 77)
        reader.end_of_message()

    def test_raw_command_inside(self) -> None:
        """A protected datagram may hold a bare command, with the session's user."""
        admission = self.admit(encrypt(clear(58, True)))
        self.assertTrue(admission.decision.allowed)
        self.assertEqual(admission.peer.user, "alice@test.domain")

    def test_daemons_key_id(self) -> None:
        """A daemon's address behind the id changes nothing."""
        message = encrypt(resume(), "host:1:2:3,<10.0.0.1:5>")
        self.assertTrue(self.admit(message).decision.allowed)

    def test_unknown_session(self) -> None:
        """An unknown session's datagram is dropped."""
        self.assertRaises(SessionUnknown, self.admit, encrypt(resume(), "other"))

    def test_expired_session(self) -> None:
        """A session that is over protects nothing."""
        state = make_state(REQUIRED)
        state.incoming.add(session(expires_at=999.0))
        self.assertRaises(SessionUnknown, self.admit, encrypt(resume()), state)

    def test_no_cipher(self) -> None:
        """A session without a cipher for datagrams is of no use for them."""
        state = self.daemon(keys=(AES,))
        self.assertRaises(SessionUnknown, self.admit, encrypt(resume()), state)
        state = self.daemon(keys=())
        self.assertRaises(SessionUnknown, self.admit, encrypt(resume()), state)
        state = self.daemon(encrypt=False)
        self.assertRaises(SessionUnknown, self.admit, encrypt(resume()), state)

    def test_wrong_key(self) -> None:
        """What another key encrypted does not become a command."""
        message = protect_message(
            resume(),
            encryption_key_id="host:1:2:3",
            cipher=CfbCipher("BLOWFISH", bytes(24)),
        )
        self.assertRaises(AuthorizationDenied, self.admit, message)

    def test_two_sessions(self) -> None:
        """Header and ad name one session, or the datagram is dropped."""
        message = encrypt(resume(Sid="other"))
        self.assertRaises(MalformedMessage, self.admit, message)
        message = encrypt(resume(UseSession=None))
        self.assertRaises(MalformedMessage, self.admit, message)
        message = protect_message(
            resume(),
            encryption_key_id="host:1:2:3",
            cipher=CfbCipher("BLOWFISH", BLOWFISH.data),
            mac_key_id="other",
            mac_key=AES.data,
        )
        self.assertRaises(MalformedMessage, self.admit, message)

    def test_mnh_4_21_datagram_comes_twice(self) -> None:
        """The same datagram does not count twice; asking again with names does."""
        state = self.daemon()
        message = encrypt(resume())
        self.admit(message, state)
        self.assertRaises(MalformedMessage, self.admit, message, state)
        self.admit(message, state, host_names=("h.a.org",))
        self.assertRaises(MalformedMessage, self.admit, encrypt(resume(Nonce=None)))

    def test_signed(self) -> None:
        """A MAC with the session's whole key proves the user, but encrypts nothing."""
        state = self.daemon({"SEC_DEFAULT_AUTHENTICATION": "OPTIONAL"})
        payload = clear(
            60010, UseSession="YES", Sid="host:1:2:3", Command=58, Nonce="A" * 44
        )
        message = protect_message(payload, mac_key_id="host:1:2:3", mac_key=AES.data)
        admission = self.admit(message, state)
        self.assertFalse(admission.encrypted or admission.peer.encrypted)
        self.assertIsNotNone(admission.secrets)
        self.assertEqual(admission.reader().get_int(), 77)
        wrong = protect_message(payload, mac_key_id="host:1:2:3", mac_key=b"wrong")
        self.assertRaises(MalformedMessage, self.admit, wrong, state)

    def test_limits(self) -> None:
        """The limits of the session's credential hold for its datagrams."""
        state = self.daemon(limits=frozenset({Permission.READ}))
        self.assertFalse(self.admit(encrypt(resume()), state).decision.allowed)

    def test_lease(self) -> None:
        """A datagram that is allowed renews the session's lease."""
        state = self.daemon(lease_seconds=5000)
        found = state.incoming.find("host:1:2:3", 1000)
        assert found is not None
        self.admit(encrypt(resume()), state)
        self.assertEqual(found.last_used_at, 1000.0)


class UnprotectedDatagramTests(DatagramCase):
    """Datagrams that prove nothing."""

    def test_raw(self) -> None:
        """A raw command runs where its level requires nothing."""
        state = self.daemon({})
        admission = self.admit(SafeMessage(clear(58)), state)
        self.assertTrue(admission.decision.allowed)
        self.assertFalse(admission.peer.is_authenticated)
        self.assertEqual(admission.reader().get_int(), 77)

    def test_mnh_4_5_raw_where_something_is_required(self) -> None:
        """A raw command does not run where its level requires anything."""
        for name in REQUIRED:
            if name.endswith("METHODS"):
                continue
            state = self.daemon({name: "REQUIRED"})
            self.assertFalse(self.admit(SafeMessage(clear(58)), state).decision.allowed)

    def test_mnh_4_6_negotiation_in_a_datagram(self) -> None:
        """No attribute makes up for an authentication that cannot run here."""
        for extra in (
            {},
            {"NewSession": "YES", "Enact": "NO"},
            {"Enact": "YES", "ECDHPublicKey": "x"},
            {"User": "root@test.domain", "TriedAuthentication": True},
            {"UseSession": "NO", "Sid": "host:1:2:3"},
        ):
            message = SafeMessage(clear(60010, Command=58, **extra))
            admission = self.admit(message)
            self.assertFalse(admission.decision.allowed)
            self.assertFalse(admission.peer.is_authenticated)
            self.assertTrue(self.admit(message, self.daemon({})).decision.allowed)

    def test_session_id_alone(self) -> None:
        """Whoever knows only a session's id gets nothing by it."""
        payload = clear(60010, UseSession="YES", Sid="host:1:2:3", Command=58)
        self.assertRaises(SessionUnknown, self.admit, SafeMessage(payload))
        state = self.daemon({}, encrypt=False)
        for address, negotiated in (("10.0.0.1", True), ("10.0.0.2", False)):
            admission = self.admit(SafeMessage(payload), state, address)
            self.assertFalse(admission.peer.is_authenticated)
            self.assertEqual(admission.peer.negotiated, negotiated)
        state = self.daemon({"SEC_DAEMON_AUTHENTICATION": "REQUIRED"}, encrypt=False)
        self.assertFalse(self.admit(SafeMessage(payload), state).decision.allowed)

    def test_mnh_5_4_transports(self) -> None:
        """A command that answers does not come by UDP."""
        admission = self.admit(SafeMessage(clear(5)), self.daemon({}))
        self.assertFalse(admission.decision.allowed)
        self.assertIn("does not come by UDP", admission.decision.reason)

    def test_mnh_5_3_unknown_commands(self) -> None:
        """What is not registered, and what runs nothing, is dropped."""
        for command in (2**32 + 58, -58, 4242):
            self.assertRaises(
                AuthorizationDenied, self.admit, SafeMessage(clear(command))
            )
        for command in (60010, 60040):
            payload = clear(60010, Command=command, AuthCommand=58)
            self.assertRaises(AuthorizationDenied, self.admit, SafeMessage(payload))

    def test_mnh_4_25_cookie(self) -> None:
        """A cookie was never made."""
        payload = clear(60010, Command=58, Cookie="")
        self.assertRaises(AuthorizationDenied, self.admit, SafeMessage(payload))

    def test_names(self) -> None:
        """Where lists name hosts, the answer waits for the sender's names."""
        state = self.daemon({"ALLOW_DAEMON": "*.a.org", "ALLOW_ADMINISTRATOR": "x@y"})
        message = SafeMessage(clear(58))
        self.assertTrue(self.admit(message, state).decision.needs_names)
        admission = self.admit(message, state, host_names=("h.a.org",))
        self.assertTrue(admission.decision.allowed)

    def test_truncated(self) -> None:
        """Cut anywhere before the command's items, a datagram is dropped."""
        payload = resume()
        for length in range(len(payload) - 8):
            self.assertRaises(
                RemoteProtocolError,
                self.admit,
                SafeMessage(payload[:length]),
                self.daemon({}),
            )

    @given(st.binary(min_size=1, max_size=80), st.booleans())
    @settings(deadline=None, max_examples=100)
    def test_only_documented_errors(self, payload: bytes, protected: bool) -> None:
        """Whatever comes, it is admitted, refused or dropped."""
        header = SafeMessageHeader(encryption_key_id="host:1:2:3" if protected else "")
        try:
            self.admit(SafeMessage(payload, header))
        except (RemoteProtocolError, SecurityError):
            return


class OutgoingTests(DatagramCase):
    """Datagrams that we send."""

    def send(self, state: SecurityState, one: SecuritySession) -> SafeMessage:
        """An update within a session."""
        outgoing = OutgoingDatagram(client_context(state), CommandStart(58), one)
        outgoing.writer.put_int(77)
        return outgoing.finish()

    def test_there_and_back(self) -> None:
        """What a client sends is what a server admits, with each cipher."""
        names: tuple[tuple[Literal["BLOWFISH", "3DES"], CryptoMethod], ...] = (
            ("BLOWFISH", CryptoMethod.BLOWFISH),
            ("3DES", CryptoMethod.TRIPLE_DES),
        )
        for name, method in names:
            keys = (AES, SessionKey(method, AES.data[:24]))
            knobs = {**REQUIRED, "FIPS": str(name == "3DES")}
            client = make_state(knobs, subsystem="SCHEDD")
            client.command_address = "<10.0.0.1:5>"
            message = self.send(client, session(keys=keys))
            self.assertEqual(message.encryption_key_id, "host:1:2:3,<10.0.0.1:5>")
            self.assertEqual(message.mac_key_id, "")
            admission = self.admit(message, self.daemon(knobs, keys=keys))
            self.assertTrue(admission.decision.allowed)
            self.assertEqual(admission.reader().get_int(), 77)

    def test_signed_where_not_encrypted(self) -> None:
        """A session that does not encrypt signs, if integrity was agreed on."""
        client = make_state({}, subsystem="TOOL")
        message = self.send(client, session(encrypt=False))
        self.assertEqual(message.encryption_key_id, "")
        self.assertEqual(message.mac_key_id, "host:1:2:3")
        admission = self.admit(message, self.daemon({}, encrypt=False))
        self.assertEqual(admission.peer.user, "alice@test.domain")

    def test_neither(self) -> None:
        """A session that protects nothing sends the id alone."""
        client = make_state({}, subsystem="TOOL")
        message = self.send(client, session(keys=(), encrypt=False, integrity=False))
        self.assertEqual(message.header.encode(), b"")
        state = self.daemon({}, keys=(), encrypt=False, integrity=False)
        self.assertTrue(self.admit(message, state).decision.allowed)

    def test_no_cipher(self) -> None:
        """A session with AES alone cannot be used for datagrams."""
        client = make_state({}, subsystem="TOOL")
        self.assertRaises(LocalProtocolError, self.send, client, session(keys=(AES,)))

    def test_each_nonce_is_new(self) -> None:
        """Two datagrams of one session are both admitted."""
        client, state = make_state({}, subsystem="TOOL"), self.daemon()
        for _ in range(2):
            admission = self.admit(self.send(client, session()), state)
            self.assertTrue(admission.decision.allowed)
