"""The configuration language against answers of a real ``condor_config_val``."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.arithmetic import Evaluated, Unparsed, evaluate_arithmetic
from condor_twisted.config.listing import dump_text, verbose_text
from condor_twisted.daemoncore.configuration.host_facts import HostFacts
from condor_twisted.daemoncore.configuration.reading import (
    Configuration,
    ConfigurationRequest,
    read_configuration,
)
from condor_twisted.errors import ConfigError

VECTORS = Path(__file__).parents[2] / "vectors" / "config"

# What needs a whole ClassAd library; the arithmetic of our own does the rest.
CLASSAD_VALUES: dict[str, Evaluated] = {
    'strcat("a","b")': "ab",
    'real("INF")': Unparsed('real("INF")'),
    "{1,2}": Unparsed("{ 1,2 }"),
}


def evaluate(text: str) -> Evaluated:
    """Evaluate as HTCondor does for the texts of the cases."""
    if text in CLASSAD_VALUES:
        return CLASSAD_VALUES[text]
    return evaluate_arithmetic(text)


class RecordedTests(SynchronousTestCase):
    """Each case gives what the real tool gave for it."""

    def setUp(self) -> None:
        self.cases = json.loads((VECTORS / "cases.json").read_text())
        self.results = json.loads((VECTORS / "results.json").read_text())["results"]

    def request(self, case: dict[str, Any]) -> ConfigurationRequest:
        """Put a case's files down and say how to read them."""
        directory = Path(self.mktemp())
        directory.mkdir()
        (directory / "main.conf").write_text("\n".join(case["config"]) + "\n")
        for name, text in case.get("files", {}).items():
            path = directory / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(directory)
        return ConfigurationRequest(
            case.get("subsystem", "TOOL"),
            case.get("local_name"),
            file="main.conf",
            host=HostFacts("vm", "vm", condor_home="/var/lib/condor"),
            environment={"PATH": "/usr/bin:/bin", **case.get("env", {})},
            evaluate=evaluate,
        )

    def test_values(self) -> None:
        """Raw and expanded values are the same."""
        count = 0
        for case in self.cases:
            result = self.results[case["name"]]
            if "values" not in result:
                continue
            settings = read_configuration(self.request(case)).settings
            for name, expected in result["values"].items():
                if name in case.get("fails", ()):
                    self.assertRaises(ConfigError, settings.text, name)
                    continue
                where = f"{case['name']}: {name}"
                self.assertEqual(settings.raw(name), expected["raw"] or None, where)
                self.assertEqual(settings.text(name), expected["value"] or None, where)
                count += 1
        self.assertGreater(count, 200)

    def test_errors(self) -> None:
        """What the real tool refuses is refused, in the same line."""
        count = 0
        for case in self.cases:
            result = self.results[case["name"]]
            if "exit_code" not in result:
                continue
            request = self.request(case)
            error = self.assertRaises(ConfigError, read_configuration, request)
            assert isinstance(error, ConfigError)
            # Differs from HTCondor: the line is the inner file's, not the include's.
            inner = re.search(r'"inc/bad.conf", Line (\d+)', result["standard_error"])
            line = int(inner[1]) if inner else result["line"]
            self.assertEqual(error.line, line, case["name"])
            count += 1
        self.assertGreater(count, 25)

    def test_listings(self) -> None:
        """-dump and -verbose print the same text."""
        count = 0
        for case in self.cases:
            for listing in self.results[case["name"]].get("listings", ()):
                configuration = read_configuration(self.request(case))
                output = listing["output"].replace("@DIR@/", "")
                self.assertEqual(
                    self.listed(configuration, listing["arguments"]),
                    output,
                    listing["arguments"],
                )
                count += 1
        self.assertEqual(count, 10)

    def listed(self, configuration: Configuration, arguments: list[str]) -> str:
        """What our listing gives for arguments of condor_config_val."""
        settings = configuration.settings
        names = [each for each in arguments if not each.startswith("-")]
        if "-dump" not in arguments:
            raw = "-raw" in arguments
            return "".join(
                verbose_text(
                    settings,
                    name,
                    settings.raw(name) if raw else settings.text(name),
                    raw=raw,
                )
                for name in names
                if settings.defined(name)
            )
        return dump_text(
            settings,
            names,
            machine="vm",
            files=[configuration.root or "", *configuration.files],
            expand="-expanded" in arguments,
            default="-default" in arguments,
            verbose="-verbose" in arguments,
        )
