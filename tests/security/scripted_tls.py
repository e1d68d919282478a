"""TLS that says what was recorded."""

from __future__ import annotations

from cryptography import x509
from OpenSSL import SSL


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

    def set_verify(self, mode: int, callback: object) -> None:
        """Have certificates judged, of which there are none."""

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
