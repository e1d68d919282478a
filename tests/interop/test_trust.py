"""`interop.trust`: the scenarios."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from interop import trust
from interop.credentials import SUBJECTS


class ScenarioTests(SynchronousTestCase):
    """What is compared."""

    def test_expectations(self) -> None:
        """Each is of a scenario that there is."""
        titles = {
            *(f"known hosts: {title}" for title in trust._MEETINGS),
            *(f"plugins: {title}" for title in trust._ASKED),
            "plugins: all plugins, no map file",
        }
        self.assertEqual(set(trust._EXPECTED) - titles, set())

    def test_subjects(self) -> None:
        """Each scenario of plugins has a token of its own, and plugins that exist."""
        shown = [subject for subject, _ in trust._ASKED.values()]
        self.assertEqual(sorted(shown), sorted(SUBJECTS))
        for _, mapping in trust._ASKED.values():
            named = mapping.removeprefix("PLUGIN:").split(",")
            self.assertEqual(set(named) - set(trust._PLUGINS), set())
