"""``condor-twisted advertise``: tell collectors of ads, as ``condor_advertise`` does.

Source: ``src/condor_tools/advertise.cpp``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.error import DNSLookupError

from condor_twisted.classad.expressions import check_expression
from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.constants import attributes
from condor_twisted.constants.commands import Command
from condor_twisted.errors import PeerClosed
from condor_twisted.protocols.this_host import own_address
from condor_twisted.tools.beginning import DONE, FAILED, begin, warn
from condor_twisted.tools.option_table import (
    Option,
    UsageError,
    read_arguments,
)
from condor_twisted.tools.running import pool_of, run
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["collector_command", "main", "read_ads"]

_OPTIONS: Final = (
    Option("help", 4),
    Option("pool", 4, values=("a collector",)),
    Option("tcp", 1),
    Option("udp", 1),
    Option("fake-private-ad", 1),
    Option("multiple", 1),
    Option("version", 7),
    Option("debug", 5),
    Option("many-connections", 2),
)
_REFUSED: Final = frozenset({"fake-private-ad", "many-connections"})
_PREFIXES: Final = ("UPDATE_", "MERGE_", "INVALIDATE_")
_COMMANDS: Final = {
    command.name: command for command in Command if command.name.startswith(_PREFIXES)
}
_USAGE: Final = """\
Usage: condor-twisted advertise [OPTIONS] [COMMAND [FILE]]

  -pool COLLECTOR  host, host:port or a sinful string; COLLECTOR_HOST by default
  -tcp             over TCP (default)
  -udp             over UDP
  -multiple        several ads, separated by blank lines

COMMAND is a name or a number; without one the first ad's MyType says what it is.
Without a file, or with -, ads are read from standard input. The names are:
"""


@dataclass(slots=True)
class _Options:
    command: int | None = None
    file: str | None = None
    pool: str | None = None
    use_tcp: bool | None = None
    multiple: bool = False
    help: bool = False
    version: bool = False


def collector_command(text: str) -> int:
    """The number of a command for collectors, by its name in any case or its number.

    Raises:
        UsageError: There is no such command.
    """
    command = _COMMANDS.get(text.upper())
    if command is None and text.isdigit():
        command = next((each for each in _COMMANDS.values() if each == int(text)), None)
    if command is None:
        raise UsageError(f"Unknown command name {text}")
    return int(command)


def _parse(arguments: list[str]) -> _Options:
    options = _Options()
    words: list[str] = []
    for argument, match, values in read_arguments(arguments, _OPTIONS):
        if match is not None:
            name = match.option.name
            if name in _REFUSED:
                raise UsageError(f"-{name} is not available here")
            if name == "pool":
                options.pool = values[0]
            elif name in ("tcp", "udp"):
                options.use_tcp = name == "tcp"
            elif name != "debug":
                setattr(options, name, True)
        elif argument.startswith("-") and argument != "-":
            raise UsageError(f"Unknown argument: {argument}")
        else:
            words.append(argument)
    if len(words) > 2:
        raise UsageError(f"Extra argument: {words[2]}")
    if words:
        options.command = collector_command(words[0])
    options.file = words[1] if len(words) > 1 else None
    return options


def read_ads(data: bytes, *, multiple: bool) -> Iterator[WireAd]:
    """The ads of a file: one attribute a line.

    Lines that begin with ``#`` do not count; blank ones separate ads where there may
    be several, and do not count otherwise.

    Raises:
        ValueError: A line is no attribute.
    """
    lines: list[bytes] = []

    def finished() -> WireAd:
        ad = WireAd(b"".join(line + b"\0" for line in lines))
        lines.clear()
        return ad

    for line in data.split(b"\n"):
        text = line.strip(b"\r") if multiple else line.strip()
        if not text:
            if multiple and lines:
                yield finished()
            continue
        text = text.strip()
        if not text or text.startswith(b"#"):
            continue
        name, equals, value = text.partition(b"=")
        expression = value.strip()
        if not equals or not name.strip() or b"\0" in text:
            raise ValueError("not an attribute")
        if not expression or not check_expression(expression):
            raise ValueError("not an expression")
        lines.append(name.strip() + b" = " + expression)
    if lines:
        yield finished()


def _command_of(ad: WireAd) -> int | None:
    """The command that the type of an ad names.

    Kept for compatibility: a type whose command is not called after it counts as
    generic.
    """
    my_type = ad.string(attributes.MY_TYPE)
    if not my_type:
        return None
    name = f"UPDATE_{my_type.upper()}_AD"
    return int(_COMMANDS.get(name, Command.UPDATE_AD_GENERIC))


def main(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: The command line.

    Returns:
        The exit code.
    """
    return begin(lambda: _parse(arguments), _usage(), _run)


def _usage() -> str:
    names = sorted(
        _COMMANDS,
        key=lambda name: (_PREFIXES.index(name.split("_")[0] + "_"), name),
    )
    return _USAGE + "".join(f"  {name}\n" for name in names)


def _run(options: _Options) -> int:
    ads = _load(options)
    if ads is None:
        return FAILED
    command = options.command
    if command is None:
        command = _command_of(ads[0])
        if command is None:
            warn("MyType not set in ad, aborting.")
            return FAILED
    number = command
    return run(lambda reactor: _advertise(options, number, ads, reactor))


def _load(options: _Options) -> list[WireAd] | None:
    """The ads; ``None`` where there are none, which is said."""
    file = options.file
    if file is None or file == "-":
        file = "(stdin)"
        data = sys.stdin.buffer.read()
    else:
        try:
            with open(file, "rb") as stream:
                data = stream.read()
        except OSError as error:
            warn(f"couldn't open {file}: {error.strerror}")
            return None
    try:
        ads = list(read_ads(data, multiple=options.multiple))
    except ValueError:
        warn(f"couldn't parse ClassAd in {file}")
        return None
    if not ads:
        warn(f"{file} is empty")
        return None
    return ads


async def _advertise(
    options: _Options, command: int, ads: list[WireAd], reactor: Any
) -> int:
    pool = pool_of(options.pool, reactor)
    address = f"<{own_address(pool.settings)}:0>"
    ads = [
        ad
        if attributes.MY_ADDRESS in ad
        else ad.with_attributes({attributes.MY_ADDRESS: address})
        for ad in ads
    ]
    use_tcp = options.use_tcp
    if command == Command.UPDATE_STARTD_AD_WITH_ACK:
        use_tcp = True
    code = DONE
    try:
        for each in await pool.advertise(ads, command, use_tcp=use_tcp):
            causes = [error.__cause__ for error in each.errors]
            if any(isinstance(cause, DNSLookupError) for cause in causes):
                host = SinfulAddress.parse(each.address).host
                warn(f"couldn't locate collector: unknown host {host}")
                code = FAILED
                continue
            for error in each.errors:
                unanswered = isinstance(error.__cause__, PeerClosed)
                what = "get ack from" if unanswered else "send classad to"
                warn(f"failed to {what} {each.address}\n  ({error})")
                code = FAILED
            total = each.sent_count + len(each.errors)
            sys.stdout.write(
                f"Sent {each.sent_count} of {total} ad{'' if total == 1 else 's'} to "
                f"{each.collector}.\n"
            )
    finally:
        await pool.close()
    return code
