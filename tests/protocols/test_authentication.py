"""Authentication with files, threads and drivers: our client and our server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from condor_twisted.config.settings import Settings
from condor_twisted.errors import NoMethodSucceeded
from condor_twisted.security.tokens.token import SigningKey, create_token, scramble
from tests.protocols.kit import SECURE, SERVER_ADDRESS, ServerTestCase
from tests.security.certificates import AUTHORITY, USER, make_identity
from tests.security.kit import counting_random

NAMED = f"<{SERVER_ADDRESS[0]}:{SERVER_ADDRESS[1]}?alias=cm.example.org>"
NOW = 1_700_000_000


class AuthenticationTests(ServerTestCase):
    knobs = SECURE

    def setUp(self) -> None:
        """Files of a pool."""
        super().setUp()
        self.pool = Path(self.mktemp()).absolute()
        for name in ("keys", "tokens", "none"):
            (self.pool / name).mkdir(parents=True)
        self.secret("keys/POOL", scramble(b"the password of this pool"))
        self.secret("keys/OTHER", scramble(b"the password of another pool"))
        key = SigningKey.from_file("OTHER", (self.pool / "keys/OTHER").read_bytes())
        self.secret(
            "tokens/alice",
            create_token(
                key, "example.pool", "alice@example", NOW, counting_random()
            ).encode(),
        )
        host = make_identity(AUTHORITY, "cm", hosts=("cm.example.org",))
        for name, identity in (("host", host), ("user", USER)):
            self.secret(f"{name}.pem", identity.certificate_pem)
            self.secret(f"{name}.key", identity.key_pem)
        self.secret("ca.pem", AUTHORITY.certificate_pem)
        self.secret("map", b"SSL ^/O=condor/CN=(.*)$ \\1@example\n")

    def secret(self, name: str, content: bytes) -> None:
        """Write a file that is ours alone."""
        path = self.pool / name
        path.write_bytes(content)
        path.chmod(0o600)

    def open(self, methods: str, client: Mapping[str, str] | None = None) -> str:
        """Open a command by these methods: who we are, and by what."""
        pool = str(self.pool)
        knobs = {
            **SECURE,
            "SEC_DEFAULT_AUTHENTICATION_METHODS": methods,
            "TRUST_DOMAIN": "example.pool",
            "SEC_PASSWORD_DIRECTORY": f"{pool}/keys",
            "SEC_PASSWORD_FILE": f"{pool}/keys/POOL",
            "SEC_TOKEN_POOL_SIGNING_KEY_FILE": f"{pool}/keys/POOL",
            "SEC_TOKEN_DIRECTORY": f"{pool}/tokens",
            "AUTH_SSL_SERVER_CERTFILE": f"{pool}/host.pem",
            "AUTH_SSL_SERVER_KEYFILE": f"{pool}/host.key",
            "AUTH_SSL_SERVER_CAFILE": f"{pool}/ca.pem",
            "AUTH_SSL_CLIENT_CAFILE": f"{pool}/ca.pem",
            "AUTH_SSL_SERVER_USE_DEFAULT_CAS": "False",
            "AUTH_SSL_CLIENT_USE_DEFAULT_CAS": "False",
            "CERTIFICATE_MAPFILE": f"{pool}/map",
        }
        self.security.reconfigure(Settings.from_assignments(knobs, "COLLECTOR"))
        self.serve(5)
        opener = self.opener({**knobs, **(client or {})})
        opening = opener.open(NAMED, 5)
        self.reactor.flush()
        channel = self.successResultOf(opening)
        session = channel.session
        assert session is not None
        channel.abort()
        self.reactor.flush()
        return f"{session.method} {session.own_user} {session.user}"

    def test_password(self) -> None:
        """PASSWORD: both sides have the pool's password."""
        self.assertEqual(
            self.open("PASSWORD"), "PASSWORD condor@password condor@password"
        )

    def test_token(self) -> None:
        """IDTOKENS: the client has a token."""
        self.assertEqual(
            self.open("IDTOKENS"), "IDTOKENS alice@example condor@password"
        )

    def test_own_token(self) -> None:
        """IDTOKENS: the client has a signing key, and no token."""
        none = {"SEC_TOKEN_DIRECTORY": str(self.pool / "none")}
        self.assertEqual(
            self.open("IDTOKENS", none), "IDTOKENS condor@password condor@password"
        )

    def test_certificates(self) -> None:
        """SSL: the server's certificate alone, and both."""
        nobody = "SSL unauthenticated@unmapped cm@example"
        self.assertEqual(self.open("SSL"), nobody)

    def test_client_certificate(self) -> None:
        """SSL: both sides have a certificate, and are mapped."""
        own = {
            "AUTH_SSL_CLIENT_CERTFILE": str(self.pool / "user.pem"),
            "AUTH_SSL_CLIENT_KEYFILE": str(self.pool / "user.key"),
        }
        self.assertEqual(self.open("SSL", own), "SSL alice@example cm@example")

    def test_next_method(self) -> None:
        """A method that fails gives way to the next one, on the same connection."""
        other = {"SEC_PASSWORD_FILE": str(self.pool / "keys/OTHER")}
        self.assertEqual(
            self.open("PASSWORD,IDTOKENS,SSL", other),
            "IDTOKENS alice@example condor@password",
        )

    def test_mnh_4_36_logs(self) -> None:
        """One line for everybody says that it failed, one of D_SECURITY says why."""
        self.security.reconfigure(
            Settings.from_assignments(
                {
                    **SECURE,
                    "SEC_DEFAULT_AUTHENTICATION_METHODS": "PASSWORD",
                    "SEC_PASSWORD_FILE": str(self.pool / "keys/POOL"),
                },
                "COLLECTOR",
            )
        )
        self.serve(5)
        opener = self.opener(
            {
                **SECURE,
                "SEC_DEFAULT_AUTHENTICATION_METHODS": "PASSWORD",
                "SEC_PASSWORD_FILE": str(self.pool / "keys/OTHER"),
            }
        )
        opening = opener.open(NAMED, 5)
        self.reactor.flush()
        self.failureResultOf(opening, NoMethodSucceeded)
        self.assertEqual(len(self.logged("the client's proof is not accepted")), 1)
        (event,) = [
            each for each in self.events if each.get("category") == "D_SECURITY"
        ]
        self.assertIn("the same pool password", event["detail"])
        self.assertEqual(self.logged("another pool"), [])
