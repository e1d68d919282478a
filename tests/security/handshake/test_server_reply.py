"""`condor_twisted.security.handshake.server_reply`."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.literals import LiteralValue
from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import MalformedMessage, NoMethodSucceeded, PolicyMismatch
from condor_twisted.security.handshake.pod_ads import PodAd
from condor_twisted.security.handshake.server_reply import ServerReply
from condor_twisted.security.keys import CryptoMethod
from condor_twisted.security.policy import Policies
from tests.security.kit import DictKnobs

AGREED: dict[str, LiteralValue | None] = {
    "Authentication": "YES",
    "Encryption": "YES",
    "Integrity": "YES",
    "AuthMethodsList": "SSL,TOKENS,fs",
    "CryptoMethods": "AES",
    "CryptoMethodsList": "AES,BLOWFISH",
    "ECDHPublicKey": "x",
    "SessionDuration": "30",
    "SessionLease": 10,
}


def read(
    changes: Mapping[str, LiteralValue | None] | None = None, **knobs: str
) -> ServerReply:
    """What a client with these knobs makes of a reply."""
    policies = Policies(DictKnobs(knobs, "TOOL"), lambda level: {"FS", "TOKEN"})
    pairs = {**AGREED, **(changes or {})}
    return ServerReply(
        PodAd(
            {name.lower(): value for name, value in pairs.items() if value is not None}
        ),
        policies.of(Permission.CLIENT),
    )


class ServerReplyTests(SynchronousTestCase):
    """Replies of servers."""

    def test_agreed(self) -> None:
        """What the server decides is read, within what we offered."""
        reply = read()
        self.assertTrue(reply.authenticate and reply.encrypt and reply.integrity)
        self.assertTrue(reply.authentication_required)
        self.assertEqual(reply.methods, ("TOKEN", "FS"))
        self.assertIs(reply.crypto_method, CryptoMethod.AES)
        self.assertEqual((reply.duration_seconds, reply.lease_seconds), (30, 10))

    def test_authentication_that_may_fail(self) -> None:
        """Authentication is optional where the server says so and we do not mind."""
        self.assertFalse(read({"AuthRequired": False}).authentication_required)
        reply = read({"AuthRequired": False}, SEC_CLIENT_AUTHENTICATION="REQUIRED")
        self.assertTrue(reply.authentication_required)
        self.assertTrue(read({"AuthRequired": "false"}).authentication_required)

    def test_old_attribute(self) -> None:
        """Servers before 6.5 name one method."""
        reply = read({"AuthMethodsList": None, "AuthMethods": "FS"})
        self.assertEqual(reply.methods, ("FS",))

    def test_list_where_one_is_wanted(self) -> None:
        """Of several ciphers the first is meant."""
        reply = read({"CryptoMethods": "BLOWFISH,AES"})
        self.assertIs(reply.crypto_method, CryptoMethod.BLOWFISH)

    def test_times(self) -> None:
        """Durations are at most ours, leases any number that is one."""
        for text, seconds in (("99999", 60), ("x", 60), (None, 60), ("0", 1)):
            self.assertEqual(read({"SessionDuration": text}).duration_seconds, seconds)
        for lease, seconds in ((-1, 0), ("5", 0), (None, 0), (2**40, 2**31 - 1)):
            self.assertEqual(read({"SessionLease": lease}).lease_seconds, seconds)

    def test_downgrades(self) -> None:
        """Less than we require is refused."""
        for feature in ("Authentication", "Encryption", "Integrity"):
            knob = {f"SEC_CLIENT_{feature.upper()}": "REQUIRED"}
            read(None, **knob)
            self.assertRaises(PolicyMismatch, read, {feature: "NO"}, **knob)
            self.assertRaises(MalformedMessage, read, {feature: None})

    def test_without_key(self) -> None:
        """Nothing that needs a key goes on without one, nor a key without a cipher."""
        self.assertRaises(PolicyMismatch, read, {"ECDHPublicKey": None})
        self.assertRaises(PolicyMismatch, read, {"CryptoMethods": None})
        nothing: dict[str, LiteralValue | None] = {
            "Authentication": "NO",
            "Encryption": "NO",
            "Integrity": "NO",
            "ECDHPublicKey": None,
            "CryptoMethods": None,
        }
        self.assertIsNone(read(nothing).crypto_method)

    def test_not_offered(self) -> None:
        """A cipher or a method that we did not offer is refused."""
        self.assertRaises(PolicyMismatch, read, SEC_CLIENT_CRYPTO_METHODS="BLOWFISH")
        self.assertRaises(NoMethodSucceeded, read, {"AuthMethodsList": "SSL"})
