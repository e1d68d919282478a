"""`condor_twisted.security.handshake.key_exchange`."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import MalformedMessage
from condor_twisted.security.handshake.key_exchange import (
    decode_public_key,
    derive_session_key,
    encode_public_key,
    hkdf_sha256,
    make_private_key,
)
from condor_twisted.security.keys import CryptoMethod
from tests.security.recordings import (
    attributes_of,
    load_vector,
)


class KeyExchangeTests(SynchronousTestCase):
    """ECDH and the key that comes of it."""

    def test_recorded(self) -> None:
        """Recorded scalars give the recorded session keys."""
        for name in ("claimtobe", "blowfish", "3des", "nothing-negotiated"):
            connection = load_vector(name)["connections"][0]
            private = ec.derive_private_key(
                int(connection["ecdh"]["private_scalar"], 16), ec.SECP256R1()
            )
            peer = attributes_of(connection, "auth_info")["ECDHPublicKey"]
            reply = attributes_of(connection, "auth_response")
            self.assertEqual(encode_public_key(private), reply["ECDHPublicKey"])
            method = {each.wire_name: each for each in CryptoMethod}[
                reply["CryptoMethods"]
            ]
            key = derive_session_key(private, decode_public_key(peer), method)
            self.assertEqual(key.data.hex(), connection["session_key"])

    def test_both_sides_agree(self) -> None:
        """Two new keys have one secret, and the key has the cipher's length."""
        one, two = make_private_key(), make_private_key()
        for method in CryptoMethod:
            first = derive_session_key(
                one, decode_public_key(encode_public_key(two)), method
            )
            second = derive_session_key(
                two, decode_public_key(encode_public_key(one)), method
            )
            self.assertEqual(first, second)
            self.assertEqual(len(first.data), method.key_length_bytes)

    def test_hkdf(self) -> None:
        """Our HKDF is the one of RFC 5869."""
        expected = HKDF(hashes.SHA256(), 32, b"salt", b"info").derive(b"secret")
        self.assertEqual(hkdf_sha256(b"secret", b"salt", b"info", 32), expected)
        self.assertEqual(hkdf_sha256(b"secret", b"salt", b"info", 24), expected[:24])

    def test_mnh_4_16_keys_are_made_anew(self) -> None:
        """No two negotiations get the same private key."""
        keys = {encode_public_key(make_private_key()) for _ in range(5)}
        self.assertEqual(len(keys), 5)

    def test_mnh_4_15_only_whole_points_on_the_curve(self) -> None:
        """Everything but 65 bytes that are a point of the curve is refused."""
        key = make_private_key().public_key()
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        short = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        off_curve = point[:-1] + bytes((point[-1] ^ 1,))
        text = base64.b64encode(point).decode()
        bad = [
            base64.b64encode(each).decode()
            for each in (
                short,
                b"\x06" + point[1:],
                b"\x07" + point[1:],
                point + b"\0",
                point[:-1],
                off_curve,
                b"\0",
                b"\x04" + bytes(64),
                b"",
            )
        ]
        bad += [text + "\n", text[:-1], text + "=", " " + text, "A" * 201, "ä" * 88]
        bad.append(text[:10] + "!" + text[10:])
        for each in bad:
            with self.subTest(each=each):
                self.assertRaises(MalformedMessage, decode_public_key, each)
        self.assertEqual(decode_public_key(text).public_numbers(), key.public_numbers())
