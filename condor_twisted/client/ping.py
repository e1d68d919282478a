"""Ask a daemon whether a command would be allowed, without running it.

::

    result = await CommandClient().ping("<192.0.2.7:9618>", "WRITE")
    if not result.allowed:
        print(result.error)

The daemon negotiates as it would for the command itself and says what came of it. What
both sides wanted, which methods were tried and why the answer is no is in the result as
well; our own daemons explain their side, too, to who may know (`explain`).

Source: ``src/condor_tools/ping.cpp``.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, inlineCallbacks

from condor_twisted.classad.literals import LiteralValue
from condor_twisted.constants.command_names import find_command
from condor_twisted.errors import (
    AuthorizationDenied,
    CondorTwistedError,
    LocalProtocolError,
    MalformedMessage,
)
from condor_twisted.protocols.client_channel import ClientChannel
from condor_twisted.protocols.commands import CommandOpener
from condor_twisted.security.commands import DC_SEC_QUERY
from condor_twisted.security.explanation import (
    Explanation,
    explain_client,
    read_explanation,
)
from condor_twisted.security.identity import UNAUTHENTICATED_USER
from condor_twisted.security.negotiation import (
    CommandStart,
    NegotiationRecord,
    read_query_reply,
)
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["HasOpener", "PingResult", "command_of", "ping"]

_MAX_TEXT_BYTES: Final = 1024
#: What a daemon may say about the token that proved us.
TOKEN_FACTS: Final = (
    "AuthTokenSubject",
    "AuthTokenIssuer",
    "AuthTokenId",
    "AuthTokenScopes",
    "AuthTokenGroups",
    "AuthTokenProject",
)


class HasOpener(Protocol):
    """What starts commands, as `condor_twisted.client.CommandClient` does."""

    @property
    def opener(self) -> CommandOpener:
        """What opens them.

        Raises:
            ConfigError: The configuration's security settings have no sense.
        """


@dataclass(frozen=True, slots=True)
class PingResult:
    """What a negotiation came to.

    Args:
        command: The command that it was about.
        address: Whom we asked.
        allowed: Whether the daemon would run it for us.
        record: What happened on the way, as far as it went.
        error: Why not; ``None`` where it is allowed.
        token: What the daemon says about the token that proved us: ``AuthToken...``.
        client: What we wanted, and why.
        server: The same of the daemon, where it tells.
    """

    command: int
    address: SinfulAddress
    allowed: bool
    record: NegotiationRecord
    error: CondorTwistedError | None
    token: Mapping[str, LiteralValue]
    client: Explanation
    server: Explanation | None

    @property
    def reached_verdict(self) -> bool:
        """Whether the negotiation went so far that the daemon said yes or no."""
        return self.record.verdict is not None

    @property
    def user(self) -> str | None:
        """Who the daemon says we are; ``None`` where it did not come so far."""
        verdict = self.record.verdict
        if verdict is None:
            return None
        return verdict.bounded_string("User", _MAX_TEXT_BYTES) or UNAUTHENTICATED_USER

    @property
    def method(self) -> str | None:
        """The method that proved who we are; ``None`` where none did."""
        authenticated = self.record.authenticated
        return None if authenticated is None else authenticated.method

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that both sides have, in the daemon's order."""
        agreed = self.record.agreed
        return () if agreed is None else agreed.methods

    @property
    def cipher(self) -> str | None:
        """The cipher whose key both sides have; ``None`` without one.

        AES encrypts and protects all messages, whatever was agreed on.
        """
        agreed = self.record.agreed
        if agreed is None or agreed.key_text is None or agreed.crypto_method is None:
            return None
        return agreed.crypto_method.wire_name

    @property
    def version(self) -> str | None:
        """The ``$CondorVersion$`` of the daemon, where it was told."""
        agreed = self.record.agreed
        return None if agreed is None else agreed.version

    @property
    def session_id(self) -> str | None:
        """The public id of the session; ``None`` where the answer is no."""
        session = self.record.session
        return None if session is None else session.id


def command_of(about: str | int) -> int:
    """The command that is meant.

    Args:
        about: A level of authorization, a command's name, or its number.

    Raises:
        LocalProtocolError: It is none of these.
    """
    command = about if isinstance(about, int) else find_command(about)
    if command is None or command < 0:
        raise LocalProtocolError(
            f"{about!r} is no level of authorization, no command's name, and no number"
        )
    return command


def _address_of(address: SinfulAddress | str) -> SinfulAddress:
    """An address.

    Raises:
        LocalProtocolError: It is none.
    """
    if isinstance(address, SinfulAddress):
        return address
    try:
        return SinfulAddress.parse(address)
    except MalformedMessage as error:
        raise LocalProtocolError(f"{address!r} is no address") from error


@inlineCallbacks
def ping(
    client: HasOpener,
    address: SinfulAddress | str,
    about: str | int = "WRITE",
    *,
    explain: bool = False,
    timeout_seconds: float | None = None,
) -> Generator[Deferred[Any], Any, PingResult]:
    """Ask a daemon whether a command would be allowed; see `CommandClient.ping`."""
    command = command_of(about)
    target = _address_of(address)
    record = NegotiationRecord()
    start = CommandStart(
        DC_SEC_QUERY, command, fresh=True, explain=explain, record=record
    )
    opener = client.opener
    error: CondorTwistedError | None = None
    token: Mapping[str, LiteralValue] = {}
    channel: ClientChannel | None = None
    try:
        channel = yield opener.open(
            address,
            DC_SEC_QUERY,
            raw=False,
            start=start,
            timeout_seconds=timeout_seconds,
        )
        answer = read_query_reply((yield channel.receive_message()))
        if answer.boolean("AuthorizationSucceeded") is not True:
            raise AuthorizationDenied(command, "the daemon says that it is not allowed")
        token = {
            name: value
            for name in TOKEN_FACTS
            if (value := answer.literal(name)) is not None
        }
    except CondorTwistedError as failure:
        error = failure
    finally:
        if channel is not None:
            channel.close()
    return PingResult(
        command=command,
        address=target,
        allowed=error is None,
        record=record,
        error=error,
        token=token,
        client=explain_client(opener.security, record),
        server=None if record.verdict is None else read_explanation(record.verdict),
    )
