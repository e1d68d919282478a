"""Tests of layouts: what they prove, and that they never change an answer."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.wire_ad import AdValue
from condor_twisted.daemons.collector.state import layout_book
from condor_twisted.daemons.collector.state.intake import Intake
from condor_twisted.daemons.collector.state.layout_book import LayoutBook
from condor_twisted.daemons.collector.state.layouts import Layout, names_of
from condor_twisted.daemons.collector.state.senders import Sender
from condor_twisted.errors import RemoteProtocolError
from condor_twisted.wire.messages import EncodedAd, MessageReader
from tests.daemons.collector.state.kit import NOW, Pool, message

LINES = [b'Name = "n"', b"A = 1", b"B =  -2", b'MyAddress = "<a>"', b"C = x + 1"]


def _payload(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\0" for line in lines)


def _eager_book() -> LayoutBook:
    """A book that learns at first sight, as long as it has room."""
    return LayoutBook(sightings=1, savings=1)


class LayoutTests(SynchronousTestCase):
    """One sequence of names."""

    def setUp(self) -> None:
        """A layout of five names."""
        self.layout = Layout(LINES)

    def test_values(self) -> None:
        """Each value is found, whatever the lengths of the others."""
        for name in (b"n", b"n" * 500, b""):
            lines = [b'Name = "' + name + b'"', *LINES[1:]]
            body = _payload(lines)
            self.assertIsNotNone(self.layout.match(body))
            for key, value in (
                (b"name", b'"' + name + b'"'),
                (b"a", b"1"),
                (b"b", b" -2"),
                (b"c", b"x + 1"),
                (b"myaddress", b'"<a>"'),
            ):
                self.assertEqual(self.layout.raw(body, key), value)
            self.assertIsNone(self.layout.raw(body, b"ame"))

    def test_captured_blanks(self) -> None:
        """A captured value begins where a value that is searched for begins."""
        layout = Layout([b"MyType =  x", b'Name = "n"', b"A = 1"])
        for value in (b" x", b"  x", b"x"):
            body = _payload([b"MyType = " + value, b'Name = "n"', b"A = 1"])
            found = layout.match(body)
            assert found is not None
            self.assertEqual(found[layout.group_of[b"mytype"]], value)
            self.assertEqual(layout.raw(body, b"mytype"), value)

    def test_what_does_not_match(self) -> None:
        """Another name, order, spelling, spacing or number of lines does not match."""
        for lines in (
            LINES[:-1],
            [*LINES[:1], *LINES[2:], LINES[1]],
            [b'name = "n"', *LINES[1:]],
            [b'Name  = "n"', *LINES[1:]],
            [b'Name ="n"', *LINES[1:]],
            [b" Name = 1", *LINES[1:]],
            [b"Name = ", *LINES[1:]],
            [b"Name =   ", *LINES[1:]],
            [b"", *LINES[1:]],
        ):
            found = self.layout.match(_payload(lines))
            self.assertIsNone(found, lines)

    def test_secrets(self) -> None:
        """Secret lines are cut out; what remains are the public ones."""
        layout = Layout([LINES[0], b"ZKM", b"ClaimId = 1", LINES[1], b"ZKM", b"X = 2"])
        payload = _payload(
            [LINES[0], b"ZKM", b'ClaimId = "s"', b"A = 7", b"ZKM", b"X = {  }"]
        )
        found = layout.match(payload)
        assert found is not None
        self.assertEqual(
            layout.cut(payload, found),
            (b'Name = "n"\0A = 7\0', (b'ClaimId = "s"', b"X = {  }")),
        )
        self.assertEqual((layout.count, layout.public_count), (4, 2))

    def test_private_lines_without_marker(self) -> None:
        """Private lines are cut out also where they came as any other."""
        layout = Layout([*LINES, b"claimid = 1", b"_condor_PrivX = 2", b"Z = 1"])
        payload = _payload([*LINES, b'claimid = "s"', b"_condor_PrivX = 3", b"Z = 2"])
        found = layout.match(payload)
        assert found is not None
        body, private = layout.cut(payload, found)
        self.assertEqual(private, (b'claimid = "s"', b"_condor_PrivX = 3"))
        self.assertEqual(body, _payload([*LINES, b"Z = 2"]))
        self.assertEqual(layout.raw(body, b"z"), b"2")
        self.assertIsNone(layout.raw(body, b"claimid"))


class BookTests(SynchronousTestCase):
    """What becomes a layout."""

    def test_learning_takes_several_sightings(self) -> None:
        """A sequence is learnt when it has come often enough."""
        book = LayoutBook(sightings=3)
        for expected in (0, 0, 1):
            book.note(LINES)
            self.assertEqual(len(book), expected)
        self.assertIsNotNone(book.find(_payload(LINES), 0, 5))
        self.assertIsNone(book.find(_payload(LINES), 0, 4))
        self.assertIsNone(book.find(_payload(LINES), 1, 5))

    def test_what_is_not_learnt(self) -> None:
        """Doubled and odd names, and the collector's, are never a layout's."""
        for odd in (
            b"a = 1",
            b"A B = 1",
            b"LastHeardFrom = 1",
            b"updatestotal = 1",
            b"X=1",
            b"nothing",
            b"X = ",
            b"ZKM",
        ):
            book = _eager_book()
            book.note([*LINES, odd])
            self.assertEqual(len(book), 0, odd)
        book = _eager_book()
        book.note([*LINES, b"ZKM", b"Public = 1"])
        self.assertEqual(len(book), 0, "a secret of a public name becomes public")
        book.note([*LINES, b"ClaimId = 1", b"ZKM", b"claimid = 2"])
        self.assertEqual(len(book), 0, "of two private lines one counts")
        book.note([b"ZKM = 1", b"ClaimId = 2", *LINES])
        payload = _payload([b"ZKM = 1", b"ClaimId = 2", *LINES])
        found = book.find(payload, 0, 7)
        assert found is not None
        self.assertEqual(
            found[0].cut(payload, found[1]),
            (_payload([b"ZKM = 1", *LINES]), (b"ClaimId = 2",)),
            "an attribute ZKM is no marker",
        )

    def test_bounds(self) -> None:
        """There are never more layouts than allowed, and none of absurd size."""
        book = LayoutBook(max_layouts=3, sightings=1, savings=1)
        for number in range(10):
            book.note([*LINES, b"N%d = 1" % number])
        self.assertEqual(len(book), 3)
        book = _eager_book()
        book.note(LINES[:2])
        book.note([b"N%d = 1" % number for number in range(601)])
        book.note([b"N%0400d = 1" % number for number in range(50)])
        self.assertEqual(len(book), 0)

    def test_learning_is_rationed(self) -> None:
        """Ever new sequences cannot make us learn without end."""
        book = LayoutBook(sightings=1, savings=24)
        for number in range(100):
            book.note([*LINES, b"N%d = 1" % number])
        self.assertLess(len(book), 40)

    def test_the_last_one_used_is_tried_first(self) -> None:
        """Of several layouts with one number of lines, each is found again."""
        book = _eager_book()
        ads = [[*LINES, b"N%d = 1" % number] for number in range(4)]
        for lines in ads:
            book.note(lines)
        for lines in (ads[0], ads[3], ads[0], ads[1]):
            found = book.find(_payload(lines), 0, 6)
            assert found is not None
            self.assertEqual(found[0].raw(_payload(lines), b"c"), b"x + 1")

    def test_mnh_1_9_long_lines_are_left_to_the_exact_reader(self) -> None:
        """A line beyond the limit is no layout's business."""
        book = _eager_book()
        book.note(LINES)
        lines = [*LINES[:-1], b"C = " + b"1" * (1 << 20)]
        self.assertIsNone(book.find(_payload(lines), 0, 5))

    def test_names(self) -> None:
        """The names of an ad's strings, with secrets told apart."""
        self.assertEqual(names_of([b"A = 1", b"ZKM", b"B = 2"]), (b"A", b"ZKM\0", b"B"))
        self.assertIsNone(names_of([b"A=1"]))


_NAMES = st.sampled_from(
    b"Name Machine MyAddress A a B Long_Name_9 ClaimId _condor_privX LastHeardFrom "
    b"UpdatesTotal MyType SlotID".split()
)
_SEPARATORS = st.sampled_from([b" = "] * 6 + [b"=", b" =", b"= ", b"  =  "])
_VALUES = st.sampled_from(
    b'1;"x";"Machine"; -3;((;A + 1;true;"<1.2.3.4:5>";017;'
    b'foo bar;"a\\"b";{  };undefined'.split(b";")
)
_LINES = st.builds(
    lambda name, sep, value: name + sep + value, _NAMES, _SEPARATORS, _VALUES
)
_USUAL = [
    b'MyType = "Machine"',
    b'Name = "s"',
    b'MyAddress = "<1.2.3.4:5>"',
    b"HasStartDaemonAd = true",
    b"DaemonStartTime = 5",
]
_NUMBERS = st.integers(0, 5)


class DifferenceTests(SynchronousTestCase):
    """With layouts and without, everything comes out the same."""

    def setUp(self) -> None:
        """What is asked for is to be at hand soon."""
        self.patch(layout_book, "_ASKED_OFTEN", 1)
        self.patch(layout_book, "_INCOME_OF_KNOWN", 1.0)

    def _pools(self) -> tuple[Pool, Pool]:
        with_layouts, without = Pool(), Pool()
        for pool, book in (
            (with_layouts, _eager_book()),
            (without, LayoutBook(max_layouts=0, sightings=1 << 60)),
        ):
            intake = Intake(book)
            updates = pool.state._updates
            updates._intake = intake
            updates._slots._intake = intake
        return with_layouts, without

    def _send(self, pool: Pool, payload: bytes) -> str:
        try:
            accepted = pool.state.receive_clear(
                0, payload, 8, Sender("u@d", "FS", "u"), NOW
            )
        except RemoteProtocolError as error:
            return type(error).__name__
        return f"{accepted.record.key} {accepted.is_shed} {accepted.problem}"

    def _send_encoded(self, pool: Pool, payload: bytes) -> str:
        """The same, as ads of an encrypted stream come."""
        try:
            reader = MessageReader(payload, 8)
            ads = [reader.get_ad()]
            if not reader.at_end():
                ads.append(reader.get_ad())
            accepted = pool.state.receive(0, ads, Sender("u@d", "FS", "u"), NOW)
        except RemoteProtocolError as error:
            return type(error).__name__
        return f"{accepted.record.key} {accepted.is_shed} {accepted.problem}"

    def _compare(self, payloads: list[bytes]) -> None:
        self._compare_by(self._send, payloads)
        self._compare_by(self._send_encoded, payloads)

    def _compare_by(
        self, send: Callable[[Pool, bytes], str], payloads: list[bytes]
    ) -> None:
        quick, exact = self._pools()
        for payload in payloads:
            self.assertEqual(send(quick, payload), send(exact, payload))
            for command in (5, 10):
                found = [
                    [sorted(lines) for lines in pool.ask(command)]
                    for pool in (quick, exact)
                ]
                self.assertEqual(*found)
            for names in ("name A machine lastheardfrom", "Name A LastHeardFrom"):
                asked: dict[str, AdValue] = {"Projection": names}
                self.assertEqual(quick.ask(5, asked), exact.ask(5, asked))
        for pool in (quick, exact):
            store = pool.state.store
            sizes = [
                record.size_bytes
                for table in store.all_tables()
                for record in table.records.values()
            ]
            self.assertEqual(store.stored_bytes, sum(sizes))

    @settings(deadline=None, max_examples=60)
    @given(st.lists(_LINES, max_size=8), st.lists(_LINES, max_size=6))
    def test_odd_ads(self, public: list[bytes], private: list[bytes]) -> None:
        """Whatever lines an ad has, and however often it comes."""
        lines = [*_USUAL, *public]
        ads = (
            EncodedAd(len(lines), _payload(lines)),
            EncodedAd(len(private), _payload(private)),
        )
        self._compare([message(0, *ads)] * 3)

    @settings(deadline=None, max_examples=40)
    @given(st.lists(st.tuples(_NUMBERS, _NUMBERS, st.booleans()), max_size=6))
    def test_usual_ads(self, updates: list[tuple[int, int, bool]]) -> None:
        """The usual slot updates, with their sequence numbers and private ads."""
        payloads: list[bytes] = []
        for number, began, has_private in [(1, 1, True)] * 3 + updates:
            lines = [
                *_USUAL[:-1],
                b"DaemonStartTime = %d" % began,
                b"UpdateSequenceNumber = %d" % number,
                b"A = %d" % number,
            ]
            public = EncodedAd(len(lines), _payload(lines))
            private = EncodedAd(
                5,
                _payload([_USUAL[0], _USUAL[2], b"NumDynamicSlots = 0", b"X = 1"]),
                (b'ClaimId = "c%d"' % number,),
            )
            if number % 2:
                line = b'ClaimId = "c%d"\0' % number
                private = EncodedAd(5, private.body + line)
            payloads.append(message(0, public, *([private] if has_private else [])))
        self._compare(payloads)

    @settings(deadline=None, max_examples=100)
    @given(st.binary(max_size=200), st.integers(0, 60))
    def test_mnh_1_10_any_bytes(self, junk: bytes, at: int) -> None:
        """Bytes that are no ad raise what is documented, and nothing else."""
        quick, exact = self._pools()
        good = message(0, EncodedAd(len(_USUAL), _payload(_USUAL)))
        for pool in (quick, exact):
            for payload in (good, good, good[:at] + junk, good[:at] + junk + good[at:]):
                self._send(pool, payload)
