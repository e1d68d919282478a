"""Tests of ``condor_twisted.daemons.collector.main``."""

from __future__ import annotations

import os
import re
import urllib.request

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.program.command_line import CommandLineError
from condor_twisted.daemons.collector.main import take_options
from tests.daemoncore.programs import ProgramTestCase, program_of


class OptionTests(SynchronousTestCase):
    def test_page(self) -> None:
        """The collector may be told where its page is."""
        self.assertEqual(take_options([]), {})
        self.assertEqual(take_options(["--http", "none"]), {"http": "none"})

    def test_others(self) -> None:
        """Anything else is refused."""
        for rest in (["--http"], ["x"], ["--http", "none", "x"], ["-n", "name"]):
            self.assertRaises(CommandLineError, take_options, rest)


class ProgramTests(ProgramTestCase):
    async def test_collector(self) -> None:
        """It serves commands and its page, and ends in good order."""
        program = self.run_program(
            (*program_of("collector"), "-t", "-p", "1",
             "--http", "tcp:0:interface=127.0.0.1"),
        )  # fmt: skip
        await program.ready
        page = re.search(r"pool page at (http://\S+)", program.output)
        assert page is not None

        def read() -> int:
            with urllib.request.urlopen(f"{page[1]}healthz") as answer:
                status: int = answer.status
                return status

        self.assertEqual(await deferToThread(read), 200)
        self.assertTrue(os.path.exists(f"/proc/{program.pid}"))
        program.signal("TERM")
        self.assertEqual(await program.ended, 0)
