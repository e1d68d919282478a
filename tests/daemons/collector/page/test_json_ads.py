"""Tests of replies as JSON: every ad as it is, in small portions."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.wire_ad import AdValue
from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector.page import json_ads
from condor_twisted.daemons.collector.page.json_ads import AdWriter
from condor_twisted.daemons.collector.state.records import ad_header
from condor_twisted.daemons.collector.state.replies import END_OF_REPLY
from condor_twisted.daemons.collector.state.senders import Requester
from tests.daemons.collector.state.kit import Pool, ad


def reply(*ads: list[bytes]) -> bytes:
    """A reply in the clear."""
    return (
        b"".join(
            ad_header(len(lines)) + b"".join(line + b"\0" for line in lines) + b"\0\0"
            for lines in ads
        )
        + END_OF_REPLY
    )


def comma(number: int) -> bytes:
    """What separates ads."""
    return b"," if number else b""


class AdWriterTests(SynchronousTestCase):
    """The writer."""

    def write(self, *pieces: bytes) -> list[dict[str, object]]:
        """What is written, read again."""
        text = b"".join(AdWriter().write(pieces, comma))
        found: list[dict[str, object]] = json.loads(b"[" + text + b"]")
        return found

    def test_ads(self) -> None:
        """Each ad is an object, empty ones included."""
        self.assertEqual(self.write(reply()), [])
        found = self.write(reply([b"A = 1", b'B = "x"'], [], [b"A = 2"]))
        self.assertEqual(found, [{"A": 1, "B": "x"}, {}, {"A": 2}])

    def test_pieces(self) -> None:
        """A reply in several pieces is one reply."""
        one, two = reply([b"A = 1"])[:-8], reply([b"A = 2"])
        self.assertEqual(self.write(one, b"", two), [{"A": 1}, {"A": 2}])

    def test_brackets(self) -> None:
        """What goes around an ad goes around each."""
        text = AdWriter().write([reply([b"A = 1"], [])], lambda n: b"<%d" % n, b">")
        self.assertEqual(b"".join(text), b'<0{"A":1}><1{}>')

    def test_mnh_5_5_private_line(self) -> None:
        """A private line would not be written even if a reply had one."""
        lines = [b"ClaimId = 1", b"A = 1", b"_CONDOR_PRIVx = 2"]
        self.assertEqual(self.write(reply(lines, [b"ClaimId = 1"])), [{"A": 1}, {}])

    def test_same_as_the_state(self) -> None:
        """An ad of the state comes through with every attribute."""
        pool = Pool()
        values: dict[str, AdValue] = {
            "MyType": "Machine",
            "Name": "a",
            "Odd name": "x",
            "N": 2,
        }
        pool.send(Command.UPDATE_STARTD_AD, ad(values))
        plan = pool.state.plan_query(
            Command.QUERY_STARTD_ADS, ad(), Requester(), pool.now
        )
        (found,) = self.write(*plan.run(pool.state.reply_form()))
        self.assertEqual((found["Name"], found["N"]), ("a", 2))

    def test_mnh_0_1_small_portions(self) -> None:
        """However large an ad is, it is written in portions."""
        lines = [b"A%d = %d" % (n, n) for n in range(50_000)]
        portions = list(AdWriter().write([reply(lines)], comma))
        self.assertGreater(len(portions), 50)
        self.assertLess(max(map(len, portions)), 1 << 17)
        self.assertEqual(len(json.loads(b"".join(portions))), 50_000)

    def test_mnh_0_1_lists(self) -> None:
        """Ads of many long lists are written a few of these at a time."""
        lines = [b"A%d = {%s1}" % (n, b"1," * 2000) for n in range(50)]
        portions = list(AdWriter().write([reply(lines)], comma))
        self.assertGreater(len(portions), 25)

    def test_mnh_0_6_memory(self) -> None:
        """What is remembered is bounded, in number and length."""
        writer = AdWriter()
        self.patch(json_ads, "_MAX_REMEMBERED", 10)
        for number in range(100):
            lines = [b"A = %d" % number, b'B = "%s"' % (b"x" * 300)]
            list(writer.write([reply(lines)], comma))
            self.assertLessEqual(len(writer._known), 10)
        self.assertNotIn(b'B = "' + b"x" * 300 + b'"', writer._known)
