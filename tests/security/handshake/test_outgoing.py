"""`condor_twisted.security.handshake.outgoing`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import CondorTwistedError
from condor_twisted.security.handshake.connecting import connect
from condor_twisted.security.handshake.outgoing import CommandStart, NegotiationRecord
from condor_twisted.security.handshake.serving import serve
from tests.security.kit import (
    FakeHost,
    Side,
    client_context,
    make_state,
    run_pair,
    server_context,
)


class RecordTests(SynchronousTestCase):
    """How far a negotiation came."""

    def record(
        self, client: dict[str, str], server: dict[str, str]
    ) -> NegotiationRecord:
        """What a client knows at the end; both sides have hosts of their own."""
        record = NegotiationRecord()
        start = CommandStart(5, record=record)
        state = make_state(client, subsystem="TOOL")
        one = Side(connect(client_context(state), start), FakeHost())
        served = make_state(server)
        run_pair(one, lambda first: serve(server_context(served), first), FakeHost())
        self.assertIsInstance(one.error, (type(None), CondorTwistedError))
        return record

    def test_whole(self) -> None:
        """A negotiation that ends well leaves nothing unknown."""
        knobs = {
            "SEC_DEFAULT_AUTHENTICATION": "REQUIRED",
            "SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE",
        }
        record = self.record(knobs, knobs)
        assert record.authenticated is not None
        self.assertEqual(record.authenticated.method, "CLAIMTOBE")
        for name in ("ends", "policy", "answer", "agreed", "verdict", "session"):
            self.assertIsNotNone(getattr(record, name), name)
        assert record.server_decision is not None
        self.assertTrue(record.server_decision.allowed)
        self.assertEqual(list(record.attempts), [])

    def test_contradiction(self) -> None:
        """A server that closes leaves what we wanted."""
        record = self.record(
            {"SEC_CLIENT_AUTHENTICATION": "NEVER"},
            {"SEC_READ_AUTHENTICATION": "REQUIRED"},
        )
        self.assertIsNotNone(record.policy)
        self.assertIsNone(record.answer)

    def test_failed_methods(self) -> None:
        """Methods that failed are there, also where the negotiation went on."""
        record = self.record(
            {
                "SEC_CLIENT_AUTHENTICATION": "PREFERRED",
                "SEC_CLIENT_AUTHENTICATION_METHODS": "FS, CLAIMTOBE",
            },
            {"SEC_DEFAULT_AUTHENTICATION_METHODS": "FS, CLAIMTOBE"},
        )
        self.assertEqual([each.method for each in record.attempts], ["FS"])
        assert record.authenticated is not None
        self.assertEqual(record.authenticated.method, "CLAIMTOBE")

    def test_subject(self) -> None:
        """What is asked about is the command, unless that only asks."""
        self.assertEqual(CommandStart(5).subject, 5)
        self.assertEqual(CommandStart(60040, 5).subject, 5)
