"""Steps with which a handshake asks its host about servers it knows, and for programs.

These are steps of a handshake like those of `condor_twisted.security.steps`, and what
they are answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from condor_twisted.security.steps import Handshake

__all__ = [
    "ConfirmServer",
    "KnownHost",
    "ProgramResult",
    "ReadKnownHost",
    "RecordKnownHost",
    "RunProgram",
    "confirm_server",
    "read_known_host",
    "record_known_host",
    "run_program",
]


@dataclass(frozen=True, slots=True)
class KnownHost:
    """What is known of a host.

    Args:
        host: Its name.
        permitted: Whether we talk to it.
        method: The method by which it proved who it is.
        info: What it was proved with: a certificate in base64 (SSL), ``@trusted``
            where an authority vouched for it, or the server's user.
    """

    host: str
    permitted: bool
    method: str
    info: str


@dataclass(frozen=True, slots=True)
class ReadKnownHost:
    """Look a host up. Answer: the first `KnownHost` of this name, or ``None``.

    Args:
        path: The file of known hosts.
        host: The host's name.
    """

    path: str
    host: str


@dataclass(frozen=True, slots=True)
class RecordKnownHost:
    """Write down what is known of a host. Answer: whether it stands in the file.

    Args:
        path: The file of known hosts.
        known: What is known; a line that is there is not written again.
    """

    path: str
    known: KnownHost


@dataclass(frozen=True, slots=True)
class ConfirmServer:
    """Ask the user whether a server is to be trusted. Answer: whether it is.

    Args:
        host: The server's name.
        fingerprint: The SHA-256 of its certificate, ``ab:cd:...``.
        subject: Whose certificate it is, in one line.
        is_authority: Whether it is the certificate of an authority.
    """

    host: str
    fingerprint: str
    subject: str
    is_authority: bool


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """How a program ended.

    Args:
        exit_code: Its exit code.
        output: The beginning of what it wrote to its standard output, as text.
    """

    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class RunProgram:
    """Run a program. Answer: a `ProgramResult`; ``None`` if it did not run to its end.

    Args:
        command: The program and its arguments; no shell sees them.
        environment: What it has in its environment besides ours.
        standard_input: What it reads.
        timeout_seconds: When it is killed, with all that it started.
        user: As whom it runs where we are root; else it runs as who we are.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    standard_input: bytes = field(repr=False)
    timeout_seconds: float
    user: str | None


def read_known_host(path: str, host: str) -> Handshake[KnownHost | None]:
    """What is known of a host, or ``None``."""
    known: KnownHost | None = yield ReadKnownHost(path, host)
    return known


def record_known_host(path: str, known: KnownHost) -> Handshake[bool]:
    """Write down what is known of a host; whether it stands in the file."""
    recorded: bool | None = yield RecordKnownHost(path, known)
    return bool(recorded)


def confirm_server(step: ConfirmServer) -> Handshake[bool]:
    """Whether the user trusts a server."""
    trusted: bool | None = yield step
    return bool(trusted)


def run_program(step: RunProgram) -> Handshake[ProgramResult | None]:
    """How a program ended; ``None`` if it did not run to its end."""
    result: ProgramResult | None = yield step
    return result
