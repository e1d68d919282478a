"""``condor-twisted fetch-log``: a daemon's log, as ``condor_fetchlog`` brings it.

Source: ``src/condor_tools/fetch_log.cpp``.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.error import ConnectError, DNSLookupError

from condor_twisted.client.configured import read_tool_settings
from condor_twisted.client.daemons import DaemonLocator, kind_named
from condor_twisted.constants.commands import Command
from condor_twisted.errors import CondorTwistedError, DaemonNotFound, PeerClosed
from condor_twisted.protocols.files import FileReceiver
from condor_twisted.tools.beginning import DONE, FAILED, begin, warn
from condor_twisted.tools.option_table import (
    Option,
    UsageError,
    read_arguments,
)
from condor_twisted.tools.running import Progress, run

__all__ = ["main"]

_DAEMONS: Final = (
    *("master", "schedd", "startd", "collector", "negotiator", "kbdd"),
    *("view_collector", "credd", "had"),
)
_OPTIONS: Final = (
    Option("help", 1),
    Option("pool", 1, values=("a collector",)),
    Option("addr", 2, values=("an address",)),
    Option("version", 1),
    Option("debug", 1, detail=True),
    *(Option(each, len(each)) for each in _DAEMONS),
)
_PLAIN: Final = 0
_HISTORY: Final = 1
_HISTORY_DIRECTORY: Final = 2
_JOB_HISTORIES: Final = "STARTD.PER_JOB_HISTORY_DIR"
_REASONS: Final = {
    -1: "permission denied",
    1: "no log file by that name",
    2: "server was unable to access it",
    3: "server can't provide that type of log",
}
_USAGE: Final = """\
Usage: condor-twisted fetch-log [OPTIONS] HOST SUBSYSTEM[.EXT]
       condor-twisted fetch-log -addr ADDRESS SUBSYSTEM[.EXT]

  -pool COLLECTOR  host, host:port or a sinful string; COLLECTOR_HOST by default
  -addr ADDRESS    the daemon at this sinful string, instead of a host's

Whom to ask, which does not choose the log:
  -master (default) -schedd -startd -collector -negotiator -kbdd -view_collector

The log is that of SUBSYSTEM_LOG in the configuration of whoever is asked, with .EXT
behind its name: MASTER, COLLECTOR, SCHEDD, STARTER.slot1, SHADOW.old, ...
HISTORY and STARTD_HISTORY are the histories of jobs; STARTD.PER_JOB_HISTORY_DIR
brings a directory of them into this one.
"""


@dataclass(slots=True)
class _Options:
    daemon: str = "master"
    host: str | None = None
    log: str | None = None
    pool: str | None = None
    address: str | None = None
    help: bool = False
    version: bool = False


def _parse(arguments: list[str]) -> _Options:
    options = _Options()
    words: list[str] = []
    for argument, match, values in read_arguments(arguments, _OPTIONS):
        if match is not None:
            name = match.option.name
            if name in _DAEMONS:
                options.daemon = name
            elif name == "pool":
                options.pool = values[0]
            elif name == "addr":
                options.address = values[0]
            elif name != "debug":
                setattr(options, name, True)
        elif argument.startswith("-"):
            raise UsageError(f"Unknown argument: {argument}")
        else:
            words.append(argument)
    if options.address is not None:
        words.insert(0, options.address)
    if len(words) > 2:
        raise UsageError(f"Extra argument: {words[2]}")
    if not (options.help or options.version) and len(words) < 2:
        raise UsageError("a host and a subsystem are needed")
    if len(words) == 2:
        options.host, options.log = words
    return options


def main(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: The command line.

    Returns:
        The exit code.
    """
    return begin(lambda: _parse(arguments), _USAGE, _run)


def _run(options: _Options) -> int:

    async def whole(reactor: Any) -> int:
        settings = read_tool_settings()
        async with DaemonLocator(settings, reactor, options.pool) as locator:
            return await _fetch(options, locator, reactor)

    return run(whole)


async def _fetch(options: _Options, locator: DaemonLocator, reactor: Any) -> int:
    host, log = options.host, options.log
    assert host is not None, "a command line without it is refused"
    assert log is not None, "a command line without it is refused"
    kind = kind_named(options.daemon)
    try:
        daemon = await locator.locate(kind, host, options.address, to_administer=True)
    except DaemonNotFound as error:
        warn(f"Couldn't locate daemon on {host}: {error}")
        return FAILED
    try:
        channel = await locator.pool.client.start(daemon.address, Command.DC_FETCH_LOG)
    except (CondorTwistedError, ConnectError, DNSLookupError) as error:
        warn(f"couldn't connect to daemon {host} at {daemon.address}: {error}")
        return FAILED
    what = _PLAIN
    if log in ("HISTORY", "STARTD_HISTORY"):
        what = _HISTORY
    elif log == _JOB_HISTORIES:
        what = _HISTORY_DIRECTORY
    writer = channel.writer()
    writer.put_int(what)
    writer.put_string(log)
    channel.send_message(writer.end_of_message())
    count = 0
    progress = Progress(reactor, lambda: f"{count} bytes")
    receiver = FileReceiver(channel)
    if what == _HISTORY_DIRECTORY:
        return await _fetch_directory(receiver)

    def show(data: bytes) -> None:
        nonlocal count
        count += len(data)
        sys.stdout.buffer.write(data)

    try:
        result = await _result(receiver)
        if result == 0:
            async for data in receiver.receive():
                show(data)
            if what == _HISTORY:
                await _further(receiver, show)
    except CondorTwistedError as error:
        warn(f"Couldn't fetch log: connection lost ({error}).")
        return FAILED
    finally:
        progress.finish()
        sys.stdout.flush()
        channel.close()
    if result is None:
        warn("Couldn't fetch log: server did not reply")
        return FAILED
    if result:
        warn(f"Couldn't fetch log: {_REASONS.get(result, 'unknown error')}.")
        return FAILED
    return DONE


async def _result(receiver: FileReceiver) -> int | None:
    """What the daemon answers first; ``None`` where it does not."""
    try:
        return (await receiver.items()).get_int()
    except PeerClosed:
        return None


async def _further(receiver: FileReceiver, show: Any) -> None:
    """The other files of a history, until there is none."""
    while True:
        try:
            await receiver.items()
        except PeerClosed:
            return
        async for data in receiver.receive():
            show(data)


async def _fetch_directory(receiver: FileReceiver) -> int:
    """Bring files with their names into the working directory."""
    result = await _result(receiver)
    if result is None:
        warn("Couldn't fetch log: server did not reply")
        return FAILED
    if result not in (0, 1):
        warn(f"Couldn't fetch log: {_REASONS.get(result, 'unknown error')}.")
        return FAILED
    while result:
        name = os.path.basename((await receiver.items()).get_string())
        if name in ("", ".", ".."):
            warn("Couldn't fetch log: the daemon sent a file without a name.")
            return FAILED
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            handle = os.open(name, flags, 0o644)
        except OSError as error:
            warn(f"Can't open local file {name} for writing: {error.strerror}")
            return FAILED
        with open(handle, "wb") as file:
            async for data in receiver.receive():
                file.write(data)
        result = (await receiver.items()).get_int()
    return DONE
