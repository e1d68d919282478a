"""The steps of a handshake: what it asks of the world, and what it is answered.

A handshake is a generator. It *yields a step* and is sent the answer, and its return
value is its outcome, so that it reads as the straight line of its messages, composes
with ``yield from``, and knows neither sockets nor files nor a reactor. The helper
generators below yield one step each and narrow its answer's type; handshakes use
them, not the bare steps.

What whoever runs a handshake (the driver) has to do:

1.  Start with ``next(handshake)``; perform the step that it yields; send the answer
    with ``handshake.send(answer)``; repeat until ``StopIteration``, whose ``value``
    is the outcome. A step whose answer is ``None`` is answered with ``send(None)``.
2.  ``ReceiveMessage`` is answered with the next *whole* message: its payload in
    clear, as ``bytes`` (decrypted and verified where protection is on). Messages may
    have come before they are asked for; they wait. Messages that are left over when
    the handshake returns belong to whoever reads the connection next.
3.  ``EnableProtection`` is performed by the channel at once, between two messages:
    every later frame, in both directions, is protected. Bytes that have arrived
    behind the last clear frame are already protected ones.
4.  The channel keeps the transcript of clear frames from the first byte of the
    connection, for AES-GCM; the handshake never sees it.
5.  A peer that goes away while a handshake waits is thrown in as ``PeerClosed``; a
    deadline as ``HandshakeTimedOut``. A handshake lets both through.
6.  A step of the host that fails answers as its docstring says (``False`` or
    ``None``); it is never thrown in.
7.  A directory is given back on every path: for each ``MakeDirectory`` that was
    answered ``True`` (or is still under way when the handshake ends) and whose
    ``RemoveDirectory`` has not been performed when the handshake ends, by return,
    by error or by ``close()``, the driver performs ``step.undo()``. Handshakes yield
    ``RemoveDirectory`` themselves wherever they still can.
8.  So is a ticket: the handshake closes the exchange that answered ``RequestTicket``,
    and the driver gives back one that comes after the handshake's end.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from condor_twisted.security.host_requests import (
    ConfirmServer,
    ReadKnownHost,
    RecordKnownHost,
    RunProgram,
)
from condor_twisted.security.keys import CryptoMethod, SessionKey
from condor_twisted.security.sspi import AdvanceSspi, OpenSspi
from condor_twisted.security.tickets import AcceptTicket, RequestTicket
from condor_twisted.security.tls.settings import TlsSettings

if TYPE_CHECKING:
    from OpenSSL.SSL import Context

__all__ = [
    "DecodeMunge",
    "EnableProtection",
    "EncodeMunge",
    "EvaluateCondition",
    "FetchIssuerKeys",
    "FindBearerToken",
    "Handshake",
    "LimitTime",
    "LookupHost",
    "LookupUser",
    "MakeDirectory",
    "MakeTemporaryName",
    "OpenTls",
    "PathKind",
    "PathStatus",
    "ReadTokens",
    "ReceiveMessage",
    "RemoveDirectory",
    "SendMessage",
    "StatPath",
    "Step",
    "decode_munge",
    "enable_protection",
    "encode_munge",
    "evaluate_condition",
    "fetch_issuer_keys",
    "find_bearer_token",
    "limit_time",
    "lookup_host",
    "lookup_user",
    "make_directory",
    "make_temporary_name",
    "open_tls",
    "read_tokens",
    "receive_message",
    "remove_directory",
    "send_message",
    "stat_path",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Send one whole message. Answer: ``None``, as soon as it is queued.

    Args:
        payload: The message in clear form. Where protection is on, its strings carry
            their length already; the channel only frames and encrypts.
    """

    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReceiveMessage:
    """Wait for one whole message. Answer: its payload in clear, ``bytes``."""


@dataclass(frozen=True, slots=True)
class EnableProtection:
    """Protect every later frame, both ways. Answer: ``None``.

    Args:
        key: The key and its cipher. With AES the stream is AES-GCM whatever the two
            switches say.
        encrypt: Encrypt everything (Blowfish, 3DES); without it the key encrypts
            single secrets only.
        authenticate: An MD5 MAC in each frame header (Blowfish, 3DES).

    Source: ``src/condor_io/sock.cpp: Sock::set_crypto_key``, ``Sock::set_MD_mode``.
    """

    key: SessionKey
    encrypt: bool
    authenticate: bool

    @property
    def encrypts(self) -> bool:
        """Whether later messages are encrypted, and so carry string lengths."""
        return self.encrypt or self.key.method is CryptoMethod.AES


@dataclass(frozen=True, slots=True)
class LimitTime:
    """Bound what follows more tightly than the whole handshake. Answer: ``None``.

    What is late is thrown in as ``HandshakeTimedOut``.

    Args:
        what: What is bounded, in words.
        seconds: How long it may take from now; ``None`` lifts the bound.
    """

    what: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class MakeTemporaryName:
    """Invent a path that nothing has. Answer: the path, or ``None``.

    Nothing is created. The answer is ``<directory>/<prefix><random>_`` with at least
    nine random characters out of ``[A-Za-z0-9]`` from the system's entropy, and
    neither the path itself nor the path with ``suffix`` behind it exists.
    ``None`` if the directory cannot be used.
    """

    directory: str
    prefix: str
    suffix: str


@dataclass(frozen=True, slots=True)
class MakeDirectory:
    """Create a directory. Answer: whether it was made now (``EEXIST`` is ``False``)."""

    path: str
    mode: int

    def undo(self) -> RemoveDirectory:
        """The step that takes this one back."""
        return RemoveDirectory(self.path)


@dataclass(frozen=True, slots=True)
class RemoveDirectory:
    """Remove an empty directory. Answer: ``None``, whether it was there or not."""

    path: str


class PathKind(Enum):
    """What a path is, links not followed."""

    DIRECTORY = "directory"
    FILE = "file"
    LINK = "link"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class PathStatus:
    """What ``lstat`` says of a path.

    Args:
        kind: What it is.
        mode: The permission bits, ``st_mode & 0o7777``.
        link_count: ``st_nlink``.
        owner_uid: ``st_uid``.
        entry_count: How many entries a directory has, where we may look; else
            ``None``. Counting may stop at one.
    """

    kind: PathKind
    mode: int
    link_count: int
    owner_uid: int
    entry_count: int | None = None


@dataclass(frozen=True, slots=True)
class StatPath:
    """``lstat`` a path. Answer: a `PathStatus`, or ``None`` if that fails.

    Args:
        path: What to look at.
        refresh_directory: Create and delete a file in the path's directory first, so
            that a network file system looks again (FS_REMOTE).
    """

    path: str
    refresh_directory: bool = False


@dataclass(frozen=True, slots=True)
class LookupUser:
    """The name of a user id. Answer: the name, or ``None`` if there is none."""

    uid: int


@dataclass(frozen=True, slots=True)
class LookupHost:
    """The host names of an address. Answer: a ``tuple`` of them, maybe empty.

    Only names that resolve back to the address count; a name from the reverse zone
    that does not is left out.
    """

    address: str


@dataclass(frozen=True, slots=True)
class ReadTokens:
    """Read our own tokens. Answer: a ``tuple`` of their texts, maybe empty.

    They are the lines of the directory's files, files in order of their names, without
    comments. Files that others could have read or written are left out.

    Args:
        directory: The directory.
        first_name: The file that comes before all others, in any case of letters.
        exclude: Names that this regular expression matches are left out.
    """

    directory: str
    first_name: str
    exclude: str


@dataclass(frozen=True, slots=True)
class EvaluateCondition:
    """Evaluate an expression of the configuration, however long it takes.

    Answer: its value; ``None`` where there is none.

    Args:
        text: The expression.
        attributes: The ad that it is about: expressions by name in lower case.
        now: Unix time.
    """

    text: bytes
    attributes: Mapping[str, bytes] = field(repr=False)
    now: int


@dataclass(frozen=True, slots=True)
class OpenTls:
    """Read certificates and keys. Answer: a pyOpenSSL ``Context``, or ``None``.

    The context verifies the other side's certificate, if there is one, and takes
    nothing before TLS 1.2. ``None`` where a file that is needed cannot be used.
    """

    settings: TlsSettings


@dataclass(frozen=True, slots=True)
class FindBearerToken:
    """Find the token that this process bears. Answer: its text, or ``None``.

    Args:
        path: The file that the configuration names; ``None`` for the places where
            such tokens usually are.
    """

    path: str | None


@dataclass(frozen=True, slots=True)
class FetchIssuerKeys:
    """Get the keys that an issuer of tokens publishes.

    Answer: a JSON Web Key Set as text, or ``None``.

    Args:
        issuer: An address that `tokens.scitokens.is_issuer` takes.
    """

    issuer: str


@dataclass(frozen=True, slots=True)
class EncodeMunge:
    """Have MUNGE vouch for our user. Answer: a credential, or ``None``."""

    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DecodeMunge:
    """Ask MUNGE whom a credential vouches for. Answer: a user id, or ``None``."""

    credential: str = field(repr=False)


Step: TypeAlias = (
    SendMessage
    | ReceiveMessage
    | EnableProtection
    | LimitTime
    | MakeTemporaryName
    | MakeDirectory
    | RemoveDirectory
    | StatPath
    | LookupUser
    | LookupHost
    | ReadTokens
    | EvaluateCondition
    | OpenTls
    | EncodeMunge
    | DecodeMunge
    | FindBearerToken
    | FetchIssuerKeys
    | ReadKnownHost
    | RecordKnownHost
    | ConfirmServer
    | RunProgram
    | RequestTicket
    | AcceptTicket
    | OpenSspi
    | AdvanceSspi
)

#: A conversation that yields steps and returns its outcome.
Handshake: TypeAlias = Generator[Step, Any, T]


def send_message(payload: bytes) -> Handshake[None]:
    """Send one whole message."""
    yield SendMessage(payload)


def receive_message() -> Handshake[bytes]:
    """Wait for one whole message and return its payload."""
    payload: bytes = yield ReceiveMessage()
    return payload


def enable_protection(step: EnableProtection) -> Handshake[None]:
    """Protect every later frame."""
    yield step


def limit_time(what: str, seconds: float | None) -> Handshake[None]:
    """Bound what follows, or lift the bound."""
    yield LimitTime(what, seconds)


def make_temporary_name(
    directory: str, prefix: str, suffix: str
) -> Handshake[str | None]:
    """Invent a path that nothing has, or ``None``."""
    path: str | None = yield MakeTemporaryName(directory, prefix, suffix)
    return path


def make_directory(path: str, mode: int) -> Handshake[bool]:
    """Create a directory; whether it was made now."""
    made: bool = yield MakeDirectory(path, mode)
    return made


def remove_directory(path: str) -> Handshake[None]:
    """Remove a directory that `make_directory` made."""
    yield RemoveDirectory(path)


def stat_path(
    path: str, refresh_directory: bool = False
) -> Handshake[PathStatus | None]:
    """What ``lstat`` says of a path, or ``None``."""
    status: PathStatus | None = yield StatPath(path, refresh_directory)
    return status


def lookup_user(uid: int) -> Handshake[str | None]:
    """The name of a user id, or ``None``."""
    name: str | None = yield LookupUser(uid)
    return name


def lookup_host(address: str) -> Handshake[tuple[str, ...]]:
    """The confirmed host names of an address."""
    names: tuple[str, ...] = yield LookupHost(address)
    return names


def read_tokens(step: ReadTokens) -> Handshake[tuple[str, ...]]:
    """Our own tokens."""
    tokens: tuple[str, ...] | None = yield step
    return tokens or ()


def evaluate_condition(
    text: bytes, attributes: Mapping[str, bytes], now: int
) -> Handshake[object]:
    """The value of an expression that may take long."""
    value: object = yield EvaluateCondition(text, attributes, now)
    return value


def open_tls(settings: TlsSettings) -> Handshake[Context | None]:
    """Certificates and keys, ready for a connection."""
    context: Context | None = yield OpenTls(settings)
    return context


def encode_munge(payload: bytes) -> Handshake[str | None]:
    """A credential of our user."""
    credential: str | None = yield EncodeMunge(payload)
    return credential


def decode_munge(credential: str) -> Handshake[int | None]:
    """The user id that a credential vouches for."""
    uid: int | None = yield DecodeMunge(credential)
    return uid


def find_bearer_token(path: str | None) -> Handshake[str | None]:
    """The token that this process bears."""
    token: str | None = yield FindBearerToken(path)
    return token


def fetch_issuer_keys(issuer: str) -> Handshake[str | None]:
    """The keys that an issuer of tokens publishes."""
    keys: str | None = yield FetchIssuerKeys(issuer)
    return keys
