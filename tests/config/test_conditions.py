"""Conditions; the recorded cases hold them against the real thing."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.conditions import ConditionStack, evaluate_condition
from condor_twisted.config.definitions import Definitions, Origin
from condor_twisted.config.metaknobs import compiled_in_metaknobs
from condor_twisted.errors import ConfigError


class EvaluateTests(SynchronousTestCase):
    """What holds, what does not, and what is no condition."""

    def holds(self, text: str) -> bool:
        definitions = Definitions("COLLECTOR")
        for name, value in (("A", "1"), ("EMPTY", ""), ("WORD", "word")):
            definitions.assign(name, value, Origin("test"))
        return evaluate_condition(text, definitions, compiled_in_metaknobs())

    def test_true_and_false(self) -> None:
        """Numbers, words, versions and defined."""
        for text in ("1", "-0.5", "1e1", "T", "Yes", "TRUE", "! no", "!0", "!$(EMPTY)"):
            self.assertTrue(self.holds(text), text)
        for text in ("0", "0.0", "f", "No", "false", "!1", "$(EMPTY)", "defined"):
            self.assertFalse(self.holds(text), text)

    def test_versions(self) -> None:
        """The own version is 25.14.1; a missing third number is the own one."""
        for text in (
            "== 25.14",
            ">= 25.14.1",
            "< 25.15",
            "> 25.14.0",
            "<= v26.0",
            "!= 8.8",
        ):
            self.assertTrue(self.holds(f"version {text}"), text)
        for text in ("!= 25.14", "> 25.14", "< 25.14.1", "= 8.9.1"):
            self.assertFalse(self.holds(f"version {text}"), text)

    def test_defined(self) -> None:
        """Names count when they are not empty, defaults included."""
        for text in (
            "A",
            "COLLECTOR_UPDATE_INTERVAL",
            "7",
            "true",
            "use ROLE",
            "use role:personal",
            "no",
        ):
            self.assertTrue(self.holds(f"defined {text}"), text)
        for text in ("EMPTY", "NOPE", "use ROLE:Nope", "use NOPE"):
            self.assertFalse(self.holds(f"defined {text}"), text)

    def test_not_a_condition(self) -> None:
        """Everything else is an error."""
        for text in (
            "",
            "!",
            "word",
            "$(WORD)",
            "1 == 1",
            "version",
            "version >= x",
            "version > 5.9",
            "version>=25.0",
            "defined a b",
            "defined a-b",
            "defined use ROLE : Personal",
        ):
            self.assertRaises(ConfigError, self.holds, text)


class StackTests(SynchronousTestCase):
    """Which lines count."""

    def taken(self, *lines: str) -> list[str]:
        stack, taken = ConditionStack(), []
        for line in lines:
            keyword = stack.take(line, lambda text: {"1": True, "0": False}[text])
            if not keyword and stack.enabled:
                taken.append(line)
        self.assertEqual(stack.depth, 0)
        return taken

    def test_first_true_branch_only(self) -> None:
        """Exactly one branch is taken; conditions behind it are not asked."""
        lines = ("if 0", "a", "elif 1", "b", "elif nonsense", "c", "else", "d", "endif")
        self.assertEqual(self.taken(*lines), ["b"])

    def test_nothing_inside_a_dead_branch_is_asked(self) -> None:
        """A nested condition in a branch that does not count is not evaluated."""
        lines = (
            "if 0",
            "if nonsense",
            "a",
            "elif nonsense",
            "else",
            "b",
            "endif",
            "endif",
            "c",
        )
        self.assertEqual(self.taken(*lines), ["c"])

    def test_nesting(self) -> None:
        """An else belongs to the nearest if."""
        lines = ("IF 1", "if 0", "a", "Else", "b", "endif", "c", "else", "d", "endif")
        self.assertEqual(self.taken(*lines), ["b", "c"])

    def test_misplaced(self) -> None:
        """Keywords without their if, or behind else, are errors."""
        for lines in (
            ("else",),
            ("elif 1",),
            ("endif",),
            ("if 1", "else", "else"),
            ("if 1", "else", "elif 1"),
        ):
            self.assertRaises(ConfigError, self.taken, *lines)

    def test_depth(self) -> None:
        """63 levels are fine, 64 are too many."""
        stack = ConditionStack()
        for _ in range(63):
            stack.take("if 1", lambda text: True)
        self.assertTrue(stack.enabled)
        self.assertRaises(ConfigError, stack.take, "if 1", lambda text: True)

    def test_other_lines(self) -> None:
        """Names that merely start like a keyword are not keywords."""
        for line in ("ifx = 1", "endif_ = 2", "else=3", "IFDEF = 1"):
            self.assertFalse(ConditionStack().take(line, lambda text: True), line)
