"""Tests of ``condor_twisted.protocols.log_text``."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols.log_text import FoldedLog, escaped


class EscapedTests(SynchronousTestCase):
    def test_plain_text_stays(self) -> None:
        """What is printable is shown as it is."""
        self.assertEqual(
            escaped("<127.0.0.1:9618> ünïcode"), "<127.0.0.1:9618> ünïcode"
        )

    def test_mnh_7_2_control_characters(self) -> None:
        """Control characters, newlines and bad bytes are shown as numbers."""
        self.assertEqual(escaped(b"a\nb\x00\x7f\xff"), "a\\x0ab\\x00\\x7f\\xff")
        self.assertEqual(escaped("a\r\u2028\U000e0001"), "a\\x0d\\u2028\\U000e0001")
        self.assertEqual(escaped("back\\slash"), "back\\\\slash")
        self.assertEqual(escaped("\udcff"), "\\\\udcff")

    def test_mnh_7_2_length(self) -> None:
        """At most 1 KiB of one value is shown; exactly 1 KiB is shown whole."""
        self.assertEqual(escaped("x" * 1024), "x" * 1024)
        self.assertEqual(escaped("x" * 1025), "x" * 1024 + "...")
        self.assertEqual(escaped(b"abcdef", 3), "abc...")

    @given(st.one_of(st.binary(), st.text()))
    @settings(deadline=None, max_examples=200)
    def test_mnh_7_2_never_a_second_line(self, value: bytes | str) -> None:
        """Whatever a peer says stays on one line and is printable."""
        text = escaped(value)
        self.assertTrue(text.isprintable(), text)
        self.assertEqual(len(text.splitlines() or [""]), 1)


class FoldedLogTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.events = EventLoggingObserver()
        self.folded = FoldedLog(Logger(observer=self.events), self.clock.seconds)

    def lines(self) -> list[str]:
        """What was logged."""
        return [formatEvent(event) for event in self.events]

    def test_mnh_7_4_ten_a_second(self) -> None:
        """The eleventh line of a second is counted, not written."""
        for number in range(25):
            self.folded.warn("bad", "192.0.2.1", "line {number}", number=number)
        self.assertEqual(self.lines(), [f"line {number}" for number in range(10)])
        self.clock.advance(1.0)
        self.folded.info("bad", "192.0.2.1", "next")
        self.assertEqual(
            self.lines()[10:],
            ["15 more lines about bad from 192.0.2.1 were left out", "next"],
        )

    def test_mnh_7_4_sources_and_kinds_are_apart(self) -> None:
        """One noisy peer does not silence another, nor another kind of line."""
        for _ in range(20):
            self.folded.warn("bad", "192.0.2.1", "x")
        self.folded.warn("bad", "192.0.2.2", "other source")
        self.folded.warn("worse", "192.0.2.1", "other kind")
        self.assertEqual(self.lines()[10:], ["other source", "other kind"])

    def test_mnh_7_4_counts_are_told_without_another_line(self) -> None:
        """Flushing tells the counts of a second that is over."""
        for _ in range(12):
            self.folded.warn("bad", "192.0.2.1", "x")
        self.folded.flush()
        self.assertEqual(len(self.events), 10)
        self.clock.advance(1.0)
        self.folded.flush()
        self.folded.flush()
        self.assertEqual(
            self.lines()[10:], ["2 more lines about bad from 192.0.2.1 were left out"]
        )

    def test_mnh_7_4_memory_is_bounded(self) -> None:
        """Sources beyond the limit push the oldest out; its count is told in all."""
        for _ in range(11):
            self.folded.allowed("bad", "first")
        for number in range(4096):
            self.folded.allowed("good", str(number))
        self.clock.advance(1.0)
        self.folded.flush()
        self.assertIn(
            "1 more lines about bad from other sources were left out", self.lines()
        )

    def test_mnh_7_4_sources_that_are_made_up(self) -> None:
        """However many sources there are, a kind has 200 lines a second."""
        for number in range(1000):
            self.folded.warn("bad", f"source {number}", "line")
        self.assertEqual(len(self.lines()), 200)
        self.clock.advance(1.0)
        self.folded.warn("bad", "another", "line")
        self.assertEqual(
            self.lines()[200:],
            ["800 more lines about bad from other sources were left out", "line"],
        )
