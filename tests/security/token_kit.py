"""What the tests of the token services share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import TokenServiceRefused
from condor_twisted.security.authorization import parse_limits
from condor_twisted.security.context import SecurityState
from condor_twisted.security.peer import Peer, Transport
from condor_twisted.security.tokens.token import Token, parse_token
from tests.security.kit import Clock, FakeFiles, make_state

POOL_KEY = b"a signing key of the pool, long enough"
FILES = {"/keys/POOL": POOL_KEY, "/keys/AP": b"another signing key, long enough"}
KNOBS = {
    "SEC_PASSWORD_DIRECTORY": "/keys",
    "SEC_TOKEN_POOL_SIGNING_KEY_FILE": "/keys/POOL",
    "SEC_TOKEN_FETCH_ALLOWED_SIGNING_KEYS": "POOL AP",
}
ALICE = Peer(
    "192.0.2.7",
    40000,
    Transport.TCP,
    user="alice@test.domain",
    method="FS",
    negotiated=True,
    encrypted=True,
    integrity=True,
)
BOB = replace(ALICE, user="bob@test.domain", address="192.0.2.8")


def limited(peer: Peer, text: str, ends: int | None = None) -> Peer:
    """A peer whose credential is limited to levels, and ends."""
    return replace(
        peer,
        limits=parse_limits(text),
        limits_text=text,
        credential_expires_at=ends,
    )


class TokenTestCase(SynchronousTestCase):
    """A daemon's security with signing keys."""

    def setUp(self) -> None:
        self.clock = Clock()

    def security(
        self, *, files: Mapping[str, bytes] = FILES, **knobs: str
    ) -> SecurityState:
        """The security with these knobs."""
        return make_state(
            {**KNOBS, **knobs}, clock=self.clock, files=FakeFiles(dict(files))
        )

    def read(self, text: str) -> Token:
        """A token that was issued."""
        return parse_token(text)

    def refused(self, code: int, function: Any, *arguments: Any, **named: Any) -> str:
        """The reason for which something is not granted."""
        error = self.assertRaises(TokenServiceRefused, function, *arguments, **named)
        assert isinstance(error, TokenServiceRefused)
        self.assertEqual(error.code, code, error.reason)
        return error.reason
