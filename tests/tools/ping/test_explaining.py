"""Tests of ``condor_twisted.tools.ping.explaining``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import FailedAttempt, NoMethodSucceeded
from condor_twisted.security.explanation import WISHES, Explanation, Wish
from condor_twisted.tools.ping.explaining import explained
from tests.tools.ping.kit import failed, succeeded


def server(**wishes: str) -> Explanation:
    """What a server tells: OPTIONAL but for these."""
    values = {name: wishes.get(name, "OPTIONAL") for name in WISHES}
    return Explanation(
        level="WRITE",
        wishes={name: Wish(value, f"KNOB_{name}") for name, value in values.items()},
        left_out=("KERBEROS: no\x1bkeytab",),
        attempts=("SSL: no certificate",),
        limits="READ",
        reason="nobody may",
        unset=("ALLOW_A", "ALLOW_B"),
    )


class ExplainingTests(SynchronousTestCase):
    def test_features(self) -> None:
        """Each feature says what became of it and who wanted it."""
        for wish, answer, text in (
            ("REQUIRED", "YES", "yes, because the server requires it"),
            ("PREFERRED", "YES", "yes, because the server prefers it"),
            ("OPTIONAL", "YES", "yes, because AES does it in any case"),
            ("NEVER", "NO", "no, because the server never does it"),
            ("OPTIONAL", "NO", "no, because neither side prefers it"),
        ):
            result = succeeded(server(Integrity=wish), Integrity=answer)
            shown = explained("WRITE", "there", result)
            self.assertIn(f"Integrity: {text}\n", shown)
            self.assertIn(f"the server says {wish} (KNOB_Integrity)\n", shown)

    def test_silent_server(self) -> None:
        """Of a server that tells nothing, what can be known is told."""
        shown = explained("WRITE", "there", succeeded(Encryption="YES"))
        self.assertIn("yes, because the server wants it or AES does it", shown)
        self.assertIn("Integrity: no, because the server does not want it", shown)
        self.assertIn("the server does not tell its policy\n", shown)
        self.assertIn("the server allows it, and does not tell why", shown)

    def test_server_texts(self) -> None:
        """All that the server tells is shown, escaped."""
        shown = explained("WRITE", "there", succeeded(server()))
        for text in (
            "WRITE (command 60021), which needs WRITE, is allowed: there\n",
            "left out of the server's: KERBEROS: no\\x1bkeytab",
            "the server says of it: SSL: no certificate",
            "the credential is limited to READ",
            "the server: nobody may\n",
            "none of these is set: ALLOW_A, ALLOW_B",
        ):
            self.assertIn(text, shown)

    def test_before_an_answer(self) -> None:
        """Where nothing was agreed on, the error is what there is."""
        error = NoMethodSucceeded((FailedAttempt("FS", "gone"),), ("FS",))
        shown = explained("WRITE", "there", failed(error))
        self.assertIn("Encryption: not agreed on", shown)
        self.assertIn("authentication failed (FS): FS: gone", shown)
