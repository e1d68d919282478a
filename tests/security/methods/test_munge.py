"""`condor_twisted.security.methods.munge`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    AuthenticationFailed,
    LimitExceeded,
    PeerClosed,
    RemoteProtocolError,
)
from condor_twisted.security.credentials import Credentials
from condor_twisted.security.methods import usable_methods
from condor_twisted.security.methods.base import AuthResult
from condor_twisted.security.methods.munge import MungeMethod
from tests.security.kit import DictKnobs, FakeHost, pump
from tests.security.methods.kit import client_side, number, server_side
from tests.security.test_akep2 import damaged, message

GOOD = "MUNGE:good:"


class MungeTests(SynchronousTestCase):
    """Both sides."""

    def test_accepted(self) -> None:
        """The user whose id MUNGE says is the client's user."""
        host = FakeHost(munge={GOOD: 33})
        one = client_side(MungeMethod(), host=host)
        other = server_side(MungeMethod(), host=host)
        pump(one, other)
        self.assertEqual(one.outcome(), AuthResult(user=None))
        self.assertEqual(
            other.outcome(), AuthResult("www-data@test.domain", "www-data")
        )
        self.assertEqual(one.sent, [message(0, GOOD)])
        self.assertEqual(other.sent, [number(0)])

    def test_no_credential(self) -> None:
        """A client without a credential says so, and nobody answers."""
        one, other = client_side(MungeMethod()), server_side(MungeMethod())
        pump(one, other)
        for side in (one, other):
            self.assertRaises(AuthenticationFailed, side.outcome)
        self.assertEqual(other.sent, [])

    def test_refused(self) -> None:
        """Unknown credentials, and users without a name, or with a bad one."""
        for credential, uid, user in (
            ("other", 33, "alice"),
            (GOOD, 99, "alice"),
            (GOOD, 33, "bad\nname"),
            (GOOD, 33, "a@b"),
        ):
            host = FakeHost(munge={GOOD: uid}, users={33: user})
            side = server_side(MungeMethod(), message(0, credential), host=host)
            self.assertRaises(AuthenticationFailed, side.outcome)
            self.assertEqual(side.sent, [number(-1)])
        one = client_side(MungeMethod(), number(-1), host=FakeHost(munge={GOOD: 1}))
        self.assertRaises(AuthenticationFailed, one.outcome)

    def test_damage(self) -> None:
        """A message cut or changed ends in an error that is documented."""
        for payload in damaged(message(0, GOOD)):
            side = server_side(MungeMethod(), payload, host=FakeHost(munge={GOOD: 33}))
            self.assertIsInstance(
                side.error, (AuthenticationFailed, RemoteProtocolError)
            )
        for payload in (b"", number(0)[1:], number(0) + b"\0", number(1)):
            one = client_side(MungeMethod(), payload, host=FakeHost(munge={GOOD: 1}))
            self.assertIsInstance(
                one.error, (AuthenticationFailed, RemoteProtocolError)
            )

    def test_length(self) -> None:
        """A credential of 64 KiB is looked at, a longer one is not."""
        for length, error in ((65536, AuthenticationFailed), (65537, LimitExceeded)):
            side = server_side(MungeMethod(), message(0, "x" * length))
            self.assertRaises(error, side.outcome)

    def test_silence(self) -> None:
        """A side that goes away is ``PeerClosed``."""
        for side in (
            server_side(MungeMethod()),
            client_side(MungeMethod(), host=FakeHost(munge={GOOD: 1})),
        ):
            side.peer_closed()
            self.assertRaises(PeerClosed, side.outcome)

    def test_available(self) -> None:
        """It is offered where its library is."""
        for libraries, offered in ((frozenset(), False), (frozenset({"munge"}), True)):
            found = usable_methods(
                DictKnobs(), None, Permission.CLIENT, Credentials(libraries=libraries)
            )
            self.assertIs("MUNGE" in found, offered)
