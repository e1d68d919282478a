"""Tests of ``condor_twisted.tools.main``."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import condor_twisted
from condor_twisted.tools.main import COMMANDS, main
from tests.tools.kit import Written


class MainTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.out, self.err = Written(), Written()
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)

    def test_every_command_has_a_main(self) -> None:
        """Each row of the table names a module with a main."""
        self.assertTrue(COMMANDS)
        for _, module, what in COMMANDS:
            self.assertTrue(callable(import_module(module).main))
            self.assertTrue(what)

    def test_help(self) -> None:
        """Asked for help, it lists the commands."""
        for argument in ("-help", "--help", "help", "-h"):
            self.assertEqual(main([argument]), 0)
        for name, _, what in COMMANDS:
            self.assertIn(name, self.out.text)
            self.assertIn(what, self.out.text)

    def test_version(self) -> None:
        """It knows its version."""
        self.assertEqual(main(["--version"]), 0)
        self.assertIn(condor_twisted.__version__, self.out.text)

    def test_bad_usage(self) -> None:
        """No command, or one that is not there, is bad usage."""
        self.assertEqual(main([]), 2)
        self.assertEqual(main(["nosuch"]), 2)
        self.assertIn("There is no command 'nosuch'", self.err.text)
        self.assertEqual(self.out.text, "")

    def test_commands_get_their_arguments(self) -> None:
        """A command gets what stands behind its name."""
        self.assertEqual(main(["status", "-nosuch"]), 2)
        self.assertIn("-nosuch", self.err.text)

    def test_process(self) -> None:
        """As a process it ends with the exit code, and leaves other tools alone."""
        code = (
            "import sys; from condor_twisted.tools.main import main\n"
            "code = main(['status', '-gpus'])\n"
            "print([n for n in ('condor_twisted.tools.advertise', 'classad2')"
            " if n in sys.modules])\n"
            "sys.exit(code)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(condor_twisted.__file__).parents[1],
            capture_output=True,
            check=False,
            text=True,
        )
        self.assertEqual((done.returncode, done.stdout), (2, "[]\n"))
        self.assertIn("-gpus is not available here", done.stderr)

    def test_without_a_reactor(self) -> None:
        """What asks nobody else imports no Twisted, and help for tools no reactor."""
        code = (
            "import sys; from condor_twisted.tools.main import main\n"
            "main(['config-val', '-summary']); main(['config-val', '-help'])\n"
            "assert 'twisted' not in sys.modules\n"
            "main(['status', '-help'])\n"
            "assert 'twisted.internet.reactor' not in sys.modules\n"
            "assert 'condor_twisted.daemoncore.daemon' not in sys.modules"
        )
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(condor_twisted.__file__).parents[1],
            env={**os.environ, "CONDOR_CONFIG": "ONLY_ENV"},
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def test_garbage(self) -> None:
        """A process of its own hardly looks for garbage; a guest leaves that alone."""
        code = (
            "import gc, sys; usual = gc.get_threshold()\n"
            "from condor_twisted.tools.main import main\n"
            "main(['-version']); print(gc.get_threshold() == usual)\n"
            "sys.argv = ['condor-twisted', '-version']\n"
            "main(); print(gc.get_threshold()[0])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(condor_twisted.__file__).parents[1],
            capture_output=True,
            check=True,
            text=True,
        )
        self.assertEqual(done.stdout.splitlines()[1::2], ["True", "100000"])

    def test_reader_that_goes(self) -> None:
        """A reader that has had enough is no error of ours."""
        code = (
            "import sys; from condor_twisted.tools.main import main\n"
            "import os; r, w = os.pipe(); os.close(r); os.dup2(w, 1)\n"
            "sys.exit(main(['status', '-help']))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(condor_twisted.__file__).parents[1],
            stderr=subprocess.PIPE,
            check=False,
            text=True,
        )
        self.assertEqual((done.returncode, done.stderr), (1, ""))
