"""`condor_twisted.security.methods.ntsspi`."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    AuthenticationFailed,
    CondorTwistedError,
    LimitExceeded,
    MalformedMessage,
    NoMethodSucceeded,
    PeerClosed,
    RemoteProtocolError,
)
from condor_twisted.security.credentials import Credentials
from condor_twisted.security.methods import usable_methods
from condor_twisted.security.methods.base import AuthResult
from condor_twisted.security.methods.ntsspi import NtsspiMethod
from condor_twisted.security.sspi import SspiExchange, SspiProblem, SspiTurn
from tests.security.kit import DictKnobs, FakeHost, Side, pump
from tests.security.methods.kit import client_side, number, server_side
from tests.security.test_akep2 import damaged, replacing

_NO_NTLM = "pyspnego, which plays Windows here, is not installed"
_HAS_NTLM = importlib.util.find_spec("spnego") is not None


class Script:
    """A side of a login that says what is written.

    Args:
        turns: What it makes of each turn.
        heard: What the other side has to have said before each, where it matters.
    """

    def __init__(
        self, *turns: SspiTurn | SspiProblem, heard: tuple[bytes, ...] = ()
    ) -> None:
        self._turns = list(turns)
        self._heard = list(heard)

    def advance(self, token: bytes) -> SspiTurn | SspiProblem:
        """Take a turn."""
        if self._heard and token != self._heard.pop(0):
            return SspiProblem("The token supplied to the function is invalid.")
        return self._turns.pop(0)


def client_script() -> Script:
    """A client of three blobs."""
    return Script(
        SspiTurn(b"hello", False), SspiTurn(b"proof", True), heard=(b"", b"challenge")
    )


def server_script(user: str | None = "CORP\\Alice") -> Script:
    """The server for it."""
    return Script(
        SspiTurn(b"challenge", False),
        SspiTurn(b"", True, user),
        heard=(b"hello", b"proof"),
    )


def client(exchange: SspiExchange | SspiProblem, *messages: bytes) -> Side[AuthResult]:
    """A client to which a server has said these things."""
    return client_side(NtsspiMethod(), *messages, host=FakeHost(sspi=exchange))


def server(exchange: SspiExchange | SspiProblem, *messages: bytes) -> Side[AuthResult]:
    """A server to which a client has said these things."""
    return server_side(NtsspiMethod(), *messages, host=FakeHost(sspi=exchange))


class PairTests(SynchronousTestCase):
    """Both sides, one against the other."""

    def pair(
        self,
        tamper: Callable[[str, int, bytes], bytes] = lambda way, at, payload: payload,
    ) -> tuple[Side[AuthResult], Side[AuthResult]]:
        """A client and a server that have talked."""
        one, other = client(client_script()), server(server_script())
        pump(one, other, tamper)
        return one, other

    def test_accepted(self) -> None:
        """The server learns the account; a blob is its size and then its bytes."""
        one, other = self.pair()
        self.assertEqual(one.outcome(), AuthResult(user=None))
        self.assertEqual(other.outcome(), AuthResult("Alice@corp", "Alice@CORP"))
        self.assertEqual(one.sent, [number(5), b"hello", number(5), b"proof"])
        self.assertEqual(other.sent, [number(9), b"challenge"])

    def test_damage(self) -> None:
        """A message cut or changed ends in an error that is documented."""
        sent = {
            "C>S": [number(5), b"hello", number(5), b"proof"],
            "S>C": [number(9), b"challenge"],
        }
        for way, messages in sent.items():
            for at, message in enumerate(messages):
                for payload in damaged(message):
                    one, other = self.pair(replacing(way, at, payload))
                    victim = other if way == "C>S" else one
                    self.assertIsInstance(
                        victim.error,
                        (AuthenticationFailed, NoMethodSucceeded, RemoteProtocolError),
                        (way, at, payload),
                    )

    def test_silence(self) -> None:
        """A side that goes away is ``PeerClosed``, wherever it does."""
        said = [number(5), b"hello", number(5), b"proof"]
        sides = [server(server_script(), *said[:count]) for count in range(4)]
        sides += [client(client_script()), client(client_script(), number(9))]
        for side in sides:
            side.peer_closed()
            self.assertRaises(PeerClosed, side.outcome)


class ServerTests(SynchronousTestCase):
    """What a server makes of it."""

    def test_accounts(self) -> None:
        """The domain is in lower case in the user, and as it is in the name."""
        said = (number(5), b"hello", number(5), b"proof")
        for account, user, name in (
            ("NT AUTHORITY\\SYSTEM", "SYSTEM@nt authority", "SYSTEM@NT AUTHORITY"),
            ("bob", "bob", "bob"),
        ):
            result = server(server_script(account), *said).outcome()
            self.assertEqual((result.user, result.authenticated_name), (user, name))
        for nobody in (None, ""):
            side = server(server_script(nobody), *said)
            self.assertRaises(NoMethodSucceeded, side.outcome)

    def test_mnh_4_36_refused(self) -> None:
        """A refusal is the end, for a client that would not hear of it."""
        problem = SspiProblem("The logon attempt failed.")
        for side in (
            server(problem),
            server(Script(problem), number(5), b"hello"),
        ):
            error = self.assertRaises(NoMethodSucceeded, side.outcome)
            assert isinstance(error, NoMethodSucceeded)
            (attempt,) = error.attempts
            self.assertEqual(attempt.reason, "the client's login is not accepted")
            self.assertEqual(attempt.detail, problem.reason)
            self.assertNotIn(problem.reason, str(error))
            self.assertEqual(side.sent, [])

    def test_client_without_login(self) -> None:
        """A size of 0 fails the method, and the next one can be tried."""
        self.assertRaises(
            AuthenticationFailed, server(server_script(), number(0)).outcome
        )

    def test_limits(self) -> None:
        """A blob of 64 KiB is looked at, another size is not; turns have an end."""
        for size, error in (
            (65536, NoMethodSucceeded),
            (65537, LimitExceeded),
            (-1, LimitExceeded),
        ):
            side = server(server_script(), number(size), b"x" * size)
            self.assertIs(type(side.error), error)
        endless = Script(*(SspiTurn(b"", False) for _ in range(8)))
        side = server(endless, *(number(1), b"x") * 8)
        self.assertRaises(LimitExceeded, side.outcome)


class ClientTests(SynchronousTestCase):
    """What a client makes of it."""

    def test_no_login(self) -> None:
        """A client that cannot log in says so, why, and can go on."""
        problem = SspiProblem("No credentials are available.")
        for exchange, messages, sent in (
            (problem, (), [number(0)]),
            (Script(problem), (), [number(0)]),
            (
                Script(SspiTurn(b"hello", False), problem),
                (number(3), b"bad"),
                [number(5), b"hello", number(0)],
            ),
        ):
            side = client(exchange, *messages)
            error = self.assertRaises(AuthenticationFailed, side.outcome)
            self.assertIn("No credentials are available.", str(error))
            self.assertEqual(side.sent, sent)

    def test_server(self) -> None:
        """A server with nothing to say breaks the rules; turns have an end."""
        endless = Script(*(SspiTurn(b"x", False) for _ in range(8)))
        cases: tuple[
            tuple[Script, tuple[bytes, ...], type[CondorTwistedError]], ...
        ] = (
            (client_script(), (number(0),), MalformedMessage),
            (endless, (number(1), b"x") * 8, LimitExceeded),
        )
        for exchange, messages, error in cases:
            self.assertIs(type(client(exchange, *messages).error), error)

    def test_available(self) -> None:
        """It is offered where Windows is."""
        for libraries, offered in ((frozenset(), False), (frozenset({"sspi"}), True)):
            found = usable_methods(
                DictKnobs(), None, Permission.CLIENT, Credentials(libraries=libraries)
            )
            self.assertIs("NTSSPI" in found, offered)

    def test_secrets(self) -> None:
        """What is said shows in no repr."""
        self.assertNotIn("hello", repr(SspiTurn(b"hello", False)))


class Ntlm:
    """One side of a real NTLM login.

    Args:
        context: pyspnego's side of it.
        names_client: Whether it says who the client is.
    """

    def __init__(self, context: Any, names_client: bool) -> None:
        self._context = context
        self._names_client = names_client

    def advance(self, token: bytes) -> SspiTurn | SspiProblem:
        """Take a turn."""
        from spnego.exceptions import SpnegoError

        try:
            answer = self._context.step(token or None)
        except SpnegoError as error:
            return SspiProblem(str(error))
        done = bool(self._context.complete)
        named = done and self._names_client
        user = str(self._context.client_principal) if named else None
        return SspiTurn(answer or b"", done, user)

    @property
    def session_key(self) -> bytes:
        """The key that both sides have at the end."""
        return bytes(self._context.session_key)


@skipUnless(_HAS_NTLM, _NO_NTLM)
class NtlmTests(SynchronousTestCase):
    """The messages with NTLM in them, out of another implementation of it."""

    def setUp(self) -> None:
        users = Path(self.mktemp()).absolute()
        users.write_text("CORP:alice:pass\n")
        before = os.environ.get("NTLM_USER_FILE")
        os.environ["NTLM_USER_FILE"] = str(users)
        if before is None:
            self.addCleanup(os.environ.pop, "NTLM_USER_FILE")
        else:
            self.addCleanup(os.environ.__setitem__, "NTLM_USER_FILE", before)

    def pair(
        self, password: str
    ) -> tuple[Side[AuthResult], Side[AuthResult], Ntlm, Ntlm]:
        """A client that knows a password, and a server, that have talked."""
        import spnego

        mine = Ntlm(spnego.client("CORP\\alice", password, protocol="ntlm"), False)
        theirs = Ntlm(spnego.server(protocol="ntlm"), True)
        one, other = client(mine), server(theirs)
        pump(one, other)
        return one, other, mine, theirs

    def test_accepted(self) -> None:
        """Three blobs, and both sides have one key."""
        one, other, mine, theirs = self.pair("pass")
        self.assertEqual(other.outcome(), AuthResult("alice@corp", "alice@CORP"))
        self.assertEqual(one.outcome(), AuthResult(user=None))
        self.assertEqual(mine.session_key, theirs.session_key)
        for side in (one, other):
            for size, blob in zip(side.sent[::2], side.sent[1::2], strict=True):
                self.assertEqual(size, number(len(blob)))
                self.assertTrue(blob.startswith(b"NTLMSSP\0"))

    def test_wrong_password(self) -> None:
        """Whoever does not know the password is nobody."""
        _, other, _, _ = self.pair("guess")
        self.assertRaises(NoMethodSucceeded, other.outcome)
