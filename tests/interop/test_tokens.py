"""`interop.tokens`: what is left of an output when chance is taken out of it."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.security.tokens.token import SigningKey, create_token
from interop.compare import Difference
from interop.explanations import explain
from interop.tokens import normalized

WORK = Path("/tmp/run/tokens-0-real")


class NormalizedTests(SynchronousTestCase):
    def test_tokens(self) -> None:
        """A token becomes what it says, with its life instead of its times."""
        key = SigningKey("POOL", bytes(32))
        texts = set()
        for now in (1000, 2000):
            token = create_token(
                key, "dom", "a@b", now, os.urandom, lifetime_seconds=60, limits=["READ"]
            )
            texts.add(normalized(f"{token}\n", WORK))
        self.assertEqual(
            texts,
            {
                'TOKEN {"alg": "HS256", "kid": "POOL"} {"exp": 60, "iss": "dom", '
                '"scope": "condor:/READ", "sub": "a@b"}\n'
            },
        )

    def test_chance(self) -> None:
        """Ids, clients, times and places are alike in every run."""
        for text, kept in (
            ('RequestId = "0123456"', 'RequestId = "REQUEST"'),
            ('ClientId = "interop-17"', 'ClientId = "CLIENT"'),
            (f"{WORK}/tokens-ours/x", "WORK/tokens/x"),
            ('{"iat":17,"jti":"0a"}', '{"iat":TIME,"jti":"JTI"}'),
            (
                "To approve, please run condor_token_request_approve manually.",
                "To approve, please run TOOL.",
            ),
            (
                "To approve, please run condor-twisted token approve.",
                "To approve, please run TOOL.",
            ),
            ("TokenLifetime = 900", "TokenLifetime = 900"),
        ):
            self.assertEqual(normalized(text, WORK), kept)

    def test_explanations_are_narrow(self) -> None:
        """Only the tool of 23.9 may miss a token, never ours."""
        query = "token tools: a request with a rule"
        for row, expected, actual, may in (
            ("TOKEN {}", None, "TOKEN {}", True),
            ("TOKEN {}", "TOKEN {}", None, False),
            ("failed", "failed", None, True),
            ("failed", None, "failed", False),
        ):
            difference = Difference(query, row, "<whole>", expected, actual)
            self.assertIs(explain(difference) is not None, may)
