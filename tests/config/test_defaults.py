"""The compiled-in defaults."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.defaults import compiled_in_defaults, same_value
from condor_twisted.config.settings import Settings
from condor_twisted.config.surroundings import Surroundings


class DefaultTests(SynchronousTestCase):
    """The table and its use."""

    def test_entries(self) -> None:
        """Name, text, type and range are there, in any case of letters."""
        entry = compiled_in_defaults().get("collector_socket_bufsize")
        assert entry is not None
        self.assertEqual(entry.name, "COLLECTOR_SOCKET_BUFSIZE")
        self.assertEqual((entry.value, entry.type), ("10000*1024", "int"))
        self.assertEqual((entry.minimum, entry.maximum), (1024, None))
        self.assertIsNone(compiled_in_defaults().get("NO_SUCH_KNOB"))

    def test_subsystem_defaults(self) -> None:
        """A name with a dot belongs to one subsystem; others fall back."""
        table = compiled_in_defaults()
        own = table.for_name("MASTER.ENABLE_CLASSAD_CACHING")
        other = table.for_name("SCHEDD.ENABLE_CLASSAD_CACHING")
        assert own is not None
        assert other is not None
        self.assertEqual((own.value, other.value), ("false", "true"))

    def test_same_value(self) -> None:
        """Only truth values are equal whatever their letters' case."""
        self.assertTrue(same_value("a", "a"))
        self.assertTrue(same_value("True", "TRUE"))
        self.assertFalse(same_value("a", "A"))
        self.assertFalse(same_value("true", "false"))

    def test_every_default_is_what_its_type_says(self) -> None:
        """Every number and truth value of the table can be read."""
        settings = Settings.from_assignments(
            {
                # These defaults ask for facts about the machine or call functions.
                "MAX_JOBS_RUNNING": "10",
                "DETECTED_CPUS": "2",
            },
            "COLLECTOR",
            surroundings=Surroundings(random_below=lambda bound: 0),
        )
        readers: dict[str, Callable[[str], object]] = {
            "int": settings.integer,
            "long": settings.integer,
            "double": settings.real,
            "bool": settings.boolean,
        }
        for entry in settings.compiled_in():
            if (
                entry.type in readers
                and entry.value
                and entry.name != "MAX_JOBS_RUNNING"
            ):
                self.assertIsNotNone(readers[entry.type](entry.name), entry.name)
            settings.text(entry.name)
