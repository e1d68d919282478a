"""Tests of ``condor_twisted.classad.ad_kinds``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.ad_kinds import ad_kind, invalidation_ad, update_command
from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.constants.commands import Command
from condor_twisted.errors import LocalProtocolError


class KindTests(SynchronousTestCase):
    def test_names(self) -> None:
        """Kinds have HTCondor's names, and those of its daemons, in any case."""
        for name, expected in (
            ("Machine", "Machine"),
            ("slots", "Machine"),
            ("Startd", "Machine"),
            ("startd", "Machine"),
            ("StartD", "StartD"),
            ("startdaemon", "StartD"),
            ("SCHEDD", "Scheduler"),
            ("master", "DaemonMaster"),
            ("Submittor", "Submitter"),
        ):
            self.assertEqual(ad_kind(name).name, expected)

    def test_generic_kinds(self) -> None:
        """Any other name is a generic table, known ones in their spelling."""
        self.assertEqual(ad_kind("defrag").name, "Defrag")
        self.assertEqual(ad_kind("Frob").name, "Frob")
        self.assertEqual(ad_kind("Frob").query, Command.QUERY_GENERIC_ADS)
        self.assertEqual(ad_kind("Frob").update, Command.UPDATE_AD_GENERIC)
        self.assertRaises(LocalProtocolError, ad_kind, "")


class UpdateTests(SynchronousTestCase):
    def test_command_of_an_ad(self) -> None:
        """An ad's type says which command tells of it."""
        for my_type, command in (
            ("Machine", Command.UPDATE_STARTD_AD),
            ("StartD", Command.UPDATE_STARTD_AD),
            ("Scheduler", Command.UPDATE_SCHEDD_AD),
            ("Frob", Command.UPDATE_AD_GENERIC),
        ):
            ad = WireAd.from_pairs({"MyType": my_type})
            self.assertEqual(update_command(ad), command)
        for pairs in ({}, {"MyType": "Any"}):
            self.assertRaises(
                LocalProtocolError, update_command, WireAd.from_pairs(pairs)
            )

    def test_invalidation(self) -> None:
        """Ads are taken back by name or by constraint, and not by neither."""
        command, ad = invalidation_ad("Frob", constraint="A == 1")
        self.assertEqual(command, Command.INVALIDATE_ADS_GENERIC)
        self.assertEqual(ad.string("TargetType"), "Frob")
        self.assertEqual(ad.expression("Requirements"), "A == 1")
        self.assertNotIn("Name", ad)
        self.assertRaises(LocalProtocolError, invalidation_ad, "Frob")
        self.assertRaises(LocalProtocolError, invalidation_ad, "Any", "x")
