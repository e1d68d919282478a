"""`condor_twisted.security.method_names`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.security.method_names import (
    METHOD_BITS,
    canonical_method,
    common_methods,
    filter_methods,
)


class MethodNameTests(SynchronousTestCase):
    """Methods by name."""

    def test_bits_are_single_and_distinct(self) -> None:
        """Each method has one bit of its own, and GSI's stays free."""
        bits = list(METHOD_BITS.values())
        self.assertEqual(len(set(bits)), len(bits))
        self.assertTrue(all(bit & (bit - 1) == 0 for bit in bits))
        self.assertNotIn(32, bits)

    def test_aliases(self) -> None:
        """IDTOKENS and its sisters travel as TOKEN."""
        for name in ("TOKEN", "tokens", "IDTOKEN", "IdTokens"):
            self.assertEqual(canonical_method(name), "TOKEN")
        self.assertEqual(canonical_method("SciToken"), "SCITOKENS")

    def test_mnh_4_1_closed_list_of_methods(self) -> None:
        """What is no known name is no method."""
        for name in ("", "GSI", "NONE", "FS ", "*"):
            self.assertIsNone(canonical_method(name))

    def test_filter(self) -> None:
        """One's own list keeps its order and only what works."""
        self.assertEqual(
            filter_methods("FS, IDTOKENS KERBEROS,fs,GSI", {"FS", "TOKEN"}),
            ("FS", "TOKEN"),
        )

    def test_common(self) -> None:
        """The server's order and the client's spelling; client aliases do not count."""
        server = ("FS", "TOKEN", "CLAIMTOBE")
        self.assertEqual(
            common_methods("claimtobe,Token,KERBEROS,FS", server),
            ("FS", "Token", "claimtobe"),
        )
        self.assertEqual(common_methods("IDTOKENS,TOKENS", server), ())
