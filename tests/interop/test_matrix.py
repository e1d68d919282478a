"""Tests of ``interop.matrix``: its pure part."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from interop.compare import Difference
from interop.credentials import METHODS
from interop.explanations import explain
from interop.matrix import Cell, cells, outcome


class CellTests(SynchronousTestCase):
    def test_every_method_with_every_cipher_and_protection(self) -> None:
        """Three ciphers in three protections, and one cell without either."""
        for method in METHODS:
            mine = [cell for cell in cells() if cell.method == method]
            self.assertEqual(len(set(mine)), 10)

    def test_what_a_cell_demands(self) -> None:
        """A client without protection still names a cipher."""
        demanded = Cell("FS", "3DES", "integrity").knobs
        self.assertEqual(demanded["SEC_CLIENT_CRYPTO_METHODS"], "3DES")
        self.assertEqual(demanded["SEC_CLIENT_ENCRYPTION"], "NEVER")
        self.assertEqual(demanded["SEC_CLIENT_INTEGRITY"], "REQUIRED")
        nothing = Cell("FS", "none", "none")
        self.assertEqual(nothing.knobs["SEC_CLIENT_CRYPTO_METHODS"], "AES")
        self.assertEqual(nothing.knobs["SEC_CLIENT_INTEGRITY"], "NEVER")
        self.assertEqual(str(nothing), "FS none")


class OutcomeTests(SynchronousTestCase):
    def test_allowed_and_refused(self) -> None:
        """Who was let in and how, or nothing but that nobody was."""
        facts = {
            "Authorized": "TRUE",
            "Authenticated using": "FS",
            "Encryption": "none",
            "Integrity": "MD5",
            "Remote Mapping": "tester@pool.example",
        }
        self.assertEqual(outcome(facts), "FS, none and MD5, tester@pool.example")
        self.assertEqual(outcome({"Result": "failed"}), "refused")

    def test_what_may_differ(self) -> None:
        """A domain that an older version does not add, and nothing else."""

        def reason(method: str, actual: str) -> str | None:
            left = f"{method}, AES and AES, tester"
            name = f"{method}: real client, twisted collector, as the real pair"
            return explain(Difference(name, "a cell", "outcome", left, actual))

        named = "CLAIMTOBE, AES and AES, tester@pool.example"
        self.assertIsNotNone(reason("CLAIMTOBE", named))
        self.assertIsNone(reason("CLAIMTOBE", "refused"))
        self.assertIsNone(reason("FS", "FS, AES and AES, tester@pool.example"))
