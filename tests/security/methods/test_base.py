"""`condor_twisted.security.methods` and its ``base``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.security.method_names import METHOD_BITS
from condor_twisted.security.methods import METHODS, find_method, usable_methods
from tests.security.kit import DictKnobs


class MethodsTests(SynchronousTestCase):
    """The table of methods."""

    def test_rows(self) -> None:
        """Each row has the name and the bit of the closed list, once."""
        for method in METHODS:
            self.assertEqual(METHOD_BITS[method.name], method.bit)
            self.assertIs(find_method(method.name.lower()), method)
        self.assertEqual(len({method.bit for method in METHODS}), len(METHODS))
        self.assertIsNone(find_method("KERBEROUS"))

    def test_usable(self) -> None:
        """A client without a name cannot use CLAIMTOBE; a server can."""
        knobs = DictKnobs()
        self.assertNotIn("CLAIMTOBE", usable_methods(knobs, None, Permission.CLIENT))
        self.assertIn("CLAIMTOBE", usable_methods(knobs, None, Permission.READ))
        self.assertIn("CLAIMTOBE", usable_methods(knobs, "a", Permission.CLIENT))
        named = DictKnobs({"SEC_CLAIMTOBE_USER": "a"})
        self.assertIn("CLAIMTOBE", usable_methods(named, None, Permission.CLIENT))
        self.assertIn("FS", usable_methods(knobs, None, Permission.CLIENT))
