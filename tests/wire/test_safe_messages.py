"""Tests of ``condor_twisted.wire.safe_messages``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import LocalProtocolError, MalformedMessage
from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.datagrams import MessageId, Reassembler, split_message
from condor_twisted.wire.messages import MessageReader, MessageWriter
from condor_twisted.wire.safe_messages import (
    SafeMessage,
    SafeMessageHeader,
    protect_message,
    split_key_id,
)
from tests.wire.cedar_vectors import vector

KEY = bytes(range(24))
KEY_ID = "host:1:2:3"
ID = MessageId(0, 0, 0, 0)


def content(encrypted: bool) -> bytes:
    """Return the message of the recorded datagrams."""
    writer = MessageWriter(encrypted)
    writer.put_int(60000)
    writer.put_string("hi")
    return writer.end_of_message()


def received(data: bytes) -> SafeMessage:
    """Return the message of one datagram."""
    message = Reassembler().receive(data, 0.0)
    if message is None:
        raise AssertionError("not a whole message")
    return message


class RecordedTests(SynchronousTestCase):
    """Protected datagrams as HTCondor sends and takes them."""

    def assert_sent(self, what: str, message: SafeMessage) -> None:
        """Compare a message's only datagram with the recorded one."""
        data = vector(what).data
        self.assertEqual(
            split_message(message.payload, 1000, ID, message.header), [data]
        )
        self.assertEqual(received(data), message)

    def test_mac(self) -> None:
        """A MAC alone."""
        message = protect_message(content(False), mac_key_id=KEY_ID, mac_key=KEY)
        self.assert_sent("UDP with MD5", message)
        self.assertEqual(message.mac_key_id, KEY_ID)
        self.assertEqual(message.encryption_key_id, "")
        self.assertTrue(message.verify_mac(KEY))
        self.assertFalse(message.verify_mac(KEY[::-1]))

    def test_encryption(self) -> None:
        """Encryption alone; no MAC is no proof."""
        cipher = CfbCipher("3DES", KEY)
        cipher.encrypt(b"a used keystream does not matter")
        message = protect_message(
            content(True), encryption_key_id=KEY_ID, cipher=cipher
        )
        self.assert_sent("UDP with 3DES", message)
        self.assertEqual(message.encryption_key_id, KEY_ID)
        self.assertEqual(message.decrypt(cipher), content(True))
        self.assertFalse(message.verify_mac(KEY))

    def test_both(self) -> None:
        """A MAC over the ciphertext."""
        message = protect_message(
            content(True),
            encryption_key_id=KEY_ID,
            cipher=CfbCipher("3DES", KEY),
            mac_key_id=KEY_ID,
            mac_key=KEY,
        )
        self.assert_sent("UDP with MD5 and 3DES", message)

    def test_commands_in_an_aes_session(self) -> None:
        """Blowfish with the first 24 bytes of the AES key, as a collector took it."""
        for what, address in [
            ("UDP command in an AES session (Blowfish fallback)", ""),
            (
                "UDP command in an AES session, key id with return address",
                "<127.0.0.1:9999>",
            ),
        ]:
            recorded = vector(what)
            message = received(recorded.data)
            self.assertEqual(
                split_key_id(message.encryption_key_id),
                ("vm:30931:1795350540:5", address),
            )
            cipher = CfbCipher("BLOWFISH", recorded.key[:24])
            reader = MessageReader(message.decrypt(cipher), encrypted=True)
            self.assertEqual(reader.get_int(), 60010)
            resume = reader.get_ad(100)
            self.assertIn(b'UseSession = "YES"\0', resume.body)
            self.assertIn(b"Command = 58\0", resume.body)
            self.assertGreater(reader.get_ad().count, 0)
            reader.end_of_message()


class HeaderTests(SynchronousTestCase):
    """The security header's own bytes."""

    def test_round_trip(self) -> None:
        """What a header says comes back, with what follows it."""
        for header in (
            SafeMessageHeader(),
            SafeMessageHeader("m", b"1" * 16),
            SafeMessageHeader(encryption_key_id="e\udcff"),
            SafeMessageHeader("m", b"1" * 16, "e"),
        ):
            self.assertEqual(
                SafeMessageHeader.parse(header.encode() + b"rest"), (header, b"rest")
            )

    def test_truncation(self) -> None:
        """A header that does not fit, or has nothing behind it, is refused."""
        data = SafeMessageHeader("mac", b"1" * 16, "key").encode()
        for size in range(4, len(data) + 1):
            with self.assertRaises(MalformedMessage):
                SafeMessageHeader.parse(data[:size])
        self.assertEqual(SafeMessageHeader.parse(data + b"x")[1], b"x")

    def test_flags_without_ids(self) -> None:
        """A flag whose key id is empty counts for nothing; so do unknown flags."""
        for flags in (0, 1, 2, 3, 0xFFFC, 0xFFFF):
            data = b"CRAP" + flags.to_bytes(2, "big") + bytes(4) + b"payload"
            self.assertEqual(
                SafeMessageHeader.parse(data), (SafeMessageHeader(), b"payload")
            )

    def test_ids_without_flags(self) -> None:
        """A length without its flag takes no bytes."""
        data = b"CRAP\0\0\0\5\0\5payload"
        self.assertEqual(
            SafeMessageHeader.parse(data), (SafeMessageHeader(), b"payload")
        )

    def test_misuse(self) -> None:
        """A key without its id, a wrong MAC or an endless id is our mistake."""
        cipher = CfbCipher("3DES", KEY)
        with self.assertRaises(LocalProtocolError):
            protect_message(bytes(8), cipher=cipher)
        with self.assertRaises(LocalProtocolError):
            protect_message(bytes(8), encryption_key_id="a")
        with self.assertRaises(LocalProtocolError):
            protect_message(bytes(8), mac_key=KEY)
        with self.assertRaises(LocalProtocolError):
            protect_message(bytes(8), mac_key_id="a")
        with self.assertRaises(LocalProtocolError):
            SafeMessageHeader("m", b"short").encode()
        with self.assertRaises(LocalProtocolError):
            SafeMessageHeader(encryption_key_id="x" * 65536).encode()

    def test_mnh_0_5_no_repr_shows_a_payload(self) -> None:
        """Key ids are shown; MAC and payload are not."""
        shown = repr(SafeMessage(b"claim", SafeMessageHeader("id", b"m" * 16)))
        self.assertIn("id", shown)
        self.assertNotIn("claim", shown)
        self.assertNotIn("mmmm", shown)

    def test_split_key_id(self) -> None:
        """Commas and blanks divide; what is missing is empty."""
        for key_id, expected in [
            ("", ("", "")),
            ("sid", ("sid", "")),
            ("sid,<1.2.3.4:5>", ("sid", "<1.2.3.4:5>")),
            (" sid , <a> more", ("sid", "<a>")),
        ]:
            self.assertEqual(split_key_id(key_id), expected)
