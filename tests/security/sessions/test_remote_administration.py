"""Tests of ``condor_twisted.security.sessions.remote_administration``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import RemoteProtocolError
from condor_twisted.security.commands import CommandRule, CommandRules
from condor_twisted.security.context import SecurityState
from condor_twisted.security.handshake.connecting import find_session
from condor_twisted.security.handshake.outgoing import CommandStart
from condor_twisted.security.identity import COLLECTOR_SIDE_USER
from condor_twisted.security.sessions.claim_ids import ClaimId
from condor_twisted.security.sessions.remote_administration import (
    CAPABILITY_SECONDS,
    RemoteAdministration,
    take_capability,
)
from condor_twisted.testing.reactor import MemoryReactor
from tests.protocols.kit import SECURE, make_security

ADDRESS = "<192.0.2.7:9618>"
FETCH, READ = 60_013, 60_007


class RemoteAdministrationTests(SynchronousTestCase):
    """What a daemon gives out, and what a tool makes of it."""

    def setUp(self) -> None:
        """A daemon of which nobody is an administrator by its lists, and a tool."""
        self.reactor = MemoryReactor()
        self.rules = CommandRules()
        self.rules.add(CommandRule(FETCH, Permission.ADMINISTRATOR))
        self.rules.add(CommandRule(READ, Permission.READ))
        self.security = self.make(self.rules, "SKELETON")
        self.tool = self.make(CommandRules(), "TOOL")
        self.remote = RemoteAdministration(self.security, self.rules)

    def make(self, rules: CommandRules, subsystem: str) -> SecurityState:
        """A side's security."""
        closed = {"ALLOW_ADMINISTRATOR": "nobody@nowhere"}
        return make_security(self.reactor, {**SECURE, **closed}, rules, subsystem)

    def capability(self) -> ClaimId:
        """What the daemon gives out now."""
        claim = self.remote.capability()
        assert claim is not None
        return claim

    def may(self) -> bool:
        """Whether who has a capability is an administrator."""
        decision = self.security.authorizer.decide(
            Permission.ADMINISTRATOR, "192.0.2.1", COLLECTOR_SIDE_USER
        )
        return decision.allowed

    def test_both_sides(self) -> None:
        """A tool comes with the session that the daemon knows, for its commands."""
        self.remote.enable(True)
        claim = self.capability()
        take_capability(self.tool, claim.serialize(), ADDRESS)
        here = self.security.incoming.find(claim.session_id, self.security.now())
        for number in (FETCH, READ):
            there = find_session(self.tool, CommandStart(number), ADDRESS, "192.0.2.7")
            assert here is not None
            assert there is not None
            self.assertEqual(there.id, here.id)
            self.assertEqual(there.keys, here.keys)
            self.assertTrue(here.protects)
        self.assertIsNone(
            find_session(self.tool, CommandStart(FETCH), "<192.0.2.8:1>", "192.0.2.8")
        )
        assert here is not None
        self.assertEqual((here.user, here.method), (COLLECTOR_SIDE_USER, "MATCH"))
        self.assertIs(here.permission, Permission.ADMINISTRATOR)

    def test_lists_do_not_matter(self) -> None:
        """Who comes so is an administrator as long as that is wished."""
        self.assertFalse(self.may())
        self.remote.enable(True)
        self.remote.enable(True)
        self.assertTrue(self.may())
        self.remote.enable(False)
        self.assertFalse(self.may())
        self.assertIsNone(self.remote.capability())

    def test_new_ones(self) -> None:
        """A capability is given out again for a moment; then there is a new one."""
        self.remote.enable(True)
        first = self.capability()
        self.reactor.advance(29)
        self.assertIs(self.capability(), first)
        self.reactor.advance(1)
        second = self.capability()
        self.assertNotEqual(second.session_id, first.session_id)
        self.assertNotEqual(second.key, first.key)
        find = self.security.incoming.find
        self.assertIsNotNone(find(first.session_id, self.security.now()))

    def test_after_its_time(self) -> None:
        """A capability is good for half an hour, on both sides."""
        self.remote.enable(True)
        claim = self.capability()
        take_capability(self.tool, claim.serialize(), ADDRESS)
        self.reactor.advance(CAPABILITY_SECONDS)
        for side in (self.security, self.tool):
            for sessions in (side.incoming, side.outgoing):
                self.assertIsNone(sessions.find(claim.session_id, side.now()))

    def test_taken_twice(self) -> None:
        """The same one may come with several ads."""
        self.remote.enable(True)
        text = self.capability().serialize()
        take_capability(self.tool, text, ADDRESS)
        take_capability(self.tool, text, ADDRESS)

    def test_mnh_7_1_junk(self) -> None:
        """What is none is refused, and not told."""
        for text in ("", "secret", "a#secret", "a#[x]secret" * 2, "a#[]" + "k" * 2000):
            with self.assertRaises(RemoteProtocolError) as caught:
                take_capability(self.tool, text, ADDRESS)
            self.assertNotIn("secret", str(caught.exception))
