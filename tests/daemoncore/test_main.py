"""Tests of ``condor_twisted.daemoncore.main``: daemons as processes."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.client import CommandClient
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import CommandRequest, Daemon, Permission, command
from condor_twisted.daemoncore.main import RunLimit, configuration_request
from condor_twisted.daemoncore.program.command_line import parse_command_line
from condor_twisted.daemons.skeleton.service import GREET
from condor_twisted.security.sessions.claim_ids import (
    FAMILY_SESSION,
    PARENT_SESSION,
    serialize_private_inheritance,
)
from condor_twisted.security.sessions.shared import make_child_session, make_family
from condor_twisted.wire.inheritance import Inheritance
from condor_twisted.wire.serialized_sockets import SerializedSocket
from condor_twisted.wire.versions import ANNOUNCED_VERSION
from tests.daemoncore.kit import KNOBS
from tests.daemoncore.programs import SKELETON, Program, ProgramTestCase

OPEN = {
    "_CONDOR_ALLOW_ADMINISTRATOR": "*",
    "_CONDOR_SEC_DEFAULT_AUTHENTICATION": "OPTIONAL",
    "_CONDOR_COLLECTOR_HOST": "",
}


class Master(Daemon):
    """A parent on the loopback that waits for what its child tells."""

    subsystem = "MASTER"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.alive: Deferred[tuple[int, str]] = Deferred()
        self.ready: Deferred[str] = Deferred()

    @command(Command.DC_CHILDALIVE, Permission.DAEMON, udp=True)
    def child_alive(self, request: CommandRequest) -> None:
        """Take a heartbeat."""
        if not self.alive.called:
            self.alive.callback((request.reader().get_int(), request.peer.user))

    @command(Command.DC_SET_READY, Permission.DAEMON)
    def set_ready(self, request: CommandRequest) -> None:
        """Take word of readiness."""
        self.ready.callback(request.reader().get_ad().body.decode())


class CommandLineTests(ProgramTestCase):
    async def skeleton(self, *arguments: str, **environment: str) -> Program:
        """A skeleton that is ready."""
        program = self.run_program(
            (*SKELETON, "-f", "-t", *arguments), {**OPEN, **environment}
        )
        await program.ready
        return program

    async def greet(self, address: str, name: str) -> str:
        """Ask a skeleton for its greeting."""
        client = CommandClient(Settings.from_assignments(KNOBS, "TOOL"))
        try:
            channel = await client.start(address, GREET)
            writer = channel.writer()
            writer.put_string(name)
            channel.send_message(writer.end_of_message())
            reader = await channel.receive_message()
            channel.close()
            await channel.when_closed()
            greeting: str = reader.get_string()
            return greeting
        finally:
            await client.close()

    async def test_graceful_and_fast(self) -> None:
        """Both shutdowns end with status 0 and leave no file behind."""
        for signal in ("TERM", "QUIT"):
            pid_file, address_file = self.mktemp(), self.mktemp()
            program = await self.skeleton(
                "-pidfile", pid_file, _CONDOR_SKELETON_ADDRESS_FILE=address_file
            )
            self.assertEqual(Path(pid_file).read_text(), f"{program.pid}\n")
            self.assertIn(program.address, Path(address_file).read_text())
            greeting = await self.greet(program.address, "you")
            self.assertEqual(greeting, "good day, you")
            program.signal(signal)
            self.assertEqual(await program.ended, 0)
            self.assertFalse(os.path.exists(pid_file))
            self.assertFalse(os.path.exists(address_file))
            self.assertIn("EXITING WITH STATUS 0", program.output)

    async def test_reconfiguration(self) -> None:
        """SIGHUP reads the configuration again; a broken one changes nothing."""
        file = Path(self.mktemp())
        base = "".join(f"{name} = {text}\n" for name, text in KNOBS.items())
        file.write_text(f"{base}SKELETON_GREETING = hello\n")
        log = self.mktemp()
        program = self.run_program(
            (*SKELETON, "-c", str(file), "-t"), {"_CONDOR_COLLECTOR_HOST": ""}
        )
        await program.ready
        self.assertEqual(await self.greet(program.address, "a"), "hello, a")
        file.write_text(f"{base}SKELETON_GREETING = salve\n")
        program.signal("HUP")
        while await self.greet(program.address, "a") != "salve, a":
            pass
        file.write_text(f"{base}SKELETON_GREETING = x\nthis is no assignment\n")
        program.signal("HUP")
        while "stays as it was" not in program.output:
            self.assertEqual(await self.greet(program.address, "a"), "salve, a")
        self.assertFalse(os.path.exists(log))

    async def test_log(self) -> None:
        """The log is where the knobs and the command line say, with its banner."""
        directory = self.mktemp()
        program = self.run_program((*SKELETON, "-l", directory, "-a", "x"), OPEN)
        log = Path(directory) / "SkeletonLog.x"
        while not log.exists() or "ready at" not in log.read_text():
            waited = self.run_program((*SKELETON, "-v"))
            await waited.ended
        self.assertIn(
            "** condor_skeleton (CONDOR_SKELETON) STARTING UP", log.read_text()
        )
        program.signal("TERM")
        self.assertEqual(await program.ended, 0)
        self.assertEqual(program.output, "")

    async def test_version(self) -> None:
        """``-v`` prints version and platform."""
        program = self.run_program((*SKELETON, "-v"))
        self.assertEqual(await program.ended, 0)
        self.assertTrue(program.output.startswith(f"{ANNOUNCED_VERSION}\n$CondorPl"))
        program.ready.addErrback(lambda _: None)

    async def test_bad_starts(self) -> None:
        """What cannot be is said on one line, and the exit status is 1."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            for arguments, part in (
                (("-p",), "needs another argument"),
                (("-x",), "unexpected argument: -x"),
                (("-c", "/nonexistent"), "/nonexistent"),
                (("-p", port), port),
                (("-k", "/nonexistent"), "pid file"),
                (("-pidfile", "/nonexistent/pid"), "nonexistent"),
            ):
                program = self.run_program((*SKELETON, *arguments), OPEN)
                program.ready.addErrback(lambda _: None)
                self.assertEqual(await program.ended, 1, program.output)
                self.assertIn(part, program.output)
                self.assertNotIn("Traceback", program.output)

    async def test_no_log(self) -> None:
        """A log that cannot be opened has an exit status of its own."""
        program = self.run_program(
            SKELETON, {**OPEN, "_CONDOR_SKELETON_LOG": "/dev/null/x"}
        )
        program.ready.addErrback(lambda _: None)
        self.assertEqual(await program.ended, 44)
        self.assertIn("/dev/null", program.output)

    async def test_kill(self) -> None:
        """``-k`` stops the daemon of a pid file and waits for its end."""
        pid_file = os.path.abspath(self.mktemp())
        program = await self.skeleton("-pidfile", pid_file)
        killer = self.run_program((*SKELETON, "-k", pid_file), OPEN)
        killer.ready.addErrback(lambda _: None)
        self.assertEqual(await killer.ended, 0)
        self.assertEqual(await program.ended, 0)

    async def test_background(self) -> None:
        """In the background, the starter ends when the daemon serves."""
        pid_file, log = os.path.abspath(self.mktemp()), os.path.abspath(self.mktemp())
        starter = self.run_program(
            (*SKELETON, "-b", "-pidfile", pid_file),
            {**OPEN, "_CONDOR_SKELETON_LOG": log},
        )
        starter.ready.addErrback(lambda _: None)
        self.assertEqual(await starter.ended, 0)
        found = re.search(r"ready at (<[^>]*>)", Path(log).read_text())
        assert found is not None
        self.assertEqual(await self.greet(found[1], "you"), "good day, you")
        killer = self.run_program((*SKELETON, "-k", pid_file), OPEN)
        killer.ready.addErrback(lambda _: None)
        self.assertEqual(await killer.ended, 0)

    async def test_stay_down(self) -> None:
        """A daemon that wants to stay down says so by its exit status."""
        program = self.run_program(
            (*SKELETON, "-t"),
            {**OPEN, "_CONDOR_COLLECTOR_HOST": "127.0.0.1:9",
             "_CONDOR_DAEMON_SHUTDOWN": "true"},
        )  # fmt: skip
        program.ready.addErrback(lambda _: None)
        self.assertEqual(await program.ended, 99)
        self.assertIn("EXITING WITH STATUS 99", program.output)


class ChildTests(ProgramTestCase):
    """A skeleton whose parent is this process."""

    def setUp(self) -> None:
        knobs = {**KNOBS, "ALLOW_DAEMON": "nobody@nowhere"}
        self.master = Master(Settings.from_assignments(knobs, "MASTER"), reactor)
        self.master.startService()
        self.addCleanup(self.master.stopService)
        self.stream = socket.create_server(("127.0.0.1", 0))
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind(self.stream.getsockname())
        self.port = self.stream.getsockname()[1]

    async def child(self, **environment: str) -> Program:
        """A child that has inherited its sockets and its sessions."""
        security = self.master.security
        assert security is not None
        claim = make_child_session(
            security, [Command.DC_CHILDALIVE, Command.DC_SET_READY]
        )
        self.claim = claim
        self.family = make_family(security)
        inherit = Inheritance(
            os.getpid(),
            str(self.master.address),
            command_sockets=(
                SerializedSocket.listening(3),
                SerializedSocket.bound_datagrams(4),
            ),
        )
        program = self.run_program(
            (*SKELETON, "-t", "-local-name", "SKELETON"),
            {
                "_CONDOR_COLLECTOR_HOST": "",
                "CONDOR_INHERIT": inherit.serialize(),
                "CONDOR_PRIVATE_INHERIT": serialize_private_inheritance(
                    ((PARENT_SESSION, claim), (FAMILY_SESSION, self.family))
                ),
                **environment,
            },
            {3: self.stream.fileno(), 4: self.datagrams.fileno()},
        )
        self.stream.close()
        self.datagrams.close()
        await program.ready
        return program

    async def test_citizen(self) -> None:
        """It serves the inherited port, and tells its parent in their session."""
        program = await self.child()
        self.assertIn(f":{self.port}", program.address)
        self.assertEqual(await self.master.alive, (program.pid, "condor@child"))
        ready = await self.master.ready
        self.assertIn(f"DaemonPID = {program.pid}\0", ready)
        self.assertIn('DaemonName = "SKELETON"', ready)
        program.signal("TERM")
        self.assertEqual(await program.ended, 0)

    async def test_signal_from_the_parent(self) -> None:
        """The parent's signals come as commands, in the child's session, by UDP too."""
        program = await self.child()
        opener = self.master.opener
        assert opener is not None
        assert self.master.security is not None
        session = self.master.security.outgoing.find(self.claim.session_id, 0)
        assert session is not None
        self.master.security.outgoing.map_commands(
            session, program.address, iter([Command.DC_RAISESIGNAL])
        )
        await opener.tell(
            program.address, Command.DC_RAISESIGNAL, lambda writer: writer.put_int(1)
        )
        while "configuration was read again" not in program.output:
            await opener.tell(
                program.address, Command.DC_NOP, lambda writer: writer.put_int(0)
            )
        await opener.send_datagram(
            program.address, Command.DC_RAISESIGNAL, lambda writer: writer.put_int(15)
        )
        self.assertEqual(await program.ended, 0)

    async def test_environment(self) -> None:
        """What a parent tells its child is for it alone."""
        program = await self.child()
        environment = Path(f"/proc/{program.pid}/environ")
        self.assertIn("CONDOR_INHERIT", environment.read_text())  # as it was started
        self.assertNotIn(self.claim.key, program.output)
        self.assertNotIn(self.family.key, program.output)


class RunLimitTests(SynchronousTestCase):
    def test_limit(self) -> None:
        """When its time is over, the daemon is stopped gracefully; before, not."""
        clock = Clock()
        daemon = Daemon(Settings.from_assignments(KNOBS, "DAEMON"), clock)
        happened: list[str] = []
        daemon.stop_gracefully = lambda: happened.append("stop")  # type: ignore[method-assign]
        limit = RunLimit(daemon, 60)
        limit.begin()
        limit.renew()
        clock.advance(59)
        self.assertEqual(happened, [])
        clock.advance(1)
        self.assertEqual(happened, ["stop"])
        limit.end()

    def test_earlier_end(self) -> None:
        """A daemon that ends before leaves no timer."""
        clock = Clock()
        limit = RunLimit(Daemon(Settings.from_assignments(KNOBS), clock), 60)
        limit.end()
        limit.begin()
        limit.end()
        self.assertEqual(clock.getDelayedCalls(), [])


class RequestTests(SynchronousTestCase):
    def test_local_name(self) -> None:
        """A master's name for what it does not know is no prefix once more."""
        for local, expected in (("SKELETON", None), ("skeleton", None), ("A", "A")):
            line = parse_command_line(["-local-name", local])
            request = configuration_request("SKELETON", line)
            self.assertEqual(request.local_name, expected)

    def test_log_directory(self) -> None:
        """The directory of the log is a knob like others."""
        line = parse_command_line(["-l", "/somewhere"])
        request = configuration_request("SKELETON", line)
        self.assertEqual(request.assignments, (("LOG", "/somewhere"),))
