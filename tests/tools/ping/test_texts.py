"""Tests of ``condor_twisted.tools.ping.texts``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.tools.ping.texts import paragraph, sentence, table_row
from tests.tools.ping.kit import succeeded


class TextsTests(SynchronousTestCase):
    """The same words as ``condor_ping``'s for the same facts."""

    def test_ciphers(self) -> None:
        """Encryption names its cipher; integrity is MD5 wherever that is not AES."""
        for answers, shown in (
            ({"Encryption": "YES", "Integrity": "YES"}, "AES, AES"),
            ({"Integrity": "YES"}, "no encryption, MD5"),
            (
                {
                    "Encryption": "YES",
                    "Integrity": "YES",
                    "CryptoMethods": "BLOWFISH",
                },
                "BLOWFISH, MD5",
            ),
            (
                {"Encryption": "YES", "CryptoMethods": "3DES"},
                "3DES, no integrity",
            ),
        ):
            self.assertEqual(
                sentence("WRITE", "there", succeeded(None, **answers)),
                f"WRITE command using ({shown}, and no authentication) succeeded as "
                "nobody@x to there.\n",
            )

    def test_authentication_in_vain(self) -> None:
        """Where it was agreed on, the first common method stands for it."""
        result = succeeded(Authentication="YES", AuthMethodsList="SSL,FS")
        self.assertIn("Authenticated using:         SSL\n", paragraph("A", "b", result))
        self.assertIn("methods:  SSL,FS\n", paragraph("A", "b", result))
        words = ("READ".rjust(20), "SSL".rjust(15), "none".rjust(11), "none".rjust(10))
        self.assertEqual(
            table_row("READ", result), "".join(words) + "    ALLOW nobody@x\n"
        )
