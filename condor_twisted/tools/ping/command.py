"""``condor-twisted ping``: running it.

Source: ``src/condor_tools/ping.cpp: main, do_item``.
"""

from __future__ import annotations

import sys
import time
from typing import Any, Final

from twisted.internet.error import ConnectError, DNSLookupError

from condor_twisted.client import CommandClient, PingResult
from condor_twisted.client.configured import read_tool_settings
from condor_twisted.client.daemons import (
    DaemonKind,
    DaemonLocator,
    FoundDaemon,
    kind_named,
)
from condor_twisted.config.settings import Settings
from condor_twisted.constants.command_names import LEVEL_COMMANDS
from condor_twisted.errors import DaemonNotFound, MalformedMessage
from condor_twisted.tools.beginning import DONE, FAILED, begin, warn
from condor_twisted.tools.ping.error_stack import error_stack
from condor_twisted.tools.ping.explaining import explained
from condor_twisted.tools.ping.options import PingOptions, parse_options
from condor_twisted.tools.ping.texts import (
    TABLE_HEADING,
    paragraph,
    sentence,
    table_row,
)
from condor_twisted.tools.running import run
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["main"]

_USAGE: Final = """\
Usage: condor-twisted ping [OPTIONS] [TOKEN ...]

TOKEN is ALL, a level of authorization, a command's name or its number; WRITE by
default. Exit code 0: all of them are allowed; 1: one is not, or nobody answers.

Whom to ask:
  -address ADDRESS     the daemon there: a sinful string, or host:port
  -type KIND           master, schedd, startd, negotiator or collector; schedd by
                       default; also -subsystem KIND
  -name NAME           the daemon of this name; this host's by default
  -pool COLLECTOR      the collector that knows the daemon

What is shown:
  -verbose             everything about the session, or why there is none
  -table               one row for each TOKEN
  -quiet               nothing; the exit code tells
  -explain             also what each side wanted, what was chosen and why, every
                       method that was tried, how we were mapped, and the line of
                       configuration that decided; our own daemons tell their side
                       to authenticated users with READ, and to administrators

Further:
  -config FILE         read this configuration
  -debug               tell on standard error what happens
  -version
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
        lambda options: run(lambda reactor: _ping(options, reactor)),
        prefix="ERROR: ",
    )


async def _ping(options: PingOptions, reactor: Any) -> int:
    if options.defaulted and options.mode == "table":
        warn(
            "WARNING: Missing <authz-level | command-name | command-int> argument, "
            "defaulting to WRITE."
        )
    if options.debug:
        for word, number in options.items:
            _debug(f"recognized {word} as {_kind(word)}, using command {number}.")
    settings = read_tool_settings(options.config)
    try:
        daemon = await _find(options, settings, reactor)
    except DaemonNotFound as error:
        warn(f"ERROR: {error}")
        return FAILED
    client = CommandClient(settings, reactor)
    if options.mode == "table":
        sys.stdout.write(TABLE_HEADING)
    code = DONE
    try:
        for word, number in options.items:
            if not await _item(options, client, daemon, word, number):
                code = FAILED
    finally:
        await client.close()
    return code


async def _find(options: PingOptions, settings: Settings, reactor: Any) -> FoundDaemon:
    """The daemon that the command line means.

    Raises:
        DaemonNotFound: It is nowhere to be found; the text is for the user.
    """
    if options.address is not None:
        return FoundDaemon(kind_named("any"), _checked(options.address))
    kind, name, pool = kind_named(options.daemon_type), options.name, options.pool
    if pool is not None:
        collector = await _locate(kind_named("collector"), pool, settings, reactor)
        pool = collector.address
    if kind.word == "collector":
        return await _locate(kind, None if pool else name, settings, reactor, pool)
    try:
        return await _locate(kind, name, settings, reactor, pool)
    except DaemonNotFound as error:
        which = f"{kind.word} {name}" if name else kind.word
        raise DaemonNotFound(f"couldn't locate {which}! ({error})") from error


async def _locate(
    kind: DaemonKind,
    name: str | None,
    settings: Settings,
    reactor: Any,
    pool: str | None = None,
) -> FoundDaemon:
    async with DaemonLocator(settings, reactor, pool) as locator:
        return await locator.resolved(await locator.locate(kind, name))


def _checked(text: str) -> str:
    """The sinful string that ``-address`` is."""
    try:
        address = SinfulAddress.parse(text)
    except MalformedMessage:
        address = SinfulAddress()
    if not address.host or not address.port_number:
        raise DaemonNotFound(f"unable to parse sinful string: {text}")
    return str(address)


async def _item(
    options: PingOptions,
    client: CommandClient,
    daemon: FoundDaemon,
    word: str,
    number: int,
) -> bool:
    """Ask about one command; whether it is allowed."""
    address = daemon.address
    try:
        result = await client.ping(address, number, explain=options.explain)
    except (ConnectError, DNSLookupError) as error:
        warn(f"ERROR: failed to make connection to {address}")
        if options.debug or options.explain:
            warn(f"  {error}")
        return False
    if options.debug:
        _tell(result)
    if options.mode == "table":
        sys.stdout.write(table_row(word, result))
    elif options.mode == "verbose":
        sys.stdout.write(paragraph(word, str(daemon), result))
    elif options.mode == "sentence":
        sys.stdout.write(sentence(word, str(daemon), result))
    if options.explain and options.mode != "quiet":
        sys.stdout.write(explained(word, str(daemon), result))
    return result.allowed


def _kind(word: str) -> str:
    if word.upper() in {level.name for level in LEVEL_COMMANDS}:
        return "authorization level"
    return "command number" if word.isdigit() else "command name"


def _debug(text: str) -> None:
    warn(f"{time.strftime('%m/%d/%y %H:%M:%S')} {text}")


def _tell(result: PingResult) -> None:
    """Say what happened on the way to a result."""
    for attempt in result.client.attempts:
        _debug(f"AUTHENTICATE: {attempt}")
    if result.error is not None:
        for line in error_stack(result):
            _debug(f"FAILED: {line}")
        return
    _debug(f"SECMAN: new session {result.session_id}")
