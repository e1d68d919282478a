"""Typed answers: prefixes, defaults, ranges, units, origins."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.config.surroundings import Surroundings
from condor_twisted.errors import ConfigError


class LookupTests(SynchronousTestCase):
    """Which of several assignments a reader gets."""

    def test_local_name_then_subsystem_then_plain(self) -> None:
        """The local name's value beats the subsystem's, that one the plain one."""
        settings = Settings.from_assignments(
            {"Q": "plain", "COLLECTOR.Q": "subsystem", "LOC.Q": "local"},
            "COLLECTOR",
            "LOC",
        )
        self.assertEqual(settings.text("q"), "local")
        self.assertEqual(settings.for_reader("COLLECTOR").text("Q"), "subsystem")
        self.assertEqual(settings.for_reader("SCHEDD", "X").text("Q"), "plain")

    def test_empty_first_hit_hides_the_rest(self) -> None:
        """An empty prefixed value means "not set", whatever stands behind it."""
        settings = Settings.from_assignments(
            {"Q": "plain", "COLLECTOR.Q": ""}, "COLLECTOR"
        )
        self.assertIsNone(settings.text("Q"))
        self.assertFalse(settings.defined("Q"))
        self.assertEqual(settings.text("Q", "given"), "given")

    def test_prefixes_apply_to_names_with_a_prefix(self) -> None:
        """Asking for COLLECTOR.P finds LOC.COLLECTOR.P first."""
        settings = Settings.from_assignments(
            {"COLLECTOR.P": "1", "LOC.COLLECTOR.P": "2", "COLLECTOR.LOC.P": "3"},
            "COLLECTOR",
            "LOC",
        )
        self.assertEqual(settings.text("COLLECTOR.P"), "2")
        self.assertEqual(settings.text("LOC.P"), "3")

    def test_subsystem_default_beats_plain_value(self) -> None:
        """A compiled-in default for one subsystem comes before the plain name."""
        assignments = {"IsCollector": "17"}
        self.assertEqual(
            Settings.from_assignments(assignments, "COLLECTOR").text("IsCollector"),
            "true",
        )
        self.assertEqual(
            Settings.from_assignments(assignments, "TOOL").text("IsCollector"), "17"
        )

    def test_two_settings_share_nothing(self) -> None:
        """Setting a name anew leaves the old settings as they were."""
        old = Settings.from_assignments({"A": "1"})
        new = old.with_assignments({"A": "$(A) 2"})
        self.assertEqual((old.text("A"), new.text("A")), ("1", "1 2"))
        copied = old.definitions
        copied.forget("A")
        self.assertEqual(old.text("A"), "1")


class OriginTests(SynchronousTestCase):
    """``source_of`` speaks as condor_config_val does."""

    def test_origins(self) -> None:
        """Assignments, compiled-in defaults and unknown names are told apart."""
        settings = Settings.from_assignments({"A": "1"}, source="<command line>")
        self.assertEqual(settings.source_of("A"), "<command line>")
        self.assertEqual(settings.source_of("PREEN_INTERVAL"), "<Default>")
        self.assertIsNone(settings.source_of("NO_SUCH_KNOB"))

    def test_value_equal_to_the_default_is_not_stored(self) -> None:
        """Setting a knob to its default leaves it a default."""
        settings = Settings.from_assignments({"PREEN_INTERVAL": "86400"})
        self.assertEqual(settings.source_of("PREEN_INTERVAL"), "<Default>")
        self.assertEqual(list(settings), [])


class TypedTests(SynchronousTestCase):
    """Numbers, truth values, sizes and lists."""

    def settings(self, **assignments: str) -> Settings:
        return Settings.from_assignments(assignments, "COLLECTOR")

    def test_integer(self) -> None:
        """Digits and expressions are integers."""
        settings = self.settings(A="  42 ", B="60 * 5", C="7/2", D="true", E="-3")
        got = [settings.integer(name) for name in "ABCDE"]
        self.assertEqual(got, [42, 300, 3, 1, -3])
        self.assertEqual(settings.integer("COLLECTOR_SOCKET_BUFSIZE"), 10240000)

    def test_table_default_replaces_the_given_one(self) -> None:
        """The code's default counts only where the table has none."""
        settings = self.settings()
        self.assertEqual(settings.integer("PREEN_INTERVAL", 5), 86400)
        self.assertEqual(settings.integer("SHUTDOWN_GRACEFUL_TIMEOUT", 1800), 1800)
        self.assertIsNone(settings.integer("NO_SUCH_KNOB"))

    def test_emptied_number_falls_back_to_the_table(self) -> None:
        """A number set to nothing has its compiled-in default."""
        self.assertEqual(
            self.settings(PREEN_INTERVAL="").integer("PREEN_INTERVAL", 5), 86400
        )

    def test_bad_integer(self) -> None:
        """What is no number is a ConfigError that names the knob."""
        for text in ("abc", "12x", '"5"', "1 +", "undefined", "9" * 30, "1/0"):
            error = self.assertRaises(
                ConfigError, self.settings(N=text).integer, "N", 1
            )
            self.assertIn("N is", str(error))

    def test_range_of_the_table(self) -> None:
        """A number outside the table's range is refused."""
        settings = self.settings(COLLECTOR_SOCKET_BUFSIZE="1023")
        self.assertRaises(ConfigError, settings.integer, "COLLECTOR_SOCKET_BUFSIZE")
        settings = self.settings(COLLECTOR_SOCKET_BUFSIZE="1024")
        self.assertEqual(settings.integer("COLLECTOR_SOCKET_BUFSIZE"), 1024)

    def test_range_of_the_question(self) -> None:
        """The limits of a question include their ends."""
        settings = self.settings(N="10")
        self.assertEqual(settings.integer("N", minimum=10, maximum=10), 10)
        self.assertRaises(ConfigError, settings.integer, "N", minimum=11)
        self.assertRaises(ConfigError, settings.integer, "N", maximum=9)

    def test_int_knob_has_32_bits(self) -> None:
        """A knob of type int does not take more than 32 bits."""
        settings = self.settings(PREEN_INTERVAL=str(1 << 31), N=str(1 << 31))
        self.assertRaises(ConfigError, settings.integer, "PREEN_INTERVAL")
        self.assertEqual(settings.integer("N"), 1 << 31)

    def test_boolean(self) -> None:
        """Literals in any case, and expressions, are truth values."""
        settings = self.settings(A="TRUE", B="0", C="1+1 > 1", D="2", E="False  ")
        got = [settings.boolean(name) for name in "ABCDE"]
        self.assertEqual(got, [True, False, True, True, False])
        self.assertIs(settings.boolean("NO_SUCH_KNOB", True), True)
        for text in ("yes", "maybe", "tru"):
            self.assertRaises(ConfigError, self.settings(N=text).boolean, "N")

    def test_real_and_seconds(self) -> None:
        """Reals take literals and expressions."""
        settings = self.settings(A="1.5", B="3/2.0", C="1e3", D="7")
        got = [settings.real(name) for name in "ABCD"]
        self.assertEqual(got, [1.5, 1.5, 1000.0, 7.0])
        self.assertEqual(settings.seconds("PREEN_INTERVAL"), 86400.0)
        self.assertRaises(ConfigError, self.settings(N="x").real, "N")

    def test_size_bytes(self) -> None:
        """Sizes take units; times and negative numbers are none."""
        settings = self.settings(A="10 Mb", B="1000", C="2K", D="1g", E="1 Mib")
        got = [settings.size_bytes(name) for name in "ABCDE"]
        self.assertEqual(got, [10 << 20, 1000, 2048, 1 << 30, 1 << 20])
        for text in ("1 day", "10 m", "5 min", "-1", "x", "1 mx"):
            self.assertRaises(ConfigError, self.settings(N=text).size_bytes, "N")

    def test_words(self) -> None:
        """Lists are separated by commas and blanks; a missing one is the default."""
        settings = self.settings(A="a, b  c,,d\te", B=" , ")
        self.assertEqual(settings.words("A"), ("a", "b", "c", "d", "e"))
        self.assertEqual(settings.words("B"), ())
        self.assertEqual(settings.words("NO_SUCH_KNOB", ["x"]), ("x",))

    def test_evaluator_is_an_argument(self) -> None:
        """The evaluator handed in decides what an expression is worth."""
        settings = Settings.from_assignments(
            {"N": "size({1, 2})"}, surroundings=Surroundings(evaluate=len)
        )
        self.assertEqual(settings.integer("N"), 12)

    def test_check_types(self) -> None:
        """The check finds the bad number, and looks only where it is asked to."""
        settings = self.settings(PREEN_INTERVAL="abc")
        error = self.assertRaises(ConfigError, settings.check_types)
        self.assertIn("PREEN_INTERVAL", str(error))
        settings.check_types(lambda name: name != "PREEN_INTERVAL")
        self.settings().check_types()
