"""Tests of ``condor_twisted.daemoncore.configuration.dynamic_directories``."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.configuration.dynamic_directories import (
    make_dynamic_directories,
)
from condor_twisted.errors import ConfigError

GUARD = "_condor_ALREADY_CREATED_LOCAL_DYNAMIC_DIRECTORIES"


class DynamicDirectoryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.base = os.path.abspath(self.mktemp())
        self.environment: dict[str, str] = {}

    def make(self, **knobs: str) -> bool:
        """Make directories of our own."""
        settings = Settings.from_assignments(
            {
                "NETWORK_INTERFACE": "127.0.0.1",
                "LOG": f"{self.base}/log",
                "SPOOL": f"{self.base}/spool",
                "EXECUTE": "",
                **knobs,
            },
            "STARTD",
        )
        return make_dynamic_directories(settings, 4711, self.environment)

    def test_directories(self) -> None:
        """Each one gets our address and process id, and children hear of it."""
        self.assertTrue(self.make())
        self.assertEqual(
            self.environment,
            {
                "_condor_LOG": f"{self.base}/log.127.0.0.1-4711",
                "_condor_SPOOL": f"{self.base}/spool.127.0.0.1-4711",
                "_condor_STARTD_NAME": "4711",
                GUARD: "TRUE",
            },
        )
        self.assertEqual(
            sorted(os.listdir(self.base)),
            ["log.127.0.0.1-4711", "spool.127.0.0.1-4711"],
        )

    def test_name(self) -> None:
        """A startd's name keeps what it was behind the process id."""
        self.make(STARTD_NAME="old")
        self.assertEqual(self.environment["_condor_STARTD_NAME"], "4711@old")

    def test_parents(self) -> None:
        """A parent that made them already has made ours."""
        self.environment[GUARD] = "TRUE"
        self.assertFalse(self.make())
        self.assertFalse(os.path.exists(self.base))

    def test_impossible(self) -> None:
        """A directory that cannot be made is named."""
        error = self.assertRaises(ConfigError, self.make, LOG="/dev/null/log")
        self.assertIn("/dev/null/log.127.0.0.1-4711 for LOG", str(error))
