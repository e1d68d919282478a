"""Tests of ``condor_twisted.protocols.requests``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import LocalProtocolError, MalformedMessage
from condor_twisted.protocols.requests import CommandRequest, command_number
from condor_twisted.security.peer import Peer, Transport, raw_peer
from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.messages import MessageWriter


class CommandNumberTests(SynchronousTestCase):
    def test_whole_number(self) -> None:
        """All 64 bits count, with their sign."""
        for number in (0, 5, 60010, 2**32 + 5, -1, -(2**63), 2**63 - 1):
            self.assertEqual(
                command_number(number.to_bytes(8, "big", signed=True) + b"x"), number
            )

    def test_too_short(self) -> None:
        """A message of fewer than eight bytes has no command."""
        for size in range(8):
            self.assertRaises(MalformedMessage, command_number, b"\0" * size)


class CommandRequestTests(SynchronousTestCase):
    def make(
        self, payload: bytes, offset: int = 0, secrets: CfbCipher | None = None
    ) -> CommandRequest:
        """A request that came by UDP."""
        peer = raw_peer("198.51.100.1", 1, Transport.UDP)
        return CommandRequest(
            5, payload, offset, False, peer, None, secrets, self.holds
        )

    def holds(self, permission: Permission, peer: Peer) -> bool:
        self.asked = (permission, peer)
        return permission is Permission.READ

    def test_reader_begins_at_the_offset(self) -> None:
        """The command's own items begin behind its number."""
        request = self.make(b"12345678text\0", 8)
        reader = request.reader()
        self.assertEqual(reader.get_string(), "text")
        reader.end_of_message()

    def test_secrets_of_a_clear_message(self) -> None:
        """Single secrets are decrypted with a key stream of their message."""
        cipher = CfbCipher("BLOWFISH", bytes(24))
        writer = MessageWriter(False, cipher.for_message())
        writer.put_string("open")
        writer.put_secret("hidden")
        for _ in range(2):
            reader = self.make(writer.end_of_message(), 0, cipher).reader()
            self.assertEqual(reader.get_string(), "open")
            self.assertEqual(reader.get_secret(), "hidden")

    def test_further_levels(self) -> None:
        """A handler may ask about a further level of its peer."""
        request = self.make(b"")
        self.assertTrue(request.holds(Permission.READ))
        self.assertFalse(request.holds(Permission.DAEMON))
        self.assertEqual(self.asked, (Permission.DAEMON, request.peer))

    def test_datagrams_have_no_answer(self) -> None:
        """Nothing can be answered without a connection."""
        request = self.make(b"")
        self.assertRaises(LocalProtocolError, request.writer)
        self.assertRaises(LocalProtocolError, request.reply, b"x")
        self.failureResultOf(request.reply_parts([b"x"]), LocalProtocolError)

    def test_connection_is_kept_on_demand(self) -> None:
        """A connection is kept when the handler says so."""
        request = self.make(b"")
        self.assertFalse(request.keeps_open)
        request.keep_open()
        self.assertTrue(request.keeps_open)
