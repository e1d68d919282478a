"""Tests of ``condor_twisted.daemoncore.tap``, and of the README's daemon."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.client import CommandClient
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import Daemon
from condor_twisted.daemoncore.configuration.reading import Configuration
from condor_twisted.daemoncore.tap import Options, load_daemon, makeService
from condor_twisted.daemons.skeleton import Skeleton
from tests.daemoncore.kit import KNOBS
from tests.daemoncore.programs import TWISTD, ProgramTestCase

README = Path(__file__).parents[2] / "README.md"
SKELETON = "condor_twisted.daemons.skeleton.Skeleton"


def readme_daemon() -> str:
    """The daemon that the README shows."""
    found = re.search(
        r"## Write a daemon\n.*?```python\n(.*?)```", README.read_text(), re.DOTALL
    )
    assert found is not None
    return found[1]


class LoadingTests(SynchronousTestCase):
    def test_class(self) -> None:
        """A class is found by its whole name."""
        self.assertIs(load_daemon(SKELETON), Skeleton)

    def test_working_directory(self) -> None:
        """Modules of the working directory are found."""
        directory = os.path.abspath(self.mktemp())
        os.mkdir(directory)
        name = f"own_{os.getpid()}"
        Path(directory, f"{name}.py").write_text(readme_daemon())
        self.addCleanup(os.chdir, os.getcwd())
        self.addCleanup(sys.path.remove, directory)
        self.addCleanup(sys.modules.pop, name)
        os.chdir(directory)
        self.assertEqual(load_daemon(f"{name}.Hello").subsystem, "HELLO")

    def test_what_is_no_daemon(self) -> None:
        """What cannot be run is refused with a line that says why."""
        for path, part in (
            ("Skeleton", "form"),
            ("a b.C", "form"),
            ("nowhere.at.All", "cannot import nowhere.at"),
            ("condor_twisted.daemons.skeleton.Missing", "no class Missing"),
            ("condor_twisted.errors.ConfigError", "no subclass"),
            ("condor_twisted.errors.__all__", "no subclass"),
        ):
            error = self.assertRaises(usage.UsageError, load_daemon, path)
            self.assertIn(part, str(error))

    def options(self, *arguments: str) -> Options:
        """Options with these arguments."""
        self.patch(os, "environ", {**os.environ, "CONDOR_CONFIG": "ONLY_ENV"})
        options = Options()
        options.parseOptions(arguments)
        return options

    def test_options(self) -> None:
        """The configuration is read for the daemon's own subsystem."""
        options = self.options("--port", "0", SKELETON)
        self.assertEqual(options.request().subsystem, "SKELETON")
        made: Any = makeService(options)
        self.assertIsInstance(made, Skeleton)
        self.assertEqual(made.settings.subsystem, "SKELETON")

    def test_no_daemon(self) -> None:
        """One daemon has to be named."""
        self.patch(sys, "__stderr__", None)
        self.patch(sys, "stderr", open(os.devnull, "w"))  # noqa: SIM115
        self.addCleanup(sys.stderr.close)
        self.assertRaises(SystemExit, self.options)
        self.assertRaises(SystemExit, self.options, SKELETON, SKELETON)
        self.assertRaises(SystemExit, self.options, "no.such.Daemon")

    def test_first_hook(self) -> None:
        """What comes before the configuration is called before it is read."""
        happened: list[str] = []

        class Early(Daemon):
            subsystem = "EARLY"

            @classmethod
            def before_initialization(cls, arguments: Any) -> None:
                happened.append("early")

        options = self.options(SKELETON)
        options.daemon = Early
        read = options.configuration

        def configuration() -> Configuration:
            happened.append("read")
            return read()

        options.configuration = configuration  # type: ignore[method-assign]
        makeService(options)
        self.assertEqual(happened[:2], ["early", "read"])


class ReadmeTests(ProgramTestCase):
    async def test_readme_daemon(self) -> None:
        """The README's daemon, in an empty folder, runs and serves everybody."""
        source = readme_daemon()
        self.assertLessEqual(len([line for line in source.split("\n") if line]), 20)
        directory = self.mktemp()
        os.mkdir(directory)
        Path(directory, "hello.py").write_text(source)
        program = self.run_program(
            (*TWISTD, "-n", "--pidfile=", "condor-daemon", "--port=0",
             "--set=COLLECTOR_HOST=", "hello.Hello"),
            directory=directory,
        )  # fmt: skip
        await program.ready
        client = CommandClient(Settings.from_assignments(KNOBS, "TOOL"))
        try:
            for number in (1, 2):
                channel = await client.start(program.address, 90_001)
                writer = channel.writer()
                writer.put_string("you")
                channel.send_message(writer.end_of_message())
                reader = await channel.receive_message()
                self.assertEqual(
                    reader.get_string(), f"hello you, you are number {number}"
                )
                channel.close()
                await channel.when_closed()
            channel = await client.start(program.address, Command.DC_NOP_READ)
            channel.close()
            await channel.when_closed()
        finally:
            await client.close()
        program.signal("TERM")
        self.assertEqual(await program.ended, 0)

    async def test_skeleton_plugin(self) -> None:
        """The skeleton is a plugin of twistd."""
        program = self.run_program(
            (*TWISTD, "-n", "--pidfile=", "condor-skeleton", "--port=0",
             "--set=COLLECTOR_HOST="),
        )  # fmt: skip
        await program.ready
        program.signal("QUIT")
        self.assertEqual(await program.ended, 0)
