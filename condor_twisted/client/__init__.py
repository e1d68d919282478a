"""The non-blocking client: ask and tell a pool, start commands at daemons.

Everything returns Deferreds, which are awaitable::

    from condor_twisted.client import Pool

    ads = await Pool("cm.example.org").query("Machine")

For asyncio programs see `condor_twisted.aio`.
"""

from condor_twisted.classad.ad_kinds import AdKind, ad_kind
from condor_twisted.client.authentication import Identity
from condor_twisted.client.command_client import CommandClient
from condor_twisted.client.ping import PingResult
from condor_twisted.client.pool import Advertised, Location, Pool
from condor_twisted.client.queries import Query
from condor_twisted.client.tokens import (
    StartedTokenRequest,
    approve_token_request,
    auto_approve_token_requests,
    exchange_scitoken,
    fetch_token,
    finish_token_request,
    list_token_requests,
    request_token,
    start_token_request,
)

__all__ = [
    "AdKind",
    "Advertised",
    "CommandClient",
    "Identity",
    "Location",
    "PingResult",
    "Pool",
    "Query",
    "StartedTokenRequest",
    "ad_kind",
    "approve_token_request",
    "auto_approve_token_requests",
    "exchange_scitoken",
    "fetch_token",
    "finish_token_request",
    "list_token_requests",
    "request_token",
    "start_token_request",
]
