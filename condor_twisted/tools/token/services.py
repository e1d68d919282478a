"""What daemons do about tokens: fetching, asking, listing, approving.

Source: ``src/condor_tools/token_fetch.cpp``, ``token_request.cpp``,
``token_request_list.cpp``, ``token_request_approve.cpp``,
``token_request_auto_approve.cpp``.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineOnlyReceiver

from condor_twisted.classad.ad_printing import json_ad, long_ad, shown_names
from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.client import Pool
from condor_twisted.client.answers import FAILURES, explained
from condor_twisted.client.daemons import DaemonLocator, kind_named
from condor_twisted.client.tokens import (
    StartedTokenRequest,
    approve_token_request,
    auto_approve_token_requests,
    fetch_token,
    list_token_requests,
    request_token,
)
from condor_twisted.constants import attributes
from condor_twisted.errors import CommandRefused
from condor_twisted.security.tokens.approval import parse_netblock
from condor_twisted.tools.beginning import DONE, FAILED, warn
from condor_twisted.tools.running import pool_of
from condor_twisted.tools.token.files import write_token
from condor_twisted.tools.token.options import TokenOptions
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["approve", "auto_approve", "fetch", "request", "request_list"]

_RULE_SECONDS: Final = 3600
_LINE: Final = "=" * 50


def _reason(error: Exception) -> str:
    """An error as HTCondor's tools show it: who says so, a number, and a text."""
    if isinstance(error, CommandRefused) and error.code is not None:
        return f"DAEMON:{error.code}:{error.reason}"
    return explained(error)


async def _at_daemon(
    options: TokenOptions,
    reactor: Any,
    serve: Callable[[Pool, SinfulAddress], Awaitable[int]],
) -> int:
    """Do something at the daemon that is meant; the exit code, 1 if there is none."""
    pool = pool_of(options.pool, reactor)
    try:
        locator = DaemonLocator(pool.settings, reactor, pool)
        kind = kind_named(options.kind)
        try:
            found = await locator.locate(kind, options.name, options.address)
            address = SinfulAddress.parse(found.address)
        except FAILURES as error:
            wanted = "default daemon type."
            if options.name:
                wanted = f"daemon {options.name}!"
            warn(f"ERROR: couldn't locate {wanted}\n  ({explained(error)})")
            return FAILED
        return await serve(pool, address)
    finally:
        await pool.close()


async def fetch(options: TokenOptions, reactor: Any) -> int:
    """Fetch a token for who one is.

    Returns:
        The exit code.
    """

    async def serve(pool: Pool, address: SinfulAddress) -> int:
        try:
            token = await fetch_token(
                pool.client,
                address,
                limits=options.limits,
                lifetime_seconds=options.lifetime_seconds,
                key_name=options.key,
            )
        except FAILURES as error:
            warn(f"Failed to request a session token: {_reason(error)}")
            return FAILED
        return write_token(pool.settings, options, token)

    return await _at_daemon(options, reactor, serve)


async def request(options: TokenOptions, reactor: Any) -> int:
    """Ask for a token, and wait until it is approved.

    Returns:
        The exit code.
    """
    pending: list[StartedTokenRequest] = []

    def waits(started: StartedTokenRequest) -> None:
        pending.append(started)
        sys.stdout.write(
            "Token request enqueued.  Ask an administrator to please approve request "
            f"{started.request_id}.\n"
        )
        sys.stdout.flush()

    async def serve(pool: Pool, address: SinfulAddress) -> int:
        try:
            token = await request_token(
                pool.client,
                address,
                options.identity,
                limits=options.limits,
                lifetime_seconds=options.lifetime_seconds,
                pending=waits,
            )
        except FAILURES as error:
            what = (
                "get a status update for token request"
                if pending
                else "request a new token"
            )
            warn(f"Failed to {what}: {_reason(error)}")
            return FAILED
        return write_token(pool.settings, options, token)

    return await _at_daemon(options, reactor, serve)


async def request_list(options: TokenOptions, reactor: Any) -> int:
    """List the requests that wait for approval.

    Returns:
        The exit code.
    """
    return await _at_daemon(options, reactor, partial(_list, options))


async def _list(options: TokenOptions, pool: Pool, address: SinfulAddress) -> int:
    found = await _pending(pool, address, options.request_id)
    if found is None:
        return FAILED
    if options.request_id and len(found) != 1:
        warn(_no_information(options.request_id))
        return FAILED
    if not found:
        warn("Remote daemon reports no requests pending.")
        return DONE
    write = sys.stdout.buffer.write
    for index, ad in enumerate(found):
        names = shown_names(ad)
        if options.json:
            write((b",\n" if index else b"[\n") + json_ad(ad, names) + b"\n")
        else:
            write(long_ad(ad, names) + b"\n")
    if options.json:
        write(b"]\n")
    return DONE


async def approve(options: TokenOptions, reactor: Any) -> int:
    """Show requests one by one, and approve those that the user says yes to.

    Returns:
        The exit code.
    """
    answers = Answers(reactor)
    try:
        return await _at_daemon(options, reactor, partial(_approve, options, answers))
    finally:
        answers.close()


async def _approve(
    options: TokenOptions, answers: Answers, pool: Pool, address: SinfulAddress
) -> int:
    found = await _pending(pool, address, options.request_id)
    if found is None:
        return FAILED
    if not found:
        warn(
            _no_information(options.request_id)
            if options.request_id
            else "Remote daemon has no request to approve."
        )
        return FAILED
    for ad in found[:1] if options.request_id else found:
        if not await _approve_one(pool, address, ad, answers):
            return FAILED
    return DONE


async def _approve_one(
    pool: Pool, address: SinfulAddress, ad: WireAd, answers: Answers
) -> bool:
    """Approve one request, if the user says yes; whether it was approved."""
    client_id = ad.string(attributes.CLIENT_ID)
    request_id = ad.string(attributes.REQUEST_ID)
    if not client_id or not request_id:
        missing = "client" if not client_id else "request"
        warn(f"Remote host did not provide a {missing} ID.")
        return False
    sys.stdout.write(
        f"Request contents:\n{_shown(ad)}\nTo approve, please type 'yes'\n"
    )
    sys.stdout.flush()
    if await answers.next() != "yes":
        warn("Request was NOT approved.")
        return False
    try:
        await approve_token_request(pool.client, address, client_id, request_id)
    except FAILURES as error:
        warn(f"Failed to approve token request: {_reason(error)}")
        return False
    sys.stdout.write(f"Request {request_id} approved successfully.\n")
    return True


async def auto_approve(options: TokenOptions, reactor: Any) -> int:
    """Have requests of daemons from a network approved for a while.

    Returns:
        The exit code.
    """
    netblock = options.netblock or ""
    lifetime = options.lifetime_seconds
    if lifetime is None:
        lifetime = _RULE_SECONDS
    problem = None
    if not parse_netblock(netblock):
        problem = "netblock invalid."
    elif lifetime <= 0:
        problem = "lifetimes must be greater than zero."
    failed = "Failed to create new auto-approval rule:"
    if problem is not None:
        warn(f"{failed} DAEMON:2:Auto-approval rule {problem}")
        return FAILED

    async def serve(pool: Pool, address: SinfulAddress) -> int:
        try:
            await auto_approve_token_requests(pool.client, address, netblock, lifetime)
        except FAILURES as error:
            warn(f"{failed} {_reason(error)}")
            return FAILED
        sys.stdout.write(
            f"Successfully installed auto-approval rule for netblock {netblock} with "
            f"lifetime of {lifetime / 3600:.2f} hours\n"
        )
        await _show_remaining(pool, address)
        return DONE

    return await _at_daemon(options, reactor, serve)


async def _show_remaining(pool: Pool, address: SinfulAddress) -> None:
    """Say which requests a new rule has not approved."""
    try:
        found = await list_token_requests(pool.client, address)
    except FAILURES as error:
        warn(f"Failed to list remaining token requests: {_reason(error)}")
        return
    if not found:
        warn("Remote daemon reports no un-approved requests pending.")
        return
    requests = "".join(f"{_shown(ad)}\n" for ad in found)
    sys.stdout.write(
        "The following requests remain after auto-approval rule was installed:\n"
        f"{_LINE}\n{requests}{_LINE}\n"
        "To approve these requests, please run condor-twisted token approve.\n"
    )


async def _pending(
    pool: Pool, address: SinfulAddress, request_id: str | None
) -> list[WireAd] | None:
    """The pending requests; ``None`` where they cannot be had, which is said."""
    try:
        return await list_token_requests(pool.client, address, request_id)
    except FAILURES as error:
        what = (
            f"locate request corresponding to ID {request_id}"
            if request_id
            else "list token requests"
        )
        warn(f"Failed to {what}: {_reason(error)}")
        return None


def _no_information(request_id: str) -> str:
    return f"Remote daemon did not provide information for request ID {request_id}."


def _shown(ad: WireAd) -> str:
    """A request for people, who are about to trust what they see."""
    names = sorted(shown_names(ad), key=lambda name: (len(name), name.lower()))
    text = long_ad(ad, names).decode("utf-8", "backslashreplace")
    return "".join(
        each if each.isprintable() or each == "\n" else f"\\u{ord(each):04x}"
        for each in text
    )


class Answers(LineOnlyReceiver):
    """What the user types, line by line; opened with the first question.

    Args:
        reactor: Reads standard input, so that an interrupt is heard meanwhile.
    """

    delimiter = b"\n"

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._lines: DeferredQueue[str] = DeferredQueue()
        self._open = False

    def next(self) -> Deferred[str]:
        """The next line; an empty one when there is no more."""
        if not self._open:
            self._open = True
            StandardIO(self, reactor=self._reactor)
        return self._lines.get()

    def close(self) -> None:
        """Ask nothing more."""
        transport: Any = self.transport
        if transport is not None:
            transport.loseConnection()

    def lineReceived(self, line: bytes) -> None:
        """A line is there."""
        self._lines.put(line.decode("utf-8", "replace").rstrip("\r"))

    def connectionLost(self, reason: Any = None) -> None:
        """There is no more: whoever waits gets nothing."""
        self._lines.put("")
