"""What KERBEROS asks of its host: tickets, and whom tickets are of.

These are steps of a handshake like those of `condor_twisted.security.steps`, and what
they are answered. Who performs them has Kerberos' own library; nothing here does.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

__all__ = [
    "KERBEROS_LIBRARY",
    "AcceptTicket",
    "AcceptedTicket",
    "RequestTicket",
    "TicketCache",
    "TicketExchange",
    "TicketKeytab",
    "TicketProblem",
    "TicketSource",
    "accept_ticket",
    "parse_realm_map",
    "request_ticket",
]

#: The name under which a host says that it has Kerberos.
KERBEROS_LIBRARY: Final = "kerberos"


@dataclass(frozen=True, slots=True)
class TicketCache:
    """A user's credential cache, which a login or ``kinit`` filled.

    Args:
        name: Its name, as ``FILE:/tmp/krb5cc_1000``; ``None`` for the user's default.
    """

    name: str | None = None

    def __str__(self) -> str:
        return "the credential cache"


@dataclass(frozen=True, slots=True)
class TicketKeytab:
    """Keys in a file, with which a daemon logs in.

    Args:
        name: The file, maybe with ``FILE:`` before it; ``None`` for the host's own.
        principal: Whose key is taken; ``None`` for ``service``/this host.
        service: The service; ``None``, without a principal, for the first key there.
    """

    name: str | None
    principal: str | None = None
    service: str | None = None

    def __str__(self) -> str:
        return f"the keytab {self.name or 'of this host'}"


TicketSource = TicketCache | TicketKeytab


@dataclass(frozen=True, slots=True)
class TicketProblem:
    """Why there is no ticket, or why one is not accepted.

    Args:
        reason: Kerberos' own words, without secrets.
    """

    reason: str


class TicketExchange(Protocol):
    """A ticket that a server is shown, until the server has answered."""

    @property
    def request(self) -> bytes:
        """The message for the server, an AP-REQ. It asks for mutual authentication."""

    @property
    def server(self) -> str:
        """The server's principal, ``service/host@REALM``."""

    def check_reply(self, reply: bytes) -> TicketProblem | None:
        """Why an AP-REP does not prove who the server is; ``None`` if it does."""

    def close(self) -> None:
        """Give back what the library keeps for it. Nothing else may follow."""


@dataclass(frozen=True, slots=True)
class RequestTicket:
    """Get a ticket for a server. Answer: a `TicketExchange` or a `TicketProblem`.

    Whoever gets the exchange closes it: the handshake, or the driver where the answer
    comes after the handshake's end.

    Args:
        service: The service that the server runs.
        host: The server's host name; Kerberos' configuration says how it is spelled.
        sources: What we log in with; the first that works is taken.
    """

    service: str
    host: str
    sources: tuple[TicketSource, ...]

    @staticmethod
    def give_back(answer: TicketExchange | TicketProblem | None) -> None:
        """Close an answer that came too late."""
        if answer is not None and not isinstance(answer, TicketProblem):
            answer.close()


@dataclass(frozen=True, slots=True)
class AcceptTicket:
    """See whose ticket a client shows. Answer: `AcceptedTicket` or `TicketProblem`.

    The same ticket is not accepted twice in the same message, nor one that is bound to
    addresses from elsewhere.

    Args:
        request: The client's message, an AP-REQ.
        keytab: The file of the server's keys; ``None`` for the host's own.
        own_address: Our end's IP address.
        peer_address: The client's.
    """

    request: bytes = field(repr=False)
    keytab: str | None
    own_address: str
    peer_address: str


@dataclass(frozen=True, slots=True)
class AcceptedTicket:
    """A ticket that is good.

    Args:
        client: The principal whose it is.
        reply: The answer that proves who we are, an AP-REP.
        addresses: The IP addresses that the ticket is bound to; mostly none.
    """

    client: str
    reply: bytes = field(repr=False)
    addresses: tuple[str, ...] = ()


def request_ticket(
    step: RequestTicket,
) -> Generator[RequestTicket, Any, TicketExchange | TicketProblem]:
    """A ticket for a server, or why there is none."""
    answer: TicketExchange | TicketProblem | None = yield step
    return answer or TicketProblem("Kerberos does not work on this host")


def accept_ticket(
    step: AcceptTicket,
) -> Generator[AcceptTicket, Any, AcceptedTicket | TicketProblem]:
    """Whose ticket a client shows, or why it is not accepted."""
    answer: AcceptedTicket | TicketProblem | None = yield step
    return answer or TicketProblem("Kerberos does not work on this host")


def parse_realm_map(text: str) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Read a KERBEROS_MAP_FILE: lines of ``REALM = domain``.

    Returns:
        The domain of each realm, and what was wrong with lines that are left out.

    Source: ``src/condor_io/condor_auth_kerberos.cpp: init_realm_mapping``.
    """
    domains: dict[str, str] = {}
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.replace("=", " ").split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) == 1:
            problems.append(f"line {number}: {words[0]} has no domain behind it")
            continue
        domains[words[0]] = words[1]
    return domains, tuple(problems)
