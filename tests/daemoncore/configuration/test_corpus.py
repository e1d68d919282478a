"""Every file of the configuration corpus against a real ``condor_config_val``."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.listing import dump_text
from condor_twisted.daemoncore.configuration.host_facts import HostFacts
from condor_twisted.daemoncore.configuration.reading import (
    Configuration,
    ConfigurationRequest,
    read_configuration,
)
from condor_twisted.errors import ConfigError
from interop.corpus import Case, blocks_of, comparable, copy_corpus, read_cases

EXPECTED = Path(__file__).parents[2] / "config" / "corpus" / "expected.json"
_DIRECTORY = "@DIR@/"


class CorpusTests(SynchronousTestCase):
    """What the real tool made of each file, we make of it."""

    def setUp(self) -> None:
        recorded = json.loads(EXPECTED.read_text(encoding="utf-8"))
        self.expected: dict[str, Any] = recorded["cases"]
        host = recorded["header"]["host"]
        self.host = HostFacts(
            hostname=host["HOSTNAME"],
            full_hostname=host["FULL_HOSTNAME"],
            ipv4_address=host["IP_ADDRESS"],
            ipv6_address=host["IPV6_ADDRESS"],
            user_name=host["USERNAME"],
            condor_home=host["TILDE"],
            cpu_count=int(host["DETECTED_CPUS"]),
            memory_mebibytes=int(host["DETECTED_MEMORY"]),
        )
        directory = Path(self.mktemp())
        directory.mkdir()
        copy_corpus(directory)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(directory)

    def read(self, case: Case) -> Configuration:
        """Read one file as the tool does."""
        options = dict(zip(case.options[::2], case.options[1::2], strict=True))
        return read_configuration(
            ConfigurationRequest(
                options.get("-subsystem", "TOOL"),
                options.get("-local-name"),
                file=case.name,
                host=self.host,
                environment={
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "LANG": "C.UTF-8",
                    **case.environment,
                },
                embedded=False,
            )
        )

    def test_corpus_is_recorded(self) -> None:
        """There is an answer for every file, and a file for every answer."""
        names = [case.name for case in read_cases()]
        self.assertEqual(names, sorted(self.expected))
        self.assertGreater(len(names), 100)

    def test_values(self) -> None:
        """Every configured name has the same value, origin, raw text and default."""
        count = 0
        for case in read_cases():
            expected = self.expected[case.name]
            if expected["exit_code"]:
                continue
            configuration = self.read(case)
            text = dump_text(configuration.settings, machine="", verbose=True)
            found = [
                comparable(block)
                for _, block in blocks_of(text)
                if "<Default>" not in block and "<Detected>" not in block
            ]
            wanted = [
                comparable(block.replace(_DIRECTORY, ""))
                for block in expected["settings"]
            ]
            for ours, real in zip(found, wanted, strict=False):
                self.assertEqual(ours, real, case.name)
            self.assertEqual(len(found), len(wanted), case.name)
            count += len(found)
        self.assertGreater(count, 900)

    def test_refusals(self) -> None:
        """What the real tool refuses is refused, with the line that is wrong."""
        count = 0
        for case in read_cases():
            expected = self.expected[case.name]
            if not expected["exit_code"]:
                continue
            error = self.assertRaises(ConfigError, self.read, case)
            lines = re.findall(r"Configuration Error Line (\d+)", expected["errors"])
            if lines:
                self.assertEqual(error.line, int(lines[-1]), case.name)
            count += 1
        self.assertGreater(count, 10)
