"""`condor_twisted.security.tls.conversation`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import (
    LimitExceeded,
    PeerClosed,
    RemoteProtocolError,
    TlsFailed,
)
from condor_twisted.security.steps import Handshake
from condor_twisted.security.tls import conversation as tls
from condor_twisted.security.tls.certificates import (
    matches_host,
    name_of_peer,
    one_line_name,
)
from condor_twisted.security.tls.conversation import (
    TlsExchange,
    TlsStatus,
    receive_status,
    send_status,
)
from condor_twisted.wire.messages import MessageReader
from tests.security.certificates import (
    AUTHORITY,
    EXPIRED,
    HOST,
    PROXY,
    SELF_SIGNED,
    STRANGER,
    USER,
    WRONG_PURPOSE,
    Identity,
    make_context,
    make_identity,
)
from tests.security.kit import Side, pump
from tests.security.test_akep2 import message, replacing


def statuses(side: Side[Any]) -> list[int]:
    """The status in each message that a side has sent."""
    return [MessageReader(payload).get_int() for payload in side.sent]


def run(
    client_context: SSL.Context,
    server_context: SSL.Context,
    tamper: Callable[[str, int, bytes], bytes] = lambda way, at, payload: payload,
) -> tuple[Side[Any], Side[Any]]:
    """A client and a server: both phases; the outcome is the other side's name."""

    def client() -> Handshake[Any]:
        exchange = TlsExchange(client_context, server=False)
        try:
            yield from exchange.shake_hands(first=True)
            yield from exchange.receive_key()
        except TlsFailed as error:
            return error
        return name_of_peer(exchange.connection) or ""

    def server() -> Handshake[Any]:
        exchange = TlsExchange(server_context, server=True)
        try:
            yield from exchange.shake_hands(first=False)
            yield from exchange.send_key(lambda length: b"k" * length)
        except TlsFailed as error:
            return error
        return name_of_peer(exchange.connection) or ""

    one, other = Side(client()), Side(server())
    pump(one, other, tamper)
    return one, other


class ExchangeTests(SynchronousTestCase):
    """Both phases."""

    def test_turns(self) -> None:
        """The turns are those of HTCondor, in both versions of TLS."""
        for version, client_turns, server_turns in (
            (SSL.TLS1_3_VERSION, [2, 4, 4], [2, 4, 4]),
            (SSL.TLS1_2_VERSION, [2, 2, 4, 4], [2, 4, 4]),
        ):
            one, other = run(make_context(version=version), make_context(HOST))
            self.assertEqual(one.outcome(), "/O=condor/CN=cm.example.org")
            self.assertEqual(other.outcome(), "")
            self.assertEqual(statuses(one), client_turns)
            self.assertEqual(statuses(other), server_turns)
            self.assertEqual(one.sent[-1], message(4, 0))

    def test_mutual(self) -> None:
        """A client that has a certificate is known."""
        _, other = run(make_context(USER), make_context(HOST))
        self.assertEqual(other.outcome(), "/O=condor/CN=alice")

    def refused_clients(self) -> list[tuple[Identity, str]]:
        """Clients whom nobody should know, and why."""
        return [
            (STRANGER, "unable to get local issuer"),
            (SELF_SIGNED, "self"),
            (EXPIRED, "expired"),
            (WRONG_PURPOSE, "purpose"),
        ]

    def test_mnh_4_43_bad_client_certificates(self) -> None:
        """A client's certificate that does not chain to the authority ends it."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            for identity, _ in self.refused_clients():
                one, other = run(
                    make_context(identity, version=version), make_context(HOST)
                )
                self.assertIn("certificate verify failed", str(other.outcome()))
                self.assertEqual(statuses(other)[-1], TlsStatus.QUITTING)
                self.assertIsInstance(one.outcome(), TlsFailed)
                self.assertIn("alert", str(one.outcome()))

    def test_mnh_4_43_bad_server_certificates(self) -> None:
        """So does a server's."""
        for identity, _ in self.refused_clients():
            one, other = run(make_context(), make_context(identity))
            self.assertIn("certificate verify failed", str(one.outcome()))
            self.assertEqual(statuses(one)[-1], TlsStatus.QUITTING)
            self.assertIsInstance(other.outcome(), TlsFailed)

    def test_mnh_4_43_old_versions(self) -> None:
        """A peer that knows nothing newer than TLS 1.1 is refused."""
        old = make_context()
        old.set_min_proto_version(SSL.TLS1_1_VERSION)
        old.set_max_proto_version(SSL.TLS1_1_VERSION)
        old.set_cipher_list(b"ALL:@SECLEVEL=0")
        one, other = run(old, make_context(HOST))
        self.assertIsInstance(one.outcome(), TlsFailed)
        self.assertIsInstance(other.outcome(), TlsFailed)

    def test_proxies(self) -> None:
        """A proxy bears the name of its issuer, where proxies are taken."""
        _, other = run(make_context(PROXY, USER), make_context(HOST, proxies=True))
        self.assertEqual(other.outcome(), "/O=condor/CN=alice")
        _, other = run(make_context(PROXY, USER), make_context(HOST))
        self.assertIsInstance(other.outcome(), TlsFailed)

    def test_damage(self) -> None:
        """No damage to any message lets a side go on as if there were none."""
        good, reply = run(make_context(USER), make_context(HOST))
        for way, sent in (("C>S", good.sent), ("S>C", reply.sent)):
            for at, payload in enumerate(sent):
                for cut in (0, 7, 8, 15, 16, len(payload) - 1):
                    self.check_damage(way, at, payload[: max(0, cut)])
                for place in range(16, len(payload), max(1, len(payload) // 8)):
                    changed = bytearray(payload)
                    changed[place] ^= 0x55
                    self.check_damage(way, at, bytes(changed))

    def check_damage(self, way: str, at: int, changed: bytes) -> None:
        """One damaged message: whoever gets it does not know the other side."""
        one, other = run(
            make_context(USER),
            make_context(HOST),
            replacing(way, at, changed),
        )
        reader, writer = (other, one) if way == "C>S" else (one, other)
        if reader.error is not None:
            self.assertIsInstance(reader.error, RemoteProtocolError)
        elif at < 2 or len(changed) > 16:
            self.assertIsInstance(reader.outcome(), TlsFailed, (way, at))
        self.assertTrue(writer.done)

    def test_silence(self) -> None:
        """A side that goes away is ``PeerClosed``."""
        side = Side(TlsExchange(make_context(), server=False).shake_hands(True))
        side.peer_closed()
        self.assertRaises(PeerClosed, side.outcome)

    def test_turns_are_bounded(self) -> None:
        """A peer that never comes to an end is left."""
        side = Side(TlsExchange(make_context(HOST), server=True).shake_hands(False))
        for _ in range(200):
            side.message_received(message(2, 0))
        self.assertRaises(LimitExceeded, side.outcome)


class MessageTests(SynchronousTestCase):
    """Single messages."""

    def answer(self, payload: bytes) -> Side[None]:
        """A server that gets this first."""
        side = Side(TlsExchange(make_context(HOST), server=True).shake_hands(False))
        side.message_received(payload)
        return side

    def test_mnh_4_43_lengths(self) -> None:
        """Lengths that cannot be are refused before anything is read."""
        for length in (-1, 2**31 - 1, (1 << 20) + 1, 5):
            side = self.answer(message(2, length, b"abcd"))
            self.assertRaises(RemoteProtocolError, side.outcome)
        self.assertRaises(
            RemoteProtocolError, self.answer(message(2, 4, b"abcde")).outcome
        )

    def test_unknown_status(self) -> None:
        """A status that is none is an error."""
        for status in (-2, 5, 2**40):
            side = self.answer(message(status, 0))
            self.assertRaises(RemoteProtocolError, side.outcome)

    def test_quitting(self) -> None:
        """Quitting, and an error, are the end."""
        for status in (3, -1):
            side = self.answer(message(status, 0))
            with self.assertRaises(TlsFailed):
                side.outcome()

    def test_not_tls(self) -> None:
        """What is no TLS is answered with quitting."""
        side = self.answer(message(2, 5, b"hello"))
        self.assertEqual(statuses(side), [TlsStatus.QUITTING])

    def test_status(self) -> None:
        """The first messages: 0 is sound, everything else is not."""
        for sound, payload in ((True, message(0)), (False, message(-1))):
            self.assertEqual(Side(send_status(sound)).sent, [payload])
        for payload, sound in (
            (message(0), True),
            (message(-1), False),
            (message(7), False),
        ):
            side = Side(receive_status())
            side.message_received(payload)
            self.assertIs(side.outcome(), sound)
        for payload in (b"", message(0)[1:], message(0, 0)):
            side = Side(receive_status())
            side.message_received(payload)
            self.assertRaises(RemoteProtocolError, side.outcome)


class BlockTests(SynchronousTestCase):
    """Something of the client's within TLS."""

    def run_block(
        self, raw: bytes, accepted: bool = True, limit: int = 100_000
    ) -> tuple[Side[Any], Side[Any]]:
        """Send bytes, their length included; what each side comes to."""

        def client() -> Handshake[Any]:
            exchange = TlsExchange(make_context(), server=False)
            yield from exchange.shake_hands(first=True)
            try:
                yield from exchange._send_data(raw, True)
            except TlsFailed as error:
                return str(error)
            return "sent"

        def server() -> Handshake[Any]:
            exchange = TlsExchange(make_context(HOST), server=True)
            yield from exchange.shake_hands(first=False)
            try:
                data = yield from exchange.receive_block(limit)
            except TlsFailed as error:
                return str(error)
            yield from exchange.answer_block(accepted)
            return data

        one, other = Side(client()), Side(server())
        pump(one, other)
        return one, other

    def test_accepted(self) -> None:
        """Both hold when it is accepted, however long it is."""
        for length in (1, 100, 40_000, 100_000):
            one, other = self.run_block(length.to_bytes(4, "big") + b"x" * length)
            self.assertEqual((one.outcome(), other.outcome()), ("sent", b"x" * length))

    def test_refused(self) -> None:
        """The client is told when it is not."""
        one, other = self.run_block(b"\0\0\0\1x", accepted=False)
        self.assertEqual(one.outcome(), "the other side gave up")
        self.assertEqual(other.outcome(), b"x")

    def test_lengths(self) -> None:
        """Lengths that cannot be, and more than was told, are refused at once."""
        for raw, reason in (
            (bytes(4), "a length that cannot be"),
            (b"\xff\xff\xff\xff", "a length that cannot be"),
            ((100_001).to_bytes(4, "big"), "a length that cannot be"),
            (b"\0\0\0\1xy", "more than there should be"),
        ):
            one, other = self.run_block(raw)
            self.assertEqual(other.outcome(), reason)
            self.assertEqual(one.outcome(), "the other side gave up")

    def test_turns_are_bounded(self) -> None:
        """A client that never sends all of it is left."""
        for raw in (b"", b"\0\0", b"\0\0\0\5abc"):
            _, other = self.run_block(raw + b"")
            self.assertIsInstance(other.error, (LimitExceeded, PeerClosed))


class NameTests(SynchronousTestCase):
    """Names in certificates."""

    def name(self, identity: Identity) -> str:
        """Its name in one line."""
        return one_line_name(identity.certificate)

    def test_one_line(self) -> None:
        """What does not print is written as its bytes."""
        self.assertEqual(self.name(USER), "/O=condor/CN=alice")
        self.assertEqual(
            self.name(make_identity(AUTHORITY, "\xe4 b", "c/d")),
            "/O=condor/CN=\\xC3\\xA4 b/CN=c/d",
        )

    def test_too_long(self) -> None:
        """A name of more than 1,023 characters is refused, not cut."""
        long = make_identity(AUTHORITY, *["a" * 60] * 17)

        class Connection:
            def get_peer_certificate(self, as_cryptography: bool) -> Any:
                return long.certificate

        connection: Any = Connection()
        self.assertRaises(TlsFailed, name_of_peer, connection)

    def test_proxy_of_nobody(self) -> None:
        """A proxy whose chain has no bearer is refused."""

        class Connection:
            def get_peer_certificate(self, as_cryptography: bool) -> Any:
                return PROXY.certificate

            def get_verified_chain(self, as_cryptography: bool) -> list[Any]:
                return [PROXY.certificate, AUTHORITY.certificate]

        connection: Any = Connection()
        self.assertRaises(TlsFailed, name_of_peer, connection)


class HostTests(SynchronousTestCase):
    """Whether a certificate is for a host."""

    def matches(self, identity: Identity | None, host: str) -> bool:
        """Whether it is."""

        class Connection:
            def get_peer_certificate(self, as_cryptography: bool = False) -> Any:
                return None if identity is None else identity.certificate

        connection: Any = Connection()
        return matches_host(connection, host)

    def test_alternative_names(self) -> None:
        """Alternative names count, with a star for one label; then the common name."""
        for host in (
            "localhost",
            "LOCALHOST",
            "a.pool.org",
            "cm.example.org",
            "CM.Example.org",
        ):
            self.assertTrue(self.matches(HOST, host), host)
        for host in (
            "",
            "other",
            "pool.org",
            "a.b.pool.org",
            "example.org",
            "*.pool.org.",
        ):
            self.assertFalse(self.matches(HOST, host), host)

    def test_common_name(self) -> None:
        """A certificate without alternative names is for its common name."""
        self.assertTrue(self.matches(USER, "alice"))
        self.assertFalse(self.matches(USER, "bob"))
        self.assertFalse(self.matches(None, "alice"))
        self.assertFalse(self.matches(make_identity(AUTHORITY), "alice"))

    def test_addresses(self) -> None:
        """An address is no host name."""
        identity = make_identity(AUTHORITY, "x", hosts=("a.org",))
        self.assertFalse(self.matches(identity, "127.0.0.1"))


class ReasonTests(SynchronousTestCase):
    """What OpenSSL says."""

    def test_reasons(self) -> None:
        """The last entry of its queue, else the error's name."""
        for error, text in (
            (SSL.Error([("SSL routines", "", "bad thing")]), "bad thing"),
            (SSL.Error(), "Error"),
            (SSL.SysCallError(-1, "Unexpected EOF"), "SysCallError"),
            (SSL.Error([]), "Error"),
        ):
            self.assertEqual(tls._reason(error), text)
