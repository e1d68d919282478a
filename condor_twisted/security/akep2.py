"""AKEP2: two sides prove to each other that they have the same secret.

PASSWORD (version 1) and IDTOKENS (version 2) both run it. A is the client, B the
server; ``rA`` and ``rB`` are random, and ``K`` comes from the secret.

1.  C: int status, name A [, string token without its signature], bytes rA
2.  S: int status, name A, name B, bytes rA, bytes rB, bytes hkt
3.  C: int status, name A, bytes rB, bytes hk

Layout: a name is its length as an int, then the string; bytes are their length as an
int, then so many bytes. hkt = HMAC-SHA1(K, A " " B NUL rA rB); hk = HMAC-SHA1(K, A NUL
rB). The status is 0 for sound, -1 for an error, 1 for an abort; whoever reports
anything but 0 sends every length as 0. The conversation runs to its third message
whatever happens, and then both sides know, but for one case: a server that does not
accept the third message says nothing, and waits for the client's next method.

Source: ``src/condor_io/condor_auth_passwd.cpp``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from condor_twisted.errors import MalformedMessage
from condor_twisted.security.steps import Handshake, receive_message, send_message
from condor_twisted.wire.messages import MessageReader, MessageWriter
from condor_twisted.wire.versions import CondorVersion

__all__ = [
    "NEW_POOL_USER",
    "OLD_POOL_USER",
    "POOL_DOMAIN",
    "RANDOM_BYTES",
    "SEED_A",
    "SEED_B",
    "ServerRun",
    "derive_secret_key",
    "pool_user",
    "prove_as_client",
    "receive_claim",
]

#: Who has the pool's secret, as peers since 23.9.0 say it.
NEW_POOL_USER: Final = "condor@password"
#: The same as older peers say it; their own domain follows.
OLD_POOL_USER: Final = "condor_pool@"
#: The domain that only this proof gives.
POOL_DOMAIN: Final = "password"

RANDOM_BYTES: Final = 256
_MAX_MAC_BYTES: Final = 64
_MAC_BYTES: Final = 20
_MAX_NAME_BYTES: Final = 1023
_MAX_TOKEN_BYTES: Final = 44_000
_OK: Final = 0
_ERROR: Final = -1
_NEW_NAMES_SINCE: Final = (23, 9, 0)
_HASH_BYTES: Final = 32

#: The constants from which both keys of a secret are derived.
SEED_A: Final = bytes.fromhex(
    "3e4a502047d5f4e5dc7c69bb5210cbb6167add8084f7dd9ef3ad2cca71d283dd"
    "114a4fbb7b1ee90adfa862c44304de5473a3172f735c2cbb6e775b5d40d39fac"
    "e873182523f9252b623be0d4b167a3a8040cacfee9ee3da02c0abbf4d9d8b11f"
    "89004c943923ce5d9508bb3f04bc66a3fa20a13a416c5e6f4e0d3187d45fc783"
    "35c5e485db2c5a3717970cc26e7b6b9d1965b47a67df77a31f22f08a6c0ba570"
    "97a21a9ca7c60424f72739ab5cb915a4185bd109828e35e42108ab851c08a3df"
    "fde0e3b06f3d3938cdad6df6ef9a6f6dc2cb74f0228512eb7a3d6823010684b0"
    "15c12ac3014c4f9f938e384dad1e3bd745ff8c141fd70b465ba8af5d1b98b4b1"
)
SEED_B: Final = bytes.fromhex(
    "010026ad75dfc6c190a5a266b0d1b5d860f7cfa38467205501cd460d4a88d473"
    "fa52e0b3e9141e33c97d851eee2dd33632f3886768ef010ec8dfdd668ade92d5"
    "c34308bb243895d84ed785e27268cc5ee7560de49828fab766c2ad8c0b2c0afb"
    "435c382db5d2ff36a8aead5820470a9ad45d79856f5e2ece894bd2507929dcf2"
    "6f7d09f0028f1ac4d971f4820c5f54717e9dcdabeb215f61655dead4b72c3d3b"
    "5f66fa4b30b85888d62facd4129c1304919f69ad6d8c2c43d9ce5cdb31d45803"
    "52c7362b8d80b7ef1bba5d676660a944764502f91d1d3c54910c088bccb72b11"
    "948a5e1a1dcd04369c17d298804c216e7a2690b8c0e970363300d092df24fb8c"
)


def pool_user(peer_version: str | None, uid_domain: str) -> str:
    """The name of whoever has the pool's secret, as this peer understands it.

    Args:
        peer_version: The ``$CondorVersion$`` that the peer announced.
        uid_domain: Our UID_DOMAIN.
    """
    version = CondorVersion.parse(peer_version or "")
    if version is not None and version.built_since(*_NEW_NAMES_SINCE):
        return NEW_POOL_USER
    return OLD_POOL_USER + uid_domain


def derive_secret_key(secret: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 of a secret, 32 bytes.

    Raises:
        ValueError: The secret is empty.
    """
    if not secret:
        raise ValueError("nothing is derived from an empty secret")
    extracted = hmac.digest(salt, secret, "sha256")
    return hmac.digest(extracted, info + b"\1", "sha256")[:_HASH_BYTES]


def _proof(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA1 over some bytes in a row."""
    return hmac.new(key, b"".join(parts), hashlib.sha1).digest()


def _hkt(key: bytes, a: bytes, b: bytes, ra: bytes, rb: bytes) -> bytes:
    """The server's proof."""
    return _proof(key, a, b" ", b, b"\0", ra, rb)


def _hk(key: bytes, a: bytes, rb: bytes) -> bytes:
    """The client's proof."""
    return _proof(key, a, b"\0", rb)


def _put_name(writer: MessageWriter, name: bytes) -> None:
    """Write a name behind its length."""
    writer.put_int(len(name))
    writer.put_string(name)


def _put_bytes(writer: MessageWriter, data: bytes) -> None:
    """Write bytes behind their length."""
    writer.put_int(len(data))
    writer.put_bytes(data)


def _get_name(reader: MessageReader) -> bytes | None:
    """Read a name; ``None`` where its length is not the one in front of it.

    Raises:
        RemoteProtocolError: There is no name.
    """
    length = reader.get_int()
    name = reader.get_string_bytes()
    return name if length == len(name) <= _MAX_NAME_BYTES else None


def _get_bytes(reader: MessageReader, limit_bytes: int) -> bytes:
    """Read bytes behind their length, which is looked at first.

    Raises:
        RemoteProtocolError: The length is beyond the limit, or the bytes are not there.
    """
    length = reader.get_int()
    if not 0 <= length <= limit_bytes:
        raise MalformedMessage(f"{length} bytes where 0 to {limit_bytes} may be")
    return reader.get_bytes(length)


# -- the client


def prove_as_client(
    name: str | None,
    token: str | None,
    get_key: Callable[[], bytes | None],
    random_bytes: Callable[[int], bytes],
    is_server_name: Callable[[str], bool],
) -> Handshake[str | None]:
    """Prove that we have a secret, and see whether the server has it.

    Args:
        name: Who we are; ``None`` where we have no secret.
        token: Version 2 alone: the token without its signature.
        get_key: Gives K; ``None`` where there is none.
        random_bytes: Gives so many bytes of the system's entropy.
        is_server_name: Whether a server may call itself this.

    Returns:
        Who the server is; ``None`` if either side does not accept the other.

    Raises:
        RemoteProtocolError: The server broke the rules.
    """
    a = (name or "").encode()
    ra = random_bytes(RANDOM_BYTES)
    writer = MessageWriter()
    writer.put_int(_OK if a else _ERROR)
    _put_name(writer, a)
    if token is not None:
        writer.put_string(token)
    _put_bytes(writer, ra if a else b"")
    yield from send_message(writer.end_of_message())

    reader = MessageReader((yield from receive_message()))
    status = reader.get_int()
    a_again, b = _get_name(reader), _get_name(reader)
    ra_again = _get_bytes(reader, RANDOM_BYTES)
    rb = _get_bytes(reader, RANDOM_BYTES)
    hkt = _get_bytes(reader, _MAX_MAC_BYTES)
    reader.end_of_message()
    key = None
    server_name: str | None = None
    if a and status == _OK and a_again is not None and b and len(rb) == RANDOM_BYTES:
        key = get_key()
        server_name = b.decode("utf-8", "replace")
    if (
        key is None
        or server_name is None
        or b is None
        or not hmac.compare_digest(a, a_again or b"")
        or not hmac.compare_digest(ra, ra_again)
        or not hmac.compare_digest(_hkt(key, a, b, ra, rb), hkt)
        or not is_server_name(server_name)
    ):
        server_name = None
    writer = MessageWriter()
    sound = server_name is not None and key is not None
    writer.put_int(_OK if sound else _ERROR)
    _put_name(writer, a if sound else b"")
    _put_bytes(writer, rb if sound else b"")
    _put_bytes(writer, _hk(key, a, rb) if sound and key is not None else b"")
    yield from send_message(writer.end_of_message())
    return server_name


# -- the server


@dataclass(frozen=True, slots=True)
class ServerRun:
    """The server's side behind the first message.

    Args:
        name: What the client calls itself; ``None`` where it reports an error, or
            says what makes no sense.
        token: Version 2 alone: the token without its signature.
        ra: The client's random bytes.
    """

    name: str | None
    token: str
    ra: bytes = field(repr=False)

    def answer(
        self, own_name: str, key: bytes | None, random_bytes: Callable[[int], bytes]
    ) -> Handshake[bool]:
        """Prove that we have the secret, and see whether the client has it.

        Args:
            own_name: Who we are.
            key: K; ``None`` to report an error.
            random_bytes: Gives so many bytes of the system's entropy.

        Returns:
            Whether the client has proved it.

        Raises:
            RemoteProtocolError: The client broke the rules.
        """
        a = (self.name or "").encode()
        b = own_name.encode()
        sound = key is not None and bool(a)
        rb = random_bytes(RANDOM_BYTES) if sound else b""
        writer = MessageWriter()
        writer.put_int(_OK if sound else _ERROR)
        _put_name(writer, a if sound else b"")
        _put_name(writer, b if sound else b"")
        _put_bytes(writer, self.ra if sound else b"")
        _put_bytes(writer, rb)
        proof = _hkt(key, a, b, self.ra, rb) if sound and key is not None else b""
        _put_bytes(writer, proof)
        yield from send_message(writer.end_of_message())

        reader = MessageReader((yield from receive_message()))
        status = reader.get_int()
        a_again = _get_name(reader)
        rb_again = _get_bytes(reader, RANDOM_BYTES)
        hk = _get_bytes(reader, _MAX_MAC_BYTES)
        reader.end_of_message()
        if key is None or not sound or status != _OK or a_again is None:
            return False
        if len(rb_again) != RANDOM_BYTES or len(hk) != _MAC_BYTES:
            return False
        same_name = hmac.compare_digest(a, a_again)
        same_random = hmac.compare_digest(rb, rb_again)
        return hmac.compare_digest(_hk(key, a, rb), hk) and same_name and same_random


def receive_claim(with_token: bool) -> Handshake[ServerRun]:
    """Receive the first message: who the client says it is.

    Args:
        with_token: Version 2: a token is in it.

    Raises:
        RemoteProtocolError: It is no such message.
    """
    reader = MessageReader((yield from receive_message()))
    status = reader.get_int()
    name = _get_name(reader)
    token = reader.get_string_bytes() if with_token else b""
    ra = _get_bytes(reader, RANDOM_BYTES)
    reader.end_of_message()
    if len(token) > _MAX_TOKEN_BYTES or not token.isascii():
        token = b""
    text: str | None = None
    if status == _OK and name and len(ra) == RANDOM_BYTES:
        try:
            text = name.decode("utf-8")
        except UnicodeDecodeError:
            text = None
    return ServerRun(text, token.decode("ascii"), ra)
