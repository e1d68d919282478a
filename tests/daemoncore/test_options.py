"""Tests of ``condor_twisted.daemoncore.options``, with real ``twistd`` processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import condor_twisted
from condor_twisted.daemoncore import Daemon
from condor_twisted.daemoncore.options import DaemonOptions, make_service

ROOT = Path(condor_twisted.__file__).parent.parent

PLUGIN = """
from twisted.application.service import ServiceMaker

probe = ServiceMaker("probe", "probe_tap", "A daemon of the tests.", "condor-probe")
"""

TAP = """
from condor_twisted.daemoncore import Daemon
from condor_twisted.daemoncore.options import DaemonOptions, make_service


class Probe(Daemon):
    subsystem = "PROBE"


class Options(DaemonOptions):
    subsystem = "PROBE"


def makeService(options):
    return make_service(Probe, options)
"""


class Options(DaemonOptions):
    """The options of a daemon of the tests."""

    subsystem = "PROBE"


class ParsingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.errors = StringIO()
        self.patch(sys, "__stderr__", self.errors)
        self.patch(sys, "stdout", StringIO())
        self.patch(os, "environ", {"CONDOR_CONFIG": "ONLY_ENV"})

    def parse(self, *arguments: str) -> Options:
        """Parse a command line."""
        options = Options()
        options.parseOptions(list(arguments))
        return options

    def refused(self, *arguments: str) -> str:
        """The one line that a command line is refused with."""
        error = self.assertRaises(SystemExit, self.parse, *arguments)
        self.assertNotIn(error.code, (0, None))
        text = self.errors.getvalue()
        self.assertEqual(text.count("\n"), 1)
        return text

    def test_long_and_short(self) -> None:
        """Every option of the public face, in both spellings."""
        options = self.parse(
            *("-c", "/etc/x", "-s", "A=1", "--set", "B = 2=3", "-p", "9618"),
            *("-i", "127.0.0.1", "--local-name", "second", "--address-file", "/a"),
            *("--log-dir", "logs", "--http", "none"),
        )
        self.assertEqual(options["port"], 9618)
        self.assertEqual(options["interface"], "127.0.0.1")
        self.assertEqual(options["address-file"], "/a")
        self.assertEqual(options["http"], "none")
        request = options.request()
        self.assertEqual(request.file, "/etc/x")
        self.assertEqual(request.local_name, "second")
        self.assertEqual(request.subsystem, "PROBE")
        self.assertEqual(
            request.assignments,
            (("A", "1"), ("B", " 2=3"), ("LOG", os.path.abspath("logs"))),
        )

    def test_bad_command_lines(self) -> None:
        """Each mistake is one line that names it."""
        for arguments, part in (
            (("--bogus",), "bogus"),
            (("--port", "many"), "--port many"),
            (("--port", "65536"), "65536"),
            (("--port", "-1"), "-1"),
            (("--port", "\u0663"), "--port"),
            (("--set", "NOVALUE"), "KNOB=VALUE"),
            (("--set", "=x"), "KNOB=VALUE"),
            (("stray",), "stray"),
        ):
            self.errors.truncate(0)
            self.errors.seek(0)
            self.assertIn(part, self.refused(*arguments))

    def test_configuration_that_cannot_be_used(self) -> None:
        """A file that is not there, or a bad knob, is one line and the end."""
        self.assertIn(
            "/nonexistent", self.refused("-c", "/nonexistent", "--config-check")
        )

    def test_config_check(self) -> None:
        """Every effective knob is printed with its source, and no daemon runs."""
        error = self.assertRaises(
            SystemExit, self.parse, "--config-check", "--set", "FOO=bar"
        )
        self.assertEqual(error.code, 0)
        printed: Any = sys.stdout
        self.assertIn("FOO = bar  # <Command line>", printed.getvalue())

    def test_service(self) -> None:
        """A command line makes a daemon that owns its process."""
        options = self.parse("-p", "0", "-i", "127.0.0.1", "-s", "FOO=bar")
        daemon = make_service(Daemon, options)
        self.assertIsInstance(daemon, Daemon)
        self.assertEqual(daemon.settings.text("FOO"), "bar")
        options.assignments[0] = ("FOO", "other")
        self.assertEqual(options.load_settings().text("FOO"), "other")

    def test_service_of_a_bad_configuration(self) -> None:
        """A configuration that cannot be read ends the process with its line."""
        options = Options()
        options.parseOptions(["-c", "/nonexistent"])
        self.assertRaises(SystemExit, make_service, Daemon, options)
        self.assertIn("/nonexistent", self.errors.getvalue())


class TwistdTests(SynchronousTestCase):
    """Real processes; each test takes a second or two."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        (self.directory / "twisted" / "plugins").mkdir(parents=True)
        (self.directory / "twisted" / "plugins" / "probe_plugin.py").write_text(PLUGIN)
        (self.directory / "probe_tap.py").write_text(TAP)
        self.pidfile = self.directory / "twistd.pid"
        self.address_file = self.directory / "address"
        self.ready_line = ""

    def run_twistd(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``twistd -n condor-probe``."""
        command = [sys.executable, "-W", "ignore", "-c"]
        command += ["from twisted.scripts.twistd import run; run()"]
        command += ["-n", f"--pidfile={self.pidfile}", "condor-probe", *arguments]
        environment = {
            **os.environ,
            "PYTHONPATH": f"{self.directory}{os.pathsep}{ROOT}",
            "CONDOR_CONFIG": "ONLY_ENV",
        }
        process = subprocess.Popen(
            command,
            cwd=self.directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(self.end, process)
        return process

    def end(self, process: subprocess.Popen[str]) -> None:
        """Make sure that a process has ended."""
        if process.poll() is None:
            process.kill()
        process.communicate()

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        """A daemon that has written its address."""
        process = self.run_twistd("--address-file", str(self.address_file), *arguments)
        assert process.stdout is not None
        for line in process.stdout:
            self.ready_line = line
            if " ready at " in line:
                return process
        self.fail("it ended")

    def test_life_of_a_process(self) -> None:
        """Ready, reconfigured by SIGHUP, ended by SIGTERM or SIGQUIT with code 0."""
        for number in (signal.SIGTERM, signal.SIGQUIT):
            process = self.started("--port", "0")
            address, version, platform = self.address_file.read_text().splitlines()
            self.assertTrue(version.startswith("$CondorVersion: "))
            self.assertTrue(platform.startswith("$CondorPlatform: "))
            port = int(address.partition(":")[2].partition("?")[0])
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"\1\0\0\0\x08" + (60045).to_bytes(8, "big"))
                self.assertEqual(client.recv(100)[:5], b"\1\0\0\0\x10")
            process.send_signal(signal.SIGHUP)
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"\1\0\0\0\x08" + (60045).to_bytes(8, "big"))
                self.assertTrue(client.recv(100))
            process.send_signal(number)
            out, errors = process.communicate(timeout=10)
            self.assertEqual(process.returncode, 0, errors)
            self.assertIn(f"probe ready at {address}", self.ready_line)
            self.assertIn("The configuration was read again", out)
            self.assertEqual(errors, "")
            self.assertFalse(self.address_file.exists())
            self.assertFalse(self.pidfile.exists())

    def test_starts_that_fail(self) -> None:
        """One clear line on standard error, a code that is not 0, nothing left."""
        with socket.socket() as busy:
            busy.bind(("127.0.0.1", 0))
            busy.listen()
            port = str(busy.getsockname()[1])
            for arguments, part in (
                (("--port", port), port),
                (("--port", "many"), "--port many"),
                (("--config", "/nonexistent"), "/nonexistent"),
                (("--set", "SEC_DEFAULT_AUTHENTICATION=MAYBE"), "MAYBE"),
                (("--port", "0", "--address-file", "/nonexistent/a"), "/nonexistent/a"),
            ):
                process = self.run_twistd(*arguments)
                _, errors = process.communicate(timeout=10)
                self.assertNotEqual(process.returncode, 0, arguments)
                self.assertEqual(errors.count("\n"), 1, errors)
                self.assertIn(part, errors)
                self.assertFalse(self.pidfile.exists())
