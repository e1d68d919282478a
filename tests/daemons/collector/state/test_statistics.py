"""Tests of the counters."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemons.collector.state.statistics import (
    DaemonUpdates,
    UpdateStatistics,
    dropped_between,
    host_of_address,
)


class HostTests(SynchronousTestCase):
    def test_hosts(self) -> None:
        """The host is found in any sinful string, and in what is none."""
        for address, host in (
            ("<10.0.0.1:9618?addrs=x>", "10.0.0.1"),
            ("<[::1]:9618>", "::1"),
            ("junk", "junk"),
            ("<host.example>", "host.example"),
            ("", ""),
            ("<" + "x" * 600, "x" * 511),
        ):
            self.assertEqual(host_of_address(address), host)


class DaemonTests(SynchronousTestCase):
    def test_huge_losses(self) -> None:
        """A huge jump is counted without wrapping, and marks the whole history."""
        updates = DaemonUpdates()
        for _ in range(3):
            updates.count(True, (1 << 63) - 2, 128)
        self.assertEqual(updates.lost, (1 << 63) - 1)
        self.assertEqual(updates.history, (1 << 127) - 1)

    def test_odd_history_lengths(self) -> None:
        """A history that is no multiple of four bits has its newest bit first."""
        updates = DaemonUpdates()
        updates.count(True, 1, 6)
        self.assertIn(b'UpdatesHistory = "40"', updates.lines(6))
        self.assertIn(b"UpdatesLost = 1\0", updates.lines(6))

    def test_comparison(self) -> None:
        """Updates are compared where both sides say enough."""
        for old, new, expected in (
            ((1, 5), (2, 5), (True, 0)),
            ((1, 5), (4, 5), (True, 2)),
            ((4, 5), (4, 5), (True, 1)),
            ((4, 5), (1, 5), (True, 1)),
            ((4, 5), (1, 6), (True, 0)),
            ((None, 5), (1, 5), (False, 0)),
            ((4, 5), (1, None), (False, 0)),
        ):
            self.assertEqual(dropped_between(old, new), expected)


class CollectorCountersTests(SynchronousTestCase):
    def test_published(self) -> None:
        """Counters come under HTCondor's names, by kind and in all."""
        statistics = UpdateStatistics(1000.0)
        statistics.count_update("Slot", False, 0)
        statistics.count_update("Slot", True, 3)
        statistics.count_update("Schedd", True, 0)
        statistics.count_update("odd name", False, 0)
        statistics.count_query("TOOL", in_process=True)
        statistics.count_query("no such", in_process=False)
        statistics.dropped_queries.total += 1
        values = statistics.publish(1100.0)
        for name, expected in (
            ("UpdatesTotal", 4),
            ("RecentUpdatesTotal", 4),
            ("UpdatesInitial", 2),
            ("UpdatesLost", 3),
            ("UpdatesLostMax", 3),
            ("UpdatesLostRatio", 0.75),
            ("UpdatesTotal_Slot", 2),
            ("UpdatesLost_Slot", 3),
            ("UpdatesInitial_Schedd", 0),
            ("InProcQueriesFromTOOL", 1),
            ("ForkQueriesFromUNKNOWN", 1),
            ("DroppedQueries", 1),
            ("StatsLifetime", 100),
            ("RecentStatsLifetime", 100),
            ("StatsLastUpdateTime", 1100),
        ):
            self.assertEqual(values[name], expected, name)
        self.assertFalse([name for name in values if " " in name])
        values = statistics.publish(1000.0 + 1200 + 240)
        self.assertEqual(values["RecentUpdatesTotal"], 0)
        self.assertEqual(values["RecentInProcQueriesFromTOOL"], 0)
        self.assertEqual(values["RecentDroppedQueries"], 0)
        self.assertEqual(values["UpdatesTotal"], 4)

    def test_what_a_query_wants(self) -> None:
        """A query that asks for these counters sees zeros; if verbose, the window."""
        statistics = UpdateStatistics(1000.0)
        statistics.count_update("Slot", False, 0)
        usual = statistics.publish(1000.0)
        self.assertNotIn("InProcQueriesFromSCHEDD", usual)
        asked = statistics.publish(1000.0, "COLLECTOR:1")
        for name in ("InProcQueriesFromSCHEDD", "RecentForkQueriesFromUNKNOWN"):
            self.assertEqual(asked[name], 0, name)
        self.assertNotIn("RecentWindowMax", asked)
        verbose = statistics.publish(1000.0, "ALL:2")
        self.assertEqual(verbose["RecentWindowMax"], 1200)
        self.assertEqual(verbose["RecentStatsTickTime"], 1000)
        without = statistics.publish(1000.0, "COLLECTOR:1!R")
        self.assertFalse([name for name in without if name.startswith("Recent")])
        for text in ("DC:2", "none", "COLLECTOR:0"):
            self.assertNotIn("UpdatesTotal", statistics.publish(1000.0, text), text)

    def test_received(self) -> None:
        """Updates that nobody sent are counted as updates, and not as received."""
        statistics = UpdateStatistics(1000.0)
        statistics.count_own_update("Collector")
        statistics.count_update("Slot", False, 0)
        statistics.count_update("Collector", True, 0)
        self.assertEqual(statistics.received_count, 2)
        self.assertEqual(statistics.publish(1000.0)["UpdatesTotal"], 3)

    def test_other_window(self) -> None:
        """A reconfiguration changes what is recent, and no sum."""
        statistics = UpdateStatistics(1000.0)
        statistics.count_update("Slot", False, 0)
        statistics.resize(60, 60)
        values = statistics.publish(1060.0)
        self.assertEqual(values["RecentUpdatesTotal"], 0)
        self.assertEqual(values["UpdatesTotal"], 1)

    def test_nothing_to_divide_by(self) -> None:
        """Without updates the ratio is zero."""
        self.assertEqual(UpdateStatistics(0.0).publish(0.0)["UpdatesLostRatio"], 0.0)

    def test_mnh_2_7_clock_set_back(self) -> None:
        """A clock that goes back neither stops nor upsets the counters."""
        statistics = UpdateStatistics(10_000.0)
        statistics.count_update("Slot", False, 0)
        values = statistics.publish(500.0)
        self.assertEqual(values["StatsLifetime"], 0)
        self.assertEqual(values["RecentUpdatesTotal"], 1)
        self.assertEqual(statistics.sweep(400.0, 100), 0)
        self.assertEqual(statistics.publish(500.0 + 1300)["RecentUpdatesTotal"], 0)

    def test_sweep(self) -> None:
        """Counters of daemons that sent nothing for a period vanish."""
        statistics = UpdateStatistics(0.0)
        silent = statistics.daemon("Slot", "a", "<h>")
        busy = statistics.daemon("Slot", "b", "<h>")
        self.assertEqual(statistics.sweep(99.0, 100), 0)
        self.assertEqual(statistics.sweep(100.0, 100), 0)
        busy.count(False, 0, 128)
        self.assertEqual(statistics.sweep(200.0, 100), 1)
        self.assertIs(statistics.daemon("Slot", "b", "<h:1>"), busy)
        self.assertIsNot(statistics.daemon("Slot", "a", "<h>"), silent)
        self.assertTrue(silent.is_gone)
        self.assertFalse(busy.is_gone)
        self.assertEqual(statistics.sweep(9999.0, 0), 0)

    def test_bound(self) -> None:
        """No more daemons are told apart than allowed."""
        statistics = UpdateStatistics(0.0, max_daemons=2)
        first = statistics.daemon("Slot", "a", "<h>")
        statistics.daemon("Slot", "b", "<h>")
        statistics.daemon("Slot", "c", "<h>")
        self.assertTrue(first.is_gone)
        self.assertIsNot(statistics.daemon("Slot", "a", "<h>"), first)
