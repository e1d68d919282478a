"""Finding and expanding macros."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.macros import (
    Macro,
    MacroContext,
    expand,
    expand_self,
    find_macro,
)
from condor_twisted.config.surroundings import Surroundings
from condor_twisted.errors import ConfigError


def context(**values: str) -> MacroContext:
    """A context in which names have these values, whatever the case of letters."""
    return MacroContext(
        lambda name: values.get(name.upper()),
        Surroundings(environment={"SET": "value", "NONE": ""}),
    )


class FindTests(SynchronousTestCase):
    """Where a macro starts and ends."""

    def found(self, text: str) -> Macro | None:
        return find_macro(text, 0, lambda macro: True)

    def test_parts(self) -> None:
        """A macro knows its place, function, name and default."""
        self.assertEqual(self.found("a$(B:c)d"), Macro(1, 7, "", "B", "c"))
        self.assertEqual(self.found("$ENV(B)"), Macro(0, 7, "ENV", "B", None))
        self.assertEqual(self.found("$INT(a b,c)"), Macro(0, 11, "INT", "a b,c", None))
        self.assertEqual(self.found("$Fpq(B)"), Macro(0, 7, "Fpq", "B", None))

    def test_no_macros(self) -> None:
        """Dollars, doubled ones, unknown functions and open ends are text."""
        for text in ("", "$", "cost$5", "$$(A)", "$(A", "$(A B)", "$X(A)", "$int(A)"):
            self.assertIsNone(self.found(text), text)

    def test_unwanted_macro_is_skipped_with_its_body(self) -> None:
        """A macro that is not wanted does not hide the next one."""
        macro = find_macro("$(A)$(B)", 0, lambda found: found.name == "B")
        self.assertEqual(macro, Macro(4, 8, "", "B", None))


class ExpandTests(SynchronousTestCase):
    """What text becomes."""

    def test_defaults(self) -> None:
        """A default stands in for undefined and for empty names."""
        for text, expected in (
            ("$(A)", "1"),
            ("$(N)", ""),
            ("$(N:d)", "d"),
            ("$(E:d)", "d"),
            ("$(N:$(A))", "1"),
            ("$(N:x y,z\\:)", "x y,z\\:"),
            ("$(N:x-y)", "$(N:x-y)"),
            ("$(a)$(A)", "11"),
        ):
            self.assertEqual(expand(text, context(A="1", E="")), expected, text)

    def test_indirection(self) -> None:
        """A macro may make the name of another one."""
        self.assertEqual(expand("$($(P))", context(P="A", A="1")), "1")

    def test_environment(self) -> None:
        """An unset variable says UNDEFINED unless there is a default."""
        text = "$ENV(SET) $ENV(NO) $ENV(NO:d) [$ENV(NONE:d)]"
        self.assertEqual(expand(text, context()), "value UNDEFINED d []")

    def test_dollar(self) -> None:
        """A protected dollar is put in last and not expanded again."""
        self.assertEqual(expand("$(DOLLAR)(A) $(dollar)", context(A="1")), "$(A) $")

    def test_endless_macros_are_errors(self) -> None:
        """Names that refer to each other are an error, not an endless loop."""
        for values in (
            {"A": "$(A)"},
            {"A": "$(B)", "B": "$(A)"},
            {"A": "$(A)$(A)"},
            {"A": "x$(A)"},
            {"A": "$INT(A)"},
            {"A": "$SUBSTR(A,1)"},
        ):
            self.assertRaises(ConfigError, expand, "$(A)", context(**values))

    @settings(deadline=None, max_examples=200)
    @given(st.text("$(){}:,.AINTENVF 12", max_size=40))
    def test_any_text(self, text: str) -> None:
        """Whatever the text, the outcome is text or a ConfigError."""
        with contextlib.suppress(ConfigError):
            self.assertIsInstance(expand(text, context(A="1", N="$(A)")), str)


class ExpandSelfTests(SynchronousTestCase):
    """References of a value to its own name."""

    def test_only_the_own_name(self) -> None:
        """Other names, and functions but $F, wait for the lookup."""
        here = context(X="old/x.y", B="b")
        self.assertEqual(
            expand_self("$(x) $(B) $Fn(X) $INT(X) $(X:d)", "X", here),
            "old/x.y $(B) x $INT(X) old/x.y",
        )

    def test_own_prefix(self) -> None:
        """In SUBSYS.X, $(X) is the own name when the reader has that prefix."""
        here = context(X="old")
        self.assertEqual(
            expand_self("$(X) 2", "COLLECTOR.X", here, ("LOC", "COLLECTOR")), "old 2"
        )
        self.assertEqual(
            expand_self("$(X) 2", "SCHEDD.X", here, ("LOC", "COLLECTOR")), "$(X) 2"
        )

    def test_endless(self) -> None:
        """A value that brings its own name in again is an error."""
        here = context(X="$(X)")
        self.assertRaises(ConfigError, expand_self, "$(X)", "X", here)
        here = context(X="x" * 1000 + "$(X)")
        self.assertRaises(ConfigError, expand_self, "$(X)", "X", here)
