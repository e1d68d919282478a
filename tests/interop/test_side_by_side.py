"""Tests of ``interop.side_by_side``: how phases are counted."""

from __future__ import annotations

import contextlib
import io

from twisted.trial.unittest import SynchronousTestCase

from interop.side_by_side import Totals


class TotalsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.totals = Totals()
        self.said = io.StringIO()

    def add(self, output: str, exit_code: int) -> None:
        """Count a phase."""
        with contextlib.redirect_stdout(self.said):
            self.totals.add("sid: pool", output, exit_code)

    def test_phases_are_summed(self) -> None:
        """What phases count is added up, whether something failed or not."""
        self.add("ok    this\n\n12 passed, 0 failed", 0)
        self.add("FAIL  that\n\n7 passed, 1 failed", 1)
        self.assertEqual((self.totals.passed_count, self.totals.failed_count), (19, 1))

    def test_phase_that_breaks_off(self) -> None:
        """A phase that does not come to its end has failed, whatever it printed."""
        for output, exit_code in (
            ("", 0),
            ("ok    this", 0),
            ("Traceback", 1),
            ("12 passed, 0 failed", 143),
            ("12 passed, 0 failed\nno end after 1200 s", 124),
        ):
            self.add(output, exit_code)
        self.assertEqual((self.totals.passed_count, self.totals.failed_count), (0, 5))
        self.assertIn("FAIL  sid: pool broke off", self.said.getvalue())

    def test_what_was_not_run_is_kept(self) -> None:
        """Why something was not run is said at the end of the whole."""
        self.add("INTEROP NOT RUN: sid: no root\n\n0 passed, 0 failed", 0)
        self.assertEqual(self.totals.not_run, ("INTEROP NOT RUN: sid: no root",))
        self.assertEqual(self.totals.failed_count, 0)
