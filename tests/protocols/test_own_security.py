"""Tests of ``condor_twisted.protocols.own_security``."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.protocols.own_security import log_file_problems, open_security
from condor_twisted.security.commands import CommandRules
from condor_twisted.testing.reactor import MemoryReactor


class SecurityTests(SynchronousTestCase):
    """This process's security."""

    def test_files(self) -> None:
        """Keys and maps are read from files; what is wrong with them is logged."""
        observer = EventLoggingObserver()
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        good, bad = directory / "GOOD", directory / "BAD"
        for path in (good, bad):
            path.write_bytes(b"a key of sixteen bytes or more")
        good.chmod(0o600)
        bad.chmod(0o644)
        mapping = directory.parent / "map"
        mapping.write_text("SSL only-two-fields\nSSL ^/CN=(.*)$ \\1@pool\n")
        settings = Settings.from_assignments(
            {
                "SEC_PASSWORD_DIRECTORY": str(directory),
                "SEC_TOKEN_POOL_SIGNING_KEY_FILE": "",
                "CERTIFICATE_MAPFILE": str(mapping),
            },
            "COLLECTOR",
        )
        security = open_security(settings, CommandRules(), MemoryReactor(), lambda: 5)
        self.assertEqual(security.credentials.issuer_keys, "GOOD")
        self.assertEqual(security.identity_map("SSL", "/CN=alice"), "alice@pool")
        self.assertEqual(security.host.process_id, os.getpid())
        self.assertEqual(security.unix_time(), 5)
        problems = [event["problem"] for event in observer]
        self.assertEqual(
            problems,
            [
                f"the signing key {bad} is not ours alone",
                f"{mapping}, line 1: not method, principal and name",
            ],
        )
        log_file_problems(security)
        self.assertEqual(len(list(observer)), 4)
