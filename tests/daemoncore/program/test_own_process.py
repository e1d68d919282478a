"""Tests of ``condor_twisted.daemoncore.program.own_process``."""

from __future__ import annotations

import gc
import os
import resource

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.program.own_process import (
    banner,
    descriptor_limit,
    farewell,
    settle_in,
)


class SettlingInTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.limits = {
            resource.RLIMIT_NOFILE: (256, 4096),
            resource.RLIMIT_CORE: (1000, 2000),
        }
        self.patch(resource, "getrlimit", self.limits.__getitem__)
        self.patch(resource, "setrlimit", self.limits.__setitem__)
        self.collected: list[object] = []
        self.patch(gc, "collect", lambda: self.collected.append("collect"))
        self.patch(gc, "freeze", lambda: self.collected.append("freeze"))
        self.patch(gc, "set_threshold", lambda *counts: self.collected.append(counts))

    def settings(self, **knobs: str) -> Settings:
        """A collector's settings."""
        return Settings.from_assignments(knobs, "COLLECTOR")

    def test_mnh_1_22_descriptors(self) -> None:
        """As many descriptors as wanted, or as may be had."""
        settle_in(self.settings())
        self.assertEqual(self.limits[resource.RLIMIT_NOFILE], (4096, 4096))
        self.limits[resource.RLIMIT_NOFILE] = (256, 4096)
        settle_in(self.settings(COLLECTOR_MAX_FILE_DESCRIPTORS="1000"))
        self.assertEqual(self.limits[resource.RLIMIT_NOFILE], (1000, 4096))
        settle_in(self.settings(COLLECTOR_MAX_FILE_DESCRIPTORS="500"))
        self.assertEqual(self.limits[resource.RLIMIT_NOFILE], (1000, 4096))

    def test_mnh_8_9_no_core_files(self) -> None:
        """There are no core files unless somebody wants them."""
        for knobs, expected in (
            ({"COLLECTOR.CREATE_CORE_FILES": "True"}, 1000),
            ({"CREATE_CORE_FILES": "False"}, 0),
            ({}, 0),
        ):
            self.limits[resource.RLIMIT_CORE] = (1000, 2000)
            settle_in(self.settings(**knobs))
            self.assertEqual(self.limits[resource.RLIMIT_CORE], (expected, 2000))

    def test_garbage_collection(self) -> None:
        """What is there from the start is not looked at again and again."""
        settle_in(self.settings())
        self.assertEqual(self.collected, ["freeze", (50_000, 20, 100)])

    def test_mnh_1_23_spare_descriptors(self) -> None:
        """Fifty descriptors stay free, or half of very few."""
        self.assertEqual(descriptor_limit(), 206)
        self.limits[resource.RLIMIT_NOFILE] = (60, 60)
        self.assertEqual(descriptor_limit(), 30)
        self.limits[resource.RLIMIT_NOFILE] = (resource.RLIM_INFINITY,) * 2
        self.assertEqual(descriptor_limit(), float("inf"))
        settle_in(self.settings())

    def test_banner(self) -> None:
        """The lines that tools look for are there."""
        lines = list(banner(self.settings()))
        stars = [at for at, line in enumerate(lines) if line == lines[0]]
        self.assertEqual(len(stars), 2)
        self.assertIn("No such file", lines[stars[1] - 1])
        self.assertIn("type=COLLECTOR(2)", "\n".join(lines))
        self.assertIn("** condor_collector (CONDOR_COLLECTOR) STARTING UP", lines)
        self.assertTrue(
            any(f"** PID = {os.getpid()} RealUID" in line for line in lines)
        )
        self.assertTrue(any("local:<NONE>" in line for line in lines))

    def test_banner_of_a_later_start(self) -> None:
        """It says when the log was touched last, and where the knobs are from."""
        settings = Settings.from_assignments({"A": "1"}, source="/etc/root.conf")
        settings = settings.with_assignments({"B": "2"}, "/etc/local.conf")
        lines = list(banner(settings, 86_400.0 * 10))
        (touched,) = (line for line in lines if "Log last touched" in line)
        self.assertRegex(touched, r"touched 1/1[01] \d\d:\d\d:\d\d$")
        at = lines.index("Using config source: /etc/root.conf")
        self.assertEqual(lines[at + 1], "Using local config sources: ")
        self.assertEqual(lines[at + 2], "   /etc/local.conf")
        self.assertTrue(lines[at + 3].startswith("config Macros = 2, Sorted = 2"))

    def test_farewell(self) -> None:
        """The last line is the one that tools look for."""
        self.assertEqual(
            farewell(self.settings()),
            f"**** condor_collector (condor_COLLECTOR) pid {os.getpid()} "
            "EXITING WITH STATUS 0",
        )
