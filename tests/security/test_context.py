"""`condor_twisted.security.context`, and the facts it is told."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import ConfigError
from condor_twisted.security.context import session_peer
from condor_twisted.security.keys import CryptoMethod, SessionKey
from condor_twisted.security.knobs import Knobs
from condor_twisted.security.peer import Transport
from condor_twisted.security.sessions.session import SecuritySession
from tests.security.kit import POOL_KNOBS, DictKnobs, FakeFiles, make_state

AES = SessionKey(CryptoMethod.AES, bytes(32))


def session(name: str, method: str | None, encrypt: bool = True) -> SecuritySession:
    """A session for READ."""
    return SecuritySession(
        name,
        (AES,),
        None,
        0,
        0.0,
        user="alice@dom" if method else "unauthenticated@unmapped",
        method=method,
        encrypt=encrypt,
        permission=Permission.READ,
    )


class SecurityStateTests(SynchronousTestCase):
    """What is kept between connections."""

    def test_facts(self) -> None:
        """Domains come from the configuration, the user domain else from the host."""
        state = make_state()
        self.assertEqual(state.uid_domain, "test.domain")
        self.assertEqual(state.trust_domain, "test.pool")
        state = make_state({"UID_DOMAIN": "", "TRUST_DOMAIN": ""})
        self.assertEqual(state.uid_domain, "host.test.domain")
        self.assertIsNone(state.trust_domain)

    def test_mnh_9_5_reconfigure(self) -> None:
        """New lists and policies hold at once; holes stay; unfit sessions go."""
        state = make_state({"SEC_READ_AUTHENTICATION": "OPTIONAL"})
        state.authorizer.punch_hole(Permission.DAEMON, "condor@family")
        state.incoming.add(session("nobody", None))
        state.incoming.add(session("somebody", "FS"))
        state.incoming.add(session("other", "CLAIMTOBE"))
        answer = state.authorizer.decide(Permission.READ, "10.0.0.1", "x@y")
        self.assertTrue(answer.allowed)
        state.reconfigure(
            DictKnobs(
                {
                    **POOL_KNOBS,
                    "SEC_READ_AUTHENTICATION": "REQUIRED",
                    "SEC_READ_AUTHENTICATION_METHODS": "FS",
                    "DENY_READ": "x@y",
                    "UID_DOMAIN": "new.domain",
                }
            )
        )
        answer = state.authorizer.decide(Permission.READ, "10.0.0.1", "x@y")
        self.assertFalse(answer.allowed)
        self.assertEqual([each.id for each in state.incoming], ["somebody"])
        self.assertEqual(state.uid_domain, "new.domain")
        answer = state.authorizer.decide(Permission.DAEMON, "::1", "condor@family")
        self.assertIn("made automatic", answer.reason)

    def test_mnh_9_4_bad_configuration_changes_nothing(self) -> None:
        """A configuration without sense leaves the old one in force, in all parts."""
        state = make_state()
        before = (state.knobs, state.policies, state.authorizer)
        knobs = DictKnobs({"SEC_DEFAULT_ENCRYPTION": "maybe"})
        self.assertRaises(ConfigError, state.reconfigure, knobs)
        self.assertEqual(before, (state.knobs, state.policies, state.authorizer))

    def test_mnh_4_37_files_are_read_at_reconfiguration(self) -> None:
        """Keys and the map are those of the last configuration that was taken over."""
        files = FakeFiles({"/keys/A": b"a key of sixteen bytes or more"})
        files.texts["/map"] = "SSL x y@z\nSSL\n"
        knobs = {"SEC_PASSWORD_DIRECTORY": "/keys", "CERTIFICATE_MAPFILE": "/map"}
        state = make_state(knobs, files=files)
        files.secrets["/keys/B"] = b"another key of sixteen bytes or more"
        files.texts["/map"] = "SSL x new@z\n"
        self.assertEqual(state.credentials.issuer_keys, "A")
        self.assertEqual(state.identity_map("SSL", "x"), "y@z")
        self.assertEqual(
            state.file_problems, ("/map, line 2: not method, principal and name",)
        )
        bad = DictKnobs({**knobs, "SEC_DEFAULT_ENCRYPTION": "maybe"})
        self.assertRaises(ConfigError, state.reconfigure, bad)
        self.assertEqual(state.credentials.issuer_keys, "A")
        self.assertEqual(state.identity_map("SSL", "x"), "y@z")
        state.reconfigure(DictKnobs({**POOL_KNOBS, **knobs}))
        self.assertEqual(state.credentials.issuer_keys, "A, B")
        self.assertEqual(state.identity_map("SSL", "x"), "new@z")
        self.assertEqual(state.file_problems, ())

    def test_given_map(self) -> None:
        """A map that was given stands in for the file, for good."""
        state = make_state(identity_map=lambda method, name: f"{method}-{name}")
        self.assertEqual(state.identity_map("SSL", "x"), "SSL-x")
        state.reconfigure(DictKnobs(POOL_KNOBS))
        self.assertEqual(state.identity_map("SSL", "x"), "SSL-x")
        self.assertEqual(state.file_problems, ())
        self.assertIsNone(make_state().identity_map("SSL", "x"))

    def test_two_states(self) -> None:
        """Two daemons in one process share nothing."""
        one, two = make_state(), make_state()
        one.incoming.add(session("a", "FS"))
        self.assertEqual(len(two.incoming), 0)


class SessionPeerTests(SynchronousTestCase):
    """The other side of a protected channel."""

    def test_datagram(self) -> None:
        """A datagram is as encrypted as it came, whatever the session says."""
        one = session("a", "FS")
        for encrypted in (True, False):
            peer = session_peer(one, "::1", 5, Transport.UDP, encrypted=encrypted)
            self.assertEqual(peer.encrypted, encrypted)
            self.assertEqual(peer.user, "alice@dom")

    def test_without_protection(self) -> None:
        """A session that protects nothing gives nobody a name."""
        bare = SecuritySession("a", (), None, 0, 0.0, user="alice@dom", method="FS")
        peer = session_peer(bare, "::1", 5)
        self.assertFalse(peer.is_authenticated or peer.encrypted or peer.integrity)
        self.assertTrue(peer.negotiated)


class KnobsTests(SynchronousTestCase):
    """The configuration that we see."""

    def test_settings_are_knobs(self) -> None:
        """The package's own settings are what security takes."""
        settings = Settings.from_assignments(
            {"SEC_READ_ENCRYPTION": "REQUIRED"}, "COLLECTOR"
        )
        knobs: Knobs = settings
        self.assertEqual(knobs.text("SEC_READ_ENCRYPTION"), "REQUIRED")
        self.assertEqual(knobs.subsystem, "COLLECTOR")
        self.assertTrue(knobs.boolean("FS_ROOT_TO_CONDOR", False))

    def test_wrong_switches_show_at_once(self) -> None:
        """A knob of a method that is no truth value is found before any peer."""
        for name in ("SEC_CLAIMTOBE_INCLUDE_DOMAIN", "FS_ROOT_TO_CONDOR"):
            settings = Settings.from_assignments({name: "perhaps"}, "COLLECTOR")
            self.assertRaises(ConfigError, make_state().reconfigure, settings)
