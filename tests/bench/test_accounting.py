"""Tests of what ``bench.accounting`` reads out of the system's texts."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bench.accounting import parse_rss_bytes, parse_stat_ticks


class StatTests(SynchronousTestCase):
    """``/proc/<pid>/stat``."""

    def test_all_four_times_count(self) -> None:
        """User and system time count, the process's and its ended children's."""
        stat = "42 (python) S 1 42 42 0 -1 4194304 9 8 7 6 1000 200 30 4 20 0 1 0 5"
        self.assertEqual(parse_stat_ticks(stat), 1234)

    def test_command_with_blanks_and_parentheses(self) -> None:
        """A command's name cannot shift the fields."""
        stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 9 8 7 6 1 2 3 4 20 0 1 0 5"
        self.assertEqual(parse_stat_ticks(stat), 10)


class StatusTests(SynchronousTestCase):
    """``/proc/<pid>/status``."""

    def test_resident_memory(self) -> None:
        """Resident memory is told in bytes."""
        status = "Name:\tx\nVmHWM:\t    9 kB\nVmRSS:\t   1234 kB\nThreads:\t1\n"
        self.assertEqual(parse_rss_bytes(status), 1234 * 1024)

    def test_ended(self) -> None:
        """An ended process has no resident memory, and that is said."""
        self.assertRaises(ValueError, parse_rss_bytes, "Name:\tx\nState:\tZ\n")
