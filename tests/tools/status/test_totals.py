"""Tests of ``condor_twisted.tools.status.totals`` and ``totals_table``."""

from __future__ import annotations

from typing import Any

from condor_twisted.classad.wire_ad import ExpressionText
from condor_twisted.tools.status.totals import (
    CheckpointServerTotals,
    DaemonTotals,
    RunTotals,
    ScheddTotals,
    ServerTotals,
    SlotTotals,
    StateTotals,
    SubmitterTotals,
)
from condor_twisted.tools.status.totals_table import SlotOptions, Totals, TotalsTable
from tests.tools.status.kit import StatusTestCase, row_of

KINDS: tuple[type[Totals], ...] = (
    CheckpointServerTotals,
    DaemonTotals,
    RunTotals,
    ScheddTotals,
    ServerTotals,
    SlotTotals,
    StateTotals,
    SubmitterTotals,
)


def slot(state: str, **more: Any) -> Any:
    """A slot's row."""
    return row_of(State=state, Arch="X86_64", OpSys="LINUX", Activity="Idle", **more)


class TableTests(StatusTestCase):
    def test_lines(self) -> None:
        """There is a line for each key in order, and one for all."""
        table = TotalsTable(SubmitterTotals)
        for name, jobs in (("b", 2), ("a", 1), ("b", 3)):
            table.add(row_of(Name=name, RunningJobs=jobs, IdleJobs=0, HeldJobs=0))
        self.assertEqual(
            table.text(None),
            "     RunningJobs   IdleJobs   HeldJobs\n\n"
            "    a          1          0          0\n"
            "    b          5          0          0\n\n"
            "Total          6          0          0\n",
        )

    def test_malformed(self) -> None:
        """Ads that lack something are counted, and so it is said."""
        table = TotalsTable(SubmitterTotals)
        table.add(row_of(Name="a", RunningJobs=1))
        table.add(row_of(RunningJobs=1))
        self.assertEqual(table.malformed_count, 2)
        self.assertTrue(
            table.text(14).endswith(
                "\n              (Omitted 2 malformed ads in computed attribute "
                "totals)\n\n"
            )
        )

    def test_given_keys(self) -> None:
        """A key may be given; long ones are cut to the width."""
        table = TotalsTable(SlotTotals)
        table.add(slot("Owner"), "a-long-key")
        table.add(slot("Owner"), "")
        self.assertEqual(sorted(table.lines), ["X86_64/LINUX", "a-long-key"])
        self.assertEqual(table.widest_key, 10)
        self.assertIn("\na-lon     1", table.text(5))

    def test_nothing(self) -> None:
        """Without ads there is the line for all alone."""
        for kind in KINDS:
            text = TotalsTable(kind).text(14)
            self.assertIn("         Total", text)

    def test_headers_end(self) -> None:
        """Every kind has headings and numbers, and names what it looks at."""
        for kind in KINDS:
            totals = kind()
            self.assertTrue(kind.header())
            self.assertTrue(totals.line(is_last=True).endswith("\n"))
            self.assertTrue(kind.needs)


class SlotTests(StatusTestCase):
    def test_states(self) -> None:
        """Slots are counted by state; unknown states are malformed."""
        totals = SlotTotals()
        for state in ("Owner", "Claimed", "Claimed", "Drained"):
            self.assertTrue(totals.add(slot(state), SlotOptions()))
        self.assertFalse(totals.add(slot("Odd"), SlotOptions()))
        self.assertFalse(totals.add(row_of(Arch="x"), SlotOptions()))
        self.assertEqual(
            totals.line(is_last=True).split(),
            ["4", "1", "2", "0", "0", "0", "1", "0", "0"],
        )

    def test_rolled_up(self) -> None:
        """A partitionable slot may stand for those that were made of it."""
        totals = SlotTotals()
        rolled = SlotOptions(roll_up=True, ignore_dynamic=True)
        children = ExpressionText('{ "Claimed","Unclaimed",7 }')
        totals.add(
            slot("Unclaimed", PartitionableSlot=True, ChildState=children), rolled
        )
        totals.add(slot("Unclaimed", PartitionableSlot=True), rolled)
        totals.add(slot("Claimed", DynamicSlot=True), rolled)
        self.assertEqual(totals.line(is_last=True).split()[:4], ["2", "0", "1", "1"])

    def test_backfill(self) -> None:
        """Backfill slots count for themselves; idle ones not as machines."""
        totals = SlotTotals()
        options = SlotOptions(backfill=True)
        totals.add(slot("Claimed", BackfillSlot=True), options)
        totals.add(slot("Unclaimed", BackfillSlot=True), options)
        self.assertEqual(
            totals.line(is_last=True).split(),
            ["1", "0", "0", "0", "0", "0", "0", "1", "1"],
        )

    def test_activities(self) -> None:
        """By activity the number of all stays zero, as HTCondor has it."""
        totals = StateTotals()
        totals.add(slot("Claimed"), SlotOptions())
        self.assertEqual(StateTotals.key(slot("Claimed")), "Idle")
        self.assertEqual(totals.line(is_last=True).split()[:4], ["0", "0", "0", "1"])


class SumTests(StatusTestCase):
    def test_loads(self) -> None:
        """Loads are averaged in single precision."""
        totals = RunTotals()
        for load in (0.1, 0.2, 0.4):
            row = slot("Claimed", Mips=1, KFlops=2, LoadAvg=load)
            self.assertTrue(totals.add(row, SlotOptions()))
        self.assertEqual(totals.line(is_last=True).split(), ["3", "3", "6", "0.233"])

    def test_integers_of_c(self) -> None:
        """What is added up wraps as C's int does."""
        totals = CheckpointServerTotals()
        totals.add(row_of(Disk=99_999_999_999), SlotOptions())
        self.assertEqual(totals.line(is_last=True).split(), ["1", "1215752191"])
        self.assertEqual(totals.line(is_last=False), "")

    def test_machines(self) -> None:
        """Machines have shares of memory; none of them have no share."""
        totals = DaemonTotals()
        self.assertTrue(totals.line(is_last=True).endswith("   -nan%    -nan%\n"))
        row = row_of(
            TotalSlots=2,
            TotalCpus=4,
            TotalGPUs=0,
            TotalMemory=100,
            TotalInUseMemory=25,
            OpSysAndVer="D12",
            Arch="X86_64",
        )
        self.assertEqual(DaemonTotals.key(row), "x64/D12")
        self.assertTrue(totals.add(row, SlotOptions()))
        self.assertFalse(totals.add(row_of(TotalCpus=1), SlotOptions()))
        self.assertTrue(totals.line(is_last=True).endswith("  12.50%    0.00%\n"))

    def test_servers(self) -> None:
        """Servers are counted with their size; available ones apart."""
        totals = ServerTotals()
        row = slot("Owner", Memory=5, Disk=6, Mips=7, KFlops=8)
        self.assertTrue(totals.add(row, SlotOptions()))
        self.assertFalse(totals.add(slot("Claimed"), SlotOptions()))
        self.assertFalse(totals.add(row_of(Memory=1), SlotOptions()))
        self.assertEqual(
            totals.line(is_last=True).split(), ["2", "1", "5", "6", "7", "8"]
        )

    def test_access_points(self) -> None:
        """Access points have one line for all."""
        totals = ScheddTotals()
        totals.add(
            row_of(TotalRunningJobs=1, TotalIdleJobs=2, TotalHeldJobs=3), SlotOptions()
        )
        self.assertEqual(ScheddTotals.key(row_of()), " ")
        self.assertEqual(totals.line(is_last=False), "")
        self.assertEqual(totals.line(is_last=True).split(), ["1", "2", "3"])
