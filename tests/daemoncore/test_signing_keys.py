"""Tests of ``condor_twisted.daemoncore.signing_keys``."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.signing_keys import (
    create_signing_keys,
    signing_key_places,
)


class CreateTests(SynchronousTestCase):
    """Keys that a collector makes."""

    def setUp(self) -> None:
        """A directory for keys, and what is logged."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.observer = EventLoggingObserver()
        globalLogPublisher.addObserver(self.observer)
        self.addCleanup(globalLogPublisher.removeObserver, self.observer)

    def create(self, subsystem: str, local_name: str | None = None) -> list[str]:
        """The names of the keys that are there afterwards."""
        settings = Settings.from_assignments(
            {
                "SEC_PASSWORD_DIRECTORY": str(self.directory),
                "SEC_TOKEN_POOL_SIGNING_KEY_FILE": str(self.directory / "POOL"),
                "SEC_TOKEN_AP_SIGNING_KEY_NAME": "AP",
            },
            subsystem,
        ).for_reader(subsystem, local_name)
        create_signing_keys(settings)
        return sorted(os.listdir(self.directory))

    def test_collector(self) -> None:
        """A collector makes the pool's key, once; other daemons make none."""
        self.assertEqual(self.create("SCHEDD"), [])
        self.assertEqual(self.create("COLLECTOR"), ["POOL"])
        before = (self.directory / "POOL").read_bytes()
        self.assertEqual(self.create("COLLECTOR"), ["POOL"])
        self.assertEqual((self.directory / "POOL").read_bytes(), before)
        self.assertEqual(len(list(self.observer)), 1)

    def test_collector_of_an_access_point(self) -> None:
        """That of an access point makes a key of its own, too."""
        self.assertEqual(self.create("COLLECTOR", "AP_COLLECTOR"), ["AP", "POOL"])

    def test_nobody_asked(self) -> None:
        """Where keys have but a default place that is not there, nothing is said."""
        local = self.directory / "local"
        settings = Settings.from_assignments({"LOCAL_DIR": str(local)}, "COLLECTOR")
        create_signing_keys(settings)
        self.assertEqual(list(self.observer), [])
        self.assertIn("not set", signing_key_places(settings))
        (local / "passwords.d").mkdir(parents=True)
        create_signing_keys(settings)
        self.assertTrue((local / "passwords.d" / "POOL").exists())
        self.assertEqual(len(list(self.observer)), 1)

    def test_somebody_asked(self) -> None:
        """A place that was asked for and is not there is a warning."""
        for name, place in (
            ("ETC", "/passwords.d/POOL"),
            ("SEC_PASSWORD_DIRECTORY", "/POOL"),
            ("SEC_PASSWORD_FILE", ""),
        ):
            settings = Settings.from_assignments({name: "/there/is/none"}, "COLLECTOR")
            create_signing_keys(settings)
            self.assertEqual(
                signing_key_places(settings),
                f"/there/is/none{place} (SEC_TOKEN_POOL_SIGNING_KEY_FILE)",
            )
        self.assertEqual(len(list(self.observer)), 3)

    def test_no_place(self) -> None:
        """A key that cannot be written is a warning, and the daemon goes on."""
        self.directory = self.directory / "none"
        settings = Settings.from_assignments(
            {"SEC_TOKEN_POOL_SIGNING_KEY_FILE": str(self.directory / "POOL")},
            "COLLECTOR",
        )
        create_signing_keys(settings)
        (event,) = self.observer
        self.assertIn("No token signing key", event["log_format"])
