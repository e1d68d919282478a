"""Tests of ``condor_twisted.classad.statistics_choice``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.statistics_choice import (
    NOTHING,
    StatisticsChoice,
    read_choice,
)

_NAMES = ("DC", "DAEMONCORE")
_USUAL = StatisticsChoice(level=0, recent=True)


def _read(text: str | None) -> tuple[int, bool, bool]:
    choice = read_choice(text, _NAMES, _USUAL)
    return choice.level, choice.recent, choice.nonzero_only


class ChoiceTests(SynchronousTestCase):
    def test_what_25_14_shows(self) -> None:
        """Level, recent sums, and silence of what never ran, as HTCondor 25.14 does."""
        for text, expected in (
            (None, (0, True, False)),
            ("DEFAULT", (0, True, False)),
            ("default", (0, True, False)),
            ("NONE", (0, False, False)),
            ("", (0, False, False)),
            ("DC", (0, True, False)),
            ("DC:1", (1, True, False)),
            ("DC:1R", (1, True, False)),
            ("dc:1!r", (1, False, False)),
            ("DC:R1", (1, True, False)),
            ("DC:!R1", (1, False, False)),
            ("DC:2Z", (2, True, True)),
            ("DC:2!Z", (2, True, False)),
            ("DC:2D", (2, True, False)),
            ("DC:2!L", (2, True, False)),
            ("DC:3", (3, True, False)),
            ("DC:0", (0, True, False)),
            ("DC:NONE", (0, False, False)),
            ("DAEMONCORE:1", (1, True, False)),
            ("ALL:2", (2, True, False)),
            ("DEFAULT:1", (1, True, False)),
            ("DAEMONCORE:1 DC:2", (2, True, False)),
            ("DC:2,ALL:1", (1, True, False)),
            ("DEFAULT DC:1", (1, True, False)),
            ("COLLECTOR:2", (0, False, False)),
            ("SCHEDD:2, DC:1", (1, True, False)),
            ("DCX:2", (0, False, False)),
            (" , ", (0, False, False)),
        ):
            self.assertEqual(_read(text), expected, text)

    def test_last_digit_counts(self) -> None:
        """Of options that contradict each other the last counts."""
        self.assertEqual(_read("DC:12"), (2, True, False))
        self.assertEqual(_read("DC:1!R2"), (2, False, False))

    def test_problems(self) -> None:
        """What means nothing is named with its item, and changes nothing else."""
        choice = read_choice("DC:1xy, SCHEDD:9, DC:2", _NAMES, _USUAL)
        self.assertEqual(choice.level, 2)
        self.assertEqual(choice.problems, ("option 'x' in 'DC:1xy'",))
        self.assertEqual(read_choice("DC:1", _NAMES, _USUAL).problems, ())
        self.assertEqual(NOTHING, StatisticsChoice())
