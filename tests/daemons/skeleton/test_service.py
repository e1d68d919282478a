"""Tests of ``condor_twisted.daemons.skeleton.service``."""

from __future__ import annotations

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.daemon_ad import daemon_ad
from condor_twisted.daemons.skeleton import Skeleton
from condor_twisted.daemons.skeleton.service import GREET
from condor_twisted.errors import ConfigError
from tests.daemoncore.kit import DaemonTestCase


class SkeletonTests(DaemonTestCase):
    def skeleton(self, **knobs: str) -> Skeleton:
        """A skeleton that runs."""
        self.knobs.update({"COLLECTOR_HOST": "", **knobs})
        made = Skeleton(self.read(), self.reactor, load_settings=self.read)
        self.start(made)
        return made

    def read(self) -> Settings:
        """The settings in force."""
        return Settings.from_assignments(self.knobs, "SKELETON")

    def test_greeting(self) -> None:
        """Whoever may read is greeted by name, and counted."""
        skeleton = self.skeleton()
        reader = self.ask(skeleton, GREET, "you")
        self.assertEqual(reader.get_string(), "good day, you")
        self.assertEqual(skeleton.greeted_count, 1)
        ad: WireAd = daemon_ad(skeleton)
        self.assertEqual(ad.integer("SkeletonGreeted"), 1)
        self.assertEqual(ad.string("Name"), "skeleton@host.example")

    def test_reconfiguration(self) -> None:
        """A new greeting is taken; one that makes no sense is not."""
        skeleton = self.skeleton(SKELETON_GREETING="hello")
        self.assertEqual(self.ask(skeleton, GREET, "a").get_string(), "hello, a")
        self.knobs["SKELETON_GREETING"] = "salve"
        self.assertTrue(skeleton.reconfigure())
        self.knobs["SKELETON_GREETING"] = "bell\x07"
        self.assertFalse(skeleton.reconfigure())
        self.assertTrue(self.logged("SKELETON_GREETING"))
        self.assertEqual(self.ask(skeleton, GREET, "a").get_string(), "salve, a")

    def test_bad_greeting(self) -> None:
        """A greeting that makes no sense shows at the start."""
        self.assertRaises(ConfigError, self.skeleton, SKELETON_GREETING="bell\x07")

    def test_shutdowns(self) -> None:
        """Both shutdowns end it."""
        for how in ("stop_gracefully", "stop_fast"):
            skeleton = self.skeleton()
            getattr(skeleton, how)()
            self.reactor.flush()
            self.reactor.advance(10)
            self.assertFalse(skeleton.running)
