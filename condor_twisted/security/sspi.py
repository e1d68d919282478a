"""What NTSSPI asks of its host: the logins of Windows.

These are steps of a handshake like those of `condor_twisted.security.steps`, and what
they are answered.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

__all__ = [
    "SSPI_LIBRARY",
    "AdvanceSspi",
    "OpenSspi",
    "SspiExchange",
    "SspiProblem",
    "SspiTurn",
    "advance_sspi",
    "open_sspi",
]

#: The name under which a host says that it has SSPI.
SSPI_LIBRARY: Final = "sspi"


@dataclass(frozen=True, slots=True)
class SspiProblem:
    """Why a login goes no further.

    Args:
        reason: Windows' own words, without secrets.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class SspiTurn:
    r"""What one turn of a login came to.

    Args:
        token: What the other side is sent; empty for nothing.
        done: Whether this side is content.
        user: On a server that is content: ``DOMAIN\user``, who the client is.
    """

    token: bytes = field(repr=False)
    done: bool
    user: str | None = None


class SspiExchange(Protocol):
    """One side of a login by NTLM."""

    def advance(self, token: bytes) -> SspiTurn | SspiProblem:
        """Take what the other side has sent. May ask a domain's controller, and block.

        Args:
            token: Empty at a client's first turn.
        """


@dataclass(frozen=True, slots=True)
class OpenSspi:
    """Begin a login. Answer: an `SspiExchange` or an `SspiProblem`.

    Args:
        server: Whether we take the login, not this process's user whose login it is.
    """

    server: bool


@dataclass(frozen=True, slots=True)
class AdvanceSspi:
    """Take a turn of a login. Answer: an `SspiTurn` or an `SspiProblem`."""

    exchange: SspiExchange
    token: bytes = field(repr=False)


def open_sspi(server: bool) -> Generator[OpenSspi, Any, SspiExchange | SspiProblem]:
    """Begin a login, or say why there is none."""
    answer: SspiExchange | SspiProblem | None = yield OpenSspi(server)
    return answer or SspiProblem("SSPI does not work on this host")


def advance_sspi(
    exchange: SspiExchange, token: bytes
) -> Generator[AdvanceSspi, Any, SspiTurn | SspiProblem]:
    """Take a turn of a login, or say why it goes no further."""
    answer: SspiTurn | SspiProblem | None = yield AdvanceSspi(exchange, token)
    return answer or SspiProblem("SSPI does not work on this host")
