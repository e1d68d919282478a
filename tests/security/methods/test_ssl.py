"""`condor_twisted.security.methods.ssl`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    AuthenticationFailed,
    NoMethodSucceeded,
    PeerClosed,
    RemoteProtocolError,
)
from condor_twisted.security.credentials import Credentials
from condor_twisted.security.methods import usable_methods
from condor_twisted.security.methods.base import AuthResult
from condor_twisted.security.methods.ssl import SslMethod
from condor_twisted.security.tls.settings import TlsSettings
from tests.security.certificates import (
    HOST,
    SELF_SIGNED,
    STRANGER,
    USER,
    make_context,
)
from tests.security.kit import DictKnobs, FakeHost, Side, pump
from tests.security.methods.kit import client_side, number, server_side
from tests.security.recordings import prepare_recording
from tests.security.test_akep2 import message, replacing
from tests.security.test_negotiation import play_client, play_server

DIALLED = "<127.0.0.1:9618?alias=localhost>"


def host(context: Any) -> FakeHost:
    """A host whose files make this context."""
    return FakeHost(tls=lambda settings: context)


def pair(
    client_context: Any,
    server_context: Any,
    *,
    dialled: str = DIALLED,
    client_knobs: Mapping[str, str] | None = None,
    server_knobs: Mapping[str, str] | None = None,
    identity_map: Any = None,
    tamper: Any = lambda way, at, payload: payload,
) -> tuple[Side[AuthResult], Side[AuthResult]]:
    """A client and a server with these certificates."""
    one = client_side(
        SslMethod(), knobs=client_knobs, host=host(client_context), dialled=dialled
    )
    other = server_side(
        SslMethod(),
        knobs=server_knobs,
        host=host(server_context),
        identity_map=identity_map,
    )
    pump(one, other, tamper)
    return one, other


class SslTests(SynchronousTestCase):
    """Both sides."""

    def reason(self, side: Side[AuthResult]) -> str:
        """Why a side has failed."""
        error = self.assertRaises(AuthenticationFailed, side.outcome)
        assert isinstance(error, AuthenticationFailed)
        return error.reason

    def test_server_alone(self) -> None:
        """The client knows the server; the server knows that it is somebody."""
        one, other = pair(make_context(), make_context(HOST))
        self.assertEqual(
            one.outcome(),
            AuthResult("ssl@unmapped", "/O=condor/CN=cm.example.org"),
        )
        self.assertEqual(other.outcome(), AuthResult("unauthenticated@unmapped"))

    def test_mnh_4_43_nobody_is_not_mapped(self) -> None:
        """A client without a certificate has no name that a map could map."""
        _, other = pair(
            make_context(), make_context(HOST), identity_map=lambda *_: "root@x"
        )
        self.assertIsNone(other.outcome().authenticated_name)

    def test_mutual(self) -> None:
        """A client with a certificate has its name."""
        _, other = pair(make_context(USER), make_context(HOST))
        self.assertEqual(
            other.outcome(), AuthResult("ssl@unmapped", "/O=condor/CN=alice")
        )

    def test_mnh_4_43_strangers(self) -> None:
        """A certificate that nobody vouches for ends the method, on both sides."""
        for identity in (STRANGER, SELF_SIGNED):
            one, other = pair(make_context(identity), make_context(HOST))
            self.assertIn("certificate verify failed", self.reason(other))
            self.assertIn("the other side gave up", self.reason(one))

    def test_host(self) -> None:
        """The server's certificate is for the host that was dialled."""
        for dialled, reason in (
            ("<127.0.0.1:9618?alias=other>", "not for other"),
            ("<127.0.0.1:9618>", "not dialled by a host name"),
            ("junk", "not dialled by a host name"),
        ):
            one, other = pair(make_context(), make_context(HOST), dialled=dialled)
            self.assertIn(reason, self.reason(one))
            self.assertEqual(self.reason(other), "the other side gave up")
            self.assertEqual(one.sent[-1], message(3, 0))
        one, _ = pair(
            make_context(),
            make_context(HOST),
            dialled="<127.0.0.1:9618>",
            client_knobs={"SSL_SKIP_HOST_CHECK": "True"},
        )
        self.assertEqual(one.outcome().user, "ssl@unmapped")

    def test_certificate_required(self) -> None:
        """AUTH_SSL_REQUIRE_CLIENT_CERTIFICATE refuses clients without one."""
        knobs = {"AUTH_SSL_REQUIRE_CLIENT_CERTIFICATE": "True"}
        one, other = pair(make_context(), make_context(HOST), server_knobs=knobs)
        self.assertEqual(self.reason(other), "the client has no certificate")
        self.assertEqual(self.reason(one), "the other side gave up")
        self.assertEqual(other.sent[-1], message(3, 0))
        _, other = pair(make_context(USER), make_context(HOST), server_knobs=knobs)
        self.assertEqual(other.outcome().user, "ssl@unmapped")

    def test_mapping_required(self) -> None:
        """AUTH_SSL_REQUIRE_CLIENT_MAPPING refuses names that no map maps."""
        knobs = {"AUTH_SSL_REQUIRE_CLIENT_MAPPING": "True"}
        for context in (make_context(), make_context(USER)):
            _, other = pair(context, make_context(HOST), server_knobs=knobs)
            self.assertEqual(
                self.reason(other), "the client's certificate is not mapped"
            )
        _, other = pair(
            make_context(USER),
            make_context(HOST),
            server_knobs=knobs,
            identity_map=lambda method, name: f"{method}{name}@x",
        )
        self.assertEqual(other.outcome().user, "ssl@unmapped")

    def test_no_context(self) -> None:
        """Without usable files the method ends behind the first two messages."""
        one, other = pair(None, make_context(HOST))
        self.assertEqual((one.sent, other.sent), ([number(-1)], [number(0)]))
        self.assertEqual(self.reason(one), "our certificates cannot be used")
        self.assertEqual(self.reason(other), "the client cannot use its certificates")
        one, other = pair(make_context(), None)
        self.assertEqual((one.sent, other.sent), ([number(0)], [number(-1)]))
        self.assertEqual(self.reason(other), "our certificates cannot be used")
        self.assertEqual(self.reason(one), "the server cannot use its certificates")

    def test_settings(self) -> None:
        """Each side asks for its own files; a client for its proxy where wanted."""
        asked: list[TlsSettings] = []
        watching = FakeHost(tls=lambda settings: asked.append(settings))
        knobs = {"AUTH_SSL_USE_CLIENT_PROXY_ENV_VAR": "True"}
        client_side(SslMethod(), number(0), host=watching, knobs=knobs, proxy_file="/p")
        server_side(SslMethod(), number(0), host=watching)
        self.assertEqual([each.server for each in asked], [False, True])
        self.assertEqual(asked[0].pairs, (("/p", "/p"),))

    def test_damage(self) -> None:
        """Every message, cut or changed, ends in an error that is documented."""
        one, other = pair(make_context(USER), make_context(HOST))
        for way, sent in (("C>S", one.sent), ("S>C", other.sent)):
            for at, payload in enumerate(sent):
                for cut in (0, 1, 7, len(payload) - 1):
                    self.damage(way, at, payload[:cut])
                self.damage(way, at, payload + b"\0")
                for status in (3, -1, 9, -(2**40)):
                    self.damage(way, at, number(status) + payload[8:])
                if len(payload) > 40:
                    for place in (20, len(payload) // 2, len(payload) - 3):
                        changed = bytearray(payload)
                        changed[place] ^= 0x80
                        self.damage(way, at, bytes(changed))

    def damage(self, way: str, at: int, changed: bytes) -> None:
        """Whoever gets a damaged message has failed, or knows it is the last one."""
        one, other = pair(
            make_context(USER),
            make_context(HOST),
            tamper=replacing(way, at, changed),
        )
        reader = other if way == "C>S" else one
        self.assertIsInstance(
            reader.error, (AuthenticationFailed, RemoteProtocolError), (way, at)
        )

    def test_silence(self) -> None:
        """A side that goes away is ``PeerClosed`` at every step."""
        one = client_side(SslMethod(), number(0), host=host(make_context()))
        other = server_side(SslMethod(), host=host(make_context(HOST)))
        for side in (one, other):
            side.peer_closed()
            self.assertRaises(PeerClosed, side.outcome)


class OfferTests(SynchronousTestCase):
    """When the method is offered."""

    def test_available(self) -> None:
        """A client may always offer it, a server with a certificate."""
        for credentials, level, offered in (
            (Credentials(), Permission.CLIENT, True),
            (Credentials(), Permission.READ, False),
            (Credentials(has_server_certificate=True), Permission.READ, True),
        ):
            found = usable_methods(DictKnobs(), None, level, credentials)
            self.assertIs("SSL" in found, offered)


class RecordedTests(SynchronousTestCase):
    """Recorded conversations: every byte around TLS is the recorded one."""

    def play(self, name: str, server: bool) -> Any:
        """Play one side, with TLS that repeats the recorded bytes."""
        recording = prepare_recording(self, f"ssl-{name}", server)
        return play_server(recording) if server else play_client(recording)

    def test_admitted(self) -> None:
        """With and without a client's certificate, both sides."""
        for name, user in (
            ("server-cert-only", "unauthenticated@unmapped"),
            ("client-cert", "alice@test.domain"),
        ):
            played = self.play(name, server=True)
            self.assertEqual(played.differences, [])
            admission = played.side.outcome()
            self.assertEqual(admission.peer.user, user)
            self.assertEqual(admission.peer.method, "SSL")
            self.assertTrue(admission.decision.allowed)
            played = self.play(name, server=False)
            self.assertEqual(played.differences, [])
            self.assertEqual(played.side.outcome().own_user, user)

    def test_failures(self) -> None:
        """Each failure is told to the other side as HTCondor tells it."""
        for name in ("client-cert-required", "untrusted-ca", "host-mismatch"):
            for server in (True, False):
                with self.subTest(name=name, server=server):
                    played = self.play(name, server)
                    self.assertEqual(played.differences, [])
                    self.assertRaises(NoMethodSucceeded, played.side.outcome)
