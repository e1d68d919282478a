"""`condor_twisted.security.policy`."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.literals import LiteralValue
from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import ConfigError, LimitExceeded, PolicyMismatch
from condor_twisted.security.handshake.pod_ads import PodAd
from condor_twisted.security.keys import CryptoMethod
from condor_twisted.security.policy import (
    Agreement,
    FeatureLevel,
    Policies,
    SidePolicy,
    config_chain,
    parse_configured_level,
    reconcile,
)
from tests.security.kit import DictKnobs

NEVER, OPTIONAL, PREFERRED, REQUIRED = FeatureLevel

#: What comes of client and server: yes, no, or nothing.
TABLE: dict[tuple[FeatureLevel, FeatureLevel], bool | None] = {
    (REQUIRED, REQUIRED): True,
    (REQUIRED, PREFERRED): True,
    (REQUIRED, OPTIONAL): True,
    (REQUIRED, NEVER): None,
    (PREFERRED, REQUIRED): True,
    (PREFERRED, PREFERRED): True,
    (PREFERRED, OPTIONAL): True,
    (PREFERRED, NEVER): False,
    (OPTIONAL, REQUIRED): True,
    (OPTIONAL, PREFERRED): True,
    (OPTIONAL, OPTIONAL): False,
    (OPTIONAL, NEVER): False,
    (NEVER, REQUIRED): None,
    (NEVER, PREFERRED): False,
    (NEVER, OPTIONAL): False,
    (NEVER, NEVER): False,
}


def policies(subsystem: str = "COLLECTOR", **knobs: str) -> Policies:
    """Policies of these knobs, where FS and CLAIMTOBE work."""
    return Policies(DictKnobs(knobs, subsystem), lambda level: {"FS", "CLAIMTOBE"})


def side(**changes: FeatureLevel) -> SidePolicy:
    """A server's policy with these levels and otherwise OPTIONAL ones."""
    levels = {
        "authentication": OPTIONAL,
        "authentication_wish": OPTIONAL,
        "encryption": OPTIONAL,
        "integrity": OPTIONAL,
        "negotiation": PREFERRED,
        **changes,
    }
    return SidePolicy(
        permission=Permission.READ,
        authentication=levels["authentication"],
        authentication_wish=levels["authentication_wish"],
        encryption=levels["encryption"],
        integrity=levels["integrity"],
        negotiation=levels["negotiation"],
        methods=("FS", "CLAIMTOBE"),
        crypto_methods=(CryptoMethod.AES, CryptoMethod.BLOWFISH),
        session_duration_seconds=1000,
        session_lease_seconds=300,
        authentication_timeout_seconds=20,
    )


def offer(**values: LiteralValue) -> PodAd:
    """A client's ad; OPTIONAL where nothing else is said."""
    pairs: dict[str, LiteralValue] = {
        "AuthenticationNew": "OPTIONAL",
        "Authentication": "OPTIONAL",
        "Encryption": "OPTIONAL",
        "Integrity": "OPTIONAL",
        "AuthMethods": "CLAIMTOBE,FS",
        "CryptoMethods": "AES,BLOWFISH,3DES",
        "SessionDuration": "60",
        "SessionLease": 3600,
        **values,
    }
    return PodAd(
        {name.lower(): value for name, value in pairs.items() if value != "(none)"}
    )


class ConfiguredLevelTests(SynchronousTestCase):
    """Levels as administrators write them."""

    def test_first_letter(self) -> None:
        """The first letter counts, in any case."""
        for words, level in (
            ("REQUIRED yes TRUE r", REQUIRED),
            ("PREFERRED p", PREFERRED),
            ("optional O", OPTIONAL),
            ("NEVER no False", NEVER),
        ):
            for word in words.split():
                self.assertEqual(parse_configured_level(word), level)

    def test_anything_else(self) -> None:
        """What is no level is none, and stops the daemon with a hint."""
        for word in ("", "maybe", "1", "-"):
            self.assertIsNone(parse_configured_level(word))
        error = self.assertRaises(
            ConfigError, policies, SEC_READ_AUTHENTICATION="maybe"
        )
        self.assertIn("SEC_READ_AUTHENTICATION", str(error))

    def test_chain(self) -> None:
        """A level falls back along its chain; the old semantics pass by WRITE."""
        self.assertEqual(
            config_chain(Permission.ADVERTISE_MASTER, False),
            (Permission.ADVERTISE_MASTER, Permission.DAEMON, Permission.DEFAULT),
        )
        self.assertEqual(
            config_chain(Permission.DAEMON, True),
            (Permission.DAEMON, Permission.WRITE, Permission.DEFAULT),
        )
        self.assertEqual(
            config_chain(Permission.READ, True), (Permission.READ, Permission.DEFAULT)
        )


class PoliciesTests(SynchronousTestCase):
    """One side's policies."""

    def test_defaults(self) -> None:
        """Without knobs everything is OPTIONAL and negotiation PREFERRED."""
        policy = policies().of(Permission.READ)
        self.assertEqual(policy.authentication, OPTIONAL)
        self.assertEqual(policy.authentication_wish, OPTIONAL)
        self.assertEqual(policy.negotiation, PREFERRED)
        self.assertEqual(policy.methods, ("FS",))
        self.assertEqual(policy.crypto_text, "AES,BLOWFISH,3DES")
        self.assertEqual(policy.session_duration_seconds, 86400)
        self.assertEqual(policy.session_lease_seconds, 3600)
        self.assertEqual(policy.authentication_timeout_seconds, 20)
        self.assertIsNone(policy.problem)

    def test_nearest_level_wins(self) -> None:
        """The level's own knob comes before those of its chain."""
        found = policies(
            SEC_DEFAULT_ENCRYPTION="REQUIRED",
            SEC_DAEMON_ENCRYPTION="PREFERRED",
            SEC_READ_ENCRYPTION="NEVER",
        )
        self.assertEqual(found.of(Permission.WRITE).encryption, REQUIRED)
        self.assertEqual(found.of(Permission.ADVERTISE_STARTD).encryption, PREFERRED)
        self.assertEqual(found.of(Permission.READ).encryption, NEVER)

    def test_wish_and_raised_wish(self) -> None:
        """Encryption raises what old peers see, not the wish itself."""
        policy = policies(SEC_DEFAULT_ENCRYPTION="REQUIRED").of(Permission.READ)
        self.assertEqual(policy.authentication, REQUIRED)
        self.assertEqual(policy.authentication_wish, OPTIONAL)
        self.assertEqual(policy.negotiation, REQUIRED)

    def test_never_pulls_down(self) -> None:
        """What needs a feature that is NEVER becomes NEVER."""
        policy = policies(
            SEC_DEFAULT_AUTHENTICATION="NEVER", SEC_DEFAULT_INTEGRITY="PREFERRED"
        ).of(Permission.READ)
        self.assertEqual(policy.integrity, NEVER)
        self.assertEqual(policy.encryption, NEVER)

    def test_contradictions_are_problems(self) -> None:
        """A policy that cannot be met says so and is never agreed on."""
        for knobs in (
            {"SEC_READ_AUTHENTICATION": "NEVER", "SEC_READ_ENCRYPTION": "REQUIRED"},
            {"SEC_READ_NEGOTIATION": "NEVER", "SEC_READ_INTEGRITY": "REQUIRED"},
            {
                "SEC_READ_AUTHENTICATION": "REQUIRED",
                "SEC_READ_AUTHENTICATION_METHODS": "GSI,KERBEROS",
            },
            {"SEC_READ_ENCRYPTION": "REQUIRED", "SEC_READ_CRYPTO_METHODS": "RC4"},
        ):
            policy = policies(**knobs).of(Permission.READ)
            self.assertIsNotNone(policy.problem)
            self.assertRaises(PolicyMismatch, reconcile, offer(), policy)

    def test_nothing_usable_and_nothing_needed(self) -> None:
        """Without methods or ciphers the features are off."""
        policy = policies(
            SEC_READ_AUTHENTICATION_METHODS="GSI", SEC_READ_CRYPTO_METHODS="RC4"
        ).of(Permission.READ)
        self.assertIsNone(policy.problem)
        self.assertEqual(policy.authentication_wish, NEVER)
        self.assertEqual(policy.encryption, NEVER)

    def test_level_allow(self) -> None:
        """Level ALLOW wants no authentication unless somebody requests it."""
        found = policies(SEC_DEFAULT_AUTHENTICATION="REQUIRED")
        self.assertEqual(found.of(Permission.ALLOW).authentication_wish, OPTIONAL)
        self.assertEqual(
            found.of(Permission.ALLOW, REQUIRED).authentication_wish, REQUIRED
        )

    def test_request_raises_only(self) -> None:
        """A request makes the wish stronger, never weaker."""
        found = policies(SEC_READ_AUTHENTICATION="REQUIRED")
        self.assertEqual(found.of(Permission.READ, PREFERRED).authentication, REQUIRED)
        self.assertEqual(
            found.of(Permission.WRITE, PREFERRED).authentication_wish, PREFERRED
        )

    def test_durations(self) -> None:
        """Tools have short sessions; the plain knob wins over the subsystem's."""
        client = Permission.CLIENT
        self.assertEqual(policies("TOOL").of(client).session_duration_seconds, 60)
        found = policies(SEC_COLLECTOR_READ_SESSION_DURATION="77")
        self.assertEqual(found.of(Permission.READ).session_duration_seconds, 77)
        found = policies(
            SEC_COLLECTOR_READ_SESSION_DURATION="77",
            SEC_DEFAULT_SESSION_DURATION="88",
            SEC_DEFAULT_SESSION_LEASE="0",
        )
        self.assertEqual(found.of(Permission.READ).session_duration_seconds, 88)
        self.assertEqual(found.of(Permission.READ).session_lease_seconds, 0)
        temporary = found.temporary(found.of(client))
        self.assertEqual(temporary.session_duration_seconds, 60)

    def test_junk_durations(self) -> None:
        """A duration that is no number counts for nothing; zero is one second."""
        for text, seconds in (("soon", 86400), ("-5", 86400), ("0", 1)):
            found = policies(SEC_READ_SESSION_DURATION=text)
            self.assertEqual(
                found.of(Permission.READ).session_duration_seconds, seconds
            )

    def test_fips(self) -> None:
        """FIPS has 3DES stand in for AES in datagrams."""
        self.assertEqual(policies().datagram_cipher, CryptoMethod.BLOWFISH)
        self.assertEqual(policies(FIPS="True").datagram_cipher, CryptoMethod.TRIPLE_DES)

    def test_read_once(self) -> None:
        """The same level gives the same object: nothing is parsed twice."""
        found = policies()
        self.assertIs(found.of(Permission.READ), found.of(Permission.READ))


class ReconcileTests(SynchronousTestCase):
    """What client and server come to."""

    def settle(self, client: PodAd, server: SidePolicy) -> Agreement | None:
        """The agreement, or nothing."""
        try:
            return reconcile(client, server)
        except PolicyMismatch:
            return None

    def test_all_pairs(self) -> None:
        """Each of the sixteen pairs of each feature comes to what the table says."""
        for (client, server), expected in TABLE.items():
            with self.subTest(client=client, server=server):
                agreed = self.settle(
                    offer(Encryption=client.name, CryptoMethods="BLOWFISH"),
                    side(encryption=server),
                )
                self.assertEqual(agreed and agreed.encrypt, expected)
                agreed = self.settle(
                    offer(Integrity=client.name, CryptoMethods="BLOWFISH"),
                    side(integrity=server),
                )
                self.assertEqual(agreed and agreed.integrity, expected)
                agreed = self.settle(
                    offer(AuthenticationNew=client.name),
                    side(authentication_wish=server),
                )
                self.assertEqual(agreed and agreed.authenticate, expected)
                if agreed is not None:
                    self.assertEqual(
                        agreed.authentication_required, REQUIRED in (client, server)
                    )

    def test_mnh_4_2_required_is_required(self) -> None:
        """NEVER, absent, empty, unknown and misspelt words get no session."""
        for attribute, server in (
            ("AuthenticationNew", side(authentication_wish=REQUIRED)),
            ("Encryption", side(encryption=REQUIRED)),
            ("Integrity", side(integrity=REQUIRED)),
        ):
            for word in (
                "NEVER",
                "never",
                "",
                "(none)",
                "REQIRED",
                "R",
                "YES",
                1,
                True,
            ):
                with self.subTest(attribute=attribute, word=word):
                    client = offer(**{attribute: word})
                    if attribute == "AuthenticationNew" and word == "(none)":
                        client = offer(
                            AuthenticationNew="(none)", Authentication="(none)"
                        )
                        server = side(
                            authentication=REQUIRED, authentication_wish=REQUIRED
                        )
                    self.assertIsNone(self.settle(client, server))

    def test_mnh_4_3_new_wish_overrides_old(self) -> None:
        """AuthenticationNew counts where it is there; neither weakens REQUIRED."""
        agreed = reconcile(
            offer(AuthenticationNew="OPTIONAL", Authentication="REQUIRED"), side()
        )
        self.assertFalse(agreed.authenticate)
        agreed = reconcile(
            offer(AuthenticationNew="(none)", Authentication="REQUIRED"), side()
        )
        self.assertTrue(agreed.authenticate)
        required = side(authentication=REQUIRED, authentication_wish=REQUIRED)
        for wish in ("NEVER", "(none)"):
            client = offer(AuthenticationNew=wish, Authentication="NEVER")
            self.assertIsNone(self.settle(client, required))

    def test_old_client_gets_authentication_with_encryption(self) -> None:
        """A client with the old attribute alone meets the server's raised wish."""
        policy = policies(SEC_READ_ENCRYPTION="REQUIRED").of(Permission.READ)
        agreed = reconcile(offer(AuthenticationNew="(none)"), policy)
        self.assertTrue(agreed.authenticate)
        self.assertFalse(reconcile(offer(), policy).authenticate)

    def test_methods(self) -> None:
        """Server order; none at all where one side names none; empty without match."""
        agreed = reconcile(offer(AuthMethods="CLAIMTOBE,FS,SSL"), side())
        self.assertEqual(agreed.methods, ("FS", "CLAIMTOBE"))
        self.assertIsNone(reconcile(offer(AuthMethods="(none)"), side()).methods)
        without = policies(SEC_READ_AUTHENTICATION_METHODS="GSI").of(Permission.READ)
        self.assertIsNone(reconcile(offer(), without).methods)
        self.assertEqual(reconcile(offer(AuthMethods="SSL"), side()).methods, ())

    def test_ciphers(self) -> None:
        """Server order; authentication with AES says that all is protected."""
        agreed = reconcile(offer(CryptoMethods="3DES,BLOWFISH,AES"), side())
        self.assertEqual(
            agreed.crypto_methods, (CryptoMethod.AES, CryptoMethod.BLOWFISH)
        )
        self.assertFalse(agreed.encrypt)
        agreed = reconcile(offer(AuthenticationNew="REQUIRED"), side())
        self.assertTrue(agreed.encrypt and agreed.integrity)
        agreed = reconcile(
            offer(AuthenticationNew="REQUIRED", CryptoMethods="BLOWFISH"), side()
        )
        self.assertFalse(agreed.encrypt or agreed.integrity)
        self.assertIsNone(reconcile(offer(CryptoMethods="RC4"), side()).crypto_method)

    def test_mnh_4_12_session_duration(self) -> None:
        """The duration is a number from 1 to the server's own, or the server's own."""
        for text, seconds in (
            ("60", 60),
            ("1000", 1000),
            ("1001", 1000),
            ("0", 1),
            ("-1", 1000),
            ("99999999999999999999", 1000),
            ("9" * 100_000, 1000),
            ("junk", 1000),
            ("", 1000),
            ("1e3", 1000),
            ("٣", 1000),
            (60, 1000),
            ("(none)", 1000),
        ):
            with self.subTest(text=str(text)[:20]):
                agreed = reconcile(offer(SessionDuration=text), side())
                self.assertEqual(agreed.duration_seconds, seconds)

    def test_mnh_4_12_session_lease(self) -> None:
        """The lease is the shorter one; zero is the other's, absent none."""
        for lease, seconds in (
            (3600, 300),
            (10, 10),
            (0, 300),
            (-5, 300),
            ("10", None),
            ("(none)", None),
        ):
            agreed = reconcile(offer(SessionLease=lease), side())
            self.assertEqual(agreed.lease_seconds, seconds)

    def test_mnh_1_33_length_of_method_lists(self) -> None:
        """A list of 4 KiB is read, a longer one refused."""
        for name in ("AuthMethods", "CryptoMethods"):
            reconcile(offer(**{name: "A" * 4096}), side())
            self.assertRaises(
                LimitExceeded, reconcile, offer(**{name: "A" * 4097}), side()
            )

    @given(
        st.dictionaries(
            st.sampled_from(
                [
                    "Authentication",
                    "AuthenticationNew",
                    "Encryption",
                    "Integrity",
                    "AuthMethods",
                    "CryptoMethods",
                    "SessionDuration",
                    "SessionLease",
                ]
            ),
            st.one_of(
                st.text(max_size=9),
                st.integers(-(2**63), 2**63 - 1),
                st.booleans(),
                st.sampled_from([level.name for level in FeatureLevel]),
            ),
        )
    )
    @settings(deadline=None, max_examples=200)
    def test_no_client_weakens_the_server(
        self, values: dict[str, LiteralValue]
    ) -> None:
        """Whatever a client says, what is REQUIRED is agreed on, or nothing is."""
        required = side(
            authentication=REQUIRED,
            authentication_wish=REQUIRED,
            encryption=REQUIRED,
            integrity=REQUIRED,
        )
        agreed = self.settle(
            PodAd({name.lower(): value for name, value in values.items()}), required
        )
        if agreed is not None:
            self.assertTrue(agreed.authenticate and agreed.authentication_required)
            self.assertTrue(agreed.encrypt and agreed.integrity)
            self.assertTrue(1 <= agreed.duration_seconds <= 1000)


class KnobTests(SynchronousTestCase):
    """Where wishes come from."""

    def test_knobs_of_a_policy(self) -> None:
        """Each wish names the knob that made it, along the chain; defaults none."""
        knobs = {
            "SEC_DEFAULT_AUTHENTICATION": "REQUIRED",
            "SEC_DAEMON_ENCRYPTION": "PREFERRED",
            "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS, KERBEROS",
        }
        policies = Policies(DictKnobs(knobs), lambda permission: {"FS"})
        policy = policies.of(Permission.ADVERTISE_STARTD)
        self.assertEqual(
            policy.knobs,
            {
                "Authentication": "SEC_DEFAULT_AUTHENTICATION",
                "Encryption": "SEC_DAEMON_ENCRYPTION",
                "AuthMethods": "SEC_DEFAULT_AUTHENTICATION_METHODS",
            },
        )
        self.assertEqual(policies.configured_methods(Permission.READ), "FS, KERBEROS")
        self.assertNotIn("Encryption", policies.of(Permission.READ).knobs)
