"""The non-blocking client: ask and tell a pool, start commands at daemons.

Everything returns Deferreds, which are awaitable::

    from condor_twisted.client import Pool

    ads = await Pool("cm.example.org").query("Machine")

For asyncio programs see `condor_twisted.aio`.
"""

from condor_twisted.classad.ad_kinds import AdKind, ad_kind
from condor_twisted.client.command_client import CommandClient
from condor_twisted.client.pool import Advertised, Location, Pool
from condor_twisted.client.queries import Query

__all__ = [
    "AdKind",
    "Advertised",
    "CommandClient",
    "Location",
    "Pool",
    "Query",
    "ad_kind",
]
