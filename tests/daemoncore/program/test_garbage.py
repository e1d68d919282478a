"""Tests of ``condor_twisted.daemoncore.program.garbage``."""

from __future__ import annotations

import gc
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.program.garbage import (
    collect_rarely,
    keep_what_is_there,
)


class GarbageTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Watch what is asked of the collector."""
        self.asked: list[Any] = []
        self.patch(gc, "freeze", lambda: self.asked.append("freeze"))
        self.patch(gc, "set_threshold", lambda *counts: self.asked.append(counts))

    def test_imports(self) -> None:
        """More objects than imports make are needed before anybody looks."""
        collect_rarely()
        [counts] = self.asked
        self.assertGreaterEqual(counts[0], 100_000)

    def test_keeping(self) -> None:
        """What is there is out of sight, and garbage that comes is found."""
        keep_what_is_there()
        self.assertEqual(self.asked, ["freeze", (50_000, 20, 100)])
        self.assertTrue(gc.isenabled())
