"""`condor_twisted.security.methods.scitokens`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import (
    AuthenticationFailed,
    NoMethodSucceeded,
    RemoteProtocolError,
)
from condor_twisted.security.methods.base import AuthResult
from condor_twisted.security.methods.scitokens import SciTokensMethod
from tests.security.certificates import HOST, make_context
from tests.security.kit import FakeHost, Side, pump
from tests.security.methods.kit import client_side, number, server_side
from tests.security.methods.test_ssl import DIALLED, host
from tests.security.recordings import prepare_recording
from tests.security.scitoken_kit import ISSUER, KEYS, OTHER_KEY, scitoken
from tests.security.test_akep2 import message, replacing
from tests.security.test_negotiation import play_client, play_server

FOREIGN = {"SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS": ISSUER}


def only_mapped(method: str, name: str) -> str | None:
    """A map of one name."""
    return "alice@pool" if (method, name) == ("SCITOKENS", f"{ISSUER},alice") else None


def pair(
    token: str | None,
    *,
    keys: str | None = KEYS,
    dialled: str = DIALLED,
    server_knobs: Mapping[str, str] | None = None,
    identity_map: Any = only_mapped,
    tamper: Any = lambda way, at, payload: payload,
    programs: Mapping[str, Any] | None = None,
) -> tuple[Side[AuthResult], Side[AuthResult], FakeHost]:
    """A client with a token and a server whose host has an issuer's keys."""
    mine, theirs = host(make_context()), host(make_context(HOST))
    mine.bearer_token = token
    theirs.programs = dict(programs or {})
    if keys is not None:
        theirs.issuer_keys[ISSUER] = keys
    one = client_side(SciTokensMethod(), host=mine, dialled=dialled)
    other = server_side(
        SciTokensMethod(), host=theirs, knobs=server_knobs, identity_map=identity_map
    )
    pump(one, other, tamper)
    return one, other, theirs


class SciTokensTests(SynchronousTestCase):
    """Both sides."""

    def reason(self, side: Side[AuthResult]) -> str:
        """Why a side has failed, in full."""
        error = self.assertRaises(AuthenticationFailed, side.outcome)
        assert isinstance(error, AuthenticationFailed)
        return f"{error.reason}: {error.detail}"

    def test_accepted(self) -> None:
        """Both know each other; the client is limited to its scopes."""
        one, other, _ = pair(scitoken())
        self.assertEqual(
            one.outcome(),
            AuthResult("scitokens@unmapped", "/O=condor/CN=cm.example.org"),
        )
        result = other.outcome()
        self.assertEqual(result.user, "scitokens@unmapped")
        self.assertEqual(result.authenticated_name, f"{ISSUER},alice")
        self.assertEqual(result.limits, "DENY,READ,WRITE")
        self.assertEqual(result.attributes["AuthTokenId"], "id")

    def test_foreign(self) -> None:
        """Tokens of foreign issuers need no scope, and are good for nothing then."""
        knobs = {**FOREIGN}
        result = pair(scitoken(scope=None, x=1), server_knobs=knobs)[1].outcome()
        self.assertEqual(result.limits, "DENY")
        knobs["SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES"] = "False"
        _, other, _ = pair(scitoken(scope=None), server_knobs=knobs)
        self.assertIn("no scope", self.reason(other))
        every = {"SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS": "*"}
        self.assertEqual(
            pair(scitoken(scope=None), server_knobs=every)[1].outcome().limits, "DENY"
        )

    def test_refused(self) -> None:
        """What is not accepted ends in quitting; every log says the same."""
        for token, keys, knobs, detail in (
            (scitoken(key=OTHER_KEY), KEYS, {}, "not signed by its issuer"),
            (scitoken(exp=5), KEYS, {}, "has expired"),
            (scitoken(), None, {}, "keys cannot be had"),
            (scitoken(sub="bob"), KEYS, {}, "is not mapped"),
            (scitoken(), KEYS, {"SCITOKENS_SERVER_AUDIENCE": "me"}, "no audience"),
            ("junk", KEYS, {}, "as many parts"),
        ):
            one, other, _ = pair(token, keys=keys, server_knobs=knobs)
            self.assertIn(detail, self.reason(other))
            self.assertIn("the client's token is not accepted", self.reason(other))
            self.assertIn("the other side gave up", self.reason(one))
            self.assertEqual(other.sent[-1], message(3, 0))

    def test_nobody_is_asked_for_strangers(self) -> None:
        """The keys of an issuer whom the map does not know are not asked for."""
        for token in (scitoken(sub="bob"), scitoken(iss="https://else.example.org")):
            _, other, theirs = pair(token)
            self.assertIn("is not mapped", self.reason(other))
            self.assertEqual(
                [type(step).__name__ for step in theirs.asked], ["OpenTls"]
            )

    def test_nothing_to_show(self) -> None:
        """Without a token, or without certificates, it ends behind two messages."""
        one, other, _ = pair(None)
        self.assertEqual((one.sent, other.sent), ([number(-1)], [number(0)]))
        self.assertIn("we have no token", self.reason(one))
        self.assertIn("the client has no token", self.reason(other))
        bearer = host(None)
        bearer.bearer_token = "x"
        one = client_side(SciTokensMethod(), number(0), host=bearer)
        self.assertIn("our certificates", self.reason(one))
        ready = host(make_context())
        ready.bearer_token = "x"
        one = client_side(SciTokensMethod(), number(-1), host=ready)
        self.assertIn("the server cannot use", self.reason(one))
        other = server_side(SciTokensMethod(), number(0), host=host(None))
        self.assertIn("our certificates", self.reason(other))

    def test_host(self) -> None:
        """No token is shown to a server that was not dialled."""
        one, other, _ = pair(scitoken(), dialled="<127.0.0.1:9618?alias=other>")
        self.assertIn("not for other", self.reason(one))
        self.assertIn("the other side gave up", self.reason(other))
        self.assertEqual(one.sent[-1], message(3, 0))

    def test_damage(self) -> None:
        """Every message, cut or changed, ends in an error that is documented."""
        one, other, _ = pair(scitoken())
        for way, sent in (("C>S", one.sent), ("S>C", other.sent)):
            for at, payload in enumerate(sent):
                changes = [payload[:7], payload + b"\0", number(3) + payload[8:]]
                if len(payload) > 40:
                    changed = bytearray(payload)
                    changed[-3] ^= 0x40
                    changes.append(bytes(changed))
                for changed_payload in changes:
                    client, server, _ = pair(
                        scitoken(), tamper=replacing(way, at, changed_payload)
                    )
                    reader = server if way == "C>S" else client
                    self.assertIsInstance(
                        reader.error,
                        (AuthenticationFailed, RemoteProtocolError),
                        (way, at),
                    )


class RecordedTests(SynchronousTestCase):
    """Recorded conversations: every byte around TLS is the recorded one."""

    def play(self, name: str, server: bool) -> Any:
        """Play one side, with TLS that repeats the recorded bytes."""
        recording = prepare_recording(self, f"scitokens-{name}", server)
        return play_server(recording) if server else play_client(recording)

    def test_failures(self) -> None:
        """Without a token, and with one that is refused, both sides."""
        for name in ("no-token", "rejected"):
            for server in (True, False):
                with self.subTest(name=name, server=server):
                    played = self.play(name, server)
                    self.assertEqual(played.differences, [])
                    self.assertRaises(NoMethodSucceeded, played.side.outcome)
