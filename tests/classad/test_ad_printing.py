"""Tests of ``condor_twisted.classad.ad_printing``.

Ads are compared with what ``condor_status`` prints of them in
``tests/tools/status/test_listing.py``.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.ad_printing import (
    json_ad,
    long_ad,
    new_ad,
    shown_names,
    xml_ad,
)
from condor_twisted.classad.wire_ad import WireAd

AD = WireAd(
    b'name = "n"\0Zero = 0\0alpha = x > 1\0Capability = "c"\0_condor_privX = 1\0'
    b'Real = 0.1\0Nothing = undefined\0Bad = error\0Inf = real("INF")\0NaN = -0.0\0'
)


class AdTests(SynchronousTestCase):
    def test_names(self) -> None:
        """Names are in order whatever their case; private ones are not shown."""
        names = ["alpha", "Bad", "Inf", "name", "NaN", "Nothing", "Real", "Zero"]
        self.assertEqual(shown_names(AD), names)
        self.assertEqual(shown_names(AD, frozenset({"zero", "no"})), ["Zero"])

    def test_long(self) -> None:
        """The long form has a line for each attribute; absent ones have none."""
        self.assertEqual(
            long_ad(AD, ["alpha", "Real", "absent"]), b"alpha = x > 1\nReal = 0.1\n"
        )

    def test_new(self) -> None:
        """The new form is one record."""
        self.assertEqual(
            new_ad(AD, ["alpha", "Real"]),
            b"[ alpha = x > 1; Real = 1.000000000000000E-01 ]",
        )

    def test_json(self) -> None:
        """JSON has its own literals, and marked strings for everything else."""
        self.assertEqual(
            json_ad(AD, ["alpha", "Bad", "Inf", "name", "Nothing", "Real"]).decode(),
            "{\n"
            '  "alpha": "\\/Expr(x > 1)\\/",\n'
            '  "Bad": "\\/Expr(error)\\/",\n'
            '  "Inf": "\\/Expr(real(\\"INF\\"))\\/",\n'
            '  "name": "n",\n'
            '  "Nothing": null,\n'
            '  "Real": 0.1\n'
            "}",
        )

    def test_json_escapes(self) -> None:
        """Control characters are escaped; bytes that are no text stay."""
        ad = WireAd(b'A = "\x01\n\\\xff"\0')
        self.assertEqual(json_ad(ad, ["A"]), b'{\n  "A": "\\u0001\\n\\\\\xff"\n}')

    def test_xml(self) -> None:
        """XML has an element for each kind of value."""
        self.assertEqual(
            xml_ad(AD, ["alpha", "Bad", "Inf", "name", "NaN", "Nothing"]).decode(),
            "<c>\n"
            '    <a n="alpha"><e>x &gt; 1</e></a>\n'
            '    <a n="Bad"><er/></a>\n'
            '    <a n="Inf"><e>real("INF")</e></a>\n'
            '    <a n="name"><s>n</s></a>\n'
            '    <a n="NaN"><r>0.0</r></a>\n'
            '    <a n="Nothing"><un/></a>\n'
            "</c>\n",
        )
