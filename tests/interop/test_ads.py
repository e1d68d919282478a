"""Tests of `interop.ads`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from interop import ads
from interop.compare import parse_long


class GeneratedAdTests(SynchronousTestCase):
    """Generated ads are as large and as awkward as real ones."""

    def test_slot_ad_is_of_a_real_size(self) -> None:
        """About 180 attributes, and more than one Ethernet frame."""
        ad = ads.slot_ad("a.example", "slot2", 4000)
        self.assertGreater(len(ad), 170)
        self.assertGreater(len(ads.render_ads([ad]).encode()), 5000)

    def test_identity_replaces_the_template(self) -> None:
        """Names, addresses and the slot's number are the caller's, nowhere a mark."""
        ad = ads.slot_ad("a.example", "slot2_7", 4321, Memory="5")
        self.assertEqual(ad["Name"], '"slot2_7@a.example"')
        self.assertEqual(ad["SlotID"], "2")
        self.assertEqual(ad["Machine"], '"a.example"')
        self.assertIn("127.0.0.1:4321", ad["MyAddress"])
        self.assertEqual(ad["Memory"], "5")
        self.assertNotIn("@MACHINE@", ads.render_ads([ad]))
        self.assertNotIn("@PORT@", ads.render_ads([ad]))

    def test_templates_have_no_stamps_of_a_collector(self) -> None:
        """What a collector writes is not sent to it."""
        for ad in (
            ads.slot_ad("a"),
            ads.startd_ad("a"),
            ads.schedd_ad("a"),
            ads.master_ad("a"),
            ads.submitter_ad("u@a", "a"),
            ads.negotiator_ad("a"),
            ads.accounting_ad("u@a", "a"),
        ):
            for name in ("LastHeardFrom", "UpdatesTotal", "AuthenticatedIdentity"):
                self.assertNotIn(name, ad)

    def test_rendered_ads_read_back(self) -> None:
        """The text form loses nothing, backslashes, quotes and UTF-8 included."""
        sent = [
            ads.slot_ad("a.example", "slot1", 4001, **ads.TROUBLESOME),
            ads.schedd_ad("b.example"),
        ]
        self.assertEqual(parse_long(ads.render_ads(sent)), sent)

    def test_troublesome_attributes_are_expressions(self) -> None:
        """The real library parses each of them."""
        import classad2

        for name, text in ads.TROUBLESOME.items():
            ad = classad2.parseOne(f"{name} = {text}\n", classad2.ParserType.Old)
            self.assertIn(name, ad, text)
