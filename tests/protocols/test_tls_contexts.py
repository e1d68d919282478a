"""Tests of ``condor_twisted.protocols.tls_contexts``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols.tls_contexts import TlsContexts, make_tls_context
from condor_twisted.security.tls.settings import TlsSettings
from tests.security.certificates import (
    AUTHORITY,
    HOST,
    OTHER_AUTHORITY,
    PROXY,
    USER,
    Identity,
)
from tests.security.kit import DictKnobs
from tests.security.tls.test_conversation import run


class ContextTests(SynchronousTestCase):
    """Contexts out of files."""

    def setUp(self) -> None:
        """Files of an authority, a host and a user."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.write("ca.pem", AUTHORITY.certificate_pem)
        self.write("other.pem", OTHER_AUTHORITY.certificate_pem)
        self.identity("host", HOST)
        self.identity("user", USER)
        self.settings = replace(
            TlsSettings.for_server(DictKnobs()),
            pairs=(self.pair("host"),),
            ca_files=(self.path("ca.pem"),),
            default_authorities=False,
        )
        self.client = replace(
            self.settings, server=False, pairs=(), needs_certificate=False
        )
        self.contexts = TlsContexts()

    def path(self, name: str) -> str:
        """The path of a file."""
        return str(self.directory / name)

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        (self.directory / name).write_bytes(content)

    def identity(self, name: str, identity: Identity, *chain: Identity) -> None:
        """Write a certificate with its chain, and its key."""
        pem = [each.certificate_pem for each in (identity, *chain)]
        self.write(f"{name}.pem", b"".join([pem[0], identity.key_pem, *pem[1:]]))
        self.write(f"{name}.key", identity.key_pem)

    def pair(self, name: str) -> tuple[str, str]:
        """The paths of both."""
        return self.path(f"{name}.pem"), self.path(f"{name}.key")

    def talk(self, client: TlsSettings, server: TlsSettings) -> tuple[object, object]:
        """What a client and a server come to."""
        one, other = run(make_tls_context(client), make_tls_context(server))
        return one.outcome(), other.outcome()

    def test_talk(self) -> None:
        """Both sides know each other."""
        mutual = replace(self.client, pairs=(self.pair("user"),))
        self.assertEqual(
            self.talk(mutual, self.settings),
            ("/O=condor/CN=cm.example.org", "/O=condor/CN=alice"),
        )

    def test_authorities(self) -> None:
        """The last file that can be read counts, and the directory."""
        files = (self.path("other.pem"), self.path("ca.pem"), self.path("none"))
        known = "/O=condor/CN=cm.example.org"
        self.assertEqual(
            self.talk(replace(self.client, ca_files=files), self.settings)[0], known
        )
        strange = replace(self.client, ca_files=files[:1])
        self.assertIn("verify failed", str(self.talk(strange, self.settings)[0]))
        directory = self.directory / "cas"
        directory.mkdir()
        number = f"{_subject_hash(AUTHORITY)}.0"
        (directory / number).write_bytes(AUTHORITY.certificate_pem)
        found = replace(self.client, ca_files=(), ca_directory=str(directory))
        self.assertEqual(self.talk(found, self.settings)[0], known)

    def test_default_authorities(self) -> None:
        """The system's authorities are none of ours."""
        system = replace(self.client, ca_files=(), default_authorities=True)
        self.assertIn("verify failed", str(self.talk(system, self.settings)[0]))

    def test_pairs(self) -> None:
        """Pairs that cannot be read are passed over; the last one counts."""
        pairs = (self.pair("user"), self.pair("host"), self.pair("none"))
        both = replace(self.settings, pairs=pairs)
        self.assertEqual(self.talk(self.client, both)[0], "/O=condor/CN=cm.example.org")

    def test_proxies(self) -> None:
        """Proxies are taken where they are allowed."""
        self.identity("proxy", PROXY, USER)
        one_file = self.path("proxy.pem")
        proxy = replace(self.client, pairs=((one_file, one_file),))
        allowed = replace(self.settings, allow_proxies=True)
        self.assertEqual(self.talk(proxy, allowed)[1], "/O=condor/CN=alice")
        self.assertIn("verify failed", str(self.talk(proxy, self.settings)[1]))

    def test_mnh_4_43_version(self) -> None:
        """Nothing before TLS 1.2 is spoken."""
        old = make_tls_context(self.client)
        old.set_min_proto_version(SSL.TLS1_1_VERSION)
        old.set_max_proto_version(SSL.TLS1_1_VERSION)
        old.set_cipher_list(b"ALL:@SECLEVEL=0")
        one, other = run(old, make_tls_context(self.settings))
        self.assertNotEqual(one.outcome(), "/O=condor/CN=cm.example.org")
        self.assertNotEqual(other.outcome(), "")

    def test_kept(self) -> None:
        """A context is kept until one of its files changes, and not for ever."""
        first = self.contexts.open(self.settings)
        self.assertIsNotNone(first)
        self.assertIs(self.contexts.open(self.settings), first)
        status = os.stat(self.path("host.pem"))
        os.utime(self.path("host.pem"), ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        second = self.contexts.open(self.settings)
        self.assertIsNot(second, first)
        for number in range(40):
            self.contexts.open(replace(self.client, ca_directory=f"/{number}"))
        self.assertEqual(len(self.contexts._kept), 16)

    def test_unusable(self) -> None:
        """Without a certificate, with junk, or a key with a passphrase: no context."""
        observer = EventLoggingObserver()
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.write("junk.pem", b"junk")
        self.write("junk.key", b"junk")
        self.write("mixed.pem", HOST.certificate_pem)
        self.write("mixed.key", USER.key_pem)
        self.write("locked.pem", HOST.certificate_pem)
        self.write(
            "locked.key",
            HOST.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"pass"),
            ),
        )
        bad = [
            replace(self.settings, pairs=()),
            *(
                replace(self.settings, pairs=(self.pair(name),))
                for name in ("none", "junk", "mixed", "locked")
            ),
            replace(self.settings, ca_files=(self.path("junk.pem"),)),
            replace(self.settings, ciphers="NONE-OF-THESE"),
            replace(self.settings, ciphers="\xe4"),
        ]
        for settings in bad:
            self.assertIsNone(self.contexts.open(settings))
        self.assertEqual(len(list(observer)), len(bad))
        for event in observer:
            self.assertEqual(event["side"], "server")
            self.assertNotIn("PRIVATE", event["reason"])


def _subject_hash(identity: Identity) -> str:
    """The name under which OpenSSL looks an authority up in a directory."""
    from OpenSSL import crypto

    certificate = crypto.X509.from_cryptography(identity.certificate)
    return f"{certificate.subject_name_hash():08x}"
