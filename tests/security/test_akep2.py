"""`condor_twisted.security.akep2`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import PeerClosed, RemoteProtocolError
from condor_twisted.security.akep2 import (
    SEED_A,
    SEED_B,
    derive_secret_key,
    pool_user,
    prove_as_client,
    receive_claim,
)
from condor_twisted.security.steps import Handshake
from condor_twisted.wire.messages import MessageWriter
from tests.security.kit import Side, counting_random, pump

KEY = b"k" * 20


def message(*fields: int | str | bytes) -> bytes:
    """A message of integers, strings, and bytes without their length."""
    writer = MessageWriter()
    for each in fields:
        if isinstance(each, int):
            writer.put_int(each)
        elif isinstance(each, str):
            writer.put_string(each)
        else:
            writer.put_bytes(each)
    return writer.end_of_message()


def client(
    name: str | None = "a@b", token: str | None = None, key: bytes | None = KEY
) -> Side[str]:
    """A client; an empty text where it does not accept the server."""

    def run() -> Handshake[str]:
        server = yield from prove_as_client(
            name, token, lambda: key, counting_random(), lambda name: name == "server"
        )
        return server or ""

    return Side(run())


def server(
    with_token: bool = False, key: bytes | None = KEY, own_name: str = "server"
) -> Handshake[tuple[bool, str | None, str]]:
    """A server: whether it accepts the client, and what the client said."""
    claim = yield from receive_claim(with_token)
    key = key if claim.name is not None else None
    random = counting_random()
    random(1)
    proved = yield from claim.answer(own_name, key, random)
    return proved, claim.name, claim.token


def server_side(
    with_token: bool = False, key: bytes | None = KEY
) -> Side[tuple[bool, str | None, str]]:
    """The same, to which a client's messages are given."""
    return Side(server(with_token, key))


def damaged(payload: bytes) -> Iterator[bytes]:
    """A message cut anywhere, with more behind, and with any byte another one."""
    yield from (payload[:end] for end in range(len(payload)))
    yield payload + b"\0"
    for at in range(len(payload)):
        yield payload[:at] + bytes([payload[at] ^ 0x41]) + payload[at + 1 :]


def replacing(way: str, at: int, payload: bytes) -> Callable[[str, int, bytes], bytes]:
    """What puts another message in the place of one."""

    def tamper(direction: str, index: int, sent: bytes) -> bytes:
        return payload if (direction, index) == (way, at) else sent

    return tamper


class DeriveTests(SynchronousTestCase):
    """Keys."""

    def test_constants(self) -> None:
        """Both constants are the ones that peers have."""
        for seed, digest in (
            (
                SEED_A,
                "54029671f8b74888ae45fa5f5aa73755986b977fd44645dfe54d8fb646f69633",
            ),
            (
                SEED_B,
                "73797fd3830629b39ede92d99b85097ae74e8eef6fb344fcbe73dc7095b7bf15",
            ),
        ):
            self.assertEqual(len(seed), 256)
            self.assertEqual(hashlib.sha256(seed).hexdigest(), digest)

    def test_hkdf(self) -> None:
        """The derivation is HKDF-SHA256."""
        wanted = HKDF(hashes.SHA256(), 32, b"salt", b"info").derive(b"secret")
        self.assertEqual(derive_secret_key(b"secret", b"salt", b"info"), wanted)

    def test_mnh_4_31_empty_secret(self) -> None:
        """Nothing is derived from nothing."""
        self.assertRaises(ValueError, derive_secret_key, b"", b"salt", b"info")

    def test_names_by_version(self) -> None:
        """Peers since 23.9.0 have the new name; older and silent ones the old one."""
        for version, name in (
            ("$CondorVersion: 25.14.1 2026-10-16 $", "condor@password"),
            ("$CondorVersion: 23.9.0 2024-01-01 $", "condor@password"),
            ("$CondorVersion: 23.8.9 2024-01-01 $", "condor_pool@uid"),
            ("junk", "condor_pool@uid"),
            (None, "condor_pool@uid"),
        ):
            self.assertEqual(pool_user(version, "uid"), name)


class PairTests(SynchronousTestCase):
    """Both sides together."""

    def run_them(
        self,
        client_key: bytes | None,
        server_key: bytes | None,
        token: str | None = None,
    ) -> tuple[str, tuple[bool, str | None, str]]:
        """What both come to."""
        one = client(token=token, key=client_key)
        other = server_side(token is not None, server_key)
        pump(one, other)
        return one.outcome(), other.outcome()

    def test_same_secret(self) -> None:
        """With the same secret each knows the other."""
        self.assertEqual(self.run_them(KEY, KEY), ("server", (True, "a@b", "")))
        self.assertEqual(
            self.run_them(KEY, KEY, "x.y"), ("server", (True, "a@b", "x.y"))
        )

    def test_mnh_4_36_other_secrets(self) -> None:
        """Without it nobody knows anybody, in the same number of messages."""
        for ours, theirs in ((KEY, b"x" * 20), (KEY, None), (None, KEY), (None, None)):
            one = client(key=ours)
            other = server_side(key=theirs)
            pump(one, other)
            self.assertEqual(one.outcome(), "")
            self.assertFalse(other.outcome()[0])
            self.assertEqual((len(one.sent), len(other.sent)), (2, 1))

    def test_mnh_4_35_damage(self) -> None:
        """No damage to any message lets either side believe the other."""
        good = client()
        other = server_side()
        pump(good, other)
        first, third = good.sent
        (second,) = other.sent
        for payload in damaged(first):
            one, side = client(), server_side()
            pump(one, side, replacing("C>S", 0, payload))
            if side.error is not None:
                self.assertIsInstance(side.error, RemoteProtocolError)
            else:
                self.assertFalse(side.outcome()[0])
                self.assertEqual(one.outcome(), "")
        for payload in damaged(second):
            one = client()
            one.message_received(payload)
            if one.error is not None:
                self.assertIsInstance(one.error, RemoteProtocolError)
            else:
                self.assertEqual(one.outcome(), "")
                self.assertEqual(one.sent[1], message(-1, 0, "", 0, 0))
        for payload in damaged(third):
            side = server_side()
            side.message_received(first)
            side.message_received(payload)
            if side.error is not None:
                self.assertIsInstance(side.error, RemoteProtocolError)
            else:
                self.assertFalse(side.outcome()[0])

    def test_silence(self) -> None:
        """A side that goes away is ``PeerClosed`` at every step."""
        one = client()
        one.peer_closed()
        self.assertRaises(PeerClosed, one.outcome)
        for messages in ((), (client().sent[0],)):
            side = server_side()
            for each in messages:
                side.message_received(each)
            side.peer_closed()
            self.assertRaises(PeerClosed, side.outcome)


class ServerTests(SynchronousTestCase):
    """What a server makes of a client."""

    RANDOM = b"r" * 256

    def test_errors_of_the_client(self) -> None:
        """A client that reports an error, or makes no sense, is answered with one."""
        for first in (
            message(-1, 0, "", 0),
            message(1, 0, "", 0),
            message(0, 0, "", 256, self.RANDOM),
            message(0, 2, "a", 256, self.RANDOM),
            message(0, 1, "a", 255, self.RANDOM[1:]),
            message(0, 1, "a", 0),
            message(0, 2, b"\xff\xfe\0", 256, self.RANDOM),
            message(0, 1024, "a" * 1024, 256, self.RANDOM),
        ):
            side = server_side()
            side.message_received(first)
            self.assertEqual(side.sent, [message(-1, 0, "", 0, "", 0, 0, 0)])
            side.message_received(message(-1, 0, "", 0, 0))
            self.assertFalse(side.outcome()[0])

    def test_mnh_4_35_lengths(self) -> None:
        """Lengths that cannot be are refused before anything is read."""
        for length in (-1, 257, 2**31 - 1, 2**63 - 1, -(2**63)):
            side = server_side()
            side.message_received(message(0, 1, "a", length, self.RANDOM))
            self.assertRaises(RemoteProtocolError, side.outcome)
            for third in (
                message(0, 1, "a", length, self.RANDOM),
                message(0, 1, "a", 256, self.RANDOM, length),
            ):
                side = server_side()
                side.message_received(message(0, 1, "a", 256, self.RANDOM))
                side.message_received(third)
                self.assertRaises(RemoteProtocolError, side.outcome)

    def test_token(self) -> None:
        """A token that is too long, or no text, counts as none."""
        for token, taken in (("x.y", "x.y"), ("x" * 44001, ""), (b"\xff\0", "")):
            side = server_side(with_token=True)
            side.message_received(message(0, 1, "a", token, 256, self.RANDOM))
            side.message_received(message(-1, 0, "", 0, 0))
            self.assertEqual(side.outcome()[2], taken)


class ClientTests(SynchronousTestCase):
    """What a client makes of a server."""

    def test_no_name(self) -> None:
        """A client without a secret says so, and the talk goes on to its end."""
        for token, first in (
            (None, message(-1, 0, "", 0)),
            ("", message(-1, 0, "", "", 0)),
        ):
            one = client(name=None, token=token)
            self.assertEqual(one.sent, [first])
            one.message_received(message(-1, 0, "", 0, "", 0, 0, 0))
            self.assertEqual(one.sent[1:], [message(-1, 0, "", 0, 0)])
            self.assertEqual(one.outcome(), "")

    def test_other_server_name(self) -> None:
        """A server that proves the secret under another name is not accepted."""
        one = client()
        pump(one, Side(server(own_name="other")))
        self.assertEqual(one.outcome(), "")
