"""What each method of authentication needs, for one collector and one client.

Everything lies in one directory of the sandbox's work: certificates, passwords, keys
and tokens, each once as the collector's and once as the client's. A KDC, a ``munged``
and an issuer of SciTokens run as long as they are needed.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from interop.errors import PeerDidNotStart
from interop.kdc import start_realm
from interop.peers import our_environment
from interop.sandbox import HOST_NAME, Sandbox, wait_until
from tests.security.certificates import Identity, make_identity

__all__ = [
    "CLIENT_USER",
    "DOMAIN",
    "METHODS",
    "SUBJECTS",
    "CredentialFiles",
    "Credentials",
    "prepare_credentials",
]

CLIENT_USER = "tester"
"""Who asks, in every cell."""

METHODS = (
    "CLAIMTOBE",
    "ANONYMOUS",
    "FS",
    "FS_REMOTE",
    "PASSWORD",
    "IDTOKENS",
    "SSL",
    "SCITOKENS",
    "KERBEROS",
    "MUNGE",
)

DOMAIN = "pool.example"
"""Whose the identities are."""
SUBJECTS = ("somebody", "named", "declined", "broken")
"""Whom there are SciTokens of, ``scitoken-<subject>``; usually the first is shown."""

_ISSUER_PORT = 8443
_ISSUER = f"https://localhost:{_ISSUER_PORT}"
_SYSTEM_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_START_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Credentials:
    """Configurations that go with what was prepared.

    Args:
        server: The collector's.
        client: The client's.
        environment: What both have in their environment.
    """

    server: Mapping[str, str]
    client: Mapping[str, str]
    environment: Mapping[str, str]


@contextlib.contextmanager
def prepare_credentials(sandbox: Sandbox) -> Iterator[Credentials]:
    """Make everything, and keep what has to run for the length of a ``with`` block.

    Args:
        sandbox: Where it is used.

    Raises:
        PeerDidNotStart: ``munged`` or the issuer of SciTokens does not answer.
    """
    made = CredentialFiles(sandbox)
    place = made.place
    made.certificates()
    made.passwords()
    made.tokens()
    made.scitoken()
    remote = place / "fs_remote"
    remote.mkdir()
    remote.chmod(0o1777)
    (place / "map").write_text(
        f"SSL /.*/ byssl@{DOMAIN}\nSCITOKENS /.*/ byscitoken@{DOMAIN}\n"
    )
    with start_realm(sandbox) as realm, _munged(sandbox), _issuer(sandbox, place):
        realm.log_in(CLIENT_USER, "alice")
        both = {
            "FS_REMOTE_DIR": str(remote),
            "TRUST_DOMAIN": DOMAIN,
            "SEC_FS_ENFORCE_CHANNEL_BINDING": "False",  # 23.9 does without
            "AUTH_SSL_SERVER_CAFILE": str(place / "ca.pem"),
            "AUTH_SSL_CLIENT_CAFILE": str(place / "ca.pem"),
        }
        server = {
            **both,
            "SEC_PASSWORD_FILE": str(place / "server" / "password"),
            "SEC_PASSWORD_DIRECTORY": str(place / "server" / "keys"),
            "SEC_TOKEN_POOL_SIGNING_KEY_FILE": str(place / "server" / "keys" / "POOL"),
            "AUTH_SSL_SERVER_CERTFILE": str(place / "host.pem"),
            "AUTH_SSL_SERVER_KEYFILE": str(place / "host.key"),
            "CERTIFICATE_MAPFILE": str(place / "map"),
            "KERBEROS_SERVER_KEYTAB": realm.keytab("host"),
            "SEC_SCITOKENS_CACHE": str(place / "server" / "cache"),
        }
        client = {
            **both,
            "SEC_PASSWORD_FILE": str(place / "client" / "password"),
            "SEC_TOKEN_DIRECTORY": str(place / "client" / "tokens"),
            "AUTH_SSL_CLIENT_CERTFILE": str(place / "client.pem"),
            "AUTH_SSL_CLIENT_KEYFILE": str(place / "client.key"),
            "SCITOKENS_FILE": str(place / "client" / f"scitoken-{SUBJECTS[0]}"),
        }
        environment = {**realm.environment, "SSL_CERT_FILE": str(place / "ca.pem")}
        yield Credentials(server, client, environment)


class CredentialFiles:
    """Makes the files that methods need, in a directory of the sandbox's work.

    Args:
        sandbox: Whose users they belong to.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._place = place = sandbox.work / "credentials"
        place.mkdir()
        place.chmod(0o755)
        for side, user in (("server", "root"), ("client", CLIENT_USER)):
            (place / side).mkdir()
            self._give(place / side, user)

    @property
    def place(self) -> Path:
        """The directory."""
        return self._place

    def certificates(self) -> None:
        """An authority, and what it signed for the host and for the client."""
        authority = make_identity(None, "authority", authority=True)
        host = make_identity(authority, HOST_NAME, hosts=(HOST_NAME, "localhost"))
        client = make_identity(authority, CLIENT_USER)
        (self._place / "ca.pem").write_bytes(authority.certificate_pem)
        self._put("host", host, "root")
        self._put("client", client, CLIENT_USER)

    def passwords(self) -> None:
        """A pool's password, and the key that signs its tokens."""
        for side, user in (("server", "root"), ("client", CLIENT_USER)):
            self._store(self._place / side / "password", "not a secret", user)
        (self._place / "server" / "cache").mkdir()
        keys = self._place / "server" / "keys"
        keys.mkdir()
        keys.chmod(0o700)
        self._store(keys / "POOL", "not a key, but long enough for one", "root")

    def tokens(self) -> None:
        """A token of the pool, made by the real tool."""
        self.token("client", CLIENT_USER, f"bytoken@{DOMAIN}")

    def token(self, side: str, user: str, identity: str) -> None:
        """A token that the real tool makes with the pool's key.

        Args:
            side: Whose it is: goes into ``side/tokens``.
            user: Whom the file belongs to.
            identity: What it makes of its bearer.
        """
        tokens = self._place / side / "tokens"
        tokens.mkdir()
        tokens.chmod(0o700)
        self._give(tokens, user)
        keys = self._place / "server" / "keys"
        made = self._sandbox.run(
            ["condor_token_create", "-identity", identity, "-key", "POOL"],
            environment={
                "CONDOR_CONFIG": "/dev/null",
                "_CONDOR_SEC_PASSWORD_DIRECTORY": str(keys),
                "_CONDOR_SEC_TOKEN_POOL_SIGNING_KEY_FILE": str(keys / "POOL"),
                "_CONDOR_TRUST_DOMAIN": DOMAIN,
            },
        )
        self._secret(tokens / "pool", made.checked(), user)

    def scitoken(self) -> None:
        """SciTokens, and the key by which their issuer's verifiers know them."""
        key = ec.generate_private_key(ec.SECP256R1())
        public = json.loads(ECAlgorithm(ECAlgorithm.SHA256).to_jwk(key.public_key()))
        public |= {"kid": "one", "use": "sig", "alg": "ES256"}
        (self._place / "jwks.json").write_text(json.dumps({"keys": [public]}))
        now = int(time.time())
        claims = {
            "iss": _ISSUER,
            "iat": now,
            "nbf": now - 60,
            "exp": now + 3600,
            "jti": "1",
            "ver": "scitoken:2.0",
            "aud": "ANY",
            "scope": "condor:/READ condor:/WRITE",
        }
        for subject in SUBJECTS:
            said = {**claims, "sub": subject}
            token = jwt.encode(said, key, "ES256", headers={"kid": "one"})
            file = self._place / "client" / f"scitoken-{subject}"
            self._secret(file, token, CLIENT_USER)

    def _put(self, name: str, identity: Identity, user: str) -> None:
        (self._place / f"{name}.pem").write_bytes(identity.certificate_pem)
        self._secret(self._place / f"{name}.key", identity.key_pem.decode(), user)

    def _store(self, file: Path, password: str, user: str) -> None:
        """Write a password as the real tool scrambles it."""
        self._sandbox.run(
            ["condor_store_cred", "add", "-f", str(file), "-p", password],
            environment={"CONDOR_CONFIG": "/dev/null"},
        ).checked()
        file.chmod(0o600)
        self._give(file, user)

    def _secret(self, file: Path, text: str, user: str) -> None:
        file.touch(0o600)
        file.write_text(text)
        self._give(file, user)

    def _give(self, file: Path, user: str) -> None:
        ids = (0, 0) if user == "root" else self._sandbox.ids_of(user)
        os.chown(file, *ids)


@contextlib.contextmanager
def _munged(sandbox: Sandbox) -> Iterator[None]:
    """Run MUNGE's daemon where its library looks for it."""
    place = sandbox.work / "munge"
    place.mkdir()
    place.chmod(0o755)
    (place / "key").write_bytes(os.urandom(128))
    (place / "key").chmod(0o400)
    command = [
        "munged",
        "--foreground",
        "--force",
        f"--key-file={place}/key",
        f"--pid-file={place}/pid",
        f"--seed-file={place}/seed",
    ]
    sandbox.run(["mkdir", "-p", "/run/munge"]).checked()
    sandbox.run(["chmod", "755", "/run/munge"]).checked()
    log = place / "log"
    with sandbox.daemon(sandbox.inside(command), log):
        if not wait_until(
            lambda: sandbox.run(["munge", "-n"]).exit_code == 0, _START_SECONDS
        ):
            raise PeerDidNotStart("munged", log.read_text(errors="replace"))
        try:
            yield
        finally:
            sandbox.run(["sh", "-c", f"kill $(cat {place}/pid)"])


@contextlib.contextmanager
def _issuer(sandbox: Sandbox, place: Path) -> Iterator[None]:
    """Run the issuer of SciTokens, and have the chroot trust its authority."""
    bundle = str(place / "ca.pem")
    sandbox.run(["mount", "--bind", bundle, _SYSTEM_CERTIFICATES]).checked()
    command = [sys.executable, "-m", "interop.issuer", str(place), str(_ISSUER_PORT)]
    log = sandbox.work / "issuer.log"
    with sandbox.daemon(sandbox.beside(command), log, our_environment()):
        if not wait_until(lambda: sandbox.listens(_ISSUER_PORT), _START_SECONDS):
            raise PeerDidNotStart("the issuer", log.read_text(errors="replace"))
        yield
