"""The table of names and raw values."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.definitions import Definitions, Origin

HERE = Origin("here", 1)


class DefinitionTests(SynchronousTestCase):
    """Assigning, finding and forgetting."""

    def test_spelling_of_the_first_assignment_stays(self) -> None:
        """Later assignments change value and origin only."""
        definitions = Definitions("TOOL")
        definitions.assign("Name", "1", HERE)
        definitions.assign("NAME", "2", Origin("there", 7))
        (definition,) = definitions
        self.assertEqual((definition.name, definition.value), ("Name", "2"))
        self.assertEqual(str(definition.origin), "there, line 7")

    def test_default_values_are_dropped_on_request_only(self) -> None:
        """A value equal to the default is kept when that is asked for."""
        dropping = Definitions("TOOL")
        keeping = Definitions("TOOL", keep_defaults=True)
        for definitions in (dropping, keeping):
            definitions.assign("PREEN_INTERVAL", "86400", HERE)
            definitions.assign("TOOL.PREEN_INTERVAL", "86400", HERE)
        self.assertIsNone(dropping.exactly("PREEN_INTERVAL"))
        self.assertIsNotNone(dropping.exactly("TOOL.PREEN_INTERVAL"))
        self.assertIsNotNone(keeping.exactly("PREEN_INTERVAL"))

    def test_default_replaces_another_value(self) -> None:
        """Going back to the default is an assignment like any other."""
        definitions = Definitions("TOOL")
        definitions.assign("PREEN_INTERVAL", "1", HERE)
        definitions.assign("PREEN_INTERVAL", "86400", HERE)
        self.assertEqual(definitions.lookup("PREEN_INTERVAL"), "86400")

    def test_self_reference_sees_the_default(self) -> None:
        """A name without a value yet grows out of its default."""
        definitions = Definitions("TOOL")
        definitions.assign("DAEMON_LIST", "$(DAEMON_LIST), COLLECTOR", HERE)
        self.assertEqual(definitions.lookup("daemon_list"), "MASTER, COLLECTOR")

    def test_without_defaults(self) -> None:
        """A table without defaults knows only what was assigned."""
        definitions = Definitions("TOOL", with_defaults=False)
        self.assertIsNone(definitions.find("PREEN_INTERVAL"))
        self.assertIsNone(definitions.find_default("PREEN_INTERVAL"))

    def test_found(self) -> None:
        """What is found names the match and its origin."""
        definitions = Definitions("COLLECTOR", "LOC")
        definitions.assign("LOC.A", "1", HERE)
        found = definitions.find("a")
        assert found is not None
        self.assertEqual((found.name, found.origin), ("LOC.A", HERE))
        default = definitions.find("IsCollector")
        assert default is not None
        self.assertEqual(default.name, "COLLECTOR.IsCollector")
        self.assertEqual(str(default.origin), "<Default>")
        entry = definitions.find_default("IsCollector")
        assert entry is not None
        self.assertEqual(entry.value, "true")

    def test_copy_for_another_reader(self) -> None:
        """A copy has the same names and its own prefixes."""
        definitions = Definitions("COLLECTOR", "LOC")
        definitions.assign("SCHEDD.A", "1", HERE)
        other = definitions.copy("SCHEDD")
        other.forget("SCHEDD.A")
        other.assign("SCHEDD.A", "2", HERE)
        self.assertEqual((other.lookup("A"), other.local_name), ("2", None))
        self.assertEqual(definitions.copy("SCHEDD").lookup("A"), "1")
        self.assertEqual(len(definitions.copy()), 1)
