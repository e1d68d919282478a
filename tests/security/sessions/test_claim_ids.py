"""Tests of ``condor_twisted.security.sessions.claim_ids``."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import RemoteProtocolError
from condor_twisted.security.sessions.claim_ids import (
    FAMILY_SESSION,
    PARENT_SESSION,
    ClaimId,
    SessionInfo,
    parse_private_inheritance,
    serialize_private_inheritance,
)

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors" / "inheritance.json").read_text()
)["inherit"]
PRIVATE = VECTORS["dc_child_own_ports"]["CONDOR_PRIVATE_INHERIT"]


class ClaimIdTests(SynchronousTestCase):
    def test_last_hash_separates(self) -> None:
        """A session id may hold hashes; the key does not."""
        claim = ClaimId.parse("<192.0.2.7:9618>#1#2#abcdef")
        self.assertEqual(claim.session_id, "<192.0.2.7:9618>#1#2")
        self.assertEqual(claim.key, "abcdef")
        self.assertIsNone(claim.info)
        self.assertEqual(claim.serialize(), "<192.0.2.7:9618>#1#2#abcdef")

    def test_mnh_7_1_key_is_never_shown(self) -> None:
        """Neither ``str`` nor ``repr`` tell the key."""
        claim = ClaimId.parse('id#[Encryption="YES";]topsecret')
        self.assertEqual(str(claim), "id#...")
        self.assertNotIn("topsecret", repr(claim))

    def test_wrong_claims(self) -> None:
        """What is no claim id is refused, and the error does not repeat it."""
        for text in (
            "",
            "no separator topsecret",
            "#topsecret",
            "id#",
            'id#[A="1";topsecret',
            "id#[A=1+1;]topsecret",
            "id#[topsecret;]k",
            "id#[=1;]topsecret",
            "id#" + "k" * 2000,
            "i" * 300 + "#topsecret",
            "id#topsecr\u00e9t",
            "id#[" + "".join(f"A{n}=1;" for n in range(40)) + "]k",
        ):
            with self.subTest(text=text[:40]):
                error = self.assertRaises(RemoteProtocolError, ClaimId.parse, text)
                self.assertNotIn("topsecr", str(error))

    def test_order_of_what_is_said(self) -> None:
        """Names are written by length, then by name; what is not there is left out."""
        info = SessionInfo.of(
            {"ValidCommands": "1,2", "Integrity": "NO", "CryptoMethods": None}
        )
        self.assertEqual(str(info), '[Integrity="NO";ValidCommands="1,2";]')
        self.assertEqual(info.string("integrity"), "NO")
        self.assertIsNone(info.integer("Integrity"))
        self.assertEqual(
            SessionInfo.parse("[SessionExpires=7]").integer("sessionexpires"), 7
        )

    @given(st.text(alphabet='ab#[]=;"1', max_size=40))
    def test_any_text(self, text: str) -> None:
        """Any text is a claim id or refused, never anything else."""
        try:
            claim = ClaimId.parse(text)
        except RemoteProtocolError:
            return
        self.assertEqual(ClaimId.parse(claim.serialize()), claim)


class PrivateInheritanceTests(SynchronousTestCase):
    def test_of_a_real_parent(self) -> None:
        """A real parent's child gets its own session and the family's."""
        (first, own), (second, family) = parse_private_inheritance(PRIVATE)
        self.assertEqual((first, second), (PARENT_SESSION, FAMILY_SESSION))
        self.assertTrue(family.session_id.startswith("family:"))
        assert own.info is not None
        self.assertIn("60008", own.info.string("ValidCommands") or "")
        self.assertEqual(own.info.string("ShortVersion"), "25.14.1")

    def test_byte_for_byte(self) -> None:
        """What real parents wrote is written again as it was, the first blank too."""
        for name, variables in VECTORS.items():
            with self.subTest(name):
                text = variables["CONDOR_PRIVATE_INHERIT"]
                found = parse_private_inheritance(text)
                self.assertEqual(serialize_private_inheritance(found), text)

    def test_nothing(self) -> None:
        """An empty value is nothing."""
        self.assertEqual(parse_private_inheritance(""), ())

    def test_wrong_words(self) -> None:
        """What has no keyword is refused, and the error does not repeat it."""
        for text in (" topsecret", " :id#topsecret", " a b:id#topsecret", "x" * 70_000):
            error = self.assertRaises(
                RemoteProtocolError, parse_private_inheritance, text
            )
            self.assertNotIn("topsecret", str(error))
