"""A daemon in memory that gives out tokens, and clients of several identities."""

from __future__ import annotations

import os
import time
from pathlib import Path

from condor_twisted.client import CommandClient
from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore import Daemon
from condor_twisted.protocols.secret_files import create_signing_key
from condor_twisted.security.tokens.token import (
    SigningKey,
    Token,
    create_token,
    parse_token,
)
from tests.client.kit import PoolTestCase
from tests.protocols.kit import SECURE

__all__ = ["TokenDaemonTestCase"]


class TokenDaemonTestCase(PoolTestCase):
    """A daemon with a signing key; each client bears a token of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.keys = Path(self.mktemp()).absolute()
        self.keys.mkdir(mode=0o700)
        create_signing_key(str(self.keys / "POOL"))
        self.key = SigningKey.from_file("POOL", (self.keys / "POOL").read_bytes())
        self.daemon = self.start_daemon()

    @property
    def key_knobs(self) -> dict[str, str]:
        """Where the keys are."""
        return {
            "TRUST_DOMAIN": "pool.example",
            "SEC_PASSWORD_DIRECTORY": str(self.keys),
            "SEC_TOKEN_POOL_SIGNING_KEY_FILE": str(self.keys / "POOL"),
            "SEC_DEFAULT_AUTHENTICATION_METHODS": "TOKEN",
        }

    def start_daemon(self, **knobs: str) -> Daemon:
        """Start a daemon with these knobs, too."""
        settings = self.settings().with_assignments(
            {**SECURE, "ALLOW_ADMINISTRATOR": "root@*", **self.key_knobs, **knobs}
        )
        daemon = Daemon(settings, self.reactor)
        self.start(daemon)
        return daemon

    def client(self, user: str, token: str | None = None) -> CommandClient:
        """A client of this user, or with this token."""
        settings = Settings.from_assignments(
            {**self.knobs, **SECURE, **self.key_knobs}, "TOOL"
        )
        client = CommandClient(settings, self.reactor)
        self.addCleanup(lambda: self.done(client.close()))
        client.opener.security.token = token or self.make_token(user)
        return client

    def make_token(self, user: str) -> str:
        """A token of the pool, without limits."""
        return create_token(
            self.key,
            "pool.example",
            f"{user}@example",
            int(time.time()),
            os.urandom,
        )

    @property
    def address(self) -> str:
        """Where the daemon is."""
        return str(self.daemon.address)

    def read(self, text: str | None) -> Token:
        """A token that was given out."""
        assert text is not None
        return parse_token(text)
