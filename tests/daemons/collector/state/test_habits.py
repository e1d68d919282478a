"""Tests of habits: what they prove of an update, and what they never let through."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.wire_ad import ExpressionText
from condor_twisted.daemons.collector.state import kinds, layout_book
from condor_twisted.daemons.collector.state.habits import (
    MAX_CHANGING,
    Shape,
    ShapeBook,
    are_plain,
    changed_keys,
)
from condor_twisted.daemons.collector.state.layouts import Layout
from condor_twisted.daemons.collector.state.private_twins import PrivateTwin
from condor_twisted.daemons.collector.state.records import AdRecord
from condor_twisted.daemons.collector.state.senders import Sender
from condor_twisted.errors import RemoteProtocolError
from condor_twisted.wire.messages import EncodedAd
from tests.daemons.collector.state.kit import NOW, Pool, message

STEADY = [
    b'MyType = "Machine"',
    b'Name = "slot1@host"',
    b'MyAddress = "<127.0.0.1:9>"',
    b"HasStartDaemonAd = true",
    b"DaemonStartTime = 100",
]


def text(*lines: bytes) -> bytes:
    """Lines with their NULs."""
    return b"".join(line + b"\0" for line in lines)


def slot(sequence: int, load: bytes = b"0.5", state: bytes = b'"Idle"') -> list[bytes]:
    """The lines of a slot's ad."""
    return [
        *STEADY,
        b"UpdateSequenceNumber = %d" % sequence,
        b"LoadAvg = " + load,
        b"Activity = " + state,
        b"Memory = 2048",
    ]


def update(lines: list[bytes], sequence: int = 1, claim: bytes = b"c1") -> bytes:
    """An update's message of these lines and a private ad."""
    private = [STEADY[0], STEADY[2], b"UpdateSequenceNumber = %d" % sequence]
    return message(
        0,
        EncodedAd(len(lines), text(*lines)),
        EncodedAd(4, text(*private), (b'ClaimId = "' + claim + b'"',)),
    )


class ShapeTests(SynchronousTestCase):
    """One ad held against another."""

    def setUp(self) -> None:
        """An ad of which two values change."""
        self.text = text(b"A = 1", b"B = x", b"C = 22", b"D = y")
        shape = ShapeBook().shape_between(self.text, (b"A = ", b"\0C = "))
        assert shape is not None
        self.shape = shape

    def both(self, payload: bytes, start: int = 0) -> tuple[object, object]:
        """What the two comparisons say."""
        return (
            self.shape.same(self.text, payload, start),
            self.shape.follow(self.text, payload, start),
        )

    def test_other_values(self) -> None:
        """Values of any width are found where everything else is the same."""
        new = text(b"A = 9", b"B = x", b"C = 77", b"D = y")
        self.assertEqual(self.both(new), ((b"9", b"77"), (b"9", b"77")))
        self.assertEqual(self.both(b"..." + new + b"..", 3)[1], (b"9", b"77"))
        longer = text(b"A = 123", b"B = x", b"C = z", b"D = y")
        self.assertEqual(self.both(longer), (None, (b"123", b"z")))

    def test_any_other_difference(self) -> None:
        """Another name, value, order, or number of lines is not the same ad."""
        for lines in (
            (b"A = 1", b"B = X", b"C = 22", b"D = y"),
            (b"A = 1", b"B = x", b"c = 22", b"D = y"),
            (b"A = 1", b"B = x", b"C = 22", b"D = yy"),
            (b"A = 1", b"B = x", b"C = 22"),
            (b"C = 22", b"B = x", b"A = 1", b"D = y"),
        ):
            self.assertEqual(self.both(text(*lines)), (None, None), lines)

    def test_mnh_1_9_what_is_no_value(self) -> None:
        """An empty value, one of blanks, or one with a NUL in it is never taken."""
        for lines in (
            (b"A = ", b"B = x", b"C = 22", b"D = y"),
            (b"A =  ", b"B = x", b"C = 22", b"D = y"),
            (b"A = 1", b"B = x", b"C = \x002", b"D = y"),
            (b"A = 1", b"B = x", b"C = 2\0", b"D = y"),
            (b"A = 1", b"B = x", b"C =  2", b"D = y"),
        ):
            self.assertEqual(self.both(text(*lines)), (None, None), lines)

    def test_cut_short(self) -> None:
        """A message that ends anywhere inside is not an ad."""
        for size in range(len(self.text)):
            self.assertEqual(self.both(self.text[:size]), (None, None))

    @settings(deadline=None, max_examples=200)
    @example(b"1\0B = x", b"2")
    @given(st.binary(max_size=12), st.binary(max_size=12))
    def test_any_values(self, first: bytes, second: bytes) -> None:
        """What is taken reads line by line as the same names with these values."""
        new = text(b"A = " + first, b"B = x", b"C = " + second, b"D = y")
        for values in (
            self.shape.same(self.text, new, 0),
            self.shape.follow(self.text, new, 0),
        ):
            if values is not None:
                self.assertEqual(values, (first, second))
                names = [line.partition(b" = ")[0] for line in new.split(b"\0")]
                self.assertEqual(names, [b"A", b"B", b"C", b"D", b""])

    def test_plain(self) -> None:
        """Literals are plain; expressions and texts with a NUL are not."""
        self.assertTrue(are_plain((b"1", b'"x"', b"true", b"-0.5")))
        for values in ((b"x + 1",), (b'"a\\"b"',), (b"1\x002",), (b"{ }", b"1")):
            self.assertFalse(are_plain(values))

    def test_mnh_1_29_shapes_are_bounded(self) -> None:
        """Only so many shapes are in use; what nobody uses makes room."""
        book = ShapeBook(max_shapes=2)
        kept = [book.shape((1, 1), (width,)) for width in (1, 2)]
        self.assertIsNone(book.shape((1, 1), (3,)))
        self.assertIs(book.shape((1, 1), (2,)), kept[1])
        kept.clear()
        self.assertIsInstance(book.shape((1, 1), (3,)), Shape)


class HabitTests(SynchronousTestCase):
    """What changes in the ads of a layout."""

    def setUp(self) -> None:
        """A layout."""
        self.layout = Layout(slot(1))

    def test_growing(self) -> None:
        """A habit learns what changed, and has it in the layout's order."""
        changed = changed_keys(
            self.layout, text(*slot(1)), text(*slot(2, b"0.7", b'"Busy"'))
        )
        self.layout.changes.add(reversed(changed))
        habit = self.layout.habit
        assert habit is not None
        self.assertEqual(
            habit.changing, (b"updatesequencenumber", b"loadavg", b"activity")
        )
        self.assertEqual(habit.sequence_at, 0)
        self.assertIs(self.layout.habit, habit)

    def test_of_the_same_names(self) -> None:
        """A layout that captures other values has the same habits."""
        other = self.layout.for_wanted(frozenset((b"loadavg", b"memory")))
        self.layout.changes.add((b"loadavg",))
        self.assertTrue(other.is_like(self.layout))
        self.assertFalse(other.is_like(Layout(slot(1))))
        habit = other.habit
        assert habit is not None
        self.assertEqual(habit.changing, (b"loadavg",))
        self.assertEqual(habit.wanted, ((other.at_hand[b"loadavg"], 0),))

    def test_what_never_changes(self) -> None:
        """An ad whose name or address changes does not widen the habit."""
        changes = self.layout.changes
        changes.add((b"loadavg",))
        changes.add((b"name", b"memory"))
        self.assertEqual(changes.keys, {b"loadavg"})

    def test_too_much(self) -> None:
        """Where nearly everything changes there is no habit, and none comes back."""
        layout = Layout([b"A%d = 1" % number for number in range(MAX_CHANGING + 1)])
        layout.changes.add(layout.places)
        self.assertIsNone(layout.habit)
        layout.changes.add((b"a1",))
        self.assertIsNone(layout.habit)


class SlotHabitTests(SynchronousTestCase):
    """Slots that are updated again and again."""

    def setUp(self) -> None:
        """A pool that knows a slot and its habits."""
        self.pool = Pool()
        for sequence in range(1, 5):
            lines = slot(sequence, b"0.%d" % sequence)
            lines[1] = b'Name = "slot2@host"'
            self.send(lines, sequence)
        self.pool.invalidate(13, {"Name": "slot2@host"})
        for sequence in range(1, 6):
            self.send(slot(sequence, b"0.%d" % sequence), sequence)

    def send(self, lines: list[bytes], sequence: int, claim: bytes = b"c1") -> AdRecord:
        """Send an update; the record that is stored for it."""
        accepted = self.pool.state.receive_clear(
            0, update(lines, sequence, claim), 8, Sender("u@d", "FS", "u"), NOW
        )
        self.assertIsNone(accepted.problem)
        return accepted.record

    def test_followed(self) -> None:
        """The usual update shares its shape; the answer has its values."""
        before = self.send(slot(6, b"0.6"), 6)
        after = self.send(slot(7, b"0.7"), 7)
        self.assertIsNotNone(after.shape)
        self.assertIs(after.shape, before.shape)
        (lines,) = self.pool.ask(5)
        self.assertIn("UpdateSequenceNumber = 7", lines)
        self.assertIn("LoadAvg = 0.7", lines)
        self.assertIn("UpdatesTotal = 7", lines)
        self.assertIn("UpdatesLost = 0", lines)

    def test_other_width(self) -> None:
        """Values of another width are followed as well."""
        record = self.send(slot(10, b"12.25"), 10)
        self.assertIsNotNone(record.shape)
        self.assertEqual(record.string("Name"), "slot1@host")
        self.assertEqual(record.value("LoadAvg"), 12.25)

    def test_news(self) -> None:
        """What has never changed before is read in the usual way, and learned."""
        layout = self.send(slot(6, b"0.6"), 6).layout
        assert layout is not None
        self.assertIsNotNone(layout.habit)
        self.send(slot(7, b"0.7", b'"Busy"'), 7)
        assert layout.habit is not None
        self.assertIn(b"activity", layout.habit.changing)
        record = self.send(slot(8, b"0.8", b'"Idle"'), 8)
        self.assertEqual(record.string("Activity"), "Idle")
        self.assertIs(record.habit, layout.habit)

    def test_mnh_5_5_private_lines(self) -> None:
        """An attribute that turns private, or is there twice, is never followed."""
        for name in (b"ClaimId", b"Capability", b"_condor_privX", b"memory"):
            lines = [*slot(6), name + b" = 1"]
            self.send(lines, 6)
            (found,) = self.pool.ask(5)
            names = [line.partition(" = ")[0].lower() for line in found]
            self.assertEqual(len(names), len(set(names)))
            self.assertNotIn("claimid", names)
            self.assertNotIn("capability", names)
            self.assertNotIn("_condor_privx", names)

    def test_mnh_0_1_broken_update(self) -> None:
        """A broken update of a slot that is known well leaves the ad as it was."""
        good = slot(6, b"0.6")
        for lines in (
            [*good[:-1], b"Memory"],
            [*good[:-1], b"Memory ="],
            [*good[:6], b"LoadAvg = ", *good[7:]],
            [*good[:6], b"LoadAvg", *good[7:]],
            [*good[:6], b"LoadAvg =   ", *good[7:]],
        ):
            with self.assertRaises(RemoteProtocolError):
                self.send(lines, 6)
            (found,) = self.pool.ask(5)
            self.assertIn("UpdateSequenceNumber = 5", found)
        whole = update(good, 6)
        for size in range(16, len(whole) - 160):
            with self.assertRaises(RemoteProtocolError):
                self.pool.state.receive_clear(0, whole[:size], 8, Sender(), NOW)

    def test_expressions_that_change(self) -> None:
        """A changing value that does not parse is not passed on."""
        self.pool.ask(5)
        self.send(slot(6, b"0.6"), 6)
        self.assertTrue(self.pool.state.store.table(kinds.SLOT).records)
        self.send(slot(7, b"((x"), 7)
        (found,) = self.pool.ask(5)
        self.assertFalse([line for line in found if line.startswith("LoadAvg")])
        self.send(slot(8, b"1 + 1"), 8)
        (found,) = self.pool.ask(5)
        self.assertIn("LoadAvg = 1 + 1", found)

    def test_checked_once(self) -> None:
        """What was found right need not be looked at again in the next update."""
        self.pool.ask(5)
        for sequence, load, is_plain in ((6, b"0.6", True), (7, b"a.b", False)):
            record = self.send(slot(sequence, load), sequence)
            self.assertFalse(record.is_checked)
            record.catch_up()
            self.assertEqual(record.is_checked, is_plain)

    def test_on_an_encrypted_stream(self) -> None:
        """Ads that come cut out are followed as well, their private ones too."""
        for sequence in range(6, 14):
            lines = slot(sequence, b"0.%d" % sequence)
            private = [STEADY[0], STEADY[2], b"UpdateSequenceNumber = %d" % sequence]
            ads = [
                EncodedAd(len(lines), text(*lines)),
                EncodedAd(4, text(*private, b'ClaimId = "e%d"' % sequence)),
            ]
            accepted = self.pool.state.receive(0, ads, Sender("u@d", "FS", "u"), NOW)
            if sequence > 11:
                self.assertIsNotNone(accepted.record.shape)
            (found,) = self.pool.ask(5)
            self.assertIn(f"UpdateSequenceNumber = {sequence}", found)
            (found,) = self.pool.ask(10)
            self.assertIn(f'ZKMClaimId = "e{sequence}"', found)
            self.assertIn('Name = "slot1@host"', found)

    def test_columns(self) -> None:
        """A constraint sees what changed, and what the collector itself set."""
        for sequence in range(6, 9):
            self.send(slot(sequence, b"0.%d" % sequence), sequence)
            for constraint, hits in (
                (f"UpdateSequenceNumber == {sequence}", 1),
                (f"LoadAvg * 10 > {sequence} - 0.5", 1),
                (f"UpdatesTotal == {sequence}", 1),
                ("Memory == 2048", 1),
                ("Memory == 2049", 0),
            ):
                found = self.pool.ask(5, {"Requirements": ExpressionText(constraint)})
                self.assertEqual(len(found), hits, constraint)
        lines = slot(9, b"0.9")
        lines[-1] = b"Memory = 4096"
        self.send(lines, 9)
        found = self.pool.ask(5, {"Requirements": ExpressionText("Memory == 4096")})
        self.assertEqual(len(found), 1)

    def test_other_wanted_values(self) -> None:
        """What queries begin to ask for is right before and after it is captured."""
        self.patch(layout_book, "_ASKED_OFTEN", 1)
        self.patch(layout_book, "_INCOME_OF_KNOWN", 1.0)
        for sequence in range(6, 12):
            self.send(slot(sequence, b"0.%d" % sequence), sequence)
            (found,) = self.pool.ask(5, {"Projection": "Memory LoadAvg Name Activity"})
            self.assertEqual(
                found,
                [
                    'Activity = "Idle"',
                    f"LoadAvg = 0.{sequence}",
                    "Memory = 2048",
                    'Name = "slot1@host"',
                ],
            )
        record = self.pool.state.store.table(kinds.SLOT).records["slot1@host"]
        self.assertTrue(record.values)

    def test_projections_of_what_stays(self) -> None:
        """What changes is looked up only for whom it concerns; all get what is."""
        self.patch(layout_book, "_ASKED_OFTEN", 1)
        self.patch(layout_book, "_INCOME_OF_KNOWN", 1.0)
        asked = {"Projection": "Memory Name LastHeardFrom"}
        for sequence in range(6, 12):
            record = self.send(slot(sequence, b"0.%d" % sequence), sequence)
            (found,) = self.pool.ask(5, asked)
            self.assertEqual(
                found,
                [f"LastHeardFrom = {NOW}", "Memory = 2048", 'Name = "slot1@host"'],
            )
        self.assertTrue(record.is_behind)
        (found,) = self.pool.ask(5, {"Projection": "Name LoadAvg"})
        self.assertEqual(found, ["LoadAvg = 0.11", 'Name = "slot1@host"'])
        lines = slot(12, b"0.12")
        lines[-1] = b"Memory = 4096"
        self.send(lines, 12)
        (found,) = self.pool.ask(5, asked)
        self.assertIn("Memory = 4096", found)

    def test_private_twin(self) -> None:
        """The private ad has its name, claim and number, and nobody else's eyes."""
        self.send(slot(6, b"0.6"), 6)
        self.send(slot(7, b"0.7"), 7)
        twin = self.pool.state.store.table(kinds.SLOT_PRIVATE).records["slot1@host"]
        self.assertIsInstance(twin, PrivateTwin)
        (found,) = self.pool.ask(10)
        self.assertIn('Name = "slot1@host"', found)
        self.assertIn('ZKMClaimId = "c1"', found)
        self.assertIn("UpdateSequenceNumber = 7", found)
        self.assertNotIn("c1", repr(twin))
        self.send(slot(8, b"0.8"), 8, b"another")
        (found,) = self.pool.ask(10)
        self.assertIn('ZKMClaimId = "another"', found)

    def test_twin_on_either_stream(self) -> None:
        """A private ad that came encrypted is kept as one in the clear is."""
        twins = self.pool.state.store.table(kinds.SLOT_PRIVATE).records
        for sequence in range(6, 20):
            lines = slot(sequence, b"0.6")
            private = [STEADY[0], STEADY[2], b"UpdateSequenceNumber = %d" % sequence]
            ads = [
                EncodedAd(len(lines), text(*lines)),
                EncodedAd(4, text(*private, b'ClaimId = "c1"')),
            ]
            self.pool.state.receive(0, ads, Sender("u@d", "FS", "u"), NOW)
        encrypted = twins["slot1@host"]
        assert isinstance(encrypted, PrivateTwin)
        self.send(slot(19, b"0.6"), 19)
        clear = twins["slot1@host"]
        assert isinstance(clear, PrivateTwin)
        self.assertIsNot(clear, encrypted)
        self.assertEqual(clear.encoded, encrypted.encoded)
        self.assertIs(clear.shape, encrypted.shape)

    def test_twin_goes_with_its_slot(self) -> None:
        """An invalidation takes a private ad that nobody has read."""
        self.send(slot(6, b"0.6"), 6)
        done = self.pool.invalidate(13, {"Name": "slot1@host"})
        self.assertEqual((done.removed, done.removed_private), (1, 1))
        self.assertEqual(self.pool.ask(10), [])
        self.assertEqual(self.pool.state.store.stored_bytes, 0)
