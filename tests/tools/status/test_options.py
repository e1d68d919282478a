"""Tests of ``condor_twisted.tools.status.options`` and ``modes``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.tools.option_table import UsageError
from condor_twisted.tools.status.modes import MODES, Choice
from condor_twisted.tools.status.options import StatusOptions, parse_options
from condor_twisted.tools.status.tables import TABLES


def parsed(line: str) -> StatusOptions:
    """The options of a command line without blanks in its arguments."""
    return parse_options(line.split())


class ModeTests(SynchronousTestCase):
    def test_modes(self) -> None:
        """Every option for a kind of ads chooses it, short or long."""
        for line, mode, style in (
            ("", "slots", "slots"),
            ("-av", "available", "slots"),
            ("-claimed", "claimed", "claimed"),
            ("-m", "master", "master"),
            ("--master", "master", "master"),
            ("-sc", "schedd", "schedd"),
            ("-subm", "submitters", "submitters"),
            ("-n", "negotiator", "negotiator"),
            ("-col", "collector", "collector"),
            ("-world", "collector", "collector"),
            ("-startd", "startd", "startd"),
            ("-g", "grid", "grid"),
            ("-lic", "license", "long"),
            ("-an", "any", "any"),
            ("-run", "schedd run", "schedd run"),
            ("-slots -run", "claimed", "claimed"),
            ("-claimed -schedd", "schedd run", "schedd run"),
            ("-schedd -run", "schedd run", "schedd run"),
            ("-schedd -data", "schedd data", "schedd data"),
            ("-state", "slots", "state"),
            ("-server", "slots", "server"),
            ("-subsystem had", "had", "any"),
            ("-subsystem Frob", "other", "any"),
            ("-schedd -long", "schedd", "long"),
            ("-long -schedd", "schedd", "long"),
            ("-long:json -xml", "slots", "xml"),
            ("-long:new", "slots", "new"),
            ("-l:json,nosort", "slots", "json"),
            ("-schedd -af Name", "schedd", "custom"),
            ("-af Name - -schedd", "schedd", "custom"),
        ):
            options = parsed(line)
            self.assertEqual((options.mode, options.style), (mode, style), line)

    def test_contradictions(self) -> None:
        """Options that contradict each other are refused, both named."""
        for line, first, second in (
            ("-schedd -master", "-schedd", "-master"),
            ("-run -slots", "-run", "-slots"),
            ("-claimed -state", "-claimed", "-state"),
            ("-long -af Name", "-long", "-af"),
        ):
            with self.assertRaises(UsageError) as caught:
                parsed(line)
            self.assertEqual(str(caught.exception), f"{second} contradicts {first}")

    def test_repetition(self) -> None:
        """Saying a thing twice is no contradiction."""
        self.assertEqual(parsed("-schedd -schedd").mode, "schedd")

    def test_styles_have_tables(self) -> None:
        """Every mode's style has columns, or shows whole ads."""
        for mode in MODES.values():
            self.assertIn(mode.style, {*TABLES, "long"})

    def test_choice_without_options(self) -> None:
        """Without options slots are listed."""
        self.assertEqual(Choice().finish(), ("slots", "slots"))


class OptionTests(SynchronousTestCase):
    def test_values(self) -> None:
        """Options keep what they were given."""
        options = parsed(
            "-pool cm:5 -direct d -limit 3 -statistics DC:2 -snapshot -wide"
            " -constraint A>1 -sort Memory -attributes A,b, -ads f n1 -name n2"
        )
        self.assertEqual(options.pool, "cm:5")
        self.assertEqual(options.direct, "d")
        self.assertEqual(options.limit, 3)
        self.assertEqual(options.statistics, "DC:2")
        self.assertEqual(options.snapshot, "1")
        self.assertTrue(options.wide)
        self.assertEqual(options.constraints, ["A>1", "Memory =!= UNDEFINED"])
        self.assertEqual(options.sort, ["Memory"])
        self.assertEqual(options.attributes, ["A", "b"])
        self.assertEqual(options.ads_file, "f")
        self.assertEqual(options.names, ["n1", "n2"])

    def test_switches(self) -> None:
        """Switches switch."""
        options = parsed("-compact -java -vm -absent -offline -total -help -version")
        for name in ("compact", "java", "vm", "absent", "offline", "only_totals"):
            self.assertIs(getattr(options, name), True)
        self.assertTrue(options.help and options.version)
        self.assertFalse(parsed("-compact -nocompact").compact)
        self.assertFalse(parsed("-compact -slots").compact)
        self.assertFalse(parsed("-natural:off -expert -debug").compact)

    def test_sort(self) -> None:
        """The usual order is the machine's; there may be none."""
        self.assertEqual(parsed("").sort, [])
        for word in ("no", "NONE", "false", "0"):
            self.assertIsNone(parsed(f"-sort {word}").sort)

    def test_widths(self) -> None:
        """A width may be asked for; a small one is no wide listing."""
        self.assertEqual(
            (parsed("-wide:60").width, parsed("-wide:60").wide), (60, False)
        )
        self.assertTrue(parsed("-wide:120").wide)

    def test_columns(self) -> None:
        """Columns can be described on the command line."""
        mask = parsed("-af:lh,t Name Memory").mask
        self.assertTrue(mask.has_headings)
        self.assertEqual((mask.before_column, mask.after_column), ("\t", ","))
        self.assertEqual([each.heading for each in mask.columns], ["Name", "Memory"])
        mask = parsed("-af:ln Name").mask
        assert mask.columns[0].printf is not None
        self.assertEqual(mask.columns[0].printf.text, "Name = %v")
        self.assertEqual(mask.after_column, "\n")
        mask = parsed("-format %-8s Name -format %d Memory").mask
        self.assertEqual((mask.before_column, mask.after_row), ("", ""))
        self.assertEqual([each.width for each in mask.columns], [8, 0])

    def test_lone_dash(self) -> None:
        """A lone dash ends a list of attributes."""
        options = parsed("-af A B - name")
        self.assertEqual([each.attribute for each in options.mask.columns], ["A", "B"])
        self.assertEqual(options.names, ["name"])

    def test_refusals(self) -> None:
        """What cannot be done, or not be understood, is refused in one line."""
        for arguments in (
            ["-nosuch"],
            ["-gpus"],
            ["-cod"],
            ["-merge", "f"],
            ["-print-format", "f"],
            ["-limit"],
            ["-limit", "many"],
            ["-wide:x"],
            ["-long:yaml"],
            ["-ads:xml", "f"],
            ["-af"],
            ["-af", "-l"],
            ["-af", "(("],
            ["-format", "%d"],
            ["-format", "%d", "(("],
            ["-constraint", "a =="],
            ["-sort", "(("],
            ["-subsystem", "-x"],
            ["-schedd", "-compact"],
        ):
            with self.assertRaises(UsageError) as caught:
                parse_options(arguments)
            self.assertNotIn("\n", str(caught.exception))
