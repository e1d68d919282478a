"""Tests of the log of changes: one entry per ad, and so many in all."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector.page.change_log import ChangeLog
from condor_twisted.daemons.collector.state import kinds
from tests.daemons.collector.state.kit import Pool


class ChangeLogTests(SynchronousTestCase):
    """A log over a pool."""

    def setUp(self) -> None:
        """Watch a pool."""
        self.pool = Pool()
        self.wakes = 0
        self.log = ChangeLog(self.pool.state.store, 10, self.woken)
        self.log.open("e")

    def woken(self) -> None:
        """Something changed."""
        self.wakes += 1

    def put(self, name: str) -> None:
        """A master's update."""
        values = {"MyType": "DaemonMaster", "Name": name}
        self.pool.update(Command.UPDATE_MASTER_AD, values)

    def remove(self, name: str) -> None:
        """A master's invalidation."""
        values = {"MyType": "Query", "Name": name}
        self.pool.invalidate(Command.INVALIDATE_MASTER_ADS, values)

    def read(self, position: int, most: int = 100) -> list[tuple[int, str, bool]]:
        """Number, key and presence of what is read."""
        read = self.log.read(position, None, most)
        assert read is not None
        return [(each.number, each.key, each.record is not None) for each in read[0]]

    def test_order(self) -> None:
        """Entries come in the order of the last change of each ad."""
        start = self.log.end
        for name in ("a", "b", "a", "c"):
            self.put(name)
        self.remove("b")
        self.assertEqual(
            self.read(start),
            [(start + 2, "a", True), (start + 3, "c", True), (start + 4, "b", False)],
        )
        self.assertEqual(self.wakes, 5)

    def test_portions(self) -> None:
        """Reading goes on where it stopped."""
        position = self.log.end
        for name in "abcde":
            self.put(name)
        keys: list[str] = []
        while position < self.log.end:
            read = self.log.read(position, None, 2)
            assert read is not None
            entries, position = read
            self.assertLessEqual(len(entries), 2)
            keys += [each.key for each in entries]
        self.assertEqual(keys, list("abcde"))

    def test_mnh_0_6_bounded(self) -> None:
        """The log never holds more than twice what it is to go back."""
        start = self.log.end
        for number in range(1000):
            self.put(f"m{number}")
            self.assertLess(len(self.log._places), 20)
            self.assertLess(len(self.log._latest), 20)
        self.assertIsNone(self.log.read(start, None, 100))
        self.assertEqual(len(self.read(self.log.end - 10)), 10)

    def test_wanted(self) -> None:
        """Only the wanted kinds are told, and the rest is passed over."""
        start = self.log.end
        self.put("a")
        for wanted, count in (([kinds.MASTER], 1), ([kinds.SCHEDD], 0), (["a"], 0)):
            read = self.log.read(start, frozenset(wanted), 10)
            assert read is not None
            self.assertEqual((len(read[0]), read[1]), (count, self.log.end))

    def test_positions(self) -> None:
        """Ids lead back to positions, of this log alone."""
        self.put("a")
        last = self.log.event_id(self.log.end - 1)
        self.assertEqual(self.log.position(last), self.log.end)
        self.assertEqual(self.log.position(self.log.event_id(0)), 1)
        self.assertIsNone(self.log.position(self.log.event_id(self.log.end)))
        self.log.close()
        self.assertIsNone(self.log.position(last))
        self.assertIsNone(self.log.position("-0"))
        self.log.open("f")
        self.assertIsNone(self.log.position(last))
        self.assertEqual(self.log.position("f-0"), self.log.end)

    def test_close(self) -> None:
        """A closed log watches nothing; closing twice does no harm."""
        self.assertTrue(self.log.is_open)
        self.log.close()
        self.log.close()
        self.assertFalse(self.log.is_open)
        self.assertEqual(self.pool.state.store.observers, [])

    @given(
        st.lists(
            st.one_of(
                st.tuples(st.sampled_from("pr"), st.sampled_from("abcdefghijklmno")),
                st.just(("read", "")),
            ),
            max_size=80,
        )
    )
    @settings(deadline=None, max_examples=60)
    def test_reader_knows_all(self, steps: list[tuple[str, str]]) -> None:
        """A reader that reads now and then knows the table whenever it has read."""
        self.setUp()
        position = self.log.end
        known: set[str] = set()
        table = self.pool.state.store.table(kinds.MASTER)
        for what, name in [*steps, ("read", "")]:
            if what == "p":
                self.put(name)
            elif what == "r":
                self.remove(name)
            else:
                read = self.log.read(position, None, 1000)
                if read is None:  # begin anew
                    known, position = set(table.records), self.log.end
                else:
                    entries, position = read
                    for each in entries:
                        (known.add if each.record else known.discard)(each.key)
                self.assertEqual(known, set(table.records))
