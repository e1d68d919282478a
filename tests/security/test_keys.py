"""`condor_twisted.security.keys`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.security.keys import (
    CryptoMethod,
    SessionKey,
    parse_crypto_methods,
)


class CryptoMethodTests(SynchronousTestCase):
    """Ciphers by name."""

    def test_order_and_aliases(self) -> None:
        """A list keeps its order, knows the alias, and drops duplicates."""
        self.assertEqual(
            parse_crypto_methods("TRIPLEDES, AES BLOWFISH,3DES"),
            (CryptoMethod.TRIPLE_DES, CryptoMethod.AES, CryptoMethod.BLOWFISH),
        )

    def test_mnh_4_1_closed_list_of_ciphers(self) -> None:
        """What is no known name in upper case is no cipher."""
        self.assertEqual(parse_crypto_methods("aes,NONE,RC4,,AES256"), ())

    def test_wire_names(self) -> None:
        """Each cipher's wire name is read back as that cipher."""
        for method in CryptoMethod:
            self.assertEqual(parse_crypto_methods(method.wire_name), (method,))

    def test_key_lengths(self) -> None:
        """AES keys have 32 bytes, the others 24."""
        self.assertEqual([each.key_length_bytes for each in CryptoMethod], [24, 24, 32])


class SessionKeyTests(SynchronousTestCase):
    """Keys."""

    def test_mnh_7_1_no_secret_in_repr(self) -> None:
        """A key shows its cipher and nothing of itself."""
        key = SessionKey(CryptoMethod.AES, b"very secret bytes")
        self.assertIn("AES", repr(key))
        self.assertNotIn("secret", repr(key))
