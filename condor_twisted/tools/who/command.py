"""Running ``who``: jobs that run on this host, or its daemons.

Source: ``src/condor_who/who.cpp``.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Any, Final

from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.task import deferLater

from condor_twisted.classad.ad_printing import long_ad, shown_names
from condor_twisted.classad.wire_ad import AdValue, ExpressionText, WireAd
from condor_twisted.client import CommandClient, Pool
from condor_twisted.client.configured import read_tool_settings
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.errors import (
    CondorTwistedError,
    DaemonNotFound,
    MalformedMessage,
)
from condor_twisted.tools.beginning import DONE, FAILED, begin, warn
from condor_twisted.tools.running import run
from condor_twisted.tools.status.rows import Row
from condor_twisted.tools.status.text import to_bytes
from condor_twisted.tools.who.logs import DaemonTrace, job_processes, scan_logs
from condor_twisted.tools.who.options import USAGE, WhoOptions, parse_options
from condor_twisted.tools.who.processes import read_process, startd_processes
from condor_twisted.wire.shared_port import OWN_ENDPOINT
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["Who", "main"]

_FAILURES: Final = (CondorTwistedError, ConnectError, DNSLookupError)
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


def main(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: The command line.

    Returns:
        The exit code.
    """
    return begin(
        lambda: parse_options(arguments),
        USAGE,
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
        of_processes = bool(options.process_ids) or options.all_processes
        if not directories and options.address is None and not of_processes:
            log = self._settings.text("LOG")
            if log is None:
                warn("LOG is not set: give -logdir or -address")
                return FAILED
            directories = [log]
        code = DONE
        if options.address is not None:
            code = await self._show_jobs(options.address, {})
        if of_processes:
            code = await self._show_processes() or code
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
            # Differs from HTCondor, which ends with 0 then: scripts want to know.
            status = "" if master.exit_status is None else master.exit_status
            sys.stdout.write(
                f"\nMaster {master.address or 'NULL'} pid={master.pid or 0} "
                f"Exited with code={status}\n"
            )
            return FAILED
        try:
            ad = await self._readiness(
                master.address, seconds, self._options.requirements
            )
        except _FAILURES as error:
            warn(f"cannot connect to {master.address}: {error}")
            return FAILED
        if self._options.mask.columns:
            self._print_rows([ad])
        else:
            sys.stdout.write(_long(ad))
        sys.stdout.write("\n")
        return DONE

    async def _readiness(
        self, address: str, seconds: int = 0, requirements: str | None = None
    ) -> WireAd:
        """What a master, or another parent of daemons, says of them."""
        ask: dict[str, AdValue] = {"WaitTimeout": seconds, "WantAddrs": True}
        if requirements is not None:
            ask["ReadyRequirements"] = ExpressionText(requirements)
        channel = await self._client.start(address, Command.DC_QUERY_READY)
        try:
            writer = channel.writer()
            writer.put_ad(WireAd.from_pairs(ask).body)
            channel.send_message(writer.end_of_message())
            limit = seconds + _ANSWER_SECONDS
            answer = (await channel.receive_message(limit)).get_ad()
        finally:
            channel.close()
        return WireAd(answer.body, answer.secret_lines)

    def _print_rows(self, ads: list[WireAd]) -> None:
        """The columns that the command line describes."""
        mask = self._options.mask
        now = int(time.time())
        rows = [mask.render(Row(ad, now)) for ad in ads]
        text = mask.headings() if mask.has_headings else ""
        text += "".join(map(mask.show, rows))
        sys.stdout.flush()
        sys.stdout.buffer.write(to_bytes(text))
        sys.stdout.buffer.flush()

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

    async def _show_processes(self) -> int:
        """The jobs of startds that are known by their processes."""
        options = self._options
        process_ids = list(options.process_ids)
        if options.all_processes:
            process_ids += startd_processes()
        code = DONE
        for process_id in dict.fromkeys(process_ids):
            try:
                address = await self._address_of(process_id)
                directory = await self._knob(address, "LOG")
            except _FAILURES as error:
                warn(f"Can't find the daemon of process {process_id}: {error}")
                code = FAILED
                continue
            traces: list[DaemonTrace] = []
            with contextlib.suppress(OSError):  # its log may be out of reach
                traces = scan_logs(directory)
            if options.daemons:
                await self._show_daemons(directory, traces)
            else:
                code = await self._show_jobs(address, job_processes(traces)) or code
        return code

    async def _address_of(self, process_id: int) -> str:
        """Where the startd takes commands that a process is, or belongs to.

        Raises:
            DaemonNotFound: It is no daemon and no job, or its parent does not know it.
        """
        try:
            process = read_process(process_id)
        except OSError as error:
            raise DaemonNotFound(error.strerror or str(error)) from error
        if process is None:
            raise DaemonNotFound("it is neither a daemon under a master nor a job")
        if process.is_starter:
            return process.parent_address
        ad = await self._readiness(process.parent_address)
        for name in ad.names():
            if name.endswith("_PID") and ad.integer(name) in process.process_ids:
                address = ad.string(f"{name.removesuffix('_PID')}_Addr")
                if address is not None:
                    return address
        raise DaemonNotFound(f"{process.parent_address} has no such daemon")

    async def _show_startds(self, traces: list[DaemonTrace]) -> int:
        pids = job_processes(traces)
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
        options = self._options
        pool = Pool(address, self._settings, self._reactor)
        constraint = "JobId =!= undefined"
        if options.constraint is not None:
            constraint = f"({options.constraint}) && ({constraint})"
        try:
            ads: list[WireAd] = await pool.query("Machine", constraint)
            name = await self._knob(address, "FULL_HOSTNAME")
        except _FAILURES as error:
            warn(f"Can't query the startd at {address}: {error}")
            return FAILED
        finally:
            await pool.close()
        out = sys.stdout
        if options.long:
            out.write("".join(_long(ad) + "\n" for ad in ads))
            return DONE
        if not ads:
            return DONE
        has_columns = bool(options.mask.columns)
        if has_columns and not options.mask.has_headings:
            self._print_rows(ads)
            return DONE
        out.write(f"\n--Startd : {name} has {len(ads)} job(s) running:\n")
        if has_columns:
            self._print_rows(ads)
            out.write("\n")
            return DONE
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
