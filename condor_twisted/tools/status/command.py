"""``condor-twisted status``: what a collector knows, as ``condor_status`` shows it."""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import Any, Final

from twisted.internet.threads import deferToThread

from condor_twisted.client import Pool
from condor_twisted.tools.beginning import DONE, FAILED, begin, warn
from condor_twisted.tools.running import Progress, pool_of, run
from condor_twisted.tools.status.ads_file import matching, read_long_ads
from condor_twisted.tools.status.listing import Listing
from condor_twisted.tools.status.modes import MODES
from condor_twisted.tools.status.options import StatusOptions, parse_options
from condor_twisted.tools.status.plan import Display, Plan, make_plan
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["main"]

_USAGE: Final = """\
Usage: condor-twisted status [OPTIONS] [NAME ...]

What is shown:
  -any -schedd -master -submitters -negotiator -collector -startd -slots -grid
  -defrag -accounting -generic -license -storage -ckptsrvr -subsystem KIND
                         ads of this kind; slots by default
  -avail -claimed        slots that are free, or taken
  -run -data             access points: what runs, what is transferred
  -state -server         slots: more of their state, or of their size
  -java -vm -absent -offline
                         slots with Java or virtual machines, absent or offline ones
  NAME, -name NAME       only daemons or machines of this name
  -constraint EXPR       only ads for which this is true
  -limit N               no more than N ads

Whom to ask:
  -pool COLLECTOR        host, host:port or a sinful string; COLLECTOR_HOST by default
  -direct DAEMON         the daemon itself
  -ads FILE              a file of ads
  -statistics KIND:N     with these statistics

How it is shown:
  -compact               one row for a machine
  -totals                totals only
  -long[:xml|json|new]   whole ads; also -xml, -json
  -attributes A,B,...    only these attributes of whole ads
  -format FMT ATTR       this attribute in this format
  -af[:jlhVrTY,tng] ATTR ...
                         these attributes: j job id, l labels, h headings, V quotes,
                         r as it stands, T durations, Y dates, t tabs, n lines
  -sort EXPR             sorted by this; no for not at all
  -wide[:N]              nothing is cut, or at N columns
"""


def main(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: The command line.

    Returns:
        The exit code.
    """
    return begin(
        lambda: parse_options(arguments),
        _USAGE,
        lambda options: run(lambda reactor: _status(options, reactor)),
        prefix="Error: ",
    )


def _display() -> Display:
    """The terminal that standard output is, if it is one."""
    try:
        return Display(os.get_terminal_size(1).columns or None)
    except OSError:
        return Display()


def _host_name(name: str) -> str | None:
    """A daemon's name: a host's full name, unless it has an ``@``.

    Source: ``src/condor_utils/get_daemon_name.cpp: get_daemon_name``.
    """
    if "@" in name:
        return name
    try:
        found = socket.getaddrinfo(
            name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
        )
        names = [found[0][3], *socket.gethostbyname_ex(name)[1]]
    except (OSError, UnicodeError, IndexError):
        return None
    return next((each for each in names if "." in each), name)


async def _names(options: StatusOptions) -> list[str] | None:
    """The names that are asked for; ``None`` where one is unknown."""
    if options.mode == "claimed":
        return options.names
    known: list[str] = []
    for name in options.names:
        full = await deferToThread(_host_name, name)
        if full is None:
            warn(f"Error: unknown host {name.rpartition('@')[2]}")
            return None
        known.append(full)
    return known


async def _status(options: StatusOptions, reactor: Any) -> int:
    names = await _names(options)
    if names is None:
        return FAILED
    plan = make_plan(options, _display(), names)
    now = int(time.time())
    listing = Listing(plan, now)
    if options.ads_file is not None:
        ads = read_long_ads(options.ads_file)
        for ad in matching(ads, plan.requirements, options.limit, now):
            listing.add(ad)
    else:
        await _ask(options, plan, listing, reactor)
    write = sys.stdout.buffer.write
    for piece in listing.output():
        write(piece)
    return DONE


async def _ask(
    options: StatusOptions, plan: Plan, listing: Listing, reactor: Any
) -> None:
    """Fill the listing with what the collector, or a daemon, says."""
    pool = pool_of(options.pool, reactor)
    progress = Progress(reactor, lambda: f"{len(listing)} ads ...")
    try:
        asked = pool
        if options.direct is not None:
            asked = await _direct_pool(pool, options, reactor)
        await asked.run_query_each(plan.query, listing.add)
        if asked is not pool:
            await asked.close()
    finally:
        progress.finish()
        await pool.close()


async def _direct_pool(pool: Pool, options: StatusOptions, reactor: Any) -> Pool:
    """The daemon that ``-direct`` names, to be asked like a collector."""
    daemon = MODES[options.mode].daemon
    if daemon is None:
        return pool
    location = await pool.locate(daemon, options.direct)
    return Pool(SinfulAddress.parse(location.address), pool.settings, reactor)
