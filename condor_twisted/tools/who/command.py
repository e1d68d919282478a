"""Running ``who``: jobs that run on this host, or its daemons.

Source: ``src/condor_who/who.cpp``.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, field
from typing import Any, Final

from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.task import deferLater

from condor_twisted.classad.ad_printing import long_ad, shown_names
from condor_twisted.classad.expressions import check_expression
from condor_twisted.classad.wire_ad import AdValue, ExpressionText, WireAd
from condor_twisted.client import CommandClient, Pool
from condor_twisted.client.configured import read_tool_settings
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.errors import CondorTwistedError, MalformedMessage
from condor_twisted.tools.option_table import (
    Option,
    UsageError,
    read_arguments,
)
from condor_twisted.tools.running import DONE, FAILED, begin, run, warn
from condor_twisted.tools.who.logs import DaemonTrace, scan_logs
from condor_twisted.wire.shared_port import OWN_ENDPOINT
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["Who", "main", "parse_options"]

_FAILURES: Final = (CondorTwistedError, ConnectError, DNSLookupError)
_OPTIONS: Final = (
    Option("help", 1),
    Option("version", 3),
    Option("verbose", 1),
    Option("debug", 1, detail=True),
    Option("daemons", 3),
    Option("quickdaemons", 4),
    Option("wait-for-ready", 4, detail=True, values=("an expression",)),
    Option("address", 4, values=("an address",)),
    Option("logdir", 3, values=("a directory",)),
    Option("long", 1),
    Option("wide", 1),
)
_USAGE: Final = """\
Usage: condor-twisted who [OPTIONS]

Without options: the jobs that run on this host.
  -long                whole ads of their slots
  -address ADDRESS     ask the startd at this sinful string
  -logdir DIR          look for daemons in the logs of this directory, instead of LOG
  -verbose             say which logs there are, too

  -daemons             the daemons of this host; with -quick without asking them
  -quick               what the master says of its daemons
  -wait-for-ready[:SECONDS] EXPR
                       the same, once this is true of it: 'IsReady', 'STARTD_State ==
                       "Ready"', ...; a master that is not there yet is waited for
"""
_HEADINGS: Final = ("OWNER", "CLIENT", "SLOT", "JOB", "  RUNTIME", "PID", "JOB_DIR")
_DAEMON_HEADINGS: Final[tuple[str, ...]] = (
    *("Daemon", "Alive", "PID", "PPID", "Exit", "Addr", "Executable"),
)
_QUICK_HEADINGS: Final[tuple[str, ...]] = ("Daemon", "PID", "Exit", "Addr")
_UNDEFINED: Final = "Not defined"
_DAEMON_ROW: Final = "{:<12} {:<6} {:<6} {:<6} {:<6} {:<24} {}"
_QUICK_ROW: Final = "{:<12} {:<6} {:<6} {}"
_ANSWER_SECONDS: Final = 20.0
_LOOK_EVERY_SECONDS: Final = 1.0
#: What somebody who waits for daemons may wait for the master, in thirds.
_MASTER_THIRDS: Final = 2


@dataclass(slots=True)
class WhoOptions:
    """A command line."""

    daemons: bool = False
    quick: bool = False
    requirements: str | None = None
    wait_seconds: int = 0
    address: str | None = None
    directories: list[str] = field(default_factory=list)
    long: bool = False
    verbose: bool = False
    help: bool = False
    version: bool = False


def parse_options(arguments: list[str]) -> WhoOptions:
    """Read a command line.

    Raises:
        UsageError: It cannot be understood.
    """
    options = WhoOptions()
    for argument, match, values in read_arguments(arguments, _OPTIONS):
        if match is None:
            raise UsageError(f"{argument} is not a valid argument")
        name = match.option.name
        if name == "quickdaemons":
            options.quick = True
        elif name == "wait-for-ready":
            options.quick = True
            options.requirements = values[0]
            options.wait_seconds = _seconds(match.detail)
        elif name == "address":
            options.address = values[0]
        elif name == "logdir":
            options.directories.append(values[0])
        elif name not in ("debug", "wide"):
            setattr(options, name, True)
    requirements = options.requirements
    if requirements is not None and not check_expression(requirements.encode()):
        raise UsageError(f"{requirements!r} is not an expression")
    return options


def _seconds(detail: str | None) -> int:
    if detail is None:
        return 0
    if not (detail.isascii() and detail.isdigit()) or len(detail) > 6:
        raise UsageError(f"-wait-for-ready:{detail}: not a number of seconds")
    return int(detail)


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
        lambda options: run(
            lambda reactor: Who(options, read_tool_settings(), reactor).run()
        ),
    )


class Who:
    """One command line at work.

    Args:
        options: The command line.
        settings: The configuration of this host.
        reactor: Where to run.
    """

    def __init__(self, options: WhoOptions, settings: Settings, reactor: Any) -> None:
        self._options = options
        self._settings = settings
        self._reactor = reactor
        self._client = CommandClient(settings, reactor)

    async def run(self) -> int:
        """Do everything; the exit code."""
        try:
            return await self._run()
        finally:
            await self._client.close()

    async def _run(self) -> int:
        options = self._options
        directories = options.directories
        if not directories and options.address is None:
            log = self._settings.text("LOG")
            if log is None:
                warn("LOG is not set: give -logdir or -address")
                return FAILED
            directories = [log]
        code = DONE
        if options.address is not None:
            code = await self._show_jobs(options.address, {})
        for directory in directories:
            try:
                traces = scan_logs(directory)
            except OSError as error:
                warn(f"Can't read the log directory {directory}: {error.strerror}")
                code = FAILED
                continue
            if options.quick:
                code = await self._show_master(directory) or code
            if options.daemons:
                await self._show_daemons(directory, traces)
            if not options.quick and not options.daemons:
                code = await self._show_startds(traces) or code
        return code

    # Daemons.

    async def _master(self, directory: str) -> tuple[DaemonTrace | None, int]:
        """The master of a directory, and the seconds that it may still take.

        One that is not there yet is looked for during part of the time.
        """
        began = self._reactor.seconds()
        wait = self._options.wait_seconds
        while True:
            traces = scan_logs(directory)
            master = next((each for each in traces if each.name == "Master"), None)
            waited = self._reactor.seconds() - began
            is_there = master is not None and master.is_running
            if is_there or waited >= wait * _MASTER_THIRDS / 3:
                return master, int(wait - waited)
            await deferLater(self._reactor, _LOOK_EVERY_SECONDS)

    async def _show_master(self, directory: str) -> int:
        """What the master answers, or how it ended."""
        master, seconds = await self._master(directory)
        if master is None or (master.pid is None and master.address is None):
            warn("no master has written a log here")
            return FAILED
        if master.address is None or not master.is_running:
            self._print_ad(
                {
                    "MASTER": "Exited",
                    "MASTER_ExitCode": master.exit_status or 0,
                    "MASTER_PID": master.pid or 0,
                }
            )
            return FAILED
        ask: dict[str, AdValue] = {
            "WaitTimeout": seconds,
            "WantAddrs": True,
        }
        if self._options.requirements is not None:
            ask["ReadyRequirements"] = ExpressionText(self._options.requirements)
        try:
            channel = await self._client.start(master.address, Command.DC_QUERY_READY)
            writer = channel.writer()
            writer.put_ad(WireAd.from_pairs(ask).body)
            channel.send_message(writer.end_of_message())
            limit = seconds + _ANSWER_SECONDS
            answer = (await channel.receive_message(limit)).get_ad()
            channel.close()
        except _FAILURES as error:
            warn(f"cannot connect to {master.address}: {error}")
            return FAILED
        ad = WireAd(answer.body, answer.secret_lines)
        sys.stdout.write(_long(ad) + "\n")
        return DONE

    @staticmethod
    def _print_ad(values: dict[str, AdValue]) -> None:
        sys.stdout.write(_long(WireAd.from_pairs(values)) + "\n")

    async def _show_daemons(self, directory: str, traces: list[DaemonTrace]) -> None:
        """A row for each daemon: whether it answers, and where it is."""
        is_quick = self._options.quick
        row = _QUICK_ROW if is_quick else _DAEMON_ROW
        headings = _QUICK_HEADINGS if is_quick else _DAEMON_HEADINGS
        lines = [row.format(*headings), row.format(*("-" * len(h) for h in headings))]
        for trace in traces:
            if not trace.is_daemon:
                continue
            said = None if is_quick else await self._asked(trace)
            parent, program = said or ("no", trace.program)
            pid, exit_status = trace.pid or "?", "no"
            if trace.exit_status is not None:
                pid, exit_status = "no", str(trace.exit_status)
            alive = "no" if said is None else "yes"
            address = trace.address or ""
            cells = [trace.name, alive, pid, parent, exit_status, address, program]
            if is_quick:
                cells = [trace.name, pid, exit_status, address]
            lines.append(row.format(*cells))
        text = "\n".join(line.rstrip() for line in lines)
        sys.stdout.write(f'\nLOG directory "{directory}"\n\n{text}\n')

    async def _asked(self, trace: DaemonTrace) -> tuple[str, str] | None:
        """A daemon's parent process and program, as it says; ``None`` if it is gone.

        A daemon whose log is elsewhere says its own process, too.
        """
        if trace.address is None or not trace.is_running:
            return None
        address = _own_door(trace, trace.address)
        with contextlib.suppress(*_FAILURES):
            pid, parent, program = [
                await self._knob(address, name)
                for name in ("PID", "PPID", trace.subsystem)
            ]
            if trace.pid is None and pid.isdigit():
                trace.pid = int(pid)
            # Another one may have its address now.
            if pid == str(trace.pid):
                return parent, trace.program if program == _UNDEFINED else program
        return None

    async def _knob(self, address: str, name: str) -> str:
        channel = await self._client.start(address, Command.CONFIG_VAL)
        writer = channel.writer()
        writer.put_string(name)
        channel.send_message(writer.end_of_message())
        try:
            return (await channel.receive_message(_ANSWER_SECONDS)).get_string()
        finally:
            channel.close()

    # Jobs.

    async def _show_startds(self, traces: list[DaemonTrace]) -> int:
        pids: dict[str, int] = {}
        for trace in traces:
            if trace.log.startswith("StarterLog") and trace.exit_status is None:
                pids.update(trace.job_pids)
        if self._options.verbose:
            for trace in traces:
                sys.stdout.write(
                    f"{trace.name:<12} {trace.pid or '':<8} {trace.address or '':<24} "
                    f"{trace.log}\n"
                )
        startds = [
            each.address
            for each in traces
            if each.subsystem == "STARTD" and each.exit_status is None and each.address
        ]
        code = DONE
        for address in startds:
            code = await self._show_jobs(address, pids) or code
        return code

    async def _show_jobs(self, address: str, pids: dict[str, int]) -> int:
        """The jobs of one startd."""
        pool = Pool(address, self._settings, self._reactor)
        try:
            ads: list[WireAd] = await pool.query("Machine", "JobId =!= undefined")
            name = await self._knob(address, "FULL_HOSTNAME")
        except _FAILURES as error:
            warn(f"Can't query the startd at {address}: {error}")
            return FAILED
        finally:
            await pool.close()
        out = sys.stdout
        if self._options.long:
            out.write("".join(_long(ad) + "\n" for ad in ads))
            return DONE
        if not ads:
            return DONE
        out.write(f"\n--Startd : {name} has {len(ads)} job(s) running:\n")
        rows = [_HEADINGS, *(_job_row(ad, pids) for ad in ads)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
            out.write(" ".join(cells) + "\n")
        out.write("\n")
        return DONE


def _own_door(trace: DaemonTrace, address: str) -> str:
    """Where to ask a daemon: through its own port, a shared port answers as others."""
    if trace.subsystem != "SHARED_PORT":
        return address
    try:
        door = SinfulAddress.parse(address).with_parameters({"sock": OWN_ENDPOINT})
    except MalformedMessage:
        return address
    return str(door)


def _job_row(ad: WireAd, pids: dict[str, int]) -> tuple[str, ...]:
    job = ad.string("JobId") or ""
    slot = str(ad.integer("SlotID") or "")
    dynamic = ad.integer("DSlotId")
    if dynamic:
        slot += f"_{dynamic}"
    pid = pids.get(job, pids.get(""))
    directory = ""
    if pid is not None:
        with contextlib.suppress(OSError):
            directory = os.readlink(f"/proc/{pid}/cwd")
    owner = ad.string("RemoteUser") or ad.string("RemoteOwner") or ""
    return (
        owner,
        ad.string("ClientMachine") or "",
        slot,
        job,
        _duration(ad.integer("TotalJobRunTime") or 0),
        "" if pid is None else str(pid),
        directory,
    )


def _duration(seconds: int) -> str:
    days, rest = divmod(max(seconds, 0), 86_400)
    hours, rest = divmod(rest, 3600)
    return f"{days:3d}+{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"


def _long(ad: WireAd) -> str:
    return long_ad(ad, shown_names(ad)).decode("utf-8", "replace").rstrip("\n") + "\n"
