"""`condor_twisted.security.methods.password`."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import AuthenticationFailed, RemoteProtocolError
from condor_twisted.security.methods.base import AuthResult
from condor_twisted.security.methods.password import PasswordMethod
from condor_twisted.security.tokens.token import scramble
from tests.security.kit import FakeFiles, FakeHost, Side, pump
from tests.security.methods.kit import VERSION, client_side, server_side
from tests.security.test_akep2 import damaged, message, replacing

KNOBS = {"SEC_PASSWORD_FILE": "/password"}
OLD = "$CondorVersion: 23.0.1 2023-10-16 $"


def host(password: str | None) -> FakeHost:
    """A host on which the pool's password is this."""
    secrets = {} if password is None else {"/password": scramble(password.encode())}
    return FakeHost(files=FakeFiles(secrets))


def pair(
    ours: str | None = "word",
    theirs: str | None = "word",
    client_version: str | None = VERSION,
    server_version: str | None = VERSION,
    tamper: Any = lambda way, at, payload: payload,
) -> tuple[Side[AuthResult], Side[AuthResult]]:
    """A client and a server with these passwords, of these versions."""
    one = client_side(
        PasswordMethod(), knobs=KNOBS, host=host(ours), peer_version=server_version
    )
    other = server_side(
        PasswordMethod(), knobs=KNOBS, host=host(theirs), peer_version=client_version
    )
    pump(one, other, tamper)
    return one, other


class PasswordTests(SynchronousTestCase):
    """Both sides."""

    def test_same_password(self) -> None:
        """Both are of the pool, and their name is never mapped."""
        for side in pair():
            self.assertEqual(side.outcome(), AuthResult(user="condor@password"))

    def test_old_peers(self) -> None:
        """Peers before 23.9 have the old name with the domain of this host."""
        for version in (OLD, None):
            for side in pair(client_version=version, server_version=version):
                self.assertEqual(side.outcome().user, "condor_pool@test.domain")

    def test_old_peer_of_another_domain(self) -> None:
        """An old client's domain does not matter; its name does."""
        for name, accepted in (("condor_pool@else", True), ("condor@password", False)):
            self.patch(PasswordMethod, "client", _named(name))
            _, other = pair(client_version=OLD)
            if accepted:
                self.assertEqual(other.outcome().user, "condor_pool@test.domain")
            else:
                self.assertRaises(AuthenticationFailed, other.outcome)

    def test_mnh_4_35_other_name(self) -> None:
        """Whoever knows the password is nobody else than who knows the password."""
        for name in ("root@x", "condor@PASSWORD", "condor_pool@x", "condor@password "):
            self.patch(PasswordMethod, "client", _named(name))
            _, other = pair()
            error = self.assertRaises(AuthenticationFailed, other.outcome)
            assert isinstance(error, AuthenticationFailed)
            self.assertIn("another name", error.detail or "")

    def test_mnh_4_36_failures(self) -> None:
        """Every failure has as many messages and one reason; the detail tells more."""
        details = set()
        for ours, theirs in (("word", "other"), (None, "word"), ("word", None)):
            one, other = pair(ours, theirs)
            self.assertRaises(AuthenticationFailed, one.outcome)
            error = self.assertRaises(AuthenticationFailed, other.outcome)
            assert isinstance(error, AuthenticationFailed)
            self.assertEqual(error.reason, "the client's proof is not accepted")
            details.add(error.detail)
            self.assertEqual((len(one.sent), len(other.sent)), (2, 1))
        self.assertEqual(len(details), 2)

    def test_client_reports_an_error(self) -> None:
        """A client that has failed already is answered to the end."""
        side = server_side(
            PasswordMethod(),
            message(-1, 0, "", 0),
            message(-1, 0, "", 0, 0),
            knobs=KNOBS,
            host=host("word"),
            peer_version=VERSION,
        )
        error = self.assertRaises(AuthenticationFailed, side.outcome)
        assert isinstance(error, AuthenticationFailed)
        self.assertIn("says that it failed", error.detail or "")

    def test_damage(self) -> None:
        """Every message, cut or changed, ends in an error that is documented."""
        one, other = pair()
        for way, sent in (("C>S", one.sent), ("S>C", other.sent)):
            for at, payload in enumerate(sent):
                for changed in list(damaged(payload))[::7]:
                    client, server = pair(tamper=replacing(way, at, changed))
                    reader = server if way == "C>S" else client
                    self.assertIsInstance(
                        reader.error, (AuthenticationFailed, RemoteProtocolError)
                    )

    def test_mnh_0_5_no_secret_in_errors(self) -> None:
        """No error names the password."""
        for side in pair("first-word", "second-word"):
            for text in (repr(side.error), str(side.error)):
                self.assertNotIn("word-", text)
                self.assertNotIn("-word", text)


def _named(name: str) -> Any:
    """A client that proves the password under another name."""
    from condor_twisted.security.akep2 import prove_as_client
    from condor_twisted.security.methods.password import _key

    def client(method: PasswordMethod, context: Any) -> Any:
        yield from prove_as_client(
            name,
            None,
            lambda: _key(b"word"),
            context.security.random_bytes,
            lambda server: True,
        )
        return AuthResult(user=None)

    return client
