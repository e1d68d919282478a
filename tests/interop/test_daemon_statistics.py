"""`interop.daemon_statistics`: which attributes count, and which may be missing."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from interop.compare import Difference
from interop.daemon_statistics import difference_of_names
from interop.explanations import explain

_QUERY = "daemon statistics: DC:2 configured, condor_status -collector"


def _explained(field: str, expected: str | None, actual: str | None) -> bool:
    difference = Difference(_QUERY, "its own ad", field, expected, actual)
    return explain(difference) is not None


class NamesTests(SynchronousTestCase):
    def test_types_not_values(self) -> None:
        """A value may be another one, but not of another kind."""
        expected = {"DCSignals": "1", "DCTimerRuntime": "0.0", "HostsTotal": "1"}
        same = {"DCSignals": "22", "DCTimerRuntime": "1.5E-05"}
        self.assertEqual(difference_of_names(_QUERY, expected, same), [])
        other = {"DCSignals": "1.0", "RecentDCSignals": "3"}
        self.assertEqual(
            [
                (each.field, each.expected, each.actual)
                for each in difference_of_names(_QUERY, expected, other)
            ],
            [
                ("DCSignals", "an integer", "a real"),
                ("DCTimerRuntime", "a real", None),
                ("RecentDCSignals", None, "an integer"),
            ],
        )

    def test_what_may_be_missing(self) -> None:
        """Functions of one program, and commands that ours has not; nothing else."""
        for name, expected, actual, holds in (
            ("DCTimer_self_monitor", "an integer", None, True),
            ("DCSocket_other", None, "an integer", True),
            ("DCCommand_CCB_REGISTERRuntime", "a real", None, True),
            ("DCCommand_CCB_REGISTER", None, "an integer", False),
            ("DCCommand_DC_NOP", "an integer", None, False),
            ("DCfsync", "an integer", None, True),
            ("DCSignals", "an integer", None, False),
            ("DaemonCoreDutyCycle", "a real", None, False),
            ("DCPumpCycleAvg", "a real", None, False),
            ("InProcQueriesFromTOOL", "an integer", None, False),
        ):
            self.assertEqual(_explained(name, expected, actual), holds, name)
