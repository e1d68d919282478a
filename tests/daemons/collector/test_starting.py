"""A collector starts with what it needs, and imports the rest when it is asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import condor_twisted
import condor_twisted.daemoncore
from condor_twisted.daemoncore.command_table import declared_commands
from condor_twisted.daemoncore.late_commands import LateCommands
from condor_twisted.daemoncore.runtime import Runtime
from condor_twisted.testing.reactor import MemoryReactor
from tests.daemoncore.kit import DaemonTestCase

#: With everything below it.
LATE = (
    # What answers rare commands, and what few daemons do.
    "condor_twisted.client",
    "condor_twisted.tools",
    "condor_twisted.daemoncore.advertising",
    "condor_twisted.daemoncore.children.child",
    "condor_twisted.daemoncore.children.families",
    "condor_twisted.daemoncore.children.hung",
    "condor_twisted.daemoncore.children.inheritance",
    "condor_twisted.daemoncore.children.processes",
    "condor_twisted.daemoncore.children.readiness",
    "condor_twisted.daemoncore.children.spawn_options",
    "condor_twisted.daemoncore.children.threads",
    "condor_twisted.daemoncore.configuration.commands",
    "condor_twisted.daemoncore.events.descriptors",
    "condor_twisted.daemoncore.events.signal_delivery",
    "condor_twisted.daemoncore.logs.commands",
    "condor_twisted.daemoncore.token_commands",
    "condor_twisted.daemons.collector.page",
    "condor_twisted.daemons.collector.worker",
    "condor_twisted.classad.printing",
    "condor_twisted.classad.full_values",
    "condor_twisted.protocols.issuer_keys",
    "condor_twisted.security.tokens.requests",
    "condor_twisted.security.tokens.issuing",
    # What others make.
    "classad2",
    "cryptography.hazmat.primitives.ciphers",
    "htcondor2",
    "jwt",
    "multiprocessing",
    "prometheus_client",
    "psutil",
    "twisted.internet.endpoints",
    "twisted.internet.ssl",
    "twisted.trial",
    "twisted.web",
    "unittest",
)


class StartingTests(SynchronousTestCase):
    def test_imports(self) -> None:
        """Nothing rare is imported for a start; the first query imports nothing."""
        root = Path(condor_twisted.__file__).parents[1]
        done = subprocess.run(
            [sys.executable, "-m", "tests.daemons.collector.starting"],
            cwd=root,
            env={**os.environ, "CONDOR_CONFIG": "ONLY_ENV", "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        told = json.loads(done.stdout.splitlines()[-1])
        self.assertIn("condor_twisted.daemons.collector.service", told["start"])
        self.assertEqual(
            [
                name
                for name in told["start"]
                if any(f"{name}.".startswith(f"{late}.") for late in LATE)
            ],
            [],
        )
        self.assertEqual(told["query"], [])
        self.assertGreater(told["answer"], 100)

    def test_late_names(self) -> None:
        """What shall not be imported exists: a wrong name would forbid nothing."""
        root = Path(condor_twisted.__file__).parent
        for name in LATE:
            if name.startswith("condor_twisted."):
                place = root.joinpath(*name.split(".")[1:])
                self.assertTrue(
                    place.is_dir() or place.with_suffix(".py").exists(), name
                )


class LateTests(DaemonTestCase):
    """What is imported late can be imported."""

    def test_commands(self) -> None:
        """Behind every rare command there is a part that has a method for it."""
        daemon = condor_twisted.daemoncore.Daemon(self.settings(), MemoryReactor())
        late = LateCommands(daemon)
        for name, value in vars(LateCommands).items():
            if isinstance(value, cached_property):
                self.assertIn(".daemoncore.", type(getattr(late, name)).__module__)
        self.assertGreater(len(list(declared_commands(late))), 10)

    def test_parts_of_a_daemon(self) -> None:
        """Every part that a daemon has of its runtime can be made."""
        daemon = condor_twisted.daemoncore.Daemon(self.settings(), MemoryReactor())
        for name, value in vars(Runtime).items():
            if isinstance(value, cached_property):
                self.assertIsNotNone(getattr(daemon.runtime, name))

    def test_the_framework(self) -> None:
        """Everything that the framework offers is there, and nothing else."""
        for name in condor_twisted.daemoncore.__all__:
            self.assertIsNotNone(getattr(condor_twisted.daemoncore, name))
        with self.assertRaises(AttributeError):
            condor_twisted.daemoncore.nothing  # type: ignore[attr-defined]  # noqa: B018
