"""`condor_twisted.security.steps`."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.security import steps
from condor_twisted.security.keys import CryptoMethod, SessionKey
from condor_twisted.security.steps import (
    EnableProtection,
    Handshake,
    LookupHost,
    LookupUser,
    MakeDirectory,
    MakeTemporaryName,
    PathKind,
    PathStatus,
    ReceiveMessage,
    RemoveDirectory,
    SendMessage,
    StatPath,
    Step,
)


def answered(handshake: Handshake[Any], answer: object) -> tuple[Step, object]:
    """The one step of a handshake, and its outcome with an answer."""
    step = next(handshake)
    try:
        handshake.send(answer)
    except StopIteration as end:
        return step, end.value
    raise AssertionError("more than one step")


class HelperTests(SynchronousTestCase):
    """The generators that yield one step each."""

    def test_helpers(self) -> None:
        """Each helper yields its step and returns the answer to it."""
        protection = EnableProtection(
            SessionKey(CryptoMethod.AES, bytes(32)), False, False
        )
        status = PathStatus(PathKind.DIRECTORY, 0o700, 2, 1)
        for handshake, step, answer in (
            (steps.send_message(b"x"), SendMessage(b"x"), None),
            (steps.receive_message(), ReceiveMessage(), b"y"),
            (steps.enable_protection(protection), protection, None),
            (
                steps.make_temporary_name("/d", "p", "s"),
                MakeTemporaryName("/d", "p", "s"),
                "/d/p1_",
            ),
            (steps.make_directory("/d", 0o700), MakeDirectory("/d", 0o700), True),
            (steps.remove_directory("/d"), RemoveDirectory("/d"), None),
            (steps.stat_path("/d", True), StatPath("/d", True), status),
            (steps.lookup_user(5), LookupUser(5), "alice"),
            (steps.lookup_host("::1"), LookupHost("::1"), ("h",)),
        ):
            self.assertEqual(answered(handshake, answer), (step, answer))

    def test_undo(self) -> None:
        """Making a directory is taken back by removing it."""
        self.assertEqual(MakeDirectory("/d", 0o700).undo(), RemoveDirectory("/d"))


class ProtectionTests(SynchronousTestCase):
    """What a protection says of itself."""

    def test_encrypts(self) -> None:
        """AES always encrypts, another cipher where it was agreed on."""
        for method, encrypt, expected in (
            (CryptoMethod.AES, False, True),
            (CryptoMethod.BLOWFISH, False, False),
            (CryptoMethod.BLOWFISH, True, True),
        ):
            step = EnableProtection(SessionKey(method, bytes(24)), encrypt, True)
            self.assertEqual(step.encrypts, expected)

    def test_mnh_7_1_no_secret_in_repr(self) -> None:
        """Steps show neither messages nor keys."""
        key = SessionKey(CryptoMethod.AES, b"secret" * 5)
        self.assertNotIn("secret", repr(SendMessage(b"secret")))
        self.assertNotIn("secret", repr(EnableProtection(key, True, True)))
