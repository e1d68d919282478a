"""Recorded conversations, each with what it needs to be played again."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.security.tickets import TicketProblem
from tests.security.kit import VECTORS, Recording, load_vector

__all__ = ["RECORDINGS", "ScriptedConnection", "prepare_recording"]

_PREFIX = "security-"
RECORDINGS = tuple(
    sorted(path.stem.removeprefix(_PREFIX) for path in VECTORS.glob(f"{_PREFIX}*.json"))
)
"""The names of all recordings."""
_WITHOUT_TICKET = "kerberos-no-credentials"
_WITH_CLIENT_CERTIFICATE = "ssl-client-cert"


class ScriptedConnection:
    """TLS that says what one side of a recorded conversation said.

    Args:
        turns: Status and bytes of each of its messages.
        certificate: What it has from the other side.
    """

    def __init__(
        self, turns: list[tuple[int, bytes]], certificate: x509.Certificate | None
    ) -> None:
        self._turns = turns
        self._certificate = certificate
        self._out = b""
        #: What there is to read behind the random bytes.
        self.block = b""

    def set_accept_state(self) -> None:
        """Be a server."""

    def set_connect_state(self) -> None:
        """Be a client."""

    def _next(self) -> None:
        if not self._turns:
            raise SSL.WantReadError
        status, self._out = self._turns.pop(0)
        if status == 2:
            raise SSL.WantReadError
        if status == 3:
            raise SSL.Error([("", "", "recorded failure")])

    def do_handshake(self) -> None:
        """Be as far as the recorded side was."""
        self._next()

    def send(self, data: bytes) -> int:
        """Send the recorded bytes."""
        self._next()
        return len(data)

    def recv(self, length: int) -> bytes:
        """Receive as much as was wanted, or the block."""
        if self.block and length > 256:
            block, self.block = self.block, b"taken"
            if block == b"taken":
                raise SSL.WantReadError
            return block
        self._next()
        return bytes(length)

    def bio_write(self, data: bytes) -> int:
        """Take the other side's bytes."""
        return len(data)

    def bio_read(self, length: int) -> bytes:
        """The recorded bytes, once."""
        out, self._out = self._out, b""
        if not out:
            raise SSL.WantReadError
        return out

    def get_peer_certificate(self, *, as_cryptography: bool) -> x509.Certificate | None:
        """The other side's certificate."""
        return self._certificate


def prepare_recording(case: SynchronousTestCase, name: str, server: bool) -> Recording:
    """One side of a recording, ready to be played from its first connection on.

    Args:
        case: The test; until its end TLS says what was recorded.
        name: One of `RECORDINGS`.
        server: Which side we are.
    """
    vector = load_vector(name)
    recording = Recording(vector, server)
    if name.startswith("kerberos-"):
        recording.host.names["127.0.0.1"] = ("localhost",)
        recording.host.ticket = (
            TicketProblem("No credentials cache found")
            if name == _WITHOUT_TICKET
            else None
        )
    if name.startswith(("ssl-", "scitokens-")):
        _script_tls(case, recording, name)
    return recording


def _script_tls(case: SynchronousTestCase, recording: Recording, name: str) -> None:
    """Have TLS say what it said then."""
    vector, server = recording.vector, recording.server
    turns: list[tuple[int, bytes]] = []
    for packet in vector["connections"][0]["packets"]:
        fields: dict[str, Any] = {
            item.get("name"): item for item in packet.get("fields", ())
        }
        if packet.get("dir") == recording.own_direction and "tls_bytes" in fields:
            data = bytes.fromhex(fields["tls_bytes"]["hex"])
            turns.append((fields["status"]["value"], data))
    known = load_vector(_WITH_CLIENT_CERTIFICATE)["secrets"]
    pem = known["user_pem"] if server else known["host_pem"]
    certificate = x509.load_pem_x509_certificate(pem.encode())
    nameless = server and name != _WITH_CLIENT_CERTIFICATE
    connection = ScriptedConnection(turns, None if nameless else certificate)
    if name.startswith("scitokens-"):
        connection.block = b"\0\0\0\5token"
        recording.host.bearer_token = vector["secrets"].get("token")
    case.patch(SSL, "Connection", lambda context, socket: connection)
    recording.host.tls = lambda settings: object()
    recording.random[256] = bytes(256)
