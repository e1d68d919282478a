"""Templates and their arguments."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.definitions import Definitions
from condor_twisted.config.language import ConfigurationParser
from condor_twisted.config.metaknobs import (
    MetaknobUse,
    apply_arguments,
    compiled_in_metaknobs,
    parse_uses,
    read_templates,
)
from condor_twisted.errors import ConfigError

VECTORS = Path(__file__).parents[1] / "vectors" / "config"


class ArgumentTests(SynchronousTestCase):
    """What stands for an argument."""

    def test_arguments(self) -> None:
        """Items, defaults, questions, counts and rests."""
        for template, arguments, expected in (
            ("$(0)", " a, b ", "a, b"),
            ("$(0#)", "a,,b", "2"),
            ("$(0#)", "", "0"),
            ("$(1)-$(2)-$(3)", " a , b", "a-b-"),
            ("$(1:x)-$(2:y(z))", "a", "a-y(z)"),
            ("$(1?)$(2?)", "a", "10"),
            ("$(2+)", "a,b,c", "b,c"),
            ("$(2+:100%)", "a", "100%"),
            ("$(1+)", "a,b", "a,b"),
            ("$(3+)", "a,b", ""),
            ("$(X) $(1X) $INT(1)", "a", "$(X) $(1X) $INT(1)"),
            ("$($(1))", "NAME", "$(NAME)"),
        ):
            self.assertEqual(apply_arguments(template, arguments), expected, template)

    def test_endless_arguments(self) -> None:
        """An argument that brings itself in again is an error."""
        self.assertRaises(ConfigError, apply_arguments, "$(1)", "$(1)")

    def test_uses(self) -> None:
        """Names are separated by commas or blanks; brackets nest in arguments."""
        self.assertEqual(
            parse_uses(" A, B(x, (y), [z)]) C ( 1 ) ,D("),
            [
                MetaknobUse("A", ""),
                MetaknobUse("B", "x, (y), [z)]"),
                MetaknobUse("C", " 1 "),
                MetaknobUse("D", ""),
            ],
        )
        self.assertEqual(parse_uses(" , "), [])

    def test_bottomless_brackets(self) -> None:
        """Brackets beyond the nesting limit are no arguments."""
        deep = "A" + "(" * 100 + ")" * 100
        self.assertEqual(parse_uses(deep)[0], MetaknobUse("A", ""))


class TemplateTests(SynchronousTestCase):
    """The table of templates."""

    def test_read(self) -> None:
        """A heading starts a template; case does not matter for finding it."""
        table = read_templates("# comment\n[ROLE.One]\nA = 1\n\n[Role.Two]\n")
        one = table.get("role", "ONE")
        assert one is not None
        self.assertEqual((one.category, one.name, one.text), ("ROLE", "One", "A = 1"))
        self.assertEqual(table.names("ROLE"), ["One", "Two"])
        self.assertTrue(table.has_category("role"))
        self.assertFalse(table.has_category("feature"))
        self.assertIsNone(table.get("ROLE", "Three"))

    def test_text_without_heading(self) -> None:
        """Text in front of the first heading is an error."""
        error = self.assertRaises(ConfigError, read_templates, "\nA = 1\n")
        self.assertEqual(error.line, 2)

    def test_all_of_ours_parse(self) -> None:
        """Every template can be applied with enough arguments, and sets something.

        Only those of UPGRADE are lists and not for use.
        """
        for metaknob in compiled_in_metaknobs():
            if metaknob.category == "UPGRADE":
                continue
            definitions = Definitions("COLLECTOR")
            parser = ConfigurationParser(definitions)
            use = f"{metaknob.name}(9, 1, 2, d, e)"
            parser.apply_metaknob(metaknob.category, use, "test")
            self.assertGreater(len(definitions), 0, metaknob.name)

    def test_warning_in_a_template(self) -> None:
        """It says its text, and is an assignment as well."""
        definitions = Definitions("COLLECTOR")
        parser = ConfigurationParser(definitions)
        parser.apply_metaknob("FEATURE", "DefaultCheckpointDestination", "test")
        (warning,) = parser.warnings
        self.assertTrue(warning.startswith("Warning : You must set"), warning)
        self.assertEqual([each.name for each in definitions], ["warning"])

    def test_every_name_of_htcondor_is_known(self) -> None:
        """The categories hold what HTCondor 25 lists for them."""
        table = compiled_in_metaknobs()
        recorded = json.loads((VECTORS / "metaknob_names.json").read_text())
        del recorded["header"]
        for category, names in recorded.items():
            self.assertEqual(table.names(category), sorted(names, key=str.lower))
