"""The configuration that a daemon uses, as ``condor_config_val`` asks for it.

Source: ``src/condor_tools/config_val.cpp: GetRemoteParam, GetRemoteParamRaw,
GetRemoteParamNamesMatching, GetRemoteParamStats, SetRemoteParam``.
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.error import ConnectError, DNSLookupError

from condor_twisted.classad.ad_printing import long_ad, shown_names
from condor_twisted.classad.full_values import ComposedValue, evaluate_full
from condor_twisted.classad.literals import format_literal
from condor_twisted.classad.printing import Form
from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.client.daemons import DaemonLocator, FoundDaemon, kind_named
from condor_twisted.config.language import assignment_key
from condor_twisted.config.listing import assignment_text, comment_text
from condor_twisted.constants.commands import Command
from condor_twisted.errors import CondorTwistedError, DaemonNotFound
from condor_twisted.tools.beginning import DONE, FAILED, warn
from condor_twisted.tools.config_val.local import read_local
from condor_twisted.tools.config_val.options import USE, ConfigValOptions
from condor_twisted.tools.running import run
from condor_twisted.wire.messages import MessageReader

__all__ = ["RemoteConfigVal", "show_remote"]

_ANSWER_SECONDS: Final = 30.0
_NAME = re.compile(r"[A-Za-z0-9_.]+\Z")
_NO_DETAILS: Final = " # the remote HTCondor version does not support -raw or -verbose"
_RUNTIME: Final = frozenset({"rset", "runset"})


@dataclass(frozen=True, slots=True)
class _Told:
    """What a daemon says of one name.

    Args:
        value: The expanded value; ``None`` where there is none.
        raw: ``NAME = raw value``; empty where the name is unknown.
        origin: Where it is from.
        default: The compiled-in default; empty without one.
        uses: How often it was used.
    """

    value: str | None
    raw: str = ""
    origin: str = ""
    default: str = ""
    uses: str = ""

    @property
    def raw_value(self) -> str:
        """The raw value alone."""
        name, equals, value = self.raw.partition("=")
        return value.lstrip(" ") if equals else name


class RemoteConfigVal:
    """One command line at work on one daemon.

    Args:
        options: The command line.
        locator: Finds the daemon, and calls it.
    """

    def __init__(self, options: ConfigValOptions, locator: DaemonLocator) -> None:
        self._options = options
        self._locator = locator
        self._daemon: FoundDaemon | None = None

    async def run(self) -> int:
        """Do everything; the exit code."""
        options = self._options
        kind = kind_named(options.daemon or "master")
        try:
            self._daemon = await self._locator.locate(
                kind,
                options.name,
                options.address,
                to_administer=not options.evaluate,
            )
        except DaemonNotFound:
            warn(
                f"Can't find address for {kind.word} '{options.name or 'default'}' in "
                f"{options.pool or 'local pool'}\nPerhaps you need to query another "
                "pool."
            )
            return FAILED
        if options.evaluate and self._daemon.ad is None:
            warn(
                f"Warning: Classad for {kind.word} daemon '{self._daemon.name or ''}' "
                "is null, will evaluate expressions against empty classad"
            )
        if options.dump:
            sys.stdout.write(
                f"# Configuration from {kind.word} on {self._daemon.name or '(null)'} "
                f"{self._daemon.address}\n"
            )
        if options.edit is not None:
            return await self._edit()
        if options.stats:
            await self._show_statistics()
            if not options.dump:
                return DONE
        if options.dump or options.summary:
            for pattern in options.words or [""]:
                await self._dump(pattern)
            return DONE
        missing = [word for word in options.words if not await self._show(word)]
        return FAILED if missing else DONE

    @property
    def _found(self) -> FoundDaemon:
        assert self._daemon is not None, "it is found first"
        return self._daemon

    def __str__(self) -> str:
        """The daemon, as this tool's messages call it."""
        found = self._found
        return f"{found.kind.word} {found.name or ''} {found.address}"

    @property
    def place(self) -> str:
        """The daemon, as this tool calls it when it cannot be asked."""
        found = self._found
        return f"{found.kind.word} on {found.name or ''} {found.address}"

    async def _ask(self, number: Command, *items: str) -> MessageReader:
        """Send a command with strings, and wait for its answer."""
        channel = await self._locator.pool.client.start(self._found.address, number)
        writer = channel.writer()
        for item in items:
            writer.put_string(item)
        channel.send_message(writer.end_of_message())
        try:
            return await channel.receive_message(_ANSWER_SECONDS)
        finally:
            channel.close()

    # One name.

    async def _show(self, word: str) -> bool:
        """Print what is asked of one name; whether it has a value."""
        options = self._options
        if word.startswith(USE):
            warn(f"remote query not supported for {word}")
            return False
        told = await self._told(word)
        value = told.value
        if options.default:
            value = told.default or None
        elif options.raw and not options.verbose and told.raw:
            value = told.raw_value
        if value is not None and options.evaluate:
            value = self._evaluated(value)
        name = word.upper()
        if value is None:
            warn(f"Not defined: {name}")
        elif options.verbose:
            sys.stdout.write(assignment_text(name, value) + "\n")
        else:
            sys.stdout.write(f"{value}\n")
        if not told.raw and (options.raw or options.verbose):
            sys.stdout.write(_NO_DETAILS)
        if options.verbose:
            sys.stdout.write(self._details(told) + "\n")
        return value is not None

    def _details(self, told: _Told) -> str:
        text = f" # at: {told.origin}\n" if told.origin else ""
        if told.raw:
            text += comment_text("raw", told.raw, "  ")
        if told.default:
            text += comment_text("default", told.default, "  ")
        if self._options.use_counts and told.uses:
            text += f" # use_count: {told.uses}\n"
        return text

    async def _told(self, name: str) -> _Told:
        """Ask for one name: for its value alone where that is enough."""
        options = self._options
        detailed = options.raw or options.default or options.verbose
        if not (detailed or options.dump or options.summary):
            reader = await self._ask(Command.CONFIG_VAL, name)
            return _Told(reader.get_nullstr())
        reader = await self._ask(Command.DC_CONFIG_VAL, name)
        value = reader.get_nullstr()
        texts: list[str] = []
        while reader.remaining and len(texts) < 4:
            texts.append(reader.get_nullstr() or "")
        return _Told(value, *texts)

    def _evaluated(self, value: str) -> str:
        """A value as an expression, with the daemon's ad."""
        ad = self._found.ad or WireAd(b"")

        class Source:
            def get(self, name: str) -> bytes | None:
                text = ad.expression(name)
                return None if text is None else text.encode()

        result = evaluate_full(value.encode(), Source(), int(time.time()))
        if isinstance(result, ComposedValue):
            return result.expression.spelled(Form.NEW).decode("utf-8", "replace")
        return format_literal(result).decode("utf-8", "replace")

    # Many names.

    async def _dump(self, pattern: str) -> None:
        options = self._options
        if pattern:
            sys.stdout.write(f"\n# Parameters with names that match {pattern}:\n")
        names = await self._names(pattern)
        sources: set[str] = set()
        for name in names:
            if name.startswith("#"):
                self._heading(name[1:])
                continue
            told = await self._told(name)
            if not self._is_wanted(told) or not (told.raw or told.value is not None):
                continue
            sys.stdout.write(self._dumped(name, told))
            if told.origin and not options.verbose:
                sources.add(told.origin.partition(", line")[0])
        if options.summary:
            sys.stdout.write("\n")
        elif sources:
            sys.stdout.write("# Contributing configuration file(s):\n")
            sys.stdout.write("".join(f"#\t{each}\n" for each in sorted(sources)))

    def _heading(self, text: str) -> None:
        if "$CondorVersion:" in text:
            found = self._found
            sys.stdout.write(f"# {text}\n#  at {found.name or ''} {found.address}\n")
        else:
            sys.stdout.write(f"\n#\n# from {text}\n#\n")

    def _is_wanted(self, told: _Told) -> bool:
        options = self._options
        if not told.uses or not (options.used or options.unused):
            return True
        return (told.uses == "0") is options.unused

    def _dumped(self, name: str, told: _Told) -> str:
        options = self._options
        if options.default and told.default:
            value = told.default
        elif options.expanded or not told.raw:
            value = told.value or ""
        else:
            value = told.raw_value
        text = assignment_text(name, value) + "\n"
        if not options.verbose:
            return text
        if told.origin:
            text += f" # at: {told.origin}\n"
        if options.expanded:
            text += comment_text("raw", told.raw, "  ")
        else:
            text += comment_text("expanded", told.value or "", "  ")
        if told.default:
            text += comment_text("default", told.default, "  ")
        if options.use_counts and told.uses:
            text += f" # use_count: {told.uses}\n"
        return text

    async def _names(self, pattern: str) -> list[str]:
        """The names that match, or with a summary all that sources set."""
        options = self._options
        query = "?names"
        if options.summary:
            query += ":.*|.summary"
        elif pattern:
            query += f":{pattern}"
        reader = await self._ask(Command.DC_CONFIG_VAL, query)
        names: list[str] = []
        skipped = in_order = False
        while reader.remaining:
            name = reader.get_string()
            if name.startswith("!") and not names:
                warn(name[1:])
                return []
            if name.startswith("#"):
                in_order = True
                skipped = name == "#<Detected>" and not options.detected
            if name and not skipped:
                names.append(name)
        return names if in_order else sorted(names, key=str.lower)

    async def _show_statistics(self) -> None:
        reader = await self._ask(Command.DC_CONFIG_VAL, "?stats")
        said = reader.get_string()
        if said.startswith("!"):
            warn(said[1:])
            return
        answer = reader.get_ad()
        ad = WireAd(answer.body, answer.secret_lines)
        text = long_ad(ad, shown_names(ad)).decode("utf-8", "replace")
        sys.stdout.write(text.rstrip("\n") + "\n\n")

    # Changes.

    async def _edit(self) -> int:
        for word in self._options.words:
            key = self._key(word.lstrip())
            if key is None or not await self._send(key, word.lstrip()):
                return FAILED
        return DONE

    def _key(self, setting: str) -> str | None:
        """The name that a setting is kept under; ``None`` if it is wrong, said so."""
        is_use = setting.lower().startswith("use ")
        sets = self._options.edit in ("set", "rset")
        if sets or is_use:
            key = assignment_key(setting)
            if key is None:
                name = re.split(r"[:=]" if is_use else "=", setting, maxsplit=1)[0]
                warn(
                    f'config-val: Can\'t set configuration value ("{name}")\n'
                    'You must specify "macro_name = value" or "use category:option"'
                )
                return None
        elif ":" in setting or "=" in setting:
            warn(
                f'config-val: Can\'t unset configuration value ("{setting}")\n'
                "To unset, you only specify the name of the attribute"
            )
            return None
        else:
            key = setting.partition(" ")[0]
        if not _NAME.match(key.removeprefix("$")):
            warn(
                f"config-val: Error: Configuration variable name ({key}) is not valid, "
                "alphanumeric and _ only"
            )
            return None
        return key if self._options.mixedcase else key.lower()

    async def _send(self, key: str, setting: str) -> bool:
        edit = self._options.edit
        assert edit is not None, "there is something to change"
        sets = edit in ("set", "rset")
        number = (
            Command.DC_CONFIG_RUNTIME if edit in _RUNTIME else Command.DC_CONFIG_PERSIST
        )
        reader = await self._ask(number, key, setting if sets else "")
        verb = "set" if sets else "unset"
        if reader.get_int() < 0:
            warn(f'Attempt to {verb} configuration "{setting}" on {self} failed.')
            return False
        sys.stdout.write(
            f'Successfully {verb} configuration "{setting}" on {self}. The '
            "change will take effect on the next condor_reconfig.\n"
        )
        return True


def show_remote(options: ConfigValOptions) -> int:
    """Show or change the configuration of the daemon that a command line means.

    Returns:
        The exit code.
    """
    return run(lambda reactor: _remote(options, reactor))


async def _remote(options: ConfigValOptions, reactor: Any) -> int:
    settings = read_local(options).settings
    async with DaemonLocator(settings, reactor, options.pool) as locator:
        remote = RemoteConfigVal(options, locator)
        try:
            return await remote.run()
        except (ConnectError, DNSLookupError) as error:
            problem = f"Can't connect to {remote.place}\n{error}"
        except CondorTwistedError as error:
            problem = f"Can't receive reply from {remote.place}\n{error}"
        sys.stdout.flush()
        warn(problem)
        return FAILED
