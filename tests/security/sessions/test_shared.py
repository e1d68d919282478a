"""Tests of ``condor_twisted.security.sessions.shared``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import LocalProtocolError, MalformedMessage
from condor_twisted.security.commands import CommandRules
from condor_twisted.security.context import SecurityState
from condor_twisted.security.handshake.connecting import find_session
from condor_twisted.security.handshake.key_exchange import hkdf_sha256
from condor_twisted.security.handshake.outgoing import CommandStart
from condor_twisted.security.identity import CHILD_USER, FAMILY_USER, PARENT_USER
from condor_twisted.security.keys import CryptoMethod
from condor_twisted.security.sessions.claim_ids import (
    ClaimId,
    SessionInfo,
    parse_private_inheritance,
)
from condor_twisted.security.sessions.shared import (
    forget_child,
    import_session,
    inherit_parent_session,
    join_family,
    make_child_session,
    make_family,
)
from condor_twisted.testing.reactor import MemoryReactor
from tests.protocols.kit import SECURE, make_security

PRIVATE = json.loads(
    (Path(__file__).parents[2] / "vectors" / "inheritance.json").read_text()
)["inherit"]["dc_child_own_ports"]["CONDOR_PRIVATE_INHERIT"]
PARENT = "<127.0.0.1:16201?addrs=127.0.0.1-16201&alias=vm>"
KEY = "0123456789abcdef" * 4


class SharedSessionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactor()
        self.security = self.make()
        (_, self.own), (_, self.family) = parse_private_inheritance(PRIVATE)

    def make(self, **knobs: str) -> SecurityState:
        """A daemon's security that lets nobody in by its lists."""
        closed = {"ALLOW_DAEMON": "nobody@nowhere", "ALLOW_CLIENT": "nobody@nowhere"}
        return make_security(
            self.reactor, {**SECURE, **closed, **knobs}, CommandRules(), "SKELETON"
        )

    def may(self, permission: Permission, user: str) -> bool:
        """Whether a user holds a level."""
        return self.security.authorizer.decide(permission, "192.0.2.1", user).allowed

    def test_parents_session(self) -> None:
        """The parent's session opens what a parent needs, and is used for it."""
        self.assertFalse(self.may(Permission.DAEMON, PARENT_USER))
        session = inherit_parent_session(self.security, self.own, PARENT)
        self.assertEqual((session.user, session.method), (PARENT_USER, "FAMILY"))
        self.assertFalse(session.negotiated)
        self.assertIsNone(session.expires_at)
        for level in ("ADMINISTRATOR", "DAEMON", "CLIENT", "READ"):
            self.assertTrue(self.may(Permission[level], PARENT_USER), level)
        self.assertFalse(self.may(Permission.NEGOTIATOR, PARENT_USER))
        found = find_session(self.security, CommandStart(60008), PARENT, "127.0.0.1")
        self.assertIs(found, session)
        self.assertIs(self.security.incoming.find(session.id, 0), session)

    def test_keys(self) -> None:
        """The keys come from the secret's text: AES first, the old ciphers by MD5."""
        session = inherit_parent_session(self.security, self.own, PARENT)
        text = self.own.key.encode()
        aes, blowfish, triple = session.keys
        self.assertEqual(aes.data, hkdf_sha256(text, b"htcondor", b"keygen", 32))
        self.assertEqual(blowfish.method, CryptoMethod.BLOWFISH)
        self.assertEqual(blowfish.data, hashlib.md5(text).digest())
        self.assertEqual(triple.method, CryptoMethod.TRIPLE_DES)

    def test_fips_keys(self) -> None:
        """With FIPS no key is made by MD5."""
        session = join_family(self.make(FIPS="True"), self.family)
        self.assertEqual([len(key.data) for key in session.keys], [32, 24, 24])

    def test_family(self) -> None:
        """The family's session is for everybody on this host who is not a stranger."""
        session = join_family(self.security, self.family)
        self.assertTrue(self.may(Permission.NEGOTIATOR, FAMILY_USER))
        start = CommandStart(5)
        other = "<127.0.0.1:9999>"
        find = find_session
        self.assertIs(find(self.security, start, other, "127.0.0.1"), session)
        self.assertIsNone(find(self.security, start, other, "192.0.2.99"))
        self.assertIsNone(find(self.security, start, other))
        tagged = CommandStart(5, tag="alice")
        self.assertIsNone(find(self.security, tagged, other, "127.0.0.1"))
        self.security.note_stranger(session.id, other)
        self.assertIsNone(find(self.security, start, other, "127.0.0.1"))
        self.assertIsNotNone(find(self.security, start, PARENT, "127.0.0.1"))

    def test_family_behind_another_port(self) -> None:
        """Behind a shared port, the family is behind the same one."""
        join_family(self.security, self.family)
        self.security.command_address = "<127.0.0.1:9618?sock=skeleton>"
        start = CommandStart(5)
        here = "<127.0.0.1:9618?sock=startd>"
        self.assertIsNotNone(find_session(self.security, start, here, "127.0.0.1"))
        there = "<127.0.0.1:9999>"
        self.assertIsNone(find_session(self.security, start, there, "127.0.0.1"))

    def test_second_family(self) -> None:
        """A process has one family."""
        join_family(self.security, self.family)
        self.assertRaises(LocalProtocolError, join_family, self.security, self.family)

    def test_same_session_twice(self) -> None:
        """An id that is taken is refused, and nothing of it stays behind."""
        import_session(self.security, ClaimId("id", KEY), "a@b")
        self.assertRaises(
            LocalProtocolError, import_session, self.security, ClaimId("id", KEY), "c@d"
        )
        found = self.security.incoming.find("id", 0)
        assert found is not None
        self.assertEqual(found.user, "a@b")

    def test_parent_that_forgot(self) -> None:
        """A parent that does not know its session any more is not asked with it."""
        session = inherit_parent_session(self.security, self.own, PARENT)
        self.security.note_stranger(session.id, PARENT)
        self.assertIsNone(
            find_session(self.security, CommandStart(60008), PARENT, "127.0.0.1")
        )

    def test_reconfiguration(self) -> None:
        """Sessions and holes outlive a reconfiguration."""
        session = join_family(self.security, self.family)
        knobs = self.make(SEC_DEFAULT_CRYPTO_METHODS="BLOWFISH").knobs
        self.security.reconfigure(knobs)
        self.assertIsNotNone(self.security.incoming.find(session.id, 0))
        self.assertTrue(self.may(Permission.DAEMON, FAMILY_USER))

    def test_both_ends_agree(self) -> None:
        """What a parent makes for its child, the child understands."""
        child = self.make()
        family = make_family(self.security)
        claim = make_child_session(self.security, [60000, 60008])
        self.assertRegex(claim.session_id, "^[0-9a-f]{48}$")
        self.assertRegex(family.session_id, "^family:[0-9a-f]{48}$")
        theirs = inherit_parent_session(
            child, ClaimId.parse(claim.serialize()), "<127.0.0.1:1>"
        )
        ours = self.security.incoming.find(claim.session_id, 0)
        assert ours is not None
        self.assertEqual(ours.user, CHILD_USER)
        self.assertEqual(ours.keys, theirs.keys)
        self.assertEqual(theirs.valid_commands, "60000,60008")
        self.assertTrue(self.may(Permission.DAEMON, CHILD_USER))
        forget_child(self.security, claim)
        self.assertIsNone(self.security.incoming.find(claim.session_id, 0))
        self.assertFalse(self.may(Permission.DAEMON, CHILD_USER))

    def test_what_is_said_of_it(self) -> None:
        """A session that one makes says the same as a real parent's does."""
        self.assertEqual(
            [*(make_child_session(self.security, [1]).info or SessionInfo({})).values],
            [*(self.own.info or SessionInfo({})).values],
        )

    def test_claims_that_are_no_session(self) -> None:
        """Short keys, unknown ciphers and what is over are refused."""
        for claim in (
            ClaimId("id", "0123"),
            ClaimId("id", KEY, SessionInfo({"CryptoMethods": "ROT13"})),
            ClaimId("id", KEY, SessionInfo({"SessionExpires": 1000})),
        ):
            error = self.assertRaises(
                MalformedMessage, import_session, self.security, claim, "a@b"
            )
            self.assertNotIn(claim.key, str(error))
        self.assertEqual(len(self.security.incoming), 0)

    def test_expiry(self) -> None:
        """A claim that says when it ends, ends then."""
        info = SessionInfo({"SessionExpires": 1_700_000_060})
        import_session(self.security, ClaimId("id", KEY, info), "a@b")
        self.reactor.advance(59)
        now = self.reactor.seconds
        self.assertIsNotNone(self.security.incoming.find("id", now()))
        self.reactor.advance(1)
        self.assertIsNone(self.security.incoming.find("id", now()))
