"""Tests of ``condor_twisted.tools.control``: who is told what."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.client import daemons
from condor_twisted.client.daemons import DaemonLocator
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import CommandRequest, Daemon, Permission, Registration
from condor_twisted.security.commands import CommandRule
from condor_twisted.testing.reactor import blocking_at_once
from condor_twisted.tools.control.command import Controller, control
from condor_twisted.tools.control.options import parse_options
from tests.client.kit import ad_of
from tests.tools.kit import ToolTestCase

_C = Command
BARE = (
    *(_C.DAEMONS_OFF, _C.DAEMONS_OFF_FAST, _C.DAEMONS_OFF_PEACEFUL, _C.DAEMONS_ON),
    *(_C.RESTART, _C.RESTART_PEACEFUL, _C.DC_OFF_GRACEFUL, _C.DC_OFF_FAST),
    *(_C.DC_OFF_PEACEFUL, _C.DC_OFF_FORCE, _C.DC_RECONFIG_FULL),
    *(_C.DC_SET_PEACEFUL_SHUTDOWN, _C.DC_SET_FORCE_SHUTDOWN),
)
NAMED = (_C.DAEMON_OFF, _C.DAEMON_OFF_FAST, _C.DAEMON_OFF_PEACEFUL, _C.DAEMON_ON)


class Told(Daemon):
    """Notes what it is told."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.told: list[str] = []
        self.drains: list[WireAd] = []
        for number in (*BARE, *NAMED, _C.DAEMONS_OFF_FLEX):
            self.table.remove(number)
            rule = CommandRule(
                number,
                Permission.ADMINISTRATOR,
                has_payload=number not in BARE,
                name=number.name,
            )
            answers = number == _C.DAEMONS_OFF_FLEX
            self.register_command(Registration(rule, self._note, answers=answers))

    def _note(self, request: CommandRequest) -> None:
        name = Command(request.command).name
        reader = request.reader()
        if request.command in NAMED:
            name += f" {reader.get_string()}"
        elif request.command == _C.DAEMONS_OFF_FLEX:
            self.drains.append(WireAd(reader.get_ad().body))
            writer = request.writer()
            writer.put_ad(ad_of(Result=True).body)
            request.reply(writer.end_of_message())
        self.told.append(name)


class ControllerTests(ToolTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(daemons, "run_in_threads", lambda _: blocking_at_once)
        self.patch(os, "geteuid", lambda: 1000)
        self.patch(socket, "gethostbyname_ex", lambda name: (name, [], []))
        self.daemon = Told(self.settings(), self.reactor)
        self.start(self.daemon)
        self.address = str(self.daemon.address)
        path = Path(self.mktemp())
        path.write_text(self.address)
        self.tool_knobs = {
            **self.knobs,
            "FULL_HOSTNAME": "here.example",
            "COLLECTOR_HOST": "127.0.0.1:9618",
            **dict.fromkeys(
                ("MASTER_ADDRESS_FILE", "SCHEDD_ADDRESS_FILE"), str(path.absolute())
            ),
        }

    def run_tool(self, tool: str, *arguments: str) -> int:
        """Run a tool to its end."""
        options = parse_options(tool, list(arguments))
        settings = Settings.from_assignments(self.tool_knobs, "TOOL")
        locator = DaemonLocator(settings, self.reactor, options.pool)
        self.addCleanup(lambda: self.done(locator.close()))
        self.daemon.told.clear()
        return self.code(Controller(options, locator).run())

    def check(self, line: str, said: str, *told: str) -> None:
        """Check what a command line sends, and what it says in the end."""
        before = len(self.out.text)
        self.assertEqual(self.run_tool(*line.split()), 0, line)
        self.assertEqual(self.daemon.told, list(told), line)
        self.assertEqual(self.out.text[before:].splitlines()[-1], said, line)

    def test_local(self) -> None:
        """Without a target this host's master gets the command."""
        local = "to local master"
        for line, title, told in (
            ("off", "Kill-All-Daemons", "DAEMONS_OFF"),
            ("off -fast", "Kill-All-Daemons-Fast", "DAEMONS_OFF_FAST"),
            ("on", "Spawn-All-Daemons", "DAEMONS_ON"),
            ("on -master", "Spawn-All-Daemons", "DAEMONS_ON"),
            ("restart", "Restart", "RESTART"),
            ("restart -fast", "Restart-Fast", "RESTART"),
            ("reconfig", "Reconfig", "DC_RECONFIG_FULL"),
        ):
            self.check(line, f'Sent "{title}" command {local}', told)

    def test_one_daemon(self) -> None:
        """One daemon is turned off and on by its master, and restarted by itself."""
        for line, title, told in (
            ("off -startd", "Kill-Daemon", "DAEMON_OFF startd"),
            ("off -fast -daemon Mine", "Kill-Daemon-Fast", "DAEMON_OFF_FAST Mine"),
            ("on -schedd", "Spawn-Daemon", "DAEMON_ON schedd"),
            ("off -master", "Kill-Daemon", "DC_OFF_GRACEFUL"),
            ("off -master -fast", "Kill-Daemon-Fast", "DC_OFF_FAST"),
        ):
            subject = {"-daemon": "Mine"}.get(line.split()[-2], line.split()[1][1:])
            self.check(
                line, f'Sent "{title}" command for "{subject}" to local master', told
            )
        self.check(
            "restart -schedd",
            'Sent "Restart" command to local schedd',
            "DC_OFF_GRACEFUL",
        )

    def test_peaceful(self) -> None:
        """Those who can be peaceful are told before their master."""
        self.check(
            "off -peaceful -schedd",
            'Sent "Kill-Daemon-Peacefully" command to local master',
            "DC_SET_PEACEFUL_SHUTDOWN",
            "DAEMON_OFF_PEACEFUL schedd",
        )
        self.check(
            "off -force-graceful",
            'Sent "Kill-All-Daemons" command to local master',
            "DC_SET_FORCE_SHUTDOWN",
            "DAEMONS_OFF",
        )

    def test_by_address(self) -> None:
        """Whoever is called by address is stopped itself."""
        where = f"daemon at {self.address.partition('?')[0].rstrip('>')}>"
        for how, title, told in (
            ("", "Kill-Daemon", "DC_OFF_GRACEFUL"),
            ("-fast", "Kill-Daemon-Fast", "DC_OFF_FAST"),
            ("-peaceful", "Kill-Daemon-Peacefully", "DC_OFF_PEACEFUL"),
            ("-force-graceful", "Kill-Daemon", "DC_OFF_FORCE"),
        ):
            self.check(
                f"off {how} -addr {self.address}",
                f'Sent "{title}" command to {where}',
                told,
            )

    def test_by_name(self) -> None:
        """Names are looked for among the ads; the same daemon is told once."""
        self.collector.ads = [
            ad_of(Name="a.example", Machine="a.example", MyAddress=self.address),
            ad_of(Name="x@b.example", Machine="b.example", MyAddress=self.address),
        ]
        self.check(
            "reconfig a.example b.example",
            'Sent "Reconfig" command to master a.example',
            "DC_RECONFIG_FULL",
        )
        self.assertEqual(self.run_tool("reconfig", "c.example"), 1)
        self.assertIn("Can't find address for master c.example", self.err.text)

    def test_whole_pool(self) -> None:
        """Everybody, or those that a constraint selects."""
        self.collector.ads = [ad_of(Name="a.example", MyAddress=self.address)]
        said = 'Sent "Reconfig" command to master a.example'
        self.check("reconfig -all", said, "DC_RECONFIG_FULL")
        self.check("reconfig -constraint true", said, "DC_RECONFIG_FULL")
        self.collector.ads = []
        self.assertEqual(self.run_tool("reconfig", "-all"), 1)
        self.assertIn("Can't find addresses for master's for -all", self.err.text)

    def test_draining(self) -> None:
        """The master is told how to drain, and its answer is shown."""
        self.assertEqual(
            self.run_tool("restart", "-drain", "-quick", "-check", "A > 1"), 0
        )
        (ad,) = self.daemon.drains
        self.assertEqual(ad.integer("Command"), _C.RESTART)
        self.assertEqual(ad.integer("HowFast"), 10)
        self.assertEqual(ad.expression("CheckExpr"), "A > 1")
        self.assertIn("Result = true", self.out.text)
        self.run_tool("off", "-drain", "-exec", "task", "-fast")
        ad = self.daemon.drains[-1]
        self.assertEqual(ad.integer("Command"), _C.MASTER_OFF)
        self.assertEqual(ad.string("ShutdownTask"), "task")

    def test_failures(self) -> None:
        """Nobody there, nobody known, not allowed: each is said, with exit code 1."""
        for arguments, said in (
            (("off", "<127.0.0.1:1>"), "Can't connect to daemon at <127.0.0.1:1>"),
            (("off", "<nonsense"), "Address <nonsense is not valid"),
            (("off", "-pool", "127.0.0.1:9618"), "not specified which machine"),
            (("restart", "-startd"), "Can't find address for local startd"),
        ):
            self.assertEqual(self.run_tool(*arguments), 1, arguments)
            self.assertIn(said, self.err.text)

    def test_usage(self) -> None:
        """Help and version need no configuration; bad usage is code 2."""
        self.assertEqual(control("off", ["-nosuch"]), 2)
        self.assertEqual(control("off", ["-help"]), 0)
        self.assertIn("condor-twisted off", self.out.text)
        self.assertEqual(control("off", ["-version"]), 0)
        self.assertIn("$CondorVersion", self.out.text)
