"""Running ``off``, ``on``, ``restart`` and ``reconfig``.

Source: ``src/condor_tools/tool.cpp: doCommands, resolveNames, doCommand``.
"""

from __future__ import annotations

import contextlib
import getpass
import sys
from typing import Any, Final

from twisted.internet.error import ConnectError, DNSLookupError

from condor_twisted.classad.ad_printing import long_ad, shown_names
from condor_twisted.classad.wire_ad import AdValue, ExpressionText, WireAd
from condor_twisted.client.configured import read_tool_settings
from condor_twisted.client.daemons import (
    DaemonLocator,
    FoundDaemon,
    kind_named,
)
from condor_twisted.constants import attributes
from condor_twisted.constants.commands import Command
from condor_twisted.errors import (
    CommandRefused,
    CondorTwistedError,
    DaemonNotFound,
    LocalProtocolError,
    MalformedMessage,
)
from condor_twisted.protocols.client_channel import ClientChannel
from condor_twisted.tools.beginning import DONE, FAILED, begin, warn
from condor_twisted.tools.control.action import Action, plan, title_of
from condor_twisted.tools.control.options import ControlOptions, parse_options, usage
from condor_twisted.tools.running import run
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["Controller", "control"]

_OTHER_POOL: Final = "Perhaps you need to query another pool."
_DRAIN_GRACEFUL: Final = 0
_DRAIN_QUICK: Final = 10
_DRAIN_FAST: Final = 20


def control(tool: str, arguments: list[str]) -> int:
    """Run one of the four.

    Args:
        tool: ``off``, ``on``, ``restart`` or ``reconfig``.
        arguments: The command line.

    Returns:
        The exit code.
    """
    return begin(
        lambda: parse_options(tool, arguments),
        usage(tool),
        _run,
        prefix="ERROR: ",
        hint='Use "-help" to see usage information',
    )


def _run(options: ControlOptions) -> int:

    async def whole(reactor: Any) -> int:
        settings = read_tool_settings()
        async with DaemonLocator(settings, reactor, options.pool) as locator:
            return await Controller(options, locator).run()

    return run(whole)


class Controller:
    """One command line at work.

    Args:
        options: The command line.
        locator: Finds the daemons, and calls them.
    """

    def __init__(self, options: ControlOptions, locator: DaemonLocator) -> None:
        self._options = options
        self._locator = locator
        self._called: set[tuple[str, Command]] = set()
        self._code = DONE

    async def run(self) -> int:
        """Do everything; the exit code."""
        for action in plan(self._options):
            if not await self._act(action):
                return FAILED
        return self._code

    async def _act(self, action: Action) -> bool:
        """Call everybody that one action is about; whether there is any sense left."""
        options = self._options
        if options.all or options.constraint is not None:
            return await self._act_on_pool(action)
        if not options.targets:
            return await self._act_on_local(action)
        names = [each for each in options.targets if not each.startswith("<")]
        daemons = await self._resolved(action, names)
        for target in options.targets:
            if action.lenient:
                break  # who is called by address gets the whole request itself
            if target.startswith("<") and self._is_address(target):
                kind = kind_named(options.daemon or "any")
                daemons.append(FoundDaemon(kind, target))
        for daemon in daemons:
            await self._call(action, daemon)
        return True

    def _is_address(self, text: str) -> bool:
        try:
            SinfulAddress.parse(text)
        except MalformedMessage:
            warn(
                f"Address {text} is not valid.\n"
                "Should be of the form <ip.address.here:port>.\n"
                "For example: <123.456.789.123:6789>"
            )
            self._code = FAILED
            return False
        return True

    async def _act_on_local(self, action: Action) -> bool:
        if self._options.pool is not None:
            warn(
                "ERROR: You have asked to find a machine in another pool (with\n"
                "the -pool option) but you have not specified which machine.\n"
                "Please also use -addr, -name, or list the name(s).\n"
                "For more information, use -help."
            )
            return False
        try:
            daemon = await self._locator.locate(action.target, to_administer=True)
        except DaemonNotFound:
            if action.lenient:
                return True
            local = "" if action.target.word == "negotiator" else "local "
            warn(f"Can't find address for {local}{action.target.word}\n{_OTHER_POOL}")
            return False
        await self._call(action, daemon)
        return True

    async def _act_on_pool(self, action: Action) -> bool:
        ads = await self._ads(action, self._options.constraint)
        if ads is None:
            if action.lenient:
                return True
            what = "-all"
            if self._options.constraint is not None:
                what = f"constraint '{self._options.constraint}'"
            warn(
                f"Can't find addresses for {action.target.word}'s for {what}\n"
                f"{_OTHER_POOL}"
            )
            return False
        for ad in ads:
            daemon = self._locator.of_ad(action.target, ad)
            if daemon is not None:
                await self._call(action, daemon)
        return True

    async def _ads(self, action: Action, constraint: str | None) -> list[WireAd] | None:
        """The ads of a kind of daemon; ``None`` where there are none, which is said."""
        ad_type = action.target.ad_type
        if ad_type is None:
            warn("Unrecognized daemon type while resolving names")
            return None
        try:
            ads: list[WireAd] = await self._locator.pool.query(
                ad_type, constraint, private=True
            )
        except (CommandRefused, LocalProtocolError) as error:
            warn(f"{error}\nERROR: can't connect to local collector")
            return None
        if not ads and not action.lenient:
            pool = self._options.pool or "local"
            warn(f"Found no ClassAds when querying pool ({pool})")
        return ads or None

    async def _resolved(self, action: Action, names: list[str]) -> list[FoundDaemon]:
        """The daemons of some names; those that there are not are told of."""
        full_names: list[str] = []
        for name in names:
            full = await self._locator.full_name(name)
            if full is None:
                warn(f"{self._options.tool}: unknown host {name}")
                self._code = FAILED
            else:
                full_names.append(full)
        if not full_names:
            return []
        ads = await self._ads(action, None)
        if ads is None:
            if not action.lenient:
                for name in full_names:
                    warn(f"Can't find address for {action.target.word} {name}")
                warn(_OTHER_POOL)
                self._code = FAILED
            return []
        found: list[FoundDaemon] = []
        missing = False
        for name in full_names:
            ad = next((ad for ad in ads if _is_named(action, ad, name)), None)
            daemon = (
                None if ad is None else self._locator.of_ad(action.target, ad, name)
            )
            if daemon is not None:
                found.append(daemon)
            elif not action.lenient:
                warn(f"Can't find address for {action.target.word} {name}")
                missing = True
        if missing:
            warn(_OTHER_POOL)
            self._code = FAILED
        return found

    async def _call(self, action: Action, daemon: FoundDaemon) -> None:
        """Send the command to one daemon, once, and say so."""
        number = action.number_for(daemon.kind)
        if (daemon.address, number) in self._called:
            return
        self._called.add((daemon.address, number))
        self._locator.use_capability(daemon)
        title = title_of(self._options, number)
        try:
            channel = await self._locator.pool.client.start(daemon.address, number)
        except (ConnectError, DNSLookupError):
            warn(f"Can't connect to {daemon}")
            self._code = FAILED
            return
        except CondorTwistedError as error:
            warn(f"ERROR\n{error}\nCan't send {title} command to {daemon}")
            self._code = FAILED
            return
        try:
            await self._send(action, channel, number, daemon)
        except CondorTwistedError as error:
            warn(f"Can't send {title} command to {daemon}\n{error}")
            self._code = FAILED
            return
        sys.stdout.write(action.report(daemon, daemon.kind, number) + "\n")

    async def _send(
        self,
        action: Action,
        channel: ClientChannel,
        number: Command,
        daemon: FoundDaemon,
    ) -> None:
        writer = channel.writer()
        if number == Command.DAEMONS_OFF_FLEX:
            ad = WireAd.from_pairs(self._draining())
            writer.put_ad(ad.body)
            channel.send_message(writer.end_of_message())
            await self._drained(channel, daemon)
        elif action.argument is not None:
            writer.put_string(action.argument)
            channel.send_message(writer.end_of_message())
        else:
            channel.send_no_payload()
        channel.close()
        await channel.when_closed()

    def _draining(self) -> dict[str, AdValue]:
        """What a master is told that drains its host first."""
        options = self._options
        fast = options.how == "fast"
        how = _DRAIN_QUICK if options.quick else _DRAIN_GRACEFUL
        ad: dict[str, AdValue] = {
            "Drain": "STARTDS",
            "HowFast": _DRAIN_FAST if fast else how,
            "DrainReason": options.reason or f"by {_user_name()}",
            "WantReply": True,
        }
        for name, text in (("CheckExpr", options.check), ("StartExpr", options.start)):
            if text is not None:
                ad[name] = ExpressionText(text)
        number = plan(options)[-1].options.tool
        command = {
            "off": Command.DAEMONS_OFF,
            "restart": Command.RESTART,
            "reconfig": Command.DC_RECONFIG_FULL,
        }[number]
        if options.exec is not None:
            ad["ShutdownTask"] = options.exec
        ends_master = options.exec is not None or options.daemon == "master"
        if command is Command.DAEMONS_OFF and ends_master:
            command = Command.MASTER_OFF
        ad["Command"] = int(command)
        return ad

    async def _drained(self, channel: ClientChannel, daemon: FoundDaemon) -> None:
        reader = await channel.receive_message()
        answer = reader.get_ad()
        ad = WireAd(answer.body, answer.secret_lines)
        text = long_ad(ad, shown_names(ad)).decode("utf-8", "replace")
        title = title_of(self._options, Command.DAEMONS_OFF)
        lines = "".join(f"\t{line}\n" for line in text.splitlines())
        sys.stdout.write(f"Response to {title} command from {daemon}\n{lines}\n")


def _is_named(action: Action, ad: WireAd, name: str) -> bool:
    """Whether an ad is of the daemon that a name means."""
    if action.target.word == "startd" and "@" not in name:
        machine = ad.string(attributes.MACHINE) or ""
        return machine.lower() == name.lower()
    own = ad.string(attributes.NAME) or ""
    host = own.partition("@")[2] or own
    return name.lower() in (own.lower(), host.lower())


def _user_name() -> str:
    with contextlib.suppress(Exception):
        return getpass.getuser()
    return "command"
