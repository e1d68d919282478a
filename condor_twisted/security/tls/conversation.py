"""TLS inside the messages of a handshake: SSL and SCITOKENS stand on it.

1.  S: int status            0, or -1 without a usable certificate
2.  C: int status            0, or -1; anything but 0 on either side ends the method
3.  C and S in turn, C first: int status, int length, bytes; until both have ended the
    handshake of TLS
4.  S and C in turn, S first, the same: 256 random bytes of the server's within TLS
5.  SCITOKENS alone, C and S in turn, C first, the same: the client's token within TLS

Layout: status -1 is an error, 1 to 4 are sending, receiving, quitting, and holding for
whoever has done its part. The length is 0 to 1 MiB. A side that has failed says so with
quitting at its turn, with TLS's own alert if there is one, and leaves; the other reads
that and leaves. A client that does not accept the server's certificate reads the first
message of step 4 before it says so.

The random bytes are not used: the key of the stream comes from the negotiation.

Both sides of the exchange stand side by side, to be read against each other.

Source: ``src/condor_io/condor_auth_ssl.cpp``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from condor_twisted.errors import (
    LimitExceeded,
    MalformedMessage,
    TlsFailed,
    TrailingData,
)
from condor_twisted.security.steps import Handshake, receive_message, send_message
from condor_twisted.security.tls.known_hosts import ServerTrust
from condor_twisted.wire.messages import MessageReader, MessageWriter

if TYPE_CHECKING:
    from OpenSSL.SSL import Connection, Context

__all__ = [
    "TlsExchange",
    "TlsStatus",
    "receive_status",
    "send_status",
]

_MAX_BYTES: Final = 1 << 20
_MAX_TURNS: Final = 256
_KEY_BYTES: Final = 256
_LENGTH_BYTES: Final = 4


class TlsStatus(IntEnum):
    """How far a side is."""

    ERROR = -1
    SOUND = 0
    SENDING = 1
    RECEIVING = 2
    QUITTING = 3
    HOLDING = 4


def send_status(sound: bool) -> Handshake[None]:
    """Say whether we can run TLS at all."""
    writer = MessageWriter()
    writer.put_int(TlsStatus.SOUND if sound else TlsStatus.ERROR)
    yield from send_message(writer.end_of_message())


def receive_status() -> Handshake[bool]:
    """Whether the other side can run TLS at all.

    Raises:
        RemoteProtocolError: It says something else.
    """
    reader = MessageReader((yield from receive_message()))
    status = reader.get_int()
    reader.end_of_message()
    return status == TlsStatus.SOUND


class TlsExchange:
    """TLS over memory, whose bytes travel in messages.

    Args:
        context: Certificates, keys and authorities.
        server: Which side we are.
        trust: Judges the server's certificate where no authority vouches for it; a
            client's part.
    """

    def __init__(
        self, context: Context, server: bool, trust: ServerTrust | None = None
    ) -> None:
        from OpenSSL import SSL

        self.connection: Final[Connection] = SSL.Connection(context, None)
        self._problem: str | None = None
        self._trust = trust
        if trust is not None:
            self.connection.set_verify(SSL.VERIFY_PEER, trust.verify)
        if server:
            self.connection.set_accept_state()
        else:
            self.connection.set_connect_state()

    # -- the phases

    def shake_hands(self, first: bool) -> Handshake[None]:
        """Run the handshake of TLS.

        Args:
            first: Whether the first turn is ours; it is the client's.

        Raises:
            TlsFailed: It failed.
            RemoteProtocolError: The other side broke the rules.
        """
        try:
            yield from self._take_turns(self._advance, first)
        except TlsFailed as error:
            if self._trust is not None and self._trust.problem is not None:
                raise TlsFailed(self._trust.problem) from error
            raise

    def _send_data(self, data: bytes, first: bool) -> Handshake[None]:
        """Send something within TLS."""
        remaining = bytearray(data)
        yield from self._take_turns(lambda: self._write(remaining), first)

    def send_key(self, random_bytes: Callable[[int], bytes]) -> Handshake[None]:
        """Send the random bytes; a server's part.

        Raises:
            TlsFailed: The client quits.
            RemoteProtocolError: The client broke the rules.
        """
        yield from self._send_data(random_bytes(_KEY_BYTES), True)

    def receive_key(self) -> Handshake[None]:
        """Receive the random bytes; a client's part.

        Raises:
            TlsFailed: The server quits.
            RemoteProtocolError: The server broke the rules.
        """
        received = bytearray()

        def read() -> TlsStatus:
            status = self._read(received, _KEY_BYTES)
            return TlsStatus.HOLDING if len(received) >= _KEY_BYTES else status

        yield from self._take_turns(read, False)

    def receive_block(self, limit_bytes: int) -> Handshake[bytes]:
        """Receive something of the client's within TLS, behind its length.

        The client waits for `answer_block` afterwards.

        Args:
            limit_bytes: How long it may be.

        Layout: four bytes of length, big-endian, then so many bytes.

        Raises:
            TlsFailed: The client quits, or the length is none; the client knows.
            RemoteProtocolError: The client broke the rules.
        """
        received = bytearray()
        for _ in range(_MAX_TURNS // 2):
            theirs = yield from self._receive()
            if theirs in (TlsStatus.QUITTING, TlsStatus.ERROR):
                raise TlsFailed(self._their_reason(self._advance, TlsStatus.HOLDING))
            status = self._read(received, limit_bytes + _LENGTH_BYTES)
            length = int.from_bytes(received[:_LENGTH_BYTES], "big")
            if len(received) >= _LENGTH_BYTES and not 0 < length <= limit_bytes:
                status = self._quit("a length that cannot be")
            elif len(received) > length + _LENGTH_BYTES:
                status = self._quit("more than there should be")
            if status is TlsStatus.QUITTING:
                yield from self._send(status, self._drain())
                raise TlsFailed(self._problem or "we gave up")
            complete = len(received) == length + _LENGTH_BYTES and length > 0
            if complete and theirs is TlsStatus.HOLDING:
                return bytes(received[_LENGTH_BYTES:])
            yield from self._send(TlsStatus.RECEIVING, self._drain())
        raise LimitExceeded("the turns of a TLS exchange", _MAX_TURNS)

    def answer_block(self, accepted: bool) -> Handshake[None]:
        """Tell the client whether what it sent is accepted."""
        status = TlsStatus.HOLDING if accepted else TlsStatus.QUITTING
        yield from self._send(status, self._drain())

    def send_block(self, data: bytes) -> Handshake[None]:
        """Send something within TLS, behind its length.

        Raises:
            TlsFailed: The server does not accept it.
            RemoteProtocolError: The server broke the rules.
        """
        length = len(data).to_bytes(_LENGTH_BYTES, "big")
        yield from self._send_data(length + data, True)

    def quit_as_server(self) -> Handshake[None]:
        """Tell the client that we leave, where it waits for the random bytes."""
        yield from self._send(TlsStatus.QUITTING, b"")

    def quit_as_client(self) -> Handshake[None]:
        """Tell the server that we leave, behind its first random bytes.

        Raises:
            RemoteProtocolError: The server broke the rules.
        """
        status = yield from self._receive()
        if status is not TlsStatus.QUITTING:
            yield from self._send(TlsStatus.QUITTING, b"")

    # -- turns

    def _take_turns(
        self, work: Callable[[], TlsStatus], first: bool
    ) -> Handshake[None]:
        """Send and receive in turn until both sides hold.

        Args:
            work: Does what can be done now, and says how far we are.
            first: Whether the first turn is ours.
        """
        ours = theirs = TlsStatus.RECEIVING
        sending = first
        for _ in range(_MAX_TURNS):
            if sending:
                if ours is not TlsStatus.HOLDING:
                    ours = work()
                    if self._trust is not None and not (
                        yield from self._trust.settle()
                    ):
                        self._drain()  # nothing that this server made us say goes out
                        ours = self._quit("the server is not trusted")
                yield from self._send(ours, self._drain())
                if ours is TlsStatus.QUITTING:
                    raise TlsFailed(self._problem or "we gave up")
            else:
                theirs = yield from self._receive()
                if theirs in (TlsStatus.QUITTING, TlsStatus.ERROR):
                    raise TlsFailed(self._their_reason(work, ours))
            if ours is theirs is TlsStatus.HOLDING:
                return
            sending = not sending
        raise LimitExceeded("the turns of a TLS exchange", _MAX_TURNS)

    def _their_reason(self, work: Callable[[], TlsStatus], ours: TlsStatus) -> str:
        """What an alert of the other side's says, if there was one."""
        if ours is TlsStatus.HOLDING:
            self._attempt(lambda: self.connection.recv(1))
        else:
            work()
        return f"the other side gave up{': ' + self._problem if self._problem else ''}"

    def _send(self, status: TlsStatus, data: bytes) -> Handshake[None]:
        writer = MessageWriter()
        writer.put_int(status)
        writer.put_int(len(data))
        writer.put_bytes(data)
        yield from send_message(writer.end_of_message())

    def _receive(self) -> Handshake[TlsStatus]:
        reader = MessageReader((yield from receive_message()))
        number = reader.get_int()
        length = reader.get_int()
        if not 0 <= length <= _MAX_BYTES:
            raise MalformedMessage(f"{length} bytes of TLS")
        data = reader.get_bytes(length)
        if not reader.at_end():
            raise TrailingData(reader.remaining)
        if number not in TlsStatus.__members__.values():
            raise MalformedMessage("a status of TLS that is none")
        if data:
            self.connection.bio_write(data)
        return TlsStatus(number)

    # -- TLS

    def _drain(self) -> bytes:
        """What TLS has to send."""
        from OpenSSL import SSL

        parts: list[bytes] = []
        while True:
            try:
                parts.append(self.connection.bio_read(_MAX_BYTES))
            except SSL.WantReadError:
                return b"".join(parts)

    def _quit(self, problem: str) -> TlsStatus:
        self._problem = problem
        return TlsStatus.QUITTING

    def _attempt(self, work: Callable[[], object]) -> TlsStatus:
        """Let TLS do something."""
        from OpenSSL import SSL

        try:
            work()
        except SSL.WantReadError:
            return TlsStatus.RECEIVING
        except SSL.WantWriteError:
            return TlsStatus.SENDING
        except SSL.ZeroReturnError:
            return self._quit("TLS was closed")
        except SSL.Error as error:
            return self._quit(_reason(error))
        return TlsStatus.HOLDING

    def _advance(self) -> TlsStatus:
        return self._attempt(self.connection.do_handshake)

    def _write(self, remaining: bytearray) -> TlsStatus:
        """Write what is left, and take it away."""
        status = TlsStatus.HOLDING
        while remaining and status is TlsStatus.HOLDING:
            status = self._attempt(lambda: self._write_some(remaining))
        return status

    def _write_some(self, remaining: bytearray) -> None:
        del remaining[: self.connection.send(bytes(remaining))]

    def _read(self, received: bytearray, limit_bytes: int) -> TlsStatus:
        """Read what there is, up to a limit."""
        status = TlsStatus.HOLDING
        while status is TlsStatus.HOLDING and len(received) < limit_bytes:
            status = self._attempt(self._read_some(received, limit_bytes))
        return status

    def _read_some(self, received: bytearray, limit_bytes: int) -> Callable[[], None]:
        wanted = min(16384, limit_bytes - len(received))
        return lambda: received.extend(self.connection.recv(wanted))


def _reason(error: Exception) -> str:
    """What OpenSSL says was wrong."""
    queue = error.args[0] if error.args else ()
    if isinstance(queue, (list, tuple)) and queue:
        last = queue[-1]
        if isinstance(last, (list, tuple)) and last and isinstance(last[-1], str):
            return last[-1]
    return type(error).__name__
