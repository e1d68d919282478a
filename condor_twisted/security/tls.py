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
from condor_twisted.security.facts import dialled_host
from condor_twisted.security.steps import Handshake, receive_message, send_message
from condor_twisted.wire.messages import MessageReader, MessageWriter

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from OpenSSL.SSL import Connection, Context

__all__ = [
    "TlsExchange",
    "TlsStatus",
    "check_server",
    "matches_host",
    "name_of_peer",
    "one_line_name",
    "receive_status",
    "send_status",
]

_MAX_BYTES: Final = 1 << 20
_MAX_TURNS: Final = 256
_KEY_BYTES: Final = 256
_LENGTH_BYTES: Final = 4
_MAX_NAME_CHARACTERS: Final = 1023
_PROXY_EXTENSION: Final = "1.3.6.1.5.5.7.1.14"


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
    """

    def __init__(self, context: Context, server: bool) -> None:
        from OpenSSL import SSL

        self.connection: Final[Connection] = SSL.Connection(context, None)
        self._problem: str | None = None
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
        yield from self._take_turns(self._advance, first)

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


# -- who the other side is

#: The short names that OpenSSL has for the parts of a subject.
_SHORT_NAMES: Final = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.41": "name",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.45": "x500UniqueIdentifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.3": "mail",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.2.840.113549.1.9.2": "unstructuredName",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}


def one_line_name(certificate: Certificate) -> str:
    r"""The subject of a certificate in one line, ``/O=condor/CN=alice``.

    Bytes that do not print are ``\xHH``; text is in UTF-8.

    Raises:
        ValueError: The subject cannot be read.

    Source: ``X509_NAME_oneline`` of OpenSSL.
    """
    parts: list[str] = []
    for each in certificate.subject:
        oid = each.oid.dotted_string
        value = each.value if isinstance(each.value, bytes) else each.value.encode()
        text = "".join(
            chr(byte) if 32 <= byte <= 126 else f"\\x{byte:02X}" for byte in value
        )
        parts.append(f"/{_SHORT_NAMES.get(oid, oid)}={text}")
    return "".join(parts)


def name_of_peer(connection: Connection) -> str | None:
    """The name in the other side's certificate; ``None`` without a certificate.

    A proxy bears the name of the certificate that it stands for.

    Raises:
        TlsFailed: The name cannot be read, is empty, or too long to be one.
    """
    from cryptography import x509

    certificate = connection.get_peer_certificate(as_cryptography=True)
    if certificate is None:
        return None
    try:
        if _is_proxy(certificate):
            chain = connection.get_verified_chain(as_cryptography=True) or []
            bearers = [
                each
                for each in chain
                if not _is_proxy(each) and not _is_authority(each)
            ]
            if not bearers:
                raise TlsFailed("a proxy certificate that stands for nobody")
            certificate = bearers[-1]
        name = one_line_name(certificate)
    except (ValueError, x509.DuplicateExtension) as error:
        raise TlsFailed("a certificate that cannot be read") from error
    if not 0 < len(name) <= _MAX_NAME_CHARACTERS:
        raise TlsFailed("the certificate's subject is empty or too long")
    return name


def _is_proxy(certificate: Certificate) -> bool:
    return any(
        each.oid.dotted_string == _PROXY_EXTENSION for each in certificate.extensions
    )


def _is_authority(certificate: Certificate) -> bool:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return found.value.ca


def matches_host(connection: Connection, host: str) -> bool:
    """Whether the other side's certificate is for a host.

    A DNS name among its alternative names counts, else its common name.

    Args:
        connection: Whose handshake has ended.
        host: The host's name as it was dialled.

    Source: ``src/condor_io/condor_auth_ssl.cpp: post_connection_check``.
    """
    from cryptography.x509 import NameOID
    from service_identity import CertificateError, VerificationError
    from service_identity.cryptography import verify_certificate_hostname

    certificate = connection.get_peer_certificate(as_cryptography=True)
    if certificate is None or not host:
        return False
    try:
        verify_certificate_hostname(certificate, host)
    except (VerificationError, CertificateError, ValueError):
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return bool(names) and str(names[0].value).lower() == host.lower()
    return True


def check_server(
    exchange: TlsExchange, dialled: str | None, skip_host: bool
) -> Handshake[str]:
    """See that the server is the host that was dialled; a client's part.

    Args:
        exchange: Whose handshake has ended.
        dialled: The sinful string that was dialled.
        skip_host: Whether any host will do.

    Returns:
        The server's name.

    Raises:
        TlsFailed: It is not, and the server knows.
        RemoteProtocolError: The server broke the rules.
    """
    try:
        return _name_of_server(exchange.connection, dialled, skip_host)
    except TlsFailed as error:
        problem = error
    yield from exchange.quit_as_client()
    raise problem


def _name_of_server(
    connection: Connection, dialled: str | None, skip_host: bool
) -> str:
    name = name_of_peer(connection)
    if name is None:
        raise TlsFailed("the server has no certificate")
    if skip_host:
        return name
    host = dialled_host(dialled)
    if not host:
        raise TlsFailed("the server was not dialled by a host name")
    if not matches_host(connection, host):
        raise TlsFailed(f"the server's certificate is not for {host}")
    return name
