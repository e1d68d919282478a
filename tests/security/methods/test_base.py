"""`condor_twisted.security.methods` and its ``base``."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.literals import LiteralValue
from condor_twisted.constants.permissions import Permission
from condor_twisted.security import methods
from condor_twisted.security.method_names import METHOD_BITS
from condor_twisted.security.methods import (
    METHODS,
    find_method,
    offer_attributes,
    usable_methods,
)
from condor_twisted.security.methods.anonymous import AnonymousMethod
from condor_twisted.security.methods.base import MethodSecurity
from condor_twisted.security.methods.fs import FsMethod
from tests.security.kit import DictKnobs, make_state


class MethodsTests(SynchronousTestCase):
    """The table of methods."""

    def test_rows(self) -> None:
        """Each row has the name and the bit of the closed list, once."""
        for method in METHODS:
            self.assertEqual(METHOD_BITS[method.name], method.bit)
            self.assertIs(find_method(method.name.lower()), method)
        self.assertEqual(len({method.bit for method in METHODS}), len(METHODS))
        self.assertIsNone(find_method("KERBEROUS"))

    def test_attributes(self) -> None:
        """An ad has the attributes of the methods that it offers, and no others."""

        class Described(FsMethod):
            @classmethod
            def attributes(cls, security: MethodSecurity) -> Mapping[str, LiteralValue]:
                return {"IssuerKeys": security.uid_domain}

        self.patch(methods, "METHODS", (AnonymousMethod, Described))
        state = make_state()
        self.assertEqual(offer_attributes(["FS"], state), {"IssuerKeys": "test.domain"})
        self.assertEqual(offer_attributes(["ANONYMOUS"], state), {})

    def test_usable(self) -> None:
        """A client without a name cannot use CLAIMTOBE; a server can."""
        knobs = DictKnobs()
        self.assertNotIn("CLAIMTOBE", usable_methods(knobs, None, Permission.CLIENT))
        self.assertIn("CLAIMTOBE", usable_methods(knobs, None, Permission.READ))
        self.assertIn("CLAIMTOBE", usable_methods(knobs, "a", Permission.CLIENT))
        named = DictKnobs({"SEC_CLAIMTOBE_USER": "a"})
        self.assertIn("CLAIMTOBE", usable_methods(named, None, Permission.CLIENT))
        self.assertIn("FS", usable_methods(knobs, None, Permission.CLIENT))
