"""Tests of ``condor_twisted.tools.who.command``."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectError

from condor_twisted.classad.wire_ad import AdValue, WireAd
from condor_twisted.client import CommandClient
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import CommandRequest, Permission, Registration
from condor_twisted.security.commands import CommandRule
from condor_twisted.tools.who import command
from condor_twisted.tools.who.command import Who, main
from condor_twisted.tools.who.options import parse_options
from condor_twisted.tools.who.processes import DaemonProcess
from condor_twisted.wire.sinful import SinfulAddress
from tests.client.kit import ad_of
from tests.tools.kit import ToolTestCase
from tests.tools.who.test_logs import EXIT, START


class WhoTests(ToolTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.asked: list[WireAd] = []
        self.states: dict[str, AdValue] = {}
        self.collector.table.remove(Command.DC_QUERY_READY)
        rule = CommandRule(Command.DC_QUERY_READY, Permission.READ, name="READY")
        self.collector.register_command(Registration(rule, self._ready, answers=True))
        self.collector.settings = self.collector.settings.with_assignments(
            {"PID": "7", "PPID": "1", "FULL_HOSTNAME": "here.example"}
        )
        for name, subsystem in (("StartLog", "STARTD"), ("MasterLog", "MASTER")):
            self.write(name, subsystem)

    def write(self, name: str, subsystem: str, more: str = "") -> None:
        """Write a log of somebody whose address is the collector's."""
        text = START.format(low=subsystem.lower(), up=subsystem, pid=7)
        text = text.replace("<127.0.0.1:7?alias=h>", str(self.collector.address))
        (self.directory / name).write_text(text + more)

    def _ready(self, request: CommandRequest) -> None:
        self.asked.append(WireAd(request.reader().get_ad().body))
        writer = request.writer()
        writer.put_ad(ad_of(IsReady=True, **self.states).body)
        request.reply(writer.end_of_message())

    def tool(self, *arguments: str) -> Deferred[int]:
        """Begin a command line; fires with its exit code."""
        made = {**self.knobs, "LOG": str(self.directory)}
        settings = Settings.from_assignments(made, "TOOL")
        options = parse_options(list(arguments))
        return Deferred.fromCoroutine(Who(options, settings, self.reactor).run())

    def who(self, *arguments: str) -> int:
        """Run the tool."""
        return self.code(self.tool(*arguments))

    def test_jobs(self) -> None:
        """A row for each job, with the directory of its process."""
        more = f"x Job 1.0 starts\nx Create_Process succeeded, pid={os.getpid()}\n"
        self.write("StarterLog.slot1_1", "STARTER", more)
        self.collector.ads = [
            ad_of(
                JobId="1.0",
                RemoteUser="me@here",
                ClientMachine="127.0.0.1",
                SlotID=1,
                DSlotId=2,
                TotalJobRunTime=90_061,
            )
        ]
        self.assertEqual(self.who(), 0)
        heading, columns, row, _ = self.out.text.split("\n", 1)[1].split("\n", 3)
        self.assertEqual(heading, "--Startd : here.example has 1 job(s) running:")
        self.assertTrue(columns.startswith("OWNER   CLIENT    SLOT JOB   RUNTIME"))
        self.assertEqual(
            row.split(),
            [
                *("me@here", "127.0.0.1", "1_2", "1.0", "1+01:01:01"),
                *(str(os.getpid()), os.getcwd()),
            ],
        )
        self.assertEqual(self.who("-long", "-verbose"), 0)
        self.assertIn('JobId = "1.0"', self.out.text)

    def test_columns(self) -> None:
        """The columns of the command line instead of the table, of some slots."""
        self.collector.ads = [
            ad_of(JobId="1.0", Cpus=4),
            ad_of(JobId="2.0", Cpus=1),
        ]
        self.assertEqual(self.who("-af", "JobId", "Cpus + 1"), 0)
        self.assertEqual(self.out.text, "1.0 5\n2.0 2\n")
        self.assertEqual(
            self.who("-format", "%s;", "JobId", "-format", "%d\n", "Cpus"), 0
        )
        self.assertTrue(self.out.text.endswith("2.0 2\n1.0;4\n2.0;1\n"))
        self.assertEqual(self.who("-af:h", "JobId", "-", "-constraint", "Cpus > 1"), 0)
        self.assertTrue(
            self.out.text.endswith(
                "\n--Startd : here.example has 2 job(s) running:\n"
                "JobId\n1.0  \n2.0  \n\n"
            )
        )
        _, query = self.collector.queries[-1]
        constraint = query.expression("Requirements")
        self.assertEqual(constraint, "(Cpus > 1) && (JobId =!= undefined)")

    def test_columns_of_the_master(self) -> None:
        """What the master says, in columns."""
        self.assertEqual(self.who("-quick", "-af:l", "IsReady", "NoSuch"), 0)
        self.assertEqual(self.out.text, "IsReady = true NoSuch = undefined\n\n")

    def of_process(self, process: DaemonProcess | None, *arguments: str) -> int:
        """Run the tool where the one process that there is is some daemon's."""

        def read(process_id: int) -> DaemonProcess | None:
            if process_id != 77:
                raise OSError(errno.ESRCH, "No such process")
            return process

        self.patch(command, "read_process", read)
        return self.who(*arguments)

    def test_starter(self) -> None:
        """A job's starter, or itself, leads to the startd that is its parent."""
        self.collector.settings = self.collector.settings.with_assignments(
            {"LOG": str(self.directory)}
        )
        self.write("StarterLog.slot1_1", "STARTER", "x Job 1.0 starts\n")
        self.collector.ads = [ad_of(JobId="1.0")]
        process = DaemonProcess(frozenset({77}), str(self.collector.address), True)
        self.assertEqual(self.of_process(process, "-pid", "77", "-af", "JobId"), 0)
        self.assertEqual(self.out.text, "1.0\n")
        self.assertEqual(self.of_process(process, "-pid", "77", "-daemons"), 0)
        self.assertIn("Startd       yes    7 ", self.out.text)

    def test_daemon_of_a_master(self) -> None:
        """A daemon's master says where it is; the process may have other numbers."""
        address = str(self.collector.address)
        self.states = {"STARTD_PID": 5, "STARTD_Addr": address, "X_PID": 6}
        self.collector.ads = [ad_of(JobId="1.0")]
        self.collector.settings = self.collector.settings.with_assignments(
            {"LOG": "/no/such/directory"}
        )
        process = DaemonProcess(frozenset({77, 5}), address, False)
        self.assertEqual(self.of_process(process, "-pid", "77", "-af", "JobId"), 0)
        self.assertEqual(self.out.text, "1.0\n")
        self.patch(command, "startd_processes", lambda: [77, 77])
        self.assertEqual(self.of_process(process, "-allpids", "-af", "JobId"), 0)
        self.assertEqual(self.out.text, "1.0\n1.0\n")

    def test_unknown_processes(self) -> None:
        """No process, no daemon, or one that its parent does not know."""
        address = str(self.collector.address)
        self.assertEqual(self.of_process(None, "-pid", "78", "-pid", "77"), 1)
        self.assertIn("daemon of process 78: No such process", self.err.text)
        self.assertIn("neither a daemon under a master nor a job", self.err.text)
        process = DaemonProcess(frozenset({77}), address, False)
        self.assertEqual(self.of_process(process, "-pid", "77"), 1)
        self.assertIn(f"{address} has no such daemon", self.err.text)

    def test_no_jobs(self) -> None:
        """Nothing runs: nothing is said."""
        self.assertEqual(self.who(), 0)
        self.assertEqual(self.out.text, "")

    def test_daemons(self) -> None:
        """Who answers is alive; who has ended, or is another process, is not."""
        self.write("SchedLog", "SCHEDD", EXIT)
        self.assertEqual(self.who("-daemons"), 0)
        rows = [line.split() for line in self.out.text.splitlines()[5:]]
        alive = {row[0]: row[1:5] for row in rows}
        self.assertEqual(alive["Master"], ["yes", "7", "1", "no"])
        self.assertEqual(alive["Schedd"], ["no", "no", "no", "99"])

    def test_programs(self) -> None:
        """A daemon says which program it is; otherwise its log does."""
        self.collector.settings = self.collector.settings.with_assignments(
            {"STARTD": "/opt/startd"}
        )
        self.assertEqual(self.who("-daemons"), 0)
        rows = [line.split() for line in self.out.text.splitlines()[5:]]
        programs = {row[0]: row[6] for row in rows}
        self.assertEqual(programs["Startd"], "/opt/startd")
        self.assertEqual(programs["Master"], "/usr/sbin/condor_master")

    def test_log_elsewhere(self) -> None:
        """A daemon of which only the address is known says its process itself."""
        (self.directory / "StartLog").unlink()
        (self.directory / ".startd_address").write_text(f"{self.collector.address}\n")
        self.assertEqual(self.who("-daemons"), 0)
        row = self.out.text.splitlines()[-1].split()
        self.assertEqual(row[:5], ["Startd", "yes", "7", "1", "no"])

    def test_not_asked(self) -> None:
        """With -quick nobody but the master is asked."""
        self.write("SchedLog", "SCHEDD", EXIT)
        self.collector.settings = self.collector.settings.with_assignments(
            {"PID": "another"}
        )
        self.assertEqual(self.who("-quick", "-daemons"), 0)
        lines = self.out.text.splitlines()
        self.assertEqual(lines[:2], ["IsReady = true", ""])
        address = str(self.collector.address)
        self.assertEqual(
            [line.split() for line in lines[5:]],
            [
                ["Daemon", "PID", "Exit", "Addr"],
                ["------", "---", "----", "----"],
                ["Master", "7", "no", address],
                ["Schedd", "no", "99", address],
                ["Startd", "7", "no", address],
            ],
        )

    def test_shared_port(self) -> None:
        """A shared port is asked by its own name: without one it answers as others."""
        asked = []

        def start(address: str, number: Command) -> Deferred[None]:
            asked.append(address)
            return fail(ConnectError())

        self.patch(CommandClient, "start", lambda _self, *words: start(*words))
        self.write("SharedPortLog", "SHARED_PORT")
        self.assertEqual(self.who("-daemons"), 0)
        self.assertEqual(
            [SinfulAddress.parse(each).shared_port_id for each in asked],
            [None, "self", None],
        )

    def test_quick(self) -> None:
        """The master is asked, with what is waited for."""
        self.assertEqual(self.who("-wait-for-ready:3", "IsReady == true"), 0)
        (ad,) = self.asked
        self.assertEqual(ad.integer("WaitTimeout"), 3)
        self.assertEqual(ad.expression("ReadyRequirements"), "IsReady == true")
        self.assertEqual(self.out.text, "IsReady = true\n\n")

    def test_no_master(self) -> None:
        """A master that has ended, or never began."""
        self.write("MasterLog", "MASTER", EXIT)
        self.assertEqual(self.who("-quick"), 1)
        self.assertEqual(
            self.out.text,
            f"\nMaster {self.collector.address} pid=7 Exited with code=99\n",
        )
        (self.directory / "MasterLog").unlink()
        self.assertEqual(self.who("-quick"), 1)
        self.assertIn("no master has written a log", self.err.text)

    def test_master_to_come(self) -> None:
        """Whoever waits waits for the master too; it gets the rest of the time."""
        log = self.directory / "MasterLog"
        text = log.read_text()
        log.write_text(text + EXIT)
        running = self.tool("-wait-for-ready:9", "IsReady")
        for _ in range(3):
            self.reactor.advance(1)
        self.assertNoResult(running)
        self.assertEqual(self.asked, [])
        log.write_text(text)
        self.reactor.advance(1)
        self.assertEqual(self.code(running), 0)
        self.assertEqual(self.asked[0].integer("WaitTimeout"), 5)
        log.unlink()
        running = self.tool("-wait-for-ready:9", "IsReady")
        for _ in range(6):
            self.assertNoResult(running)
            self.reactor.advance(1)
        self.assertEqual(self.successResultOf(running), 1)

    def test_failures(self) -> None:
        """Nobody there, no directory, no LOG."""
        self.assertEqual(self.who("-address", "<127.0.0.1:1>"), 1)
        self.assertIn("Can't query the startd", self.err.text)
        self.assertEqual(self.who("-logdir", "/no/such/directory"), 1)
        self.assertIn("Can't read the log directory", self.err.text)

    def test_usage(self) -> None:
        """Bad usage is code 2."""
        self.assertEqual(main(["-wait-for-ready", "1 +"]), 2)
        self.assertEqual(main(["-help"]), 0)
        self.assertEqual(main(["-version"]), 0)
