"""Tests of ``condor_twisted.client.queries``."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.client import queries
from condor_twisted.client.queries import (
    AdAssembler,
    Query,
    locate_query,
    make_query,
    read_ads,
)
from condor_twisted.constants.commands import Command
from condor_twisted.errors import (
    LimitExceeded,
    LocalProtocolError,
    MalformedMessage,
    RemoteProtocolError,
    TrailingData,
)
from condor_twisted.wire.messages import MessageReader, MessageWriter

VECTORS = Path(__file__).parents[1] / "vectors" / "status_queries.json"


def message_of(query: Query) -> str:
    """A query's message, in hexadecimal."""
    writer = MessageWriter()
    writer.put_int(query.command)
    writer.put_ad(query.ad.body)
    return writer.end_of_message().hex()


class QueryTests(SynchronousTestCase):
    def test_startd_ads_are_a_query_for_several(self) -> None:
        """Daemon ads of startds are asked for with the command for several kinds."""
        query = make_query("StartD")
        self.assertEqual(query.command, Command.QUERY_MULTIPLE_ADS)
        self.assertEqual(query.ad.string("TargetType"), "StartD")
        self.assertNotIn("Requirements", query.ad)

    def test_private_slots(self) -> None:
        """Private ads have their own command, alone and among others."""
        query = make_query("MachinePrivate")
        self.assertEqual(query.command, Command.QUERY_STARTD_PVT_ADS)
        self.assertEqual(query.ad.string("TargetType"), "Machine")
        query = make_query(["Machine", "MachinePrivate"])
        self.assertEqual(query.command, Command.QUERY_MULTIPLE_PVT_ADS)

    def test_extras(self) -> None:
        """Private attributes and further attributes can be asked for."""
        query = make_query("Any", private=True, extra={"STATISTICS_TO_PUBLISH": "DC:2"})
        self.assertIs(query.ad.boolean("SendPrivateAttributes"), True)
        self.assertEqual(query.ad.string("STATISTICS_TO_PUBLISH"), "DC:2")

    def test_no_limit(self) -> None:
        """A limit of nothing is no limit."""
        for limit in (None, 0, -1):
            self.assertNotIn("LimitResults", make_query(limit=limit).ad)

    def test_no_kind(self) -> None:
        """A query needs a kind."""
        self.assertRaises(LocalProtocolError, make_query, [])

    def test_locating_as_the_real_tools_do(self) -> None:
        """A look-up is byte for byte what HTCondor's tools send."""
        recorded = json.loads(VECTORS.read_text())["locate"]
        self.assertGreater(len(recorded), 2)
        for each in recorded:
            query = locate_query(each["daemon"], each["name"])
            self.assertEqual(message_of(query), each["message"], each["command"])

    def test_locating_any(self) -> None:
        """Without a name any daemon is found."""
        query = locate_query("Negotiator", None)
        self.assertEqual(query.ad.expression("Requirements"), "true")

    def test_quotes_in_names(self) -> None:
        """A quote in a name does not end the string."""
        query = locate_query("Schedd", 'a"b')
        self.assertEqual(query.ad.expression("Requirements"), '((Name == "a\\"b"))')


def answer_of(ads: list[WireAd], *, encrypted: bool = False) -> bytes:
    """An answer with these ads."""
    writer = MessageWriter(encrypted)
    for ad in ads:
        writer.put_int(1)
        writer.put_ad(ad.body)
    writer.put_int(0)
    return writer.end_of_message()


ADS = [
    WireAd.from_pairs({"Name": "a", "Value": 1}),
    WireAd(),
    WireAd.from_pairs({"Name": "b" * 3000, "Text": "x" * 5000}),
]


class AnswerTests(SynchronousTestCase):
    def test_whole(self) -> None:
        """A whole answer is read at once."""
        self.assertEqual(read_ads(MessageReader(answer_of(ADS))), ADS)
        self.assertRaises(TrailingData, read_ads, MessageReader(answer_of(ADS) + b"x"))

    def test_every_cut(self) -> None:
        """Wherever an answer is cut in two, its ads are the same."""
        answer = answer_of(ADS[:2])
        for cut in range(1, len(answer)):
            assembler = AdAssembler(False)
            found = assembler.feed(answer[:cut], False)
            self.assertFalse(assembler.finished)
            found += assembler.feed(answer[cut:], True)
            self.assertEqual(found, ADS[:2])
            self.assertTrue(assembler.finished)

    @settings(deadline=None, max_examples=40)
    @given(st.lists(st.integers(1, 900), min_size=1), st.booleans())
    def test_any_pieces(self, sizes: list[int], encrypted: bool) -> None:
        """In pieces of any size the ads are the same, encrypted ones too."""
        answer = answer_of(ADS, encrypted=encrypted)
        assembler = AdAssembler(encrypted)
        found: list[WireAd] = []
        index = 0
        while answer:
            size = sizes[index % len(sizes)]
            piece, answer = answer[:size], answer[size:]
            found += assembler.feed(piece, not answer)
            index += 1
        self.assertEqual(found, ADS)
        self.assertTrue(assembler.finished)

    def test_ads_come_early(self) -> None:
        """An ad is there as soon as it is complete."""
        first = answer_of(ADS[:1])[:-8]
        self.assertEqual(AdAssembler(False).feed(first, False), ADS[:1])

    def test_truncation(self) -> None:
        """An answer that ends too early is malformed, wherever it ends."""
        answer = answer_of(ADS[:2])
        for length in range(1, len(answer)):
            assembler = AdAssembler(False)
            self.assertRaises(
                RemoteProtocolError, assembler.feed, answer[:length], True
            )

    def test_more_behind_the_end(self) -> None:
        """Nothing may follow the end of an answer."""
        answer = answer_of(ADS[:1])
        self.assertRaises(TrailingData, AdAssembler(False).feed, answer + b"x", True)
        assembler = AdAssembler(False)
        self.assertRaises(MalformedMessage, assembler.feed, answer, False)

    def test_mnh_an_ad_that_never_ends(self) -> None:
        """An ad that is longer than any ad may be is refused while it arrives."""
        self.patch(queries, "MAX_AD_BYTES", 10_000)
        assembler = AdAssembler(False)
        begin = (1).to_bytes(8, "big") + (2).to_bytes(8, "big") + b"A = "
        assembler.feed(begin, False)
        with self.assertRaises(LimitExceeded):
            for _ in range(20):
                assembler.feed(b"x" * 1000, False)

    def test_mnh_an_ad_in_tiny_pieces(self) -> None:
        """An ad in many pieces is tried a few times only."""
        tried: list[int] = []
        real = MessageReader

        def counting(payload: bytes, *, encrypted: bool) -> MessageReader:
            tried.append(len(payload))
            return real(payload, encrypted=encrypted)

        self.patch(queries, "MessageReader", counting)
        answer = answer_of([WireAd.from_pairs({"Text": "x" * 200_000})])
        assembler = AdAssembler(False)
        for start in range(0, len(answer), 100):
            assembler.feed(answer[start : start + 100], start + 100 >= len(answer))
        self.assertTrue(assembler.finished)
        self.assertLess(len(tried), 30)
