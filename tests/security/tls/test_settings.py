"""`condor_twisted.security.tls.settings`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.security.tls.settings import TlsSettings
from tests.security.kit import DictKnobs


class SettingsTests(SynchronousTestCase):
    """What the knobs come to."""

    def test_server(self) -> None:
        """A server needs a certificate, and has the server's knobs."""
        found = TlsSettings.for_server(
            DictKnobs(
                {
                    "AUTH_SSL_SERVER_CERTFILE": "/a, /b",
                    "AUTH_SSL_SERVER_KEYFILE": "/c,/d,/e",
                    "AUTH_SSL_SERVER_CAFILE": "/f,/g",
                    "AUTH_SSL_SERVER_CADIR": "/h",
                    "AUTH_SSL_SERVER_USE_DEFAULT_CAS": "False",
                    "AUTH_SSL_ALLOW_CLIENT_PROXY": "True",
                    "AUTH_SSL_CIPHERLIST": "X",
                }
            )
        )
        self.assertEqual(
            found,
            TlsSettings(
                True,
                (("/a", "/c"), ("/b", "/d")),
                True,
                ("/f", "/g"),
                "/h",
                False,
                True,
                "X",
            ),
        )

    def test_client(self) -> None:
        """A client shows what it has: a certificate, a proxy where wanted, nothing."""
        knobs = {
            "AUTH_SSL_CLIENT_CERTFILE": "/a",
            "AUTH_SSL_CLIENT_KEYFILE": "/b",
            "AUTH_SSL_CLIENT_CAFILE": "/c",
        }
        plain = TlsSettings.for_client(DictKnobs(knobs), "/proxy")
        self.assertEqual(plain.pairs, (("/a", "/b"),))
        self.assertEqual((plain.ca_files, plain.ca_directory), (("/c",), None))
        self.assertTrue(plain.default_authorities)
        self.assertFalse(plain.needs_certificate)
        self.assertFalse(plain.allow_proxies)
        wants = DictKnobs(
            {
                **knobs,
                "AUTH_SSL_USE_CLIENT_PROXY_ENV_VAR": "True",
                "AUTH_SSL_REQUIRE_CLIENT_CERTIFICATE": "True",
            }
        )
        proxy = TlsSettings.for_client(wants, "/proxy")
        self.assertEqual(proxy.pairs, (("/proxy", "/proxy"),))
        self.assertTrue(proxy.needs_certificate)
        self.assertEqual(TlsSettings.for_client(wants, None).pairs, (("/a", "/b"),))
        nobody = TlsSettings.for_client(wants, "/proxy", anonymous=True)
        self.assertEqual(nobody.pairs, ())
        self.assertFalse(nobody.needs_certificate)

    def test_default_ciphers(self) -> None:
        """Nothing without encryption or without authentication is in the list."""
        ciphers = TlsSettings.for_server(DictKnobs()).ciphers
        self.assertIn("!aNULL", ciphers)
        self.assertNotIn("DES", ciphers)
