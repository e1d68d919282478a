"""The driver's CEDAR client: blocking sockets, negotiation, resumption, FS.

The sequence of a new session:

1. client: int 60010, the wishes with an ephemeral public key
2. server: what it decided, its public key
3. with authentication: client offers a bit mask, server picks FS and names a
   directory, client makes it and says so, server gives its verdict, then int 0
4. both: AES-GCM from here on; server: the session's ad

Resuming one is a clear message each way with a nonce, then AES-GCM.

Source: src/condor_io/condor_secman.cpp, condor_auth_fs.cpp.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.gcm import GcmStream
from bench.wire import encode_ad, encode_int, encode_string, frame_message, parse_ad

__all__ = ["Connection", "Session", "connect", "read_to_end"]

DC_AUTHENTICATE = 60010
DC_NOP = 60011
FS_BIT = 4

_HEADER = struct.Struct(">BI")
_VERSION = "$CondorVersion: 25.14.1 2026-10-16 PackageID: 25.14.1-1 $"
_TIMEOUT_SECONDS = 60.0
_FS_NAME = re.compile(r"/[\w./-]*FS_[\w.:\[\]-]+")


@dataclass(frozen=True, slots=True)
class Session:
    """What the driver remembers of a negotiated session."""

    id: str
    key: bytes
    user: str


class Connection:
    """One TCP connection to a collector on loopback.

    Args:
        port: where it listens.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = connect(port)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sent = hashlib.sha256()
        self._received = hashlib.sha256()
        self._stream: GcmStream | None = None

    def __enter__(self) -> Connection:
        """Close at the end of the ``with`` block."""
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def seal(self, payload: bytes) -> bytes:
        """Make the packets of one message, encrypted if the connection is."""
        if self._stream is not None:
            return self._stream.seal(payload)
        return frame_message(payload)

    def send_message(self, payload: bytes) -> None:
        """Send one message."""
        data = self.seal(payload)
        if self._stream is None:
            self._sent.update(data)
        self.socket.sendall(data)

    def receive_message(self) -> bytes:
        """Receive one whole message.

        Raises:
            ConnectionError: if the server closes before its end.
        """
        parts = []
        while True:
            header = self._receive_exactly(_HEADER.size)
            end, size = _HEADER.unpack(header)
            body = self._receive_exactly(size)
            if self._stream is not None:
                body = self._stream.open_packet(header, body)
            else:
                self._received.update(header + body)
            parts.append(body)
            if end:
                return b"".join(parts)

    def negotiate(
        self, command: int, *, authenticate: bool = False, server_root: Path = Path("/")
    ) -> Session:
        """Start ``command`` with a new session.

        Args:
            command: what to run; its payload, if any, is sent after this returns.
            authenticate: insist on FS; otherwise nothing but encryption is wished.
            server_root: what the server takes for ``/``.

        Raises:
            ConnectionError: if the server refuses.
        """
        private = ec.generate_private_key(ec.SECP256R1())
        public = private.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        wish = "REQUIRED" if authenticate else "OPTIONAL"
        request = {
            "Command": str(command),
            "NewSession": '"YES"',
            "NegotiatedSession": "true",
            "Enact": '"NO"',
            "Authentication": f'"{wish}"',
            "AuthenticationNew": f'"{wish}"',
            "Encryption": f'"{wish}"',
            "Integrity": f'"{wish}"',
            "OutgoingNegotiation": '"PREFERRED"',
            "AuthMethods": '"FS"',
            "CryptoMethods": '"AES,BLOWFISH,3DES"',
            "ECDHPublicKey": f'"{base64.b64encode(public).decode()}"',
            "SessionDuration": '"86400"',
            "SessionLease": "3600",
            "Subsystem": '"TOOL"',
            "ServerPid": str(os.getpid()),
            "ConnectSinful": f'"<127.0.0.1:{self.port}>"',
            "RemoteVersion": f'"{_VERSION}"',
        }
        self.send_message(encode_int(DC_AUTHENTICATE) + _policy_ad(request))
        reply, _ = parse_ad(self.receive_message())
        peer = ec.EllipticCurvePublicKey.from_encoded_point(
            ec.SECP256R1(), base64.b64decode(_text(reply, "ecdhpublickey"))
        )
        if _text(reply, "authentication") == "YES":
            self._authenticate_fs(server_root)
        elif authenticate:
            raise ConnectionError("the server does not want to authenticate")
        key = HKDF(hashes.SHA256(), 32, b"htcondor", b"keygen").derive(
            private.exchange(ec.ECDH(), peer)
        )
        self._protect(key)
        session, _ = parse_ad(self.receive_message(), encrypted=True)
        if _text(session, "returncode") != "AUTHORIZED":
            raise ConnectionError(f"the server says {session.get('returncode')}")
        return Session(_text(session, "sid"), key, _text(session, "user"))

    def resume(self, session: Session, command: int) -> None:
        """Start ``command`` on a session that the server knows.

        Raises:
            ConnectionError: if it does not.
        """
        self.send_message(self.resume_request(session, command))
        reply, _ = parse_ad(self.receive_message())
        if _text(reply, "returncode") != "AUTHORIZED":
            raise ConnectionError(f"the server says {reply.get('returncode')}")
        self._protect(session.key)

    def resume_request(self, session: Session, command: int) -> bytes:
        """Make the message that resumes a session."""
        request = {
            "Command": str(command),
            "UseSession": '"YES"',
            "Sid": f'"{session.id}"',
            "ConnectSinful": f'"<127.0.0.1:{self.port}>"',
            "CryptoMethods": '"AES"',
            "Nonce": f'"{base64.b64encode(os.urandom(33)).decode()}"',
            "ResumeResponse": "true",
            "RemoteVersion": f'"{_VERSION}"',
        }
        return encode_int(DC_AUTHENTICATE) + _policy_ad(request)

    def _protect(self, key: bytes) -> None:
        self._stream = GcmStream(
            key, os.urandom(16), self._sent.digest(), self._received.digest()
        )

    def _authenticate_fs(self, server_root: Path) -> None:
        self.send_message(encode_int(FS_BIT))
        if int.from_bytes(self.receive_message(), "big") != FS_BIT:
            raise ConnectionError("the server did not choose FS")
        name = self.receive_message().rstrip(b"\0").decode()
        if not _FS_NAME.fullmatch(name) or ".." in name:
            raise ConnectionError(f"not a directory name of FS: {name!r}")
        extension = f"127.0.0.1:{self.port}" if name.endswith("_") else ""
        path = server_root / (name + extension).lstrip("/")
        path.mkdir(mode=0o700)
        try:
            if os.geteuid() == 0:
                os.chown(path, _ORDINARY_UID, -1)
            answer = encode_int(0)
            if extension:
                answer += encode_string(extension.encode())
            self.send_message(answer)
            verdict = int.from_bytes(self.receive_message(), "big", signed=True)
        finally:
            path.rmdir()
        if verdict:
            raise ConnectionError("the server refused the directory of FS")
        if int.from_bytes(self.receive_message(), "big"):
            raise ConnectionError("the server wants to send a key of its own")

    def _receive_exactly(self, size: int) -> bytes:
        data = self.socket.recv(size)
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError(
                    f"the server closed after {len(data)} of {size} bytes"
                )
            data += more
        return data


_ORDINARY_UID = 33
"""The user that owns FS directories when the driver is root: ``www-data`` on Debian."""


def connect(port: int) -> socket.socket:
    """Connect to a collector on loopback, with a limit to every wait."""
    return socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS)


def read_to_end(connection: socket.socket, buffer: bytearray) -> int:
    """Read and forget until the server closes.

    Args:
        connection: where to read.
        buffer: room for one read.

    Returns:
        How many bytes came.
    """
    total = 0
    while count := connection.recv_into(buffer):
        total += count
    return total


def _policy_ad(attributes: dict[str, str]) -> bytes:
    return encode_ad([f"{name} = {text}".encode() for name, text in attributes.items()])


def _text(attributes: dict[str, str], name: str) -> str:
    return attributes.get(name, "").strip('"')
