"""`condor_twisted.security.handshake.admission`."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.security.authorization import Authorizer, Decision
from condor_twisted.security.commands import CommandRule
from condor_twisted.security.handshake.admission import admit, holds
from condor_twisted.security.peer import Peer, Transport
from condor_twisted.security.policy import Policies
from tests.security.kit import POOL_KNOBS, DictKnobs

READ_RULE = CommandRule(5, Permission.READ, udp=True)
EVERY_METHOD = {"FS", "CLAIMTOBE", "ANONYMOUS", "TOKEN", "SSL"}


def peer(transport: Transport = Transport.TCP, **facts: Any) -> Peer:
    """A peer that has proved these things."""
    return Peer("10.0.0.1", 4000, transport, **facts)


def proved(**facts: Any) -> Peer:
    """A peer with a session of FS and AES, but for these things."""
    return peer(
        **{
            "user": "alice@test.domain",
            "method": "FS",
            "negotiated": True,
            "encrypted": True,
            "integrity": True,
            **facts,
        }
    )


class AdmissionTests(SynchronousTestCase):
    """Whether a command may run."""

    def ask(self, rule: CommandRule, who: Peer, **knobs: str) -> Decision:
        """The decision under these knobs, where otherwise everybody may all."""
        configuration = DictKnobs({**POOL_KNOBS, **knobs})
        return admit(
            rule,
            who,
            Policies(configuration, lambda level: EVERY_METHOD),
            Authorizer.from_knobs(configuration),
        )

    def test_mnh_4_5_raw_commands(self) -> None:
        """What requires authentication or negotiation does not run raw."""
        for transport in Transport:
            raw = peer(transport)
            self.assertTrue(self.ask(READ_RULE, raw).allowed)
            for feature in ("AUTHENTICATION", "NEGOTIATION", "ENCRYPTION", "INTEGRITY"):
                decision = self.ask(
                    READ_RULE, raw, **{f"SEC_READ_{feature}": "REQUIRED"}
                )
                self.assertFalse(decision.allowed, feature)
                self.assertIn("READ requires", decision.reason)

    def test_mnh_4_6_one_function_for_every_channel(self) -> None:
        """A datagram of nobody is refused by the same rule as a stream of nobody."""
        knobs = {"SEC_DEFAULT_AUTHENTICATION": "REQUIRED"}
        for who in (peer(Transport.UDP), peer(), peer(negotiated=True, encrypted=True)):
            self.assertFalse(self.ask(READ_RULE, who, **knobs).allowed)

    def test_mnh_4_9_properties_of_the_channel(self) -> None:
        """Each requirement of the level is held against the channel as it is."""
        for fact, value, knob in (
            ("user", "unauthenticated@unmapped", "SEC_READ_AUTHENTICATION"),
            ("method", None, "SEC_READ_AUTHENTICATION"),
            ("negotiated", False, "SEC_READ_NEGOTIATION"),
            ("encrypted", False, "SEC_READ_ENCRYPTION"),
            ("integrity", False, "SEC_READ_INTEGRITY"),
        ):
            with self.subTest(fact=fact):
                knobs = {knob: "REQUIRED"}
                self.assertTrue(self.ask(READ_RULE, proved(), **knobs).allowed)
                self.assertFalse(
                    self.ask(READ_RULE, proved(**{fact: value}), **knobs).allowed
                )

    def test_mnh_4_43_nobody_by_certificate(self) -> None:
        """A client of SSL without a certificate has authenticated, and is nobody."""
        nobody = proved(user="unauthenticated@unmapped", method="SSL")
        knobs = {"SEC_READ_AUTHENTICATION": "REQUIRED"}
        self.assertTrue(self.ask(READ_RULE, nobody, **knobs).allowed)
        self.assertFalse(
            self.ask(READ_RULE, nobody, **knobs, DENY_READ="*@unmapped").allowed
        )
        forced = CommandRule(60052, Permission.READ, force_authentication=True)
        self.assertFalse(self.ask(forced, nobody, **knobs).allowed)

    def test_mnh_4_9_method_of_the_level(self) -> None:
        """A method that another level takes does not carry over."""
        knobs = {"SEC_READ_AUTHENTICATION_METHODS": "TOKEN"}
        decision = self.ask(READ_RULE, proved(), **knobs)
        self.assertEqual(decision.reason, "READ does not take authentication by FS")
        self.assertTrue(self.ask(READ_RULE, proved(method="IDTOKENS"), **knobs).allowed)
        for method in ("FAMILY", "MATCH"):
            self.assertTrue(self.ask(READ_RULE, proved(method=method), **knobs).allowed)

    def test_level_allow_requires_nothing(self) -> None:
        """A command for everybody runs raw under the strictest policy."""
        rule = CommandRule(60011, Permission.ALLOW, udp=True)
        knobs = {
            "SEC_DEFAULT_AUTHENTICATION": "REQUIRED",
            "SEC_DEFAULT_ENCRYPTION": "REQUIRED",
        }
        self.assertTrue(self.ask(rule, peer(Transport.UDP), **knobs).allowed)

    def test_impossible_policy(self) -> None:
        """A policy that nobody can meet admits nobody."""
        decision = self.ask(
            READ_RULE,
            proved(),
            SEC_READ_AUTHENTICATION="NEVER",
            SEC_READ_ENCRYPTION="REQUIRED",
        )
        self.assertIn("cannot be met", decision.reason)

    def test_mnh_5_1_forced_authentication(self) -> None:
        """Only a mapped user whom a method proved sends such a command."""
        rule = CommandRule(60052, Permission.READ, force_authentication=True)
        self.assertTrue(self.ask(rule, proved()).allowed)
        for who in (
            peer(),
            peer(user="alice@test.domain"),
            proved(user="CONDOR_ANONYMOUS_USER", method="ANONYMOUS"),
            proved(user="ssl@unmapped", method="SSL"),
        ):
            self.assertFalse(self.ask(rule, who).allowed)

    def test_mnh_5_4_transports(self) -> None:
        """A command runs only by a transport that its rule names."""
        tcp_only = CommandRule(5, Permission.READ)
        udp_only = CommandRule(5, Permission.READ, tcp=False, udp=True)
        for rule, transport, allowed in (
            (tcp_only, Transport.TCP, True),
            (tcp_only, Transport.UDP, False),
            (udp_only, Transport.TCP, False),
            (udp_only, Transport.UDP, True),
        ):
            self.assertEqual(self.ask(rule, peer(transport)).allowed, allowed)

    def test_alternates(self) -> None:
        """An alternate level does as well; the reason is the first level's."""
        rule = CommandRule(60047, Permission.DAEMON, (Permission.ADVERTISE_STARTD,))
        knobs = {"ALLOW_DAEMON": "x@y", "ALLOW_ADVERTISE_STARTD": "alice@*"}
        self.assertTrue(self.ask(rule, proved(), **knobs).allowed)
        decision = self.ask(rule, proved(user="bob@test.domain"), **knobs)
        self.assertFalse(decision.allowed)
        self.assertIs(decision.permission, Permission.DAEMON)

    def test_mnh_4_10_limits_of_a_credential(self) -> None:
        """A limit holds for the level and for each alternate."""
        limited = proved(limits=frozenset({Permission.READ}))
        self.assertTrue(self.ask(READ_RULE, limited).allowed)
        self.assertFalse(self.ask(CommandRule(6, Permission.WRITE), limited).allowed)
        rule = CommandRule(7, Permission.DAEMON, (Permission.READ,))
        self.assertTrue(self.ask(rule, limited).allowed)
        nothing = proved(limits=frozenset[Permission]())
        self.assertFalse(self.ask(READ_RULE, nothing).allowed)

    def test_names(self) -> None:
        """Where host names matter the answer waits for them."""
        knobs = {"ALLOW_READ": "*.a.org", "ALLOW_WRITE": "x@y", "ALLOW_DAEMON": "x@y"}
        knobs |= {"ALLOW_ADMINISTRATOR": "x@y", "ALLOW_NEGOTIATOR": "x@y"}
        self.assertTrue(self.ask(READ_RULE, peer(), **knobs).needs_names)
        named = peer(host_names=("h.a.org",))
        self.assertTrue(self.ask(READ_RULE, named, **knobs).allowed)
        unnamed = peer(host_names=())
        decision = self.ask(READ_RULE, unnamed, **knobs)
        self.assertFalse(decision.allowed or decision.needs_names)

    def test_cve_2025_30093_handlers_check_limits_too(self) -> None:
        """A handler's own check counts limits, requirements and lists."""

        def check(who: Peer, **knobs: str) -> bool:
            configuration = DictKnobs({**POOL_KNOBS, **knobs})
            return holds(
                Permission.ADMINISTRATOR,
                who,
                Policies(configuration, lambda level: EVERY_METHOD),
                Authorizer.from_knobs(configuration),
            ).allowed

        self.assertTrue(check(proved()))
        self.assertFalse(check(proved(limits=frozenset({Permission.WRITE}))))
        self.assertFalse(check(peer(), SEC_ADMINISTRATOR_AUTHENTICATION="REQUIRED"))
        self.assertFalse(check(proved(), DENY_ADMINISTRATOR="alice@*"))
