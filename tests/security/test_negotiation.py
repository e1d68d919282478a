"""`condor_twisted.security.negotiation`: recorded conversations, played again."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import (
    AuthorizationDenied,
    NoMethodSucceeded,
    PolicyMismatch,
)
from condor_twisted.security.context import HandshakeContext
from condor_twisted.security.negotiation import (
    Admission,
    CommandStart,
    Established,
    connect,
    read_query_reply,
    serve,
)
from condor_twisted.security.steps import Handshake, PathKind, PathStatus
from condor_twisted.wire.messages import MessageReader
from tests.security.recordings import (
    Played,
    Recording,
    attributes_of,
    field_of,
    load_vector,
)

#: Conversations in which a command is admitted, and the method that does it.
ADMITTED = {
    "anonymous": "ANONYMOUS",
    "claimtobe": "CLAIMTOBE",
    "fs": "FS",
    "fs-no-binding": "FS",
    "fs-remote": "FS_REMOTE",
    "blowfish": "CLAIMTOBE",
    "3des": "CLAIMTOBE",
    "nothing-negotiated": None,
    "encrypt-without-authentication": None,
    "udp": "CLAIMTOBE",
    "resume": "CLAIMTOBE",
    "password": "PASSWORD",
    "idtokens": "IDTOKENS",
    "fallback": "CLAIMTOBE",
    "munge": "MUNGE",
    "kerberos": "KERBEROS",
    "token-request": "CLAIMTOBE",
}


def _put_directory(recording: Recording, connection: dict[str, Any]) -> None:
    """What the recorded client made is there for the server to look at."""
    name = field_of(connection, "dirname")
    if name:
        user = attributes_of(connection, "post_auth_ad").get("User", "")
        recording.host.uid = 64 if user.startswith("condor@") else 33
        path = name + (field_of(connection, "extension") or "")
        recording.host.directories[path] = PathStatus(
            PathKind.DIRECTORY, 0o700, 2, recording.host.uid, 0
        )


def play_server(recording: Recording, index: int = 0) -> Played[Admission]:
    """Play the server's side of a connection."""
    connection = recording.vector["connections"][index]
    _put_directory(recording, connection)
    return recording.play(connection, lambda context, first: serve(context, first))


def play_client(recording: Recording, index: int = 0) -> Played[Established]:
    """Play the client's side of a connection."""
    connection = recording.vector["connections"][index]
    request = attributes_of(connection, "auth_info")
    about = request.get("AuthCommand")
    start = CommandStart(int(request["Command"]), None if about is None else int(about))

    def make(context: HandshakeContext, first: bytes) -> Handshake[Established]:
        return connect(context, start)

    return recording.play(connection, make)


class RecordedServerTests(SynchronousTestCase):
    """Our server against recorded clients sends what the recorded server sent."""

    def play(self, name: str) -> tuple[Recording, Played[Admission]]:
        """Play the first connection of a recording."""
        recording = Recording(load_vector(name), server=True)
        return recording, play_server(recording)

    def test_admitted(self) -> None:
        """Every message of every admitted command is the recorded one, bit by bit."""
        for name, method in ADMITTED.items():
            with self.subTest(name=name):
                recording, played = self.play(name)
                self.assertEqual(played.differences, [])
                assert played.side is not None
                admission = played.side.outcome()
                self.assertTrue(admission.decision.allowed)
                self.assertEqual(admission.peer.method, method)
                user = attributes_of(
                    recording.vector["connections"][0], "post_auth_ad"
                )["User"]
                self.assertEqual(admission.peer.user, user)
                self.assertEqual(len(recording.state.incoming), 1)

    def test_denied(self) -> None:
        """DENY_WRITE sends DENIED, and no session is kept."""
        recording, played = self.play("denied")
        self.assertEqual(played.differences, [])
        assert played.side is not None
        admission = played.side.outcome()
        self.assertFalse(admission.decision.allowed)
        self.assertIsNone(admission.command)
        self.assertEqual(admission.decision.line, "DENY_WRITE = mallory@*")
        self.assertEqual(len(recording.state.incoming), 0)

    def test_unknown_command(self) -> None:
        """A command that nobody registered gets no answer at all."""
        _, played = self.play("cmd-not-found")
        assert played.side is not None
        self.assertEqual(played.side.sent, [])
        self.assertRaises(AuthorizationDenied, played.side.outcome)

    def test_policy_conflict(self) -> None:
        """A policy that cannot be reconciled gets no answer at all."""
        _, played = self.play("policy-conflict")
        assert played.side is not None
        self.assertEqual(played.side.sent, [])
        self.assertRaises(PolicyMismatch, played.side.outcome)

    def test_no_common_method(self) -> None:
        """Without a common method the empty list goes out, and nothing more."""
        _, played = self.play("no-common-method")
        self.assertEqual(played.differences, [])
        assert played.side is not None
        self.assertRaises(NoMethodSucceeded, played.side.outcome)

    def test_mnh_4_40_directory_bound_to_another_address(self) -> None:
        """A client that dialled a relay binds the relay's address and fails."""
        _, played = self.play("fs-through-proxy")
        self.assertEqual(played.differences, [])
        assert played.side is not None
        self.assertRaises(NoMethodSucceeded, played.side.outcome)

    def test_resume(self) -> None:
        """The second command of a recording resumes the session of the first."""
        recording, _ = self.play("resume")
        played = play_server(recording, 1)
        self.assertEqual(played.differences, [])
        assert played.side is not None
        admission = played.side.outcome()
        self.assertTrue(admission.resumed)
        self.assertEqual(admission.command, 5)
        self.assertEqual(admission.peer.user, "alice@test.domain")
        self.assertEqual(len(played.left_over), 1)

    def test_resumed_for_a_token(self) -> None:
        """A client that comes back for its token goes on with its session."""
        recording, _ = self.play("token-request")
        played = play_server(recording, 1)
        self.assertEqual(played.differences, [])
        assert played.side is not None
        self.assertEqual(played.side.outcome().command, 60048)


class RecordedClientTests(SynchronousTestCase):
    """Our client against recorded servers sends what the recorded client sent."""

    def play(self, name: str) -> tuple[Recording, Played[Established]]:
        """Play the first connection of a recording."""
        recording = Recording(load_vector(name), server=False)
        return recording, play_client(recording)

    def test_admitted(self) -> None:
        """Every message of every admitted command is the recorded one, bit by bit."""
        for name, method in ADMITTED.items():
            with self.subTest(name=name):
                recording, played = self.play(name)
                self.assertEqual(played.differences, [])
                assert played.side is not None
                established = played.side.outcome()
                self.assertEqual(established.session.method, method)
                self.assertEqual(recording.host.directories, {})
                for message in played.left_over[:1]:
                    if recording.vector["name"] in ("resume", "token-request"):
                        continue
                    reply = read_query_reply(
                        MessageReader(message, encrypted=established.encrypted)
                    )
                    self.assertIs(reply.boolean("AuthorizationSucceeded"), True)

    def test_denied(self) -> None:
        """DENIED is an error that names user and method; nothing is kept."""
        recording, played = self.play("denied")
        self.assertEqual(played.differences, [])
        assert played.side is not None
        error = self.assertRaises(AuthorizationDenied, played.side.outcome)
        self.assertIn("mallory@test.domain using method CLAIMTOBE", str(error))
        self.assertEqual(len(recording.state.outgoing), 0)

    def test_silent_server(self) -> None:
        """What the server does not answer ends when it closes."""
        for name in ("cmd-not-found", "policy-conflict"):
            with self.subTest(name=name):
                _, played = self.play(name)
                self.assertEqual(played.differences, [])
                assert played.side is not None
                self.assertIn("PeerClosed", repr(played.side.error))

    def test_no_common_method(self) -> None:
        """An empty list of methods is the end."""
        _, played = self.play("no-common-method")
        self.assertEqual(played.differences, [])
        assert played.side is not None
        self.assertRaises(NoMethodSucceeded, played.side.outcome)

    def test_relay(self) -> None:
        """Through a relay FS fails, and the directory is gone afterwards."""
        recording, played = self.play("fs-through-proxy")
        self.assertEqual(played.differences, [])
        assert played.side is not None
        error = self.assertRaises(NoMethodSucceeded, played.side.outcome)
        assert isinstance(error, NoMethodSucceeded)
        self.assertEqual([each.method for each in error.attempts], ["FS"])
        self.assertEqual(len(recording.host.made), 1)
        self.assertEqual(recording.host.directories, {})

    def test_resume(self) -> None:
        """A second command of the same level resumes the session, bit by bit."""
        recording, first = self.play("resume")
        played = play_client(recording, 1)
        self.assertEqual(played.differences, [])
        assert played.side is not None
        established = played.side.outcome()
        self.assertTrue(established.resumed)
        assert first.side is not None
        self.assertIs(established.session, first.side.outcome().session)
