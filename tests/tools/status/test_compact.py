"""Tests of ``condor_twisted.tools.status.compact``."""

from __future__ import annotations

from typing import Any

from condor_twisted.classad.wire_ad import ExpressionText
from condor_twisted.tools.status.compact import (
    CompactRow,
    fold_rows,
    machine_key,
    with_children,
)
from condor_twisted.tools.status.layout import Compact
from condor_twisted.tools.status.print_mask import RenderedRow
from tests.tools.status.kit import StatusTestCase, row_of

#: Machine, slots, activity, free processors, free memory, starts, largest slot.
COMPACT = Compact(
    slots=1, activity=2, free_cpus=3, free_memory=4, job_starts=5, largest_slot=6
)


def slot(key: str, *values: Any, **ad: Any) -> CompactRow:
    """A slot with rendered values."""
    return CompactRow(
        key, row_of(**ad), RenderedRow(list(values), [True] * len(values))
    )


def static(key: str, state: str, activity: str, cpus: int, memory: float) -> CompactRow:
    """A static slot."""
    return slot(
        key, "m", 0, activity, cpus, memory, 0.5, None, State=state, Name="slot1@m"
    )


class KeyTests(StatusTestCase):
    def test_keys(self) -> None:
        """Machine and slot type are joined; what is missing leaves no trace."""
        for ad, key in (
            ({"Machine": "m", "SlotTypeId": -2}, "m:2"),
            ({"Machine": "m"}, "m"),
            ({"SlotTypeId": 3}, "3"),
            ({}, "undefined"),
            ({"Machine": ExpressionText("error")}, "error"),
            ({"Machine": True, "SlotTypeId": "x"}, "true:x"),
        ):
            self.assertEqual(machine_key(row_of(**ad)), key)


class FoldingTests(StatusTestCase):
    def test_static_slots(self) -> None:
        """Slots of one machine and type are added up in the first one's row."""
        rows = [
            static("m:1\na", "Claimed", "Cb", 2, 1.0),
            static("m:1\nb", "Unclaimed", "Ui", 3, 2.0),
            static("m:1\nc", "Unclaimed", "Ui", 4, 3.0),
        ]
        fold_rows(rows, COMPACT)
        self.assertEqual([each.folded for each in rows], [False, True, True])
        self.assertEqual(rows[0].rendered.values, ["m", 3, "**", 7, 5.0, 1.5, 3.0])

    def test_types(self) -> None:
        """Another type of the same machine has its own row, named after the slot."""
        rows = [
            static("m:1\na", "Unclaimed", "Ui", 2, 1.0),
            static("m:2\nb", "Unclaimed", "Ui", 3, 2.0),
            static("n:1\nc", "Unclaimed", "Ui", 3, 2.0),
        ]
        fold_rows(rows, COMPACT)
        self.assertEqual([each.folded for each in rows], [False] * 3)
        self.assertEqual(
            [each.rendered.values[0] for each in rows], ["m", "   slot1", "m"]
        )
        self.assertEqual([each.rendered.values[1] for each in rows], [1, 1, 1])

    def test_partitionable_slots(self) -> None:
        """A partitionable slot brings the slots that were made of it."""
        first = slot("m:1\na", "m", 2, "Cb", 1, 1.0, 0.5, 4.0, PartitionableSlot=True)
        second = slot("m:1\nb", "m", 3, "Cb", 1, 2.0, 0.5, 8.0, PartitionableSlot=True)
        fold_rows([first, second], COMPACT)
        self.assertEqual(first.rendered.values, ["m", 5, "Cb", 2, 9.0, 1.0, 8.0])

    def test_columns_of_others(self) -> None:
        """Where the columns are the user's, rows only go into each other."""
        rows = [slot("m:1\na", "x"), slot("m:1\nb", "y"), slot("n:1\nc", "z")]
        fold_rows(rows, Compact())
        self.assertEqual([each.folded for each in rows], [False, True, False])
        self.assertEqual(rows[0].rendered.values, ["x"])


class ChildrenTests(StatusTestCase):
    def state(self, own: str, states: str, activities: str, cpus: float = 4) -> Any:
        """What a partitionable slot and those made of it show."""
        each = slot(
            "m:1",
            own,
            PartitionableSlot=True,
            Cpus=cpus,
            ChildState=ExpressionText(states),
            ChildActivity=ExpressionText(activities),
        )
        with_children(each, 0)
        return each.rendered.values[0]

    def test_states(self) -> None:
        """The slot's letters and its children's are joined."""
        busy = '{ "Claimed","Claimed" }', '{ "Busy","Busy" }'
        self.assertEqual(self.state("Ui", *busy), "**")
        self.assertEqual(self.state("Ui", *busy, cpus=0), "Cb")
        self.assertEqual(self.state("Cb", *busy), "Cb")
        self.assertEqual(self.state("Dr", '{ "Claimed" }', '{ "Retiring" }'), "Cr")
        self.assertEqual(self.state("Ui", "{ }", "{ }"), "Ui")
        self.assertEqual(
            self.state("Ui", '{ "Claimed","Preempting" }', '{ "Busy","Vacating" }'),
            "Pv",
        )

    def test_other_slots(self) -> None:
        """Slots that are not partitionable stay as they are."""
        each = slot("m:1", "Ui", ChildState=ExpressionText('{ "Claimed" }'))
        with_children(each, 0)
        self.assertEqual(each.rendered.values, ["Ui"])
