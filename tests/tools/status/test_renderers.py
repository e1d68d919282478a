"""Tests of ``condor_twisted.tools.status.renderers`` and ``states``."""

from __future__ import annotations

from condor_twisted.classad.full_values import FullValue
from condor_twisted.classad.wire_ad import ExpressionText
from condor_twisted.tools.status import renderers as r
from condor_twisted.tools.status.print_mask import Column, Renderer
from condor_twisted.tools.status.states import (
    ACTIVITIES,
    SEVERAL,
    STATES,
    activity_letter,
    common,
    state_letter,
)
from tests.tools.status.kit import StatusTestCase, row_of


def rendered(renderer: Renderer, attribute: str, **values: object) -> FullValue | None:
    """What a renderer makes of an attribute."""
    row = row_of(**values)
    assert renderer.render is not None
    return renderer.render(row.value(attribute), row, Column(attribute, width=14))


class RendererTests(StatusTestCase):
    def test_versions(self) -> None:
        """A version is its numbers and its build."""
        for text, expected in (
            ("$CondorVersion: 23.0.4 2024-02-08 BuildID: 712251 P $", "23.0.4.712251"),
            ("$CondorVersion: 8.8.1 Feb 12 2019 BuildID: 461773 $", "8.8.1.461773"),
            ("$CondorVersion: 9.0.1 2021-01-01 PRE-RELEASE $", "9.0.1.PRE"),
            ("$CondorVersion: 9.0.1 2021-01-01 $", "9.0.1"),
        ):
            self.assertEqual(rendered(r.CONDOR_VERSION, "V", V=text), expected)
            self.assertEqual(
                r.short_version(text, with_build=False),
                expected.rpartition(".")[0] if expected.count(".") == 3 else expected,
            )
        self.assertIsNone(rendered(r.CONDOR_VERSION, "V", V=1))

    def test_platforms(self) -> None:
        """A platform is architecture and system; Windows has a short name."""
        self.assertEqual(
            rendered(r.PLATFORM, "OpSys", OpSysAndVer="Debian12", Arch="X86_64"),
            "x64/Debian12",
        )
        self.assertEqual(
            rendered(
                r.PLATFORM, "OpSys", OpSys="WINDOWS", OpSysShortName="W10", Arch="X86"
            ),
            "x86/W10",
        )
        self.assertIsNone(rendered(r.PLATFORM, "OpSys", Arch="X86_64"))

    def test_times(self) -> None:
        """Times are since an event, by the sender's or the collector's clock."""
        since = {"T": 100, "LastHeardFrom": 160}
        self.assertEqual(rendered(r.ACTIVITY_TIME, "T", **since), 60)
        self.assertEqual(rendered(r.ACTIVITY_TIME, "T", MyCurrentTime=90, **since), 0)
        self.assertEqual(rendered(r.ELAPSED_TIME, "T", **since), 60)
        self.assertEqual(rendered(r.DUE_DATE, "T", **since), 260)
        for renderer in (r.ACTIVITY_TIME, r.ELAPSED_TIME, r.DUE_DATE):
            self.assertIsNone(rendered(renderer, "T", T=1))

    def test_activities(self) -> None:
        """An activity has letters with its state; idle holders of OCUs say so."""
        both = {"State": "Claimed", "Activity": "Busy"}
        self.assertEqual(rendered(r.ACTIVITY_CODE, "Activity", **both), "Cb")
        self.assertEqual(rendered(r.ACTIVITY_CODE, "State", **both), "Cb")
        self.assertIsNone(rendered(r.ACTIVITY_CODE, "X", X="Strange"))
        self.assertEqual(rendered(r.ACTIVITY_OR_OCU, "Activity", **both), "Busy")
        self.assertEqual(rendered(r.ACTIVITY_OR_OCU, "Activity"), "??")
        self.assertEqual(
            rendered(r.ACTIVITY_OR_OCU, "Activity", Activity="Idle", OCU=True), "OCU"
        )

    def test_lists(self) -> None:
        """Lists are counted, joined, and freed of repetitions."""
        items = ExpressionText('{ "b", "a", 3, "b" }')
        self.assertEqual(rendered(r.MEMBER_COUNT, "L", L=items), 4)
        self.assertEqual(rendered(r.MEMBER_COUNT, "L", L="a, b"), 2)
        self.assertIsNone(rendered(r.MEMBER_COUNT, "L", L=1))
        self.assertEqual(rendered(r.UNIQUE, "L", L=items), "3, a, b")
        self.assertEqual(rendered(r.UNIQUE, "L", L="x y,x"), "x, y")
        self.assertIsNone(rendered(r.UNIQUE, "L", L=1))
        self.assertEqual(rendered(r.STRINGS_FROM_LIST, "L", L=items), "b, a, b")
        self.assertIsNone(rendered(r.STRINGS_FROM_LIST, "L", L="b"))

    def test_job_ids(self) -> None:
        """A job's id is cluster and process, or what the ad calls it."""
        self.assertEqual(rendered(r.JOB_ID, "X", ClusterId=5, ProcId=2), "5.2")
        self.assertEqual(rendered(r.JOB_ID, "X", ClusterId=5), "5.-1")
        self.assertEqual(rendered(r.JOB_ID, "X", JobId="7.1"), "7.1")
        self.assertIsNone(rendered(r.JOB_ID, "X"))

    def test_sizes(self) -> None:
        """Sizes have the unit that fits."""
        assert r.READABLE_MB.format is not None
        self.assertEqual(r.READABLE_MB.format(900), "900.0 MB")
        self.assertEqual(r.READABLE_MB.format(128000.0), "125.0 GB")
        self.assertEqual(r.READABLE_MB.format("x"), " " * 8)
        self.assertEqual(r.readable(5.0), "5.0 B ")

    def test_slot_tags(self) -> None:
        """A slot's type is a letter."""
        for kind, tag in (("Static", "S"), ("Partitionable", " "), ("Dynamic", "D")):
            self.assertEqual(rendered(r.SLOT_COUNT_TAG, "T", T=kind), tag)
        self.assertEqual(rendered(r.SLOT_COUNT_TAG, "T"), "")


class StateTests(StatusTestCase):
    def test_letters(self) -> None:
        """States and activities have letters; unknown ones have a blank."""
        self.assertEqual(
            (state_letter("Drained"), activity_letter("Killing")), ("D", "k")
        )
        self.assertEqual((state_letter("Odd"), activity_letter(None)), (" ", " "))

    def test_common(self) -> None:
        """What several share is theirs; the winner decides; else it is several."""
        for names, expected in (
            ([], None),
            (["Claimed", "Claimed"], "Claimed"),
            (["Claimed", "Owner"], SEVERAL),
            (["Claimed", "Owner", "Preempting", "Owner"], "Preempting"),
            (["None", "Owner"], "Owner"),
            (["None"], None),
            (["Odd", "Owner"], "Owner"),
        ):
            self.assertEqual(common(names, STATES, "Preempting"), expected, names)
        self.assertEqual(common(["Busy"], ACTIVITIES, "Vacating"), "Busy")
