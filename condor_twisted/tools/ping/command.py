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
from condor_twisted.constants.command_names import LEVEL_COMMANDS
from condor_twisted.errors import LocalProtocolError
from condor_twisted.tools.destination import Destination, find_destination
from condor_twisted.tools.ping.error_stack import error_stack
from condor_twisted.tools.ping.explaining import explained
from condor_twisted.tools.ping.options import PingOptions, parse_options
from condor_twisted.tools.ping.texts import (
    TABLE_HEADING,
    paragraph,
    sentence,
    table_row,
)
from condor_twisted.tools.running import DONE, FAILED, begin, run, warn

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
        destination = await find_destination(
            settings,
            reactor,
            address=options.address,
            pool=options.pool,
            name=options.name,
            daemon_type=options.daemon_type,
        )
    except LocalProtocolError as error:
        warn(f"ERROR: {error}")
        return FAILED
    client = CommandClient(settings, reactor)
    if options.mode == "table":
        sys.stdout.write(TABLE_HEADING)
    code = DONE
    try:
        for word, number in options.items:
            if not await _item(options, client, destination, word, number):
                code = FAILED
    finally:
        await client.close()
    return code


async def _item(
    options: PingOptions,
    client: CommandClient,
    destination: Destination,
    word: str,
    number: int,
) -> bool:
    """Ask about one command; whether it is allowed."""
    address = destination.address
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
        sys.stdout.write(paragraph(word, destination.description, result))
    elif options.mode == "sentence":
        sys.stdout.write(sentence(word, destination.description, result))
    if options.explain and options.mode != "quiet":
        sys.stdout.write(explained(word, destination.description, result))
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
