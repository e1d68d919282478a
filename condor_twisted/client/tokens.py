"""Tokens that daemons give out: fetched, asked for, approved.

::

    token = await fetch_token(client, address, limits=["READ"])

    started = await start_token_request(client, address, "alice@pool.example")
    # ... somebody approves it ...
    token = await finish_token_request(client, address, started)

A token never travels in clear: where the channel is not encrypted, nothing is sent.

Source: ``src/condor_daemon_client/daemon.cpp: Daemon::getSessionToken,
exchangeSciToken, startTokenRequest, finishTokenRequest, listTokenRequest,
approveTokenRequest, autoApproveTokens``.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater

from condor_twisted.classad.wire_ad import AdValue, WireAd
from condor_twisted.client.command_client import CommandClient
from condor_twisted.constants import attributes
from condor_twisted.constants.commands import Command
from condor_twisted.errors import (
    CommandRefused,
    LimitExceeded,
    LocalProtocolError,
    PeerClosed,
    SecurityError,
)
from condor_twisted.protocols.client_channel import ClientChannel
from condor_twisted.protocols.this_host import host_name
from condor_twisted.wire.sinful import SinfulAddress

__all__ = [
    "StartedTokenRequest",
    "approve_token_request",
    "auto_approve_token_requests",
    "exchange_scitoken",
    "fetch_token",
    "finish_token_request",
    "list_token_requests",
    "request_token",
    "start_token_request",
]

#: How long a daemon may take to answer.
ANSWER_SECONDS: Final = 20.0
#: How often a pending request is asked about.
POLL_SECONDS: Final = 5.0
#: How many requests a list may have.
MAX_REQUESTS: Final = 100_000

_MALFORMED: Final = 1
_WITHOUT_RESULT: Final = "it sent neither a token nor an error"

Address: TypeAlias = SinfulAddress | str


@dataclass(frozen=True, slots=True)
class StartedTokenRequest:
    """A request that a daemon has taken.

    Args:
        client_id: What we call ourselves towards it.
        request_id: The request's id, by which somebody approves it.
        token: The token, where it was approved at once; else ``None``.
    """

    client_id: str
    request_id: str
    token: str | None = field(default=None, repr=False)


def fetch_token(
    client: CommandClient,
    address: Address,
    *,
    limits: Iterable[str] = (),
    lifetime_seconds: int | None = None,
    key_name: str | None = None,
) -> Deferred[str]:
    """Fetch a token for who we are to a daemon.

    Args:
        client: Our identity.
        address: Where the daemon is.
        limits: The levels that it shall be good for; as much as may be by default.
        lifetime_seconds: How long it shall live; as long as may be by default.
        key_name: The signing key that shall be used.

    Returns:
        A `Deferred` of the token. Like all here it fails with `CommandRefused`, whose
        ``code`` and ``reason`` are the daemon's, or as `CommandClient.start` does.
        Cancelling it gives up.
    """
    ad = _wishes(limits, lifetime_seconds)
    if key_name:
        ad[attributes.REQUESTED_KEY] = key_name
    return _ask_for_token(client, address, Command.DC_GET_SESSION_TOKEN, ad)


def exchange_scitoken(
    client: CommandClient, address: Address, scitoken: str
) -> Deferred[str]:
    """Exchange a SciToken for a token of a daemon's pool.

    Args:
        client: Our identity.
        address: Where the daemon is.
        scitoken: The SciToken.

    Returns:
        A `Deferred` of the token.
    """
    ad: dict[str, AdValue] = {attributes.TOKEN: scitoken}
    return _ask_for_token(client, address, Command.DC_EXCHANGE_SCITOKEN, ad)


def start_token_request(
    client: CommandClient,
    address: Address,
    identity: str | None = None,
    *,
    limits: Iterable[str] = (),
    lifetime_seconds: int | None = None,
    client_id: str | None = None,
) -> Deferred[StartedTokenRequest]:
    """Ask for a token that somebody has to approve.

    Args:
        client: Our identity, which need not be that of the token.
        address: Where the daemon is.
        identity: Who shall bear it; a name without a domain is one of UID_DOMAIN,
            and ``condor`` is the default.
        limits: The levels that it shall be good for; everything by default.
        lifetime_seconds: How long it shall live; for ever by default.
        client_id: What we call ourselves; a new name by default.

    Returns:
        A `Deferred` of the request.

    Raises:
        LocalProtocolError: The identity needs a domain, and UID_DOMAIN is not set.
    """
    name = client_id or new_client_id()
    ad: dict[str, AdValue] = {
        attributes.USER: _with_domain(client, identity or "condor"),
        attributes.CLIENT_ID: name,
        **_wishes(limits, lifetime_seconds),
    }

    def started(answer: WireAd) -> StartedTokenRequest:
        token = answer.string(attributes.TOKEN)
        request_id = answer.string(attributes.REQUEST_ID)
        if not token and not request_id:
            raise _refused(
                Command.DC_START_TOKEN_REQUEST, address, _MALFORMED, _WITHOUT_RESULT
            )
        return StartedTokenRequest(name, request_id or "", token or None)

    return _ask(client, address, Command.DC_START_TOKEN_REQUEST, ad).addCallback(
        started
    )


def finish_token_request(
    client: CommandClient, address: Address, request: StartedTokenRequest
) -> Deferred[str | None]:
    """Fetch the token of a request, if it was approved.

    Args:
        client: As whom the request was made.
        address: Where the daemon is.
        request: The request.

    Returns:
        A `Deferred` of the token, which the daemon then forgets; of ``None`` as long
        as the request is pending.
    """
    ad: dict[str, AdValue] = {
        attributes.CLIENT_ID: request.client_id,
        attributes.REQUEST_ID: request.request_id,
    }
    return _ask_for_token(
        client, address, Command.DC_FINISH_TOKEN_REQUEST, ad
    ).addCallback(lambda token: token or None)


@inlineCallbacks
def request_token(
    client: CommandClient,
    address: Address,
    identity: str | None = None,
    *,
    limits: Iterable[str] = (),
    lifetime_seconds: int | None = None,
    pending: Callable[[StartedTokenRequest], object] = lambda request: None,
    poll_seconds: float = POLL_SECONDS,
) -> Generator[Deferred[Any], Any, str]:
    """Ask for a token, and wait until somebody has approved it.

    Args:
        client: As for `start_token_request`, like the following.
        address: Where the daemon is.
        identity: Who shall bear it.
        limits: What it shall be good for.
        lifetime_seconds: How long it shall live.
        pending: Called once with a request that has to be approved.
        poll_seconds: How often the daemon is asked.

    Returns:
        A `Deferred` of the token. Cancelling it gives up; the request stays where it
        is until its time is over.
    """
    request: StartedTokenRequest = yield start_token_request(
        client, address, identity, limits=limits, lifetime_seconds=lifetime_seconds
    )
    token = request.token
    if token is None:
        pending(request)
    while token is None:
        yield deferLater(client.reactor, poll_seconds, lambda: None)
        token = yield finish_token_request(client, address, request)
    return token


@inlineCallbacks
def list_token_requests(
    client: CommandClient, address: Address, request_id: str | None = None
) -> Generator[Deferred[Any], Any, list[WireAd]]:
    """List the requests that wait for approval and that we may see.

    Args:
        client: Our identity.
        address: Where the daemon is.
        request_id: The one that is wanted; all by default.

    Returns:
        A `Deferred` of an ad for each: ``RequestId``, ``ClientId``,
        ``RequestedIdentity``, ``AuthenticatedIdentity``, ``PeerLocation``, and
        ``LimitAuthorization`` and ``TokenLifetime`` where it has them.
    """
    command = Command.DC_LIST_TOKEN_REQUEST
    ad: dict[str, AdValue] = {}
    if request_id:
        ad[attributes.REQUEST_ID] = request_id
    channel: ClientChannel = yield client.start(address, command)
    try:
        _send(channel, ad)
        found: list[WireAd] = []
        while True:
            answer: WireAd = yield _receive(channel, command, address)
            if answer.integer(attributes.OWNER) == 0:
                _check_answer(answer, command, address)
                return found
            if attributes.REQUEST_ID not in answer:
                _check_answer(answer, command, address)
            if len(found) >= MAX_REQUESTS:
                raise LimitExceeded("the number of token requests", MAX_REQUESTS)
            found.append(answer)
    finally:
        channel.close()


def approve_token_request(
    client: CommandClient, address: Address, client_id: str, request_id: str
) -> Deferred[None]:
    """Approve a request.

    Args:
        client: Our identity: an administrator's, or that of the request.
        address: Where the daemon is.
        client_id: ``ClientId`` of the request.
        request_id: ``RequestId`` of the request.

    Returns:
        A `Deferred` that fires when the daemon has made the token.
    """
    return _ask_to_do(
        client,
        address,
        Command.DC_APPROVE_TOKEN_REQUEST,
        {attributes.REQUEST_ID: request_id, attributes.CLIENT_ID: client_id},
    )


def auto_approve_token_requests(
    client: CommandClient, address: Address, netblock: str, lifetime_seconds: int
) -> Deferred[None]:
    """Have requests of daemons from a network approved for a while.

    Args:
        client: Our identity, an administrator's.
        address: Where the daemon is.
        netblock: The network, such as ``192.0.2.0/24``.
        lifetime_seconds: How long; the daemon has a limit of its own.

    Returns:
        A `Deferred` that fires when the daemon has made it a rule.
    """
    return _ask_to_do(
        client,
        address,
        Command.DC_AUTO_APPROVE_TOKEN_REQUEST,
        {attributes.SUBNET: netblock, attributes.LIFETIME: lifetime_seconds},
    )


def new_client_id() -> str:
    """What we call ourselves in one request: this host, and a number by chance."""
    return f"{socket.gethostname()}-{secrets.randbelow(1_000_000)}"


def _wishes(limits: Iterable[str], lifetime_seconds: int | None) -> dict[str, AdValue]:
    ad: dict[str, AdValue] = {}
    text = ",".join(limits)
    if text:
        ad[attributes.LIMIT_AUTHORIZATION] = text
    if lifetime_seconds is not None and lifetime_seconds > 0:
        ad[attributes.TOKEN_LIFETIME] = lifetime_seconds
    return ad


def _with_domain(client: CommandClient, identity: str) -> str:
    if "@" in identity:
        return identity
    domain = client.settings.text("UID_DOMAIN") or host_name(client.settings)
    if not domain:
        raise LocalProtocolError(
            f"{identity} has no domain: give USER@DOMAIN, or set UID_DOMAIN"
        )
    return f"{identity}@{domain}"


def _ask_for_token(
    client: CommandClient,
    address: Address,
    command: Command,
    ad: Mapping[str, AdValue],
) -> Deferred[str]:
    def answered(answer: WireAd) -> str:
        token = answer.string(attributes.TOKEN)
        if token is None:
            raise _refused(command, address, _MALFORMED, _WITHOUT_RESULT)
        return token

    return _ask(client, address, command, ad).addCallback(answered)


def _ask_to_do(
    client: CommandClient,
    address: Address,
    command: Command,
    ad: Mapping[str, AdValue],
) -> Deferred[None]:
    def answered(answer: WireAd) -> None:
        if answer.integer(attributes.ERROR_CODE) is None:
            raise _refused(command, address, _MALFORMED, "it sent no result")

    return _ask(client, address, command, ad).addCallback(answered)


@inlineCallbacks
def _ask(
    client: CommandClient,
    address: Address,
    command: Command,
    ad: Mapping[str, AdValue],
) -> Generator[Deferred[Any], Any, WireAd]:
    """Send one ad, and receive one that is no error."""
    channel: ClientChannel = yield client.start(address, command)
    try:
        _send(channel, ad)
        answer: WireAd = yield _receive(channel, command, address)
    finally:
        channel.close()
    _check_answer(answer, command, address)
    return answer


def _send(channel: ClientChannel, ad: Mapping[str, AdValue]) -> None:
    if not channel.encrypted:
        raise SecurityError(
            f"the channel to {channel.address} is not encrypted, and tokens are not "
            "for everybody: set SEC_CLIENT_ENCRYPTION = REQUIRED"
        )
    writer = channel.writer()
    writer.put_ad(WireAd.from_pairs(ad).body)
    channel.send_message(writer.end_of_message())


@inlineCallbacks
def _receive(
    channel: ClientChannel, command: Command, address: Address
) -> Generator[Deferred[Any], Any, WireAd]:
    try:
        reader = yield channel.receive_message(ANSWER_SECONDS)
    except PeerClosed as closed:
        raise CommandRefused(
            command, str(address), "it closed without an answer"
        ) from closed
    ad = reader.get_ad()
    reader.end_of_message()
    return WireAd(ad.body, ad.secret_lines)


def _check_answer(answer: WireAd, command: Command, address: Address) -> None:
    """See that an answer is no error.

    Raises:
        CommandRefused: It is one.
    """
    code = answer.integer(attributes.ERROR_CODE) or 0
    reason = answer.string(attributes.ERROR_STRING)
    if code or reason is not None:
        raise _refused(command, address, code or -1, reason or "Unknown error.")


def _refused(
    command: Command, address: Address, code: int, reason: str
) -> CommandRefused:
    return CommandRefused(command, str(address), reason, code)
